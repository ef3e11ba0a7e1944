/* dkim_test.c — the examples of RFC 6376 and RFC 8463, keys of all kinds, and letters that want to deceive or to cost. */
#include "trust/dkim_fixture.h"
#include "trust/dkim_results.h"

/* ---- the RFCs' examples ---------------------------------------------------------------------------- */

#define LETTER \
	"From: Joe SixPack <joe@football.example.com>\r\n" \
	"To: Suzie Q <suzie@shopping.example.net>\r\n" \
	"Subject: Is dinner ready?\r\n" \
	"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" \
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n" \
	"\r\n" \
	"Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"

static const char rfc6376[] =
	"DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
	"      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
	"      h=Received : From : To : Subject : Date : Message-ID;\r\n"
	"      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	"      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n"
	"      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n"
	"      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n"
	"      4bmp/YzhwvcubU4=;\r\n"
	"Received: from client1.football.example.com  [192.0.2.1]\r\n"
	"      by submitserver.example.com with SUBMISSION;\r\n"
	"      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n" LETTER;

static const char rfc8463[] =
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
	" d=football.example.com; i=@football.example.com;\r\n"
	" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
	" subject : date : message-id : from : subject : date;\r\n"
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
	" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
	" d=football.example.com; i=@football.example.com;\r\n"
	" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
	" date : message-id : from : subject : date;\r\n"
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
	" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
	" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n" LETTER;

static const char examples_dns[] =
	"brisbane._domainkey.football.example.com TXT "
	"\"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n"
	"test._domainkey.football.example.com TXT \"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5"
	"V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1\" \"Lxj+PL6lHvqMKrM3rG4hstT5Qjv"
	"HO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\"\n"
	"brisbane._domainkey.example.com TXT \"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoG"
	"eLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2\" \"UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6"
	"mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB\"\n";

static void test_examples(void **state)
{
	AUTO(fixture_end) struct fixture f;
	struct str changed;

	(void)state;
	fixture_init(&f);
	buf_clear(&f.records);
	buf_add(&f.records, str_from_z(examples_dns));
	fixture_verify(&f, str_from_z(rfc6376), 1, S("football.example.com"), FIXTURE_NOW);
	assert_int_equal(f.d.n, 1);
	assert_int_equal(f.d.p[0].outcome.result, DKIM_PASS);
	assert_true(str_eq(f.d.p[0].signature.identity, S("joe@football.example.com")));
	for (size_t piece = 1; piece < 200; piece++) {
		fixture_verify(&f, str_from_z(rfc8463), piece, S("football.example.com"), FIXTURE_NOW);
		assert_int_equal(f.d.n, 2);
		assert_int_equal(f.letter.n_hashes, 1);
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(f.d.p[i].outcome.result, DKIM_PASS);
	}
	/* any octet of what is signed */
	for (size_t i = str_find_str(str_from_z(rfc8463), S("From:")); i < sizeof(rfc8463) - 1; i += 13) {
		changed = arena_str(&f.a, str_from_z(rfc8463));
		((char *)(uintptr_t)changed.p)[i] ^= 1;
		fixture_verify(&f, changed, 64, S(""), FIXTURE_NOW);
		if (f.d.p[0].outcome.result != DKIM_FAIL || f.d.p[1].outcome.result != DKIM_FAIL)
			fail_msg("octet %zu: \"%c\"", i, rfc8463[i]);
	}
}

/* ---- signatures by hand ---------------------------------------------------------------------------- */

#define HEADER "From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n"
#define NAMES "From:To:Subject"
#define BODY "Hello\r\nworld\r\n"
#define TAGS "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=r"

