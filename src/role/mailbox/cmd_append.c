/* cmd_append.c — APPEND and MULTIAPPEND (RFC 9051 §6.3.12, RFC 3502, 3516, 4469, 7889).
 *
 * Letters come literal by literal (append_parts.h); the command's end commits all of them, or nothing
 * stays.  What can be known to fail is told before the client has sent the literal. */
#include "role/mailbox/cmd_append.h"

#include "fiber/fiber.h"
#include "role/mailbox/append_parts.h"
#include "role/mailbox/cmd_replace.h"
#include "role/mailbox/imap_cmds.h"
#include "role/mailbox/imap_updates.h"

#define STALL_MOST (5 * MINUTE)

/* -- one literal comes ----------------------------------------------------- */

/* What of it is here already, or the next bytes; false: the stream broke. */
SUSPENDS static bool literal_more(struct imap_session *s, struct str *ret, struct err *e)
{
	struct str in = stream_pending(&s->io), was = in;
	bool ok = false;

	if (!in.n) {
		WITHIN(STALL_MOST)
			ok = stream_fill(&s->io, e);
		if (!ok)
			return false;
		in = was = stream_pending(&s->io);
	}
	*ret = imap_frame_body(&s->frame, &in);
	stream_eat(&s->io, was.n - in.n);
	return true;
}

SUSPENDS static bool literal_receive(struct imap_session *s, struct imap_reply *why, struct err *e)
{
	while (s->frame.left) {
		struct str piece;

		if (!literal_more(s, &piece, e))
			return false;
		if (append_octets(s, piece, e))
			continue;
		*why = reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
		return true;
	}
	append_part_end(s);
	return true;
}

/* -- the command ----------------------------------------------------------- */

SUSPENDS static struct imap_reply literal_begin(struct imap_session *s, struct err *e)
{
	unsigned flags = session_is_utf8(s) ? IMAP_COMMAND_UTF8 : 0;
	struct imap_reply r = reply_of(IMAP_REPLY_NONE);
	struct imap_fault why;

	s->text = imap_frame_text(&s->frame);
	s->text.mark = s->append.mark;
	if (!imap_append_begin(&s->text, flags, s->a, &s->c, &why))
		return (struct imap_reply){ .id = why.reply, .text = imap_fault_text(&why, &s->text, s->a) };
	s->append.mark = s->c.append.mark;
	if (s->c.verb == IMAP_REPLACE && !s->append.replaces)
		r = replace_begin(s);
	return r.id ? r : append_parts(s, true, e);
}

SUSPENDS bool append_take(struct imap_session *s, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = IMAP_ARENA_MAX };
	struct imap_reply r;
	bool ok;

	s->a = &a;
	r = literal_begin(s, e);
	if (!r.id && !r.close && s->frame.is_sync) {
		s->frame.is_sync = false;
		buf_add(&s->out, S("+ OK\r\n"));
	}
	ok = !r.close && out_flush(s, e);
	if (ok && !r.id)
		ok = literal_receive(s, &r, e);
	if (ok && r.id) {
		struct str tag = arena_str(&a, s->c.tag.n ? s->c.tag : str_from_z(s->frame.tag));

		append_forget(s);
		imap_frame_refuse(&s->frame);    /* what was parsed goes with it */
		ok = command_finish(s, tag, r, UPDATES_ALL, e);
	}
	s->a = NULL;
	return ok;
}

SUSPENDS struct imap_reply imap_cmd_append(struct imap_session *s, struct err *e)
{
	struct imap_reply r = append_parts(s, false, e);

	if (!r.id && !r.close)
		r = append_end(s, NULL, e);
	append_forget(s);
	return r;
}
