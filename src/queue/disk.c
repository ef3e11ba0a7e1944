/* disk.c — the engine that keeps its promises: journal, spool, queue.db.
 *
 * Whatever blocks goes through off_loop(); calls on the spool take turns.  Rows that wait for theirs
 * share one commit. */
#include "queue/disk.h"

#include "base/fd.h"
#include "base/hooks.h"
#include "base/id.h"
#include "queue/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SYNC_AT_ONCE = 64,               /* files */
	ROWS_AT_ONCE = 4096,             /* in a commit */
};

/* One job on the spool, in a thread. */
struct job {
	struct disk *d;
	bool (*run)(struct job *j);
	struct letter **letters;
	struct buf *bufs;                /* two for each letter: record, states */
	struct spool_row *rows;
	size_t n;
	const char *name;
	struct str file;
	struct queue_policy *policy;
	struct arena *a;
	uint64_t id;
	struct buf *record;
	int fd;
	bool is_taken, is_done;          /* rows: by whoever leads */
	struct job *next;
	bool ok;
	struct err err;
};

static void job_run(void *arg)
{
	struct job *j = arg;

	j->ok = j->run(j);
}

SUSPENDS static bool job_do(struct job *j, struct err *e)
{
	struct disk *d = j->d;

	while (d->is_spooling)
		if (!wait_on(&d->spooled, "the spool", e))
			return false;
	d->is_spooling = true;
	off_loop(job_run, j);
	d->is_spooling = false;
	wait_wake_all(&d->spooled);
	if (!j->ok)
		*e = j->err;
	return j->ok;
}

static void job_end(struct job *j)
{
	for (size_t i = 0; j->bufs && i < 2 * j->n; i++)
		buf_end(&j->bufs[i]);
	free(j->bufs);
	free(j->rows);
}

static bool job_rows(struct job *j, struct disk *d, struct letter **letters, size_t n,
		     struct err *e)
{
	j->d = d;
	j->letters = letters;
	j->n = n;
	j->bufs = calloc(2 * n, sizeof *j->bufs);
	j->rows = calloc(n, sizeof *j->rows);
	if (!j->bufs || !j->rows)
		return fail(e, FAULT_TEMP, "no memory");
	for (size_t i = 0; i < n; i++) {
		struct buf *states = &j->bufs[2 * i + 1];

		j->bufs[2 * i] = buf_on_heap(LETTER_HEAD_MAX);
		*states = buf_on_heap(LETTER_HEAD_MAX);
		letter_states_print(letters[i], states);
		j->rows[i] = (struct spool_row){
			.id = letters[i]->id, .states = buf_str(states),
			.is_held = letters[i]->is_held,
		};
	}
	return true;
}

/* ---- journal ---- */

SUSPENDS static bool disk_append(struct queue *q, enum journal_kind kind,
				 const struct str *parts, size_t n, struct journal_at *ret,
				 struct err *e)
{
	struct disk *d = q->own;

	return journal_append(d->journal, kind, parts, n, ret, e);
}

static void disk_release(struct queue *q, const struct journal_at *at)
{
	struct disk *d = q->own;

	journal_unpin(d->journal, at);
}

SUSPENDS static bool disk_give_back(struct queue *q, bool all, struct err *e)
{
	struct disk *d = q->own;

	if (all)
		journal_turn(d->journal);
	return journal_give_back(d->journal, e);
}

SUSPENDS static bool disk_prepare(struct queue *q, struct err *e)
{
	struct disk *d = q->own;

	return journal_prepare(d->journal, e);
}

static bool disk_has_room(const struct queue *q)
{
	const struct disk *d = q->own;

	return journal_has_room(d->journal);
}

static bool disk_is_broken(const struct queue *q)
{
	const struct disk *d = q->own;

	return journal_is_dead(d->journal);
}

static void disk_status(const struct queue *q, struct queue_status *ret)
{
	const struct disk *d = q->own;
	struct journal_status js;

	journal_status(d->journal, &js);
	ret->segments_full = js.full;
	ret->segments_free = js.spare;
	ret->segments_aside = js.aside;
	ret->records = js.records;
	ret->syncs = js.syncs;
}

