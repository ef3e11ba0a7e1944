/* memory.c — the engine that forgets: for tests, and as the other side of the
 * test table that the disk must pass too. */
#include "queue/engine.h"

#include "base/fd.h"

#include <stdlib.h>
#include <unistd.h>

struct memory {
	uint64_t sequence;
	struct map files;                /* name → struct file */
	struct map policies;             /* domain → struct queue_policy */
	struct arena arena;
};

struct file {
	int fd;
};

SUSPENDS static bool memory_append(struct queue *q, enum journal_kind kind,
				   const struct str *parts, size_t n, struct journal_at *ret,
				   struct err *e)
{
	struct memory *m = q->own;

	(void)kind;
	(void)parts;
	(void)n;
	(void)e;
	*ret = (struct journal_at){ .sequence = ++m->sequence };
	return true;
}

static void memory_release(struct queue *q, const struct journal_at *at)
{
	(void)q;
	(void)at;
}

/* Nothing moves: the bytes stay where they are. */
SUSPENDS static bool memory_rows(struct queue *q, struct letter **letters, size_t n,
				 struct err *e)
{
	(void)q;
	(void)letters;
	(void)n;
	(void)e;
	return true;
}

SUSPENDS static bool memory_file_new(struct queue *q, const char *name, int *ret_fd,
				     struct err *e)
{
	struct memory *m = q->own;
	struct file *f = calloc(1, sizeof *f);

	if (!f)
		return fail(e, FAULT_TEMP, "no memory");
	if (!fd_memory("letter", &f->fd, e)) {
		free(f);
		return false;
	}
	must(!map_put(&m->files, str_from_z(name), f), "a spool file is made once");
	*ret_fd = dup(f->fd);
	return *ret_fd >= 0 || fail(e, FAULT_TEMP, "no descriptor");
}

SUSPENDS static bool memory_file_sync(struct queue *q, int fd, struct err *e)
{
	(void)q;
	(void)fd;
	(void)e;
	return true;
}

static void file_free(struct file *f)
{
	if (!f)
		return;
	close(f->fd);
	free(f);
}

SUSPENDS static void memory_file_drop(struct queue *q, struct str name)
{
	struct memory *m = q->own;

	file_free(map_remove(&m->files, name));
}

SUSPENDS static bool memory_body(struct queue *q, struct letter *l, struct letter_body *ret,
				 struct err *e)
{
	struct memory *m = q->own;
	struct file *f = map_get(&m->files, l->thick->r.file);

	if (!f)
		return fail(e, FAULT_TEMP, "the letter's bytes are gone");
	ret->fd = dup(f->fd);
	return ret->fd >= 0 || fail(e, FAULT_TEMP, "no descriptor");
}

SUSPENDS static bool memory_give_back(struct queue *q, bool all, struct err *e)
{
	(void)q;
	(void)all;
	(void)e;
	return true;
}

SUSPENDS static bool memory_policy_get(struct queue *q, struct queue_policy *p, struct arena *a, struct err *e)
{
	struct memory *m = q->own;
	struct queue_policy *kept = map_get(&m->policies, p->domain);

	(void)e;
	if (kept)
		*p = (struct queue_policy){ p->domain, arena_str(a, kept->id), arena_str(a, kept->text), kept->until };
	return true;
}

SUSPENDS static bool memory_policy_put(struct queue *q, const struct queue_policy *p, struct err *e)
{
	struct memory *m = q->own;
	struct queue_policy *kept = ARENA_NEW(&m->arena, struct queue_policy);

	if (!kept)
		return fail(e, FAULT_TEMP, "no memory");
	*kept = (struct queue_policy){ .id = arena_str(&m->arena, p->id), .text = arena_str(&m->arena, p->text),
				       .until = p->until };
	map_put(&m->policies, p->domain, kept);
	return true;
}

SUSPENDS static bool memory_prepare(struct queue *q, struct err *e)
{
	(void)q;
	(void)e;
	return true;
}

static bool memory_has_room(const struct queue *q)
{
	(void)q;
	return true;
}

static bool memory_is_broken(const struct queue *q)
{
	(void)q;
	return false;
}

static void memory_status(const struct queue *q, struct queue_status *ret)
{
	(void)q;
	ret->segments_full = 0;
}

SUSPENDS static void memory_close(struct queue *q)
{
	struct memory *m = q->own;
	struct str name;
	void *f;

	for (size_t i = 0; map_next(&m->files, &i, &name, &f);)
		file_free(f);
	map_end(&m->files);
	map_end(&m->policies);
	arena_end(&m->arena);
	free(m);
}

static const struct engine memory_engine = {
	.append = memory_append,
	.release = memory_release,
	.spool = memory_rows,
	.rows = memory_rows,
	.body = memory_body,
	.file_drop = memory_file_drop,
	.file_new = memory_file_new,
	.file_sync = memory_file_sync,
	.give_back = memory_give_back,
	.policy_get = memory_policy_get,
	.policy_put = memory_policy_put,
	.prepare = memory_prepare,
	.has_room = memory_has_room,
	.is_broken = memory_is_broken,
	.status = memory_status,
	.close = memory_close,
};

bool queue_memory_open(const struct queue_conf *conf, struct queue **ret, struct err *e)
{
	struct memory *m = calloc(1, sizeof *m);

	if (!m)
		return fail(e, FAULT_TEMP, "no memory");
	if (!queue_new(conf, &memory_engine, m, ret, e)) {
		free(m);
		return false;
	}
	return true;
}
