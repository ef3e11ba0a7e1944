/* tls.c — the server's side of TLS; see tls.h.
 *
 * Each certificate has an SSL_CTX.  The first one's is the base: sessions are
 * made from it, it owns the table of names, and the server-name callback moves a
 * session to another one's.  OpenSSL counts who uses a context, so a replaced
 * set goes when its last session ends. */
#include "fiber/tls.h"

#include "base/map.h"
#include "fiber/certificate.h"
#include "fiber/private_key.h"
#include "fiber/tls_key_provider.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

/* Forward secrecy and AEAD only; TLS 1.3 has nothing else. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256:P-384"
/* what private_key.c signs */
#define SIGNATURES "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:" \
	"rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:" \
	"RSA+SHA256:RSA+SHA384:RSA+SHA512"

enum { IDENTITIES_MAX = 1000, HOST_NAME_MAX_TLS = 255 };

struct tls_server {
	const struct tls_signer *signer;
	SSL_CTX *base;           /* NULL: no certificates yet */
};

/* Belongs to its base context.  Values are SSL_CTX. */
struct names {
	struct map exact;        /* "a.example" */
	struct map wild;         /* "example" of "*.example" */
	SSL_CTX **others;        /* all contexts but the base */
	size_t n;
};

static int names_index = -1;

static void names_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long arg, void *argp)
{
	struct names *names = ptr;

	(void)parent, (void)ad, (void)index, (void)arg, (void)argp;
	if (!names)
		return;
	for (size_t i = 0; i < names->n; i++)
		SSL_CTX_free(names->others[i]);
	free(names->others);
	map_end(&names->exact);
	map_end(&names->wild);
	free(names);
}

struct tls_server *tls_server_open(const struct tls_signer *signer)
{
	struct tls_server *t = calloc(1, sizeof(*t));

	/* no openssl.cnf: what holds is said here, and the role may not open files */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (names_index < 0)
		names_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, names_free);
	if (t)
		t->signer = signer;
	return t;
}

void tls_server_close(struct tls_server *t)
{
	if (t)
		SSL_CTX_free(t->base);
	free(t);
}

bool tls_server_is_set(const struct tls_server *t)
{
	return t->base;
}

static SSL_CTX *names_find(const struct names *names, struct str host)
{
	char low[HOST_NAME_MAX_TLS];
	struct str key = str_of(low, host.n), parent;
	SSL_CTX *ctx;

	if (!host_name_valid(host))
		return NULL;
	for (size_t i = 0; i < host.n; i++)
		low[i] = (char)ascii_lower(str_at(host, i));
	ctx = map_get(&names->exact, key);
	str_cut(key, '.', &parent);
	return ctx || !parent.n ? ctx : map_get(&names->wild, parent);
}

/* A name we do not know, or none, gets the default: mail clients are told so by the
 * certificate, servers mostly do not mind. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	SSL_CTX *ctx = names_find(arg, tls_session_name(ssl));

	(void)alert;
	if (!ctx)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_set_SSL_CTX(ssl, ctx) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool context_secure(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_security_level(ctx, 2);
	return SSL_CTX_set_num_tickets(ctx, 0) && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
		SSL_CTX_set_cipher_list(ctx, CIPHERS) && SSL_CTX_set1_groups_list(ctx, GROUPS) &&
		SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES);
}

static bool context_identify(SSL_CTX *ctx, const struct certificate *c, EVP_PKEY *key)
{
	bool ok = SSL_CTX_use_certificate(ctx, c->chain[0]) > 0 && SSL_CTX_use_PrivateKey(ctx, key) > 0;

	for (size_t i = 1; ok && i < c->n; i++)
		ok = SSL_CTX_add1_chain_cert(ctx, c->chain[i]) > 0;
	return ok;
}

static SSL_CTX *context_open(const struct tls_signer *signer, const struct tls_identity *id,
	struct err *e)
{
	AUTO(private_key_end) EVP_PKEY *key = NULL;
	SSL_CTX *ctx;

	must(id->certificate->n > 0, "an identity without a certificate");
	if (!tls_key_open(X509_get0_pubkey(id->certificate->chain[0]), signer, id->key_id, &key, e))
		return NULL;
	ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx) {
		fail(e, FAULT_TEMP, "no memory for TLS");
	} else if (!context_secure(ctx) || !context_identify(ctx, id->certificate, key)) {
		const char *why = ERR_reason_error_string(ERR_peek_error());

		fail(e, FAULT_PERM, "the certificate cannot be used: %s", why ? why : "TLS");
		SSL_CTX_free(ctx);
		ctx = NULL;
	}
	ERR_clear_error();
	return ctx;
}

/* Who came first keeps a name that two claim. */
static void names_add(struct names *names, const struct certificate *c, SSL_CTX *ctx)
{
	for (size_t i = 0; i < c->n_names; i++) {
		struct str name = c->names[i];
		bool is_wild = str_starts(name, S("*."));
		struct map *m = is_wild ? &names->wild : &names->exact;

		name = is_wild ? str_from(name, 2) : name;
		if (!map_get(m, name))
			map_put(m, name, ctx);
	}
}

bool tls_server_set(struct tls_server *t, const struct tls_identity *list, size_t n, struct err *e)
{
	SSL_CTX *base;
	struct names *names;

	if (n == 0 || n > IDENTITIES_MAX)
		return fail(e, FAULT_PERM, "%zu certificates; 1 to %d can be used", n, IDENTITIES_MAX);
	base = context_open(t->signer, &list[0], e);
	if (!base)
		return false;
	names = calloc(1, sizeof(*names));
	must(names && SSL_CTX_set_ex_data(base, names_index, names), "no memory for the names");
	names->others = calloc(n, sizeof(SSL_CTX *));
	must(names->others, "no memory for the names");
	names_add(names, list[0].certificate, base);
	for (size_t i = 1; i < n; i++) {
		SSL_CTX *ctx = context_open(t->signer, &list[i], e);

		if (!ctx) {
			SSL_CTX_free(base);
			return false;
		}
		names->others[names->n++] = ctx;
		names_add(names, list[i].certificate, ctx);
	}
	SSL_CTX_set_tlsext_servername_callback(base, on_server_name);
	SSL_CTX_set_tlsext_servername_arg(base, names);
	SSL_CTX_free(t->base);
	t->base = base;
	return true;
}

struct ssl_st *tls_server_session(struct tls_server *t, int fd)
{
	SSL *ssl;

	ERR_clear_error();
	ssl = t->base ? SSL_new(t->base) : NULL;
	if (ssl && SSL_set_fd(ssl, fd)) {
		SSL_set_accept_state(ssl);
		return ssl;
	}
	SSL_free(ssl);
	ERR_clear_error();
	return NULL;
}

struct str tls_session_name(const struct ssl_st *ssl)
{
	struct str name = str_from_z(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));

	return host_name_valid(name) ? name : (struct str){ 0 };
}
