/* app_passwords.c — further passwords of an account, one for each program or device.
 *
 * One is four times four random letters, shown once.  It is made under the salt of the account's
 * own password, so that a SCRAM client may use any of them. */
#include "role/user/user.h"

#include "base/log.h"
#include "base/rnd.h"
#include "user/domain_name.h"
#include "wire/address.h"

#include <stdlib.h>

enum { GROUPS = 4, LETTERS = 4 };
#define USED_FRESH HOUR          /* the last use is written again only when it is older */

/* No l and o: 24^16 is 73 bits. */
static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz";

static struct map counts;                /* account → how many, as a pointer */

struct work {
	enum { WORK_ADD, WORK_FIND, WORK_REMOVE, WORK_USED } what;
	struct access_store *store;
	struct app_password item;
	struct str password;             /* of the new one */
	struct arena *a;
	struct app_password *list;
	size_t n_list;
	uint32_t n;
	bool exists, ok;
	struct err err;
};

/* In a thread. */
static void do_work(void *arg)
{
	struct work *w = arg;
	const struct scram_verifier *v = &w->item.verifier;

	switch (w->what) {
	case WORK_ADD:
		w->ok = scram_verifier_make(w->password, v->salt, v->iterations, &w->item.verifier, &w->err) &&
			app_password_add(w->store, &w->item, &w->exists, &w->err);
		break;
	case WORK_FIND:
		w->ok = app_passwords(w->store, w->item.account, 0, w->a, w->list, &w->n_list, &w->err);
		break;
	case WORK_REMOVE:
		w->ok = app_password_remove(w->store, w->item.account, w->item.label, &w->n, &w->err);
		break;
	case WORK_USED:
		w->ok = app_password_used(w->store, w->item.id, time_now(), &w->err);
		break;
	}
}

SUSPENDS static bool work(struct work *w, struct err *e)
{
	if (!access_take(&w->store, e))
		return false;
	off_loop(do_work, w);
	access_give();
	if (!w->ok)
		*e = w->err;
	return w->ok;
}

static size_t count_of(struct str account)
{
	return (size_t)(uintptr_t)map_get(&counts, account);
}

static void set_count(struct str account, size_t n)
{
	if (n)
		map_put(&counts, account, (void *)(uintptr_t)n);
	else
		map_remove(&counts, account);
}

bool app_passwords_has(struct str account)
{
	return count_of(account) > 0;
}

bool app_passwords_find(struct str account, struct arena *a, struct app_password **ret, size_t *ret_n, struct err *e)
{
	struct work w = { .what = WORK_FIND, .item = { .account = account }, .a = a,
			  .list = ARENA_ARRAY(a, struct app_password, APP_PASSWORDS_MAX) };

	if (!w.list)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!work(&w, e))
		return false;
	*ret = w.list;
	*ret_n = w.n_list;
	return true;
}

void app_passwords_note_use(const struct app_password *p)
{
	struct work w = { .what = WORK_USED, .item = { .id = p->id } };
	struct err e;

	if (time_now() - p->last_used > USED_FRESH)
		work(&w, &e);            /* the next login tries again */
}

bool app_passwords_forget(struct str account, struct err *e)
{
	struct work w = { .what = WORK_REMOVE, .item = { .account = account } };

	if (!app_passwords_has(account))
		return true;
	if (!work(&w, e))
		return false;
	set_count(account, 0);
	return true;
}

/* -- commands -------------------------------------------------------------- */

static struct str make_password(struct arena *a)
{
	char *p = arena_alloc(a, 1, GROUPS * (LETTERS + 1));
	size_t n = 0;

	if (!p)
		return S("");
	for (int g = 0; g < GROUPS; g++) {
		if (g)
			p[n++] = '-';
		for (int i = 0; i < LETTERS; i++)
			p[n++] = alphabet[rnd_below(sizeof(alphabet) - 1)];
	}
	return str_of(p, n);
}

SUSPENDS bool account_key(struct str address, struct arena *a, struct account_name *name, struct str *ret, struct err *e)
{
	struct smtp_path p;

	if (!str_has(address, '@')) {
		*name = (struct account_name){ .local = address };
		*ret = address;
		if (linux_accounts_know(NULL, address) != KNOWN_YES && !linux_accounts_ask(address, e))
			return false;
		return linux_accounts_know(NULL, address) == KNOWN_YES ||
		       fail(e, FAULT_PERM, "there is no Linux account %s", LOGQ(str_head(address, 60)));
	}
	if (!address_parse(address, PATH_UTF8, a, &p))
		return fail(e, FAULT_PERM, "%s is no address; one is written NAME@DOMAIN", LOGQ(str_head(address, 60)));
	name->local = local_fold(p.local, a);
	if (!domain_fold(p.domain, a, &name->domain, e))
		return false;
	if (!accounts_have(name->local, name->domain))
		return fail(e, FAULT_PERM, "there is no account %s", LOGQ(str_head(address, 60)));
	*ret = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(name->local), STR_ARG(name->domain));
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

static bool is_label(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) < 0x20 || str_at(s, i) == 0x7f)
			return false;
	return s.n > 0 && s.n <= APP_LABEL_MAX;
}

