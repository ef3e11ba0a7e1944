/* dkim.c — our DKIM keys, and the file that says what happened to them.
 *
 * The parent opens keys/dkim.book for us, so that each write is on stable storage when it returns (O_DSYNC); it
 * only grows, one line for each event (trust/dkim_entry.h), and holds the keys we made.  A start reads it from its
 * beginning: what the lines say of a key, one after the other, is its state.
 *
 * States on disk, and what a start makes of them:
 *   no line of a key         it was never used nor told of: the next need makes another
 *   `made`                   NEW: waits until somebody has seen it in the DNS
 *   `made` `used`            IN_USE.  Both stand in one write; if only the first survived it is NEW, which loses nothing:
 *                            nobody was told of it, and the next need makes what is lacking
 *   … `retired` … `gone`     signs no more
 *   a torn line              passed over; the next one is written behind it
 * Guarantee: a key has been written down before anything is signed with it or its record is told. */
#include "role/keys/dkim.h"

#include "base/fd.h"
#include "base/log.h"
#include "fiber/private_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { BOOK_MAX = 64 << 20, ROWS_MAX = 16384, PAIR = 2, SAME_DAY_MAX = 99 };

static struct {
	int fd;                          /* 0: none */
	int64_t end;                     /* where the next line goes */
	uint64_t last_id;
	bool is_torn;                    /* the last line has no end */
	char trouble[200];
} book;

static struct dkim_row **rows;
static size_t n_rows;
static bool is_making;
static struct wait made;

struct str dkim_book_trouble(void)
{
	return str_from_z(book.trouble);
}

/* -- rows ------------------------------------------------------------------ */

struct dkim_row *dkim_find(struct str domain, struct str selector)
{
	for (size_t i = 0; i < n_rows; i++)
		if (str_eq(rows[i]->domain, domain) && str_eq(rows[i]->selector, selector))
			return rows[i];
	return NULL;
}

size_t dkim_count(void)
{
	return n_rows;
}

struct dkim_row *dkim_row_at(size_t i)
{
	return i < n_rows ? rows[i] : NULL;
}

enum dkim_state dkim_state_of(const struct dkim_row *row)
{
	return row->state == DKIM_RETIRED && time_now() - row->since >= DKIM_KEEP ? DKIM_REMOVABLE : row->state;
}

struct dkim_row *dkim_in_use(struct str domain, enum dkim_algorithm algorithm)
{
	for (size_t i = 0; i < n_rows; i++)
		if (rows[i]->state == DKIM_IN_USE && rows[i]->private.algorithm == algorithm &&
		    str_eq(rows[i]->domain, domain))
			return rows[i];
	return NULL;
}

struct str dkim_copy(struct str s)
{
	char *p = malloc(s.n ? s.n : 1);

	must(p, "out of memory for a name");
	memcpy(p, s.p, s.n);
	return str_of(p, s.n);
}

static struct dkim_row *row_add(struct str domain, struct str selector)
{
	struct dkim_row *row = dkim_find(domain, selector);

	if (row)
		return row;
	if (n_rows == ROWS_MAX)
		return NULL;
	if (!rows)
		rows = calloc(ROWS_MAX, sizeof(rows[0]));
	row = calloc(1, sizeof(*row));
	must(rows && row, "out of memory for a key");
	*row = (struct dkim_row){ .index = n_rows, .domain = dkim_copy(domain), .selector = dkim_copy(selector) };
	rows[n_rows++] = row;
	return row;
}

/* -- events ---------------------------------------------------------------- */

static void state_set(struct dkim_row *row, enum dkim_state state, int64_t when)
{
	row->state = state;
	row->since = when;
}

/* The one that signs from now on puts the one before it out of use: dkim_mark_row() writes that down, too. */
static bool apply(const struct dkim_entry *x, struct err *e)
{
	struct dkim_row *row = row_add(x->domain, x->selector);

	if (!row)
		return fail(e, FAULT_PERM, "more than %d keys", ROWS_MAX);
	if (x->event == DKIM_EVENT_MADE || x->event == DKIM_EVENT_TAKEN)
		row->made = x->time;
	switch (x->event) {
	case DKIM_EVENT_MADE:
		state_set(row, DKIM_NEW, x->time);
		if (!row->private.key)
			return dkim_private_load_der(x->key, &row->private, e);
		break;
	case DKIM_EVENT_TAKEN:
		row->flags |= DKIM_IS_TAKEN_OVER;
		state_set(row, DKIM_IN_USE, x->time);
		break;
	case DKIM_EVENT_USED:
		state_set(row, DKIM_IN_USE, x->time);
		break;
	case DKIM_EVENT_SEEN:
		row->seen = x->time;
		break;
	case DKIM_EVENT_RETIRED:
		state_set(row, DKIM_RETIRED, x->time);
		break;
	case DKIM_EVENT_GONE:
		state_set(row, DKIM_GONE, x->time);
		break;
	case DKIM_EVENTS:
		break;
	}
	return true;
}