/* ---- spool ---- */

/* All files start to be written before the first is waited for: then one commit of the file
 * system's own journal carries most of them. */
static bool files_write(struct job *j, struct letter **letters, size_t n)
{
	int fds[SYNC_AT_ONCE];
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		char name[LETTER_NAME_MAX + 1];

		fds[i] = -1;
		snprintf(name, sizeof name, "moved/%s", ID_Z(letters[i]->id));
		if (ok && letters[i]->thick->r.file.n == 0)
			ok = spool_file_write(j->d->spool, name, letters[i]->thick->r.body, &fds[i], &j->err);
	}
	for (size_t i = 0; i < n; i++) {
		if (ok && fds[i] >= 0)
			ok = spool_file_sync(fds[i], &j->err);
		fd_end(&fds[i]);
	}
	return ok;
}

/* Files first, then their directories, then the rows. */
static bool spool_run(struct job *j)
{
	for (size_t i = 0; i < j->n; i += SYNC_AT_ONCE)
		if (!files_write(j, j->letters + i, j->n - i < SYNC_AT_ONCE ? j->n - i : SYNC_AT_ONCE))
			return false;
	return spool_dirs_sync(j->d->spool, &j->err) &&
	       spool_rows_write(j->d->spool, j->rows, j->n, &j->err);
}

/* The letter's bytes must be at hand, and its record must name its file to be. */
SUSPENDS static bool spool_prepare(struct queue *q, struct letter *l, struct buf *record,
				   struct err *e)
{
	struct thick *k = l->thick;
	struct letter_record r = k->r;
	char name[LETTER_NAME_MAX + 1];

	if (r.file.n > 0)
		return letter_record_print(&r, record, e);
	if (!k->body) {
		struct letter_body body;

		if (!q->engine->body(q, l, &body, e))
			return false;
		k->body = malloc(body.size ? body.size : 1);
		if (k->body && body.size)
			memcpy(k->body, body.bytes.p, body.size);
		letter_body_end(&body);
		if (!k->body)
			return fail(e, FAULT_TEMP, "no memory");
		k->r.body = str_of(k->body, r.body_size);
		table_weigh(&q->table, l);
	}
	snprintf(name, sizeof name, "moved/%s", ID_Z(r.id));
	r.file = str_from_z(name);
	return letter_record_print(&r, record, e);
}

SUSPENDS static bool disk_spool(struct queue *q, struct letter **letters, size_t n,
				struct err *e)
{
	struct job j = { .run = spool_run };
	bool ok = job_rows(&j, q->own, letters, n, e);

	for (size_t i = 0; ok && i < n; i++) {
		ok = spool_prepare(q, letters[i], &j.bufs[2 * i], e);
		j.rows[i].record = buf_str(&j.bufs[2 * i]);
	}
	ok = ok && job_do(&j, e);
	for (size_t i = 0; ok && i < n; i++) {
		struct thick *k = letters[i]->thick;

		if (k->r.file.n == 0)
			k->r.file = arena_printf(&k->arena, "moved/%s", ID_Z(letters[i]->id));
	}
	job_end(&j);
	return ok;
}

static bool rows_run(struct job *j)
{
	return spool_rows_write(j->d->spool, j->rows, j->n, &j->err);
}

/* Those that fit into one commit, off the line. */
static struct job *rows_take(struct disk *d, size_t *ret_n)
{
	struct job *first = d->rows, *end = first;

	for (*ret_n = first->n;; end = end->next) {
		end->is_taken = true;
		if (!end->next || *ret_n + end->next->n > ROWS_AT_ONCE)
			break;
		*ret_n += end->next->n;
	}
	d->rows = end->next;
	if (!d->rows)
		d->last_rows = NULL;
	end->next = NULL;
	return first;
}

