/* letter_facts.c — what scan wants to know of a header; see letter_facts.h. */
#include "wire/letter_facts.h"

#include "wire/auth_results.h"

enum { FIRST_CUTS = 8 };         /* few letters have more; lists grow by doubling */

struct tally {
	struct letter_facts *facts;
	struct str authserv_id;
	struct arena *a;                 /* full: the tally is worth nothing */
	size_t cap_cuts;
};

static void cut_field(struct tally *t, const struct field *f)
{
	struct letter_facts *r = t->facts;

	if (r->n_cuts == t->cap_cuts) {
		size_t cap = t->cap_cuts ? 2 * t->cap_cuts : FIRST_CUTS;
		struct cut *p = ARENA_ARRAY(t->a, struct cut, cap);

		if (!p)
			return;
		if (r->n_cuts)
			memcpy(p, r->cuts, r->n_cuts * sizeof(*p));
		r->cuts = p;
		t->cap_cuts = cap;
	}
	r->cuts[r->n_cuts++] = (struct cut){ f->at, f->n };
}

static void tally_field(struct tally *t, const struct field *f)
{
	struct letter_facts *r = t->facts;

	if (str_eq_nocase(f->name, S("Received"))) {
		r->hops++;
	} else if (str_eq_nocase(f->name, S("From"))) {
		r->from++;
	} else if (str_eq_nocase(f->name, S("Date"))) {
		r->date++;
	} else if (str_eq_nocase(f->name, S("Return-Path"))) {
		cut_field(t, f);
	} else if (str_eq_nocase(f->name, S("Authentication-Results"))) {
		if (auth_results_claims(f->value, t->authserv_id, t->a))
			cut_field(t, f);
	} else if (str_eq_nocase(f->name, S("Message-ID"))) {
		if (r->message_id.n == 0)
			r->message_id = header_unfold(f->value, t->a);
	} else if (str_eq_nocase(f->name, S("Delivered-To"))) {
		if (r->n_delivered < FACTS_DELIVERED_MAX)
			r->delivered[r->n_delivered++] = header_unfold(f->value, t->a);
	}
}

bool letter_facts_read(struct str letter, struct str authserv_id, struct arena *a, struct letter_facts *ret)
{
	struct letter_facts r = { 0 };
	struct tally t = { .facts = &r, .authserv_id = authserv_id, .a = a };
	struct header h = header_of(letter);
	struct field f;

	r.delivered = ARENA_ARRAY(a, struct str, FACTS_DELIVERED_MAX);
	if (!r.delivered)
		return false;
	h.is_lenient = true;     /* a client may see fields behind a broken line */
	while (header_next(&h, &f))
		tally_field(&t, &f);
	r.fields = h.count;
	r.is_malformed = h.is_malformed;
	r.is_cut = h.is_cut;
	r.header_size = h.at;
	if (a->full)
		return false;
	*ret = r;
	return true;
}
