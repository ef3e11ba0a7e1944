/* disk_open.c — what a start finds, made into the table again.
 *
 * Rows first: a row outranks a record with the same id.  Then the journal in
 * order of sequence: letters, and what was noted about them.  A letter that is
 * finished stays known until all is read, for a crash during an earlier start
 * may have left it twice.  Only what still matters is copied on. */
#include "queue/disk.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "queue/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>

struct reading {
	struct queue *q;
	int64_t now;
	struct letter *next;             /* where record_moved() goes on */
	size_t left_out;                 /* rows that nobody understands */
};

static void letter_found(struct reading *r, struct letter *l)
{
	table_add(&r->q->table, l, r->now);
	for (uint32_t i = 0; i < l->n_steps; i++)
		l->steps[i].mode = STEP_REDO;
	if (l->id > r->q->last_id)
		r->q->last_id = l->id;
}

static bool row_read(struct reading *r, const struct spool_row *row)
{
	AUTO(arena_end) struct arena a = { .limit = LETTER_ARENA };
	struct letter_record record;
	struct letter *l;
	struct err why = { 0 };

	if (!letter_record_parse(row->record, &a, &record, &why) || record.id != row->id ||
	    !letter_new(&record, &l, &why)) {
		/* it stays in the database for a person to look at */
		log_error("queue-row", "msg=%s why=\"its record is damaged\"", ID_Z(row->id));
		return false;
	}
	l->is_spooled = true;
	l->is_held = row->is_held;
	letter_found(r, l);
	if (!letter_states_parse(&r->q->table, l, row->states))
		log_error("queue-row", "msg=%s why=\"its states are damaged; all is done again\"",
			  ID_Z(row->id));
	return true;
}

static bool row_found(void *arg, const struct spool_row *row, struct err *e)
{
	struct reading *r = arg;

	(void)e;
	if (!hands_reading(&r->q->hands, HANDS_ROW, row->id)) {
		log_error("queue-row", "msg=%s why=\"starts died of it\" next=\"it stays in queue.db\"", ID_Z(row->id));
		r->left_out++;
		return true;
	}
	r->left_out += !row_read(r, row);
	hands_read(&r->q->hands);
	return true;
}

static bool letter_seen(struct reading *r, struct str payload, size_t skip,
			const struct journal_at *at)
{
	AUTO(arena_end) struct arena a = { .limit = LETTER_ARENA };
	struct letter_record record;
	struct letter *l;
	struct err e;

	if (!letter_payload_parse(str_from(payload, skip), &a, &record, &e))
		return false;
	if (table_get(&r->q->table, record.id))
		return true;
	if (!letter_new(&record, &l, &e))
		return false;
	l->at = *at;
	l->skip = (uint32_t)skip;
	if (r->q->conf.found)
		r->q->conf.found(r->q->conf.found_arg, &record);
	letter_found(r, l);
	return true;
}

/* Each ref in c to one step; false: cut off. */
static bool refs_take(struct cursor *c, size_t n, bool (*ref)(struct reading *r, struct step *s),
		      struct reading *r, bool *any)
{
	for (size_t i = 0; i < n && !c->bad; i++) {
		struct step_ref to = { .id = take_u64(c) };
		struct step *s;

		to.step = take_u32(c);
		s = c->bad ? NULL : table_step(&r->q->table, to);
		if (s && ref(r, s))
			*any = true;
	}
	return !c->bad;
}

static bool ref_safe(struct reading *r, struct step *s)
{
	s->letter->is_dirty = true;
	step_safe(&r->q->table, s);
	return true;
}

static bool ref_warned(struct reading *r, struct step *s)
{
	(void)r;
	s->letter->is_dirty = true;
	s->is_warned = true;
	return true;
}

static bool ref_is_open(struct reading *r, struct step *s)
{
	(void)r;
	return !s->letter->is_finished && !s->letter->is_spooled;
}

static bool moved_seen(struct reading *r, struct cursor *c)
{
	while (c->in.n > 0 && !c->bad) {
		struct letter *l = table_get(&r->q->table, take_u64(c));

		/* its row is gone: it was finished there */
		for (uint32_t i = 0; l && !l->is_spooled && i < l->n_steps; i++)
			step_safe(&r->q->table, &l->steps[i]);
	}
	return !c->bad;
}

static bool held_seen(struct reading *r, struct cursor *c)
{
	struct letter *l = table_get(&r->q->table, take_u64(c));
	bool held = take_u8(c);

	if (!c->bad && l) {
		letter_hold(&r->q->table, l, held, r->now);
		l->is_dirty = true;
	}
	return !c->bad && c->in.n == 0;
}

static bool died_seen(struct reading *r, struct cursor *c)
{
	struct letter *l = table_get(&r->q->table, take_u64(c));
	uint32_t deaths = take_u32(c);

	if (!c->bad && l) {
		letter_blame(&r->q->table, l, deaths, r->now);
		l->is_dirty = true;
	}
	return !c->bad && c->in.n == 0;
}

