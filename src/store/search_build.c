/* search_build.c — the search index is written; see search_build.h.
 *
 * A block is made in memory and written at once: to be killed costs one block's work.  Letters are
 * opened on the loop, some at a time, and read in a thread; the shelf is not held meanwhile. */
#include "store/search_build.h"

#include "base/arena.h"
#include "base/memory.h"
#include "store/box_file.h"
#include "store/search_block.h"
#include "store/search_index.h"
#include "wire/grams.h"
#include "wire/letter_search.h"
#include "wire/mime.h"

#include <stdlib.h>
#include <sys/stat.h>

#define QUIET (200 * MILLISECOND)        /* so long nobody had work here */

enum {
	NEW_MIN = BLOCK_LETTERS_MAX >> (BLOCK_KINDS - 1), /* fewer new letters cannot make a block */
	PIECE_LETTERS = 32,
	PIECE_OCTETS = 128 * 1024,       /* are read before somebody else's turn; one letter may be more */
	LETTER_MAX = 64 << 20,           /* octets; what is larger is read by each search */
	REST = 2,                        /* times as long as a piece took */
};

/* A letter that is not in the index. */
struct waiting {
	uint32_t uid, octets;
};

struct build {
	struct box *b;
	struct search_survey have;
	size_t spare;                    /* of have.spare are used */
	struct waiting *waiting;
	size_t n;
	/* the block that is being made */
	struct search_block block;
	struct grams grams;
	size_t rows, missing;
	/* in a thread */
	struct searcher s;
	struct buf bytes;
	struct arena a;
	int fds[PIECE_LETTERS];
	size_t first, n_fds;             /* the rows they are of */
	size_t slot;
	struct err e;
	bool ok;
};

bool search_build_wanted(const struct box *b)
{
	return b->is_loaded && !b->is_gone && b->n >= NEW_MIN &&
	       (b->next - b->search_from >= NEW_MIN || b->search_is_damaged);
}

/* ---- a piece, in a thread ---- */

static bool note_letter(struct build *w, int fd)
{
	struct arena_mark mark = arena_mark(&w->a);
	unsigned denials = memory_denials();
	const struct mime_part *root;
	struct stat st;
	struct err ignored;
	char *to;

	buf_clear(&w->bytes);
	w->s.is_short = false;
	if (fstat(fd, &st) || st.st_size > LETTER_MAX)
		return false;
	to = buf_room(&w->bytes, (size_t)st.st_size);
	if (!to || !fd_pread_all(fd, to, (size_t)st.st_size, 0, &ignored))
		return false;
	root = mime_parse_parts(buf_str(&w->bytes), MIME_PARTS_MAX, &w->a);
	if (root) {
		(void)search_header(&w->s, buf_str(&w->bytes));
		(void)search_body(&w->s, buf_str(&w->bytes), root);
	}
	arena_rewind(&w->a, mark);
	w->a.full = false;
	return root && !w->s.is_short && memory_denials() == denials;
}

static void note_run(void *arg)
{
	struct build *w = arg;

	for (size_t i = 0; i < w->n_fds; i++) {
		struct block_letter *row = &w->block.letters[w->first + i];

		w->grams.place = w->first + i;
		if (w->fds[i] < 0 || !note_letter(w, w->fds[i]))
			*row = (struct block_letter){ 0 };
	}
}

static void write_run(void *arg)
{
	struct build *w = arg;

	block_seal(&w->block, (const char *)w->grams.table);
	w->ok = search_index_write(w->b->top, w->slot, &w->block, (const char *)w->grams.table, &w->e);
}

/* ---- a block ---- */

/* Until nobody has work. */
SUSPENDS static bool wait_for_quiet(struct build *w, struct err *e)
{
	while (time_mono() - w->b->shelf->used < QUIET)
		if (!fiber_sleep(QUIET, e))
			return false;
	return !w->b->is_gone || fail(e, FAULT_TEMP, "the folder is gone");
}

/* Open the files of the rows from `first` on. */
static void piece_open(struct build *w, const struct waiting *rows)
{
	size_t octets = 0;
	struct err ignored;

	for (w->n_fds = 0; w->n_fds < PIECE_LETTERS && w->first + w->n_fds < w->rows && octets < PIECE_OCTETS; w->n_fds++) {
		const struct waiting *from = &rows[w->first + w->n_fds];
		const struct letter *l = box_find(w->b, from->uid);
		uint32_t sum = l ? search_name_sum(letter_stem(w->b, l)) : 0;

		w->block.letters[w->first + w->n_fds] = (struct block_letter){ from->uid, sum };
		w->fds[w->n_fds] = l ? box_letter_open_now(w->b, from->uid, &ignored) : -1;
		octets += from->octets;
	}
}

SUSPENDS static bool piece_note(struct build *w, const struct waiting *rows, struct err *e)
{
	int64_t began;

	if (!wait_for_quiet(w, e))
		return false;
	began = time_mono();
	piece_open(w, rows);
	off_loop(note_run, w);
	for (size_t i = 0; i < w->n_fds; i++) {
		fd_end(&w->fds[i]);
		w->missing += !w->block.letters[w->first + i].uid;
	}
	w->first += w->n_fds;
	w->n_fds = 0;
	return fiber_sleep(REST * (time_mono() - began), e);
}

