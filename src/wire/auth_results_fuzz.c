/* auth_results_fuzz.c — what can be read is printed so that the same is read again; claims are found in any bytes. */
#include "base/err.h"
#include "base/utf8.h"
#include "wire/auth_results.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool is_whole(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) < ' ' || str_at(s, i) == 0x7f)
			return false;
	return utf8_valid(s) && s.n <= AUTH_VALUE_MAX;
}

/* Printing cuts long values and replaces control characters. */
static bool is_printable(const struct auth_results *r)
{
	bool ok = is_whole(r->server);

	for (const struct auth_method *m = r->methods; m; m = m->next) {
		ok = ok && m->name.n <= AUTH_WORD_MAX && m->result.n <= AUTH_WORD_MAX && is_whole(m->reason);
		for (const struct auth_property *o = m->properties; o; o = o->next)
			ok = ok && o->type.n <= AUTH_WORD_MAX && o->name.n <= AUTH_WORD_MAX && is_whole(o->value);
	}
	return ok;
}

static void compare(const struct auth_results *x, const struct auth_results *y)
{
	const struct auth_method *b = y->methods;

	must(str_eq(x->server, y->server), "the server");
	for (const struct auth_method *m = x->methods; m; m = m->next, b = b->next) {
		const struct auth_property *q = b ? b->properties : NULL;

		must(b && str_eq(m->name, b->name) && str_eq(m->result, b->result) && str_eq(m->reason, b->reason), "a method");
		for (const struct auth_property *o = m->properties; o; o = o->next, q = q->next)
			must(q && str_eq(o->type, q->type) && str_eq(o->name, q->name) && str_eq(o->value, q->value),
			     "a property");
		must(!q, "no more properties");
	}
	must(!b, "no more methods");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
	AUTO(buf_end) struct buf b = buf_on_heap(4 << 20);
	struct auth_results r, again;
	struct str all = str_of(p, n);

	auth_results_claims(all, S("mx.example.net"), &a);
	if (!auth_results_parse(all, &a, &r) || !is_printable(&r))
		return 0;
	must(!r.server.n || auth_results_claims(all, r.server, &a), "it claims to be whose it is");
	auth_results_add(&b, &r);
	must(!b.full && auth_results_parse(buf_str(&b), &a, &again), "what is printed can be read");
	compare(&r, &again);
	return 0;
}
