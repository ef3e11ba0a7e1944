/* sent.c — the copies of what was sent; see sent.h.
 *
 * Nothing is remembered: the letters of the last minutes are looked at, so that it holds over the end of
 * this process too. */
#include "role/mailbox/sent.h"

#include "base/arena.h"
#include "base/log.h"
#include "fiber/fiber.h"
#include "store/box.h"
#include "store/folder.h"

#include <stdio.h>

enum { LOOK_MOST = 50 };                 /* letters that are read, the newest first */
#define FOLDER_HOLDS (5 * SECOND)

static bool is_held;
static struct wait given;

SUSPENDS bool sent_lock(struct err *e)
{
	while (is_held)
		if (!wait_on(&given, "the folder of sent letters", e))
			return false;
	is_held = true;
	return true;
}

void sent_unlock(void)
{
	is_held = false;
	wait_wake(&given);
}

/* -- the folder ------------------------------------------------------------ */

SUSPENDS static bool find_folder(struct store *s, struct arena *a, struct str *ret, struct err *e)
{
	struct folder_row *rows;
	size_t n;

	*ret = S("");
	if (!folder_list(s, a, &rows, &n, e))
		return false;
	for (size_t i = 0; i < n && !ret->n; i++)
		if (rows[i].use == FOLDER_SENT && rows[i].exists)
			*ret = rows[i].name;
	return true;
}

SUSPENDS bool sent_folder(struct store *s, struct arena *a, struct str *ret, struct err *e)
{
	struct err why = { 0 };

	if (!find_folder(s, a, ret, e))
		return false;
	if (ret->n)
		return true;
	*ret = S("Sent");
	/* it can also be delivered to: what fails here fails there, and is tried again */
	if (!folder_create(s, *ret, FOLDER_PLAIN, &why) || !folder_subscribe(s, *ret, true, &why))
		log_info("sent", "why=%s", LOGQ(str_from_z(why.text)));
	return true;
}

SUSPENDS bool sent_is_folder(struct store *s, struct str folder)
{
	static char name[STORE_FOLDER_MAX + 1];
	static int64_t until;
	AUTO(arena_end) struct arena a = { 0 };
	struct str found;
	struct err e;

	if (time_mono() >= until) {
		if (!find_folder(s, &a, &found, &e))
			return false;
		snprintf(name, sizeof(name), STR_FMT, STR_ARG(found));
		until = time_mono() + FOLDER_HOLDS;
	}
	return *name && str_eq(folder, str_from_z(name));
}

/* -- is it there ----------------------------------------------------------- */

/* "1764000000.…"; 0: it has another form. */
static int64_t seconds_of(struct str base)
{
	struct str rest;
	uint64_t n;

	return str_u64(str_cut(base, '.', &rest), &n) && n < INT64_MAX / SECOND ? (int64_t)n : 0;
}

struct marking {
	struct str letter;               /* or: */
	struct letter_source *source;
	struct sent_mark *ret;
	bool ok;
};

/* In a thread. */
static void mark_run(void *arg)
{
	struct marking *m = arg;
	struct sent_reader r;
	struct str piece = m->letter;
	struct err e;

	sent_reader_begin(&r);
	if (m->source) {
		m->source->rewind(m->source);
		m->ok = true;
		while (m->ok && (m->ok = m->source->next(m->source, &piece, &e)) && piece.n)
			sent_reader_feed(&r, piece);
	} else {
		sent_reader_feed(&r, piece);
		m->ok = true;
	}
	m->ok = m->ok && sent_reader_mark(&r, m->ret);
	sent_reader_end(&r);
}

SUSPENDS static bool is_same(struct box *b, uint32_t uid, const struct sent_mark *m)
{
	AUTO(buf_end) struct buf letter = buf_on_heap(SIZE_MAX / 2);
	struct sent_mark other;
	struct marking x = { .ret = &other };
	struct err e;

	if (!box_letter_read(b, uid, &letter, &e))
		return false;
	x.letter = buf_str(&letter);
	off_loop(mark_run, &x);
	return x.ok && sent_mark_eq(&other, m);
}

/* The next letter to look at below `below`, 0: none. */
static uint32_t candidate(const struct box *b, uint32_t below, int64_t when)
{
	const struct letter *list = box_letters(b);
	char name[STORE_NAME_MAX + 1];

	for (size_t i = box_find_from(b, below); i-- > 0;) {
		size_t n = box_letter_name(b, &list[i], name);
		int64_t at = seconds_of(str_of(name, n));

		if (at >= when - SENT_WINDOW / SECOND && at <= when + SENT_WINDOW / SECOND)
			return list[i].uid;
	}
	return 0;
}

SUSPENDS bool sent_find(struct store *s, struct str folder, const struct sent_mark *m, int64_t when,
			uint32_t *ret_validity, uint32_t *ret_uid)
{
	uint32_t uid = UINT32_MAX;
	struct box *b;
	struct err e;
	bool found = false;

	if (!box_open(s, folder, &b, &e))
		return false;
	if (box_sync(b, false, NULL, &e))
		for (int i = 0; i < LOOK_MOST && !found && (uid = candidate(b, uid, when)); i++)
			found = is_same(b, uid, m);
	if (found) {
		*ret_validity = box_uidvalidity(b);
		*ret_uid = uid;
	}
	box_close(b);
	return found;
}

SUSPENDS bool sent_is_filed(struct store *s, const struct store_letter *l)
{
	struct sent_mark m;
	struct marking x = { .source = l->source, .ret = &m };
	uint32_t validity, uid;

	off_loop(mark_run, &x);
	l->source->rewind(l->source);
	return x.ok && sent_find(s, l->folder, &m, seconds_of(l->base), &validity, &uid);
}