static void test_tags(void **state)
{
	static const struct {
		const char *tags, *names;
		struct str covered;              /* what bh= is of */
		const char *want;
	} rows[] = {
		{ TAGS, NAMES, S(BODY), "pass" },
		{ TAGS, "from", S(BODY), "pass" },
		{ TAGS, "From:From:X-Not:to:To", S(BODY), "pass" },
		{ TAGS, "To", S(BODY), "permerror From is not among the signed fields" },
		{ TAGS, "From:T o", S(BODY), "neutral h= names a field that cannot be: \"From:T o\"" },
		{ TAGS "; i=@sub.example.net", NAMES, S(BODY), "pass" },
		{ TAGS "; i=@example.com", NAMES, S(BODY),
		  "permerror i= is not of the domain that signs: \"@example.com\"" },
		{ TAGS "; x=1795000000", NAMES, S(BODY), "pass" },
		{ TAGS "; x=1794999699", NAMES, S(BODY), "policy the signature has expired" },
		{ TAGS "; t=1795000300", NAMES, S(BODY), "pass" },
		{ TAGS "; t=1795000301", NAMES, S(BODY), "policy the signature is from the future" },
		/* J2 */
		{ TAGS "; l=14", NAMES, S(BODY), "pass" },
		{ TAGS "; l=5", NAMES, S("Hello"), "policy l= leaves 9 octets of the body unsigned" },
		{ TAGS "; l=15", NAMES, S(BODY), "permerror l=15, and the body has 14 octets" },
		{ TAGS "; l=0", NAMES, S(""), "policy l= leaves 14 octets of the body unsigned" },
		{ TAGS, NAMES, S("Hello\r\n"), "fail the body was changed" },
		/* J1 */
		{ "v=1; a=rsa-sha1; c=relaxed/relaxed; d=example.net; s=r", NAMES, S(BODY), "permerror rsa-sha1 is not believed" },
		{ "v=1; a=rsa-sha512; c=relaxed/relaxed; d=example.net; s=r", NAMES, S(BODY),
		  "permerror an unknown algorithm \"rsa-sha512\"" },
		{ "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.net; s=r", NAMES, S(BODY),
		  "permerror the key is not of the kind that a= says" },
		{ "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=none", NAMES, S(BODY), "permerror there is no such key" },
		{ "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=slow", NAMES, S(BODY),
		  "temperror the key cannot be had now" },
		{ "v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=bogus", NAMES, S(BODY),
		  "temperror DNSSEC says the key is forged" },
	};
	AUTO(fixture_end) struct fixture f;

	(void)state;
	fixture_init(&f);
	buf_add(&f.records, S("slow._domainkey.example.net TEMP\nbogus._domainkey.example.net BOGUS TXT\n"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str letter = fixture_by_hand(&f, f.rsa, rows[i].tags, rows[i].names, S(HEADER), S(BODY), rows[i].covered);
		struct str got = fixture_result(&f, letter);

		if (!str_eq(got, str_from_z(rows[i].want)))
			fail_msg("%s, h=%s: " STR_FMT, rows[i].tags, rows[i].names, STR_ARG(got));
	}
}

/* What the record under the key's name says; %s is the right p=. */
static void test_records(void **state)
{
	static const struct {
		const char *records[5];
		const char *want;
	} rows[] = {
		{ { "p=%s" }, "pass" },
		{ { "v=DKIM1; h=sha1:sha256; s=email; t=y; n=x; p=%s" }, "pass" },
		{ { "v=DKIM1; t=s; p=%s" }, "permerror the key is for its own domain alone, i= is below it" },
		{ { "v=DKIM1; h=sha1; p=%s" }, "permerror the key is not for sha256" },
		{ { "v=DKIM1; s=tlsrpt; p=%s" }, "permerror the key is not for mail" },
		{ { "v=DKIM1; k=ed25519; p=%s" }, "permerror the key is not of the kind that a= says" },
		{ { "v=DKIM1; k=dsa; p=%s" }, "permerror the key is not of the kind that a= says" },
		{ { "v=DKIM1; p=" }, "permerror the key is revoked" },
		{ { "v=DKIM1" }, "permerror key record: p= is missing" },
		{ { "v=spf1 -all" }, "permerror key record: the record does not begin with v=DKIM1" },
		{ { "v=DKIM1; p=AAAA" }, "permerror p= is no RSA key" },
		/* several records: one of them may be it, as far as they are looked at */
		{ { "v=DKIM1; p=", "v=spf1 -all", "v=DKIM1; p=AAAA", "v=DKIM1; p=%s" }, "pass" },
		{ { "v=DKIM1; p=", "x", "x", "x", "v=DKIM1; p=%s" }, "permerror the key is revoked" },
	};
	AUTO(fixture_end) struct fixture f;
	struct str letter, public;

	(void)state;
	fixture_init(&f);
	public = public_text(&f, f.rsa);
	letter = fixture_by_hand(&f, f.rsa, TAGS "; i=@sub.example.net", NAMES, S(HEADER), S(BODY), S(BODY));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str got, rest, before;

		buf_clear(&f.records);
		for (size_t k = 0; k < 5 && rows[i].records[k]; k++) {
			before = str_cut(str_from_z(rows[i].records[k]), '%', &rest);
			rest = rest.n ? public : S("");
			record_add(&f, "r._domainkey.example.net",
				   arena_printf(&f.a, STR_FMT STR_FMT, STR_ARG(before), STR_ARG(rest)));
		}
		got = fixture_result(&f, letter);
		if (!str_eq(got, str_from_z(rows[i].want)))
			fail_msg("%zu: " STR_FMT, i, STR_ARG(got));
	}
}