/* -- the file -------------------------------------------------------------- */

static void book_fails(const struct err *e)
{
	snprintf(book.trouble, sizeof(book.trouble), "%s", e->text);
	log_error("dkim", "why=%s next=\"no key is made; letters that must be signed and cannot wait\"",
		  LOGQ(str_from_z(e->text)));
}

static void take_line(struct str line, size_t number)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct dkim_entry x = { 0 };
	struct err e = { 0 };

	if (!dkim_entry_parse(line, &a, &x, &e) || !apply(&x, &e))
		log_error("dkim", "line=%zu domain=" STR_FMT " selector=" STR_FMT " why=%s next=\"it is passed over\"", number,
			  STR_ARG(x.domain), STR_ARG(x.selector), LOGQ(str_from_z(e.text)));
	if (x.id > book.last_id)
		book.last_id = x.id;
	if (x.key.n)
		private_bytes_wipe((char *)(uintptr_t)x.key.p, x.key.n);
}

static bool read_book(struct str text, struct err *e)
{
	struct str head = S(DKIM_BOOK_HEAD);

	if (text.n && !str_starts(text, head) && !str_starts(head, text))
		return fail(e, FAULT_PERM, "keys/dkim.book is no list of keys that this release knows");
	for (size_t number = 2; (text = str_from(text, str_find(text, '\n') + 1)).n; number++)
		take_line(str_head(text, str_find(text, '\n')), number);
	return true;
}

/* One write, durable when it returns. */
static bool book_add(struct str lines, struct err *e)
{
	AUTO(buf_end) struct buf b = buf_on_heap(lines.n + 64);
	bool ok;

	if (book.trouble[0] || book.fd <= 0)
		return fail(e, FAULT_TEMP, "%s", book.trouble[0] ? book.trouble : "there is no file for keys");
	if (!book.end)
		buf_add(&b, S(DKIM_BOOK_HEAD));
	else if (book.is_torn)
		buf_add_char(&b, '\n');
	buf_add(&b, lines);
	ok = b.full ? fail(e, FAULT_TEMP, "no memory for a line about a key") : fd_pwrite_all(book.fd, buf_str(&b), book.end, e);
	if (ok) {
		book.end += (int64_t)b.n;
		book.is_torn = false;
	} else {
		fail_in(e, "write keys/dkim.book");
	}
	if (b.p)
		private_bytes_wipe(b.p, b.n);
	return ok;
}

void dkim_book_take(int fd)
{
	struct err e = { 0 };
	char *text = NULL;
	size_t n = 0;

	if (book.fd > 0) {               /* a reload: it is in our hands already */
		fd_end(&fd);
		return;
	}
	if (fd <= 0) {
		fail(&e, FAULT_TEMP, "keys/dkim.book cannot be opened");
		book_fails(&e);
		return;
	}
	book.fd = fd;
	book.trouble[0] = '\0';
	if (!fd_slurp(fd, BOOK_MAX, &text, &n, &e) || !read_book(str_of(text, n), &e))
		book_fails(&e);
	book.end = (int64_t)n;
	book.is_torn = n && text[n - 1] != '\n';
	if (text)
		private_bytes_wipe(text, n);
	free(text);
}

/* -- making ---------------------------------------------------------------- */

struct making {
	bool is_wanted[PAIR];
	struct dkim_private key[PAIR];
	bool ok;
	struct err err;
};

static const enum dkim_algorithm algorithms[PAIR] = { DKIM_RSA_SHA256, DKIM_ED25519_SHA256 };

static void do_make(void *arg)
{
	struct making *m = arg;

	m->ok = true;
	for (size_t i = 0; m->ok && i < PAIR; i++)
		m->ok = !m->is_wanted[i] || dkim_private_make(algorithms[i], &m->key[i], &m->err);
}