static bool told_seen(struct reading *r, struct str payload, const struct journal_at *at,
		      bool (*ref)(struct reading *r, struct step *s))
{
	struct cursor c = { .in = payload };
	uint32_t n = take_u32(&c);
	bool any;

	if (n > LETTER_STEP_MAX || !refs_take(&c, n, ref, r, &any))
		return false;
	return c.in.n == 0 || letter_seen(r, payload, payload.n - c.in.n, at);
}

static bool record_read(void *arg, enum journal_kind kind, struct str payload,
			const struct journal_at *at)
{
	struct cursor c = { .in = payload };
	bool any;

	switch (kind) {
	case JOURNAL_LETTER:
		return letter_seen(arg, payload, 0, at);
	case JOURNAL_SAFE:
		return payload.n % STEP_REF_BYTES == 0 &&
		       refs_take(&c, payload.n / STEP_REF_BYTES, ref_safe, arg, &any);
	case JOURNAL_MOVED:
		return moved_seen(arg, &c);
	case JOURNAL_CLOSED:
		return told_seen(arg, payload, at, ref_safe);
	case JOURNAL_WARNED:
		return told_seen(arg, payload, at, ref_warned);
	case JOURNAL_HELD:
		return held_seen(arg, &c);
	case JOURNAL_DIED:
		return died_seen(arg, &c);
	case JOURNAL_KINDS:
		break;
	}
	return false;
}

/* One that a start died of, again and again, counts as not understood. */
static bool record_seen(void *arg, enum journal_kind kind, struct str payload,
			const struct journal_at *at)
{
	struct reading *r = arg;
	bool ok = hands_reading(&r->q->hands, HANDS_RECORD, at->sequence) && record_read(arg, kind, payload, at);

	hands_read(&r->q->hands);
	if (!ok)
		log_error("journal", "record=%llu why=\"it is not understood\" next=\"its segment is kept aside\"",
			  (unsigned long long)at->sequence);
	return ok;
}

static bool letter_is_kept(struct reading *r, struct str payload, const struct journal_at *at)
{
	const struct letter *l = table_get(&r->q->table, letter_payload_id(payload));

	return l && !l->is_finished && !l->is_spooled && l->at.sequence == at->sequence;
}

/* Does the record still say something?  Letters by their own, notes by a letter they speak of. */
static bool record_keep(void *arg, enum journal_kind kind, struct str payload,
			const struct journal_at *at)
{
	struct reading *r = arg;
	struct cursor c = { .in = payload };
	bool any = false;

	if (kind == JOURNAL_LETTER)
		return letter_is_kept(r, payload, at);
	if (kind == JOURNAL_MOVED)
		return false;
	if (kind == JOURNAL_HELD || kind == JOURNAL_DIED) {
		struct letter *l = table_get(&r->q->table, take_u64(&c));

		return l && !l->is_finished && !l->is_spooled;
	}
	if (kind == JOURNAL_SAFE) {
		refs_take(&c, payload.n / STEP_REF_BYTES, ref_is_open, r, &any);
		return any;
	}
	refs_take(&c, take_u32(&c), ref_is_open, r, &any);
	return any || (c.in.n > 0 && letter_is_kept(r, c.in, at));
}

/* The copy is pinned for its letter; a note needs no pin.  Letters stand in the table in
 * the order of their records, and are moved in that order. */
static void record_moved(void *arg, struct journal *j, const struct journal_at *from,
			 const struct journal_at *to)
{
	struct reading *r = arg;

	struct letter *l = r->next ? r->next : r->q->table.first;

	while (l && l->at.sequence < from->sequence)
		l = l->next;
	if (!l || l->at.sequence != from->sequence || l->is_finished) {
		journal_unpin(j, to);
		return;
	}
	l->at = *to;
	r->next = l->next ? l->next : l;
}

/* Rows follow what the journal said about them before it is freed. */
SUSPENDS static bool rows_follow(void *arg, struct err *e)
{
	struct reading *r = arg;

	for (struct letter *l = r->q->table.first; l; l = l->next) {
		struct letter *row = l;

		if (l->is_spooled && l->is_dirty && !r->q->engine->rows(r->q, &row, 1, e))
			return false;
	}
	return true;
}

static bool name_is_known(void *arg, struct str name)
{
	struct queue *q = arg;
	char mem[LETTER_NAME_MAX + 1];
	const struct letter *l;
	uint64_t id;

	if (!id_parse(str_from(name, str_rfind(name, '/') + 1), &id))
		return false;
	l = table_get(&q->table, id);    /* a file has the id of its letter */
	return l && str_eq(letter_file_name(l, q->table.look, mem), name);
}

