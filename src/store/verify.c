/* verify.c — do files, uidlist and cache agree?  See verify.h.
 *
 * One folder at a time: the directories and the uidlist are read anew and each letter's file is read.
 * A second file of one letter (another program copied it under the same name) gets a name of its own. */
#include "store/verify.h"

#include "base/arena.h"
#include "base/rnd.h"
#include "store/box_file.h"
#include "store/folder.h"
#include "store/rename.h"
#include "store/search_index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024 };

struct verify_job {
	struct dir_visit v;
	struct box *b;
	struct verify *ret;
	struct buf *report;
	bool repair, in_new, ok;
	char *block;
	uint32_t *sizes;                 /* two per letter: what the file has */
	struct err e;
};

PRINTF_LIKE(3, 4) static void tell(struct verify_job *j, struct str name, const char *fmt, ...);

static void tell(struct verify_job *j, struct str name, const char *fmt, ...)
{
	char text[200];
	va_list args;

	if (!j->report)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	buf_addf(j->report, "%s: ", j->b->folder[0] ? j->b->folder : "INBOX");
	buf_add_printable(j->report, name, STORE_NAME_MAX);
	buf_addf(j->report, ": %s\n", text);
}

/* ---- in a thread ---- */

static void check_lines(struct verify_job *j)
{
	AUTO(text_end) char *text = NULL;
	struct uidlist_header h;
	struct uidlist_line l;
	struct stamp ignored;
	struct str in;
	bool bad;

	if (!uidfile_read(j->b->top, &text, &in.n, &ignored, &j->e))
		return;
	in.p = text;
	if (!uidlist_header_parse(&in, &h))
		return;
	while (uidlist_line_parse(&in, &h, &l, &bad)) {
		const struct letter *k = bad ? NULL : box_find(j->b, l.uid);

		j->ret->bad_lines += bad;
		if (bad || (k && str_eq(letter_stem(j->b, k), l.name)))
			continue;
		j->ret->no_file++;
		tell(j, l.name, "UID %u has no file", l.uid);
	}
}

/* The one whose name we know is the letter. */
static bool double_each(struct dir_visit *v, struct str name)
{
	struct verify_job *j = (struct verify_job *)v;
	struct str stem = str_head(name, str_find(name, ':'));
	const struct letter *l = box_by_stem(j->b, stem);
	char known[STORE_NAME_MAX + 1], new_name[STORE_NAME_MAX + 1];
	int dir = j->in_new ? j->b->dir.new : j->b->dir.cur;
	struct buf b = buf_over(new_name, STORE_NAME_MAX + 1 - INFO_MAX);

	if (!l || v->type == DT_DIR)
		return true;
	if (letter_file(j->b, l, known) == dir && str_eq(str_from_z(known), name))
		return true;
	j->ret->doubles++;
	tell(j, name, "a second file of UID %u", l->uid);
	if (!j->repair || !stem_copy(stem, (uint32_t)rnd_u64(), &b))
		return true;
	b.limit = b.cap = STORE_NAME_MAX;
	buf_add(&b, str_from(name, stem.n));
	new_name[b.n] = '\0';
	(void)rename_fresh(dir, name.p, dir, new_name);
	return true;
}

static bool file_sizes(struct verify_job *j, const struct letter *l, uint32_t *size, uint32_t *vsize)
{
	char name[STORE_NAME_MAX + 1], prev = 0;
	int dir = letter_file(j->b, l, name);
	AUTO(fd_end) int fd = letter_open_at(dir, name);
	uint64_t n = 0, lf = 0;
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	while ((got = read(fd, j->block, BLOCK)) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			lf += j->block[i] == '\n' && prev != '\r';
			prev = j->block[i];
		}
		n += (uint64_t)got;
	}
	*size = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
	*vsize = n + lf > UINT32_MAX ? UINT32_MAX : (uint32_t)(n + lf);
	return got == 0;
}

