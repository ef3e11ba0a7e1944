/* certificate.h — certificate chains, as PEM text from a file or made here.
 *
 * A chain is kept in the order in which TLS sends it: leaf first, each next one
 * the issuer of the one before; a root is left out, what does not belong is too. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct evp_pkey_st;
struct x509_st;

enum {
	CERTIFICATE_CHAIN_MAX = 10,
	CERTIFICATE_NAMES_MAX = 200,
	CERTIFICATE_PEM_MAX = 256 * 1024,
};

/* Owned; ended by certificate_end. */
struct certificate {
	struct x509_st *chain[CERTIFICATE_CHAIN_MAX];
	size_t n;
	struct str *names;       /* DNS names of the leaf: lower case, IDNs as A-labels */
	size_t n_names;
	int64_t not_before;      /* µs since 1970, of the whole chain: the latest begin … */
	int64_t not_after;       /* … and the earliest end */
};

/* The chain in pem (other blocks, such as a key, are passed over).  If key is given the leaf is
 * the certificate that belongs to it, and there must be one; else it is the one that issued
 * none of the others. */
bool certificate_load(struct str pem, const struct evp_pkey_st *key, struct certificate *ret,
	struct err *e);
void certificate_end(struct certificate *c);
/* The sorted chain as PEM. */
bool certificate_print(const struct certificate *c, struct buf *to, struct err *e);

/* How a file of certificates was put together, beside what certificate_load() made of it. */
enum { CERTIFICATE_ISSUER_MAX = 160 };
struct certificate_look {
	size_t n;                /* certificates in the file */
	bool is_ordered;         /* each one issued the one before, beginning with the leaf */
	bool has_root;           /* behind a leaf: clients have it already */
	bool has_stranger;       /* one that no other of them needs */
	bool is_self_signed;     /* the leaf */
	char issuer[CERTIFICATE_ISSUER_MAX];     /* of the last one in the chain, printable */
};
bool certificate_look(struct str pem, const struct certificate *c, struct certificate_look *ret, struct err *e);

/* A host name in the form TLS compares: ASCII labels of letters, digits, - and _. */
bool host_name_valid(struct str host);
/* Does one of its names cover host (A-labels, any case)?  "*.a.b" stands for exactly one label
 * (RFC 6125 §6.4.3). */
bool certificate_has_name(const struct certificate *c, struct str host);
bool certificate_has_wildcard_for(const struct certificate *c, struct str host);

/* SHA-256 of the leaf's SubjectPublicKeyInfo, as TLSA "3 1 1" has it (RFC 6698 §2.1). */
enum { CERTIFICATE_KEY_DIGEST = 32 };
bool certificate_key_digest(const struct certificate *c, uint8_t ret[CERTIFICATE_KEY_DIGEST]);
/* The organisation that issued the leaf; nothing if it is named nowhere, or is the leaf itself. */
void certificate_issuer(const struct certificate *c, struct buf *to);

/* If it has expired, does so within `soon` µs, or is not valid yet: true, and a sentence. */
bool certificate_warn(const struct certificate *c, int64_t now, int64_t soon, struct buf *to);

/* A key (P-256) and its own certificate for host, ten years, both as PEM.  The caller wipes
 * key_pem. */
bool certificate_make(struct str host, int64_t now, struct buf *cert_pem, struct buf *key_pem,
	struct err *e);
