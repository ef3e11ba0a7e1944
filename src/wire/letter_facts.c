/* letter_facts.c — what scan wants to know of a header; see letter_facts.h. */
#include "wire/letter_facts.h"

/* Step over white space and comments, which nest (RFC 5322 §3.2.2).  An unclosed comment
 * takes the rest. */
static struct str skip_cfws(struct str s)
{
	size_t depth = 0, i = 0;

	for (; i < s.n; i++) {
		int c = str_at(s, i);

		if (c == '\\' && depth)
			i++;
		else if (c == '(')
			depth++;
		else if (c == ')' && depth)
			depth--;
		else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n')
			break;
	}
	return str_from(s, i);
}

/* May c stand in an authserv-id?  All that is no delimiter, so that "mx.example.org/1" and
 * "mx.example.org;" end it while "mx.example.organic" does not. */
static bool is_id_char(int c)
{
	return c > ' ' && c != 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

bool auth_results_is_ours(struct str value, struct str authserv_id)
{
	struct str s = skip_cfws(value);
	size_t at = 0;
	bool quoted = str_at(s, 0) == '"';

	if (quoted)
		s = str_from(s, 1);
	for (size_t i = 0; i < authserv_id.n; i++, at++) {
		if (quoted && str_at(s, at) == '\\')
			at++;
		if (ascii_lower(str_at(s, at)) != ascii_lower(str_at(authserv_id, i)))
			return false;
	}
	if (quoted)
		return str_at(s, at) == '"' || str_at(s, at) < 0;
	/* a dot at the end names the same host */
	if (str_at(s, at) == '.')
		at++;
	return authserv_id.n && !is_id_char(str_at(s, at));
}

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
		if (auth_results_is_ours(f->value, t->authserv_id))
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
