/* spf_fuzz.c — whatever is published, a check ends within its limits; the input is a zone. */
#include "trust/spf.h"
#include "trust/trust_dns_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 16 << 20 };
	struct spf_question q = { .ip = { [10] = 0xFF, 0xFF, 192, 0, 2, 1 }, .helo = S("a.example"), .local = S("a-b+c"),
				  .domain = S("d.example"), .receiver = S("r.example") };
	struct trust_dns_table table;
	struct trust_dns dns = trust_dns_of_table(&table);
	struct spf_answer r;
	struct err e;

	if (!trust_dns_table_read(str_of(p, n), &a, &table, &e))
		return 0;
	must(spf_check_mail_from(&q, &dns, &a, &r, &e), "nobody cancels here");
	must(table.asked <= SPF_QUESTIONS_MAX && r.terms <= SPF_TERMS_MAX + 1 && r.voids <= SPF_VOIDS_MAX + 1, "the limits");
	must(r.explanation.n <= SPF_EXPLANATION_MAX && (r.result == SPF_FAIL || !r.explanation.n), "an explanation of a failure");
	must((r.result != SPF_PERMERROR && r.result != SPF_TEMPERROR) || r.problem.n, "an error says what it is");
	memset(q.ip, 0x20, sizeof(q.ip));
	must(spf_check_helo(&q, &dns, &a, &r, &e), "nobody cancels here");
	return 0;
}
