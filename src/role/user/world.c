/* world.c — the configuration in the form in which addresses are routed.
 *
 * Of several files of one kind the first that has a key holds; their lines are
 * gathered in one map for that. */
#include "role/user/user.h"

#include "base/log.h"
#include "base/time.h"
#include "user/domain_name.h"
#include "wire/address.h"

#include <stdlib.h>

enum { WORLD_ARENA = 64 << 20 };

struct world {
	struct route_world w;            /* first: found from the pointer */
	struct arena a;
	struct map users;                /* folded "local@domain", or a Linux name → struct conf_user, in a */
	struct conf_rate per_account;
	struct address_file **gathered;  /* ours: their lines belong to snapshots */
	size_t n_gathered;
	bool is_incomplete;
};

static struct world *now;
static uint64_t epoch;

uint64_t world_epoch(void)
{
	return epoch;
}

void world_touch(void)
{
	/* counted up from the time of the first, so that no process gives a number of one before it */
	epoch = epoch ? epoch + 1 : (uint64_t)time_now();
}

bool world_is_built(void)
{
	return now != NULL;
}

const struct route_world *world_now(void)
{
	return &now->w;
}

bool world_has_user(struct str key)
{
	return str_has(key, '@') && map_get(&now->users, key) != NULL;
}

bool world_next_user(size_t *i, struct str *key)
{
	void *value;

	while (map_next(&now->users, i, key, &value))
		if (str_has(*key, '@'))
			return true;
	return false;
}

bool world_rights(struct str account, struct arena *a, struct sender_rights *ret)
{
	const struct conf_user *u = account.n ? map_get(&now->users, account) : NULL;

	return sender_rights_copy(u, &now->per_account, a, ret);
}

bool world_only_sends(struct str account)
{
	const struct conf_user *u = account.n ? map_get(&now->users, account) : NULL;

	return u && u->kind != CONF_USER_FULL;
}

bool world_is_incomplete(void)
{
	return now->is_incomplete;
}

static enum known account_exists(const struct route_world *w, struct str local, struct str domain)
{
	AUTO(arena_end) struct arena a = { .limit = 4096 };
	struct str key = arena_printf(&a, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain));

	(void)w;
	return accounts_have(local, domain) && !world_only_sends(key) ? KNOWN_YES : KNOWN_NO;
}

/* Of the configuration, else of the database. */
static struct str first_account(const struct route_world *w)
{
	const struct conf_users *users = &conf_now()->users;

	(void)w;
	for (size_t i = 0; i < users->n; i++)
		if (str_has(users->p[i].name, '@') && users->p[i].kind == CONF_USER_FULL)
			return users->p[i].name;
	return accounts_first();
}

static void world_close(struct world *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->n_gathered; i++)
		map_end(&x->gathered[i]->lines);
	map_end(&x->users);
	arena_end(&x->a);
	free(x);
}

/* One file that answers for all of these. */
static const struct address_file *gather(struct world *x, const struct address_file **files, size_t n)
{
	struct address_file *all = ARENA_NEW(&x->a, struct address_file);
	struct str key;
	void *line;

	if (!all)
		return NULL;
	for (size_t f = 0; f < n; f++)
		for (size_t i = 0; files[f] && map_next(&files[f]->lines, &i, &key, &line);)
			if (!map_get(&all->lines, key))
				map_put(&all->lines, key, line);
	x->gathered[x->n_gathered++] = all;
	return all;
}

static const struct address_file *find_files(struct world *x, const char *what, struct str domain,
					     const struct str *paths, size_t n)
{
	const struct address_file **files = ARENA_ARRAY(&x->a, const struct address_file *, n + 1);

	for (size_t i = 0; files && i < n; i++)
		files[i] = files_find(str_from_z(what), domain, paths[i], &x->is_incomplete);
	if (!files || n == 0)
		return NULL;
	return n == 1 ? files[0] : gather(x, files, n);
}

static const struct address_file *find_named(struct world *x, const char *what, struct str domain,
					     const struct conf_names *names)
{
	struct str *paths = ARENA_ARRAY(&x->a, struct str, names->n + 1);

	for (size_t i = 0; paths && i < names->n; i++)
		paths[i] = names->p[i].text;
	return paths ? find_files(x, what, domain, paths, names->n) : NULL;
}

static const struct address_file *find_aliases(struct world *x, const struct conf_aliases_list *list)
{
	struct str *paths = ARENA_ARRAY(&x->a, struct str, list->n + 1);
	size_t n = 0;

	for (size_t i = 0; paths && i < list->n; i++)
		if (list->p[i].path.n)
			paths[n++] = list->p[i].path;
	return paths ? find_files(x, "aliases", S(""), paths, n) : NULL;
}

/* "local@domain", folded. */
static bool fold_address(struct world *x, struct str from, struct str *ret, struct err *e)
{
	size_t at = str_rfind(from, '@');
	struct str local = local_fold(str_head(from, at), &x->a), domain;

	*ret = S("");
	if (!from.n)
		return true;
	if (!domain_fold(str_from(from, at + 1), &x->a, &domain, e))
		return false;
	*ret = arena_printf(&x->a, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain));
	return true;
}

