/* cmd_idle.c — IDLE (RFC 2177): what happens is told as it happens. */
#include "role/mailbox/imap_cmds.h"
#include "role/mailbox/imap_updates.h"
#include "role/mailbox/notify.h"

#include "fiber/conn.h"
#include "fiber/fiber.h"

#include <poll.h>

#define IDLE_MOST (31 * MINUTE)          /* clients begin anew after 29 (RFC 2177) */
enum { DONE_MAX = 64 };

/* Until the folder changed, or the client said something. */
SUSPENDS static bool wait_for_news(struct imap_session *s, struct err *e)
{
	struct wait *news = s->notify ? notify_wait(s) : s->sel.box ? box_changed(s->sel.box) : NULL;
	bool was_told = false, ok;

	if (!news)
		return stream_fill(&s->io, e);
	if (notify_has_news(s))
		return true;
	stream_rest(&s->io);
	ok = wait_on_or(news, s->io.conn->fd, POLLIN, "news or DONE", &was_told, e);
	return ok && (was_told || stream_fill(&s->io, e));
}

/* False: over, with *e, or the client's line is there. */
SUSPENDS static bool idle_once(struct imap_session *s, struct err *e)
{
	if ((s->sel.box && !updates_send(s, UPDATES_ALL, e)) || (s->notify && !notify_send(s, e)))
		return false;
	if (!out_flush(s, e))
		return false;
	s->facts->is_idle = true;
	if (!sessions_are_leaving() ? !wait_for_news(s, e) : !fail(e, FAULT_CANCEL, "the server stops")) {
		s->facts->is_idle = false;
		return false;
	}
	s->facts->is_idle = false;
	return true;
}

/* The line that ends it; only DONE is right. */
SUSPENDS static struct imap_reply line_take(struct imap_session *s, struct err *e)
{
	for (;;) {
		struct str in = stream_pending(&s->io);
		size_t n = str_find(in, '\n');
		bool ok = false;

		if (n < in.n) {
			struct str line = str_trim(str_head(in, n));
			bool is_done = str_eq_nocase(line, S("DONE"));

			stream_eat(&s->io, n + 1);
			return reply_of(is_done ? IMAP_REPLY_DONE : IMAP_REPLY_SYNTAX);
		}
		if (in.n > DONE_MAX)
			return (struct imap_reply){ .id = IMAP_REPLY_LINE_TOO_LONG, .close = true };
		WITHIN(MINUTE)
			ok = stream_fill(&s->io, e);
		if (!ok)
			return reply_broken();
	}
}

SUSPENDS struct imap_reply imap_cmd_idle(struct imap_session *s, struct err *e)
{
	bool ok = true;

	if (s->sel.box && !box_sync(s->sel.box, !s->sel.is_read_only, NULL, e) && e->fault == FAULT_CANCEL)
		return reply_broken();
	s->c.tag = str_from_z(s->frame.tag);
	imap_frame_rest(&s->frame);
	buf_add(&s->out, S("+ idling\r\n"));
	WITHIN(IDLE_MOST)
		while (ok && !stream_pending(&s->io).n && !(s->sel.box && s->sel.view.is_gone))
			ok = idle_once(s, e);
	if (!ok)
		return reply_broken();
	/* a folder that is gone: the loop says goodbye */
	return stream_pending(&s->io).n ? line_take(s, e) : reply_of(IMAP_REPLY_NONE);
}