/* ---- J1: keys that are too short, too long, or none ------------------------------------------------ */

static void der_add(struct buf *b, int tag, struct str contents)
{
	buf_add_char(b, (char)tag);
	buf_add_char(b, (char)0x82);
	buf_add_char(b, (char)(contents.n >> 8));
	buf_add_char(b, (char)contents.n);
	buf_add(b, contents);
}

/* An RSAPublicKey of those numbers. */
static struct str rsa_der(struct fixture *f, size_t octets, struct str exponent)
{
	AUTO(buf_end) struct buf n = buf_on_heap(4096), both = buf_on_heap(8192), all = buf_on_heap(8192), text = buf_on_heap(16384);

	buf_add_char(&n, 0);
	for (size_t i = 0; i < octets; i++)
		buf_add_char(&n, (char)0xd5);
	der_add(&both, 0x02, buf_str(&n));
	der_add(&both, 0x02, exponent);
	der_add(&all, 0x30, buf_str(&both));
	base64_add(&text, buf_str(&all));
	return arena_str(&f->a, buf_str(&text));
}

static void test_sizes(void **state)
{
	static const struct {
		size_t octets;
		struct str exponent;
		const char *want;
	} rows[] = {
		{ 48, S("\1\0\1"), "policy the key has 384 bits, fewer than 1024 are not believed" },
		{ 64, S("\1\0\1"), "policy the key has 512 bits, fewer than 1024 are not believed" },
		{ 127, S("\1\0\1"), "policy the key has 1016 bits, fewer than 1024 are not believed" },
		{ 1024, S("\1\0\1"), "policy the key has 8192 bits, more than 4096 are not looked at" },
		{ 513, S("\1\0\1"), "policy the key has 4104 bits, more than 4096 are not looked at" },
		{ 128, S("\1"), "permerror p= is no RSA key: its exponent" },
		{ 128, S("\2"), "permerror p= is no RSA key: its exponent" },
		{ 128, S("\x7f\1\2\3\4\5\6\7\1"), "permerror p= is no RSA key: its exponent" },
		{ 128, S("\0"), "permerror p= is no RSA key" },
		{ 128, S("\xff"), "permerror p= is no RSA key" },
		{ 128, S(""), "permerror p= is no RSA key" },
		{ 128, S("\3"), "fail the signature is not right" },
		{ 512, S("\1\0\1"), "fail the signature is not right" },
	};
	AUTO(fixture_end) struct fixture f;
	struct str letter, got;

	(void)state;
	fixture_init(&f);
	letter = fixture_by_hand(&f, f.rsa, TAGS, NAMES, S(HEADER), S(BODY), S(BODY));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str key = rsa_der(&f, rows[i].octets, rows[i].exponent);

		buf_clear(&f.records);
		record_add(&f, "r._domainkey.example.net", arena_printf(&f.a, "p=" STR_FMT, STR_ARG(key)));
		got = fixture_result(&f, letter);
		if (!str_eq(got, str_from_z(rows[i].want)))
			fail_msg("%zu: " STR_FMT, i, STR_ARG(got));
	}
}

