/* bans.c — who may not connect: by a person's word, or for how it behaved.
 *
 * Bans are in memory (user/ban_table.h) and in access.db.  A ban is an entry that a later entry ends;
 * what is over is left out of memory.  A ban by the server holds at once and is written a moment
 * later, many in one transaction, so that a flood of bad clients waits for no disk and nobody waits
 * for them. */
#include "role/user/user.h"

#include "base/log.h"
#include "user/ban_table.h"
#include "user/conduct.h"

#include <stdlib.h>

enum { AT_ONCE = 500, LIST_MAX = 200, LIST_BYTES = 40000, REASON_MAX = 200 };
#define FLUSH_EVERY MINUTE
#define TELL_EVERY HOUR                  /* that a ban refused somebody */
#define FORGET_AFTER (90 * DAY)          /* since a ban by the server was over */

static struct access_store *store;
static bool is_busy;
static struct wait idle;
static struct ban_table bans;
static int64_t last_id;                  /* that was given to a ban */
static struct wait unwritten;            /* there is a ban that the database does not have */
static struct conduct *conduct;

/* -- the store ------------------------------------------------------------- */

SUSPENDS bool access_take(struct access_store **ret, struct err *e)
{
	while (is_busy)
		if (!wait_on(&idle, "access.db", e))
			return false;
	is_busy = true;
	*ret = store;
	return true;
}

void access_give(void)
{
	is_busy = false;
	wait_wake(&idle);
}

struct writing {
	bool (*write)(struct access_store *s, const struct ban_entry *list, size_t n, struct err *e);
	struct ban_entry *list;
	size_t n;
	bool ok;
	struct err err;
};

/* In a thread. */
static void write_work(void *arg)
{
	struct writing *w = arg;

	w->ok = w->write(store, w->list, w->n, &w->err);
}

SUSPENDS static bool store_write(struct writing *w, struct err *e)
{
	struct access_store *s;

	if (!access_take(&s, e))
		return false;
	off_loop(write_work, w);
	access_give();
	if (!w->ok)
		*e = w->err;
	return w->ok;
}

/* -- refusing -------------------------------------------------------------- */

static struct str until_of(const struct ban *b, struct arena *a)
{
	char mem[40];
	struct buf until = buf_over(mem, sizeof(mem));

	if (b->entry.expires)
		time_add_rfc3339(&until, b->entry.expires);
	return arena_printf(a, "%s" STR_FMT, until.n ? " until " : "", STR_ARG(buf_str(&until)));
}

static bool explain(const struct net_address *from, struct str *ret_why, struct arena *a)
{
	const struct ban *b = ban_table_find(&bans, from, time_now());

	struct str until;

	if (!b)
		return false;
	until = until_of(b, a);
	*ret_why = arena_printf(a, "the ban %lld of " STR_FMT STR_FMT ", by " STR_FMT ": " STR_FMT, (long long)b->entry.id,
				STR_ARG(b->entry.what), STR_ARG(until), STR_ARG(b->entry.by), STR_ARG(b->entry.reason));
	return true;
}

bool bans_refuse(const struct net_address *from, struct str *ret_why, bool *ret_is_told, struct arena *a)
{
	int64_t now = time_now();
	struct ban *b = ban_table_find(&bans, from, now);
	struct str until;

	if (!b)
		return false;
	b->entry.hits++;
	b->entry.last_hit = now;
	*ret_is_told = b->told && now - b->told < TELL_EVERY;
	if (!*ret_is_told)
		b->told = now;
	until = until_of(b, a);
	*ret_why = arena_printf(a, "your address is banned" STR_FMT ": " STR_FMT, STR_ARG(until), STR_ARG(b->entry.reason));
	return true;
}

/* -- banning for what was done --------------------------------------------- */

const char *bans_spare(const struct net_address *from)
{
	if (net_address_is_loopback(from))
		return "it is this machine";
	if (clients_exempt(from))
		return "it is in friends or unlimited";
	return known_has_network(from) ? "somebody logged in from its network lately" : NULL;
}

static void print_client(const struct net_address *client, struct buf *to)
{
	net_address_print(client, to);
	if (!net_address_is_v4(client))
		buf_add(to, S("/64"));
}

