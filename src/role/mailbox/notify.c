/* notify.c — what a client asked to be told; see notify.h. */
#include "role/mailbox/notify_inside.h"

#include "role/mailbox/imap_updates.h"

#include <stdlib.h>

enum { REQUEST_MAX = 4 << 20 };          /* octets of a request, understood */

/* ---- the request ---- */

static bool group_make(struct imap_session *s, struct group *g, const struct notify_group *from)
{
	*g = (struct group){ .g = from, .folders = ARENA_ARRAY(s->a, struct str, from->n_mailboxes + 1),
			     .is_folder = ARENA_ARRAY(s->a, bool, from->n_mailboxes + 1) };
	for (size_t i = 0; g->folders && g->is_folder && i < from->n_mailboxes; i++)
		g->is_folder[i] = folder_of_name(s, from->mailboxes[i], &g->folders[i]);
	return g->folders && g->is_folder;
}

/* The text of the command is parsed again into an arena of its own. */
static bool request_keep(struct imap_session *s, struct notify *n)
{
	struct imap_text text = { .bytes = arena_str(&n->a, s->text.bytes) };
	struct arena *was = s->a;
	struct imap_fault why;
	bool ok;

	ok = imap_command_parse(&text, session_is_utf8(s) ? IMAP_COMMAND_UTF8 : 0, &n->a, &n->c, &why);
	n->groups = ok ? ARENA_ARRAY(&n->a, struct group, n->c.notify.n + 1) : NULL;
	s->a = &n->a;
	for (size_t i = 0; n->groups && ok && i < n->c.notify.n; i++) {
		const struct notify_group *g = &n->c.notify.groups[i];

		ok = group_make(s, &n->groups[i], g);
		if (g->filter <= NOTIFY_SELECTED_DELAYED)
			n->selected = g;
	}
	s->a = was;
	return n->groups && ok && !n->a.full;
}

static bool wants_others(const struct notify *n)
{
	for (size_t i = 0; i < n->c.notify.n; i++)
		if (n->c.notify.groups[i].filter > NOTIFY_SELECTED_DELAYED && n->c.notify.groups[i].events)
			return true;
	return false;
}

static void request_end(struct notify *n)
{
	struct str folder;
	void *told;

	for (size_t i = 0; map_next(&n->told, &i, &folder, &told);)
		free(told);
	map_end(&n->told);
	arena_end(&n->a);
	free(n);
}

SUSPENDS bool notify_begin(struct imap_session *s, struct err *e)
{
	struct notify *n = calloc(1, sizeof(*n));

	if (!n)
		return fail(e, FAULT_TEMP, "out of memory");
	n->a.limit = REQUEST_MAX;
	if (!request_keep(s, n)) {
		request_end(n);
		return fail(e, FAULT_TEMP, "no memory for what is asked for");
	}
	if (wants_others(n) && !notices_open(s->store, &n->at, e)) {
		request_end(n);
		return false;
	}
	n->is_reading = wants_others(n);
	if (s->notify) {                 /* what the client knows it knows still */
		n->told = s->notify->told;
		s->notify->told = (struct map){ 0 };
	}
	notify_end(s);
	s->notify = n;
	return true;
}

void notify_end(struct imap_session *s)
{
	if (!s->notify)
		return;
	if (s->notify->is_reading)
		notices_close(s->store);
	request_end(s->notify);
	s->notify = NULL;
}

unsigned notify_selected(const struct imap_session *s)
{
	if (!s->notify)
		return NOTIFY_OF_MESSAGES;
	return s->notify->selected ? s->notify->selected->events : 0;
}

const struct imap_fetch *notify_fetch(const struct imap_session *s)
{
	return s->notify && s->notify->selected ? s->notify->selected->fetch : NULL;
}

bool notify_is_immediate(const struct imap_session *s)
{
	return s->notify && s->notify->selected && s->notify->selected->filter == NOTIFY_SELECTED;
}

static bool is_below(struct str folder, struct str above)
{
	if (!above.n)
		return !folder.n || str_starts_nocase(folder, S("INBOX."));
	return str_starts(folder, above) && (folder.n == above.n || str_at(folder, above.n) == '.');
}

static bool group_fits(const struct imap_session *s, const struct group *g, struct str folder)
{
	switch (g->g->filter) {
	case NOTIFY_SELECTED:
	case NOTIFY_SELECTED_DELAYED:
		return false;
	case NOTIFY_INBOXES:             /* letters may be delivered anywhere: RFC 5465 §6.3 */
	case NOTIFY_PERSONAL:
		return true;
	case NOTIFY_SUBSCRIBED:
		return notices_is_subscribed(s->store, folder);
	case NOTIFY_SUBTREE:
	case NOTIFY_MAILBOXES:
		break;
	}
	for (size_t i = 0; i < g->g->n_mailboxes; i++)
		if (g->is_folder[i] && (g->g->filter == NOTIFY_SUBTREE ? is_below(folder, g->folders[i]) :
									str_eq(folder, g->folders[i])))
			return true;
	return false;
}

unsigned notify_events(const struct imap_session *s, struct str folder)
{
	const struct notify *n = s->notify;
	unsigned events = 0;

	for (size_t i = 0; n && i < n->c.notify.n; i++)
		if (group_fits(s, &n->groups[i], folder))
			events |= n->groups[i].g->events;
	return events;
}

/* ---- all ---- */

/* RFC 5465 §5.8: from here on as after NOTIFY NONE. */
static void overflow(struct imap_session *s)
{
	struct notify *n = s->notify;

	buf_add(&s->out, S("* OK [NOTIFICATIONOVERFLOW] more happened than could be told; ask again\r\n"));
	notices_close(s->store);
	n->is_reading = false;
	n->selected = NULL;
	n->c.notify.n = 0;
}

SUSPENDS bool notify_send(struct imap_session *s, struct err *e)
{
	struct notify *n = s->notify;
	bool lost = false;

	while (n && n->is_reading) {
		struct arena_mark m = arena_mark(s->a);
		struct notice x;

		if (!notice_next(s->store, &n->at, s->a, &x, &lost))
			break;
		if (s->a->full)
			return fail(e, FAULT_TEMP, "out of memory");
		if (!notify_one(s, &x, e) || !out_breathe(s, e))
			return false;
		arena_rewind(s->a, m);
	}
	if (lost)
		overflow(s);
	return true;
}

SUSPENDS bool notify_tell(struct imap_session *s, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = IMAP_ARENA_MAX };
	bool ok;

	s->a = &a;
	ok = (!s->sel.box || !s->notify->selected ||
	      updates_send(s, notify_is_immediate(s) ? UPDATES_ALL : UPDATES_NO_EXPUNGE, e)) && notify_send(s, e);
	s->a = NULL;
	return ok;
}

struct wait *notify_wait(struct imap_session *s)
{
	if (s->notify && s->notify->is_reading)
		return notices_changed(s->store);
	return s->notify && s->notify->selected && s->sel.box ? box_changed(s->sel.box) : NULL;
}

bool notify_has_news(const struct imap_session *s)
{
	return s->notify && s->notify->is_reading && notices_pending(s->store, s->notify->at);
}
