/* dmarc_meaning_test.c — what a row probably means: the cases that people meet. */
#include "trust/dmarc_meaning.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define OURS true
#define THEIRS false
#define DKIM(domain, result) S(domain), S("s1"), S(result)
#define SPF(domain, result) S(domain), S(result)
#define NO_DKIM S(""), S(""), S("")

static void test_rows(void **state)
{
	static const struct {
		bool is_our_address, is_dkim_aligned, is_spf_aligned;
		struct str reason, dkim_domain, selector, dkim_result, spf_domain, spf_result;
		const char *word, *says;
	} rows[] = {
		{ OURS, true, true, S(""), DKIM("a.example", "pass"), SPF("a.example", "pass"), "well", "all is well" },
		{ THEIRS, true, true, S(""), DKIM("a.example", "pass"), SPF("a.example", "pass"), "another-of-yours", "service" },
		{ THEIRS, true, false, S(""), DKIM("a.example", "pass"), SPF("srs.example.org", "pass"), "forwarded", "Nothing to do" },
		{ OURS, true, false, S(""), DKIM("a.example", "pass"), SPF("a.example", "softfail"), "not-in-spf", "record of a.example" },
		{ OURS, true, false, S(""), DKIM("a.example", "pass"), SPF("", "none"), "not-in-spf", "record of a.example" },
		{ OURS, true, false, S(""), DKIM("a.example", "pass"), SPF("news.example.org", "pass"), "return-path-elsewhere", "news.example.org" },
		{ OURS, false, true, S(""), NO_DKIM, SPF("a.example", "pass"), "unsigned", "no signature of a.example" },
		{ OURS, false, true, S(""), DKIM("b.example.org", "pass"), SPF("a.example", "pass"), "unsigned", "should sign" },
		{ OURS, false, true, S(""), DKIM("a.example", "none"), SPF("a.example", "pass"), "unsigned", "should sign" },
		{ OURS, false, true, S(""), DKIM("a.example", "permerror"), SPF("a.example", "pass"), "key-not-published", "s1._domainkey.a.example" },
		{ THEIRS, false, false, S(""), DKIM("mail.a.example", "permerror"), SPF("", "none"), "key-not-published", "s1._domainkey.mail.a.example" },
		{ OURS, false, true, S(""), DKIM("a.example", "fail"), SPF("a.example", "pass"), "broken-signature", "selector s1" },
		{ OURS, false, false, S(""), DKIM("a.example", "fail"), SPF("a.example", "fail"), "broken-signature", "did not fit" },
		{ THEIRS, false, false, S(""), DKIM("a.example", "fail"), SPF("lists.example.org", "pass"), "changed-on-the-way", "mailing list" },
		{ THEIRS, false, false, S("mailing_list"), NO_DKIM, SPF("lists.example.org", "pass"), "changed-on-the-way", "mailing list" },
		{ OURS, false, false, S(""), NO_DKIM, SPF("a.example", "none"), "ours-unproven", "dns records a.example" },
		{ THEIRS, false, false, S(""), DKIM("news.example.org", "pass"), SPF("", "none"), "somebody-else", "be news.example.org" },
		{ THEIRS, false, false, S(""), NO_DKIM, SPF("bounce.example.org", "pass"), "somebody-else", "be bounce.example.org" },
		{ THEIRS, false, false, S(""), NO_DKIM, SPF("a.example", "fail"), "forged", "forger" },
		{ THEIRS, false, false, S("local_policy"), DKIM("evil.example.org", "fail"), SPF("", ""), "forged", "forger" },
		/* a public suffix alone is nobody's house, nor is a name that only ends alike */
		{ THEIRS, false, false, S(""), DKIM("example", "fail"), SPF("", ""), "forged", "forger" },
		{ THEIRS, false, false, S(""), DKIM("xa.example", "fail"), SPF("", ""), "forged", "forger" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct dmarc_facts f = {
			.domain = S("a.example"), .is_our_address = rows[i].is_our_address, .is_dkim_aligned = rows[i].is_dkim_aligned,
			.is_spf_aligned = rows[i].is_spf_aligned, .reason = rows[i].reason, .dkim_domain = rows[i].dkim_domain,
			.dkim_selector = rows[i].selector, .dkim_result = rows[i].dkim_result, .spf_domain = rows[i].spf_domain,
			.spf_result = rows[i].spf_result };
		enum dmarc_meaning m = dmarc_meaning_of(&f);
		AUTO(buf_end) struct buf b = buf_on_heap(2000);

		dmarc_meaning_tell(m, &f, &b);
		if (!str_eq(str_from_z(dmarc_meaning_word(m)), str_from_z(rows[i].word)))
			fail_msg("row %zu: %s instead of %s", i, dmarc_meaning_word(m), rows[i].word);
		if (str_find_str(buf_str(&b), str_from_z(rows[i].says)) == b.n)
			fail_msg("row %zu: \"" STR_FMT "\" says nothing of \"%s\"", i, STR_ARG(buf_str(&b)), rows[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
