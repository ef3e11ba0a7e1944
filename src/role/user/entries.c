/* entries.c — blocks and exceptions in force, and what becomes of a letter by them.
 *
 * Those given by command stand in entries.db, those in text files come as snapshots, as address files
 * do.  Matches are counted in memory and written once a minute; no letter waits for that. */
#include "role/user/entries.h"

#include "base/log.h"
#include "ipc/standing.h"
#include "ipc/why.h"
#include "user/entry_store.h"

#include <stdlib.h>

enum { AT_ONCE = 500, SET_MEMORY = 64 << 20, FLUSH_MAX = 2000, KEY_MAX = ENTRY_WHAT_MAX + 40 };
#define FLUSH_EVERY MINUTE

/* How often an entry matched. */
struct counter {
	uint64_t hits, written;
	int64_t last;
};

static struct entry_store *store;
static bool is_busy;
static struct wait idle;
static struct entry_set given;           /* by command, in force */
static struct map counters;              /* key_of() → struct counter */

/* -- counting -------------------------------------------------------------- */

static struct str key_of(const struct entry *e, char mem[KEY_MAX])
{
	struct buf b = buf_over(mem, KEY_MAX);

	if (e->id)
		buf_add_u64(&b, e->id);
	else
		buf_addf(&b, "%s " STR_FMT, e->kind == ENTRY_BLOCK ? "block" : "allow", STR_ARG(str_head(e->what, ENTRY_WHAT_MAX)));
	return buf_str(&b);
}

static struct counter *counter_of(struct str key)
{
	struct counter *c = map_get(&counters, key);

	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	must(c, "out of memory for a count");
	map_put(&counters, key, c);
	return c;
}

static void count(const struct entry *e)
{
	char mem[KEY_MAX];
	struct counter *c = counter_of(key_of(e, mem));

	c->hits++;
	c->last = time_now();
}

/* -- the store ------------------------------------------------------------- */

struct writing {
	const struct entry_row *rows;    /* one after the other */
	size_t n_rows;
	int64_t id;                      /* of the last */
	const struct entry_count *counts;
	size_t n_counts;
	bool ok;
	struct err err;
};

/* In a thread. */
static void write_work(void *arg)
{
	struct writing *w = arg;

	w->ok = true;
	for (size_t i = 0; w->ok && i < w->n_rows; i++)
		w->ok = entry_store_add(store, &w->rows[i], &w->id, &w->err);
	if (w->ok && w->n_counts)
		w->ok = entry_store_count(store, w->counts, w->n_counts, &w->err);
}

SUSPENDS static bool store_write(struct writing *w, struct err *e)
{
	while (is_busy)
		if (!wait_on(&idle, "entries.db", e))
			return false;
	is_busy = true;
	off_loop(write_work, w);
	is_busy = false;
	wait_wake(&idle);
	if (!w->ok)
		*e = w->err;
	return w->ok;
}

SUSPENDS void entries_flush(void)
{
	AUTO(arena_end) struct arena a = { .limit = FLUSH_MAX * (KEY_MAX + 64) };
	struct entry_count *list = ARENA_ARRAY(&a, struct entry_count, FLUSH_MAX);
	struct writing w = { .counts = list };
	struct err e = { 0 };
	struct str key;
	void *value;

	for (size_t i = 0; list && w.n_counts < FLUSH_MAX && map_next(&counters, &i, &key, &value);) {
		struct counter *c = value;

		if (c->hits == c->written)
			continue;
		c->written = c->hits;
		list[w.n_counts++] = (struct entry_count){ arena_str(&a, key), c->hits, c->last };
	}
	if (w.n_counts && !store_write(&w, &e))
		log_warn("entries", "why=%s next=\"these counts are written with the next match\"",
			 LOGQ(str_from_z(e.text)));
}

SUSPENDS void entries_tend(void *unused)
{
	struct err e;

	(void)unused;
	while (fiber_sleep(FLUSH_EVERY, &e))
		entries_flush();
}

/* -- what is in force ------------------------------------------------------ */

static void tell_one(struct link *l)
{
	struct smtpd_entries t = { .flags = given.n ? ENTRIES_ANY : 0 };
	size_t n_host = given.n_host, n_letter = given.n_letter;
	const struct entry_file *f;

	for (size_t i = 0; (f = entry_files_next(&i));) {
		t.flags |= f->set.n ? ENTRIES_ANY : 0;
		n_host += f->set.n_host;
		n_letter += f->set.n_letter;
	}
	t.flags |= (uint8_t)((n_host ? ENTRIES_HOST : 0) | (n_letter ? ENTRIES_LETTER : 0));
	smtpd_entries(l, &t);
}

