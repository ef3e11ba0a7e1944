/* doctor_test.c — findings that follow from what the DNS says and from what the parent tells, as tables. */
#include "role/control/doctor.h"

#include "trust/psl.h"
#include "trust/trust_dns_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct conf_held held = { .users = 1 };

static const char zone[] =
	"mx.right.test A 192.0.2.1\n"
	"mx.right.test AAAA 2001:db8::1\n"
	"1.2.0.192.in-addr.arpa PTR mx.right.test\n"
	"2.2.0.192.in-addr.arpa PTR liar.right.test\n"
	"liar.right.test A 192.0.2.99\n"
	"3.2.0.192.in-addr.arpa TEMP\n"
	"4.2.0.192.in-addr.arpa PTR twin.right.test\n"
	"twin.right.test A 192.0.2.4\n"
	"only4.test A 192.0.2.4\n"
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mx.right.test\n"
	"temp.test TEMP\n"
	"bogus.test BOGUS\n"
	"right.test MX 10 mx.right.test\n"
	"right.test TXT \"v=spf1 mx -all\"\n"
	"right.test TXT \"something else\"\n"
	"_dmarc.right.test TXT \"v=DMARC1; p=none; rua=mailto:a@right.test\"\n"
	"behind.test MX 5 filter.test\n"
	"behind.test MX 10 mx.right.test\n"
	"filter.test A 203.0.113.7\n"
	"away.test MX 10 filter.test\n"
	"null.test MX 0 .\n"
	"gone.test MX 10 nothing.test\n"
	"gone.test MX 20 mx.right.test\n"
	"aliased.test MX 10 www.right.test\n"
	"www.right.test CNAME mx.right.test\n"
	"two.test TXT \"v=spf1 mx -all\"\n"
	"two.test TXT \"v=spf1 a -all\"\n"
	"all.test TXT \"v=spf1 +all\"\n"
	"wide.test TXT \"v=spf1 ip4:192.0.0.0/8 ip6:2001:db8::/32 -all\"\n"
	"broken.test TXT \"v=spf1 ip4:192.0.2 -all\"\n"
	"spf10.test TXT \"v=spf10 -all\"\n"
	"half.test TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
	"soft.test TXT \"v=spf1 ip4:198.51.100.1 ~all\"\n"
	"nine.test TXT \"v=spf1 a:mx.right.test a:mx.right.test a:mx.right.test a:mx.right.test a:mx.right.test a:mx.right.test "
	"a:mx.right.test a:mx.right.test a:mx.right.test -all\"\n"
	"_dmarc.norua.test TXT \"v=DMARC1; p=reject\"\n"
	"_dmarc.odd.test TXT \"v=DMARC1; p=perhaps\"\n"
	"_dmarc.two.test TXT \"v=DMARC1; p=none\"\n"
	"_dmarc.two.test TXT \"v=DMARC1; p=reject\"\n"
	"_dmarc.strange.test TXT \"v=DMARC1; p=none; rua=https://right.test/\"\n"
	"_dmarc.foreign.test TXT \"v=DMARC1; p=none; rua=mailto:a@reports.test,mailto:b@right.test\"\n"
	"foreign.test._report._dmarc.right.test TXT \"v=DMARC1\"\n"
	"_dmarc.agreed.test TXT \"v=DMARC1; p=none; rua=mailto:a@reports.test\"\n"
	"agreed.test._report._dmarc.reports.test TXT \"v=DMARC1;\"\n";

