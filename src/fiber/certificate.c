/* certificate.c — certificate chains; see certificate.h. */
#include "fiber/certificate.h"

#include "base/rnd.h"
#include "base/time.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS_MAX = 32, LABEL_MAX = 63, HOST_MAX = 253, YEARS_10 = 3650, SERIAL_BYTES = 16 };

/* All certificates of a text, in its order. */
struct blocks {
	X509 *x[BLOCKS_MAX];
	size_t n;
};

static void blocks_end(struct blocks *b)
{
	for (size_t i = 0; i < b->n; i++)
		X509_free(b->x[i]);
}

static size_t count_str(struct str s, struct str what)
{
	size_t n = 0;

	for (size_t i; (i = str_find_str(s, what)) < s.n; n++)
		s = str_from(s, i + what.n);
	return n;
}

static bool blocks_read(struct str pem, struct blocks *b, struct err *e)
{
	BIO *in = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
	unsigned long why;
	X509 *x;

	if (!in)
		return fail(e, FAULT_TEMP, "no memory for a certificate");
	ERR_clear_error();
	while (b->n < BLOCKS_MAX && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)))
		b->x[b->n++] = x;
	why = ERR_peek_last_error();
	ERR_clear_error();
	BIO_free(in);
	if (b->n == BLOCKS_MAX)
		return fail(e, FAULT_PERM, "more than %d certificates", BLOCKS_MAX - 1);
	if (count_str(pem, S("-----BEGIN ")) != count_str(pem, S("-----END ")))
		return fail(e, FAULT_PERM, "half a PEM block");
	if (ERR_GET_LIB(why) == ERR_LIB_PEM && ERR_GET_REASON(why) == PEM_R_NO_START_LINE)
		return b->n > 0 || fail(e, FAULT_PERM, "there is no certificate in PEM form");
	if (ERR_GET_LIB(why) == ERR_LIB_PEM)
		return fail(e, FAULT_PERM, "half a PEM block, or a damaged one");
	return fail(e, FAULT_PERM, "certificate %zu is damaged", b->n + 1);
}

static bool is_issued_by(X509 *x, X509 *issuer)
{
	return X509_check_issued(issuer, x) == X509_V_OK;
}

static bool issued_another(const struct blocks *b, size_t i)
{
	for (size_t k = 0; k < b->n; k++)
		if (k != i && X509_cmp(b->x[k], b->x[i]) != 0 && is_issued_by(b->x[k], b->x[i]))
			return true;
	return false;
}

static X509 *leaf_find(const struct blocks *b, const EVP_PKEY *key)
{
	for (size_t i = 0; i < b->n; i++)
		if (key ? EVP_PKEY_eq(X509_get0_pubkey(b->x[i]), key) == 1 : !issued_another(b, i))
			return b->x[i];
	return NULL;
}

/* The issuer of x among b that is no root; a client has the root or does not trust it. */
static X509 *issuer_find(const struct blocks *b, X509 *x)
{
	for (size_t i = 0; i < b->n; i++)
		if (X509_cmp(b->x[i], x) != 0 && is_issued_by(x, b->x[i]) &&
		    !is_issued_by(b->x[i], b->x[i]))
			return b->x[i];
	return NULL;
}

static int64_t time_of(const ASN1_TIME *t)
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(t, &tm))
		return 0;
	return time_join(&(struct time_parts){ .year = tm.tm_year + 1900, .month = tm.tm_mon + 1,
		.day = tm.tm_mday, .hour = tm.tm_hour, .minute = tm.tm_min, .second = tm.tm_sec });
}

static void chain_add(struct certificate *c, X509 *x)
{
	int64_t begin = time_of(X509_get0_notBefore(x)), end = time_of(X509_get0_notAfter(x));

	if (c->n == 0 || begin > c->not_before)
		c->not_before = begin;
	if (c->n == 0 || end < c->not_after)
		c->not_after = end;
	X509_up_ref(x);
	c->chain[c->n++] = x;
}

bool host_name_valid(struct str host)
{
	size_t label = 0;

	if (host.n == 0 || host.n > HOST_MAX)
		return false;
	for (size_t i = 0; i < host.n; i++) {
		int ch = str_at(host, i);

		if (ch == '.' ? label == 0 : !ascii_is_alnum(ch) && ch != '-' && ch != '_')
			return false;
		label = ch == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return false;
	}
	return label > 0;
}

static bool name_add(struct certificate *c, struct str name)
{
	struct str host = str_starts(name, S("*.")) ? str_from(name, 2) : name;
	char *copy;

	if (!host_name_valid(host) || c->n_names == CERTIFICATE_NAMES_MAX)
		return true;
	copy = malloc(name.n);
	if (!copy)
		return false;
	for (size_t i = 0; i < name.n; i++)
		copy[i] = (char)ascii_lower(str_at(name, i));
	c->names[c->n_names++] = str_of(copy, name.n);
	return true;
}

