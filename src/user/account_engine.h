/* account_engine.h — what an engine behind account.h must do: one item at a time, between
 * begin and end. */
#pragma once

#include "user/account.h"

enum account_change { CHANGE_ADD, CHANGE_PASSWORD, CHANGE_DISABLE, CHANGE_ENABLE, CHANGE_REMOVE };

struct account_engine {
	bool (*begin)(struct account_store *s, struct err *e);
	/* With keep false all since begin is undone. */
	bool (*end)(struct account_store *s, bool keep, struct err *e);
	bool (*change)(struct account_store *s, enum account_change what,
		       const struct account *item, enum account_result *ret, struct err *e);
	bool (*find)(struct account_store *s, const struct account_name *name, struct arena *a,
		     struct account *ret, struct err *e);
	bool (*list)(struct account_store *s, struct str domain, int64_t after_id, size_t max,
		     struct arena *a, struct account *ret, size_t *ret_n, struct err *e);
	void (*close)(struct account_store *s);
};

/* The first member of each engine's store. */
struct account_store {
	const struct account_engine *engine;
};
