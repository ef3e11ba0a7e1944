/* export.c — see export.h. */
#include "role/mailbox/export.h"

#include "base/arena.h"
#include "base/fd.h"
#include "role/mailbox/file_window.h"
#include "role/runtime.h"
#include "store/uidlist.h"
#include "wire/flags.h"
#include "wire/mbox.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { OUT_MOST = MBOX_ROOM(FILE_WINDOW) + 2 * MBOX_FROM_MAX + 2 * KEYWORDS_MAX * (KEYWORD_MAX + 1) };

/* ---- the folder ---- */

static bool uids_take(struct export *x, struct err *e)
{
	x->uids = reallocarray(NULL, box_count(x->box) + 1, sizeof(*x->uids));
	if (!x->uids)
		return fail(e, FAULT_TEMP, "out of memory");
	for (; x->n < box_count(x->box); x->n++)
		x->uids[x->n] = box_letters(x->box)[x->n].uid;
	return true;
}

SUSPENDS struct export *export_open(struct store *s, struct str folder, const bool *stop, struct err *e)
{
	struct export *x = calloc(1, sizeof(*x));

	if (!x) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	x->stop = stop;
	if (!box_open(s, folder, &x->box, e) || !box_sync(x->box, false, NULL, e) || !uids_take(x, e) ||
	    !box_learn(x->box, x->uids, x->n, KNOWN_DATE | KNOWN_SIZE, e)) {
		if (e->sys == ENOENT)
			fail(e, FAULT_PERM, "there is no such folder");
		export_close(x);
		return NULL;
	}
	for (size_t i = 0; i < box_count(x->box); i++)
		x->octets += box_letters(x->box)[i].size;
	return x;
}

void export_close(struct export *x)
{
	if (!x)
		return;
	if (x->box)
		box_close(x->box);
	free(x->uids);
	free(x);
}

struct str export_keywords(const struct export *x, struct arena *a)
{
	AUTO(buf_end) struct buf b = buf_on_heap(KEYWORDS_BYTES_MAX);

	for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
		struct str word = box_keyword(x->box, i);

		if (word.n)
			buf_addf(&b, "%u " STR_FMT "\n", i, STR_ARG(word));
	}
	return arena_str(a, buf_str(&b));
}

/* ---- letters ---- */

static bool may_go_on(const struct export *x, struct err *e)
{
	if (self.is_stopping)
		return fail(e, FAULT_TEMP, "the server is stopping");
	return !*x->stop || fail(e, FAULT_CANCEL, "nobody waits for it");
}

/* The next letter that is there, and its file; NULL without an error at the end. */
SUSPENDS static const struct letter *letter_next(struct export *x, int *ret, struct err *e)
{
	*e = (struct err){ 0 };
	while (x->at < x->n && may_go_on(x, e)) {
		uint32_t uid = x->uids[x->at++];
		const struct letter *l;

		*ret = box_letter_open(x->box, uid, e);
		l = *ret < 0 ? NULL : box_find(x->box, uid);
		if (l)
			return l;
		if (*ret >= 0)
			close(*ret);
		else if (e->sys != ENOENT && box_find(x->box, uid))
			return NULL;
		*e = (struct err){ 0 };
	}
	return NULL;
}

SUSPENDS bool export_next(struct export *x, struct exported *ret, struct err *e)
{
	const struct letter *l = letter_next(x, &ret->fd, e);

	if (!l) {
		ret->fd = -1;
		return !e->fault;
	}
	ret->date = l->date;
	ret->is_new = !str_has(str_of(ret->name, box_letter_name(x->box, l, ret->name)), ':');
	return true;
}

/* ---- as an mbox ---- */

struct mbox_writer {
	struct export *x;
	int fd;
	struct buf out;
	uint64_t octets, letters;
	struct err e;
	bool ok;
};

