/* dmarc_report_test.c — reports as RFC 7489 appendix C has them, as others write them, and what is none. */
#include "trust/dmarc_report.h"
#include "wire/unpack.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define META \
	"<report_metadata><org_name>Receiver Inc.</org_name><email>dmarc@receiver.example</email>" \
	"<report_id>17!x</report_id><date_range><begin>1763683200</begin><end>1763769599</end></date_range></report_metadata>"
#define POLICY "<policy_published><domain>Example.NET</domain><adkim>r</adkim><aspf>r</aspf><p>quarantine</p><pct>100</pct></policy_published>"
#define ROW(ip, count, done, dkim, spf) \
	"<row><source_ip>" ip "</source_ip><count>" count "</count><policy_evaluated><disposition>" done "</disposition>" \
	"<dkim>" dkim "</dkim><spf>" spf "</spf></policy_evaluated></row>"
#define FROM "<identifiers><header_from>example.net</header_from></identifiers>"
#define RECORD(row, auth) "<record>" row FROM "<auth_results>" auth "</auth_results></record>"
#define SIGNED(domain, selector, result) \
	"<dkim><domain>" domain "</domain><selector>" selector "</selector><result>" result "</result></dkim>"
#define SPF(domain, result) "<spf><domain>" domain "</domain><scope>mfrom</scope><result>" result "</result></spf>"
#define PLAIN RECORD(ROW("192.0.2.1", "3", "none", "pass", "fail"), SIGNED("example.net", "s1", "pass") SPF("example.org", "pass"))
#define REPORT(records) "<?xml version=\"1.0\"?><feedback>" META POLICY records "</feedback>"

static bool read_report(struct str xml, struct arena *a, struct dmarc_report *ret, struct err *e)
{
	struct dmarc_reader *r = dmarc_reader_open(a);
	struct unpack u;
	struct str piece;
	bool ok = unpack_open(&u, xml, e);

	assert_non_null(r);
	while (ok && (ok = unpack_next(&u, &piece, e)) && piece.n)
		ok = dmarc_reader_feed(r, piece, e);
	ok = ok && dmarc_reader_finish(r, ret, e);
	unpack_end(&u);
	dmarc_reader_close(r);
	return ok;
}

static void same(struct str got, const char *wanted)
{
	if (!str_eq(got, str_from_z(wanted)))
		fail_msg("\"" STR_FMT "\" instead of \"%s\"", STR_ARG(got), wanted);
}

static void same_ip(const uint8_t ip[16], const char *wanted)
{
	uint8_t other[16];

	assert_int_equal(inet_pton(AF_INET6, wanted, other), 1);
	assert_memory_equal(ip, other, 16);
}

static void test_whole(void **state)
{
	static const char xml[] = REPORT(
		PLAIN
		RECORD("<row><source_ip>2001:db8::25</source_ip><count>1</count><policy_evaluated><disposition>Reject</disposition>"
		       "<dkim>FAIL</dkim><spf> Pass </spf><reason><type>mailing_list</type><comment>x</comment></reason>"
		       "<reason><type>other</type></reason></policy_evaluated></row>",
		       SIGNED("lists.example", "l", "pass") SIGNED("Mail.Example.NET.", "S2", "fail") SPF("example.net", "softfail")));
	AUTO(arena_end) struct arena a = { .limit = DMARC_REPORT_ARENA };
	struct dmarc_report r;
	struct err e = { 0 };

	(void)state;
	if (!read_report(str_from_z(xml), &a, &r, &e))
		fail_msg("%s", e.text);
	same(r.org, "Receiver Inc."), same(r.email, "dmarc@receiver.example"), same(r.id, "17!x");
	same(r.domain, "example.net"), same(r.policy, "quarantine");
	assert_int_equal(r.begin, 1763683200), assert_int_equal(r.end, 1763769599), assert_int_equal(r.n_rows, 2);
	same_ip(r.rows[0].ip, "::ffff:192.0.2.1");
	assert_int_equal(r.rows[0].count, 3), assert_int_equal(r.rows[0].disposition, DMARC_DONE_NONE);
	assert_true(r.rows[0].is_dkim_aligned), assert_false(r.rows[0].is_spf_aligned);
	same(r.rows[0].header_from, "example.net"), same(r.rows[0].dkim_selector, "s1"), same(r.rows[0].spf_domain, "example.org");
	same_ip(r.rows[1].ip, "2001:db8::25");
	assert_int_equal(r.rows[1].disposition, DMARC_DONE_REJECT);
	assert_false(r.rows[1].is_dkim_aligned), assert_true(r.rows[1].is_spf_aligned);
	same(r.rows[1].reason, "mailing_list"), same(r.rows[1].spf_result, "softfail");
	/* of From's domain, although another one passed */
	same(r.rows[1].dkim_domain, "mail.example.net"), same(r.rows[1].dkim_selector, "s2"), same(r.rows[1].dkim_result, "fail");
}