/* In the order in which they came: of two of one letter the later one holds. */
SUSPENDS static void rows_lead(struct disk *d)
{
	struct job all = { .d = d, .run = rows_run };
	size_t n, at = 0;
	struct job *taken = rows_take(d, &n), *next;

	all.rows = calloc(n ? n : 1, sizeof *all.rows);
	all.n = n;
	for (struct job *j = taken; j && all.rows; j = j->next)
		for (size_t i = 0; i < j->n; i++)
			all.rows[at++] = j->rows[i];
	if (all.rows) {
		d->is_spooling = true;
		off_loop(job_run, &all);
		d->is_spooling = false;
	} else {
		fail(&all.err, FAULT_TEMP, "no memory");
	}
	free(all.rows);
	for (struct job *j = taken; j; j = next) {
		next = j->next;
		j->ok = all.ok;
		j->err = all.err;
		j->is_done = true;
	}
	wait_wake_all(&d->spooled);
}

static void rows_leave(struct disk *d, struct job *gone)
{
	struct job *before = NULL;

	for (struct job *j = d->rows; j != gone; j = j->next)
		before = j;
	*(before ? &before->next : &d->rows) = gone->next;
	if (!gone->next)
		d->last_rows = before;
}

static void nap(void *arg)
{
	(void)arg;
	usleep(1000);
}

SUSPENDS static bool rows_share(struct job *j, struct err *e)
{
	struct disk *d = j->d;

	*(d->last_rows ? &d->last_rows->next : &d->rows) = j;
	d->last_rows = j;
	while (!j->is_done) {
		if (!d->is_spooling) {
			rows_lead(d);
		} else if (!wait_on(&d->spooled, "the spool", e) && !j->is_done) {
			if (!j->is_taken) {
				rows_leave(d, j);
				return false;
			}
			off_loop(nap, NULL);     /* cancelled, but the disk has it in hand */
		}
	}
	if (!j->ok)
		*e = j->err;
	return j->ok;
}

SUSPENDS static bool disk_rows(struct queue *q, struct letter **letters, size_t n,
			       struct err *e)
{
	struct job j = { .run = rows_run };
	bool ok = job_rows(&j, q->own, letters, n, e);

	for (size_t i = 0; ok && i < n; i++)
		j.rows[i].update_only = !letters[i]->is_finished;
	ok = ok && rows_share(&j, e);
	job_end(&j);
	return ok;
}

static bool record_run(struct job *j)
{
	return spool_row_record(j->d->spool, j->id, j->record, &j->err);
}

/* The whole journal record in which the letter stands; the caller frees it.  Its segment stays while it is read,
 * even if the letter leaves the journal meanwhile. */
SUSPENDS static bool journal_record(struct disk *d, const struct letter *l, char **ret, size_t *ret_n, struct err *e)
{
	struct journal_at at = l->at;
	char *record = malloc(at.length ? at.length : 1);
	bool ok;

	if (!record)
		return fail(e, FAULT_TEMP, "no memory");
	journal_pin(d->journal, &at);
	ok = journal_read(d->journal, &at, record, e);
	journal_unpin(d->journal, &at);
	if (!ok) {
		free(record);
		return false;
	}
	*ret = record;
	*ret_n = at.length;
	return true;
}

SUSPENDS static bool disk_record(struct queue *q, const struct letter *l, struct buf *ret, struct err *e)
{
	AUTO(buf_end) struct buf row = buf_on_heap(LETTER_HEAD_MAX);
	struct job j = { .d = q->own, .run = record_run, .id = l->id, .record = &row };
	char *record;
	size_t n;

	if (l->is_spooled) {
		if (!job_do(&j, e))
			return false;
		put_str(ret, buf_str(&row));
	} else {
		if (!journal_record(j.d, l, &record, &n, e))
			return false;
		buf_add(ret, str_from(str_of(record, n), l->skip));
		free(record);
	}
	return !ret->full || fail(e, FAULT_TEMP, "no memory");
}

static bool file_new_run(struct job *j)
{
	return spool_file_new(j->d->spool, j->name, &j->fd, &j->err);
}