static void test_ed25519_sizes(void **state)
{
	static const size_t sizes[] = { 31, 33, 44 };
	AUTO(fixture_end) struct fixture f;
	struct str letter, got;
	char zeros[44] = { 0 };

	(void)state;
	fixture_init(&f);
	letter = fixture_by_hand(&f, f.ed25519, "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.net; s=e", NAMES, S(HEADER),
				 S(BODY), S(BODY));
	assert_true(str_eq(fixture_result(&f, letter), S("pass")));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO(buf_end) struct buf text = buf_on_heap(100);

		buf_clear(&f.records);
		base64_add(&text, str_of(zeros, sizes[i]));
		record_add(&f, "e._domainkey.example.net", arena_printf(&f.a, "k=ed25519; p=" STR_FMT, STR_ARG(buf_str(&text))));
		got = fixture_result(&f, letter);
		assert_true(str_starts(got, S("permerror p= is no Ed25519 key")));
	}
}

/* ---- J7: volume ------------------------------------------------------------------------------------ */

static void test_many(void **state)
{
	AUTO(fixture_end) struct fixture f;
	AUTO(buf_end) struct buf b = buf_on_heap(4 << 20);
	struct str good;

	(void)state;
	fixture_init(&f);
	good = fixture_by_hand(&f, f.rsa, TAGS, NAMES, S(HEADER), S(BODY), S(BODY));
	for (int i = 0; i < 49; i++)
		buf_addf(&b, "DKIM-Signature: v=1; a=rsa-sha256; d=other%d.example; s=x; l=%d; h=From; bh=AAAA; b=AAAA\r\n", i, i);
	buf_add(&b, good);
	/* 50: ours is the last that is looked at, and of the author's domain */
	fixture_verify(&f, buf_str(&b), 5, S("news.example.net"), FIXTURE_NOW);
	assert_int_equal(f.d.n, DKIM_SIGNATURES_MAX);
	assert_int_equal(f.d.n_ignored, 50 - DKIM_SIGNATURES_MAX);
	assert_int_equal(f.d.p[0].outcome.result, DKIM_PASS);
	assert_true(f.table.asked <= DKIM_SIGNATURES_MAX);
	assert_ptr_equal(dkim_best(&f.d), &f.d.p[0]);
	/* 51 */
	buf_clear(&b);
	for (int i = 0; i < 200; i++)
		buf_addf(&b, "DKIM-Signature: v=1; a=rsa-sha256; d=other%d.example; s=x; l=%d; h=From; bh=AAAA; b=AAAA\r\n", i, i);
	buf_add(&b, good);
	fixture_verify(&f, buf_str(&b), 5, S("news.example.net"), FIXTURE_NOW);
	assert_int_equal(f.d.n, DKIM_SIGNATURES_MAX);
	assert_int_equal(f.d.p[0].outcome.result, DKIM_PERMERROR);
}

static void test_large(void **state)
{
	AUTO(fixture_end) struct fixture f;
	AUTO(buf_end) struct buf names = buf_on_heap(1 << 20), b = buf_on_heap(4 << 20);

	(void)state;
	fixture_init(&f);
	/* the most names, all of them there many times */
	buf_add(&names, S("From"));
	for (int i = 1; i < DKIM_NAMES_MAX; i++)
		buf_add(&names, S(":X"));
	buf_add_char(&names, '\0');
	for (int i = 0; i < 9000; i++)
		buf_add(&b, S("X: y\r\n"));
	buf_add(&b, S(HEADER));
	assert_true(str_eq(fixture_result(&f, fixture_by_hand(&f, f.rsa, TAGS, names.p, buf_str(&b), S(BODY), S(BODY))), S("pass")));
	/* one more */
	names.n--;
	buf_add(&names, S(":X"));
	buf_add_char(&names, '\0');
	assert_true(str_starts(fixture_result(&f, fixture_by_hand(&f, f.rsa, TAGS, names.p, S(HEADER), S(BODY), S(BODY))),
			       S("permerror h= has more than 500 names")));
	/* a signature of 1 MiB, in 10,000 lines */
	buf_clear(&b);
	buf_add(&b, S("DKIM-Signature: " TAGS "; h=From; bh=AAAA; b="));
	for (int i = 0; i < 10000; i++)
		buf_add(&b, S("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n "));
	buf_add(&b, S("\r\n" HEADER "\r\n" BODY));
	assert_true(str_starts(fixture_result(&f, buf_str(&b)), S("neutral b= is no signature in base64")));
}

