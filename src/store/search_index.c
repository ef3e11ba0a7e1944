/* search_index.c — which letters of a folder cannot hold a text; see search_index.h. */
#include "store/search_index.h"

#include "base/crc32c.h"
#include "store/box_file.h"
#include "store/search_block.h"
#include "wire/grams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FILE_NAME "waxwing-search"

enum {
	SLOTS_MAX = 1 << 16,             /* more of the file is not looked at */
	GRAMS_MAX = 64,                  /* of a text are looked up */
	FREE_MIN = 64 << 20,             /* octets that stay free on the disk, for letters */
};

/* The file, block by block. */
struct slots {
	int fd;
	size_t n, at;                    /* at: one behind the present one */
	struct search_block block;
	size_t page_at;                  /* which page of the block `page` is; BLOCK_PAGES: none */
	char head[BLOCK_HEAD], page[BLOCK_PAGE];
};

uint32_t search_name_sum(struct str stem)
{
	return crc32c(0, stem);
}

static void slots_close(struct slots **s)
{
	if (*s)
		fd_end(&(*s)->fd);
	free(*s);
}

/* NULL: no memory.  Without a file there are no slots. */
static struct slots *slots_open(int top)
{
	struct slots *s = calloc(1, sizeof(*s));
	struct stat st;

	if (!s)
		return NULL;
	s->fd = openat(top, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (s->fd >= 0 && !fstat(s->fd, &st) && S_ISREG(st.st_mode))
		s->n = (size_t)(st.st_size / BLOCK_OCTETS);
	if (s->n > SLOTS_MAX)
		s->n = SLOTS_MAX;
	return s;
}

/* The next slot; *ret_ok: it has a block. */
static bool slots_next(struct slots *s, bool *ret_ok)
{
	struct err ignored;

	if (s->at == s->n)
		return false;
	s->page_at = BLOCK_PAGES;
	*ret_ok = fd_pread_all(s->fd, s->head, BLOCK_HEAD, (int64_t)s->at * BLOCK_OCTETS, &ignored) &&
		  block_parse(str_of(s->head, BLOCK_HEAD), &s->block);
	s->at++;
	return true;
}

static bool page_read(struct slots *s, size_t page)
{
	int64_t at = (int64_t)(s->at - 1) * BLOCK_OCTETS + BLOCK_HEAD + (int64_t)page * BLOCK_PAGE;
	struct err ignored;

	if (s->page_at == page)
		return true;
	s->page_at = BLOCK_PAGES;
	if (!fd_pread_all(s->fd, s->page, BLOCK_PAGE, at, &ignored) || !block_page_is(&s->block, page, s->page))
		return false;
	s->page_at = page;
	return true;
}

/* Its place in the box; b->n if it is gone or another letter has its UID. */
static size_t row_place(const struct box *b, const struct block_letter *row)
{
	const struct letter *l = row->uid ? box_find(b, row->uid) : NULL;

	return l && search_name_sum(letter_stem(b, l)) == row->name ? (size_t)(l - b->letters) : b->n;
}

/* ---- narrow ---- */

struct narrow_job {
	struct box *b;
	struct str text;
	uint8_t *absent;                 /* per place in the box */
	bool is_damaged;
};

/* A bit for each letter of the block that may hold the text.  False: a page is damaged. */
static bool block_hits(struct slots *s, struct str text, uint8_t hits[static BLOCK_LETTERS_MAX / 8])
{
	size_t width = block_letters(s->block.kind) / 8, n = grams_count(text);
	uint8_t any = 1;

	memset(hits, 0xff, width);
	for (size_t i = 0; i < n && i < GRAMS_MAX && any; i++) {
		size_t at = gram_column(gram_at(text, i), block_bits(s->block.kind)) * width;

		if (!page_read(s, at / BLOCK_PAGE))
			return false;
		any = 0;
		for (size_t k = 0; k < width; k++)
			any |= hits[k] &= (uint8_t)s->page[at % BLOCK_PAGE + k];
	}
	return true;
}

static void narrow_run(void *arg)
{
	struct narrow_job *j = arg;
	AUTO(slots_close) struct slots *s = slots_open(j->b->top);
	uint8_t hits[BLOCK_LETTERS_MAX / 8];
	bool ok;

	j->absent = calloc(j->b->n + 1, 1);
	j->is_damaged = s && s->n < j->b->search_slots;
	while (s && j->absent && slots_next(s, &ok)) {
		if (!ok || s->block.validity != j->b->validity)
			continue;
		if (!block_hits(s, j->text, hits)) {
			j->is_damaged = true;
			continue;
		}
		for (size_t i = 0; i < block_letters(s->block.kind); i++)
			if (!(hits[i / 8] >> i % 8 & 1))
				j->absent[row_place(j->b, &s->block.letters[i])] = 1;
	}
}

SUSPENDS bool search_index_narrow(struct box *b, struct str folded, uint32_t *uids, size_t *n, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct narrow_job j = { .b = b, .text = folded };
	size_t kept = 0;

	if (!grams_count(folded))
		return true;
	if (!shelf_hold(&held, b->shelf, e))
		return false;
	off_loop(narrow_run, &j);
	if (j.is_damaged) {
		b->search_is_damaged = true;
		shelf_wake(b->shelf);
	}
	for (size_t i = 0; i < *n && j.absent; i++) {
		const struct letter *l = box_find(b, uids[i]);

		if (!l || !j.absent[l - b->letters])
			uids[kept++] = uids[i];
	}
	*n = j.absent ? kept : *n;
	free(j.absent);
	return fiber_check(e);
}

/* ---- survey ---- */

struct survey_job {
	struct box *b;
	bool thorough, ok;
	struct search_survey *ret;
};

static bool pages_are_whole(struct slots *s)
{
	for (size_t i = 0; i < BLOCK_PAGES; i++)
		if (!page_read(s, i))
			return false;
	return true;
}

/* How many letters of the block are there; with `cover` that is noted. */
static size_t block_count(const struct slots *s, const struct box *b, struct search_survey *v, bool cover)
{
	size_t n = 0;

	for (size_t i = 0; i < block_letters(s->block.kind); i++) {
		size_t place = row_place(b, &s->block.letters[i]);

		if (place == b->n || v->covered[place])
			continue;
		v->covered[place] = cover;
		n++;
	}
	return n;
}

static void survey_slot(struct survey_job *j, struct slots *s, bool ok)
{
	struct search_survey *v = j->ret;

	if (!ok || (j->thorough && !pages_are_whole(s)))
		v->bad += ok || s->head[0];      /* a zero: given up */
	else if (s->block.validity == j->b->validity &&
		 block_count(s, j->b, v, false) * 2 >= block_letters(s->block.kind)) {
		v->n_covered += block_count(s, j->b, v, true);
		return;
	}
	v->spare[v->n_spare++] = (uint32_t)(s->at - 1);
}

static void survey_run(void *arg)
{
	struct survey_job *j = arg;
	AUTO(slots_close) struct slots *s = slots_open(j->b->top);
	bool ok;

	if (!s)
		return;
	j->ret->slots = s->n;
	j->ret->covered = calloc(j->b->n + 1, 1);
	j->ret->spare = reallocarray(NULL, s->n + 1, sizeof(*j->ret->spare));
	j->ok = j->ret->covered && j->ret->spare;
	while (j->ok && slots_next(s, &ok))
		survey_slot(j, s, ok);
}

SUSPENDS bool search_index_survey(struct box *b, bool thorough, struct search_survey *ret, struct err *e)
{
	struct survey_job j = { .b = b, .thorough = thorough, .ret = ret };

	*ret = (struct search_survey){ 0 };
	off_loop(survey_run, &j);
	if (!j.ok)
		search_survey_end(ret);
	return j.ok || fail(e, FAULT_TEMP, "out of memory");
}

void search_survey_end(struct search_survey *s)
{
	free(s->covered);
	free(s->spare);
	*s = (struct search_survey){ 0 };
}

/* ---- write ---- */

static bool has_room(int fd, struct err *e)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return fail_sys(e, FAULT_TEMP, errno, "look for room on the disk");
	return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize >= FREE_MIN + BLOCK_OCTETS ||
	       fail_sys(e, FAULT_TEMP, ENOSPC, "the disk is nearly full");
}

