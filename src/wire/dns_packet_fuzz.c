/* dns_packet_fuzz.c — any bytes as an answer to the question that stands in them; what comes out parses,
 * prints, and its names read back as the same. */
#include "base/attr.h"
#include "base/err.h"
#include "wire/dns_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { HEADER = 12, TEXT_MAX = 1 << 18 };

static void check_name(struct str text)
{
	char mem[DNS_NAME_TEXT_MAX];
	struct buf b = buf_over(mem, sizeof(mem));
	struct dns_name name;

	must(dns_name_read(text, &name), "a name that was printed can be read");
	dns_name_print(&name, &b);
	must(str_eq(buf_str(&b), text), "and prints the same");
}

static void check_record(uint16_t type, struct str rdata, struct arena *a)
{
	AUTO(buf_end) struct buf b = buf_on_heap(TEXT_MAX);
	struct dns_mx mx;
	struct dns_tlsa tlsa;
	struct str target;

	dns_record_print(type, rdata, &b);
	must(!b.full, "a record's text is bounded");
	for (size_t i = 0; i < b.n; i++)
		must(b.p[i] >= ' ' && b.p[i] < 127, "a record's text is harmless");
	buf_clear(&b);
	dns_txt_parse(rdata, &b);
	dns_tlsa_parse(rdata, &tlsa);
	if (dns_mx_parse(rdata, a, &mx))
		check_name(mx.host);
	if (dns_target_parse(rdata, a, &target))
		check_name(target);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 16 << 20 };
	struct str in = str_of(p, n);
	size_t at = HEADER;
	struct dns_packet got;
	struct dns_name name;
	uint16_t type;
	struct err e;

	if (!dns_name_take(in, &at, &name) || str_at(in, at + 1) < 0)
		return 0;
	type = (uint16_t)(str_at(in, at) << 8 | str_at(in, at + 1));
	if (!dns_packet_parse(in, &name, type, &a, &got, &e))
		return 0;
	must(got.n <= DNS_ANSWER_RECORDS_MAX && got.ttl <= DNS_TTL_MAX, "the limits hold");
	check_name(got.canonical);
	for (size_t i = 0; i < got.n; i++)
		check_record(type, got.p[i], &a);
	return 0;
}
