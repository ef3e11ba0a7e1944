/* cmd_copy.c — EXPUNGE, COPY, MOVE and their UID forms (RFC 9051 §6.4.3, §6.4.7, §6.4.8, §6.4.9). */
#include "role/mailbox/imap_cmds.h"

#include "base/buf.h"
#include "store/quota.h"

SUSPENDS struct imap_reply imap_cmd_expunge(struct imap_session *s, struct err *e)
{
	uint64_t before = box_modseq(s->sel.box);
	struct imap_reply r;
	uint32_t *uids = NULL;
	size_t n = 0;

	if (s->sel.is_read_only)
		return reply_of(IMAP_REPLY_NOT_WRITABLE);
	if (s->c.is_uid && !uids_of_set(s, &s->c.copy.set, true, &uids, &n, &r))
		return r;
	if (!box_expunge(s->sel.box, uids, n, false, &s->by, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	return reply_at_modseq(s, before);
}

/* "COPYUID 1 2:3 7:8" */
static struct str copy_uid(struct imap_session *s, const struct copied *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(IMAP_ARENA_MAX);
	struct seq_print print = { .b = &b };

	buf_addf(&b, "COPYUID %u ", c->validity);
	for (size_t i = 0; i < c->n; i++)
		seq_print(&print, c->uids[i]);
	seq_print_end(&print);
	buf_addf(&b, " %u", c->first);
	if (c->n > 1)
		buf_addf(&b, ":%u", c->first + (uint32_t)c->n - 1);
	return b.full ? S("") : arena_str(s->a, buf_str(&b));    /* no code is better than a wrong one */
}

/* A copy counts as its letter does; a move changes nothing. */
SUSPENDS static bool has_room(struct imap_session *s, const uint32_t *uids, size_t n, struct err *e)
{
	uint64_t bytes = 0, letters = 0;

	if (!box_learn(s->sel.box, uids, n, KNOWN_SIZE, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct letter *l = box_find(s->sel.box, uids[i]);

		bytes += l ? l->size : 0;
		letters += l != NULL;
	}
	return quota_check(s->store, bytes, letters, e);
}

SUSPENDS static struct imap_reply copy(struct imap_session *s, bool is_move, struct err *e)
{
	uint64_t before = box_modseq(s->sel.box);
	struct copied copied = { 0 };
	struct imap_reply r;
	struct str to;
	uint32_t *uids;
	size_t n;

	if (is_move && s->sel.is_read_only)
		return reply_of(IMAP_REPLY_NOT_WRITABLE);
	if (!uids_of_set(s, &s->c.copy.set, s->c.is_uid, &uids, &n, &r))
		return r;
	if (!folder_of_name(s, s->c.copy.mailbox, &to))
		return reply_of(IMAP_REPLY_NAME_BAD);
	if (!is_move && !has_room(s, uids, n, e))
		return reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	if (!box_copy(s->sel.box, uids, n, to, is_move, &s->by, s->a, &copied, e))
		return reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	if (!copied.n)
		return reply_of(n ? IMAP_REPLY_EXPUNGED : IMAP_REPLY_DONE);
	r = (struct imap_reply){ .id = IMAP_REPLY_DONE, .code = copy_uid(s, &copied) };
	if (!is_move)
		return r;
	/* RFC 6851 §4.3: before the EXPUNGEs */
	r.text = S("moved");
	imap_reply_add(&s->out, S("*"), &r);
	return reply_at_modseq(s, before);
}

SUSPENDS struct imap_reply imap_cmd_copy(struct imap_session *s, struct err *e)
{
	return copy(s, false, e);
}

SUSPENDS struct imap_reply imap_cmd_move(struct imap_session *s, struct err *e)
{
	return copy(s, true, e);
}
