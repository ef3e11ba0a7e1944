/* accounts.c — the accounts: in the database, and their names in memory.
 *
 * RCPT is answered from memory.  Each change goes to the database in a thread,
 * one at a time, and into memory when it is durable. */
#include "role/user/user.h"

#include "base/log.h"
#include "user/domain_name.h"
#include "wire/address.h"

#include <stdlib.h>

enum { LOAD_AT_ONCE = 1000, LIST_MAX = 500, LIST_BYTES = 40000 };

struct row {
	bool is_disabled;
	bool has_password;
	int64_t created;
};

static struct account_store *store;
static struct map rows;                  /* folded "local@domain" → struct row */
static bool is_busy;                     /* somebody works on the store */
static struct wait idle;
static struct str *sorted;               /* all names, until one comes or goes; they lie in sorted_in */
static size_t n_sorted;
static struct arena sorted_in = { .limit = SIZE_MAX };

static bool has_row(struct str key)
{
	return map_get(&rows, key) != NULL;
}

static bool exists(struct str key)
{
	return has_row(key) || world_has_user(key);
}

bool accounts_have(struct str local, struct str domain)
{
	AUTO(arena_end) struct arena a = { .limit = 4096 };
	struct str key = arena_printf(&a, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain));

	return !a.full && exists(key);
}

struct str accounts_first(void)
{
	struct str key, first = S("");
	int64_t oldest = INT64_MAX;
	void *value;

	for (size_t i = 0; map_next(&rows, &i, &key, &value);) {
		const struct row *r = value;

		if (r->created < oldest) {
			oldest = r->created;
			first = key;
		}
	}
	return first;
}

static void forget_sorted(void)
{
	free(sorted);
	sorted = NULL;
	n_sorted = 0;
	arena_end(&sorted_in);
	sorted_in = (struct arena){ .limit = SIZE_MAX };
}

/* -- one change ------------------------------------------------------------ */

struct change {
	enum { DO_ADD, DO_PASSWORD, DO_DISABLE, DO_REMOVE } what;
	struct account account;
	struct str key;
	struct str password;             /* empty: none */
	enum account_result result;
	bool ok;
	struct err err;
};

/* In a thread. */
static void change_work(void *arg)
{
	struct change *c = arg;
	struct account *x = &c->account;

	c->ok = false;
	if (c->password.n && !password_make(c->password, &x->password, &c->err))
		return;
	switch (c->what) {
	case DO_ADD:
		c->ok = account_add(store, x, 1, &c->result, &c->err);
		break;
	case DO_PASSWORD:
		c->ok = account_set_password(store, &x->name, &x->password, 1, &c->result, &c->err);
		break;
	case DO_DISABLE:
		c->ok = account_set_disabled(store, &x->name, 1, x->is_disabled, &c->result, &c->err);
		break;
	case DO_REMOVE:
		c->ok = account_remove(store, &x->name, 1, &c->result, &c->err);
		break;
	}
}

/* What is durable now is known in memory too. */
static void change_rows(const struct change *c)
{
	struct row *r = map_get(&rows, c->key);

	world_touch();
	if (c->what == DO_REMOVE) {
		free(map_remove(&rows, c->key));
		forget_sorted();
		return;
	}
	if (!r) {
		r = calloc(1, sizeof(*r));
		must(r, "out of memory for an account");
		r->created = c->account.created;
		map_put(&rows, c->key, r);
		forget_sorted();
	}
	if (c->what != DO_DISABLE && c->password.n)
		r->has_password = true;
	if (c->what == DO_ADD || c->what == DO_DISABLE)
		r->is_disabled = c->account.is_disabled;
}

/* The answer of the store is in c->result.  Changes come one after the other: each sees what the
 * one before has done. */
SUSPENDS static bool change_do(struct change *c, struct err *e)
{
	off_loop(change_work, c);
	password_record_end(&c->account.password);
	if (c->ok && c->result == ACCOUNT_DONE)
		change_rows(c);
	if (!c->ok)
		*e = c->err;
	return c->ok;
}

SUSPENDS static bool store_take(struct err *e)
{
	while (is_busy)
		if (!wait_on(&idle, "the accounts", e))
			return false;
	is_busy = true;
	return true;
}

static void store_give(void)
{
	is_busy = false;
	wait_wake(&idle);
}

/* -- what a person wrote --------------------------------------------------- */