/* These letters become a block. */
SUSPENDS static bool block_make(struct build *w, unsigned kind, const struct waiting *rows, struct err *e)
{
	w->rows = block_letters(kind);
	w->block.kind = kind;
	w->block.validity = w->b->validity;
	w->grams.bits = block_bits(kind);
	w->grams.n = w->rows;
	memset(w->grams.table, 0, BLOCK_TABLE);
	for (w->first = 0, w->missing = 0; w->first < w->rows;)
		if (!piece_note(w, rows, e))
			return false;
	if (w->missing > w->rows / 4)
		return fail(e, FAULT_TEMP, "too many letters could not be read");
	if (!wait_for_quiet(w, e))
		return false;
	w->slot = w->spare < w->have.n_spare ? w->have.spare[w->spare++] : w->have.slots;
	off_loop(write_run, w);
	w->have.slots += w->ok && w->slot == w->have.slots;
	*e = w->e;
	return w->ok;
}

/* ---- a folder ---- */

SUSPENDS static bool sizes_learn(struct build *w, struct err *e)
{
	size_t n = box_count(w->b);
	uint32_t *uids = reallocarray(NULL, n + 1, sizeof(*uids));
	bool ok;

	for (size_t i = 0; uids && i < n; i++)
		uids[i] = w->b->letters[i].uid;
	ok = uids ? box_learn(w->b, uids, n, KNOWN_SIZE, e) : fail(e, FAULT_TEMP, "out of memory");
	free(uids);
	return ok;
}

SUSPENDS static bool waiting_collect(struct build *w, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct box *b = w->b;

	if (!shelf_hold(&held, b->shelf, e) || !search_index_survey(b, b->search_is_damaged, &w->have, e))
		return false;
	b->search_is_damaged = false;
	b->search_from = b->next;
	w->waiting = reallocarray(NULL, b->n + 1, sizeof(*w->waiting));
	if (!w->waiting)
		return fail(e, FAULT_TEMP, "out of memory");
	for (unsigned kind = 0; kind < BLOCK_KINDS; kind++)
		for (size_t i = 0; i < b->n; i++) {
			const struct letter *l = &b->letters[i];

			if (!w->have.covered[i] && l->known & KNOWN_SIZE && l->size <= LETTER_MAX &&
			    block_kind(l->size) == kind)
				w->waiting[w->n++] = (struct waiting){ l->uid, l->size };
		}
	return true;
}

/* Blocks of all that wait; of each kind some are left over. */
SUSPENDS static bool blocks_make(struct build *w, struct err *e)
{
	for (size_t i = 0; i < w->n;) {
		unsigned kind = block_kind(w->waiting[i].octets);
		size_t n = 1;

		while (i + n < w->n && n < block_letters(kind) && block_kind(w->waiting[i + n].octets) == kind)
			n++;
		if (n == block_letters(kind) && !block_make(w, kind, &w->waiting[i], e))
			return false;
		i += n;
	}
	return true;
}

static void cut_run(void *arg)
{
	struct build *w = arg;

	search_index_cut(w->b->top, w->have.slots);
}

/* Spare slots at the end of the file go. */
SUSPENDS static void tail_cut(struct build *w)
{
	size_t was = w->have.slots;

	while (w->have.n_spare > w->spare && w->have.spare[w->have.n_spare - 1] == w->have.slots - 1) {
		w->have.n_spare--;
		w->have.slots--;
	}
	if (w->have.slots < was && !w->b->is_gone)
		off_loop(cut_run, w);
	w->b->search_slots = w->have.slots;
}

SUSPENDS static bool box_build(struct build *w, struct err *e)
{
	w->grams.table = malloc(BLOCK_TABLE);
	if (!w->grams.table || !searcher_init(&w->s, S("")))
		return fail(e, FAULT_TEMP, "out of memory");
	w->s.note = &w->grams;
	if (!wait_for_quiet(w, e) || !sizes_learn(w, e) || !waiting_collect(w, e) || !blocks_make(w, e))
		return false;
	tail_cut(w);
	return true;
}

static void build_end(struct build *w)
{
	search_survey_end(&w->have);
	searcher_end(&w->s);
	buf_end(&w->bytes);
	arena_end(&w->a);
	free(w->waiting);
	free(w->grams.table);
	free(w);
}

static struct box *wanted_find(struct shelf *s)
{
	struct str folder;
	void *box;

	for (size_t i = 0; map_next(&s->boxes, &i, &folder, &box);)
		if (search_build_wanted(box))
			return box;
	return NULL;
}

/* The box is used meanwhile, so that it is not freed; the time since its last real user goes on.  What cannot be
 * done now is tried when there are more letters, or the folder is opened anew. */
SUSPENDS void search_build(struct shelf *s)
{
	struct err e = { 0 };
	struct box *b;

	while (e.fault != FAULT_CANCEL && (b = wanted_find(s))) {
		struct build *w = calloc(1, sizeof(*w));

		if (!w)
			break;
		w->b = b;
		w->bytes = buf_on_heap(LETTER_MAX);
		w->a.limit = MIME_ARENA;
		e = (struct err){ 0 };
		b->users++;
		if (!box_build(w, &e)) {
			b->search_from = b->next;
			b->search_slots = 0;
			b->search_is_damaged = false;
		}
		b->users--;
		build_end(w);
	}
	s->is_indexing = false;
}
