/* files.c — the snapshots of the operator's address files.
 *
 * The parent opens and watches; a new descriptor replaces the snapshot as a
 * whole.  A file that is missing is empty.  One that cannot be read at all
 * keeps the snapshot that was there. */
#include "role/user/user.h"

#include "base/fd.h"
#include "base/log.h"

#include <stdlib.h>

enum { FAULTS_TOLD = 20 };

struct slot {
	struct address_file *snapshot;   /* NULL: never read */
	uint64_t asked;                  /* the number of the last descriptor that came */
	bool is_used;
};

/* What is read from one descriptor. */
struct reading {
	enum address_file_kind kind;
	struct str key, path;
	int fd;                          /* -1: there is no such file */
	uint64_t number;
	struct arena a;
	struct address_file *ret;
	struct err err;
};

static struct map slots;                 /* what, domain, path → struct slot */
static bool has_threads;
static uint64_t n_asked;

void files_use_threads(void)
{
	has_threads = true;
}

bool files_have_threads(void)
{
	return has_threads;
}

static struct str key_of(struct arena *a, struct str what, struct str domain, struct str path)
{
	return arena_printf(a, STR_FMT "\x1f" STR_FMT "\x1f" STR_FMT, STR_ARG(what), STR_ARG(domain), STR_ARG(path));
}

static struct slot *slot_of(struct str key)
{
	struct slot *s = map_get(&slots, key);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	must(s, "out of memory for an address file");
	s->is_used = true;
	map_put(&slots, key, s);
	return s;
}

const struct address_file *files_find(struct str what, struct str domain, struct str path, bool *incomplete)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct slot *s = slot_of(key_of(&a, what, domain, path));

	s->is_used = true;
	if (!s->snapshot)
		*incomplete = true;
	return s->snapshot;
}

void files_sweep(void)
{
	struct str key;
	void *value;

	for (size_t i = 0; map_next(&slots, &i, &key, &value);) {
		struct slot *s = value;

		if (s->is_used) {
			s->is_used = false;
			continue;
		}
		map_remove(&slots, key);
		address_file_close(s->snapshot);
		free(s);
	}
}

/* -- reading --------------------------------------------------------------- */

/* May run in a thread. */
static void read_file(void *arg)
{
	struct reading *r = arg;

	if (r->fd < 0)
		r->ret = address_file_parse(r->kind, r->path, S(""), &r->err);
	else
		r->ret = address_file_read(r->kind, r->path, r->fd, &r->err);
}

static void tell_faults(const struct address_file *f)
{
	size_t n = f->n_faults < FAULTS_TOLD ? f->n_faults : FAULTS_TOLD;

	for (size_t i = 0; i < n; i++)
		log_warn("file", "path=%s line=%u why=%s", LOGQ(f->name), f->faults[i].line,
			 LOGQ(str_from_z(f->faults[i].text)));
	if (f->n_faults_all > n)
		log_warn("file", "path=%s why=\"%zu more lines have faults\"", LOGQ(f->name), f->n_faults_all - n);
}

/* The snapshot is replaced, unless a newer descriptor came or nobody wants the file any more. */
static void put_in_force(struct reading *r)
{
	struct slot *s = map_get(&slots, r->key);
	struct address_file *old;
	struct err e = { 0 };

	if (!s || s->asked != r->number)
		return;
	if (!r->ret) {
		log_error("file", "path=%s why=%s next=\"%s\"", LOGQ(r->path), LOGQ(str_from_z(r->err.text)),
			  s->snapshot ? "what was read before stays in force" : "unknown addresses have to wait");
		return;
	}
	if (r->fd < 0)
		log_warn("file", "path=%s why=\"the file is missing, so it is taken for empty\"", LOGQ(r->path));
	tell_faults(r->ret);
	log_info("file", "path=%s lines=%u keys=%zu", LOGQ(r->path), r->ret->n_lines, r->ret->lines.n);
	old = s->snapshot;
	s->snapshot = r->ret;
	r->ret = NULL;
	s->is_used = true;
	if (world_is_built() && !world_build(&e)) {
		log_error("file", "path=%s why=%s next=\"what was read before stays in force\"", LOGQ(r->path),
			  LOGQ(str_from_z(e.text)));
		r->ret = s->snapshot;            /* the old world holds the old one */
		s->snapshot = old;
		return;
	}
	address_file_close(old);
}

static void reading_close(struct reading *r)
{
	address_file_close(r->ret);
	fd_end(&r->fd);
	arena_end(&r->a);
	free(r);
}

SUSPENDS static void read_in_thread(void *arg)
{
	struct reading *r = arg;

	off_loop(read_file, r);
	put_in_force(r);
	reading_close(r);
}

void files_take(struct role_file *f)
{
	struct reading *r = calloc(1, sizeof(*r));

	must(r, "out of memory for an address file");
	r->kind = str_eq(f->what, S("domains")) ? ADDRESS_FILE_DOMAINS : ADDRESS_FILE_USERS;
	r->a.limit = 65536;
	r->path = arena_str(&r->a, f->path);
	r->key = key_of(&r->a, f->what, f->domain, f->path);
	r->fd = f->file > 0 ? fd_take(&f->file) : -1;
	r->number = slot_of(r->key)->asked = ++n_asked;
	if (has_threads && fiber_start(&self.fibers, "file", read_in_thread, r))
		return;
	read_file(r);
	put_in_force(r);
	reading_close(r);
}
