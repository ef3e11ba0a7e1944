/* spam_test.c — the rules about strangers as tables: lists (RFC 5782), greetings, what follows,
 * patience, signatures that come again. */
#include "spam/dns_list.h"
#include "spam/helo.h"
#include "spam/patience.h"
#include "spam/replay.h"
#include "spam/spam_fields.h"
#include "spam/verdict.h"
#include "wire/dns_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define IP(a, b, c, d) (UINT32_C(a) << 24 | UINT32_C(b) << 16 | UINT32_C(c) << 8 | UINT32_C(d))

static void addr_of(const char *text, uint8_t addr[16])
{
	assert_true(dns_address_read(str_from_z(text), addr));
}

/* The examples of RFC 5782 §2.1 and §2.4. */
static void test_names(void **state)
{
	static const struct {
		const char *addr, *name;
	} rows[] = {
		{ "192.0.2.99", "99.2.0.192.bad.example.com" },
		{ "2001:db8:1:2:3:4:567:89ab", "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8."
					       "b.d.0.1.0.0.2.bad.example.com" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char mem[DNS_LIST_NAME_MAX];
		struct buf b = buf_over(mem, sizeof(mem));
		uint8_t addr[16];

		addr_of(rows[i].addr, addr);
		dns_list_name(&b, S("bad.example.com"), addr);
		assert_false(b.full);
		assert_true(str_eq(buf_str(&b), str_from_z(rows[i].name)));
	}
}

/* RFC 5782 §5. */
static void test_point_names(void **state)
{
	static const char *const rows[POINT_COUNT] = {
		[POINT_LISTED] = "2.0.0.127.l.example",
		[POINT_CLEAN] = "1.0.0.127.l.example",
		[POINT_LISTED6] =
			"2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.l.example",
		[POINT_CLEAN6] =
			"1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.l.example",
	};

	(void)state;
	for (int p = 0; p < POINT_COUNT; p++) {
		char mem[DNS_LIST_NAME_MAX];
		struct buf b = buf_over(mem, sizeof(mem));

		dns_list_point_name(&b, S("l.example"), (enum dns_list_point)p);
		assert_true(str_eq(buf_str(&b), str_from_z(rows[p])));
	}
}

static void test_answers(void **state)
{
	static const struct {
		enum dns_outcome outcome;
		uint32_t addr[3];
		size_t n;
		enum dns_list_word word;
	} rows[] = {
		{ DNS_NO_NAME, { 0 }, 0, DNS_LIST_CLEAN },
		{ DNS_NONE, { 0 }, 0, DNS_LIST_CLEAN },
		{ DNS_TEMP, { 0 }, 0, DNS_LIST_NO_ANSWER },
		{ DNS_BOGUS, { 0 }, 0, DNS_LIST_NO_ANSWER },
		{ DNS_FOUND, { IP(127, 0, 0, 2) }, 1, DNS_LIST_LISTED },
		{ DNS_FOUND, { IP(127, 0, 0, 2), IP(127, 0, 0, 11) }, 2, DNS_LIST_LISTED },
		{ DNS_FOUND, { IP(127, 255, 255, 254) }, 1, DNS_LIST_REFUSED },
		{ DNS_FOUND, { IP(127, 0, 0, 2), IP(127, 255, 255, 252) }, 2, DNS_LIST_REFUSED },
		{ DNS_FOUND, { IP(203, 0, 113, 9) }, 1, DNS_LIST_ABSURD },
		{ DNS_FOUND, { IP(127, 0, 0, 2), IP(0, 0, 0, 0) }, 2, DNS_LIST_ABSURD },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_list_answer r = dns_list_judge(rows[i].outcome, rows[i].addr, rows[i].n);

		if (r.word != rows[i].word)
			fail_msg("row %zu: %d", i, r.word);
	}
}

/* A long answer is cut, not overrun. */
static void test_many_codes(void **state)
{
	uint32_t addr[DNS_LIST_CODES_MAX + 4];
	char mem[1000];
	struct buf b = buf_over(mem, sizeof(mem));
	struct dns_list_answer r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(addr); i++)
		addr[i] = IP(127, 0, 0, 2) + (uint32_t)i;
	r = dns_list_judge(DNS_FOUND, addr, ARRAY_LEN(addr));
	assert_int_equal(r.n, DNS_LIST_CODES_MAX);
	dns_list_add_codes(&b, &r);
	assert_true(str_starts(buf_str(&b), S("127.0.0.2 127.0.0.3 ")));
}