/* The slot has no head while its table is another's. */
bool search_index_write(int top, size_t slot, const struct search_block *block, const char *table, struct err *e)
{
	AUTO(fd_end) int fd = openat(top, FILE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	int64_t at = (int64_t)slot * BLOCK_OCTETS;
	char head[8] = { 0 }, *all;
	struct stat st;
	bool ok;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return fail_sys(e, FAULT_TEMP, fd < 0 ? errno : EINVAL, "open " FILE_NAME);
	if (slot >= SLOTS_MAX || !has_room(fd, e))
		return slot < SLOTS_MAX ? false : fail(e, FAULT_TEMP, "the search index is too big");
	all = malloc(BLOCK_HEAD);
	if (!all)
		return fail(e, FAULT_TEMP, "out of memory");
	block_print(block, all);
	ok = fd_pwrite_all(fd, str_of(head, sizeof(head)), at, e) &&
	     fd_pwrite_all(fd, str_of(table, BLOCK_TABLE), at + BLOCK_HEAD, e) &&
	     fd_pwrite_all(fd, str_of(all, BLOCK_HEAD), at, e);
	free(all);
	return ok;
}

void search_index_cut(int top, size_t slots)
{
	AUTO(fd_end) int fd = openat(top, FILE_NAME, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > (int64_t)slots * BLOCK_OCTETS)
		(void)!ftruncate(fd, (int64_t)slots * BLOCK_OCTETS);
}