static bool read_address(struct str s, struct change *ret, struct arena *a, struct err *e)
{
	struct account_name *name = &ret->account.name;
	struct smtp_path p;

	if (!address_parse(s, PATH_UTF8, a, &p) || p.domain.n == 0 || str_at(p.domain, 0) == '[')
		return fail(e, FAULT_PERM, "%s is no address; one is written NAME@DOMAIN", LOGQ(str_head(s, 60)));
	name->local = local_fold(p.local, a);
	if (!domain_fold(p.domain, a, &name->domain, e))
		return false;
	ret->key = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(name->local), STR_ARG(name->domain));
	return a->full ? fail(e, FAULT_TEMP, "out of memory") : true;
}

static const struct route_domain *alias_of(struct str domain)
{
	const struct route_world *w = world_now();

	for (size_t i = 0; i < w->n_domains; i++)
		for (size_t j = 0; j < w->domains[i].n_alias_domains; j++)
			if (str_eq(w->domains[i].alias_domains[j], domain))
				return &w->domains[i];
	return NULL;
}

/* May an account of this name be made? */
static bool check_new(const struct change *c, struct err *e)
{
	struct str domain = c->account.name.domain;
	const struct route_domain *d = alias_of(domain);

	if (d)
		return fail(e, FAULT_PERM, STR_FMT " is another name of " STR_FMT "; make the account there",
			    STR_ARG(domain), STR_ARG(d->name));
	if (!route_domain_is_ours(world_now(), domain))
		return fail(e, FAULT_PERM, STR_FMT " is not a domain of this server; \"domain " STR_FMT
			    "\" in the configuration makes it one", STR_ARG(domain), STR_ARG(domain));
	if (exists(c->key))
		return fail(e, FAULT_PERM, STR_FMT " exists already; waxwing user passwd changes its password",
			    STR_ARG(c->key));
	return true;
}

static bool check_exists(const struct change *c, struct err *e)
{
	if (exists(c->key))
		return true;
	return fail(e, FAULT_PERM, "there is no account " STR_FMT "; waxwing user add makes it", STR_ARG(c->key));
}

static void wipe(struct str password)
{
	if (password.n)
		explicit_bzero((void *)(uintptr_t)password.p, password.n);
}

static void log_change(const struct change *c, const char *what, struct str by)
{
	log_info("account", "address=%s what=%s by=%s", LOGQ(c->key), what, LOGQ(by));
}

/* -- what may be asked ----------------------------------------------------- */

SUSPENDS static bool add(struct change *c, struct err *e)
{
	c->what = DO_ADD;
	if (!password_check(c->password, e) || !check_new(c, e) || !change_do(c, e))
		return false;
	must(c->result == ACCOUNT_DONE, "the names in memory are those of the store");
	return true;
}

SUSPENDS static bool serve_add(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_add *q = question;
	struct change c = { .password = q->password, .account = { .created = time_now(), .by = q->by } };
	bool ok = read_address(q->address, &c, a, e) && store_take(e);

	(void)l, (void)answer;
	if (ok) {
		ok = add(&c, e);
		store_give();
	}
	wipe(q->password);
	if (ok)
		log_change(&c, "added", q->by);
	return ok;
}

/* An account that only the configuration names gets its row with its first password. */
SUSPENDS static bool passwd(struct change *c, struct err *e)
{
	if (!password_check(c->password, e) || !check_exists(c, e))
		return false;
	c->what = has_row(c->key) ? DO_PASSWORD : DO_ADD;
	if (!change_do(c, e))
		return false;
	must(c->result == ACCOUNT_DONE, "the names in memory are those of the store");
	return true;
}

SUSPENDS static bool serve_passwd(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_passwd *q = question;
	struct change c = { .password = q->password, .account = { .created = time_now(), .by = q->by } };
	bool ok = read_address(q->address, &c, a, e) && store_take(e);

	(void)l, (void)answer;
	if (ok) {
		ok = passwd(&c, e);
		store_give();
	}
	wipe(q->password);
	if (ok)
		log_change(&c, "password", q->by);
	return ok;
}

SUSPENDS static bool serve_remove(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_remove *q = question;
	struct change c = { .what = DO_REMOVE };
	bool ok;

	(void)l, (void)answer;
	if (!read_address(q->address, &c, a, e) || !store_take(e))
		return false;
	if (world_has_user(c.key))
		ok = fail(e, FAULT_PERM, STR_FMT " stands in the configuration; take its \"user\" away there first",
			  STR_ARG(c.key));
	else
		ok = check_exists(&c, e) && change_do(&c, e);
	store_give();
	if (ok)
		log_change(&c, "removed", q->by);
	return ok;
}

