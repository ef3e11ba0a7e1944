/* dkim_sign_test.c — what we sign and seal is verified, until somebody adds to it. */
#include "trust/dkim_fixture.h"

#define HEADER \
	"Received: from x\r\n" \
	"From: a@example.net\r\n" \
	"To: b@example.org\r\n" \
	"Subject: =?utf-8?q?x?=\r\n folded\r\n" \
	"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n" \
	"Message-ID: <1@example.net>\r\n" \
	"Content-Type: text/plain\r\n"
#define BODY "Hello \t world\r\n\r\n-- \r\n\r\n\r\n"

static struct str joined(struct fixture *f, struct str field, const char *header)
{
	return arena_printf(&f->a, STR_FMT "%s\r\n" BODY, STR_ARG(field), header);
}

static struct str signed_field(struct fixture *f, EVP_PKEY *key, const struct dkim_wish *w)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 16), signature = buf_on_heap(1024);
	struct dkim_letter l;
	struct dkim_signing g;
	uint8_t hash[DKIM_HASH];

	assert_true(dkim_letter_init(&l, S(HEADER), &f->a) && dkim_signing_init(&g, &l, w));
	dkim_letter_body(&l, S(BODY));
	assert_true(dkim_signing_hash(&g, hash));
	fixture_sign(key, hash, &signature);
	dkim_signing_add(&b, &g, buf_str(&signature));
	dkim_letter_end(&l);
	assert_false(b.full);
	return arena_str(&f->a, buf_str(&b));
}

static const struct dkim_wish wish_rsa = { .domain = S("example.net"), .selector = S("r"), .algorithm = DKIM_RSA_SHA256,
					   .time = FIXTURE_NOW, .expiry = FIXTURE_NOW + 1000 };
static const struct dkim_wish wish_ed = { .domain = S("example.net"), .selector = S("e"), .algorithm = DKIM_ED25519_SHA256,
					  .time = FIXTURE_NOW, .expiry = -1 };

static void test_field(void **state)
{
	AUTO(fixture_end) struct fixture f;
	struct str field, line;

	(void)state;
	fixture_init(&f);
	field = signed_field(&f, f.rsa, &wish_rsa);
	assert_true(str_starts(field, S("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
					"\td=example.net; s=r;\r\n"
					"\tt=1795000000; x=1795001000;\r\n"
					"\th=From:From:Reply-To:To:To:Cc:Subject:Subject:Date:Date:MIME-Version\r\n"
					"\t:Content-Type:Content-Type:Content-Transfer-Encoding:Message-ID\r\n"
					"\t:Message-ID;\r\n"
					"\tbh=")));
	assert_true(str_ends(field, S("\r\n")));
	for (struct str rest = field; rest.n;) {
		line = str_cut(rest, '\n', &rest);
		/* a tab counts eight */
		assert_true(line.n + 7 <= 79);
	}
}

static void test_round_trip(void **state)
{
	AUTO(fixture_end) struct fixture f;
	struct str rsa, ed25519, both;

	(void)state;
	fixture_init(&f);
	rsa = signed_field(&f, f.rsa, &wish_rsa);
	ed25519 = signed_field(&f, f.ed25519, &wish_ed);
	both = arena_printf(&f.a, STR_FMT STR_FMT, STR_ARG(ed25519), STR_ARG(rsa));
	fixture_verify(&f, joined(&f, both, HEADER), 3, S("example.net"), FIXTURE_NOW);
	assert_int_equal(f.d.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(f.d.p[i].outcome.result, DKIM_PASS);
	assert_int_equal(f.d.p[0].outcome.bits, 256);
	assert_int_equal(f.d.p[1].outcome.bits, 1024);
	assert_int_equal(f.d.p[1].signature.expiry, FIXTURE_NOW + 1000);
	fixture_verify(&f, joined(&f, rsa, HEADER), 3, S("example.net"), FIXTURE_NOW + 1301);
	assert_int_equal(f.d.p[0].outcome.result, DKIM_POLICY);
}

static void test_over_signed(void **state)
{
	static const struct {
		const char *header;
		bool passes;
	} rows[] = {
		{ HEADER, true },
		{ "Received: by y\r\nX-Spam: no\r\nSender: c@example.net\r\n" HEADER, true },
		{ "To: c@example.net\r\n" HEADER, false },
		{ HEADER "Subject: new\r\n", false },
		{ "From: evil@example.net\r\n" HEADER, false },
		{ HEADER "Cc: c@example.net\r\n", false },
		{ "Reply-To: evil@example.org\r\n" HEADER, false },
		{ "MIME-Version: 1.0\r\n" HEADER, false },
		{ "Content-Type: text/html\r\n" HEADER, false },
		{ HEADER "Content-Transfer-Encoding: base64\r\n", false },
	};
	AUTO(fixture_end) struct fixture f;
	struct str field;

	(void)state;
	fixture_init(&f);
	field = signed_field(&f, f.rsa, &wish_rsa);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(fixture_result(&f, joined(&f, field, rows[i].header)), S("pass")) != rows[i].passes)
			fail_msg("%s", rows[i].header);
}

/* ---- seals ----------------------------------------------------------------------------------------- */