static const struct row {
	const char *name;
	SUSPENDS bool (*look)(struct patient *p, struct err *e);
	const char *host, *sends, *sends6, *domain;
	enum grade grade;
	const char *said, *remedy;       /* parts of the worst line, and of the remedy */
} rows[] = {
	{ "host-name ok", doctor_host_name, "mx.right.test", "192.0.2.1", "", "", GRADE_OK, "192.0.2.1", "" },
	{ "host-name without a dot", doctor_host_name, "mail", "192.0.2.1", "", "", GRADE_FAIL, "no name that others", "full name" },
	{ "host-name of a home", doctor_host_name, "mail.local", "192.0.2.1", "", "", GRADE_FAIL, "no name that others", "full name" },
	{ "host-name nowhere", doctor_host_name, "no.right.test", "192.0.2.1", "", "", GRADE_FAIL, "no such name", "no.right.test. A 192.0.2.1" },
	{ "host-name unclear", doctor_host_name, "temp.test", "192.0.2.1", "", "", GRADE_WARN, "no useful answer", "dns lookup A temp.test" },
	{ "host-name bogus", doctor_host_name, "bogus.test", "192.0.2.1", "", "", GRADE_FAIL, "DNSSEC", "DNSSEC of the zone" },

	{ "ptr ok", doctor_ptr, "mx.right.test", "192.0.2.1", "", "", GRADE_OK, "is mx.right.test", "" },
	{ "ptr none", doctor_ptr, "mx.right.test", "192.0.2.9", "", "", GRADE_FAIL, "no PTR record", "PTR record of 192.0.2.9 set to mx.right.test" },
	{ "ptr not back", doctor_ptr, "mx.right.test", "192.0.2.2", "", "", GRADE_FAIL, "does not lead back", "PTR record of 192.0.2.2" },
	{ "ptr unclear", doctor_ptr, "mx.right.test", "192.0.2.3", "", "", GRADE_WARN, "192.0.2.3", "later" },
	{ "ptr without an address", doctor_ptr, "mx.right.test", "", "2001:db8::1", "", GRADE_SKIPPED, "no public IPv4", "" },
	{ "ipv6 ok", doctor_ipv6, "mx.right.test", "192.0.2.1", "2001:db8::1", "", GRADE_OK, "mx.right.test", "" },
	{ "ipv6 without a name", doctor_ipv6, "mx.right.test", "192.0.2.1", "2001:db8::2", "", GRADE_WARN, "no PTR record", "ipv6 off" },
	{ "ipv6 none", doctor_ipv6, "mx.right.test", "192.0.2.1", "", "", GRADE_SKIPPED, "no public IPv6", "" },

	{ "helo ok", doctor_helo, "mx.right.test", "192.0.2.1", "2001:db8::1", "", GRADE_OK, "where the name leads", "" },
	{ "helo elsewhere", doctor_helo, "mx.right.test", "192.0.2.7", "", "", GRADE_FAIL, "does not lead there", "mx.right.test. A 192.0.2.7" },
	{ "helo elsewhere, IPv6", doctor_helo, "mx.right.test", "192.0.2.1", "2001:db8::2", "", GRADE_FAIL, "does not lead there", "AAAA 2001:db8::2" },
	{ "helo of another name", doctor_helo, "only4.test", "192.0.2.4", "", "", GRADE_WARN, "twin.right.test", "hostname twin.right.test" },
	{ "helo without an address", doctor_helo, "no.right.test", "192.0.2.1", "", "", GRADE_SKIPPED, "see host-name", "" },

	{ "mx ok", doctor_mx, "mx.right.test", "192.0.2.1", "", "right.test", GRADE_OK, "has the MX mx.right.test", "" },
	{ "mx by address", doctor_mx, "other.test", "203.0.113.7", "", "away.test", GRADE_OK, "has the MX filter.test", "" },
	{ "mx behind a filter", doctor_mx, "mx.right.test", "192.0.2.1", "", "behind.test", GRADE_OK, "we are behind it", "" },
	{ "mx of others", doctor_mx, "mx.right.test", "192.0.2.1", "", "away.test", GRADE_FAIL, "filter.test", "away.test. MX 10 mx.right.test." },
	{ "mx none", doctor_mx, "mx.right.test", "192.0.2.1", "", "none.test", GRADE_FAIL, "no MX record", "none.test. MX 10 mx.right.test." },
	{ "mx null", doctor_mx, "mx.right.test", "192.0.2.1", "", "null.test", GRADE_FAIL, "null MX", "null.test. MX 10" },
	{ "mx without an address", doctor_mx, "mx.right.test", "192.0.2.1", "", "gone.test", GRADE_FAIL, "nothing.test", "A record for nothing.test" },
	{ "mx an alias", doctor_mx, "mx.right.test", "192.0.2.1", "", "aliased.test", GRADE_WARN, "CNAME", "Name the server itself" },
	{ "mx unclear", doctor_mx, "mx.right.test", "192.0.2.1", "", "temp.test", GRADE_WARN, "no useful answer", "MX temp.test" },

	{ "spf ok", doctor_spf, "mx.right.test", "192.0.2.1", "2001:db8::1", "right.test", GRADE_OK, "look-ups", "" },
	{ "spf none", doctor_spf, "mx.right.test", "192.0.2.1", "", "none.test", GRADE_FAIL, "no SPF", "\"v=spf1 mx ip4:192.0.2.1 -all\"" },
	{ "spf10 is none", doctor_spf, "mx.right.test", "192.0.2.1", "", "spf10.test", GRADE_FAIL, "no SPF", "v=spf1" },
	{ "spf twice", doctor_spf, "mx.right.test", "192.0.2.1", "", "two.test", GRADE_FAIL, "2 SPF records", "one record of them" },
	{ "spf all", doctor_spf, "mx.right.test", "192.0.2.1", "", "all.test", GRADE_FAIL, "everybody", "-all" },
	{ "spf too wide", doctor_spf, "mx.right.test", "192.0.2.1", "", "wide.test", GRADE_FAIL, "everybody", "-all" },
	{ "spf broken", doctor_spf, "mx.right.test", "192.0.2.1", "", "broken.test", GRADE_FAIL, "broken", "Correct it" },
	{ "spf half", doctor_spf, "mx.right.test", "192.0.2.1", "2001:db8::1", "half.test", GRADE_FAIL, "2001:db8::1 may not", "ip6:2001:db8::1" },
	{ "spf soft", doctor_spf, "mx.right.test", "192.0.2.1", "", "soft.test", GRADE_FAIL, "softfail", "ip4:192.0.2.1" },
	{ "spf nearly full", doctor_spf, "mx.right.test", "192.0.2.1", "", "nine.test", GRADE_WARN, "9 of 10", "leave out" },
	{ "spf unclear", doctor_spf, "mx.right.test", "192.0.2.1", "", "temp.test", GRADE_WARN, "no useful answer", "TXT temp.test" },

	{ "dmarc ok", doctor_dmarc, "mx.right.test", "192.0.2.1", "", "right.test", GRADE_OK, "p=none", "" },
	{ "dmarc of the organisation", doctor_dmarc, "mx.right.test", "192.0.2.1", "", "a.right.test", GRADE_OK, "right.test asks", "" },
	{ "dmarc none", doctor_dmarc, "mx.right.test", "192.0.2.1", "", "none.test", GRADE_FAIL, "no DMARC", "_dmarc.none.test. TXT" },
	{ "dmarc twice", doctor_dmarc, "mx.right.test", "192.0.2.1", "", "two.test", GRADE_FAIL, "2 DMARC records", "_dmarc.two.test" },
	{ "dmarc odd", doctor_dmarc, "mx.right.test", "192.0.2.1", "", "odd.test", GRADE_FAIL, "cannot be used", "_dmarc.odd.test" },
	{ "dmarc quiet", doctor_dmarc, "mx.right.test", "192.0.2.1", "", "norua.test", GRADE_WARN, "no reports", "rua=mailto" },
	{ "dmarc to a web server", doctor_dmarc, "mx.right.test", "192.0.2.1", "", "strange.test", GRADE_WARN, "only mailto", "rua=mailto" },
	{ "dmarc abroad", doctor_dmarc, "mx.right.test", "192.0.2.1", "", "foreign.test", GRADE_FAIL, "reports.test has not said",
	  "foreign.test._report._dmarc.reports.test. TXT" },
	{ "dmarc abroad, agreed", doctor_dmarc, "mx.right.test", "192.0.2.1", "", "agreed.test", GRADE_OK, "who has agreed", "" },
};

