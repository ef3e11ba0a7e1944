/* linux_accounts.c — what `pam` said about the names of Linux accounts.
 *
 * A yes holds a minute, a no ten seconds: strangers may ask for any name, and
 * each new one costs a process there. */
#include "role/user/user.h"

#include "base/log.h"
#include "user/linux_account.h"

#include <stdlib.h>

enum { CACHE_MAX = 4096 };
#define YES_HOLDS MINUTE
#define NO_HOLDS (10 * SECOND)
#define PATIENCE (15 * SECOND)           /* pam gives its child 10 s */

struct entry {
	int64_t until;
	bool exists;
	uint32_t uid, gid;
	char *home;
};

static struct map cache;                 /* name → struct entry */

static void entry_close(struct entry *x)
{
	if (x)
		free(x->home);
	free(x);
}

/* Those that no longer hold, or all. */
static void drop(bool all)
{
	int64_t now = time_mono();
	struct str name;
	void *value;

	for (size_t i = 0; map_next(&cache, &i, &name, &value);) {
		struct entry *x = value;

		if (all || x->until <= now) {
			map_remove(&cache, name);
			entry_close(x);
		}
	}
}

void linux_accounts_forget(void)
{
	drop(true);
}

enum known linux_accounts_know(const struct route_world *w, struct str name)
{
	const struct entry *x = map_get(&cache, name);

	(void)w;
	if (!linux_name_is_valid(name))
		return KNOWN_NO;
	if (!x || x->until <= time_mono())
		return KNOWN_NOT_YET;
	return x->exists ? KNOWN_YES : KNOWN_NO;
}

struct linux_home linux_accounts_home(struct str name)
{
	const struct entry *x = map_get(&cache, name);

	must(x && x->exists, "only a known Linux account has a home");
	return (struct linux_home){ x->uid, x->gid, str_from_z(x->home) };
}

static void remember(struct str name, const struct pam_account_answer *r, bool exists)
{
	struct entry *x = calloc(1, sizeof(*x));

	must(x, "out of memory for a Linux account");
	*x = (struct entry){ .until = time_mono() + (exists ? YES_HOLDS : NO_HOLDS), .exists = exists,
			     .uid = r->uid, .gid = r->gid, .home = strndup(r->home.n ? r->home.p : "", r->home.n) };
	must(x->home, "out of memory for a Linux account");
	if (cache.n >= CACHE_MAX)
		drop(false);
	if (cache.n >= CACHE_MAX)
		drop(true);
	entry_close(map_put(&cache, name, x));
}

SUSPENDS bool linux_accounts_ask(struct str name, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 65536 };
	struct pam_account_answer r = { 0 };
	struct err why = { 0 };
	bool exists;

	WITHIN(PATIENCE)
		if (!pam_account(link_to(ROLE_PAM), &(struct pam_account){ .name = name }, &r, &a, e))
			return fail_in(e, "the Linux account " STR_FMT, STR_ARG(name));
	exists = r.exists && linux_account_check(&(struct linux_account){ .name = name, .uid = r.uid, .gid = r.gid,
						 .home = r.home, .shell = r.shell }, name, &why);
	if (r.exists && !exists)
		log_info("linux-account", "name=%s why=%s next=\"it gets no mail here\"", LOGQ(name),
			 LOGQ(str_from_z(why.text)));
	remember(name, &r, exists);
	return true;
}
