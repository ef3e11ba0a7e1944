/* srs_fuzz.c — a local part of a stranger's choice; what is made of it leads back. */
#include "trust/srs.h"

#include "base/err.h"
#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint8_t secret[SRS_SECRET] = { 7 };
	AUTO(arena_end) struct arena a = { 0 };
	struct str in = str_of(p, n), l, d, made;

	if (str_find(in, '\0') < n)
		return 0;                /* no address holds a NUL: wire/address.h */
	must(srs_resolve(secret, in, 1000 * DAY, &a, &l, &d) != SRS_OK, "nobody guesses forty bits");
	made = srs_make(secret, in, S("a.example"), 1000 * DAY, &a);
	if (made.n && in.n) {
		must(srs_resolve(secret, made, 1001 * DAY, &a, &l, &d) == SRS_OK, "it leads back");
		must(str_starts_nocase(in, S("SRS")) || str_eq(l, in), "to where it came from");
	}
	return 0;
}
