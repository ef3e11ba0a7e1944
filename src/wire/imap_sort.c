/* imap_sort.c — SORT (RFC 5256 §3).
 *
 * The first criterion becomes a number per letter that decides nearly always: a date, a size, the first
 * octets of a text.  Only where two are equal is the whole compared. */
#include "wire/imap_sort.h"

#include <stdlib.h>

struct sort_item {
	uint64_t first;
	struct str text;                 /* of the first criterion, if it is one */
	uint32_t place;
};

struct sort_order {
	const struct sort_letter *const *letters;
	const struct sort_key *keys;
	size_t n;
};

static enum sort_text text_of(enum sort_by by)
{
	switch (by) {
	case SORT_FROM:
		return SORT_TEXT_FROM;
	case SORT_TO:
		return SORT_TEXT_TO;
	case SORT_DISPLAYFROM:
		return SORT_TEXT_DISPLAY_FROM;
	case SORT_DISPLAYTO:
		return SORT_TEXT_DISPLAY_TO;
	case SORT_CC:
		return SORT_TEXT_CC;
	default:
		return SORT_TEXT_SUBJECT;
	}
}

/* Is it a number?  Then it, in an order of unsigned numbers. */
static bool number_of(const struct sort_letter *l, enum sort_by by, uint64_t *ret)
{
	switch (by) {
	case SORT_ARRIVAL:
		*ret = (uint64_t)l->arrival ^ UINT64_C(1) << 63;
		return true;
	case SORT_DATE:
		*ret = (uint64_t)l->sent ^ UINT64_C(1) << 63;
		return true;
	case SORT_SIZE:
		*ret = l->size;
		return true;
	default:
		return false;
	}
}

static uint64_t first_octets(struct str s)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++)
		v = v << 8 | (i < s.n ? (unsigned char)s.p[i] : 0);
	return v;
}

static int compare_by(const struct sort_letter *x, const struct sort_letter *y, enum sort_by by)
{
	uint64_t i, k;

	if (number_of(x, by, &i) && number_of(y, by, &k))
		return (i > k) - (i < k);
	return str_cmp(x->texts[text_of(by)], y->texts[text_of(by)]);
}

/* One text at one place needs no look. */
static int compare_texts(struct str x, struct str y)
{
	return x.p == y.p && x.n == y.n ? 0 : str_cmp(x, y);
}

static int compare(const void *left, const void *right, void *arg)
{
	const struct sort_item *x = left, *y = right;
	const struct sort_order *o = arg;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	for (size_t i = 0; i < o->n; i++) {
		int c = i ? compare_by(o->letters[x->place], o->letters[y->place], o->keys[i].by) :
			    compare_texts(x->text, y->text);

		if (c)
			return o->keys[i].reverse ? -c : c;
	}
	return (x->place > y->place) - (x->place < y->place);
}

bool imap_sort(const struct sort_letter *const *letters, size_t n, const struct sort_key *keys,
	       size_t n_keys, struct arena *a, uint32_t *places)
{
	struct sort_order o = { .letters = letters, .keys = keys, .n = n_keys };
	struct sort_item *items = ARENA_ARRAY(a, struct sort_item, n ? n : 1);

	if (!items)
		return false;
	for (size_t i = 0; i < n; i++) {
		items[i].place = (uint32_t)i;
		if (!n_keys)
			continue;
		if (!number_of(letters[i], keys[0].by, &items[i].first)) {
			items[i].text = letters[i]->texts[text_of(keys[0].by)];
			items[i].first = first_octets(items[i].text);
		}
		if (keys[0].reverse)
			items[i].first = ~items[i].first;
	}
	qsort_r(items, n, sizeof(*items), compare, &o);
	for (size_t i = 0; i < n; i++)
		places[i] = items[i].place;
	return true;
}
