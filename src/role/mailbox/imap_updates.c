/* imap_updates.c — what happened in the open folder; see imap_updates.h. */
#include "role/mailbox/imap_updates.h"

#include "role/mailbox/cmd_fetch.h"
#include "role/mailbox/notify.h"

#include "wire/imap_print.h"

#include <stdlib.h>

static void add_flag(struct buf *b, bool *is_begun, struct str name)
{
	if (*is_begun)
		buf_add_char(b, ' ');
	buf_add(b, name);
	*is_begun = true;
}

void add_flags(struct imap_session *s, struct buf *b, const struct letter *l)
{
	bool is_begun = false;

	buf_add_char(b, '(');
	for (unsigned bit = 1; bit & FLAG_SYSTEM; bit <<= 1)
		if (l->flags & bit)
			add_flag(b, &is_begun, flag_name((enum flag)bit));
	if (l->uid >= s->sel.recent_from && !(s->enabled & ENABLE_REV2))
		add_flag(b, &is_begun, flag_name(FLAG_RECENT));
	for (unsigned i = 0; i < KEYWORDS_MAX && l->keywords >> i; i++)
		if (l->keywords >> i & 1 && flag_keyword_is_valid(box_keyword(s->sel.box, i)))
			add_flag(b, &is_begun, box_keyword(s->sel.box, i));
	buf_add_char(b, ')');
}

void add_known_flags(struct imap_session *s, struct buf *b)
{
	struct str names[KEYWORDS_MAX];
	struct flag_list flags = { .system = FLAG_SYSTEM, .keywords = names };

	for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
		names[flags.n] = box_keyword(s->sel.box, i);
		flags.n += flag_keyword_is_valid(names[flags.n]);
	}
	buf_add(b, S("* FLAGS ("));
	flag_list_add(b, &flags);
	buf_add(b, S(")\r\n* OK [PERMANENTFLAGS ("));
	if (!s->sel.is_read_only) {
		flag_list_add(b, &flags);
		if (box_keyword_room(s->sel.box))
			buf_add(b, S(" \\*"));
	}
	buf_add(b, S(")] what can be changed\r\n"));
}

static int uid_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* VANISHED (RFC 7162 §3.2.10) for sessions with QRESYNC, else one EXPUNGE each. */
static bool tell_expunged(struct imap_session *s, struct err *e)
{
	struct view *v = &s->sel.view;
	struct seq_print print = { .b = &s->out };
	bool is_vanished = s->enabled & ENABLE_QRESYNC;
	uint32_t *uids = is_vanished && v->n_gone ? ARENA_ARRAY(s->a, uint32_t, v->n_gone) : NULL;
	size_t n = 0;
	uint32_t uid;

	if (is_vanished && v->n_gone && !uids)
		return fail(e, FAULT_TEMP, "out of memory");
	for (uint32_t seq; (seq = view_next_expunged(v, &uid));) {
		if (is_vanished)
			uids[n++] = uid;
		else
			buf_addf(&s->out, "* %u EXPUNGE\r\n", seq);
	}
	if (!n)
		return true;
	qsort(uids, n, sizeof(*uids), uid_order);
	buf_add(&s->out, S("* VANISHED "));
	for (size_t i = 0; i < n; i++)
		seq_print(&print, uids[i]);
	seq_print_end(&print);
	buf_add(&s->out, S("\r\n"));
	return true;
}

void add_flags_answer(struct imap_session *s, struct buf *b, uint32_t seq, const struct letter *l, bool full)
{
	imap_add_untagged(b, seq);
	buf_add(b, S("FETCH ("));
	if (full || s->notify || s->enabled & (ENABLE_QRESYNC | ENABLE_REV2) || s->c.is_uid) {
		buf_add(b, S("UID "));
		buf_add_u64(b, l->uid);
		buf_add_char(b, ' ');
	}
	if (full || s->enabled & ENABLE_CONDSTORE) {
		buf_add(b, S("MODSEQ ("));
		buf_add_u64(b, l->modseq);
		buf_add(b, S(") "));
	}
	buf_add(b, S("FLAGS "));
	add_flags(s, b, l);
	buf_add(b, S(")\r\n"));
}