/* Habits: name spaces, drafts, UTF-16, a comment, CDATA, fractions of seconds, no address of SPF. */
static void test_habits(void **state)
{
	static const char utf16[] = "\xff\xfe<\0?\0x\0m\0l\0 \0v\0e\0r\0s\0i\0o\0n\0=\0\"\0001\0.\0000\0\"\0?\0>\0<\0a\0/\0>";
	static const struct { const char *xml; const char *org; size_t rows; } rows[] = {
		{ "\xef\xbb\xbf<feedback>" META POLICY PLAIN "</feedback>", "Receiver Inc.", 1 },
		{ "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\"><version>1.0</version>" META POLICY PLAIN "<extension><a><record/></a></extension></feedback>",
		  "Receiver Inc.", 1 },
		{ "<d:feedback xmlns:d=\"http://dmarc.org/dmarc-xml/0.1\"><d:report_metadata><d:org_name>Yahoo</d:org_name><d:report_id>1</d:report_id>"
		  "<d:date_range><d:begin>1</d:begin><d:end>2</d:end></d:date_range></d:report_metadata><d:policy_published>"
		  "<d:domain>example.net</d:domain></d:policy_published></d:feedback>", "Yahoo", 0 },
		{ "<!-- c --><feedback><report_metadata><email>noreply@corp.mail.ru</email><report_id><![CDATA[9]]>9</report_id><date_range>"
		  "<begin>1529366400.0</begin><end> 1529452799\n</end></date_range></report_metadata>" POLICY
		  "<record>" ROW("192.0.2.1", "1", "pass", "neutral", "") "<identities><header_from>example.net</header_from></identities>"
		  "<auth_results><spf><domain></domain><result>none</result></spf></auth_results></record></feedback>", "noreply@corp.mail.ru", 1 },
		{ "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">" "<feedback>" META POLICY PLAIN "</feedback>", "Receiver Inc.", 1 },
		{ "<feedback>" META POLICY PLAIN "</feedback>\r\n-- \r\nsent from here", "Receiver Inc.", 1 },
		{ "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><feedback><report_metadata><org_name>M\xfcller</org_name><report_id>1</report_id>"
		  "<date_range><begin>1</begin><end>2</end></date_range></report_metadata>" POLICY "</feedback>", "M\xc3\xbcller", 0 },
	};
	AUTO(arena_end) struct arena b = { 0 };
	struct dmarc_report r;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = DMARC_REPORT_ARENA };

		if (!read_report(str_from_z(rows[i].xml), &a, &r, &e))
			fail_msg("row %zu: %s", i, e.text);
		same(r.org, rows[i].org);
		assert_int_equal(r.n_rows, rows[i].rows);
	}
	assert_false(read_report(str_of(utf16, sizeof(utf16)), &b, &r, &e));
	assert_non_null(strstr(e.text, "no DMARC report"));      /* it was read, then */
}

#define DEEP8 "<a><a><a><a><a><a><a><a>"
static void test_refused_K7(void **state)
{
	static const struct { const char *xml, *word; } rows[] = {
		{ "", "no XML" }, { "hello", "no XML" }, { "<html></html>", "no DMARC report" }, { "<feedback>", "no XML" },
		{ "<feedback></feedback>", "who made it" }, { "<feedback>" META "</feedback>", "which domain" },
		{ REPORT(RECORD(ROW("192.0.2.300", "1", "none", "pass", "pass"), "")), "no IP address" },
		{ REPORT(RECORD(ROW("", "1", "none", "pass", "pass"), "")), "no IP address" },
		{ REPORT(RECORD(ROW("mail.example.net", "1", "none", "pass", "pass"), "")), "no IP address" },
		{ REPORT(PLAIN RECORD(ROW("192.0.2.3", "many", "none", "pass", "pass"), "")), "record 2: its count" },
		{ REPORT(RECORD(ROW("192.0.2.3", "-1", "none", "pass", "pass"), "")), "count" },
		{ REPORT(RECORD(ROW("192.0.2.3", "99999999999999999999", "none", "pass", "pass"), "")), "count" },
		{ REPORT("<record></record>"), "from where" },
		{ "<feedback><report_metadata><date_range><begin>yesterday</begin></date_range></report_metadata></feedback>", "date range" },
		{ "<!DOCTYPE feedback><feedback/>", "DOCTYPE" },
		{ "<!DOCTYPE f [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;\">]><feedback>&c;</feedback>",
		  "DOCTYPE" },
		{ "<!DOCTYPE f [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><feedback>&x;</feedback>", "DOCTYPE" },
		{ "<!DOCTYPE f SYSTEM \"http://192.0.2.1/x.dtd\"><feedback/>", "DOCTYPE" },
		{ "<feedback>&unknown;</feedback>", "no XML" },
		{ "<feedback>" DEEP8 DEEP8 DEEP8 DEEP8, "nested" },
		{ "<feedback><report_metadata><org_name>\xff\xfe</org_name>", "no XML" },
		{ "<?xml version=\"1.0\" encoding=\"x-unheard-of\"?><feedback/>", "no XML" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = DMARC_REPORT_ARENA };
		struct dmarc_report r;
		struct err e = { 0 };

		if (read_report(str_from_z(rows[i].xml), &a, &r, &e))
			fail_msg("not refused: %s", rows[i].xml);
		if (!strstr(e.text, rows[i].word))
			fail_msg("%s: \"%s\" says nothing of \"%s\"", rows[i].xml, e.text, rows[i].word);
	}
}

