/* cmd_append.c — APPEND and MULTIAPPEND (RFC 9051 §6.3.12, RFC 3502, 7889).
 *
 * A letter goes to a file as it comes; the command's end commits all of them, or nothing stays.
 * What can be known to fail is told before the client has sent the letter. */
#include "role/mailbox/cmd_append.h"

#include "fiber/fiber.h"
#include "role/mailbox/imap_cmds.h"
#include "role/mailbox/imap_updates.h"
#include "store/quota.h"

#include <errno.h>

#define STALL_MOST (5 * MINUTE)

/* -- one letter comes ------------------------------------------------------ */

SUSPENDS static struct imap_reply letter_open(struct imap_session *s, const struct append_letter *l, struct err *e)
{
	struct append_facts f = { .flags = l->flags.system & LETTER_SYSTEM, .date = l->has_date ? l->date : 0 };
	struct str folder;
	uint64_t bytes, letters;

	if (l->is_catenate)
		return (struct imap_reply){ .id = IMAP_REPLY_SYNTAX, .text = S("CATENATE is not offered") };
	if (!s->frame.left)
		return (struct imap_reply){ .id = IMAP_REPLY_SYNTAX, .text = S("a letter has at least one octet") };
	if (l->flags.n > KEYWORDS_MAX)
		return reply_of(IMAP_REPLY_KEYWORD_LIMIT);
	if (!folder_of_name(s, s->c.append.mailbox, &folder))
		return reply_of(IMAP_REPLY_NAME_BAD);
	if (!s->append && !append_open(s->store, folder, &s->by, &s->append, e))
		return reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	append_sum(s->append, &bytes, &letters);
	if (!quota_check(s->store, bytes + s->frame.left, letters + 1, e))
		return reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	for (; f.n_keywords < l->flags.n; f.n_keywords++)
		f.keywords[f.n_keywords] = l->flags.keywords[f.n_keywords];
	if (!append_letter(s->append, &f, e))
		return reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	return reply_of(IMAP_REPLY_NONE);
}

/* What of it is here already, or the next bytes; false: the stream broke. */
SUSPENDS static bool letter_more(struct imap_session *s, struct str *ret, struct err *e)
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

SUSPENDS static bool letter_receive(struct imap_session *s, struct imap_reply *why, struct err *e)
{
	while (s->frame.left) {
		struct str piece;

		if (!letter_more(s, &piece, e))
			return false;
		if (append_bytes(s->append, piece, e))
			continue;
		*why = reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
		return true;
	}
	return true;
}

/* -- the command ----------------------------------------------------------- */

static void forget(struct imap_session *s)
{
	append_close(s->append);
	s->append = NULL;
}

SUSPENDS static struct imap_reply append_begin(struct imap_session *s, struct err *e)
{
	unsigned flags = session_is_utf8(s) ? IMAP_COMMAND_UTF8 : 0;
	struct imap_fault why;

	s->text = imap_frame_text(&s->frame);
	if (!imap_append_begin(&s->text, flags, s->a, &s->c, &why))
		return (struct imap_reply){ .id = why.reply, .text = imap_fault_text(&why, &s->text, s->a) };
	if (s->c.verb != IMAP_APPEND)
		return reply_of(IMAP_REPLY_UNKNOWN_COMMAND);
	return letter_open(s, &s->c.append.letters[s->c.append.n_letters - 1], e);
}

SUSPENDS bool append_take(struct imap_session *s, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = IMAP_ARENA_MAX };
	struct imap_reply r;
	bool ok;

	s->a = &a;
	r = append_begin(s, e);
	if (!r.id && !r.close && s->frame.is_sync) {
		s->frame.is_sync = false;
		buf_add(&s->out, S("+ OK\r\n"));
	}
	ok = !r.close && out_flush(s, e);
	if (ok && !r.id)
		ok = letter_receive(s, &r, e);
	if (ok && r.id) {
		struct str tag = arena_str(&a, s->c.tag.n ? s->c.tag : str_from_z(s->frame.tag));

		forget(s);
		imap_frame_refuse(&s->frame);    /* what was parsed goes with it */
		ok = command_finish(s, tag, r, UPDATES_ALL, e);
	}
	s->a = NULL;
	return ok;
}

SUSPENDS struct imap_reply imap_cmd_append(struct imap_session *s, struct err *e)
{
	uint32_t validity, first, n = (uint32_t)s->c.append.n_letters;
	struct imap_reply r = reply_of(IMAP_REPLY_DONE);

	if (!s->append)
		return reply_of(IMAP_REPLY_SYNTAX);
	if (!append_commit(s->append, &validity, &first, e))
		r = reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	else if (n == 1)
		r.code = arena_printf(s->a, "APPENDUID %u %u", validity, first);
	else
		r.code = arena_printf(s->a, "APPENDUID %u %u:%u", validity, first, first + n - 1);
	forget(s);
	return r;
}