/* The salt of the account's password, of its other app passwords, or a new one. */
SUSPENDS static bool choose_salt(const struct account_name *name, struct str key, struct arena *a,
				 struct scram_verifier *ret, struct err *e)
{
	struct app_password *list;
	struct account x = { 0 };
	size_t n;

	if (name->domain.n && !accounts_find(name, a, &x, e))
		return false;
	*ret = x.password.scram;
	password_record_end(&x.password);
	if (!ret->iterations) {
		if (!app_passwords_find(key, a, &list, &n, e))
			return false;
		if (n)
			*ret = list[0].verifier;
	}
	if (!ret->iterations) {
		rnd_bytes(ret->salt, sizeof(ret->salt));
		ret->iterations = SCRAM_ITERATIONS;
	}
	return true;
}

SUSPENDS static bool serve_add(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_app_password *q = question;
	struct user_app_password_answer *r = answer;
	struct work w = { .what = WORK_ADD, .item = { .label = q->label, .created = time_now(), .by = q->by } };
	struct account_name name = { 0 };
	bool ok;

	(void)l;
	if (!account_key(q->address, a, &name, &w.item.account, e))
		return false;
	if (!is_label(q->label))
		return fail(e, FAULT_PERM, "a label is 1 to %d printable bytes, like \"phone\"", APP_LABEL_MAX);
	if (count_of(w.item.account) >= APP_PASSWORDS_MAX)
		return fail(e, FAULT_PERM, STR_FMT " has %d app passwords already", STR_ARG(w.item.account), APP_PASSWORDS_MAX);
	w.password = make_password(a);
	ok = choose_salt(&name, w.item.account, a, &w.item.verifier, e) && work(&w, e);
	explicit_bzero(&w.item.verifier, sizeof(w.item.verifier));
	if (!ok)
		return false;
	if (w.exists)
		return fail(e, FAULT_PERM, STR_FMT " has an app password %s already; remove it first",
			    STR_ARG(w.item.account), LOGQ(q->label));
	set_count(w.item.account, count_of(w.item.account) + 1);
	logins_changed(w.item.account);
	log_info("account", "address=%s what=\"app password\" label=%s by=%s", LOGQ(w.item.account), LOGQ(q->label), LOGQ(q->by));
	r->password = w.password;
	return true;
}

SUSPENDS static bool serve_list(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_app_passwords *q = question;
	struct user_app_passwords_answer *r = answer;
	struct account_name name = { 0 };
	struct app_password *list;
	struct str key;
	size_t n;

	(void)l;
	if (!account_key(q->address, a, &name, &key, e) || !app_passwords_find(key, a, &list, &n, e))
		return false;
	r->passwords.p = ARENA_ARRAY(a, struct ipc_app_password, n + 1);
	if (!r->passwords.p)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < n; i++)
		r->passwords.p[r->passwords.n++] = (struct ipc_app_password){
			.label = list[i].label, .created = list[i].created, .by = list[i].by, .last_used = list[i].last_used };
	return true;
}

SUSPENDS static bool serve_end(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_app_password_end *q = question;
	struct user_app_password_end_answer *r = answer;
	struct work w = { .what = WORK_REMOVE, .item = { .label = q->label } };
	struct account_name name = { 0 };

	(void)l;
	if (!account_key(q->address, a, &name, &w.item.account, e))
		return false;
	if (!is_label(q->label))
		return fail(e, FAULT_PERM, "which one? waxwing user app-password list %s says", LOGQ(q->address));
	if (!work(&w, e))
		return false;
	if (!w.n)
		return fail(e, FAULT_PERM, STR_FMT " has no app password %s", STR_ARG(w.item.account), LOGQ(q->label));
	set_count(w.item.account, count_of(w.item.account) - w.n);
	logins_changed(w.item.account);
	log_info("account", "address=%s what=\"app password removed\" label=%s by=%s", LOGQ(w.item.account), LOGQ(q->label),
		 LOGQ(q->by));
	r->n = w.n;
	return true;
}

/* Before the rights are given up nobody waits: the database is read at once. */
SUSPENDS static bool load(struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct arena_mark mark = arena_mark(&a);
	struct access_store *store;
	struct app_password *list;
	size_t n = APP_PASSWORDS_MAX;
	int64_t last = 0;
	bool ok = access_take(&store, e);

	for (; ok && n == APP_PASSWORDS_MAX; arena_rewind(&a, mark)) {
		list = ARENA_ARRAY(&a, struct app_password, APP_PASSWORDS_MAX);
		ok = list && app_passwords(store, S(""), last, &a, list, &n, e);
		for (size_t i = 0; ok && i < n; i++) {
			set_count(list[i].account, count_of(list[i].account) + 1);
			last = list[i].id;
		}
	}
	access_give();
	return ok;
}

SUSPENDS bool app_passwords_open(struct err *e)
{
	ipc_serve(IPC_user_app_password, serve_add);
	ipc_serve(IPC_user_app_passwords, serve_list);
	ipc_serve(IPC_user_app_password_end, serve_end);
	return load(e);
}
