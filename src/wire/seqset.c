/* seqset.c — sets of sequence numbers or UIDs; see seqset.h. */
#include "wire/seqset.h"

#include <stdlib.h>

/* seq-number = nz-number / "*" */
static bool number_parse(struct str *in, unsigned flags, uint32_t *ret)
{
	struct str s = *in;
	uint64_t v = 0;

	if (flags & SEQSET_STAR && str_at(s, 0) == '*') {
		*in = str_from(s, 1);
		*ret = SEQ_STAR;
		return true;
	}
	if (!ascii_is_digit(str_at(s, 0)) || str_at(s, 0) == '0')
		return false;
	for (; ascii_is_digit(str_at(s, 0)); s = str_from(s, 1)) {
		v = v * 10 + (uint64_t)(str_at(s, 0) - '0');
		if (v > UINT32_MAX)
			return false;
	}
	*in = s;
	*ret = (uint32_t)v;
	return true;
}

/* seq-range = seq-number ":" seq-number; a number alone is a range too. */
static bool range_parse(struct str *in, unsigned flags, struct seq_range *ret)
{
	struct str s = *in;

	if (!number_parse(&s, flags, &ret->first))
		return false;
	ret->last = ret->first;
	if (str_at(s, 0) == ':') {
		s = str_from(s, 1);
		if (!number_parse(&s, flags, &ret->last))
			return false;
	}
	*in = s;
	return true;
}

static size_t commas(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (!ascii_is_digit(c) && c != ',' && c != ':' && c != '*')
			break;
		n += c == ',';
	}
	return n;
}

bool seqset_parse(struct str *in, unsigned flags, struct arena *a, struct seqset *ret)
{
	struct seqset set = { 0 };
	struct str s = *in;
	size_t most = commas(s) + 1;

	if (flags & SEQSET_SAVED && str_at(s, 0) == '$') {
		*ret = (struct seqset){ .is_saved = true };
		*in = str_from(s, 1);
		return true;
	}
	if (most > SEQSET_RANGES_MAX)
		return false;
	set.ranges = ARENA_ARRAY(a, struct seq_range, most);
	if (!set.ranges)
		return false;
	for (;;) {
		if (!range_parse(&s, flags, &set.ranges[set.n]))
			return false;
		set.n++;
		if (str_at(s, 0) != ',')
			break;
		s = str_from(s, 1);
	}
	*in = s;
	*ret = set;
	return true;
}

static int range_order(const void *x, const void *y)
{
	const struct seq_range *p = x, *q = y;

	return (p->first > q->first) - (p->first < q->first);
}

/* Ranges that overlap or touch become one. */
static void merge(struct seqset *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct seq_range r = s->ranges[i];

		if (n && r.first <= (uint64_t)s->ranges[n - 1].last + 1) {
			if (r.last > s->ranges[n - 1].last)
				s->ranges[n - 1].last = r.last;
			continue;
		}
		s->ranges[n++] = r;
	}
	s->n = n;
}

void seqset_resolve(struct seqset *s, uint32_t largest)
{
	bool in_order = true;
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct seq_range r = s->ranges[i];

		if ((r.first == SEQ_STAR || r.last == SEQ_STAR) && largest == 0)
			continue;
		r.first = r.first == SEQ_STAR ? largest : r.first;
		r.last = r.last == SEQ_STAR ? largest : r.last;
		if (r.first > r.last)
			r = (struct seq_range){ r.last, r.first };
		if (n && r.first < s->ranges[n - 1].first)
			in_order = false;
		s->ranges[n++] = r;
	}
	s->n = n;
	if (!in_order)
		qsort(s->ranges, s->n, sizeof(*s->ranges), range_order);
	merge(s);
}

void seqset_clip(struct seqset *s, uint32_t first, uint32_t last)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct seq_range r = s->ranges[i];

		if (r.last < first || r.first > last)
			continue;
		r.first = r.first < first ? first : r.first;
		r.last = r.last > last ? last : r.last;
		s->ranges[n++] = r;
	}
	s->n = n;
}

uint32_t seqset_last(const struct seqset *s)
{
	return s->n ? s->ranges[s->n - 1].last : 0;
}

bool seqset_has(const struct seqset *s, uint32_t number)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->ranges[mid].last < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && s->ranges[low].first <= number;
}

uint64_t seqset_count(const struct seqset *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += (uint64_t)s->ranges[i].last - s->ranges[i].first + 1;
	return n;
}

bool seqset_next(const struct seqset *s, struct seq_walk *w, uint32_t *ret)
{
	if (w->i < s->n && w->last == s->ranges[w->i].last) {
		w->i++;
		w->last = 0;
	}
	if (w->i >= s->n)
		return false;
	w->last = w->last ? w->last + 1 : s->ranges[w->i].first;
	*ret = w->last;
	return true;
}

bool seqset_union(const struct seqset *x, const struct seqset *y, struct arena *a, struct seqset *ret)
{
	struct seqset set = { .n = x->n + y->n };
	size_t i = 0, j = 0;

	set.ranges = ARENA_ARRAY(a, struct seq_range, set.n ? set.n : 1);
	if (!set.ranges)
		return false;
	for (size_t k = 0; k < set.n; k++) {
		bool from_x = j == y->n || (i < x->n && x->ranges[i].first <= y->ranges[j].first);

		set.ranges[k] = from_x ? x->ranges[i++] : y->ranges[j++];
	}
	merge(&set);
	*ret = set;
	return true;
}

bool seqset_of(const uint32_t *numbers, size_t n, struct arena *a, struct seqset *ret)
{
	struct seqset set = { 0 };
	size_t ranges = 0;

	for (size_t i = 0; i < n; i++)
		ranges += i == 0 || numbers[i] != numbers[i - 1] + 1;
	set.ranges = ARENA_ARRAY(a, struct seq_range, ranges ? ranges : 1);
	if (!set.ranges)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || numbers[i] != numbers[i - 1] + 1)
			set.ranges[set.n++].first = numbers[i];
		set.ranges[set.n - 1].last = numbers[i];
	}
	*ret = set;
	return true;
}

static void number_add(struct buf *b, uint32_t number)
{
	if (number == SEQ_STAR)
		buf_add_char(b, '*');
	else
		buf_add_u64(b, number);
}

static void range_add(struct buf *b, uint32_t first, uint32_t last, bool is_first)
{
	if (!is_first)
		buf_add_char(b, ',');
	number_add(b, first);
	if (first == last)
		return;
	buf_add_char(b, ':');
	number_add(b, last);
}

void seqset_add(struct buf *b, const struct seqset *s)
{
	if (s->is_saved)
		buf_add_char(b, '$');
	for (size_t i = 0; i < s->n; i++)
		range_add(b, s->ranges[i].first, s->ranges[i].last, i == 0);
}

void seq_print(struct seq_print *p, uint32_t number)
{
	if (p->first && number == p->last + 1) {
		p->last = number;
		return;
	}
	seq_print_end(p);
	p->first = p->last = number;
}

void seq_print_end(struct seq_print *p)
{
	if (p->first == 0)
		return;
	range_add(p->b, p->first, p->last, !p->is_begun);
	p->is_begun = true;
	p->first = p->last = 0;
}