static void test_codes(void **state)
{
	static const struct {
		struct conf_answer want;
		uint32_t code;
		bool counts;
	} rows[] = {
		{ { IP(127, 0, 0, 2), IP(127, 0, 0, 11), UINT32_MAX }, IP(127, 0, 0, 2), true },
		{ { IP(127, 0, 0, 2), IP(127, 0, 0, 11), UINT32_MAX }, IP(127, 0, 0, 11), true },
		{ { IP(127, 0, 0, 2), IP(127, 0, 0, 11), UINT32_MAX }, IP(127, 0, 0, 12), false },
		{ { IP(127, 0, 0, 2), IP(127, 0, 0, 11), UINT32_MAX }, IP(127, 0, 1, 4), false },
		{ { IP(127, 0, 1, 0), IP(127, 0, 1, 0), 0xFFFFFF00 }, IP(127, 0, 1, 77), true },
		{ { IP(127, 0, 1, 0), IP(127, 0, 1, 0), 0xFFFFFF00 }, IP(127, 0, 2, 77), false },
		{ { 4, 4, 4 }, IP(127, 0, 0, 6), true }, /* a bit of a combined list */
		{ { 4, 4, 4 }, IP(127, 0, 0, 10), false },
		{ { 3, 3, 255 }, IP(127, 0, 9, 3), true }, /* the last number alone */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conf_answer want = rows[i].want;
		struct conf_check c = { .answers = &want, .n_answers = 1 };
		struct dns_list_answer r = dns_list_judge(DNS_FOUND, &rows[i].code, 1);

		if (dns_list_counts(&r, &c) != rows[i].counts)
			fail_msg("row %zu", i);
		c.n_answers = 0;
		assert_true(dns_list_counts(&r, &c));
		r.word = DNS_LIST_REFUSED;
		assert_false(dns_list_counts(&r, &c));
	}
}

static enum dns_list_word word_of(char c)
{
	return c == 'C'   ? DNS_LIST_CLEAN
	       : c == 'L' ? DNS_LIST_LISTED
	       : c == 'N' ? DNS_LIST_NO_ANSWER
	       : c == 'R' ? DNS_LIST_REFUSED
			  : DNS_LIST_ABSURD;
}

