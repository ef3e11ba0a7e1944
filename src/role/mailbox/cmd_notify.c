/* cmd_notify.c — NOTIFY (RFC 5465): what a client wants to be told, at any time. */
#include "role/mailbox/imap_cmds.h"
#include "role/mailbox/imap_updates.h"
#include "role/mailbox/notify.h"
#include "store/folder.h"

enum { NOTIFY_FOLDERS_MAX = 5000 };      /* folders of an account that can be watched */

static struct imap_reply bad(const char *why)
{
	return (struct imap_reply){ .id = IMAP_REPLY_SYNTAX, .text = str_from_z(why) };
}

/* RFC 5465 §5, §6.1, §8 */
static struct imap_reply group_check(const struct notify_group *g)
{
	unsigned letters = g->events & NOTIFY_OF_MESSAGES, both = NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE;
	bool is_selected = g->filter <= NOTIFY_SELECTED_DELAYED;

	if (g->events & (NOTIFY_UNKNOWN_EVENT | NOTIFY_ANNOTATION_CHANGE))
		return reply_of(IMAP_REPLY_NOTIFY_EVENTS);
	if (letters && (letters & both) != both)
		return bad("MessageNew and MessageExpunge go together, and come with FlagChange");
	if (is_selected && g->events & ~(unsigned)NOTIFY_OF_MESSAGES)
		return bad("only events of messages can be told of the selected mailbox");
	if (!is_selected && g->fetch)
		return bad("only messages of the selected mailbox can be fetched");
	return reply_of(IMAP_REPLY_NONE);
}

static struct imap_reply request_check(const struct imap_notify *q)
{
	size_t n_selected = 0;

	for (size_t i = 0; i < q->n; i++) {
		struct imap_reply r = group_check(&q->groups[i]);

		if (r.id)
			return r;
		n_selected += q->groups[i].filter <= NOTIFY_SELECTED_DELAYED;
	}
	return n_selected > 1 ? bad("the selected mailbox is named twice") : reply_of(IMAP_REPLY_NONE);
}

/* NOTIFY SET STATUS: how things stand, of each folder whose letters are watched. */
SUSPENDS static bool tell_status(struct imap_session *s, const struct folder_row *rows, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		unsigned events = notify_events(s, rows[i].name) & NOTIFY_OF_MESSAGES;
		struct err why = { 0 };

		if (!rows[i].exists || !events ||
		    (s->sel.box && str_eq(box_folder(s->sel.box), rows[i].name)))
			continue;
		if (!notify_status(s, rows[i].name, events, &why) && why.fault == FAULT_CANCEL) {
			*e = why;
			return false;
		}
		if (!out_breathe(s, e))
			return false;
	}
	return true;
}

/* "Immediately return any accumulated changes to the currently selected mailbox" (§3.1), whatever the request
 * before this one was. */
SUSPENDS static bool tell_all_so_far(struct imap_session *s, struct err *e)
{
	struct notify *was = s->notify;
	bool ok;

	if (!s->sel.box)
		return true;
	s->notify = NULL;
	ok = box_sync(s->sel.box, !s->sel.is_read_only, NULL, e) && updates_send(s, UPDATES_ALL, e);
	s->notify = was;
	return ok;
}

SUSPENDS struct imap_reply imap_cmd_notify(struct imap_session *s, struct err *e)
{
	const struct imap_notify *q = &s->c.notify;
	struct imap_reply r = request_check(q);
	struct folder_row *rows = NULL;
	size_t n = 0;

	if (r.id)
		return r;
	if (!folder_list(s->store, s->a, &rows, &n, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	if (n > NOTIFY_FOLDERS_MAX && !q->is_none)
		return reply_of(IMAP_REPLY_NOTIFY_OVERFLOW);
	if ((!q->is_none && !tell_all_so_far(s, e)) || !notify_begin(s, e) ||
	    (q->status && !tell_status(s, rows, n, e)))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	return reply_of(IMAP_REPLY_DONE);
}