/* A report that begins so, with `piece` n times behind it. */
static bool read_many(const char *begin, const char *piece, size_t n, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = DMARC_REPORT_ARENA };
	struct dmarc_reader *r = dmarc_reader_open(&a);
	bool ok = dmarc_reader_feed(r, str_from_z(begin), e);
	struct dmarc_report x;

	for (size_t i = 0; i < n && ok; i++)
		ok = dmarc_reader_feed(r, str_from_z(piece), e);
	ok = ok && dmarc_reader_feed(r, S("</feedback>"), e) && dmarc_reader_finish(r, &x, e);
	assert_true(!ok || x.n_rows == n);
	dmarc_reader_close(r);
	return ok;
}

static void test_limits_K7(void **state)
{
	static char attribute[1025];
	struct err e = { 0 };

	(void)state;
	if (!read_many("<feedback>" META POLICY, PLAIN, DMARC_REPORT_ROWS_MAX, &e))
		fail_msg("%s", e.text);
	assert_false(read_many("<feedback>" META POLICY, PLAIN, 1000000, &e));
	assert_non_null(strstr(e.text, "4000 records"));
	memset(attribute, 'x', sizeof(attribute) - 1);
	assert_false(read_many("<feedback><a b='", attribute, 25 << 10, &e));
	assert_non_null(strstr(e.text, "64 KiB"));
	assert_false(read_many("<feedback><!--", attribute, 25 << 10, &e));
	assert_non_null(strstr(e.text, "64 KiB"));
}

/* Reports of others: what must be read, and what cannot. */
static void test_samples(void **state)
{
	static const char *const broken[] = { "invalid_utf_8.xml", "invalid_xml.xml" };
	const char *root = getenv("SOURCE_ROOT");
	char dir[800], path[1200];
	static char mem[1 << 20];
	size_t n_read = 0, n_refused = 0;
	struct dirent *d;
	DIR *list;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/../shared/testdata/reports/parsedmarc/aggregate", root ? root : ".");
	list = opendir(dir);
	if (!list) {
		print_message("no ../shared/testdata/reports\n");
		skip();
	}
	while ((d = readdir(list))) {
		AUTO(arena_end) struct arena a = { .limit = DMARC_REPORT_ARENA };
		bool is_broken = str_eq(str_from_z(d->d_name), str_from_z(broken[0])) || str_eq(str_from_z(d->d_name), str_from_z(broken[1]));
		struct dmarc_report r;
		struct err e = { 0 };
		FILE *f;
		size_t n;

		if (d->d_name[0] == '.' || str_ends(str_from_z(d->d_name), S(".eml")))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		f = fopen(path, "re");
		assert_non_null(f);
		n = fread(mem, 1, sizeof(mem), f);
		fclose(f);
		if (read_report(str_of(mem, n), &a, &r, &e) == is_broken)
			fail_msg("%s: %s", d->d_name, is_broken ? "was read" : e.text);
		if (!is_broken && r.n_rows == 0)
			fail_msg("%s: no rows", d->d_name);
		n_read += !is_broken;
		n_refused += is_broken;
	}
	closedir(list);
	print_message("%zu reports read, %zu refused\n", n_read, n_refused);
	assert_true(n_read >= 12 && n_refused == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole), cmocka_unit_test(test_habits), cmocka_unit_test(test_refused_K7),
		cmocka_unit_test(test_limits_K7), cmocka_unit_test(test_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