static bool add_domain(struct world *x, const struct conf_domain *from, struct route_domain *to, struct err *e)
{
	struct str *also = ARENA_ARRAY(&x->a, struct str, from->alias_domains.n + 1);

	if (!also)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!domain_fold(from->name, &x->a, &to->name, e))
		return false;
	for (size_t i = 0; i < from->alias_domains.n; i++)
		if (!domain_fold(from->alias_domains.p[i].text, &x->a, &also[i], e))
			return false;
	to->alias_domains = also;
	to->n_alias_domains = from->alias_domains.n;
	to->users_file = find_named(x, "users", from->name, &from->user_files);
	to->domains_file = find_named(x, "domains", from->name, &from->domain_files);
	if (!fold_address(x, from->dmarc_reports, &to->dmarc_reports, e))
		return false;
	to->catch_all = arena_str(&x->a, from->catch_all);
	to->has_linux_accounts = from->accounts == CONF_ACCOUNTS_LINUX;
	to->has_others = from->others.host.n > 0;
	return true;
}

static bool add_domains(struct world *x, const struct conf *c, struct err *e)
{
	struct route_domain *list = ARENA_ARRAY(&x->a, struct route_domain, c->domains.n + 1);

	if (!list)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < c->domains.n; i++)
		if (!add_domain(x, &c->domains.p[i], &list[i], e))
			return false;
	x->w.domains = list;
	x->w.n_domains = c->domains.n;
	return true;
}

/* The configuration may go before the world that was made of it. */
static struct conf_user *keep_user(struct world *x, const struct conf_user *from)
{
	struct conf_user *u = ARENA_NEW(&x->a, struct conf_user);
	struct conf_sender *list = ARENA_ARRAY(&x->a, struct conf_sender, from->may_send_as.n + 1);

	if (!u || !list)
		return NULL;
	*u = *from;
	u->name = arena_str(&x->a, from->name);
	for (size_t i = 0; i < from->may_send_as.n; i++)
		list[i] = (struct conf_sender){ from->may_send_as.p[i].kind, arena_str(&x->a, from->may_send_as.p[i].text) };
	u->may_send_as.p = list;
	return x->a.full ? NULL : u;
}

static bool add_users(struct world *x, const struct conf *c, struct err *e)
{
	for (size_t i = 0; i < c->users.n; i++) {
		AUTO(arena_end) struct arena a = { .limit = 16384 };
		struct conf_user *u = keep_user(x, &c->users.p[i]);
		struct smtp_path p;
		struct str domain, local, key;

		if (!u)
			return fail(e, FAULT_TEMP, "out of memory");
		if (!str_has(u->name, '@')) {
			map_put(&x->users, u->name, u);
			continue;
		}
		if (!address_parse(u->name, PATH_UTF8, &a, &p))
			return fail(e, FAULT_PERM, "user %s is no address", LOGQ(u->name));
		if (!domain_fold(p.domain, &a, &domain, e))
			return false;
		local = local_fold(p.local, &a);
		key = arena_printf(&a, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain));
		if (a.full)
			return fail(e, FAULT_TEMP, "out of memory");
		map_put(&x->users, key, u);
	}
	return true;
}

static bool asks_linux(const struct conf *c)
{
	for (size_t i = 0; i < c->auth.backends.n; i++)
		if (c->auth.backends.p[i].kind == CONF_BACKEND_PAM)
			return true;
	for (size_t i = 0; i < c->domains.n; i++)
		if (c->domains.p[i].accounts == CONF_ACCOUNTS_LINUX)
			return true;
	return false;
}

static bool fill(struct world *x, const struct conf *c, struct err *e)
{
	struct route_world *w = &x->w;

	/* two for each block and three for what stands outside */
	x->gathered = ARENA_ARRAY(&x->a, struct address_file *, 2 * c->domains.n + 3);
	if (!x->gathered)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!domain_fold(c->hostname, &x->a, &w->hostname, e) || !add_domains(x, c, e) || !add_users(x, c, e))
		return false;
	x->per_account = c->submission.per_account;
	w->contact = arena_str(&x->a, c->contact);
	w->is_satellite = conf_is_satellite(c);
	w->subaddress = c->subaddress;
	w->domains_file = find_named(x, "domains", S(""), &c->domain_files);
	w->users_file = find_named(x, "users", S(""), &c->user_files);
	w->aliases_file = find_aliases(x, &c->aliases);
	w->account_exists = account_exists;
	w->first_account = first_account;
	w->linux_exists = asks_linux(c) ? linux_accounts_know : NULL;
	return x->a.full ? fail(e, FAULT_TEMP, "out of memory for the domains") : true;
}

bool world_build(struct err *e)
{
	struct world *x = calloc(1, sizeof(*x));

	if (!x)
		return fail(e, FAULT_TEMP, "out of memory");
	x->a.limit = WORLD_ARENA;
	if (!fill(x, conf_now(), e)) {
		world_close(x);
		return false;
	}
	world_close(now);
	now = x;
	world_touch();
	files_sweep();
	return true;
}
