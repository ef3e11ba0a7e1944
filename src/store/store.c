/* store.c — the verbs that all engines share: arguments are checked here, then
 * the engine works in a thread of the pool; see store.h. */
#include "store/engine.h"

#include "base/buf.h"
#include "base/fd.h"
#include "fiber/fiber.h"

static bool is_base_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (!ascii_is_alnum(c) && c != '.' && c != '-' && c != '_')
			return false;
	}
	return s.n > 0 && s.n <= STORE_BASE_MAX && str_at(s, 0) != '.';
}

/* Bytes above 127 may be (older Maildirs have them); a dot parts the levels. */
bool store_folder_is_name(struct str s)
{
	int prev = '.';

	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (c < 0x20 || c == 0x7f || c == '/' || (c == '.' && prev == '.'))
			return false;
		prev = c;
	}
	return s.n <= STORE_FOLDER_MAX && (s.n == 0 || prev != '.');
}

static bool are_flags(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alpha(str_at(s, i)) || (i && str_at(s, i) <= str_at(s, i - 1)))
			return false;
	return s.n <= STORE_FLAGS_MAX;
}

static bool check_names(struct str base, struct str folder, struct err *e)
{
	if (!is_base_name(base))
		return fail(e, FAULT_PERM, "not a base name of a letter");
	if (!store_folder_is_name(folder))
		return fail(e, FAULT_PERM, "not a name for a folder");
	return true;
}

bool store_name_is(struct str name, struct str base)
{
	int after = str_at(name, base.n);

	return str_starts(name, base) && (after == -1 || after == ',' || after == ':');
}

bool store_name_print(const struct store_letter *l, char *to, size_t size)
{
	struct buf b = buf_over(to, size - 1);

	buf_add(&b, l->base);
	buf_add(&b, S(",S="));
	buf_add_u64(&b, l->size);
	buf_add(&b, S(",W="));
	buf_add_u64(&b, l->vsize);
	if (l->flags.n) {
		buf_add(&b, S(":2,"));
		buf_add(&b, l->flags);
	}
	to[b.n] = '\0';
	return !b.full;
}

static bool slices_next(struct letter_source *in, struct str *ret, struct err *e)
{
	struct slices_source *s = (struct slices_source *)in;

	(void)e;
	while (s->at < s->n && !s->parts[s->at].n)
		s->at++;
	*ret = s->at < s->n ? s->parts[s->at++] : (struct str){ 0 };
	return true;
}

static void slices_rewind(struct letter_source *in)
{
	((struct slices_source *)in)->at = 0;
}

struct slices_source slices_source(const struct str *parts, size_t n)
{
	return (struct slices_source){ .in = { slices_next, slices_rewind }, .parts = parts, .n = n };
}

struct deliver_job {
	struct store *s;
	struct store_letter *letters;
	size_t n;
};

static void deliver_run(void *arg)
{
	struct deliver_job *j = arg;

	j->s->engine->deliver(j->s, j->letters, j->n);
}

/* Items that cannot be are refused here; the runs between them go to the engine. */
SUSPENDS bool store_deliver(struct store *s, struct store_letter *letters, size_t n)
{
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		struct deliver_job j = { s, letters + i, 0 };
		bool all_small = true;

		for (; i < n; i++, j.n++) {
			struct store_letter *l = &letters[i];

			l->done = false;
			all_small &= l->is_small;
			l->err = (struct err){ 0 };
			if (!check_names(l->base, l->folder, &l->err))
				break;
			if (!are_flags(l->flags)) {
				fail(&l->err, FAULT_PERM, "not flags of a letter");
				break;
			}
		}
		if (j.n && all_small)
			deliver_run(&j);
		else if (j.n)
			off_loop(deliver_run, &j);
	}
	for (size_t i = 0; i < n; i++) {
		all = all && letters[i].done;
		if (letters[i].done && s->engine->delivered)
			s->engine->delivered(s, &letters[i]);
	}
	return all;
}

struct sync_job {
	struct store *s;
	struct store_safe *names;
	size_t n;
};

static void sync_run(void *arg)
{
	struct sync_job *j = arg;

	j->s->engine->sync(j->s, j->names, j->n);
}

SUSPENDS bool store_sync(struct store *s, struct store_safe *names, size_t n)
{
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		struct sync_job j = { s, names + i, 0 };

		for (; i < n; i++, j.n++) {
			names[i].done = names[i].lost = false;
			names[i].err = (struct err){ 0 };
			if (!check_names(names[i].base, names[i].folder, &names[i].err))
				break;
		}
		if (j.n)
			off_loop(sync_run, &j);
	}
	for (size_t i = 0; i < n; i++)
		all = all && names[i].done;
	return all;
}

struct read_job {
	struct store *s;
	struct str folder, base;
	struct buf *ret;
	struct err *e;
	bool ok;
};

static void read_run(void *arg)
{
	struct read_job *j = arg;

	j->ok = j->s->engine->read(j->s, j->folder, j->base, j->ret, j->e);
}

SUSPENDS bool store_read(struct store *s, struct str folder, struct str base, struct buf *ret,
			 struct err *e)
{
	struct read_job j = { s, folder, base, ret, e, false };

	if (!check_names(base, folder, e))
		return false;
	off_loop(read_run, &j);
	return j.ok;
}

struct sweep_job {
	struct store *s;
	int64_t now;
	size_t *ret;
	struct err *e;
	bool ok;
};

static void sweep_run(void *arg)
{
	struct sweep_job *j = arg;

	j->ok = j->s->engine->sweep(j->s, j->now, j->ret, j->e);
}

SUSPENDS bool store_sweep(struct store *s, int64_t now, size_t *ret_removed, struct err *e)
{
	struct sweep_job j = { s, now, ret_removed, e, false };

	off_loop(sweep_run, &j);
	return j.ok;
}

void store_close(struct store *s)
{
	if (s)
		s->engine->close(s);
}
