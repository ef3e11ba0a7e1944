/* folder.c — which folders there are; see folder.h. */
#include "store/folder.h"

#include "base/arena.h"
#include "store/box_file.h"
#include "store/subscription.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define USE_FILE "waxwing-use"

static const struct str use_names[FOLDER_USES] = {
	[FOLDER_ARCHIVE] = { "\\Archive", 8 }, [FOLDER_DRAFTS] = { "\\Drafts", 7 },
	[FOLDER_JUNK] = { "\\Junk", 5 }, [FOLDER_SENT] = { "\\Sent", 5 },
	[FOLDER_TRASH] = { "\\Trash", 6 },
};

/* As mail programs name them; the first that exists counts. */
static const struct {
	enum folder_use use;
	struct str name;
} known_names[] = {
	{ FOLDER_SENT, { "Sent", 4 } }, { FOLDER_SENT, { "Sent Items", 10 } },
	{ FOLDER_SENT, { "Sent Messages", 13 } }, { FOLDER_SENT, { "Sent Mail", 9 } },
	{ FOLDER_DRAFTS, { "Drafts", 6 } }, { FOLDER_DRAFTS, { "Draft", 5 } },
	{ FOLDER_JUNK, { "Junk", 4 } }, { FOLDER_JUNK, { "Spam", 4 } },
	{ FOLDER_JUNK, { "Junk E-mail", 11 } }, { FOLDER_JUNK, { "Junk Email", 10 } },
	{ FOLDER_TRASH, { "Trash", 5 } }, { FOLDER_TRASH, { "Deleted Items", 13 } },
	{ FOLDER_TRASH, { "Deleted Messages", 16 } }, { FOLDER_ARCHIVE, { "Archive", 7 } },
	{ FOLDER_ARCHIVE, { "Archives", 8 } },
};

struct str folder_use_name(enum folder_use use)
{
	return use < FOLDER_USES ? use_names[use] : (struct str){ 0 };
}

bool folder_use_parse(struct str word, enum folder_use *ret)
{
	for (int i = FOLDER_PLAIN + 1; i < FOLDER_USES; i++)
		if (str_eq_nocase(word, use_names[i])) {
			*ret = (enum folder_use)i;
			return true;
		}
	return false;
}

/* ---- list, in a thread ---- */

struct list_job {
	struct dir_visit v;
	struct shelf *s;
	struct arena *a;
	struct folder_row *rows;
	size_t n;
	int root;
	bool is_used[FOLDER_USES];
	struct err e;
	bool ok;
};

static struct folder_row *row_find(struct list_job *j, struct str name)
{
	for (size_t i = 0; i < j->n; i++)
		if (str_eq(j->rows[i].name, name))
			return &j->rows[i];
	return NULL;
}

static struct folder_row *row_add(struct list_job *j, struct str name)
{
	if (j->n == FOLDER_COUNT_MAX) {
		fail(&j->e, FAULT_TEMP, "more than %d folders", FOLDER_COUNT_MAX);
		return NULL;
	}
	j->rows[j->n] = (struct folder_row){ .name = arena_str(j->a, name) };
	if (j->a->full)
		fail(&j->e, FAULT_TEMP, "no memory for the list of folders");
	return j->a->full ? NULL : &j->rows[j->n++];
}

static bool list_each(struct dir_visit *v, struct str name)
{
	struct list_job *j = (struct list_job *)v;
	struct folder_row *row;

	name = str_from(name, 1);
	if ((v->type != DT_DIR && v->type != DT_UNKNOWN) || !name.n || !store_folder_is_name(name) ||
	    str_eq_nocase(name, S("INBOX")))
		return true;
	row = row_add(j, name);
	if (row)
		row->exists = true;
	return row != NULL;
}

/* A folder's own word. */
static enum folder_use use_read(int root, struct str name)
{
	char path[STORE_FOLDER_MAX + 32], word[32];
	struct buf b = buf_over(path, sizeof(path) - 1);
	enum folder_use use = FOLDER_PLAIN;
	AUTO(fd_end) int fd = -1;
	ssize_t n;

	buf_addf(&b, "." STR_FMT "/" USE_FILE, STR_ARG(name));
	path[b.n] = '\0';
	fd = openat(root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, word, sizeof(word));
	if (n > 0)
		(void)folder_use_parse(str_trim(str_of(word, (size_t)n)), &use);
	return use;
}

static void find_uses(struct list_job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		struct folder_row *r = &j->rows[i];
		enum folder_use use = r->exists && r->name.n ? use_read(j->root, r->name) : FOLDER_PLAIN;

		if (use != FOLDER_PLAIN && !j->is_used[use]) {
			r->use = use;
			j->is_used[use] = true;
		}
	}
	for (size_t k = 0; k < ARRAY_LEN(known_names); k++)
		for (size_t i = 0; i < j->n && !j->is_used[known_names[k].use]; i++) {
			struct folder_row *r = &j->rows[i];
			struct str name = str_starts_nocase(r->name, S("INBOX.")) ? str_from(r->name, 6) : r->name;

			if (r->exists && r->use == FOLDER_PLAIN && str_eq_nocase(name, known_names[k].name)) {
				r->use = known_names[k].use;
				j->is_used[known_names[k].use] = true;
			}
		}
}

