/* dmarc_fuzz.c — any header is from one domain, which can be asked for, or from none. */
#include "trust/dmarc.h"
#include "wire/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct str domain = { 0 }, again;

	if (dmarc_from_read(str_of(p, n), &a, &domain) != DMARC_FROM_ONE)
		return 0;
	must(domain.n > 0 && address_domain_fold(domain, &a, &again) && str_eq(domain, again), "a folded domain");
	must(dmarc_is_aligned(domain, domain, true, NULL), "a domain is aligned with itself");
	return 0;
}