/* Hostile letters around a header: nothing there, only a body, a header without an end. */
static void test_odd_letters(void **state)
{
	static const struct str letters[] = {
		S(""), S("\r\n"), S("\r\nDKIM-Signature: v=1; in the body\r\n"), S("DKIM-Signature:"),
		S("DKIM-Signature: v=1\r\n"), S("no field\r\n\r\nDKIM-Signature: v=1"), S("DKIM-Signature\r\n: v=1\r\n\r\n"),
	};
	AUTO(fixture_end) struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		struct str got = fixture_result(&f, letters[i]);

		assert_true(str_eq(got, S("none")) || str_starts(got, S("neutral")) || str_starts(got, S("permerror")));
		assert_int_equal(f.r.result, ARC_NONE);
	}
}

/* RFC 8601 §2.7.1, with the names of RFC 6008 and a value that must be quoted. */
static void test_results(void **state)
{
	AUTO(fixture_end) struct fixture f;
	AUTO(buf_end) struct buf b = buf_on_heap(8192);
	struct auth_results r = { .server = S("mx.example.org") };
	struct auth_method **tail;

	(void)state;
	fixture_init(&f);
	buf_clear(&f.records);
	buf_add(&f.records, str_from_z(examples_dns));
	fixture_verify(&f, str_from_z(rfc8463), 10, S(""), FIXTURE_NOW);
	tail = dkim_results_add(&r.methods, &f.d, &f.a);
	tail = arc_results_add(tail, &f.r, &f.a);
	assert_non_null(tail);
	auth_results_add(&b, &r);
	assert_true(str_eq(buf_str(&b), S("mx.example.org;\r\n"
					  "\tdkim=pass (256-bit key) header.d=football.example.com\r\n"
					  "\theader.i=@football.example.com header.s=brisbane header.b=\"/gCrinpc\";\r\n"
					  "\tdkim=pass (1024-bit key) header.d=football.example.com\r\n"
					  "\theader.i=@football.example.com header.s=test header.b=F45dVWDf;\r\n"
					  "\tarc=none")));
	/* nothing was signed, and what cannot be read has no domain */
	fixture_verify(&f, S("From: a@example.net\r\n\r\n"), 10, S(""), FIXTURE_NOW);
	buf_clear(&b);
	assert_non_null(dkim_results_add(&r.methods, &f.d, &f.a));
	auth_results_add(&b, &r);
	assert_true(str_eq(buf_str(&b), S("mx.example.org;\r\n\tdkim=none")));
	fixture_verify(&f, S("DKIM-Signature: v\r\n\r\n"), 10, S(""), FIXTURE_NOW);
	buf_clear(&b);
	assert_non_null(dkim_results_add(&r.methods, &f.d, &f.a));
	auth_results_add(&b, &r);
	assert_true(str_eq(buf_str(&b), S("mx.example.org;\r\n\tdkim=neutral reason=\"no \\\"=\\\" at \\\"v\\\"\"")));
}

static void test_related(void **state)
{
	(void)state;
	assert_true(dkim_is_related(S("a.example"), S("A.example")));
	assert_true(dkim_is_related(S("b.a.example"), S("a.example")));
	assert_true(dkim_is_related(S("a.example"), S("b.a.example")));
	assert_false(dkim_is_related(S("ba.example"), S("a.example")));
	assert_false(dkim_is_related(S("a.example"), S("")));
	assert_false(dkim_is_related(S(""), S("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "the examples of RFC 6376 A and RFC 8463 A, and each octet of them", test_examples, NULL, NULL, NULL },
		{ "J1 J2 what a signature says", test_tags, NULL, NULL, NULL },
		{ "J1 what a record says", test_records, NULL, NULL, NULL },
		{ "J1 sizes of RSA keys", test_sizes, NULL, NULL, NULL },
		{ "J1 sizes of Ed25519 keys", test_ed25519_sizes, NULL, NULL, NULL },
		{ "J7 200 signatures", test_many, NULL, NULL, NULL },
		{ "J7 large header, many names, a signature of 1 MiB", test_large, NULL, NULL, NULL },
		cmocka_unit_test(test_odd_letters),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_related),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
