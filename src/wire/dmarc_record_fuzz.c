/* dmarc_record_fuzz.c — any bytes are a record with a policy, or one of no use. */
#include "base/err.h"
#include "wire/dmarc_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str all = str_of(p, n), uri;
	struct dmarc_record r;

	dmarc_record_is(all);
	dmarc_record_read(all, &r);
	must(r.pct <= 100 && r.p <= DMARC_POLICY_REJECT && r.sp <= DMARC_POLICY_REJECT, "values of the grammar");
	must(r.is_usable || r.problem, "a reason");
	must(!r.problem || r.p == DMARC_POLICY_NONE, "no broken record refuses letters");
	while (dmarc_uri_next(&r.rua, &uri))
		must(uri.n >= 3 && uri.p >= all.p && uri.p + uri.n <= all.p + all.n, "an address inside");
	while (dmarc_uri_next(&r.ruf, &uri))
		must(!str_has(uri, ' '), "an address is one word");
	return 0;
}
