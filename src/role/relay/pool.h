/* pool.h — conversations that may carry another letter, and how many there are with one server.
 *
 * Sessions are kept by a key that says all that must be the same: address, TLS (with
 * the TLSA records in force) and credentials.  A server that is busy with POOL_HOST_MAX of ours lets further
 * letters wait. */
#pragma once

#include "role/relay/peer.h"

#define POOL_IDLE (10 * SECOND)
#define POOL_AGE (5 * MINUTE)
#define POOL_WAIT (2 * MINUTE)
#define POOL_NO_TLS (HOUR)

enum {
	POOL_HOST_MAX = 20,      /* conversations with one address, of this process */
	POOL_IDLE_MAX = 500,     /* that wait for a letter */
	POOL_LETTERS_MAX = 100,  /* over one conversation */
	POOL_KEY_MAX = 700,
};

struct pool_host;

struct pooled {
	struct peer s;
	struct pool_host *host;
	struct pooled *prev, *next;      /* while idle */
	int64_t since, idle_since;
	char key[POOL_KEY_MAX];
	size_t key_n;
};

/* One that waits, or NULL. */
struct pooled *pool_take(struct str key);
/* A new one, once the server has room for it: its session is still to be opened. */
SUSPENDS struct pooled *pool_new(struct str address, struct str key, struct err *e);
/* It carried its letter: it waits for the next one, or says goodbye. */
SUSPENDS void pool_give(struct pooled *p);

/* A server whose TLS does not work is spared the attempt for a while. */
bool pool_avoids_tls(struct str address);
void pool_avoid_tls(struct str address);
/* All that wait say goodbye. */
SUSPENDS void pool_close(void);
