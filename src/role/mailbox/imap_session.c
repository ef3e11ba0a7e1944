/* imap_session.c — one IMAP conversation: read, decide, answer, again; see imap_session.h. */
#include "role/mailbox/imap_session.h"

#include "base/log.h"
#include "fiber/conn.h"
#include "role/mailbox/cmd_append.h"
#include "role/mailbox/imap_cmds.h"
#include "role/mailbox/imap_updates.h"
#include "role/mailbox/notify.h"
#include "role/runtime.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define IDLE_MOST (30 * MINUTE)          /* RFC 9051 §5.4: no less */
#define STALL_MOST (5 * MINUTE)          /* within a command */

enum {
	SESSION_LINE_MAX = 256 * 1024,   /* thousands of letters in one APPEND */
	EATEN_AT_ONCE = 16 * 1024,       /* some milliseconds of short commands: packed, a thousand fit in a read */
};

struct verb_row {
	imap_handler *run;
	enum imap_updates updates;
};

static const struct verb_row rows[IMAP_VERB_COUNT] = {
#define IMAP_ROW(verb, handler, updates) [IMAP_##verb] = { handler, UPDATES_##updates },
#include "role/mailbox/imap_verbs.def"
#undef IMAP_ROW
};

/* -- output ---------------------------------------------------------------- */

SUSPENDS static bool out_send(struct imap_session *s, struct err *e)
{
	bool ok = !s->out.full ? stream_put(&s->io, buf_str(&s->out), e) :
				 fail(e, FAULT_TEMP, "no memory for an answer");

	/* What was left out may be an EXPUNGE: this client's numbers would not be ours any more. */
	s->io.is_broken |= s->out.full;
	s->n_sent += ok ? s->out.n : 0;
	buf_clear(&s->out);
	return ok;
}

SUSPENDS bool out_breathe(struct imap_session *s, struct err *e)
{
	if (s->out.n < IMAP_OUT_SOON && !s->out.full)
		return true;
	if (!out_send(s, e))
		return false;
	breathe();
	return fiber_check(e);
}

SUSPENDS bool out_flush(struct imap_session *s, struct err *e)
{
	bool ok = out_send(s, e) && stream_flush(&s->io, e);

	buf_end(&s->out);
	s->out = buf_on_heap(IMAP_OUT_MAX);
	return ok;
}

/* -- one command ----------------------------------------------------------- */

static unsigned parse_flags(const struct imap_session *s)
{
	return session_is_utf8(s) ? IMAP_COMMAND_UTF8 : 0;
}

static bool is_allowed(const struct imap_session *s, enum imap_verb v)
{
	return imap_verb_states(v) & (s->sel.box ? IMAP_IN_SELECTED : IMAP_IN_KNOWN);
}

SUSPENDS static struct imap_reply command_run(struct imap_session *s, enum imap_updates *updates,
					      struct err *e)
{
	struct imap_fault why;
	const struct verb_row *row;

	s->text = imap_frame_text(&s->frame);
	s->text.mark = s->append.mark;
	if (!imap_command_parse(&s->text, parse_flags(s), s->a, &s->c, &why))
		return (struct imap_reply){ .id = why.reply, .text = imap_fault_text(&why, &s->text, s->a) };
	row = &rows[s->c.verb];
	if (!row->run)
		return reply_of(imap_verb_states(s->c.verb) == IMAP_IN_CLEAR ? IMAP_REPLY_WRONG_STATE :
									       IMAP_REPLY_UNKNOWN_COMMAND);
	if (!is_allowed(s, s->c.verb))
		return reply_of(IMAP_REPLY_WRONG_STATE);
	*updates = row->updates == UPDATES_NO_EXPUNGE && s->c.is_uid ? UPDATES_ALL : row->updates;
	return row->run(s, e);
}

/* false: over. */
SUSPENDS bool command_finish(struct imap_session *s, struct str tag, struct imap_reply r,
			     enum imap_updates updates, struct err *e)
{
	enum imap_cond cond = r.id ? imap_reply_row(r.id)->cond : IMAP_OK;

	if (r.id && s->sel.box && !s->is_quiet && !updates_send(s, updates, e))
		return false;
	if (r.id && s->notify && s->a && !notify_send(s, e))
		return false;
	s->is_quiet = false;
	if (r.id)
		imap_reply_add(&s->out, tag, &r);
	s->errors = cond == IMAP_BAD ? s->errors + 1 : 0;
	if (s->errors > IMAP_ERRORS_MAX && !r.close) {
		imap_reply_add(&s->out, S(""), &(struct imap_reply){ .id = IMAP_REPLY_TOO_MANY_ERRORS });
		r.close = true;
	}
	if (s->sel.box && s->sel.view.is_gone && !r.close) {
		imap_reply_add(&s->out, S(""), &(struct imap_reply){ .id = IMAP_REPLY_MAILBOX_VANISHED });
		r.close = true;
	}
	if (!out_send(s, e) || r.close)
		return false;
	if (!s->compress_next)
		return true;
	s->compress_next = false;
	return stream_flush(&s->io, e) && stream_compress(&s->io, e);
}

