/* header_sender_fuzz.c — any header names somebody one could answer, or why not in printable ASCII. */
#include "trust/header_sender.h"
#include "trust/trust_dns_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char zone[] = "mx.example MX 10 mail.mx.example\nnull.example MX 0 .\nslow.example TEMP\n";

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 16 << 20 };
	struct trust_dns_table table;
	struct trust_dns dns;
	struct header_sender r;
	struct err e;

	must(trust_dns_table_read(str_from_z(zone), &a, &table, &e), "the zone");
	dns = trust_dns_of_table(&table);
	if (!header_sender_check(&dns, str_of(p, n), &a, &r, &e))
		return 0;
	must((r.result == HEADER_SENDER_GOOD) == (r.why.n == 0), "a reason, unless it is good");
	must(table.asked <= 10 * HEADER_SENDER_DOMAINS_MAX, "few questions");
	for (size_t i = 0; i < r.why.n; i++)
		must(r.why.p[i] >= ' ' && r.why.p[i] <= '~', "printable ASCII");
	return 0;
}