SUSPENDS static bool serve_disable(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_disable *q = question;
	struct change c = { .account = { .is_disabled = q->disabled, .created = time_now(), .by = q->by } };
	bool ok;

	(void)l, (void)answer;
	if (!read_address(q->address, &c, a, e) || !store_take(e))
		return false;
	c.what = has_row(c.key) ? DO_DISABLE : DO_ADD;
	ok = check_exists(&c, e) && change_do(&c, e);
	store_give();
	if (ok)
		log_change(&c, q->disabled ? "disabled" : "enabled", q->by);
	return ok;
}

/* -- the list -------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void add_sorted(struct str key)
{
	sorted[n_sorted++] = arena_str(&sorted_in, key);
}

static bool sort_names(struct err *e)
{
	size_t n_users = 0;
	struct str key;
	void *value;

	if (sorted)
		return true;
	for (size_t i = 0; world_next_user(&i, &key);)
		n_users++;
	sorted = calloc(rows.n + n_users + 1, sizeof(*sorted));
	if (!sorted)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; map_next(&rows, &i, &key, &value);)
		add_sorted(key);
	for (size_t i = 0; world_next_user(&i, &key);)
		if (!has_row(key))
			add_sorted(key);
	qsort(sorted, n_sorted, sizeof(*sorted), by_name);
	return true;
}

void accounts_configured(void)
{
	forget_sorted();
}

static size_t find_after(struct str after)
{
	size_t low = 0, high = n_sorted;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (str_cmp(sorted[mid], after) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return after.n ? low : 0;
}

static bool serve_list(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_list *q = question;
	struct user_list_answer *r = answer;
	size_t bytes = 0, i;

	(void)l;
	r->accounts.p = ARENA_ARRAY(a, struct ipc_account, LIST_MAX);
	if (!r->accounts.p)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!sort_names(e))
		return false;
	for (i = find_after(q->after); i < n_sorted && r->accounts.n < LIST_MAX && bytes < LIST_BYTES; i++) {
		const struct row *row = map_get(&rows, sorted[i]);
		struct ipc_account *x = &r->accounts.p[r->accounts.n++];

		*x = (struct ipc_account){ .address = arena_str(a, sorted[i]) };
		bytes += x->address.n;
		if (row) {
			x->disabled = row->is_disabled;
			x->has_password = row->has_password;
			x->created = row->created;
		}
	}
	r->more = i < n_sorted;
	return a->full ? fail(e, FAULT_TEMP, "out of memory") : true;
}

/* -- life ------------------------------------------------------------------ */

/* Before the rights are given up nobody waits: the database is read at once. */
static bool load(struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct account *list = ARENA_ARRAY(&a, struct account, LOAD_AT_ONCE);
	struct arena_mark mark = arena_mark(&a);
	size_t n = LOAD_AT_ONCE;
	int64_t last = 0;

	for (; n == LOAD_AT_ONCE; arena_rewind(&a, mark)) {
		if (!account_list(store, S(""), last, LOAD_AT_ONCE, &a, list, &n, e))
			return false;
		for (size_t i = 0; i < n; i++) {
			struct account *x = &list[i];
			struct row *r = calloc(1, sizeof(*r));
			struct str key = arena_printf(&a, STR_FMT "@" STR_FMT, STR_ARG(x->name.local),
						      STR_ARG(x->name.domain));

			if (!r || a.full) {
				free(r);
				return fail(e, FAULT_TEMP, "out of memory for the accounts");
			}
			*r = (struct row){ x->is_disabled, x->password.hash[0] != '\0', x->created };
			password_record_end(&x->password);
			map_put(&rows, key, r);
			last = x->id;
		}
	}
	return true;
}

bool accounts_open(struct err *e)
{
	ipc_serve(IPC_user_add, serve_add);
	ipc_serve(IPC_user_passwd, serve_passwd);
	ipc_serve(IPC_user_remove, serve_remove);
	ipc_serve(IPC_user_disable, serve_disable);
	ipc_serve(IPC_user_list, serve_list);
	store = account_store_open("db/user", e);
	return store && load(e);
}
