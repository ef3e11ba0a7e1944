/* account_memory.c — accounts in memory: for tests and throw-away servers. */
#include "user/account_engine.h"

#include <stdlib.h>

enum { BY_MAX = 64, NAME_MAX_BYTES = 320 };

struct entry {
	struct account account;  /* its slices point into text */
	char text[NAME_MAX_BYTES + BY_MAX];
	bool is_gone;            /* ids are not used twice: the place stays */
};

struct memory_store {
	struct account_store store;
	struct entry **entries;  /* entries[id - 1] */
	size_t n;
	struct entry *saved;     /* contents at begin, to go back to */
	size_t n_saved;
};

static struct memory_store *memory_of(struct account_store *s)
{
	return (struct memory_store *)(void *)s;
}

static struct entry *entry_of(struct memory_store *m, const struct account_name *name)
{
	for (size_t i = 0; i < m->n; i++) {
		struct entry *x = m->entries[i];

		if (!x->is_gone && str_eq(x->account.name.local, name->local) &&
		    str_eq(x->account.name.domain, name->domain))
			return x;
	}
	return NULL;
}

static void entry_free(struct entry *x)
{
	explicit_bzero(x, sizeof(*x));
	free(x);
}

static bool memory_begin(struct account_store *s, struct err *e)
{
	struct memory_store *m = memory_of(s);

	m->saved = calloc(m->n + 1, sizeof(*m->saved));
	if (!m->saved)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < m->n; i++)
		m->saved[i] = *m->entries[i];
	m->n_saved = m->n;
	return true;
}

static bool memory_end(struct account_store *s, bool keep, struct err *e)
{
	struct memory_store *m = memory_of(s);

	(void)e;
	if (!keep) {
		while (m->n > m->n_saved)
			entry_free(m->entries[--m->n]);
		for (size_t i = 0; i < m->n; i++)
			*m->entries[i] = m->saved[i];
	}
	explicit_bzero(m->saved, m->n_saved * sizeof(*m->saved));
	free(m->saved);
	m->saved = NULL;
	return true;
}

static struct str keep_text(struct entry *x, size_t *at, struct str s)
{
	struct str kept = str_of(x->text + *at, s.n);

	if (s.n)
		memcpy(x->text + *at, s.p, s.n);
	*at += s.n;
	return kept;
}

static bool add_entry(struct memory_store *m, const struct account *item, struct err *e)
{
	struct entry **more = realloc(m->entries, (m->n + 1) * sizeof(struct entry *));
	struct entry *x = calloc(1, sizeof(*x));
	size_t at = 0;

	if (more)
		m->entries = more;
	if (!more || !x || item->name.local.n + item->name.domain.n > NAME_MAX_BYTES ||
	    item->by.n > BY_MAX) {
		free(x);
		return fail(e, FAULT_PERM, "the account's name is too long");
	}
	x->account = *item;
	x->account.name.local = keep_text(x, &at, item->name.local);
	x->account.name.domain = keep_text(x, &at, item->name.domain);
	x->account.by = keep_text(x, &at, item->by);
	m->entries[m->n++] = x;
	x->account.id = (int64_t)m->n;
	return true;
}

static bool memory_change(struct account_store *s, enum account_change what,
			  const struct account *item, enum account_result *ret, struct err *e)
{
	struct memory_store *m = memory_of(s);
	struct entry *x = entry_of(m, &item->name);

	*ret = ACCOUNT_DONE;
	if (what == CHANGE_ADD) {
		if (!x)
			return add_entry(m, item, e);
		*ret = ACCOUNT_EXISTS;
		return true;
	}
	if (!x)
		*ret = ACCOUNT_MISSING;
	else if (what == CHANGE_PASSWORD)
		x->account.password = item->password;
	else if (what == CHANGE_REMOVE)
		x->is_gone = true;
	else
		x->account.is_disabled = what == CHANGE_DISABLE;
	return true;
}

static bool give(const struct entry *x, struct arena *a, struct account *ret, struct err *e)
{
	*ret = x->account;
	ret->name.local = arena_str(a, x->account.name.local);
	ret->name.domain = arena_str(a, x->account.name.domain);
	ret->by = arena_str(a, x->account.by);
	return a->full ? fail(e, FAULT_TEMP, "out of memory") : true;
}

static bool memory_find(struct account_store *s, const struct account_name *name, struct arena *a,
			struct account *ret, struct err *e)
{
	const struct entry *x = entry_of(memory_of(s), name);

	return x ? give(x, a, ret, e) : true;
}

static bool memory_list(struct account_store *s, struct str domain, int64_t after_id, size_t max,
			struct arena *a, struct account *ret, size_t *ret_n, struct err *e)
{
	struct memory_store *m = memory_of(s);
	size_t n = 0;

	for (size_t i = after_id > 0 ? (size_t)after_id : 0; i < m->n && n < max; i++) {
		const struct entry *x = m->entries[i];

		if (x->is_gone || (domain.n && !str_eq(domain, x->account.name.domain)))
			continue;
		if (!give(x, a, &ret[n++], e))
			return false;
	}
	*ret_n = n;
	return true;
}

static void memory_close(struct account_store *s)
{
	struct memory_store *m = memory_of(s);

	for (size_t i = 0; i < m->n; i++)
		entry_free(m->entries[i]);
	free(m->entries);
	free(m);
}

static const struct account_engine memory_engine = {
	.begin = memory_begin, .end = memory_end, .change = memory_change,
	.find = memory_find, .list = memory_list, .close = memory_close,
};

struct account_store *account_store_open_memory(struct err *e)
{
	struct memory_store *m = calloc(1, sizeof(*m));

	if (!m) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	m->store.engine = &memory_engine;
	return &m->store;
}