void entries_linked(struct link *l)
{
	if (l->peer == ROLE_SMTPD)
		tell_one(l);
}

void entries_changed(void)
{
	for (struct link *l = link_next(NULL); l; l = link_next(l))
		entries_linked(l);
}

/* The entries by command anew: without one, with one more. */
static bool rebuild(uint64_t without, const struct entry *more, struct err *e)
{
	struct entry_set fresh = { .a = { .limit = SET_MEMORY } };
	int64_t now = time_now();
	bool ok = true;

	for (size_t i = 0; ok && i < given.n; i++)
		if (given.list[i]->id != without && (!given.list[i]->expires || given.list[i]->expires > now))
			ok = entry_set_add(&fresh, given.list[i]);
	ok = ok && (!more || entry_set_add(&fresh, more));
	if (!ok) {
		entry_set_end(&fresh);
		return fail(e, FAULT_TEMP, "out of memory for the blocks and exceptions");
	}
	entry_set_end(&given);
	given = fresh;
	return true;
}

static struct entry_found find(const struct entry_subject *q)
{
	struct entry_found best = { 0 };
	int64_t now = time_now();
	const struct entry_file *f;

	entry_set_find(&given, q, now, &best);
	for (size_t i = 0; (f = entry_files_next(&i));)
		entry_file_find(f, q, now, &best);
	return best;
}

/* -- the question ---------------------------------------------------------- */

/* Who wrote it, for people: "uid 0", or the line of a file. */
static struct str origin_of(const struct entry *x, struct arena *a)
{
	return x->id ? x->by : arena_printf(a, STR_FMT ":%u", STR_ARG(x->file), x->line);
}

static void note_exemption(const struct user_judge *q, const struct entry_found *f, struct arena *a)
{
	static char mem[WHY_RECORD_MAX];         /* too big for a fiber's stack */
	struct buf b = buf_over(mem, sizeof(mem));
	struct err e;
	struct why_letter_exempt w = {
		.head = { .kind = WHY_letter_exempt, .time = time_now(), .letter = q->id, .role = ROLE_USER,
			  .instance = self.instance, .rule = S("allow"), .nearest = S("waxwing allow remove") },
		.peer = q->peer, .helo = q->helo, .from = q->from, .entry = str_head(f->entry->what, 1000),
		.on = str_from_z(f->on), .by = origin_of(f->entry, a), .why = f->entry->reason };

	why_log(&w.head);
	if (link_to(ROLE_QUEUE) && why_encode(&b, &w.head, &e))
		queue_why(link_to(ROLE_QUEUE), &(struct queue_why){ .id = q->id, .record = buf_str(&b) });
}

static void describe(const struct entry_found *f, struct user_judge_answer *r, struct arena *a)
{
	const struct entry *x = f->entry;
	struct str colon = x->reason.n ? S(": ") : S(""), space = f->subject.n ? S(" ") : S("");
	struct str origin = origin_of(x, a);

	r->standing = x->kind == ENTRY_BLOCK ? STANDING_BLOCKED : STANDING_EXEMPT;
	r->entry = arena_str(a, x->what);
	r->why = arena_printf(a, "%s " STR_FMT " (" STR_FMT "), by its %s" STR_FMT STR_FMT STR_FMT STR_FMT,
			      x->kind == ENTRY_BLOCK ? "the block" : "the exception", STR_ARG(x->what), STR_ARG(origin),
			      f->on, STR_ARG(space), STR_ARG(f->subject), STR_ARG(colon), STR_ARG(x->reason));
}

static bool serve_judge(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_judge *q = question;
	struct user_judge_answer *r = answer;
	struct str *authors = ARENA_ARRAY(a, struct str, q->authors.n + 1);
	struct str *signers = ARENA_ARRAY(a, struct str, q->signers.n + 1);
	struct net_address peer;
	struct entry_subject raw = { .host = q->host, .is_confirmed = q->is_confirmed, .helo = q->helo, .from = q->from,
				     .authors = authors, .n_authors = q->authors.n, .signers = signers,
				     .n_signers = q->signers.n }, folded;
	struct entry_found f;

	(void)l;
	for (size_t i = 0; authors && i < q->authors.n; i++)
		authors[i] = q->authors.p[i].text;
	for (size_t i = 0; signers && i < q->signers.n; i++)
		signers[i] = q->signers.p[i].text;
	if (net_address_parse(q->peer, &peer))
		raw.peer = &peer;
	if (!authors || !signers || !entry_subject_fold(&raw, a, &folded))
		return fail(e, FAULT_TEMP, "no memory for the names of a letter");
	f = find(&folded);
	/* what else lets the letter in did so when it was asked for the first time */
	if (!f.entry || (f.entry->kind == ENTRY_ALLOW && q->is_again && !str_eq(str_from_z(f.on), S(ENTRY_ON_SIGNATURE)))) {
		r->standing = STANDING_NONE;
		return true;
	}
	if (!q->is_rehearsal)
		count(f.entry);
	describe(&f, r, a);
	if (f.entry->kind == ENTRY_ALLOW && !q->is_rehearsal)
		note_exemption(q, &f, a);
	return !a->full || fail(e, FAULT_TEMP, "no memory for an answer");
}