/* Each ban of a client is longer than the one before. */
static int64_t length_of(unsigned before)
{
	const struct conf_durations *d = &conf_now()->ban.times;

	return d->p[before < d->n ? before : d->n - 1];
}

void bans_punish(const struct net_address *client, struct str peer, struct str reason)
{
	int64_t now = time_now(), forget = conf_now()->ban.forget;
	unsigned before = ban_table_before(&bans, client, forget, now);
	char mem[64];
	struct buf what = buf_over(mem, sizeof(mem));
	AUTO(arena_end) struct arena a = { 0 };
	struct ban_entry x;
	struct err e = { 0 };

	if (bans_spare(client) || ban_table_find(&bans, client, now))
		return;
	print_client(client, &what);
	if (before)
		reason = arena_printf(&a, STR_FMT ", banned %u time%s before", STR_ARG(reason), before, before > 1 ? "s" : "");
	x = (struct ban_entry){ .id = ++last_id, .what = buf_str(&what), .added = now, .by = BAN_BY_SERVER, .reason = reason,
				.expires = now + length_of(before) };
	if (!ban_table_add(&bans, &x, true, &e)) {
		log_warn("ban", "what=" STR_FMT " why=%s", STR_ARG(x.what), LOGQ(str_from_z(e.text)));
		return;
	}
	ban_table_note(&bans, client, forget, now, x.expires);
	why_client_banned(x.what, peer, x.expires - now, reason);
	wait_wake(&unwritten);
}

void bans_judge(const struct net_address *from, struct str peer, const unsigned *n)
{
	const struct conf_ban *c = &conf_now()->ban;
	const struct conduct_rule rules[CONDUCT_KINDS] = {
		[CONDUCT_NO_HOST_NAME] = { c->no_host_name.n, c->no_host_name.per },
		[CONDUCT_UNKNOWN_RECIPIENTS] = { c->unknown_recipients.n, c->unknown_recipients.per },
		[CONDUCT_ERRORS] = { c->errors.n, c->errors.per },
	};
	struct net_address client = net_address_client(from);
	struct conduct_evidence found;
	char mem[100];
	struct buf reason = buf_over(mem, sizeof(mem));

	if (bans_spare(from) || !conduct_note(conduct, &client, rules, n, time_mono(), &found))
		return;
	conduct_print(&found, &reason);
	bans_punish(&client, peer, buf_str(&reason));
}

static bool serve_standing(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_standing *q = question;
	struct user_standing_answer *r = answer;
	struct net_address from;

	(void)l;
	if (!net_address_parse(q->peer, &from))
		return fail(e, FAULT_PERM, "%s is no IP address", LOGQ(q->peer));
	(void)explain(&from, &r->ban, a);
	r->spared = str_from_z(bans_spare(&from));
	return true;
}

/* -- by command ------------------------------------------------------------ */

static bool check_network(struct str what, struct network *ret, struct err *e)
{
	struct net_address loopback[2];

	if (!network_parse(what, ret, e))
		return false;
	if (net_address_parse(S("127.0.0.1"), &loopback[0]) && net_address_parse(S("::1"), &loopback[1]) &&
	    (network_has(ret, &loopback[0]) || network_has(ret, &loopback[1]) ||
	     net_address_is_loopback(&ret->address)))
		return fail(e, FAULT_PERM, "this machine's own addresses are never banned");
	return true;
}

SUSPENDS static bool serve_add(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_ban_add *q = question;
	struct user_ban_add_answer *r = answer;
	int64_t now = time_now();
	struct network net;
	struct ban_entry x;
	struct ban *b;

	(void)l, (void)a;
	if (!check_network(q->what, &net, e))
		return false;
	if (q->seconds > 3650 * (uint64_t)(DAY / SECOND))
		return fail(e, FAULT_PERM, "at most ten years, or without an end");
	x = (struct ban_entry){ .id = ++last_id, .what = q->what, .added = now, .by = q->by,
				.reason = str_head(q->reason, REASON_MAX),
				.expires = q->seconds ? now + (int64_t)q->seconds * SECOND : 0 };
	b = ban_table_add(&bans, &x, false, e);
	if (!b)
		return false;
	b->is_written = true;    /* what follows does it, and says if it cannot be */
	if (!store_write(&(struct writing){ .write = bans_add, .list = &x, .n = 1 }, e)) {
		b = ban_table_next(&bans, x.id - 1);
		if (b && b->entry.id == x.id)
			ban_table_remove(&bans, b);
		return false;
	}
	r->id = (uint64_t)x.id;
	log_info("ban", "what=" STR_FMT " by=%s why=%s", STR_ARG(q->what), LOGQ(q->by), LOGQ(q->reason));
	return true;
}