static void test_health(void **state)
{
	static const struct {
		const char *words; /* listed, clean, and for IPv6: Clean, Listed, No answer,
				      Refused, Absurd */
		bool is_good, has_v6;
		const char *why;
	} rows[] = {
		{ "LCLC", true, true, "" },
		{ "LCCC", true, false, "" }, /* a list of IPv4 alone */
		{ "LCNN", true, false, "" },
		{ "LCNC", true, false, "" },
		{ "LLLL", false, false, "everything" },
		{ "LCLL", false, false, "everything" },
		{ "CCCC", false, false, "nothing" },
		{ "CLCC", false, false, "everything" },
		{ "RCCC", false, false, "refuses" },
		{ "RRRR", false, false, "refuses" },
		{ "LCRR", false, false, "refuses" },
		{ "AACC", false, false, "no list answers" },
		{ "NNNN", false, false, "does not answer" },
		{ "LNCC", false, false, "does not answer" },
		{ "NCCC", false, false, "does not answer" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_list_answer at[POINT_COUNT] = { 0 };
		struct dns_list_health h;
		struct str why;

		for (int k = 0; k < POINT_COUNT; k++)
			at[k].word = word_of(rows[i].words[k]);
		h = dns_list_test(at);
		why = str_from_z(h.why);
		if (h.is_good != rows[i].is_good || h.has_v6 != rows[i].has_v6 ||
		    h.is_good != (why.n == 0) ||
		    (rows[i].why[0] && str_find_str(why, str_from_z(rows[i].why)) == why.n))
			fail_msg("row %zu: %d %d %s", i, h.is_good, h.has_v6, h.why ? h.why : "");
	}
}

static void test_helo(void **state)
{
	static const struct {
		const char *helo;
		bool is_wrong, is_ours;
	} rows[] = {
		{ "mail.client.example", false, false },
		{ "client", true, false },
		{ "localhost", true, true },
		{ "localhost.localdomain", false, true },
		{ "mail.example.org", false, true },
		{ "MAIL.Example.ORG", false, true },
		{ "mail.example.org.", true,
		  true }, /* RFC 5321 §4.1.2: a domain has no dot at its end */
		{ "example.org", false, true },
		{ "sub.example.org", false, false },
		{ "[192.0.2.1]", false, false }, /* its own */
		{ "[192.0.2.7]", true, false },
		{ "192.0.2.1", true, false },
		{ "[198.51.100.1]", true, true }, /* ours */
		{ "198.51.100.1", true, true },
		{ "[IPv6:::ffff:192.0.2.1]", false, false },
		{ "two words", true, false },
		{ "under_score.example", true, false },
		{ "a,b.example", true, false },
		{ "-x.example", true, false },
	};
	struct conf_domain ours = { .name = S("example.org") };
	struct conf c = { .hostname = S("mail.example.org"), .domains = { &ours, 1 } };
	uint8_t client[16], here[16];

	(void)state;
	addr_of("192.0.2.1", client);
	addr_of("198.51.100.1", here);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct helo_facts f = { str_from_z(rows[i].helo), S(""), client, here };

		if (!helo_wrong_syntax(&f) == rows[i].is_wrong ||
		    !helo_is_ours(&f, &c) == rows[i].is_ours)
			fail_msg("%s", rows[i].helo);
	}
	assert_null(helo_wrong_syntax(
		&(struct helo_facts){ S("under_score.example"), S("_"), client, here }));
}

static void test_verdict(void **state)
{
	enum { N = FINDING_NONE, P = FINDING_PASS, F = FINDING_FOUND, T = FINDING_TEMP };
	static const struct conf_check checks[] = {
		{ .kind = CONF_CHECK_RDNS,
		  .found = { true, CONF_DEFER, 0, S("") },
		  .temporary = { true, CONF_SCORE, 100, S("") } },
		{ .kind = CONF_CHECK_HELO, .found = { true, CONF_REJECT, 0, S("") } },
		{ .kind = CONF_CHECK_DNSBL, .found = { true, CONF_SCORE, 650, S("") } },
		{ .kind = CONF_CHECK_DNSBL, .found = { true, CONF_SCORE, -250, S("") } },
		{ .kind = CONF_CHECK_DNSWL, .found = { true, CONF_PASS, 0, S("") } },
		{ .kind = CONF_CHECK_SENDER_DOMAIN,
		  .found = { true, CONF_NOTHING, 0, S("") },
		  .temporary = { true, CONF_DEFER, 0, S("") } },
		{ .kind = CONF_CHECK_HELO_SELF, .found = { true, CONF_TAG, 0, S("") } },
	};
	static const struct {
		int state[7];
		int refusal, pass; /* which of the findings, -1: none */
		int64_t score;
	} rows[] = {
		{ { P, P, P, P, P, P, P }, -1, -1, 0 },
		{ { N, N, N, N, N, N, N }, -1, -1, 0 },
		{ { F, P, P, P, P, P, P }, 0, -1, 0 },
		{ { F, F, P, P, P, P, P }, 1, -1, 0 }, /* what is refused for good goes first */
		{ { T, P, F, F, P, F, F }, -1, -1, 500 },
		{ { P, P, P, P, P, T, P }, 5, -1, 0 },
		{ { F, F, F, F, F, T, F }, -1, 4, 0 },
		{ { P, P, T, T, T, P, P },
		  -1,
		  -1,
		  0 }, /* a list that says nothing counts for nothing */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct finding f[ARRAY_LEN(checks)];
		struct spam_verdict v;

		for (size_t k = 0; k < ARRAY_LEN(checks); k++)
			f[k] = (struct finding){ .check = &checks[k],
						 .state = (enum finding_state)rows[i].state[k] };
		v = spam_verdict_of(f, ARRAY_LEN(f));
		if (v.refusal != (rows[i].refusal < 0 ? NULL : &f[rows[i].refusal]) ||
		    v.pass != (rows[i].pass < 0 ? NULL : &f[rows[i].pass]) ||
		    v.score != rows[i].score)
			fail_msg("row %zu: score %lld", i, (long long)v.score);
	}
}