SUSPENDS static bool disk_file_new(struct queue *q, const char *name, int *ret_fd,
				   struct err *e)
{
	struct job j = { .d = q->own, .run = file_new_run, .name = name };

	if (!job_do(&j, e))
		return false;
	*ret_fd = j.fd;
	return true;
}

/* Not a turn on the spool: long files are synced side by side. */
static void file_sync_run(void *arg)
{
	struct job *j = arg;

	j->ok = !FAULT_IN(spool_sync, &j->err) && fd_sync(j->fd, &j->err) &&
		!FAULT_IN(spool_sync_dir, &j->err) && fd_sync_dir_at(j->d->dir, "in", &j->err);
}

SUSPENDS static bool disk_file_sync(struct queue *q, int fd, struct err *e)
{
	struct job j = { .d = q->own, .fd = fd };

	off_loop(file_sync_run, &j);
	if (!j.ok)
		*e = j.err;
	return j.ok;
}

static void file_drop_run(void *arg)
{
	struct job *j = arg;

	spool_file_drop(j->d->spool, j->file);
}

SUSPENDS static void disk_file_drop(struct queue *q, struct str name)
{
	struct job j = { .d = q->own, .file = name };

	off_loop(file_drop_run, &j);
}

static void file_open_run(void *arg)
{
	struct job *j = arg;

	j->ok = spool_file_open(j->d->spool, j->file, &j->fd, &j->err);
}

SUSPENDS static bool disk_body(struct queue *q, struct letter *l, struct letter_body *ret,
			       struct err *e)
{
	const struct letter_record *r = &l->thick->r;
	struct job j = { .d = q->own, .file = r->file };
	size_t n;

	*ret = (struct letter_body){ .fd = -1, .size = r->body_size };
	if (r->file.n > 0) {
		off_loop(file_open_run, &j);
		if (!j.ok) {
			*e = j.err;
			return false;
		}
		ret->fd = j.fd;
		return true;
	}
	if (!journal_record(j.d, l, &ret->owned, &n, e))
		return false;
	must(n >= ret->size, "a letter's bytes are the end of its record");
	ret->bytes = str_from(str_of(ret->owned, n), n - ret->size);
	return true;
}

static bool policy_get_run(struct job *j)
{
	return spool_policy_get(j->d->spool, j->policy->domain, j->a, &j->policy->id, &j->policy->text,
				&j->policy->until, &j->err);
}

SUSPENDS static bool disk_policy_get(struct queue *q, struct queue_policy *p, struct arena *a, struct err *e)
{
	struct job j = { .d = q->own, .run = policy_get_run, .policy = p, .a = a };

	return job_do(&j, e);
}

static bool policy_put_run(struct job *j)
{
	return spool_policy_put(j->d->spool, j->policy->domain, j->policy->id, j->policy->text, j->policy->until,
				&j->err);
}

SUSPENDS static bool disk_policy_put(struct queue *q, const struct queue_policy *p, struct err *e)
{
	struct queue_policy copy = *p;
	struct job j = { .d = q->own, .run = policy_put_run, .policy = &copy };

	return job_do(&j, e);
}

SUSPENDS static void disk_close(struct queue *q)
{
	disk_end(q->own);
}

const struct engine disk_engine = {
	.rereads = true,
	.append = disk_append,
	.release = disk_release,
	.spool = disk_spool,
	.rows = disk_rows,
	.record = disk_record,
	.body = disk_body,
	.file_drop = disk_file_drop,
	.file_new = disk_file_new,
	.file_sync = disk_file_sync,
	.give_back = disk_give_back,
	.policy_get = disk_policy_get,
	.policy_put = disk_policy_put,
	.prepare = disk_prepare,
	.has_room = disk_has_room,
	.is_broken = disk_is_broken,
	.status = disk_status,
	.close = disk_close,
};

void disk_end(struct disk *d)
{
	if (!d)
		return;
	journal_close(d->journal);
	spool_close(d->spool);
	fd_end(&d->dir);
	fd_end(&d->journal_dir);
	free(d);
}
