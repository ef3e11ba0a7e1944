/* spf_record_fuzz.c — any bytes are a record whose terms can be walked, or one with a complaint; macros of it end. */
#include "wire/spf_macro.h"
#include "wire/spf_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void expand(struct str s, enum spf_macro_use use)
{
	char mem[2048];
	struct buf b = buf_over(mem, sizeof(mem));
	struct spf_macro m;

	while (spf_macro_next(&s, use, &m))
		spf_macro_add(&b, &m, S("a.b-c+d.example.net"));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str all = str_of(p, n);
	struct spf_record r;
	struct spf_term t;
	struct err e = { 0 };

	expand(all, SPF_IN_EXPLANATION);
	if (!spf_record_read(all, &r, &e)) {
		must(e.fault == FAULT_PERM && e.text[0], "a complaint");
		return 0;
	}
	while (spf_term_next(&r.terms, &t)) {
		must(t.bits4 <= 32 && t.bits6 <= 128, "bits of an address");
		must(t.text.p >= all.p && t.text.p + t.text.n <= all.p + all.n, "a term inside");
		must(spf_macro_is_valid(t.domain, SPF_IN_DOMAIN), "a domain-spec was looked at");
		expand(t.domain, SPF_IN_DOMAIN);
	}
	must(r.terms.n == 0, "all terms of a record that was read");
	return 0;
}
