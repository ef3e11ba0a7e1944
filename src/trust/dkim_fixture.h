/* dkim_fixture.h — letters, keys and a DNS for tests of DKIM and ARC. */
#pragma once

#include "base/time.h"
#include "trust/arc.h"
#include "trust/dkim.h"
#include "trust/dkim_sign.h"
#include "trust/trust_dns_table.h"
#include "wire/text.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FIXTURE_NOW 1795000000   /* seconds */

/* All of it ends with fixture_end(). */
struct fixture {
	struct arena a;
	struct buf records;              /* of the DNS, as trust_dns_table.h reads them */
	struct trust_dns_table table;
	EVP_PKEY *rsa, *ed25519;
	struct dkim_letter letter;
	struct dkim d;
	struct arc r;
};

static inline void fixture_end(struct fixture *f)
{
	dkim_letter_end(&f->letter);
	arena_end(&f->a);
	buf_end(&f->records);
	EVP_PKEY_free(f->rsa);
	EVP_PKEY_free(f->ed25519);
}

/* p=, in base64. */
static inline struct str public_text(struct fixture *f, EVP_PKEY *key)
{
	AUTO(buf_end) struct buf b = buf_on_heap(8192);
	unsigned char raw[32], *der = NULL;
	size_t n = sizeof(raw);
	int n_der;

	if (EVP_PKEY_get_id(key) == EVP_PKEY_ED25519) {
		assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &n), 1);
		base64_add(&b, str_of(raw, n));
	} else {
		n_der = i2d_PUBKEY(key, &der);
		assert_true(n_der > 0);
		base64_add(&b, str_of(der, (size_t)n_der));
		OPENSSL_free(der);
	}
	return arena_str(&f->a, buf_str(&b));
}

/* A TXT record, in strings of at most 200 octets. */
static inline void record_add(struct fixture *f, const char *name, struct str text)
{
	buf_addf(&f->records, "%s TXT", name);
	do {
		struct str part = str_head(text, 200);

		buf_addf(&f->records, " \"" STR_FMT "\"", STR_ARG(part));
		text = str_from(text, part.n);
	} while (text.n);
	buf_add(&f->records, S("\n"));
}

/* r._domainkey.example.net and e._domainkey.example.net. */
static inline void fixture_init(struct fixture *f)
{
	struct str rsa, ed25519;

	*f = (struct fixture){ .a = { .limit = 64 << 20 }, .records = buf_on_heap(1 << 20) };
	f->rsa = EVP_RSA_gen(1024);
	f->ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_non_null(f->rsa);
	assert_non_null(f->ed25519);
	rsa = public_text(f, f->rsa);
	ed25519 = public_text(f, f->ed25519);
	record_add(f, "r._domainkey.example.net", arena_printf(&f->a, "v=DKIM1; k=rsa; p=" STR_FMT, STR_ARG(rsa)));
	record_add(f, "e._domainkey.example.net", arena_printf(&f->a, "v=DKIM1; k=ed25519; p=" STR_FMT, STR_ARG(ed25519)));
}

/* RSA signs the hash with PKCS#1 v1.5, Ed25519 the hash as its message. */
static inline void fixture_sign(EVP_PKEY *key, const uint8_t hash[DKIM_HASH], struct buf *ret)
{
	unsigned char out[1024];
	size_t n = sizeof(out);

	buf_clear(ret);
	if (EVP_PKEY_get_id(key) == EVP_PKEY_ED25519) {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();

		assert_true(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) > 0);
		assert_true(EVP_DigestSign(ctx, out, &n, hash, DKIM_HASH) > 0);
		EVP_MD_CTX_free(ctx);
	} else {
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

		assert_true(EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0);
		assert_true(EVP_PKEY_sign(ctx, out, &n, hash, DKIM_HASH) > 0);
		EVP_PKEY_CTX_free(ctx);
	}
	buf_add(ret, str_of(out, n));
}

/* A letter signed by hand: `tags` are all but bh= and b=; c=relaxed/relaxed is among them.  `hashed` is the body, as
 * far as bh= covers it. */
static inline struct str fixture_by_hand(struct fixture *f, EVP_PKEY *key, const char *tags, const char *names,
					 struct str header, struct str body, struct str hashed)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20), signature = buf_on_heap(1024), text = buf_on_heap(2048);
	struct dkim_letter l;
	struct dkim_hash *h;
	uint8_t hash[DKIM_HASH];
	struct str field;

	assert_true(dkim_letter_init(&l, header, &f->a));
	h = dkim_letter_hash(&l, DKIM_RELAXED, hashed.n);
	dkim_letter_body(&l, hashed);
	assert_true(dkim_letter_over(&l));
	base64_add(&text, str_of(h->hash, DKIM_HASH));
	field = arena_printf(&f->a, "DKIM-Signature: %s; h=%s; bh=" STR_FMT "; b=", tags, names, STR_ARG(buf_str(&text)));
	dkim_letter_fields_add(&b, &l, str_from_z(names), DKIM_RELAXED, NULL);
	dkim_field_add(&b, DKIM_RELAXED, field, false);
	assert_true(dkim_sha256(buf_str(&b), hash));
	fixture_sign(key, hash, &signature);
	buf_clear(&text);
	base64_add(&text, buf_str(&signature));
	dkim_letter_end(&l);
	return arena_printf(&f->a, STR_FMT STR_FMT "\r\n" STR_FMT "\r\n" STR_FMT, STR_ARG(field), STR_ARG(buf_str(&text)),
			    STR_ARG(header), STR_ARG(body));
}

/* Both, with the table as it is now.  f->d and f->r hold what came of it. */
static inline void fixture_verify(struct fixture *f, struct str letter, size_t piece, struct str author, int64_t now)
{
	size_t header = dkim_header_size(letter);
	struct str body = str_from(letter, header);
	struct trust_dns dns;
	struct err e;

	dkim_letter_end(&f->letter);
	assert_true(trust_dns_table_read(buf_str(&f->records), &f->a, &f->table, &e));
	dns = trust_dns_of_table(&f->table);
	assert_true(dkim_letter_init(&f->letter, str_head(letter, header), &f->a));
	dkim_init(&f->d, &f->letter, author);
	arc_init(&f->r, &f->letter);
	for (; body.n; body = str_from(body, piece))
		dkim_letter_body(&f->letter, str_head(body, piece));
	assert_true(dkim_check(&f->d, &dns, now * SECOND, &e));
	assert_true(arc_check(&f->r, &dns, now * SECOND, &e));
}

/* The first signature: "pass", or "fail the body was changed". */
static inline struct str fixture_result(struct fixture *f, struct str letter)
{
	const struct dkim_outcome *o;

	fixture_verify(f, letter, 7, S("example.net"), FIXTURE_NOW);
	if (!f->d.n)
		return S("none");
	o = &f->d.p[0].outcome;
	return arena_printf(&f->a, "%s%s" STR_FMT, dkim_result_name(o->result), o->reason.n ? " " : "",
			    STR_ARG(o->reason));
}
