/* account.c — batches over an engine; see account.h. */
#include "user/account_engine.h"

static bool change_all(struct account_store *s, enum account_change what,
		       const struct account *items, size_t n, enum account_result *results,
		       struct err *e)
{
	struct err ignored = { 0 };

	if (n > ACCOUNT_BATCH_MAX)
		return fail(e, FAULT_PERM, "more than %d accounts at once", ACCOUNT_BATCH_MAX);
	if (!s->engine->begin(s, e))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!s->engine->change(s, what, &items[i], &results[i], e)) {
			s->engine->end(s, false, &ignored);
			return false;
		}
	return s->engine->end(s, true, e);
}

static bool change_names(struct account_store *s, enum account_change what,
			 const struct account_name *names, const struct password_record *passwords,
			 size_t n, enum account_result *results, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = (ACCOUNT_BATCH_MAX + 1) * sizeof(struct account) };
	struct account *items;
	bool ok;

	if (n > ACCOUNT_BATCH_MAX)
		return fail(e, FAULT_PERM, "more than %d accounts at once", ACCOUNT_BATCH_MAX);
	items = ARENA_ARRAY(&a, struct account, n);
	if (!items)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < n; i++) {
		items[i].name = names[i];
		if (passwords)
			items[i].password = passwords[i];
	}
	ok = change_all(s, what, items, n, results, e);
	explicit_bzero(items, n * sizeof(*items));
	return ok;
}

bool account_add(struct account_store *s, const struct account *list, size_t n,
		 enum account_result *results, struct err *e)
{
	return change_all(s, CHANGE_ADD, list, n, results, e);
}

bool account_set_password(struct account_store *s, const struct account_name *names,
			  const struct password_record *passwords, size_t n,
			  enum account_result *results, struct err *e)
{
	return change_names(s, CHANGE_PASSWORD, names, passwords, n, results, e);
}

bool account_set_disabled(struct account_store *s, const struct account_name *names, size_t n,
			  bool is_disabled, enum account_result *results, struct err *e)
{
	return change_names(s, is_disabled ? CHANGE_DISABLE : CHANGE_ENABLE, names, NULL, n,
			    results, e);
}

bool account_remove(struct account_store *s, const struct account_name *names, size_t n,
		    enum account_result *results, struct err *e)
{
	return change_names(s, CHANGE_REMOVE, names, NULL, n, results, e);
}

bool account_find(struct account_store *s, const struct account_name *names, size_t n,
		  struct arena *a, struct account *ret, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct account){ 0 };
		if (!s->engine->find(s, &names[i], a, &ret[i], e))
			return false;
	}
	return true;
}

bool account_list(struct account_store *s, struct str domain, int64_t after_id, size_t max,
		  struct arena *a, struct account *ret, size_t *ret_n, struct err *e)
{
	return s->engine->list(s, domain, after_id, max, a, ret, ret_n, e);
}

void account_store_close(struct account_store *s)
{
	if (s)
		s->engine->close(s);
}

struct str account_result_text(const char *verb, const struct account_name *name,
			       enum account_result r, struct arena *a)
{
	const char *what = r == ACCOUNT_EXISTS ? "exists already" :
			   r == ACCOUNT_MISSING ? "does not exist" : verb;
	bool is_removed = r == ACCOUNT_DONE && strcmp(verb, "removed") == 0;

	return arena_printf(a, "account " STR_FMT "@" STR_FMT " %s%s", STR_ARG(name->local),
			    STR_ARG(name->domain), what,
			    is_removed ? "; its mail stays on the disk" : "");
}