static bool mark_subscribed(struct list_job *j)
{
	AUTO(text_end) char *text = NULL;
	char room[STORE_FOLDER_MAX + 1];
	struct buf name = buf_over(room, sizeof(room));
	unsigned version = 0;
	struct str in = { 0 };

	if (!subscriptions_read(j->root, &text, &in.n, &j->e))
		return false;
	in.p = text;
	while (subscription_parse(&in, &version, &name)) {
		struct str s = str_eq_nocase(buf_str(&name), S("INBOX")) ? S("") : buf_str(&name);
		struct folder_row *r;

		if (!store_folder_is_name(s))
			continue;
		r = row_find(j, s);
		if (!r)
			r = row_add(j, s);
		if (!r)
			break;
		r->is_subscribed = true;
	}
	return true;
}

static void add_parents(struct list_job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		struct str name = j->rows[i].name;
		size_t dot = str_rfind(name, '.');
		struct str above = str_head(name, dot);

		if (dot < name.n && !str_eq_nocase(above, S("INBOX")) && !row_find(j, above) &&
		    !row_add(j, above))
			return;
	}
}

/* A folder comes before those below it, whatever bytes sort before a dot; INBOX first. */
static int row_order(const void *x, const void *y)
{
	struct str a = ((const struct folder_row *)x)->name, b = ((const struct folder_row *)y)->name;

	for (size_t i = 0;; i++) {
		int ca = str_at(a, i) == '.' ? 0 : str_at(a, i), cb = str_at(b, i) == '.' ? 0 : str_at(b, i);

		if (ca != cb)
			return ca < cb ? -1 : 1;
		if (ca < 0)
			return 0;
	}
}

static bool is_below(struct str name, struct str above)
{
	if (!above.n)
		return str_starts_nocase(name, S("INBOX."));
	return str_starts(name, above) && str_at(name, above.n) == '.';
}

static void list_run(void *arg)
{
	struct list_job *j = arg;
	AUTO(fd_end) int root = -1;
	struct folder_row *inbox;

	if (!dir_open_at(j->s->m->home, j->s->m->root, &root, &j->e) && j->e.sys != ENOENT)
		return;
	j->e = (struct err){ 0 };
	j->root = root;
	inbox = row_add(j, S(""));
	if (!inbox)
		return;
	inbox->exists = true;
	if (root >= 0 && (!dir_visit(root, true, &j->v, &j->e) || j->e.fault))
		return;
	if (root >= 0 && !mark_subscribed(j))
		return;
	add_parents(j);
	if (j->e.fault)
		return;
	find_uses(j);
	qsort(j->rows, j->n, sizeof(*j->rows), row_order);
	for (size_t i = 0; i < j->n; i++)
		for (size_t k = i ? i + 1 : 1; k < j->n && (i == 0 || k == i + 1); k++)
			j->rows[i].has_children |= is_below(j->rows[k].name, j->rows[i].name);
	j->ok = true;
}

SUSPENDS bool folder_list(struct store *s, struct arena *a, struct folder_row **ret, size_t *ret_n,
			  struct err *e)
{
	struct list_job j = { .v = { .each = list_each }, .s = shelf_of(s, e), .a = a };

	if (!j.s)
		return false;
	j.rows = reallocarray(NULL, FOLDER_COUNT_MAX, sizeof(*j.rows));
	if (!j.rows)
		return fail(e, FAULT_TEMP, "out of memory");
	off_loop(list_run, &j);
	*ret = j.ok ? ARENA_ARRAY(a, struct folder_row, j.n) : NULL;
	if (*ret)
		memcpy(*ret, j.rows, j.n * sizeof(*j.rows));
	free(j.rows);
	*ret_n = j.n;
	if (!j.ok)
		*e = j.e;
	return *ret || (j.ok && fail(e, FAULT_TEMP, "no memory for the list of folders"));
}

struct exists_job {
	struct shelf *s;
	struct str name;
	struct err e;
	bool exists, ok;
};

static void exists_run(void *arg)
{
	struct exists_job *j = arg;
	AUTO(folder_end) struct folder f = FOLDER_NONE;

	j->exists = folder_open(j->s->m->home, j->s->m->root, j->name, false, &f, &j->e);
	j->ok = j->exists || j->e.sys == ENOENT;
}

SUSPENDS bool folder_exists(struct store *s, struct str name, bool *ret, struct err *e)
{
	struct exists_job j = { .s = shelf_of(s, e), .name = name };

	if (!j.s)
		return false;
	if (!store_folder_is_name(name))
		return fail_sys(e, FAULT_PERM, EINVAL, "not a name for a folder");
	off_loop(exists_run, &j);
	*ret = j.exists || (j.ok && !name.n);
	if (!j.ok)
		*e = j.e;
	return j.ok;
}