static void test_symbols(void **state)
{
	static const struct {
		struct conf_check check;
		const char *symbol;
	} rows[] = {
		{ { .kind = CONF_CHECK_RDNS }, "RDNS" },
		{ { .kind = CONF_CHECK_SENDER_DOMAIN }, "SENDER_DOMAIN" },
		{ { .kind = CONF_CHECK_DNSBL, .zone = S("zen.spamhaus.org") },
		  "DNSBL_ZEN_SPAMHAUS_ORG" },
		{ { .kind = CONF_CHECK_DNSBL,
		    .zone = S("zen.spamhaus.org"),
		    .label = S("ip-block") },
		  "ip-block" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char mem[300];
		struct buf b = buf_over(mem, sizeof(mem));

		finding_add_symbol(&b, &rows[i].check);
		assert_true(str_eq(buf_str(&b), str_from_z(rows[i].symbol)));
	}
}

static void test_patience(void **state)
{
	struct patience *p = calloc(1, sizeof(*p));
	int64_t t = 1000 * DAY;

	(void)state;
	assert_non_null(p);
	assert_false(patience_is_over(p, 7, t));
	assert_true(patience_has(p, 7, t));
	assert_true(patience_has(p, 7, t + 23 * HOUR));
	assert_false(patience_is_over(p, 7, t + 24 * HOUR));
	assert_true(patience_is_over(p, 7, t + 25 * HOUR));
	assert_false(patience_is_over(p, 7, t + 5 * DAY));        /* forgotten */
	assert_false(patience_is_over(p, 8, t + 25 * HOUR));
	assert_false(patience_has(p, 7, t + 25 * HOUR));
	assert_false(patience_has(p, 7, t + 3 * DAY));            /* it never stopped */
	assert_true(patience_has(p, 8, t + 25 * HOUR));           /* somebody else */
	assert_true(patience_has(p, 7, t + 10 * DAY));            /* long away: it begins anew */
	for (uint64_t k = 100; k < 100 + 3 * PATIENCE_SLOTS; k++) /* strangers cannot fill it */
		assert_true(patience_has(p, k, t + 10 * DAY));
	assert_true(patience_has(p, 0, t));
	free(p);
}

static void test_replay(void **state)
{
	struct replay *r = calloc(1, sizeof(*r));
	int64_t t = 1000 * DAY;

	(void)state;
	assert_non_null(r);
	assert_int_equal(replay_count(r, 7, HOUR, t), 0);
	assert_int_equal(replay_count(r, 0, HOUR, t), 0);
	replay_add(r, 7, 3, HOUR, t);
	replay_add(r, 7, 2, HOUR, t + HOUR - 1);
	replay_add(r, 7, 0, HOUR, t + HOUR - 1);                  /* put off */
	replay_add(r, 0, 1, HOUR, t);
	assert_int_equal(replay_count(r, 7, HOUR, t + HOUR - 1), 5);
	assert_int_equal(replay_count(r, 7 + REPLAY_SLOTS, HOUR, t), 0);  /* its neighbour */
	assert_int_equal(replay_count(r, 0, HOUR, t), 1);
	assert_int_equal(replay_count(r, 7, HOUR, t + HOUR), 0);  /* the time is over */
	assert_int_equal(replay_count(r, 7, 2 * HOUR, t + HOUR), 5);
	assert_int_equal(replay_count(r, 7, HOUR, t - 1), 0);     /* the clock went back */
	replay_add(r, 7, 1, HOUR, t + HOUR);
	assert_int_equal(replay_count(r, 7, HOUR, t + HOUR), 1);
	t += DAY;
	for (uint64_t k = 0; k < 20 * REPLAY_SLOTS; k++) {        /* other signatures without end */
		uint64_t other = (k + 1) * UINT64_C(0x9e3779b97f4a7c15);

		if (k % (REPLAY_SLOTS / 16) == 0)
			replay_add(r, UINT64_MAX - 5, 1, HOUR, t + (int64_t)k);
		replay_add(r, other ^ other >> 29, 1, HOUR, t + (int64_t)k);
	}
	assert_int_equal(replay_count(r, UINT64_MAX - 5, HOUR, t + 20 * REPLAY_SLOTS), 20 * 16);   /* comes all the time */
	assert_int_equal(replay_count(r, 7, 2 * DAY, t), 0);      /* gave way */
	free(r);
}

static void test_fields(void **state)
{
	static const struct ipc_signal two[] = { { S("DNSBL_A"), 650 }, { S("HELO"), -25 } };
	static const struct {
		size_t n;
		struct conf_threshold junk;
		const char *text;
	} rows[] = {
		{ 2,
		  { true, 625 },
		  "X-Spam-Flag: YES\r\nX-Spam-Score: 6.25\r\nX-Spam-Bar: ++++++\r\nX-Spam-Level: ******\r\n"
		  "X-Spam-Status: Yes, score=6.25 "
		  "required=6.25\r\n\ttests=DNSBL_A=6.5,HELO=-0.25\r\n" },
		{ 2,
		  { true, 626 },
		  "X-Spam-Score: 6.25\r\nX-Spam-Bar: ++++++\r\nX-Spam-Level: ******\r\n"
		  "X-Spam-Status: No, score=6.25 "
		  "required=6.26\r\n\ttests=DNSBL_A=6.5,HELO=-0.25\r\n" },
		{ 0,
		  { true, 500 },
		  "X-Spam-Score: 0\r\nX-Spam-Bar: /\r\nX-Spam-Status: No, score=0 required=5\r\n\ttests=none\r\n" },
		{ 0,
		  { false, 0 },
		  "X-Spam-Score: 0\r\nX-Spam-Bar: /\r\nX-Spam-Status: No, score=0\r\n\ttests=none\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(4096);

		spam_fields_add(&b, two, rows[i].n, NULL, &rows[i].junk);
		buf_add_char(&b, '\0');
		assert_string_equal(b.p, rows[i].text);
	}
}

/* What an outside scanner gave, with and without findings of ours. */
static void test_scanned(void **state)
{
	static const struct ipc_signal one[] = { { S("DNSBL_A"), 650 } };
	static const struct ipc_spam_field ham[] = {
		{ S("X-Spam-Checker-Version"), S(" SpamAssassin 4.0.1 (2024-03-25) on mail") },
		{ S("X-Spam-Level"), S(" ***") },
		{ S("X-Spam-Status"), S(" No, score=3.7 required=5.0 tests=MSGID_SHORT,RCVD_ILLEGAL_IP,\r\n\tRDNS_NONE "
					"autolearn=no autolearn_force=no version=4.0.1") },
		{ S("X-Spam-Report"), S(" \r\n\t*  0.7 MSGID_SHORT It is short\r\n\t*      [letter]\r\n") },
	};
	static const struct ipc_spam_field bent[] = {
		{ S("X-Spam-Status"), S(" Yes, mytests=Z tests=A\r\nBcc: x@example.org, B") },
		{ S("X-Spam-Bent"), S(" a\rX-Evil: b\nBcc: c\n\n\033[2J\0\xc3\xa4") },
		{ S("X-Spam-Flag"), S("NO") },
		{ S("Bcc"), S("y@example.org") },
		{ S("X-Spam-A\r\nBcc"), S("y@example.org") },
		{ S("X-Spam-"), S("y") },
		{ S("X-Spam-Empty"), S("") },
	};
	static const struct {
		size_t n;
		struct spam_scanned by;
		struct conf_threshold junk;
		const char *text, *rules;
	} rows[] = {
		{ 0, { false, 370, 500, ham, 4 }, { false, 0 },
		  "X-Spam-Score: 3.7\r\nX-Spam-Bar: +++\r\nX-Spam-Level: ***\r\n"
		  "X-Spam-Status: No, score=3.7 required=5\r\n\ttests=MSGID_SHORT,RCVD_ILLEGAL_IP,RDNS_NONE autolearn=no\r\n"
		  "\tautolearn_force=no version=4.0.1\r\n"
		  "X-Spam-Checker-Version: SpamAssassin 4.0.1 (2024-03-25) on mail\r\n"
		  "X-Spam-Report:\r\n\t*  0.7 MSGID_SHORT It is short\r\n\t*      [letter]\r\n",
		  "MSGID_SHORT,RCVD_ILLEGAL_IP,RDNS_NONE" },
		{ 1, { false, -150, 500, ham, 1 }, { true, 450 },
		  "X-Spam-Flag: YES\r\nX-Spam-Score: 5\r\nX-Spam-Bar: +++++\r\nX-Spam-Level: *****\r\n"
		  "X-Spam-Status: Yes, score=5 required=4.5\r\n\ttests=DNSBL_A=6.5\r\n"
		  "X-Spam-Checker-Version: SpamAssassin 4.0.1 (2024-03-25) on mail\r\n",
		  "" },
		{ 0, { true, -220, 500, bent, 7 }, { false, 0 },
		  "X-Spam-Flag: YES\r\nX-Spam-Score: -2.2\r\nX-Spam-Bar: --\r\n"
		  "X-Spam-Status: Yes, score=-2.2 required=5\r\n\ttests=A\r\n"
		  "X-Spam-Bent: a?X-Evil: b\r\n\tBcc: c\r\n\t?[2J???\r\nX-Spam-Empty:\r\n",
		  "A" },
		{ 0, { false, INT64_MAX, INT64_MAX, NULL, 0 }, { true, 500 }, NULL, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(4096), rules = buf_on_heap(4096);

		spam_fields_add(&b, one, rows[i].n, &rows[i].by, &rows[i].junk);
		buf_add_char(&b, '\0');
		if (rows[i].text)
			assert_string_equal(b.p, rows[i].text);
		spam_rules_add(&rules, &rows[i].by);
		assert_true(str_eq(buf_str(&rules), str_from_z(rows[i].rules)));
	}
}

/* RFC 5322 §2.1.1: no line is longer than 998 octets, whatever the owner's labels are. */
static void test_long_fields(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(65536);
	struct ipc_signal many[SPAM_SIGNALS_MAX];
	struct str rest, line;
	static char text[3000];
	char name[SPAM_SYMBOL_MAX];

	(void)state;
	memset(name, 'x', sizeof(name));
	for (size_t i = 0; i < SPAM_SIGNALS_MAX; i++)
		many[i] = (struct ipc_signal){ str_of(name, sizeof(name)), SPAM_SCORE_MAX };
	assert_true(spam_signals_are_good(many, SPAM_SIGNALS_MAX));
	spam_fields_add(&b, many, SPAM_SIGNALS_MAX, NULL, &(struct conf_threshold){ true, 500 });
	memset(text, 'y', sizeof(text));
	spam_fields_add(&b, many, 1,
			&(struct spam_scanned){ .fields = (struct ipc_spam_field[]){
							{ S("X-Spam-Long"), str_of(text, sizeof(text)) } },
						.n_fields = 1 },
			&(struct conf_threshold){ true, 500 });
	for (rest = buf_str(&b); rest.n;) {
		line = str_cut(rest, '\n', &rest);
		assert_true(line.n > 1 && line.n <= 998);
	}
	assert_false(b.full);
}

/* Whatever a scanner says, its fields have room in front of a letter (64 KiB with all else that stands there). */
static void test_most(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20), value = buf_on_heap(1 << 20), rules = buf_on_heap(1 << 20);
	struct ipc_spam_field fields[2];

	(void)state;
	buf_add(&rules, S(" Yes, tests="));
	while (rules.n < 12 * 1024)
		buf_add(&rules, S("A,"));
	while (value.n < 12 * 1024)
		buf_add(&value, S("a\n"));
	fields[0] = (struct ipc_spam_field){ S("X-Spam-Report"), buf_str(&value) };
	fields[1] = (struct ipc_spam_field){ S("X-Spam-Status"), buf_str(&rules) };
	spam_fields_add(&b, NULL, 0, &(struct spam_scanned){ .fields = fields, .n_fields = 2 },
			&(struct conf_threshold){ false, 0 });
	assert_true(b.n < 40 * 1024);
}

static void test_signals(void **state)
{
	static const struct {
		struct ipc_signal signal;
		bool is_good;
	} rows[] = {
		{ { S("DNSBL_A"), 650 }, true },  { { S("a-b.c_1"), -650 }, true },
		{ { S(""), 1 }, false },          { { S("a b"), 1 }, false },
		{ { S("a\r\nX: y"), 1 }, false }, { { S("a"), INT64_MAX }, false },
		{ { S("a"), INT64_MIN }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (spam_signals_are_good(&rows[i].signal, 1) != rows[i].is_good)
			fail_msg("row %zu", i);
	assert_false(spam_signals_are_good(NULL, SPAM_SIGNALS_MAX + 1));
}

static void test_forged_fields(void **state)
{
	static const struct str head = S("Received: x\r\nX-Spam-Flag: NO\r\nSubject: "
					 "y\r\nx-spam-Status: No,\r\n\tscore=1\r\n"
					 "X-SpamNot: z\r\n\r\nX-Spam-Flag: in the body\r\n");
	AUTO(arena_end) struct arena a = { 0 };
	struct cut *cuts;
	size_t n;

	(void)state;
	assert_true(spam_fields_find(head, &a, &cuts, &n));
	assert_int_equal(n, 2);
	assert_true(str_eq(str_sub(head, (size_t)cuts[0].at, (size_t)cuts[0].n),
			   S("X-Spam-Flag: NO\r\n")));
	assert_true(str_eq(str_sub(head, (size_t)cuts[1].at, (size_t)cuts[1].n),
			   S("x-spam-Status: No,\r\n\tscore=1\r\n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),   cmocka_unit_test(test_point_names),
		cmocka_unit_test(test_answers), cmocka_unit_test(test_many_codes),
		cmocka_unit_test(test_codes),   cmocka_unit_test(test_health),
		cmocka_unit_test(test_helo),    cmocka_unit_test(test_verdict),
		cmocka_unit_test(test_symbols), cmocka_unit_test(test_patience),
		cmocka_unit_test(test_fields),  cmocka_unit_test(test_long_fields),
		cmocka_unit_test(test_scanned), cmocka_unit_test(test_most),
		cmocka_unit_test(test_signals), cmocka_unit_test(test_forged_fields),
		{ "J3 signatures that come again", test_replay, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
