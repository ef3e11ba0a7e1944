/* dkim_signature_test.c — tag lists, signatures, seals and key records: the RFCs' and bent ones. */
#include "wire/dkim_signature.h"

#include "base/attr.h"
#include "base/buf.h"
#include "wire/dkim_key.h"
#include "wire/dkim_tags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_tags(void **state)
{
	static const struct {
		const char *list, *want;         /* "name=value|…"; NULL: it is none */
	} rows[] = {
		{ "a=1", "a=1|" },
		{ "a=1;", "a=1|" },
		{ " a = 1 ;\r\n\tb_2 =\t2 3 ; \r\n", "a=1|b_2=2 3|" },
		{ "a=;b==c=d", "a=|b==c=d|" },
		{ "a=1;A=2", "a=1|A=2|" },
		{ "a=\xc3\xa4", "a=\xc3\xa4|" },
		{ "", NULL },
		{ ";", NULL },
		{ "a", NULL },
		{ "a;b=1", NULL },
		{ "=1", NULL },
		{ "1a=1", NULL },
		{ "a b=1", NULL },
		{ "a-b=1", NULL },
		{ "a=1;;b=2", NULL },
		{ "a=1;a=1", NULL },
		{ "a=1\x01", NULL },
		{ "a=1\x7f", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(1000);
		struct dkim_tags t;
		struct err e;
		bool ok = dkim_tags_parse(str_from_z(rows[i].list), &t, &e);

		for (size_t k = 0; ok && k < t.n; k++)
			buf_addf(&b, STR_FMT "=" STR_FMT "|", STR_ARG(t.p[k].name), STR_ARG(t.p[k].value));
		if (ok != (rows[i].want != NULL) || !str_eq(buf_str(&b), str_from_z(rows[i].want)))
			fail_msg("%s: " STR_FMT, rows[i].list, STR_ARG(buf_str(&b)));
	}
}

static void test_limits(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(10000);
	struct dkim_tags t;
	struct err e;

	(void)state;
	for (int i = 0; i < DKIM_TAGS_MAX; i++)
		buf_addf(&b, "a%d=1;", i);
	assert_true(dkim_tags_parse(buf_str(&b), &t, &e));
	buf_add(&b, S("b=1"));
	assert_false(dkim_tags_parse(buf_str(&b), &t, &e));
}

#define GOOD "v=1; a=rsa-sha256; d=example.net; s=brisbane; bh=AAAA; b=AAAA; h=From:To"

static void test_signatures(void **state)
{
	static const struct {
		const char *value;
		enum fault fault;
		const char *id;
	} rows[] = {
		{ GOOD, FAULT_NONE, "@example.net" },
		{ GOOD "; c=relaxed; i=joe=40x@Football.example.net; q=dns/txt; l=10; t=1; x=2; z=x", FAULT_NONE,
		  "joe@x@Football.example.net" },
		{ "v=1; a=ed25519-sha256; d=EXAMPLE.net; s=a.b._c; bh=; b=AA AA\r\n\t; h= to : FROM", FAULT_NONE, "@example.net" },
		{ "v=1; a=rsa-sha1; d=b\xc3\xbc" "cher.example; s=x; bh=AAAA; b=AAAA; h=from", FAULT_NONE,
		  "@xn--bcher-kva.example" },
		{ GOOD "; l=9999999999999999999999999999", FAULT_NONE, "@example.net" },
		{ GOOD "; q=x/y:dns/txt", FAULT_NONE, "@example.net" },
		/* not written as it must be */
		{ GOOD "; b=AAAA", FAULT_PEER, NULL },
		{ GOOD "; l=", FAULT_PEER, NULL },
		{ GOOD "; l=-1", FAULT_PEER, NULL },
		{ GOOD "; t=1a", FAULT_PEER, NULL },
		{ GOOD "; x=1234567890123", FAULT_PEER, NULL },
		{ GOOD "; i=example.net", FAULT_PEER, NULL },
		{ GOOD "; i=a=4@example.net", FAULT_PEER, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=brisbane; bh=AAAA; b=; h=From:To", FAULT_PEER, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=brisbane; bh=AAAA; b=A!AA; h=From:To", FAULT_PEER, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=brisbane; bh=A; b=AAAA; h=From:To", FAULT_PEER, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=brisbane; bh=AAAA; b=AAAA; h=From:T o", FAULT_PEER, NULL },
		/* forbidden, or not known */
		{ "a=rsa-sha256; d=example.net; s=brisbane; bh=AAAA; b=AAAA; h=From:To", FAULT_PERM, NULL },
		{ "v=2; a=rsa-sha256; d=example.net; s=brisbane; bh=AAAA; b=AAAA; h=From:To", FAULT_PERM, NULL },
		{ "v=1; d=example.net; s=brisbane; bh=AAAA; b=AAAA; h=From:To", FAULT_PERM, NULL },
		{ "v=1; a=rsa-md5; d=example.net; s=brisbane; bh=AAAA; b=AAAA; h=From:To", FAULT_PERM, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=brisbane; b=AAAA; h=From:To", FAULT_PERM, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=brisbane; bh=AAAA; h=From:To", FAULT_PERM, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=brisbane; bh=AAAA; b=AAAA", FAULT_PERM, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=brisbane; bh=AAAA; b=AAAA; h=", FAULT_PERM, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=brisbane; bh=AAAA; b=AAAA; h=To:Date", FAULT_PERM, NULL },
		{ "v=1; a=rsa-sha256; d=; s=brisbane; bh=AAAA; b=AAAA; h=From", FAULT_PERM, NULL },
		{ "v=1; a=rsa-sha256; d=[192.0.2.1]; s=brisbane; bh=AAAA; b=AAAA; h=From", FAULT_PERM, NULL },
		{ "v=1; a=rsa-sha256; d=legit.example'a.attack.example; s=x; bh=AAAA; b=AAAA; h=From", FAULT_PERM, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=a\\.b; bh=AAAA; b=AAAA; h=From", FAULT_PERM, NULL },
		{ "v=1; a=rsa-sha256; d=example.net; s=sel._domainkey.attack.example.\\000.any; bh=AAAA; b=AAAA; h=From",
		  FAULT_PERM, NULL },
		{ GOOD "; i=@example.org", FAULT_PERM, NULL },
		{ GOOD "; i=@badexample.net", FAULT_PERM, NULL },
		{ GOOD "; i=@net", FAULT_PERM, NULL },
		{ GOOD "; c=nofws", FAULT_PERM, NULL },
		{ GOOD "; c=relaxed/nofws", FAULT_PERM, NULL },
		{ GOOD "; q=http", FAULT_PERM, NULL },
		{ GOOD "; t=2; x=2", FAULT_PERM, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct dkim_signature s;
		struct err e = { 0 };

		dkim_signature_parse(arena_str(&a, str_from_z(rows[i].value)), DKIM_SIGNATURE, &a, &s, &e);
		if (e.fault != rows[i].fault || (rows[i].id && !str_eq(s.identity, str_from_z(rows[i].id))))
			fail_msg("%s: %s %s " STR_FMT, rows[i].value, fault_name(e.fault), e.text, STR_ARG(s.identity));
	}
}

/* A NUL in a selector must not end the name that is asked for. */
static void test_nul(void **state)
{
	struct str value = S("v=1; a=rsa-sha256; d=example.net; s=sel._domainkey.attack.example.\0.any; bh=AAAA; b=AAAA; h=From");
	AUTO(arena_end) struct arena a = { 0 };
	struct dkim_signature s;
	struct err e;

	(void)state;
	assert_false(dkim_signature_parse(value, DKIM_SIGNATURE, &a, &s, &e));
}

static void test_seals(void **state)
{
	static const struct {
		const char *value;
		enum dkim_kind kind;
		bool ok;
	} rows[] = {
		{ "i=1; a=rsa-sha256; cv=none; d=a.example; s=x; t=1; b=AAAA", DKIM_ARC_SEAL, true },
		{ "i=50; a=rsa-sha256; cv=pass; d=a.example; s=x; b=AAAA", DKIM_ARC_SEAL, true },
		{ "i=51; a=rsa-sha256; cv=pass; d=a.example; s=x; b=AAAA", DKIM_ARC_SEAL, false },
		{ "i=0; a=rsa-sha256; cv=pass; d=a.example; s=x; b=AAAA", DKIM_ARC_SEAL, false },
		{ "a=rsa-sha256; cv=pass; d=a.example; s=x; b=AAAA", DKIM_ARC_SEAL, false },
		{ "i=1; a=rsa-sha256; d=a.example; s=x; b=AAAA", DKIM_ARC_SEAL, false },
		{ "i=1; a=rsa-sha256; cv=good; d=a.example; s=x; b=AAAA", DKIM_ARC_SEAL, false },
		{ "i=1; a=rsa-sha256; cv=none; d=a.example; s=x; b=AAAA; h=From", DKIM_ARC_SEAL, false },
		{ "i=1; a=rsa-sha256; d=a.example; s=x; b=AAAA; bh=AAAA; h=From", DKIM_ARC_MESSAGE, true },
		{ "i=1; a=rsa-sha256; d=a.example; s=x; b=AAAA; bh=AAAA; h=", DKIM_ARC_MESSAGE, true },
		{ "i=1; a=rsa-sha256; d=a.example; s=x; b=AAAA; bh=AAAA; h=from:arc-seal", DKIM_ARC_MESSAGE, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct dkim_signature s;
		struct err e = { 0 };

		if (dkim_signature_parse(str_from_z(rows[i].value), rows[i].kind, &a, &s, &e) != rows[i].ok)
			fail_msg("%s: %s", rows[i].value, e.text);
	}
}

static void test_keys(void **state)
{
	static const struct {
		const char *record, *want;       /* kind, octets, sha256, mail, testing, strict; NULL: it is none */
	} rows[] = {
		{ "v=DKIM1; k=rsa; p=AAAA", "1 3 1 1 0 0" },
		{ "p=AA AA", "1 3 1 1 0 0" },
		{ "p=", "1 0 1 1 0 0" },
		{ "v=DKIM1; k=ed25519; h=sha1:sha256; s=tlsrpt:email; t=y:s:x; n=a b; g=*; p=AAAA", "2 3 1 1 1 1" },
		{ "v=DKIM1; h=sha1; s=chat; t=y; p=AAAA", "1 3 0 0 1 0" },
		{ "k=foobar; p=AAAA", "0 3 1 1 0 0" },
		{ "p=AAAA; v=DKIM1", NULL },
		{ "v=DKIM2; p=AAAA", NULL },
		{ "v=spf1 -all", NULL },
		{ "v=DKIM1; k=rsa", NULL },
		{ "v=DKIM1; p=AAA", NULL },
		{ "v=DKIM1; p=AA!A", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf b = buf_on_heap(100);
		struct dkim_key k;
		struct err e = { 0 };
		bool ok = dkim_key_parse(str_from_z(rows[i].record), &a, &k, &e);

		if (ok)
			buf_addf(&b, "%u %zu %d %d %d %d", k.kind, k.key.n, k.has_sha256, k.is_for_mail, k.is_testing,
				 k.is_strict);
		if (ok != (rows[i].want != NULL) || !str_eq(buf_str(&b), str_from_z(rows[i].want)))
			fail_msg("%s: " STR_FMT " %s", rows[i].record, STR_ARG(buf_str(&b)), e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_limits),
		{ "J6 signatures, good and bent", test_signatures, NULL, NULL, NULL },
		{ "J6 a selector with a NUL", test_nul, NULL, NULL, NULL },
		{ "K4 fields of ARC", test_seals, NULL, NULL, NULL },
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