static void add_sender(struct patient *p, const char *text)
{
	if (*text)
		assert_true(address_of_text(str_from_z(text), &p->sends[p->n_sends++], p->a));
}

static bool has(struct str all, const char *part)
{
	return !*part || str_find_str(all, str_from_z(part)) < all.n;
}

static struct str worst_lines(const struct finding *f, struct arena *a)
{
	struct str all = S("");

	for (size_t i = 0; i < f->n; i++)
		if (f->note_grade[i] == f->grade)
			all = arena_printf(a, STR_FMT STR_FMT "\n", STR_ARG(all), STR_ARG(f->note[i]));
	return all;
}

static void test_names(void **state)
{
	AUTO(arena_end) struct arena forever = { 0 };
	const struct psl_ctx_st *list = psl_list_open();
	struct trust_dns_table table;
	struct err e = { 0 };

	(void)state;
	assert_true(trust_dns_table_read(str_from_z(zone), &forever, &table, &e));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		AUTO(arena_end) struct arena a = { 0 };
		struct finding f = { 0 };
		struct str said;
		struct patient p = { .dns = trust_dns_of_table(&table), .hostname = str_from_z(r->host), .domain = str_from_z(r->domain),
				     .suffixes = list, .a = &a, .f = &f };

		add_sender(&p, r->sends);
		add_sender(&p, r->sends6);
		assert_true(r->look(&p, &e));
		said = worst_lines(&f, &a);
		if (f.grade != r->grade || !has(said, r->said) || !has(f.remedy, r->remedy))
			fail_msg("%s: %s, \"" STR_FMT "\", \"" STR_FMT "\"", r->name, grade_name(f.grade), STR_ARG(said),
				 STR_ARG(f.remedy));
		/* what is not well has a remedy, what is well has none */
		assert_int_equal(f.grade >= GRADE_WARN, f.remedy.n > 0);
		assert_true(f.n > 0);
	}
	psl_list_close(list);
}

