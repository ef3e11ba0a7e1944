/* auth_cache.h — passwords that were right a while ago, so that they need not be hashed again.
 *
 * Kept is no password and no hash of one that could be tried elsewhere: an HMAC under a key of
 * this process, over who was asked (backend and service), the account, and the password.  Time
 * is a parameter (monotonic microseconds). */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct auth_cache;

/* NULL: no memory. */
struct auth_cache *auth_cache_open(void);
void auth_cache_close(struct auth_cache *c);

/* Of which account's password, asked of whom.  Each part counts with its length. */
struct auth_cache_key {
	struct str backend;      /* "internal", or "pam" and its service */
	struct str account;
	struct str password;
};
bool auth_cache_has(struct auth_cache *c, const struct auth_cache_key *k, int64_t now);
/* At most `max` are kept: the one that ends first gives way. */
void auth_cache_put(struct auth_cache *c, const struct auth_cache_key *k, int64_t until, size_t max);
/* Its password changed, or it may not log in any more. */
void auth_cache_forget(struct auth_cache *c, struct str account);
void auth_cache_clear(struct auth_cache *c);
size_t auth_cache_size(const struct auth_cache *c);
