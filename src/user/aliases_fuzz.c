/* aliases_fuzz.c — any bytes as a list of targets: what is printed reads back as the same target. */
#include "user/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool is_plain_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(str_at(s, i)))
			return false;
	return s.n > 0;
}

static void check_again(const struct target *t, struct arena *a)
{
	struct str text = target_print(t, a), in = text;
	struct target again;
	struct err e = { 0 };
	bool any = false;

	if (t->kind == TARGET_ADDRESS && !is_plain_word(t->local))
		return;         /* print is for people: it does not quote */
	if (t->kind != TARGET_ADDRESS && (str_has(t->text, ',') || str_has(t->text, '\n')) &&
	    t->kind != TARGET_FAIL && t->kind != TARGET_DEFER)
		return;
	must(target_next(&in, a, &again, &any, &e) && any, "a printed target can be read");
	must(again.kind == t->kind && str_eq(again.local, t->local) &&
		     str_eq(again.domain, t->domain) && str_eq(again.text, t->text),
	     "and is the same");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
	struct str in = str_of(p, n);
	struct target t;
	struct err e = { 0 };
	bool any = true;
	size_t left;

	while (any && !a.full) {
		left = in.n;
		if (!target_next(&in, &a, &t, &any, &e)) {
			must(in.n == left, "a failure leaves the list untouched");
			break;
		}
		must(!any || in.n < left, "each target eats something");
		if (any && !a.full)
			check_again(&t, &a);
	}
	return 0;
}