/* One hop: the set for a letter as it stands; empty if we would not seal it. */
static struct str sealed(struct fixture *f, struct str letter)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20), signature = buf_on_heap(1024);
	size_t header = dkim_header_size(letter);
	struct trust_dns dns;
	struct dkim_letter l;
	struct arc chain;
	struct arc_sealing g;
	uint8_t hash[DKIM_HASH];
	struct err e;
	bool ok;

	assert_true(trust_dns_table_read(buf_str(&f->records), &f->a, &f->table, &e));
	dns = trust_dns_of_table(&f->table);
	assert_true(dkim_letter_init(&l, str_head(letter, header), &f->a));
	arc_init(&chain, &l);
	ok = arc_sealing_init(&g, &l, &wish_rsa, &chain);
	if (ok) {
		dkim_letter_body(&l, str_from(letter, header));
		assert_true(arc_check(&chain, &dns, (int64_t)FIXTURE_NOW * SECOND, &e));
		ok = arc_sealing_hash(&g, S("mx.example.net;\r\n\tdkim=pass header.d=example.net"), hash);
	}
	if (ok) {
		fixture_sign(f->rsa, hash, &signature);
		assert_true(arc_sealing_seal(&g, buf_str(&signature), hash));
		fixture_sign(f->rsa, hash, &signature);
		arc_sealing_add(&b, &g, buf_str(&signature));
	}
	dkim_letter_end(&l);
	return ok ? arena_printf(&f->a, STR_FMT STR_FMT, STR_ARG(buf_str(&b)), STR_ARG(letter)) : S("");
}

static void test_seals(void **state)
{
	AUTO(fixture_end) struct fixture f;
	struct str letter = S(HEADER "\r\n" BODY), broken;

	(void)state;
	fixture_init(&f);
	for (size_t hop = 1; hop <= ARC_SETS_MAX; hop++) {
		struct str on_the_way = arena_printf(&f.a, "Received: by %zu\r\n" STR_FMT, hop, STR_ARG(letter));

		letter = sealed(&f, on_the_way);
		assert_true(letter.n > 0);
		if (hop > 3 && hop < ARC_SETS_MAX)
			continue;
		fixture_verify(&f, letter, 100, S(""), FIXTURE_NOW);
		if (f.r.result != ARC_PASS || f.r.n != hop)
			fail_msg("hop %zu: " STR_FMT, hop, STR_ARG(f.r.reason));
		assert_true(str_starts(str_trim(f.r.sets[0].said), S("mx.example.net;")));
		assert_true(str_eq(f.r.sets[hop - 1].sealed.domain, S("example.net")));
	}
	/* there is no 51st */
	assert_int_equal(sealed(&f, letter).n, 0);
	/* nor do we seal a chain that is broken */
	broken = arena_str(&f.a, letter);
	((char *)(uintptr_t)broken.p)[broken.n - 20] ^= 1;
	fixture_verify(&f, broken, 100, S(""), FIXTURE_NOW);
	assert_int_equal(f.r.result, ARC_FAIL);
}

/* Sets that cannot be: K4. */
static void test_bad_chains(void **state)
{
	static const char *const headers[] = {
		"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.example; s=r; b=AAAA\r\n",
		"ARC-Seal: i=51; a=rsa-sha256; cv=none; d=a.example; s=r; b=AAAA\r\n",
		"ARC-Seal: x\r\n",
		"ARC-Authentication-Results: i=1; mx; none\r\n",
		"ARC-Authentication-Results: mx; none\r\n",
		"ARC-Message-Signature: i=0\r\n",
	};
	AUTO(fixture_end) struct fixture f;
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
	struct str once, twice;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		buf_clear(&b);
		buf_add(&b, str_from_z(headers[i]));
		buf_add(&b, S(HEADER "\r\n" BODY));
		fixture_verify(&f, buf_str(&b), 100, S(""), FIXTURE_NOW);
		if (f.r.result != ARC_FAIL || f.table.asked)
			fail_msg("%s", headers[i]);
		assert_int_equal(sealed(&f, buf_str(&b)).n, 0);
	}
	/* the same set twice, and a gap */
	once = sealed(&f, S(HEADER "\r\n" BODY));
	buf_clear(&b);
	buf_add(&b, str_head(once, str_find_str(once, S("Received:"))));
	buf_add(&b, once);
	fixture_verify(&f, buf_str(&b), 100, S(""), FIXTURE_NOW);
	assert_int_equal(f.r.result, ARC_FAIL);
	twice = sealed(&f, once);
	buf_clear(&b);
	buf_add(&b, str_head(twice, twice.n - once.n));
	buf_add(&b, S(HEADER "\r\n" BODY));
	fixture_verify(&f, buf_str(&b), 100, S(""), FIXTURE_NOW);
	assert_int_equal(f.r.result, ARC_FAIL);
	/* 10,000 fields of ARC cost no questions */
	buf_clear(&b);
	for (int i = 0; i < 9000; i++)
		buf_addf(&b, "ARC-Seal: i=%d; a=rsa-sha256; cv=pass; d=a.example; s=r; b=AAAA\r\n", i % 50 + 1);
	buf_add(&b, S(HEADER "\r\n" BODY));
	fixture_verify(&f, buf_str(&b), 100, S(""), FIXTURE_NOW);
	assert_int_equal(f.r.result, ARC_FAIL);
	assert_int_equal(f.table.asked, 0);
}

/* A key that cannot be had just now is no broken chain. */
static void test_later(void **state)
{
	AUTO(fixture_end) struct fixture f;
	struct str letter;

	(void)state;
	fixture_init(&f);
	letter = sealed(&f, S(HEADER "\r\n" BODY));
	buf_clear(&f.records);
	buf_add(&f.records, S("r._domainkey.example.net TEMP\n"));
	fixture_verify(&f, letter, 100, S(""), FIXTURE_NOW);
	assert_int_equal(f.r.result, ARC_TEMPERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_field),
		cmocka_unit_test(test_round_trip),
		{ "J3 J4 fields that readers see cannot be added", test_over_signed, NULL, NULL, NULL },
		{ "K5 fifty hops are sealed, one after the other", test_seals, NULL, NULL, NULL },
		{ "K4 sets that cannot be", test_bad_chains, NULL, NULL, NULL },
		cmocka_unit_test(test_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
