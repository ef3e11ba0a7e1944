/* imported.c — see imported.h. */
#include "store/imported.h"

#include "base/buf.h"
#include "base/time.h"
#include "store/shelf.h"

#include <errno.h>
#include <unistd.h>

/* What the map has for a key. */
static char here, gone;

enum imported_where imported_find(const struct imported *m, struct str key)
{
	void *where = map_get(&m->keys, key);

	return !where ? IMPORTED_NOWHERE : where == &gone ? IMPORTED_GONE : IMPORTED_HERE;
}

void imported_add(struct imported *m, struct str key)
{
	map_put(&m->keys, key, &here);
}

void imported_end(struct imported *m)
{
	map_end(&m->keys);
}

struct str imported_key(struct str name)
{
	struct str key = str_head(str_from(name, str_find_str(name, S(".I")) + 2), IMPORTED_KEY);

	for (size_t i = 0; i < key.n; i++)
		if (!ascii_is_digit(str_at(key, i)) && !(str_at(key, i) >= 'a' && str_at(key, i) <= 'f'))
			return S("");
	return key.n == IMPORTED_KEY ? key : S("");
}

bool imported_name(struct store *s, struct str key, int64_t date, struct buf *to, struct err *e)
{
	struct shelf *shelf = shelf_of(s, e);

	if (!shelf)
		return false;
	buf_addf(to, "%lld.I" STR_FMT "M%lldP%dQ%llu.%s", (long long)(date > 0 ? date : 0), STR_ARG(key),
		 (long long)(time_now() % SECOND), (int)getpid(), (unsigned long long)++shelf->names_made, shelf->host);
	return !to->full || fail(e, FAULT_PERM, "the name is too long");
}

/* ---- reading, in a thread ---- */

struct load_job {
	struct folder_visit v;
	struct dir_visit names;
	struct shelf *s;
	struct map *keys;
	void *where;
	struct err e;
	bool ok;
};

static bool load_name(struct dir_visit *v, struct str name)
{
	struct load_job *j = (struct load_job *)((char *)v - offsetof(struct load_job, names));
	struct str key = imported_key(name);

	if (key.n)
		map_put(j->keys, key, j->where);
	return true;
}

static void load_folder(struct folder_visit *v, const struct folder *f)
{
	struct load_job *j = (struct load_job *)v;
	struct err ignored;

	(void)dir_visit(f->new, false, &j->names, &ignored);
	(void)dir_visit(f->cur, false, &j->names, &ignored);
}

static void load_gone(struct load_job *j)
{
	AUTO(fd_end) int dir = -1;
	struct err ignored;
	int ours;

	j->where = &gone;
	if (shelf_ours(j->s, &ours, &ignored) && dir_open_at(ours, "gone", &dir, &ignored))
		(void)dir_visit(dir, false, &j->names, &ignored);
}

/* A letter that was copied and of which one copy is gone is here. */
static void load_run(void *arg)
{
	struct load_job *j = arg;

	load_gone(j);
	j->where = &here;
	j->ok = folders_visit(j->s->m->home, j->s->m->root, &j->v, &j->e);
}

SUSPENDS bool imported_load(struct store *s, struct imported *ret, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct load_job j = { .v.each = load_folder, .names.each = load_name, .s = shelf_of(s, e), .keys = &ret->keys };

	if (!j.s || !shelf_hold(&held, j.s, e))
		return false;
	off_loop(load_run, &j);
	if (!j.ok)
		*e = j.e;
	return j.ok;
}