static bool is_meant(const struct ban *b, struct str what)
{
	uint64_t id;

	return str_eq(b->entry.what, what) || (str_u64(what, &id) && b->entry.id == (int64_t)id);
}

/* Ended by a person: if the server made it, that was a mistake, and the next one is a first one. */
SUSPENDS static bool end_ban(struct ban *b, const struct user_ban_remove *q, struct err *e)
{
	struct ban_entry x = { .id = ++last_id, .what = q->what, .added = time_now(), .by = q->by, .ends = b->entry.id };

	if (!store_write(&(struct writing){ .write = bans_add, .list = &x, .n = 1 }, e))
		return false;
	b = ban_table_next(&bans, x.ends - 1);
	if (!b || b->entry.id != x.ends)
		return true;     /* over meanwhile */
	if (b->is_automatic)
		ban_table_pardon(&bans, &b->net.address);
	ban_table_remove(&bans, b);
	return true;
}

SUSPENDS static bool serve_remove(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_ban_remove *q = question;
	struct user_ban_remove_answer *r = answer;
	int64_t id;

	(void)l, (void)a;
	ban_table_expire(&bans, time_now());
	for (struct ban *b = ban_table_next(&bans, 0); b; b = ban_table_next(&bans, id)) {
		id = b->entry.id;
		if (!is_meant(b, q->what))
			continue;
		if (!end_ban(b, q, e))
			return false;
		r->n++;
	}
	if (!r->n)
		return fail(e, FAULT_PERM, "%s is not banned; waxwing ban list shows who is", LOGQ(str_head(q->what, 100)));
	log_info("ban", "what=%s by=%s what=ended", LOGQ(q->what), LOGQ(q->by));
	return true;
}

static bool serve_list(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_ban_list *q = question;
	struct user_ban_list_answer *r = answer;
	const struct ban *b = NULL;
	size_t bytes = 0;

	(void)l;
	ban_table_expire(&bans, time_now());
	r->bans.p = ARENA_ARRAY(a, struct ipc_ban, LIST_MAX);
	if (!r->bans.p)
		return fail(e, FAULT_TEMP, "out of memory");
	while (r->bans.n < LIST_MAX && bytes < LIST_BYTES && (b = ban_table_next(&bans, b ? b->entry.id : (int64_t)q->after))) {
		const struct ban_entry *x = &b->entry;

		r->bans.p[r->bans.n++] = (struct ipc_ban){
			.id = (uint64_t)x->id, .what = x->what, .added = x->added, .by = x->by, .reason = x->reason,
			.expires = x->expires, .hits = x->hits, .last_hit = x->last_hit };
		bytes += x->what.n + x->by.n + x->reason.n + sizeof(struct ipc_ban);
	}
	return true;
}

/* -- to the disk ----------------------------------------------------------- */

static bool wants_row(const struct ban *b)
{
	return !b->is_written;
}

static bool wants_hits(const struct ban *b)
{
	return b->is_written && b->entry.hits != b->hits_written;
}

/* Those behind *after that want it, AT_ONCE at most; their words are copied, for they may be gone before they are
 * written. */
static size_t gather(int64_t *after, bool (*wants)(const struct ban *), struct ban_entry *list, struct arena *a)
{
	size_t n = 0;
	struct ban *b;

	while (n < AT_ONCE && (b = ban_table_next(&bans, *after))) {
		*after = b->entry.id;
		if (!wants(b))
			continue;
		list[n] = b->entry;
		list[n].what = arena_str(a, b->entry.what);
		list[n].by = arena_str(a, b->entry.by);
		list[n++].reason = arena_str(a, b->entry.reason);
		b->is_written = true;
		b->hits_written = b->entry.hits;
	}
	return a->full ? 0 : n;
}