static void write_run(void *arg)
{
	struct mbox_writer *w = arg;

	w->ok = fd_write_all(w->fd, buf_str(&w->out), &w->e);
}

static void sync_run(void *arg)
{
	struct mbox_writer *w = arg;

	w->ok = fd_sync(w->fd, &w->e);
}

SUSPENDS static bool do_off_loop(struct mbox_writer *w, void (*run)(void *), struct err *e)
{
	off_loop(run, w);
	if (!w->ok)
		*e = w->e;
	return w->ok;
}

/* Return-Path stands in front of a letter that was delivered. */
static struct str sender_of(struct str letter)
{
	struct str line = str_cut(letter, '\n', &letter), value;

	if (!str_eq_nocase(str_cut(line, ':', &value), S("Return-Path")))
		return S("");
	value = str_trim(value);
	return str_at(value, 0) == '<' && str_ends(value, S(">")) ? str_sub(value, 1, value.n - 2) : S("");
}

static void letter_begin(struct mbox_writer *w, const struct letter *l, struct mbox_out *o, struct str in)
{
	AUTO(buf_end) struct buf words = buf_on_heap(KEYWORDS_MAX * (KEYWORD_MAX + 1));
	AUTO(buf_end) struct buf base = buf_on_heap(KEYWORDS_MAX * (KEYWORD_MAX + 1) + 64);
	struct mbox_facts f = { .sender = sender_of(in), .date = l->date, .flags = l->flags & FLAG_SYSTEM, .uid = l->uid };

	for (unsigned i = 0; i < KEYWORDS_MAX; i++)
		if (l->keywords >> i & 1 && box_keyword(w->x->box, i).n) {
			buf_add(&words, words.n ? S(" ") : S(""));
			buf_add(&words, box_keyword(w->x->box, i));
		}
	f.keywords = buf_str(&words);
	if (!w->letters++) {
		buf_addf(&base, "%u %010u", box_uidvalidity(w->x->box), box_uidnext(w->x->box) - 1);
		for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
			struct str word = box_keyword(w->x->box, i);

			if (word.n)
				buf_addf(&base, " " STR_FMT, STR_ARG(word));
		}
	}
	f.base = buf_str(&base);
	mbox_begin(o, &f, &w->out);
}

SUSPENDS static bool letter_write(struct mbox_writer *w, uint32_t uid, int fd, struct err *e)
{
	struct file_window in;
	struct mbox_out o = { 0 };
	const struct letter *l;
	bool has_begun = false;
	uint64_t size;
	bool ok = file_window_init(&in, fd, &size, e);

	while (ok && !in.is_last) {
		ok = file_window_more(&in, e);
		l = box_find(w->x->box, uid);
		if (!ok || (!has_begun && !l))
			break;           /* expunged in this moment */
		buf_clear(&w->out);
		if (!has_begun)
			letter_begin(w, l, &o, in.in);
		has_begun = true;
		mbox_add(&o, &in.in, in.is_last, &w->out);
		must(!w->out.full, "a window fits when it is quoted");
		ok = do_off_loop(w, write_run, e);
		w->octets += w->out.n;
	}
	file_window_end(&in);
	return ok;
}

SUSPENDS bool export_letters(struct export *x, int fd, export_progress_fn *progress, void *arg, uint64_t *ret_letters,
			     uint64_t *ret_octets, struct err *e)
{
	struct mbox_writer w = { .x = x, .fd = fd, .out = buf_on_heap(OUT_MOST) };
	const struct letter *l;
	uint64_t read = 0;
	bool ok = true;
	int from;

	while (ok && (l = letter_next(x, &from, e))) {
		read += l->size;
		ok = letter_write(&w, l->uid, from, e);
		close(from);
		progress(arg, read);
	}
	ok = ok && !e->fault && do_off_loop(&w, sync_run, e);
	buf_end(&w.out);
	*ret_letters = w.letters;
	*ret_octets = w.octets;
	return ok;
}