/* "20261121r", the date in UTC; a second one of that day is "20261121r2". */
static bool selector_for(struct str domain, enum dkim_algorithm algorithm, int64_t now, struct arena *a, struct str *ret)
{
	struct time_parts t = time_split(now);

	for (int n = 1; n <= SAME_DAY_MAX; n++) {
		*ret = arena_printf(a, "%04d%02d%02d%c", t.year, t.month, t.day, algorithm == DKIM_RSA_SHA256 ? 'r' : 'e');
		if (n > 1)
			*ret = arena_printf(a, STR_FMT "%d", STR_ARG(*ret), n);
		if (ret->n && !dkim_find(domain, *ret))
			return true;
	}
	return false;
}

/* Writes down the keys of m, then they are ours. */
static bool keep(struct str domain, struct making *m, bool is_first, struct str by, struct str reason, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct buf lines = buf_on_heap(4 * DKIM_ENTRY_MAX), der = buf_on_heap(DKIM_ENTRY_MAX);
	struct dkim_entry x = { .id = book.last_id, .time = time_now(), .domain = domain, .by = by, .reason = reason };
	struct str selector[PAIR];
	bool ok = true;

	for (size_t i = 0; ok && i < PAIR; i++) {
		if (!m->is_wanted[i])
			continue;
		buf_clear(&der);
		x.id++;
		x.event = DKIM_EVENT_MADE;
		ok = selector_for(domain, algorithms[i], x.time, &a, &x.selector) || fail(e, FAULT_TEMP, "no selector is left today");
		ok = ok && dkim_private_der(&m->key[i], &der, e);
		x.key = buf_str(&der);
		ok = ok && dkim_entry_print(&x, &lines, e);
		x.key = S("");
		x.event = DKIM_EVENT_USED;
		x.id += is_first;
		ok = ok && (!is_first || dkim_entry_print(&x, &lines, e));
		selector[i] = x.selector;
	}
	ok = ok && book_add(buf_str(&lines), e);
	for (size_t i = 0; ok && i < PAIR; i++) {
		struct dkim_row *row = m->is_wanted[i] ? row_add(domain, selector[i]) : NULL;

		if (!row)
			continue;
		row->private = m->key[i];
		m->key[i] = (struct dkim_private){ 0 };
		row->made = x.time;
		state_set(row, is_first ? DKIM_IN_USE : DKIM_NEW, x.time);
		log_info("dkim", "domain=" STR_FMT " selector=" STR_FMT " state=%s by=%s why=%s", STR_ARG(domain),
			 STR_ARG(row->selector), dkim_state_word(row->state), LOGQ(by), LOGQ(reason));
	}
	if (ok)
		book.last_id = x.id;
	private_bytes_wipe(lines.p, lines.n);
	private_bytes_wipe(der.p, der.n);
	buf_end(&lines);
	buf_end(&der);
	return ok;
}

SUSPENDS static bool make(struct str domain, bool is_first, struct str by, struct str reason, struct err *e)
{
	struct making m = { 0 };
	bool any = false, ok = true;

	for (size_t i = 0; i < PAIR; i++) {
		m.is_wanted[i] = !is_first || !dkim_in_use(domain, algorithms[i]);
		any |= m.is_wanted[i];
	}
	if (!any)
		return true;
	if (book.trouble[0])
		return fail(e, FAULT_TEMP, "%s", book.trouble);
	if (n_rows + PAIR > ROWS_MAX)
		return fail(e, FAULT_PERM, "more than %d keys", ROWS_MAX);
	off_loop(do_make, &m);
	if (!m.ok) {
		*e = m.err;
		ok = false;
	}
	ok = ok && keep(domain, &m, is_first, by, reason, e);
	for (size_t i = 0; i < PAIR; i++)
		dkim_private_close(&m.key[i]);
	return ok;
}

bool dkim_make(struct str domain, bool is_first, struct str by, struct str reason, struct err *e)
{
	bool ok;

	while (is_making)                /* one after the other: the second may find what the first has made */
		if (!wait_on(&made, "another pair of keys", e))
			return false;
	is_making = true;
	ok = make(domain, is_first, by, reason, e);
	is_making = false;
	wait_wake_all(&made);
	return ok;
}