/* Only subjectAltName counts (RFC 6125 §6.4.4); names no client can ask for are left out. */
static bool names_read(struct certificate *c, struct err *e)
{
	GENERAL_NAMES *san = X509_get_ext_d2i(c->chain[0], NID_subject_alt_name, NULL, NULL);
	bool ok = true;

	c->names = calloc(CERTIFICATE_NAMES_MAX, sizeof(*c->names));
	for (int i = 0; c->names && ok && i < sk_GENERAL_NAME_num(san); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(san, i);

		if (g->type == GEN_DNS)
			ok = name_add(c, str_of(ASN1_STRING_get0_data(g->d.dNSName),
				(size_t)ASN1_STRING_length(g->d.dNSName)));
	}
	GENERAL_NAMES_free(san);
	ERR_clear_error();
	return (c->names && ok) || fail(e, FAULT_TEMP, "no memory for a certificate");
}

bool certificate_load(struct str pem, const struct evp_pkey_st *key, struct certificate *ret,
	struct err *e)
{
	AUTO(blocks_end) struct blocks blocks = { 0 };
	AUTO(certificate_end) struct certificate c = { 0 };
	X509 *x;

	if (pem.n > CERTIFICATE_PEM_MAX)
		return fail(e, FAULT_PERM, "the certificate file is larger than 256 KiB");
	if (!blocks_read(pem, &blocks, e))
		return false;
	x = leaf_find(&blocks, key);
	if (!x && key)
		return fail(e, FAULT_PERM, "the key does not belong to the certificate");
	if (!x)
		return fail(e, FAULT_PERM, "the certificates issue each other in a circle");
	while (x && c.n < CERTIFICATE_CHAIN_MAX) {
		chain_add(&c, x);
		x = issuer_find(&blocks, x);
	}
	ERR_clear_error();
	if (x)
		return fail(e, FAULT_PERM, "a chain of more than %d certificates", CERTIFICATE_CHAIN_MAX);
	if (!names_read(&c, e))
		return false;
	*ret = c;
	c = (struct certificate){ 0 };
	return true;
}

static void issuer_note(X509 *x, struct certificate_look *l)
{
	char z[CERTIFICATE_ISSUER_MAX] = "";
	struct buf b = buf_over(l->issuer, sizeof(l->issuer) - 1);

	X509_NAME_oneline(X509_get_issuer_name(x), z, sizeof(z));
	buf_add_printable(&b, str_from_z(z), sizeof(z));
	l->issuer[b.n] = '\0';
}

static bool is_in_chain(const struct certificate *c, X509 *x)
{
	for (size_t i = 0; i < c->n; i++)
		if (X509_cmp(c->chain[i], x) == 0)
			return true;
	return false;
}

bool certificate_look(struct str pem, const struct certificate *c, struct certificate_look *ret, struct err *e)
{
	AUTO(blocks_end) struct blocks blocks = { 0 };
	struct certificate_look l = { .is_ordered = true };

	if (!blocks_read(pem, &blocks, e))
		return false;
	l.n = blocks.n;
	l.is_self_signed = is_issued_by(c->chain[0], c->chain[0]);
	issuer_note(c->chain[c->n - 1], &l);
	for (size_t i = 0, at = 0; i < blocks.n; i++) {
		X509 *x = blocks.x[i];

		if (is_in_chain(c, x))
			l.is_ordered &= at < c->n && X509_cmp(c->chain[at++], x) == 0 && !l.has_root && !l.has_stranger;
		else if (is_issued_by(c->chain[c->n - 1], x))
			l.has_root = true;
		else
			l.has_stranger = true;
	}
	ERR_clear_error();
	*ret = l;
	return true;
}

void certificate_end(struct certificate *c)
{
	for (size_t i = 0; i < c->n; i++)
		X509_free(c->chain[i]);
	for (size_t i = 0; i < c->n_names; i++)
		free((void *)(uintptr_t)c->names[i].p);
	free(c->names);
	*c = (struct certificate){ 0 };
}

static void bio_add_to(BIO *from, struct buf *to)
{
	char *p;
	long n = BIO_get_mem_data(from, &p);

	if (n > 0)
		buf_add(to, str_of(p, (size_t)n));
}

bool certificate_print(const struct certificate *c, struct buf *to, struct err *e)
{
	BIO *out = BIO_new(BIO_s_mem());
	bool ok = out;

	for (size_t i = 0; ok && i < c->n; i++)
		ok = PEM_write_bio_X509(out, c->chain[i]) > 0;
	if (ok)
		bio_add_to(out, to);
	BIO_free(out);
	return (ok && !to->full) || fail(e, FAULT_TEMP, "no memory for a certificate");
}

bool certificate_has_name(const struct certificate *c, struct str host)
{
	for (size_t i = 0; i < c->n_names; i++)
		if (str_eq_nocase(c->names[i], host))
			return true;
	return false;
}

