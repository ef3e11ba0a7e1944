/* cmd_replace.c — REPLACE and UID REPLACE (RFC 8508): a letter comes, another goes.
 *
 * The new one is durable before the old one goes, so that a crash between the two leaves both and
 * never none; the client is told of either only when all is done. */
#include "role/mailbox/cmd_replace.h"

#include "role/mailbox/append_parts.h"
#include "role/mailbox/cmd_append.h"
#include "role/mailbox/imap_cmds.h"

struct imap_reply replace_begin(struct imap_session *s)
{
	const struct letter *l;
	struct imap_reply r;
	uint32_t *uids;
	size_t n;

	if (!s->sel.box)
		return reply_of(IMAP_REPLY_WRONG_STATE);
	if (s->sel.is_read_only)
		return reply_of(IMAP_REPLY_NOT_WRITABLE);
	if (!uids_of_set(s, &s->c.append.set, s->c.is_uid, &uids, &n, &r))
		return r;
	l = n == 1 ? box_find(s->sel.box, uids[0]) : NULL;
	if (!l)
		return reply_of(IMAP_REPLY_NO_LETTER);
	s->append.replaces = l->uid;
	s->append.replaced_octets = l->known & KNOWN_SIZE ? l->size : 0;
	return reply_of(IMAP_REPLY_NONE);
}

/* The old one stays: the new one goes. */
SUSPENDS static void take_back(struct imap_session *s, uint32_t uid)
{
	struct box *b = NULL;
	struct err ignored;
	struct str folder;

	if (!folder_of_name(s, s->c.append.mailbox, &folder) || !box_open(s->store, folder, &b, &ignored))
		return;
	(void)box_expunge(b, &uid, 1, true, &s->by, &ignored);
	box_close(b);
}

SUSPENDS static struct imap_reply replace(struct imap_session *s, struct err *e)
{
	uint64_t before = box_modseq(s->sel.box);
	struct imap_reply r;
	uint32_t uid;

	r = append_parts(s, false, e);
	if (r.id || r.close)
		return r;
	if (!box_find(s->sel.box, s->append.replaces))
		return reply_of(IMAP_REPLY_NO_LETTER);
	r = append_end(s, &uid, e);
	if (r.id != IMAP_REPLY_DONE)
		return r;
	if (!box_expunge(s->sel.box, &s->append.replaces, 1, true, &s->by, e)) {
		take_back(s, uid);
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	}
	r.text = S("the replacement");
	imap_reply_add(&s->out, S("*"), &r);     /* RFC 8508 §4.3: before the EXPUNGE */
	return reply_at_modseq(s, before);
}

SUSPENDS struct imap_reply imap_cmd_replace(struct imap_session *s, struct err *e)
{
	struct imap_reply r = reply_of(IMAP_REPLY_NONE);

	if (!s->append.replaces)         /* all of it comes out of other letters */
		r = replace_begin(s);
	if (!r.id)
		r = replace(s, e);
	append_forget(s);
	return r;
}