SUSPENDS static bool command_take(struct imap_session *s, enum imap_event event, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = IMAP_ARENA_MAX };
	enum imap_updates updates = UPDATES_NO_EXPUNGE;
	struct imap_reply r = { .id = s->frame.why, .close = event == IMAP_FATAL };
	bool ok;

	s->a = &a;
	s->c = (struct imap_command){ 0 };
	if (event == IMAP_COMMAND)
		r = command_run(s, &updates, e);
	ok = command_finish(s, s->c.tag.n ? s->c.tag : str_from_z(s->frame.tag), r, updates, e);
	imap_frame_next(&s->frame);
	append_forget(s);                /* refused behind its letters */
	s->c = (struct imap_command){ 0 };       /* it lay in the arena */
	s->a = NULL;
	return ok;
}

/* -- the loop -------------------------------------------------------------- */

/* Between commands, once NOTIFY was said: what happens is told as it happens. */
SUSPENDS static bool read_and_tell(struct imap_session *s, struct err *e)
{
	struct wait *news;
	bool was_told = true;

	while (was_told) {
		if (!notify_tell(s, e) || !out_flush(s, e))
			return false;
		news = notify_wait(s);
		if (!news)
			break;
		if (notify_has_news(s))
			continue;
		stream_rest(&s->io);
		s->facts->is_idle = true;
		was_told = false;
		if (!wait_on_or(news, s->io.conn->fd, POLLIN, "news or a command", &was_told, e))
			return false;
		s->facts->is_idle = false;
	}
	s->facts->is_idle = true;
	return stream_fill(&s->io, e);
}

SUSPENDS static bool read_more(struct imap_session *s, struct err *e)
{
	bool ok = false, is_begun = imap_frame_is_begun(&s->frame);

	if (!out_flush(s, e))
		return false;
	if (!is_begun && sessions_are_leaving())
		return fail(e, FAULT_CANCEL, "the server stops");
	s->facts->is_idle = !is_begun;
	WITHIN(is_begun ? STALL_MOST : IDLE_MOST)
		ok = !is_begun && s->notify ? read_and_tell(s, e) : stream_fill(&s->io, e);
	s->facts->is_idle = false;
	return ok;
}

SUSPENDS static bool step(struct imap_session *s, struct err *e)
{
	struct str in = stream_pending(&s->io), was = in;
	enum imap_event event = in.n ? imap_frame_feed(&s->frame, &in) : IMAP_MORE;

	stream_eat(&s->io, was.n - in.n);
	s->eaten += was.n - in.n;
	if (s->eaten >= EATEN_AT_ONCE) {
		s->eaten = 0;
		breathe();
	}
	*e = (struct err){ 0 };          /* what the last command could not do is answered */
	switch (event) {
	case IMAP_MORE:
		return read_more(s, e);
	case IMAP_GO_AHEAD:
		buf_add(&s->out, S("+ OK\r\n"));
		return true;
	case IMAP_STREAM:
		return append_take(s, e);
	case IMAP_COMMAND:
	case IMAP_REFUSED:
	case IMAP_FATAL:
		break;
	}
	return command_take(s, event, e);
}

SUSPENDS static bool greet(struct imap_session *s, struct err *e)
{
	buf_add(&s->out, s->facts->tag);
	buf_add(&s->out, S(" OK [CAPABILITY "));
	add_capabilities(&s->out, s);
	buf_add(&s->out, S("] Logged in\r\n"));
	return out_send(s, e);
}

/* Why it ends, to whoever can still hear it. */
SUSPENDS static void say_end(struct imap_session *s, const struct err *e)
{
	enum imap_reply_id id = IMAP_REPLY_NONE;
	struct err lost;

	if (e->fault == FAULT_CANCEL)
		id = IMAP_REPLY_SHUTTING_DOWN;
	else if (e->timed_out)
		id = IMAP_REPLY_IDLE_TOO_LONG;
	else if (e->fault == FAULT_TEMP)
		id = IMAP_REPLY_INTERNAL;
	if (id)
		imap_reply_add(&s->out, S(""), &(struct imap_reply){ .id = id });
	out_flush(s, &lost);
}

static struct imap_session *session_begin(struct conn *c, struct session_facts *f)
{
	struct imap_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->io.conn = c;
	s->out = buf_on_heap(IMAP_OUT_MAX);
	s->store = sessions_store();
	s->facts = f;
	snprintf(s->who, sizeof(s->who), "imap/%llx " STR_FMT, (unsigned long long)f->number, STR_ARG(f->peer));
	s->by.who = str_from_z(s->who);
	s->frame.stream_max = IMAP_APPEND_MAX;
	s->frame.line_max = SESSION_LINE_MAX;
	return s;
}

SUSPENDS static void session_finish(struct imap_session *s)
{
	notify_end(s);
	folder_close(s);
	append_forget(s);
	free(s->saved.uids);
	imap_frame_end(&s->frame);
	buf_end(&s->out);
	stream_end(&s->io);
	free(s);
}

SUSPENDS void imap_session(struct conn *c, struct session_facts *f)
{
	struct err e = { 0 };
	struct imap_session *s = session_begin(c, f);
	bool ok = s && greet(s, &e);

	while (ok)
		ok = step(s, &e);
	if (s) {
		say_end(s, &e);
		session_finish(s);
	}
}
