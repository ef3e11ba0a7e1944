/* auth_fuzz.c — any letter is authenticated with a result, and what is told of it is one field.
 *
 * The first octet says whether the client is known.  Signatures and ARC sets of the input are parsed, their hashes
 * made, their keys asked for. */
#include "trust/auth.h"
#include "trust/dkim_crypto.h"
#include "trust/trust_dns_table.h"
#include "wire/auth_results.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char zone[] =
	"example.net TXT \"v=spf1 include:_spf.example.net exists:%{i}.%{l}.%{d} ~all\"\n"
	"_spf.example.net TXT \"v=spf1 ip4:192.0.2.0/24 ?all\"\n"
	"_dmarc.example.net TXT \"v=DMARC1; p=reject; sp=none; adkim=s\"\n"
	"s._domainkey.example.net TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n"
	"1.2.0.192.in-addr.arpa PTR mail.example.net\n"
	"slow.example TEMP\n";

static void field_check(struct str field)
{
	while (field.n) {
		(void)str_cut(field, '\n', &field);
		must(!field.n || field.p[0] == ' ' || field.p[0] == '\t', "one field");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = AUTH_ARENA };
	AUTO(auth_end) struct auth x = { 0 };
	AUTO(buf_end) struct buf b = buf_on_heap(4 << 20);
	static struct dkim_keyring ring;
	struct str letter = str_from(str_of(p, n), 1);
	struct letter_src src = letter_in_memory(letter);
	struct trust_dns_table table;
	struct trust_dns dns;
	struct auth_client c = { .is_known = n && p[0] & 1, .ip = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
				 .helo = S("mail.example.net"), .local = S("a"), .domain = S("example.net") };
	struct auth_means m = { .dns = &dns, .receiver = S("mx.example.org"), .now = 1795000000LL * SECOND, .ring = &ring };
	struct auth_results field;
	struct err e;

	must(trust_dns_table_read(str_from_z(zone), &a, &table, &e), "the zone");
	dns = trust_dns_of_table(&table);
	if (!auth_check(&m, &c, str_head(letter, dkim_header_size(letter)), &src, &a, &x, &e) ||
	    !auth_tell(&c, &x, S("mx.example.org"), &a, &field))
		return 0;
	auth_results_add(&b, &field);
	field_check(buf_str(&b));
	buf_clear(&b);
	auth_add_received_spf(&b, &c, &x, S("mx.example.org"));
	field_check(str_head(buf_str(&b), b.n ? b.n - 1 : 0));
	return 0;
}