static void check_files(struct verify_job *j)
{
	for (size_t i = 0; i < j->b->n; i++) {
		const struct letter *l = &j->b->letters[i];
		struct file_name f = file_name_parse(letter_stem(j->b, l));
		uint32_t *size = &j->sizes[2 * i], *vsize = size + 1;

		if (!file_sizes(j, l, size, vsize)) {
			j->ret->unreadable++;
			tell(j, letter_stem(j->b, l), "UID %u cannot be read", l->uid);
			*size = *vsize = UINT32_MAX;
		} else if ((f.has_size && f.size != *size) || (f.has_vsize && f.vsize != *vsize)) {
			j->ret->wrong_size++;
			tell(j, letter_stem(j->b, l), "UID %u has %u octets, %u with CRLF", l->uid, *size, *vsize);
		}
	}
}

static void verify_run(void *arg)
{
	struct verify_job *j = arg;
	AUTO(uidlist_unlock) struct uidlist_lock lock = UIDLIST_UNLOCKED;

	j->ok = j->b->index_cap || box_index_make(j->b, &j->e);
	if (!j->ok)
		return;
	check_lines(j);
	j->v.each = double_each;
	j->in_new = true;
	j->ok = dir_visit(j->b->dir.new, false, &j->v, &j->e);
	j->in_new = false;
	j->ok = j->ok && dir_visit(j->b->dir.cur, false, &j->v, &j->e);
	if (!j->ok)
		return;
	check_files(j);
	if (j->repair && (j->ret->no_file || j->ret->bad_lines))
		j->ok = uids_begin(j->b, &lock, NULL, &j->e) && uids_rewrite(j->b, S(""), &j->e);
}

/* ---- on the loop ---- */

static void take_sizes(struct verify_job *j)
{
	for (size_t i = 0; i < j->b->n; i++) {
		struct letter *l = &j->b->letters[i];

		if (j->sizes[2 * i] == UINT32_MAX)
			continue;
		l->size = j->sizes[2 * i];
		l->vsize = j->sizes[2 * i + 1];
		l->known |= KNOWN_SIZE | KNOWN_VSIZE;
	}
	j->b->is_stale = true;
}

SUSPENDS static bool check_index(struct verify_job *j, struct err *e)
{
	struct search_survey have;

	if (!search_index_survey(j->b, true, &have, e))
		return false;
	j->ret->indexed += have.n_covered;
	j->ret->bad_blocks += have.bad;
	if (have.bad)
		tell(j, S("waxwing-search"), "%zu damaged blocks", have.bad);
	if (have.bad && j->repair) {
		j->b->search_is_damaged = true;
		shelf_wake(j->b->shelf);
	}
	search_survey_end(&have);
	return true;
}

SUSPENDS static bool verify_box(struct verify_job *j, struct err *e)
{
	size_t before = j->b->n;

	if (!names_follow(j->b, false, SIZE_MAX, e) || !box_look(j->b, true, e))
		return false;
	j->ret->no_uid += j->b->n > before ? j->b->n - before : 0;
	j->ret->letters += j->b->n;
	j->ret->folders++;
	j->sizes = calloc(j->b->n + 1, 2 * sizeof(*j->sizes));
	j->block = malloc(BLOCK);
	j->ok = j->sizes && j->block;
	if (j->ok)
		off_loop(verify_run, j);
	else
		fail(&j->e, FAULT_TEMP, "out of memory");
	if (j->ok)
		take_sizes(j);
	else
		*e = j->e;
	free(j->sizes);
	free(j->block);
	return j->ok && check_index(j, e) && (!j->repair || box_look(j->b, true, e));
}

SUSPENDS bool store_verify(struct store *s, bool repair, struct verify *ret, struct buf *report,
			   struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 16 << 20 };
	struct shelf *shelf = shelf_of(s, e);
	struct folder_row *rows;
	struct verify v = { 0 };
	size_t n;

	if (!shelf || !folder_list(s, &a, &rows, &n, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		AUTO(shelf_let_go) struct shelf_held held = { 0 };
		struct verify_job j = { .repair = repair, .ret = &v, .report = report };

		if (!rows[i].exists)
			continue;
		if (!shelf_hold(&held, shelf, e) || !box_get(shelf, rows[i].name, &j.b, e) || !verify_box(&j, e))
			return false;
	}
	*ret = v;
	return true;
}