/* -- by command ------------------------------------------------------------ */

static const struct entry *find_given(enum entry_kind kind, struct str what, uint64_t id)
{
	for (size_t i = 0; i < given.n; i++)
		if (given.list[i]->kind == kind && ((id && given.list[i]->id == id) || str_eq(given.list[i]->what, what)))
			return given.list[i];
	return NULL;
}

static bool check_kind(uint8_t kind, struct err *e)
{
	return kind == ENTRY_BLOCK || kind == ENTRY_ALLOW || fail(e, FAULT_PERM, "neither a block nor an exception");
}

/* The same once more, with another reason or end, ends the one before. */
SUSPENDS static bool serve_add(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_entry_add *q = question;
	struct user_entry_add_answer *r = answer;
	struct entry x = { .kind = (enum entry_kind)q->kind, .added = time_now(), .expires = q->expires, .by = q->by,
			   .reason = str_head(q->reason, ENTRY_REASON_MAX) };
	const struct entry *old;
	struct entry_row rows[2];
	struct writing w = { .rows = rows };
	uint64_t old_id = 0;

	(void)l;
	if (!check_kind(q->kind, e) || !entry_read(q->what, a, &x, e))
		return false;
	if (x.expires && x.expires <= x.added)
		return fail(e, FAULT_PERM, "that time is over");
	old = find_given(x.kind, x.what, 0);
	if (old) {
		old_id = old->id;
		rows[w.n_rows++] = (struct entry_row){ .ends = (int64_t)old_id, .kind = x.kind, .what = x.what, .added = x.added,
						       .by = x.by };
	}
	rows[w.n_rows++] = (struct entry_row){ .kind = x.kind, .what = x.what, .added = x.added, .by = x.by,
					       .reason = x.reason, .expires = x.expires };
	if (!store_write(&w, e))
		return false;
	x.id = (uint64_t)w.id;
	if (!rebuild(old_id, &x, e))
		return false;
	r->id = x.id;
	r->what = x.what;
	log_info(x.kind == ENTRY_BLOCK ? "block" : "allow", "what=%s by=%s why=%s", LOGQ(x.what), LOGQ(q->by), LOGQ(q->reason));
	entries_changed();
	return true;
}

SUSPENDS static bool serve_end(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_entry_end *q = question;
	struct user_entry_end_answer *r = answer;
	struct entry named = { 0 };
	const struct entry *x;
	struct entry_row row;
	uint64_t id = 0;

	(void)l;
	if (!check_kind(q->kind, e))
		return false;
	if (!str_u64(q->what, &id) && !entry_read(q->what, a, &named, e))
		return false;
	x = find_given((enum entry_kind)q->kind, named.what, id);
	if (!x)
		return fail(e, FAULT_PERM, "there is no such entry that was given by command; lines of files end in the file");
	id = x->id;
	r->what = arena_str(a, x->what);
	row = (struct entry_row){ .ends = (int64_t)id, .kind = q->kind, .what = r->what, .added = time_now(), .by = q->by,
				  .reason = str_head(q->reason, ENTRY_REASON_MAX) };
	if (!store_write(&(struct writing){ .rows = &row, .n_rows = 1 }, e) || !rebuild(id, NULL, e))
		return false;
	log_info(q->kind == ENTRY_BLOCK ? "block" : "allow", "what=%s by=%s next=ended", LOGQ(r->what), LOGQ(q->by));
	entries_changed();
	return true;
}

/* The entry of that number: first those by command, then those of each file. */
static const struct entry *entry_at(uint64_t at)
{
	const struct entry_file *f;

	if (at < given.n)
		return given.list[at];
	at -= given.n;
	for (size_t i = 0; (f = entry_files_next(&i)); at -= f->set.n)
		if (at < f->set.n)
			return f->set.list[at];
	return NULL;
}