/* What the process before died with. */
SUSPENDS static bool hands_blame(struct queue *q, int64_t now, struct err *e)
{
	for (size_t i = 0; i < q->hands.n_left; i++) {
		struct letter *l = table_get(&q->table, q->hands.left[i]);

		if (!l || l->is_finished)
			continue;
		l->holds++;
		if (!letter_died(q, l, e))
			return false;
		letter_rest(q, l, now);
		if (!letters_follow(q, &l, 1, e))
			return false;
		l = table_get(&q->table, q->hands.left[i]);
		if (l && l->is_held)
			log_error("held", "msg=%s why=\"it was in hand when processes died, %u times\" "
				  "next=\"waxwing queue release ID tries it again\"", ID_Z(l->id), l->deaths);
		else
			log_warn("died", "msg=%s why=\"it was in hand when the process before died\"",
				 ID_Z(q->hands.left[i]));
	}
	hands_settle(&q->hands);
	return true;
}

SUSPENDS static void finished_leave(struct queue *q)
{
	struct letter *next;

	for (struct letter *l = q->table.first; l; l = next) {
		next = l->next;
		if (!l->is_finished)
			continue;
		l->at = (struct journal_at){ 0 };        /* not copied: nothing is pinned */
		l->holds++;
		letter_release(q, l);
	}
}

static bool dir_make(int at, const char *name, int *ret, struct err *e)
{
	if (mkdirat(at, name, 0700) && errno != EEXIST)
		return fail_sys(e, FAULT_TEMP, errno, "%s", name);
	*ret = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *ret >= 0 || fail_sys(e, FAULT_TEMP, errno, "%s", name);
}

/* A journal needs a sync that syncs, and one host that writes.  The mailboxes have their own ways. */
static bool is_local(int dir, struct err *e)
{
	static const struct { uint32_t type; const char *name; } remote[] = {
		{ NFS_SUPER_MAGIC, "NFS" }, { CIFS_SUPER_MAGIC, "CIFS" }, { SMB2_SUPER_MAGIC, "SMB" },
	};
	struct statfs fs;

	if (fstatfs(dir, &fs))
		return fail_sys(e, FAULT_TEMP, errno, "look at the storage's file system");
	for (size_t i = 0; i < ARRAY_LEN(remote); i++)
		if ((uint32_t)fs.f_type == remote[i].type)
			return fail(e, FAULT_PERM, "storage lies on %s, where a journal is not safe: let only mail/ be there",
				    remote[i].name);
	return true;
}

static bool disk_begin(const struct queue_conf *conf, struct disk *d, struct err *e)
{
	AUTO(fd_end) int above = -1;
	AUTO(fd_end) int db = -1;
	char path[3800];

	if (!is_local(conf->storage, e) || !dir_make(conf->storage, "spool", &d->dir, e) ||
	    !dir_make(conf->storage, "journal", &d->journal_dir, e) ||
	    !dir_make(conf->storage, "db", &above, e) || !dir_make(above, "queue", &db, e) ||
	    !fd_sync(above, e) || !fd_sync(conf->storage, e))
		return false;
	if (snprintf(path, sizeof path, "%s/db/queue/queue.db",
		     conf->path ? conf->path : ".") >= (int)sizeof path)
		return fail(e, FAULT_PERM, "the storage's path is too long");
	return spool_open(d->dir, path, &d->spool, e) && fd_sync(db, e);
}

SUSPENDS static bool read_all(struct reading *r, struct disk *d, struct err *e)
{
	struct journal_reader reader = { record_seen, record_keep, record_moved, rows_follow, r };
	struct journal_conf conf = {
		.dir = d->journal_dir, .segment_size = r->q->conf.segment_size,
		.segments_max = QUEUE_SEGMENTS_MAX, .ops = r->q->conf.journal_ops,
	};
	struct journal_status status;
	size_t removed = 0;

	if (!spool_rows_read(d->spool, row_found, r, e) ||
	    !journal_open(&conf, &reader, r->now, &d->journal, e))
		return false;
	finished_leave(r->q);
	if (!hands_blame(r->q, r->now, e))
		return false;
	journal_status(d->journal, &status);
	if (r->left_out == 0 &&
	    !spool_sweep(d->spool, r->now, status.aside_until, name_is_known, r->q, &removed, e))
		log_warn("spool-sweep", "why=%s", LOGQ(str_from_z(e->text)));
	return true;
}

SUSPENDS bool queue_disk_open(const struct queue_conf *conf, int64_t now, struct queue **ret,
			      struct err *e)
{
	struct disk *d = calloc(1, sizeof *d);
	struct reading r = { .now = now };

	if (!d)
		return fail(e, FAULT_TEMP, "no memory");
	d->dir = d->journal_dir = -1;
	if (!disk_begin(conf, d, e) || !queue_new(conf, &disk_engine, d, &r.q, e)) {
		disk_end(d);
		return false;
	}
	hands_close(&r.q->hands);
	if (!hands_open(&r.q->hands, conf->storage, "db/queue/in-hand", e))
		log_warn("in-hand", "why=%s next=\"a letter that ends this process is not known by it\"",
			 LOGQ(str_from_z(e->text)));
	if (!read_all(&r, d, e)) {
		queue_close(r.q);
		return false;
	}
	*ret = r.q;
	return true;
}