SUSPENDS static void flush(bool (*wants)(const struct ban *), bool is_new)
{
	int64_t after = 0;
	size_t n = AT_ONCE;

	while (n == AT_ONCE) {
		AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
		struct ban_entry *list = ARENA_ARRAY(&a, struct ban_entry, AT_ONCE);
		struct err e = { 0 };

		n = list ? gather(&after, wants, list, &a) : 0;
		if (n && !store_write(&(struct writing){ .write = is_new ? bans_add : bans_set_hits, .list = list, .n = n }, &e))
			log_error("ban", "bans=%zu why=%s next=\"they hold until the next restart\"", n, LOGQ(str_from_z(e.text)));
	}
}

void bans_flush(void)
{
	ban_table_expire(&bans, time_now());
	flush(wants_row, true);
	flush(wants_hits, false);
}

SUSPENDS void bans_tend(void *unused)
{
	struct err e = { 0 };
	bool ok = true;

	(void)unused;
	while (ok) {
		int64_t began = time_mono();

		WITHIN(FLUSH_EVERY)
			ok = wait_on(&unwritten, "a new ban", &e) || e.timed_out;
		flush(wants_row, true);
		if (time_mono() - began >= FLUSH_EVERY)
			bans_flush();
	}
}

/* -- life ------------------------------------------------------------------ */

static void load_end(int64_t id)
{
	struct ban *b = ban_table_next(&bans, id - 1);

	if (!b || b->entry.id != id)
		return;
	if (b->is_automatic)
		ban_table_pardon(&bans, &b->net.address);
	ban_table_remove(&bans, b);
}

static void load_entry(const struct ban_entry *x, int64_t now)
{
	bool is_automatic = str_eq(x->by, BAN_BY_SERVER);
	struct net_address client;
	struct network net;
	struct err e = { 0 };
	struct ban *b;

	if (x->ends) {
		load_end(x->ends);
		return;
	}
	if (!network_parse(x->what, &net, &e))
		return;
	client = net_address_client(&net.address);
	if (is_automatic)
		ban_table_note(&bans, &client, conf_now()->ban.forget, x->added, x->expires);
	if (x->expires && x->expires <= now)
		return;
	b = ban_table_add(&bans, x, is_automatic, &e);
	if (!b) {
		log_warn("ban", "what=%s why=%s", LOGQ(x->what), LOGQ(str_from_z(e.text)));
		return;
	}
	b->is_written = true;
	b->hits_written = x->hits;
}

/* Before the rights are given up nobody waits: the database is read at once. */
static bool load_bans(struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct ban_entry *list = ARENA_ARRAY(&a, struct ban_entry, AT_ONCE);
	struct arena_mark mark = arena_mark(&a);
	int64_t last = 0, now = time_now();
	size_t n = AT_ONCE;

	if (!bans_forget(store, now - FORGET_AFTER, e) || !bans_last_id(store, &last_id, e))
		return false;
	for (; list && n == AT_ONCE; arena_rewind(&a, mark)) {
		if (!ban_entries(store, last, AT_ONCE, &a, list, &n, e))
			return false;
		for (size_t i = 0; i < n; i++) {
			load_entry(&list[i], now);
			last = list[i].id;
		}
	}
	return list || fail(e, FAULT_TEMP, "out of memory");
}

bool bans_open(uint8_t ret_secret[ACCESS_SECRET], struct err *e)
{
	ipc_serve(IPC_user_ban_add, serve_add);
	ipc_serve(IPC_user_ban_remove, serve_remove);
	ipc_serve(IPC_user_ban_list, serve_list);
	ipc_serve(IPC_user_standing, serve_standing);
	conduct = conduct_open(CONDUCT_ENTRIES_MAX);
	if (!conduct)
		return fail(e, FAULT_TEMP, "out of memory");
	store = access_store_open("db/user", e);
	return store && access_secret(store, ret_secret, e) && load_bans(e) && known_load(store, e);
}
