/* tls.h — the server's side of TLS: which certificate, which versions and ciphers.
 *
 * TLS 1.2 and 1.3, forward secrecy and AEAD only.  Nothing is resumed (no
 * tickets, no cache), so nothing learnt on one listener opens another.  A set of
 * certificates is replaced as a whole; sessions keep the one they began with. */
#pragma once

#include "base/err.h"

struct certificate;
struct ssl_st;
struct tls_server;
struct tls_signer;

/* One certificate and the number under which `keys` has its key. */
struct tls_identity {
	const struct certificate *certificate;
	uint32_t key_id;
};

/* signer outlives the server and all its sessions. */
struct tls_server *tls_server_open(const struct tls_signer *signer);
/* Sessions go on. */
void tls_server_close(struct tls_server *t);
/* From the next session on use these; the first is the default, taken when no name or no known
 * name is asked for.  An exact name goes before a wildcard.  Nothing of `list` is kept.
 * On failure all stays as it was. */
bool tls_server_set(struct tls_server *t, const struct tls_identity *list, size_t n, struct err *e);
bool tls_server_is_set(const struct tls_server *t);

/* For conn.c: a session over fd that has not shaken hands, or NULL. */
struct ssl_st *tls_server_session(struct tls_server *t, int fd);
/* The server name the client asked for if it is a well-formed host name, else empty. */
struct str tls_session_name(const struct ssl_st *ssl);