bool certificate_has_wildcard_for(const struct certificate *c, struct str host)
{
	struct str parent;
	struct str label = str_cut(host, '.', &parent);

	for (size_t i = 0; label.n && parent.n && i < c->n_names; i++)
		if (str_starts(c->names[i], S("*.")) &&
		    str_eq_nocase(str_from(c->names[i], 2), parent))
			return true;
	return false;
}

bool certificate_warn(const struct certificate *c, int64_t now, int64_t soon, struct buf *to)
{
	if (c->not_after <= now) {
		buf_add(to, S("the certificate has expired at "));
		time_add_rfc3339(to, c->not_after);
	} else if (c->not_before > now) {
		buf_add(to, S("the certificate is valid only from "));
		time_add_rfc3339(to, c->not_before);
	} else if (c->not_after - now < soon) {
		buf_add(to, S("the certificate expires at "));
		time_add_rfc3339(to, c->not_after);
	} else {
		return false;
	}
	return true;
}

static bool extension_add(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = ext && X509_add_ext(x, ext, -1) > 0;

	X509_EXTENSION_free(ext);
	return ok;
}

bool certificate_key_digest(const struct certificate *c, uint8_t ret[CERTIFICATE_KEY_DIGEST])
{
	unsigned n = 0;
	int der = c->n ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->chain[0]), NULL) : 0;
	unsigned char *p = der > 0 ? malloc((size_t)der) : NULL, *end = p;
	bool ok = p && i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->chain[0]), &end) == der &&
		EVP_Digest(p, (size_t)der, ret, &n, EVP_sha256(), NULL) > 0 && n == CERTIFICATE_KEY_DIGEST;

	free(p);
	return ok;
}

void certificate_issuer(const struct certificate *c, struct buf *to)
{
	X509_NAME *name = c->n ? X509_get_issuer_name(c->chain[0]) : NULL;
	int at = name ? X509_NAME_get_index_by_NID(name, NID_organizationName, -1) : -1;
	unsigned char *text = NULL;
	int n;

	if (at < 0 || X509_NAME_cmp(name, X509_get_subject_name(c->chain[0])) == 0)
		return;
	n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (n > 0)
		buf_add(to, str_of(text, (size_t)n));
	OPENSSL_free(text);
}

/* host holds nothing that the syntax of extension values knows. */
static bool fill_in(X509 *x, EVP_PKEY *key, struct str host, int64_t now)
{
	unsigned char serial[SERIAL_BYTES];
	X509_NAME *name = X509_get_subject_name(x);
	char san[HOST_MAX + 5];
	BIGNUM *number;
	bool ok;

	rnd_bytes(serial, sizeof(serial));
	serial[0] = (serial[0] & 0x3f) | 0x40;   /* positive, of full length */
	number = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
	BN_free(number);
	snprintf(san, sizeof(san), "DNS:" STR_FMT, STR_ARG(host));
	/* commonName ends at 64 bytes (X.520 ub-common-name); nobody reads it */
	return ok && X509_set_version(x, X509_VERSION_3) > 0 &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)san + 4,
			(int)str_head(host, 64).n, -1, 0) > 0 &&
		X509_set_issuer_name(x, name) > 0 && X509_set_pubkey(x, key) > 0 &&
		ASN1_TIME_adj(X509_getm_notBefore(x), now / SECOND, -1, 0) &&
		ASN1_TIME_adj(X509_getm_notAfter(x), now / SECOND, YEARS_10, 0) &&
		extension_add(x, NID_basic_constraints, "critical,CA:FALSE") &&
		extension_add(x, NID_key_usage, "critical,digitalSignature") &&
		extension_add(x, NID_ext_key_usage, "serverAuth") &&
		extension_add(x, NID_subject_alt_name, san);
}

bool certificate_make(struct str host, int64_t now, struct buf *cert_pem, struct buf *key_pem,
	struct err *e)
{
	EVP_PKEY *key;
	X509 *x;
	BIO *cert_out, *key_out;
	bool ok;

	if (!host_name_valid(host))
		return fail(e, FAULT_PERM, "a certificate needs a host name");
	key = EVP_EC_gen("P-256");
	x = X509_new();
	cert_out = BIO_new(BIO_s_mem());
	key_out = BIO_new(BIO_s_secmem());       /* is wiped when freed */
	ok = key && x && cert_out && key_out && fill_in(x, key, host, now) &&
		X509_sign(x, key, EVP_sha256()) > 0 && PEM_write_bio_X509(cert_out, x) > 0 &&
		PEM_write_bio_PKCS8PrivateKey(key_out, key, NULL, NULL, 0, NULL, NULL) > 0;
	if (ok) {
		bio_add_to(cert_out, cert_pem);
		bio_add_to(key_out, key_pem);
	}
	BIO_free(key_out);
	BIO_free(cert_out);
	X509_free(x);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return (ok && !cert_pem->full && !key_pem->full) ||
		fail(e, FAULT_TEMP, "the certificate could not be made");
}