static bool say(struct dkim_row *row, enum dkim_event event, const struct dkim_entry *like, struct buf *lines, struct err *e)
{
	struct dkim_entry x = *like;

	x.id = ++book.last_id;
	x.event = event;
	x.domain = row->domain;
	x.selector = row->selector;
	return dkim_entry_print(&x, lines, e);
}

/* -- taken over ------------------------------------------------------------ */

struct dkim_row *dkim_row_taken(struct str domain, struct str selector)
{
	struct dkim_row *row = row_add(domain, selector);

	if (row)
		row->flags |= DKIM_IS_TAKEN_OVER;
	return row;
}

/* It is in use whether this can be written down or not: the next start finds its file again. */
void dkim_row_takes_over(struct dkim_row *row, enum dkim_algorithm algorithm)
{
	struct dkim_entry like = { .time = time_now(), .by = S("server"), .reason = S("dkim keys") };
	struct dkim_row *before = dkim_in_use(row->domain, algorithm);
	AUTO(buf_end) struct buf lines = buf_on_heap(4 * DKIM_ENTRY_MAX);
	struct err e = { 0 };

	if (row->made)
		return;
	if (before && before != row)
		state_set(before, DKIM_RETIRED, like.time);
	if (!say(row, DKIM_EVENT_TAKEN, &like, &lines, &e) ||
	    (before && before != row && !say(before, DKIM_EVENT_RETIRED, &like, &lines, &e)) || !book_add(buf_str(&lines), &e))
		log_error("dkim", "domain=" STR_FMT " why=%s", STR_ARG(row->domain), LOGQ(str_from_z(e.text)));
	row->made = like.time;
	state_set(row, DKIM_IN_USE, like.time);
}

/* -- marking --------------------------------------------------------------- */

static bool may_mark(const struct dkim_row *row, enum dkim_mark mark, struct err *e)
{
	const char *word = dkim_state_word(dkim_state_of(row));

	if (mark == DKIM_RETIRE && row->state != DKIM_NEW && row->state != DKIM_IN_USE)
		return fail(e, FAULT_PERM, "the key is %s already", word);
	if (mark == DKIM_REMOVED && row->state != DKIM_RETIRED)
		return fail(e, FAULT_PERM, "the key is %s: only one that is retired can be gone", word);
	return mark < DKIM_MARKS || fail(e, FAULT_PERM, "nothing known can be said of the key");
}

/* The change, and who gives way to it. */
static bool mark_lines(struct dkim_row *row, struct dkim_row *before, enum dkim_mark mark, const struct dkim_entry *like,
		       struct buf *lines, struct err *e)
{
	if (mark == DKIM_RETIRE)
		return say(row, DKIM_EVENT_RETIRED, like, lines, e);
	if (mark == DKIM_REMOVED)
		return say(row, DKIM_EVENT_GONE, like, lines, e);
	if (!say(row, DKIM_EVENT_SEEN, like, lines, e))
		return false;
	return row->state != DKIM_NEW || (say(row, DKIM_EVENT_USED, like, lines, e) &&
					  (!before || say(before, DKIM_EVENT_RETIRED, like, lines, e)));
}

bool dkim_mark_row(struct dkim_row *row, enum dkim_mark mark, struct str by, struct str reason, struct err *e)
{
	struct dkim_entry like = { .time = time_now(), .by = by, .reason = reason };
	struct dkim_row *before = dkim_in_use(row->domain, row->private.algorithm);
	AUTO(buf_end) struct buf lines = buf_on_heap(4 * DKIM_ENTRY_MAX);

	if (!may_mark(row, mark, e) || !mark_lines(row, before, mark, &like, &lines, e) || !book_add(buf_str(&lines), e))
		return false;
	if (mark == DKIM_RETIRE || mark == DKIM_REMOVED) {
		state_set(row, mark == DKIM_RETIRE ? DKIM_RETIRED : DKIM_GONE, like.time);
	} else {
		if (row->state == DKIM_NEW && before)
			state_set(before, DKIM_RETIRED, like.time);
		if (row->state == DKIM_NEW)
			state_set(row, DKIM_IN_USE, like.time);
		row->seen = like.time;
	}
	log_info("dkim", "domain=" STR_FMT " selector=" STR_FMT " state=%s by=%s why=%s", STR_ARG(row->domain),
		 STR_ARG(row->selector), dkim_state_word(row->state), LOGQ(by), LOGQ(reason));
	return true;
}