static bool serve_list(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_entry_list *q = question;
	struct user_entry_list_answer *r = answer;
	int64_t now = time_now();
	const struct entry *x;
	size_t bytes = 0;

	(void)l;
	r->at = q->at;
	r->entries.p = ARENA_ARRAY(a, struct ipc_entry, AT_ONCE);
	if (!r->entries.p)
		return fail(e, FAULT_TEMP, "out of memory");
	for (; r->entries.n < AT_ONCE && bytes < 30000 && (x = entry_at(r->at)); r->at++) {
		char mem[KEY_MAX];
		const struct counter *c = map_get(&counters, key_of(x, mem));

		if (x->kind != (enum entry_kind)q->kind || (x->expires && x->expires <= now))
			continue;
		r->entries.p[r->entries.n++] = (struct ipc_entry){
			.id = x->id, .what = x->what, .added = x->added, .by = x->id ? x->by : origin_of(x, a),
			.reason = x->reason, .expires = x->expires, .hits = c ? c->hits : 0, .last_hit = c ? c->last : 0 };
		bytes += sizeof(*x) + x->what.n + x->reason.n + x->by.n;
	}
	r->more = entry_at(r->at) != NULL;
	return true;
}

/* -- life ------------------------------------------------------------------ */

static bool load_row(const struct entry_row *x, const struct map *ended, int64_t now, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct entry entry = { .kind = (enum entry_kind)x->kind, .id = (uint64_t)x->id, .added = x->added,
			       .expires = x->expires, .by = x->by, .reason = x->reason };
	struct err why = { 0 };

	if (x->ends || (x->expires && x->expires <= now) || map_get(ended, str_of(&x->id, sizeof(x->id))))
		return true;
	if (!entry_read(x->what, &a, &entry, &why)) {
		log_warn("entries", "id=%lld what=%s why=%s next=\"it is left out\"", (long long)x->id, LOGQ(x->what),
			 LOGQ(str_from_z(why.text)));
		return true;
	}
	return entry_set_add(&given, &entry) || fail(e, FAULT_TEMP, "out of memory for the blocks and exceptions");
}

/* Each row of the database: the first time for what it ends, then for itself.  Before the rights are
 * given up nobody waits: it is read at once. */
static bool each_row(struct map *ended, bool is_first, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct entry_row *list = ARENA_ARRAY(&a, struct entry_row, AT_ONCE);
	struct arena_mark mark = arena_mark(&a);
	int64_t last = 0, now = time_now();
	size_t n = AT_ONCE;

	for (; list && n == AT_ONCE; arena_rewind(&a, mark)) {
		if (!entry_store_rows(store, last, AT_ONCE, &a, list, &n, e))
			return false;
		for (size_t i = 0; i < n; i++) {
			last = list[i].id;
			if (is_first && list[i].ends)
				map_put(ended, str_of(&list[i].ends, sizeof(list[i].ends)), ended);
			else if (!is_first && !load_row(&list[i], ended, now, e))
				return false;
		}
	}
	return list || fail(e, FAULT_TEMP, "out of memory");
}

static bool load_rows(struct err *e)
{
	struct map ended = { 0 };
	bool ok;

	given.a.limit = SET_MEMORY;
	ok = each_row(&ended, true, e) && each_row(&ended, false, e);
	map_end(&ended);
	return ok;
}

static bool load_counts(struct err *e)
{
	char mem[KEY_MAX];
	struct buf last = buf_over(mem, sizeof(mem));
	size_t n = AT_ONCE;

	while (n == AT_ONCE) {
		AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
		struct entry_count *list = ARENA_ARRAY(&a, struct entry_count, AT_ONCE);

		if (!list)
			return fail(e, FAULT_TEMP, "out of memory");
		if (!entry_store_counts(store, buf_str(&last), AT_ONCE, &a, list, &n, e))
			return false;
		for (size_t i = 0; i < n; i++) {
			*counter_of(list[i].key) = (struct counter){ list[i].hits, list[i].hits, list[i].last };
			buf_clear(&last);
			buf_add(&last, list[i].key);
		}
	}
	return true;
}

bool entries_open(struct err *e)
{
	ipc_serve(IPC_user_judge, serve_judge);
	ipc_serve(IPC_user_entry_add, serve_add);
	ipc_serve(IPC_user_entry_end, serve_end);
	ipc_serve(IPC_user_entry_list, serve_list);
	store = entry_store_open("db/user", e);
	return store && load_rows(e) && load_counts(e);
}
