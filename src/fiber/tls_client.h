/* tls_client.h — the client's side of TLS: whom to believe.
 *
 * One context for all servers; what is demanded of one is said with each session.
 * Sessions are resumed under a key that the caller makes: who was believed on
 * other terms, or under another name, is asked anew.  The roots are replaced as a
 * whole. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct ssl_st;
struct tls_client;

enum tls_trust {
	TLS_TRUST_ANYBODY,       /* encrypted is enough; what the certificate is worth is still looked at */
	TLS_TRUST_ROOTS,         /* a chain to a root, and the name */
	TLS_TRUST_DANE,          /* trust/dane.h says; never resumed */
};

struct tls_client *tls_client_open(struct err *e);
void tls_client_close(struct tls_client *t);
/* PEM certificates; what cannot be read among them is passed over.  On failure all stays as it was. */
bool tls_client_set_roots(struct tls_client *t, struct str pem, size_t *ret_n, struct err *e);

/* For conn_start_tls_client().  host: what the server calls itself, a name or an address; resume: a key, or empty. */
struct ssl_st *tls_client_session(struct tls_client *t, struct str host, enum tls_trust trust, struct str resume,
				  struct err *e);
/* A session that no connection took. */
void tls_client_drop(struct ssl_st *ssl);
/* Fits the certificate the name and a root, or what DANE demanded? */
bool tls_client_is_verified(const struct ssl_st *ssl);
bool tls_client_is_resumed(const struct ssl_st *ssl);
/* Why not, as words; empty if it does. */
struct str tls_client_trouble(const struct ssl_st *ssl);
/* The server's chain for a person: a line for each certificate, separated by LF. */
void tls_client_print_chain(const struct ssl_st *ssl, struct buf *b);