/* Who sends by another's server is not judged by his own address. */
static void test_smarthost(void **state)
{
	static const struct {
		SUSPENDS bool (*look)(struct patient *p, struct err *e);
		enum grade grade;
	} looks[] = {
		{ doctor_ptr, GRADE_SKIPPED }, { doctor_helo, GRADE_SKIPPED }, { doctor_ipv6, GRADE_SKIPPED },
		{ doctor_block_lists, GRADE_SKIPPED }, { doctor_port25_out, GRADE_SKIPPED }, { doctor_spf, GRADE_OK },
	};
	AUTO(arena_end) struct arena forever = { 0 };
	struct trust_dns_table table;
	struct err e = { 0 };

	(void)state;
	assert_true(trust_dns_table_read(str_from_z(zone), &forever, &table, &e));
	for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct finding f = { 0 };
		struct patient p = { .dns = trust_dns_of_table(&table), .hostname = S("mail.local"), .domain = S("half.test"),
				     .smarthost = S("smtp.example.net"), .a = &a, .f = &f };

		add_sender(&p, "192.0.2.9");
		assert_true(looks[i].look(&p, &e));
		assert_int_equal(f.grade, looks[i].grade);
		assert_true(has(f.note[f.n - 1], "leave by smtp.example.net"));
	}
}

/* -- the machine -------------------------------------------------------------------- */

static void test_disk(void **state)
{
	static const struct {
		uint64_t size, room, files, left;
		enum grade grade;
	} disks[] = {
		{ UINT64_C(100) << 30, UINT64_C(50) << 30, 1000, 500, GRADE_OK },
		{ UINT64_C(100) << 30, UINT64_C(9) << 30, 1000, 500, GRADE_WARN },
		{ UINT64_C(100) << 30, UINT64_C(2) << 30, 1000, 500, GRADE_FAIL },
		{ UINT64_C(1000) << 30, UINT64_C(25) << 30, 1000, 500, GRADE_OK },      /* 2 %, and much */
		{ UINT64_C(100) << 20, UINT64_C(60) << 20, 1000, 500, GRADE_FAIL },     /* 60 %, and little */
		{ UINT64_C(100) << 30, UINT64_C(50) << 30, 1000, 50, GRADE_WARN },
		{ UINT64_C(100) << 30, UINT64_C(50) << 30, 1000, 5, GRADE_FAIL },
		{ UINT64_C(100) << 30, UINT64_C(50) << 30, 0, 0, GRADE_OK },            /* btrfs counts no files */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(disks); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct ipc_disk d = { S("/mail"), disks[i].size, disks[i].room, disks[i].files, disks[i].left };
		struct finding f = { 0 };
		struct patient p = { .has_facts = true, .facts.disks = { &d, 1 }, .a = &a, .f = &f };
		struct err e;

		assert_true(doctor_disk(&p, &e));
		assert_int_equal(f.grade, disks[i].grade);
	}
}

static void test_permissions(void **state)
{
	static const struct {
		const char *what;
		uint32_t mode;
		enum grade grade;
		const char *remedy;
	} files[] = {
		{ "key", 0600, GRADE_OK, "" },         { "key", 0640, GRADE_OK, "" },
		{ "key", 0644, GRADE_FAIL, "chmod 640" }, { "key", 0660, GRADE_FAIL, "chmod 640" },
		{ "secret", 0400, GRADE_OK, "" },      { "secret", 0640, GRADE_FAIL, "chmod 600" },
		{ "dkim-key", 0604, GRADE_FAIL, "chmod 600" },
		{ "folder", 0700, GRADE_OK, "" },      { "folder", 0750, GRADE_FAIL, "chmod 700" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct ipc_file_mode m = { str_from_z(files[i].what), S("/x"), files[i].mode, 0, 0 };
		struct finding f = { 0 };
		struct patient p = { .has_facts = true, .facts.modes = { &m, 1 }, .a = &a, .f = &f };
		struct err e;

		assert_true(doctor_permissions(&p, &e));
		assert_int_equal(f.grade, files[i].grade);
		assert_true(has(f.remedy, files[i].remedy));
	}
}

/* The remedy is that of the worst lines, each once. */
static void test_notes(void **state)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct finding f = { 0 };
	struct patient p = { .a = &a, .f = &f };

	(void)state;
	note(&p, GRADE_OK, "well");
	remedy(&p, "nothing");
	assert_int_equal(f.remedy.n, 0);
	note(&p, GRADE_WARN, "so so");
	remedy(&p, "rest");
	ticket(&p, "dear");
	note(&p, GRADE_FAIL, "bad");
	remedy(&p, "mend");
	note(&p, GRADE_FAIL, "bad too");
	remedy(&p, "mend");
	remedy(&p, "more");
	note(&p, GRADE_WARN, "so so");
	remedy(&p, "rest");
	assert_int_equal(f.grade, GRADE_FAIL);
	assert_true(str_eq(f.remedy, S("mend\nmore")));
	assert_int_equal(f.ticket.n, 0);
	assert_int_equal(f.n, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names), cmocka_unit_test(test_smarthost), cmocka_unit_test(test_disk), cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_notes),
	};

	self.conf = &held;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
