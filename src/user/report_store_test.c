/* report_store_test.c — reports outlive the process, once each, and never more than the limits. */
#include "base/attr.h"
#include "base/time.h"
#include "user/report_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/reports-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const leavings[] = { "reports.db", "reports.db-wal", "reports.db-shm" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(leavings); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, leavings[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static struct report_store *must_open(void)
{
	struct err e = { 0 };
	struct report_store *s = report_store_open(dir, &e);

	if (!s)
		fail_msg("%s", e.text);
	return s;
}

#define NOW (1000 * DAY)

static struct report_head head(const char *org, const char *id, const char *domain)
{
	return (struct report_head){ .org = str_from_z(org), .id = str_from_z(id), .domain = str_from_z(domain), .begin = 100,
				     .end = 200, .received = NOW, .policy = S("none"), .letter = 7 };
}

static struct report_source source(const char *ip, uint64_t count)
{
	return (struct report_source){ .ip = str_from_z(ip), .count = count, .is_dkim_aligned = true, .disposition = 2,
				       .header_from = S("a.example"), .dkim_domain = S("a.example"), .dkim_selector = S("s"),
				       .dkim_result = S("pass"), .spf_domain = S("b.example"), .spf_result = S("softfail"),
				       .reason = S("forwarded") };
}

static bool add(struct report_store *s, struct report_head h, const struct report_source *p, size_t n, int64_t now)
{
	struct err e = { 0 };
	bool is_new = false;

	if (!report_add(s, &h, p, n, now, &is_new, &e))
		fail_msg("%s", e.text);
	return is_new;
}

static size_t sources(struct report_store *s, struct str domain, int64_t since, struct report_source ret[10], struct arena *a)
{
	struct err e = { 0 };
	size_t n = 0;

	if (!report_sources(s, domain, since, 0, 10, a, ret, &n, &e))
		fail_msg("%s", e.text);
	return n;
}

static void test_keeps(void **state)
{
	struct report_source p[] = { source("192.0.2.1", 3), source("2001:db8::1", 5) }, got[10];
	AUTO(arena_end) struct arena a = { 0 };
	struct report_domain d[4];
	struct report_store *s = must_open();
	struct err e;
	size_t n;

	(void)state;
	assert_true(add(s, head("R", "1", "a.example"), p, 2, NOW));
	assert_false(add(s, head("R", "1", "a.example"), p, 2, NOW));
	assert_true(add(s, head("Q", "1", "a.example"), p, 1, NOW));
	assert_true(add(s, head("R", "1", "c.example"), p, 1, NOW));
	report_store_close(s);
	s = must_open();
	assert_int_equal(sources(s, S("a.example"), 200, got, &a), 2);
	assert_int_equal(got[0].count, 6);               /* of both reports */
	assert_true(str_eq(got[0].ip, S("192.0.2.1")) && str_eq(got[1].ip, S("2001:db8::1")));
	assert_true(got[0].is_dkim_aligned && !got[0].is_spf_aligned && got[0].disposition == 2);
	assert_true(str_eq(got[0].dkim_selector, S("s")) && str_eq(got[0].spf_result, S("softfail")) && str_eq(got[0].reason, S("forwarded")));
	assert_int_equal(sources(s, S(""), 200, got, &a), 3);
	assert_int_equal(sources(s, S(""), 201, got, &a), 0);
	assert_int_equal(sources(s, S("b.example"), 0, got, &a), 0);
	assert_true(report_domains(s, S(""), 0, 0, 4, &a, d, &n, &e) && n == 2);
	assert_true(str_eq(d[0].domain, S("a.example")) && str_eq(d[0].orgs, S("Q, R")) && str_eq(d[0].policy, S("none")));
	assert_int_equal(d[0].reports, 2), assert_int_equal(d[0].letters, 11), assert_int_equal(d[0].proven, 0);
	assert_true(report_domains(s, S(""), 0, 1, 4, &a, d, &n, &e) && n == 1 && str_eq(d[0].domain, S("c.example")));
	report_store_close(s);
}

/* One whose letter proved who it is from takes the place of one that did not, and not the other way round. */
static void test_proof(void **state)
{
	struct report_source forged = source("192.0.2.66", 9), real = source("192.0.2.1", 1), got[10];
	struct report_head h = head("R", "2", "p.example"), proven = h;
	AUTO(arena_end) struct arena a = { 0 };
	struct report_store *s = must_open();

	(void)state;
	proven.proof = REPORT_PROOF_PASS;
	assert_true(add(s, h, &forged, 1, NOW));
	assert_true(add(s, proven, &real, 1, NOW));
	assert_false(add(s, h, &forged, 1, NOW));
	assert_false(add(s, proven, &forged, 1, NOW));
	assert_int_equal(sources(s, S("p.example"), 0, got, &a), 1);
	assert_true(str_eq(got[0].ip, S("192.0.2.1")));
	report_store_close(s);
}

static void test_bounds_K7(void **state)
{
	enum { ROWS = 4000, FULL = REPORT_SOURCES_KEPT / ROWS };
	struct report_source *p = calloc(ROWS, sizeof(*p)), got[10], real = source("192.0.2.1", 1);
	struct report_head proven = head("R", "3", "q.example");
	AUTO(arena_end) struct arena a = { 0 };
	struct report_store *s = must_open();
	char id[20];

	(void)state;
	proven.proof = REPORT_PROOF_PASS;
	assert_true(add(s, proven, &real, 1, NOW));
	for (size_t i = 0; i < ROWS; i++)
		p[i] = source("192.0.2.66", 1);
	for (int i = 0; i < FULL + 3; i++) {
		struct report_head h = head("F", id, "f.example");

		snprintf(id, sizeof(id), "n%d", i);
		h.id = str_from_z(id);
		assert_true(add(s, h, p, ROWS, NOW + i));
	}
	assert_int_equal(sources(s, S("f.example"), 0, got, &a), 1);
	assert_true(got[0].count <= REPORT_SOURCES_KEPT && got[0].count >= REPORT_SOURCES_KEPT - ROWS);
	assert_int_equal(sources(s, S("q.example"), 0, got, &a), 1);     /* they have not pushed it out */
	assert_true(add(s, head("R", "4", "new.example"), &real, 1, NOW + (REPORT_KEPT_DAYS + 1) * DAY));
	assert_int_equal(sources(s, S("q.example"), 0, got, &a), 0);     /* its time was over */
	report_store_close(s);
	free(p);
}

static void test_unread(void **state)
{
	struct report_unread got[10], u = { .received = NOW, .letter = 3, .sender = S("x@y.example"), .why = S("it is no XML") };
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct report_store *s = must_open();
	struct err e;
	size_t n;

	(void)state;
	for (int i = 0; i < REPORT_UNREAD_KEPT + 5; i++, u.received++)
		assert_true(report_unread_add(s, &u, &e));
	assert_true(report_unreads(s, NOW, 10, &a, got, &n, &e) && n == 10);
	assert_int_equal(got[0].received, NOW + REPORT_UNREAD_KEPT + 4);
	assert_true(str_eq(got[0].sender, u.sender) && str_eq(got[0].why, u.why) && got[0].letter == 3);
	assert_true(report_unreads(s, NOW + REPORT_UNREAD_KEPT + 5, 10, &a, got, &n, &e) && n == 0);
	report_store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps), cmocka_unit_test(test_proof), cmocka_unit_test(test_bounds_K7), cmocka_unit_test(test_unread),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