SUSPENDS static bool tell_touched(struct imap_session *s, struct err *e)
{
	uint32_t uid;

	for (uint32_t seq; (seq = view_next_touched(&s->sel.view, &uid));) {
		add_flags_answer(s, &s->out, seq, box_find(s->sel.box, uid), false);
		if (!out_breathe(s, e))
			return false;
	}
	return true;
}

void add_exists(struct imap_session *s, struct buf *b)
{
	const struct view *v = &s->sel.view;
	size_t from = v->n;

	while (from && v->uids[from - 1] >= s->sel.recent_from)
		from--;
	buf_addf(b, "* %zu EXISTS\r\n", v->n);
	if (!(s->enabled & ENABLE_REV2))
		buf_addf(b, "* %zu RECENT\r\n", v->n - from);
}

void tell_keywords(struct imap_session *s)
{
	if (s->sel.view.keywords_changed)
		add_known_flags(s, &s->out);
	s->sel.view.keywords_changed = false;
}

/* Letters that this session put there itself. */
struct own_letters {
	uint32_t first, last;
};

static struct own_letters find_own(const struct imap_session *s)
{
	struct own_letters own = { UINT32_MAX, 0 };
	uint64_t at = s->sel.view.at;
	struct change c;

	while (notify_fetch(s) && box_change_next(s->sel.box, &at, &c)) {
		if (c.kind != CHANGE_NEW || c.by != &s->by)
			continue;
		own.first = c.first < own.first ? c.first : own.first;
		own.last = c.last > own.last ? c.last : own.last;
	}
	return own;
}

/* RFC 5465 §5.2: what NOTIFY asks for of new letters.  One that cannot be read is not worth the session. */
SUSPENDS static bool tell_new(struct imap_session *s, size_t from, struct own_letters own, struct err *e)
{
	const struct view *v = &s->sel.view;
	uint32_t *uids = notify_fetch(s) ? ARENA_ARRAY(s->a, uint32_t, v->n - from + 1) : NULL;
	struct err why = { 0 };
	size_t n = 0;

	for (size_t i = from; uids && i < v->n; i++)
		if (v->uids[i] < own.first || v->uids[i] > own.last)
			uids[n++] = v->uids[i];
	if (!n || fetch_tell(s, notify_fetch(s), uids, n, &why) || (why.fault != FAULT_CANCEL && !s->io.is_broken))
		return true;
	*e = why;
	return false;
}

/* Its own EXPUNGE a client hears of in any case. */
static unsigned events_now(const struct imap_session *s)
{
	bool is_own = s->c.verb == IMAP_EXPUNGE || s->c.verb == IMAP_MOVE || s->c.verb == IMAP_REPLACE;

	return notify_selected(s) | (is_own ? NOTIFY_OF_MESSAGES : 0);
}

SUSPENDS bool updates_send(struct imap_session *s, enum imap_updates what, struct err *e)
{
	struct view *v = &s->sel.view;
	unsigned events = events_now(s);
	struct own_letters own = find_own(s);
	struct err none = { 0 };
	size_t n;

	if (what == UPDATES_NONE || !events)
		return true;
	if (!view_follow(v, NULL, e) || (what == UPDATES_ALL && !tell_expunged(s, e)))
		return false;
	n = v->n;
	if (view_take_new(v, &none))
		add_exists(s, &s->out);
	else if (none.fault)
		return fail(e, FAULT_TEMP, "out of memory");
	tell_keywords(s);
	if (v->n > n && !tell_new(s, n, own, e))
		return false;
	if (!(events & NOTIFY_FLAG_CHANGE))
		for (uint32_t uid; view_next_touched(v, &uid);)
			;
	return tell_touched(s, e);
}
