/* tls_client.c — the client's side of TLS; see tls_client.h. */
#include "fiber/tls_client.h"

#include "base/map.h"
#include "fiber/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* Mail servers are old at times: what has no forward secrecy is still better than nothing. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:AESGCM:AES:!aNULL:!eNULL"

enum { RESUME_MAX = 1000, KEY_MAX = 400, HOST_Z = 256, SUBJECT_MAX = 200, LEVEL_ANYBODY = 1, LEVEL_VERIFY = 2 };

struct tls_client {
	SSL_CTX *ctx;
	struct map resume;       /* key → SSL_SESSION */
};

/* Belongs to its session. */
struct resume_key {
	struct tls_client *owner;
	size_t n;
	char p[KEY_MAX];
};

static int key_index = -1;

static void key_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long arg, void *argp)
{
	(void)parent, (void)ad, (void)index, (void)arg, (void)argp;
	free(ptr);
}

static void resume_clear(struct tls_client *t)
{
	struct str key;
	void *session;

	for (size_t i = 0; map_next(&t->resume, &i, &key, &session);)
		SSL_SESSION_free(session);
	map_end(&t->resume);
	t->resume = (struct map){ 0 };
}

/* TLS 1.3 sends tickets behind the handshake, so this may come with any read. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct resume_key *k = SSL_get_ex_data(ssl, key_index);

	if (!k || !SSL_SESSION_is_resumable(session))
		return 0;
	if (k->owner->resume.n >= RESUME_MAX)
		resume_clear(k->owner);
	SSL_SESSION_free(map_put(&k->owner->resume, str_of(k->p, k->n), session));
	return 1;                /* it is ours now */
}

static bool context_set(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_new_session);
	SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) && SSL_CTX_set_cipher_list(ctx, CIPHERS) &&
	       SSL_CTX_dane_enable(ctx) > 0;
}

struct tls_client *tls_client_open(struct err *e)
{
	struct tls_client *t = calloc(1, sizeof(*t));

	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (key_index < 0)
		key_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, key_free);
	if (t)
		t->ctx = SSL_CTX_new(TLS_client_method());
	if (t && t->ctx && context_set(t->ctx))
		return t;
	ERR_clear_error();
	tls_client_close(t);
	fail(e, FAULT_TEMP, "no memory for TLS");
	return NULL;
}

void tls_client_close(struct tls_client *t)
{
	if (!t)
		return;
	resume_clear(t);
	SSL_CTX_free(t->ctx);
	free(t);
}

bool tls_client_set_roots(struct tls_client *t, struct str pem, size_t *ret_n, struct err *e)
{
	X509_STORE *store = X509_STORE_new();
	BIO *in = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
	X509 *x;

	*ret_n = 0;
	for (; store && in; X509_free(x)) {
		ERR_clear_error();
		x = PEM_read_bio_X509(in, NULL, NULL, NULL);
		if (x)
			*ret_n += X509_STORE_add_cert(store, x) > 0;
		else if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE || BIO_eof(in))
			break;
	}
	ERR_clear_error();
	BIO_free(in);
	if (*ret_n == 0) {
		X509_STORE_free(store);
		return fail(e, FAULT_PERM, "there is no certificate in it");
	}
	SSL_CTX_set_cert_store(t->ctx, store);
	resume_clear(t);
	return true;
}

/* The name or address that the certificate must have; a name is also asked for (RFC 6066 §3). */
static bool host_set(SSL *ssl, struct str host)
{
	unsigned char ip[16];
	char z[HOST_Z];

	if (host.n >= sizeof(z) || str_has(host, '\0'))
		return false;
	memcpy(z, host.p ? host.p : "", host.n);
	z[host.n] = '\0';
	if (inet_pton(AF_INET, z, ip) == 1 || inet_pton(AF_INET6, z, ip) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), z) > 0;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return host_name_valid(host) && SSL_set_tlsext_host_name(ssl, z) > 0 && SSL_set1_host(ssl, z) > 0;
}

static bool resume_set(struct tls_client *t, SSL *ssl, struct str key)
{
	struct resume_key *k;
	SSL_SESSION *session;

	if (key.n == 0 || key.n > KEY_MAX)
		return true;
	k = calloc(1, sizeof(*k));
	if (!k)
		return false;
	k->owner = t;
	k->n = key.n;
	memcpy(k->p, key.p, key.n);
	if (!SSL_set_ex_data(ssl, key_index, k)) {
		free(k);
		return false;
	}
	session = map_remove(&t->resume, key);   /* each is used once (RFC 8446 §C.4) */
	if (session)
		SSL_set_session(ssl, session);
	SSL_SESSION_free(session);
	return true;
}

struct ssl_st *tls_client_session(struct tls_client *t, struct str host, enum tls_trust trust, struct str resume,
				  struct err *e)
{
	SSL *ssl;

	ERR_clear_error();
	ssl = SSL_new(t->ctx);
	if (ssl && host_set(ssl, host) && resume_set(t, ssl, trust == TLS_TRUST_DANE ? S("") : resume)) {
		SSL_set_connect_state(ssl);
		SSL_set_security_level(ssl, trust == TLS_TRUST_ANYBODY ? LEVEL_ANYBODY : LEVEL_VERIFY);
		SSL_set_verify(ssl, trust == TLS_TRUST_ANYBODY ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
		return ssl;
	}
	SSL_free(ssl);
	ERR_clear_error();
	fail(e, FAULT_TEMP, "no TLS session for this host");
	return NULL;
}

void tls_client_drop(struct ssl_st *ssl)
{
	SSL_free(ssl);
}

bool tls_client_is_verified(const struct ssl_st *ssl)
{
	return SSL_get_verify_result(ssl) == X509_V_OK && SSL_get0_peer_certificate(ssl);
}

bool tls_client_is_resumed(const struct ssl_st *ssl)
{
	return SSL_session_reused(ssl);
}

struct str tls_client_trouble(const struct ssl_st *ssl)
{
	long v = SSL_get_verify_result(ssl);

	return v == X509_V_OK ? S("") : str_from_z(X509_verify_cert_error_string(v));
}

static void name_add(const X509_NAME *name, struct buf *b)
{
	char z[SUBJECT_MAX] = "";

	X509_NAME_oneline(name, z, sizeof(z));
	buf_add_printable(b, str_from_z(z), sizeof(z));
}

static void time_add(const ASN1_TIME *t, struct buf *b)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm))
		buf_addf(b, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

void tls_client_print_chain(const struct ssl_st *ssl, struct buf *b)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned n;

	for (int i = 0; i < sk_X509_num(chain) && i < CERTIFICATE_CHAIN_MAX; i++) {
		X509 *x = sk_X509_value(chain, i);

		buf_addf(b, "%s%d: ", i ? "\n" : "", i);
		name_add(X509_get_subject_name(x), b);
		buf_add(b, S(", issued by "));
		name_add(X509_get_issuer_name(x), b);
		buf_add(b, S(", from "));
		time_add(X509_get0_notBefore(x), b);
		buf_add(b, S(" to "));
		time_add(X509_get0_notAfter(x), b);
		if (X509_pubkey_digest(x, EVP_sha256(), hash, &n)) {
			buf_add(b, S(", key SHA-256 "));
			buf_add_hex(b, str_of(hash, n));
		}
	}
	ERR_clear_error();
}
