/* vanished.c — which letters of a set are no more; see vanished.h.
 *
 * Where the history does not reach back far enough, every UID of the set that is not there is named:
 * the RFC allows to name too many, not too few. */
#include "role/mailbox/vanished.h"

struct vanished {
	struct imap_session *s;
	bool is_begun;
};

/* A range without letters. */
static void add_range(struct vanished *v, uint32_t first, uint32_t last)
{
	if (!v->is_begun)
		buf_add(&v->s->out, S("* VANISHED (EARLIER) "));
	else
		buf_add_char(&v->s->out, ',');
	v->is_begun = true;
	if (first == last)
		buf_addf(&v->s->out, "%u", first);
	else
		buf_addf(&v->s->out, "%u:%u", first, last);
}

/* Those of first…last that are not in the box. */
static void add_missing(struct vanished *v, uint32_t first, uint32_t last)
{
	const struct box *b = v->s->sel.box;
	const struct letter *l = box_letters(b);
	uint64_t at = first;

	for (size_t i = box_find_from(b, first); i < box_count(b) && l[i].uid <= last; i++) {
		if (l[i].uid > at)
			add_range(v, (uint32_t)at, l[i].uid - 1);
		at = (uint64_t)l[i].uid + 1;
	}
	if (at <= last)
		add_range(v, (uint32_t)at, last);
}

/* Of the set's ranges, what lies in first…last. */
static void add_clipped(struct vanished *v, const struct seqset *set, size_t *r, uint32_t first, uint32_t last)
{
	while (*r < set->n && set->ranges[*r].last < first)
		(*r)++;
	for (size_t i = *r; i < set->n && set->ranges[i].first <= last; i++)
		add_missing(v, set->ranges[i].first > first ? set->ranges[i].first : first,
			    set->ranges[i].last < last ? set->ranges[i].last : last);
}

bool vanished_add(struct imap_session *s, const struct seqset *uids, uint64_t since, struct err *e)
{
	struct vanished v = { .s = s };
	struct uid_range *gone;
	size_t n, r = 0;
	bool all;

	if (!box_expunged(s->sel.box, since, s->a, &gone, &n, &all))
		return fail(e, FAULT_TEMP, "out of memory");
	if (all)
		add_clipped(&v, uids, &r, 1, box_uidnext(s->sel.box) - 1);
	for (size_t i = 0; !all && i < n; i++)
		add_clipped(&v, uids, &r, gone[i].first, gone[i].last);
	if (v.is_begun)
		buf_add(&s->out, S("\r\n"));
	return true;
}
