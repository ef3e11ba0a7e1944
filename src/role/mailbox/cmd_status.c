/* cmd_status.c — STATUS (RFC 9051 §6.3.11; RFC 7162, 7889, 8438, 8474, 9208). */
#include "role/mailbox/cmd_status.h"

#include "role/mailbox/imap_cmds.h"

struct status_number {
	unsigned item;
	const char *name;
	uint64_t value;
};

/* RFC 9208 §4.1.4: octets of the letters that are \Deleted. */
SUSPENDS static bool deleted_storage(struct imap_session *s, struct str folder, uint64_t *ret, struct err *e)
{
	struct box *b = NULL;
	uint32_t *uids;
	size_t n = 0;
	bool ok;

	if (!box_open(s->store, folder, &b, e))
		return false;
	uids = ARENA_ARRAY(s->a, uint32_t, box_count(b) + 1);
	for (size_t i = 0; uids && i < box_count(b); i++)
		if (box_letters(b)[i].flags & LETTER_DELETED)
			uids[n++] = box_letters(b)[i].uid;
	ok = uids ? box_learn(b, uids, n, KNOWN_VSIZE, e) : fail(e, FAULT_TEMP, "out of memory");
	*ret = 0;
	for (size_t i = 0; ok && i < n; i++) {
		const struct letter *l = box_find(b, uids[i]);

		*ret += l ? l->vsize : 0;
	}
	box_close(b);
	return ok;
}

static void add_numbers(struct buf *b, unsigned items, const struct box_status *st, uint64_t deleted_octets)
{
	const struct status_number numbers[] = {
		{ STATUS_MESSAGES, "MESSAGES", st->messages },
		{ STATUS_RECENT, "RECENT", st->recent },
		{ STATUS_UIDNEXT, "UIDNEXT", st->uidnext },
		{ STATUS_UIDVALIDITY, "UIDVALIDITY", st->uidvalidity },
		{ STATUS_UNSEEN, "UNSEEN", st->unseen },
		{ STATUS_DELETED, "DELETED", st->deleted },
		{ STATUS_SIZE, "SIZE", st->size },
		{ STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ", st->modseq },
		{ STATUS_APPENDLIMIT, "APPENDLIMIT", IMAP_APPEND_MAX },
		{ STATUS_DELETED_STORAGE, "DELETED-STORAGE", deleted_octets },
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (items & numbers[i].item)
			buf_addf(b, "%s %llu ", numbers[i].name, (unsigned long long)numbers[i].value);
	if (items & STATUS_MAILBOXID)
		buf_addf(b, "MAILBOXID (%s) ", st->id);
}

SUSPENDS bool add_status(struct imap_session *s, struct str folder, unsigned items, struct err *e)
{
	struct box_status st;
	uint64_t octets = 0;

	if (!box_status(s->store, folder, &st, e) ||
	    (items & STATUS_DELETED_STORAGE && !deleted_storage(s, folder, &octets, e)))
		return false;
	buf_add(&s->out, S("* STATUS "));
	add_folder_name(s, &s->out, folder);
	buf_add(&s->out, S(" ("));
	add_numbers(&s->out, items, &st, octets);
	if (s->out.n && s->out.p[s->out.n - 1] == ' ')
		s->out.n--;
	buf_add(&s->out, S(")\r\n"));
	return out_breathe(s, e);
}

SUSPENDS struct imap_reply imap_cmd_status(struct imap_session *s, struct err *e)
{
	struct str folder;

	if (!folder_of_name(s, s->c.status.mailbox, &folder))
		return reply_of(IMAP_REPLY_NO_MAILBOX);
	if (s->c.status.items & STATUS_HIGHESTMODSEQ)
		use_condstore(s);        /* RFC 7162 §3.1 */
	if (!add_status(s, folder, s->c.status.items, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	return reply_of(IMAP_REPLY_DONE);
}
