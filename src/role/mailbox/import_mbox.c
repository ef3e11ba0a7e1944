/* import_mbox.c — the letters of an mbox, one after the other.
 *
 * A letter is read once to see where it ends, which it is and what its flags are, and once more to be
 * taken; both times through one window of the file. */
#include "role/mailbox/import.h"

#include "wire/flags.h"
#include "wire/mbox.h"

#include <stdlib.h>

/* A place in the file, with what is known there. */
struct place {
	struct mbox m;
	uint64_t at;
};

struct mbox_file {
	struct import_source from;
	struct file_window w;
	uint64_t size;
	struct place begin;              /* of the letter: behind its "From " line */
	struct place now;
	struct place end;                /* of the letter; its facts are complete there */
};

/* What the header says of the body's length is believed if a letter can end there. */
SUSPENDS static void look_behind(struct mbox_file *f)
{
	uint64_t at, begin = file_window_tell(&f->w);
	char after[MBOX_AFTER];
	size_t n;

	if (!__builtin_add_overflow(begin, f->now.m.length, &at) && at <= f->size &&
	    file_window_peek(&f->w, at, after, sizeof(after), &n) && mbox_may_end(str_of(after, n)))
		f->now.m.verbatim = f->now.m.length;
}

SUSPENDS static bool event_next(struct mbox_file *f, enum mbox_event *ret, struct str *text, struct err *e)
{
	for (;;) {
		*ret = mbox_next(&f->now.m, &f->w.in, f->w.is_last, text);
		if (*ret == MBOX_BODY)
			look_behind(f);
		else if (*ret != MBOX_MORE)
			break;
		else if (!file_window_more(&f->w, e))
			return false;
	}
	f->now.at = file_window_tell(&f->w);
	return true;
}

SUSPENDS static bool letter_rewind(struct import_source *s, struct err *e)
{
	struct mbox_file *f = (struct mbox_file *)s;

	(void)e;
	f->now = f->begin;
	file_window_seek(&f->w, f->begin.at);
	return true;
}

SUSPENDS static bool letter_next(struct import_source *s, struct str *ret, struct err *e)
{
	struct mbox_file *f = (struct mbox_file *)s;
	enum mbox_event event;

	if (!event_next(f, &event, ret, e))
		return false;
	if (event == MBOX_TEXT)
		return true;
	must(event == MBOX_DONE, "a letter ends before the next begins");
	f->end = f->now;
	*ret = S("");
	return true;
}

static void letter_facts(struct import_source *s, struct import_facts *ret)
{
	struct mbox_file *f = (struct mbox_file *)s;
	struct str words = str_of(f->end.m.keywords, f->end.m.keywords_n);

	_Static_assert((int)FLAG_SEEN == (int)LETTER_SEEN && (int)FLAG_DRAFT == (int)LETTER_DRAFT, "one set of bits");
	ret->flags = f->end.m.flags;
	ret->date = f->end.m.date;
	for (struct str w = str_word(&words); w.n && ret->n_keywords < KEYWORDS_MAX; w = str_word(&words))
		ret->keywords[ret->n_keywords++] = w;
}

/* What c-client keeps for itself in front is no letter. */
SUSPENDS static bool is_internal(struct mbox_file *f, bool *ret, struct err *e)
{
	struct str text = { .n = 1 };

	if (!letter_rewind(&f->from, e))
		return false;
	while (text.n)
		if (!letter_next(&f->from, &text, e))
			return false;
	*ret = f->end.m.is_internal;
	return true;
}

/* A letter that cannot be taken is counted. */
SUSPENDS static bool letter_take(struct import *im, struct mbox_file *f, uint64_t *ret_refused, struct err *why,
				 struct err *e)
{
	enum import_outcome outcome;

	if (import_one(im, &f->from, letter_facts, &outcome, e))
		return true;
	if (e->fault != FAULT_PERM)
		return false;
	if (!(*ret_refused)++)
		*why = *e;
	return true;
}

SUSPENDS static bool letters_take(struct import *im, struct mbox_file *f, import_progress_fn *progress, void *arg,
				  uint64_t *ret_refused, struct err *why, struct err *e)
{
	for (bool is_first = true; ; is_first = false) {
		enum mbox_event event;
		bool skip = false;
		struct str text;

		if (!event_next(f, &event, &text, e))
			return false;
		if (event == MBOX_END)
			return true;
		if (event == MBOX_BAD)
			return fail(e, FAULT_PERM, "no mbox: it does not begin with a line \"From SENDER DATE\"");
		must(event == MBOX_FROM, "a letter begins where another has ended");
		f->begin = f->now;
		if ((is_first && !is_internal(f, &skip, e)) || (!skip && !letter_take(im, f, ret_refused, why, e)))
			return false;
		f->now = f->end;
		file_window_seek(&f->w, f->end.at);
		progress(arg, f->end.at);
	}
}

SUSPENDS bool import_letters(struct import *im, int fd, import_progress_fn *progress, void *arg, uint64_t *ret_refused,
			  struct err *why, struct err *e)
{
	struct mbox_file *f = calloc(1, sizeof(*f));
	bool ok;

	if (!f)
		return fail(e, FAULT_TEMP, "out of memory");
	f->from = (struct import_source){ letter_rewind, letter_next };
	ok = file_window_init(&f->w, fd, &f->size, e) && letters_take(im, f, progress, arg, ret_refused, why, e);
	file_window_end(&f->w);
	free(f);
	return ok;
}
