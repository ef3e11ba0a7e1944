/* flag_log.c — flags that are in force but not yet in the names; see flag_log.h. */
#include "store/flag_log.h"

#include "base/crc32c.h"
#include "base/hooks.h"
#include "store/box_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_BYTES_MAX = 64 << 20, CRC_HEX = 8 };

#define FIRST_LINE "waxwing flags 2\n"
#define SECOND_LINE "%s %016llx\n"       /* open or rest, epoch */
#define FILE_NAME "flags"
#define NEW_FILE "flags.new"

enum { FIRST_N = sizeof(FIRST_LINE) - 1, WORD_N = 4, START = FIRST_N + WORD_N + 18 };

/* A line that a crash left. */
struct flag_line {
	struct flags_change change;
	uint32_t validity;
	struct str text;                 /* all behind its CRC, without the newline */
	struct str uids, folder;
	bool is_done;                    /* it took effect, or its folder is gone */
	bool is_later;                   /* its folder could not be read when we began */
};

struct flag_log {
	struct shelf *shelf;
	int fd;
	int64_t end;                     /* where the next line begins */
	uint32_t crc;                    /* of the last line */
	uint64_t added, synced;          /* lines, counted */
	bool is_after_crash;
	uint64_t epoch;
	char *left;                      /* what a crash left */
	size_t left_n;
	struct flag_line *lines;         /* in it */
	size_t n_lines, cap_lines;
	int64_t undone;                  /* octets of lines that are not done */
};

static bool hex_u32(struct str s, uint32_t *ret)
{
	uint32_t v = 0;

	if (!s.n || s.n > 8)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int d = ascii_hex(str_at(s, i));

		if (d < 0)
			return false;
		v = v << 4 | (uint32_t)d;
	}
	*ret = v;
	return true;
}

static void head_print(const struct flag_log *f, struct buf *to)
{
	buf_addf(to, FIRST_LINE SECOND_LINE, "open", (unsigned long long)f->epoch);
}

/* Durable before the first change is told. */
static bool mark_open(struct flag_log *f, struct err *e)
{
	struct buf b = buf_over((char[START + 1]){ 0 }, START + 1);

	head_print(f, &b);
	return fd_pwrite_all(f->fd, buf_str(&b), 0, e) && fd_sync(f->fd, e);
}

/* *ret_rest: at rest; false: not such a file. */
static bool head_parse(struct str text, uint64_t *ret_epoch, bool *ret_rest)
{
	struct str word, hex, line = str_from(text, FIRST_N);
	uint32_t high, low;

	if (text.n < START || !str_starts(text, S(FIRST_LINE)) || str_at(text, START - 1) != '\n')
		return false;
	word = str_cut(str_head(line, START - FIRST_N - 1), ' ', &hex);
	*ret_rest = str_eq(word, S("rest"));
	if ((!*ret_rest && !str_eq(word, S("open"))) || !hex_u32(str_head(hex, 8), &high) ||
	    !hex_u32(str_from(hex, 8), &low))
		return false;
	*ret_epoch = (uint64_t)high << 32 | low;
	return true;
}

/* A line's CRC goes on from that of the line before, so that no line of an earlier time, when more stood in
 * the file, is taken for the next one.  False at the first damaged line: what follows it was not synced. */
static bool line_next(struct str *in, uint32_t *crc, struct flag_line *ret)
{
	size_t n = str_find(*in, '\n');
	struct str line = str_head(*in, n), rest;
	struct flag_line l = { .text = str_from(line, CRC_HEX) };
	uint32_t found, how, flags;

	if (n == in->n || !hex_u32(str_head(line, CRC_HEX), &found) || found != crc32c(*crc, l.text))
		return false;
	rest = str_from(l.text, 1);
	if (!hex_u32(str_cut(rest, ' ', &rest), &how) || how > FLAGS_SET ||
	    !hex_u32(str_cut(rest, ' ', &rest), &flags) ||
	    !hex_u32(str_cut(rest, ' ', &rest), &l.change.keywords) ||
	    !hex_u32(str_cut(rest, ' ', &rest), &l.validity))
		return false;
	l.change.how = (enum flags_how)how;
	l.change.flags = (uint8_t)(flags & LETTER_SYSTEM);
	l.uids = str_cut(rest, ' ', &l.folder);
	*crc = found;
	*in = str_from(*in, n + 1);
	*ret = l;
	return true;
}

static void left_free(struct flag_log *f)
{
	free(f->left);
	free(f->lines);
	f->left = NULL;
	f->lines = NULL;
	f->left_n = f->n_lines = f->cap_lines = 0;
	f->undone = 0;
}

static bool lines_take(struct flag_log *f, struct err *e)
{
	struct str in = str_from(str_of(f->left, f->left_n), START);
	struct flag_line l;

	while (line_next(&in, &f->crc, &l)) {
		if (f->n_lines == f->cap_lines) {
			size_t cap = f->cap_lines ? f->cap_lines * 2 : 64;
			struct flag_line *more = reallocarray(f->lines, cap, sizeof(l));

			if (!more)
				return fail(e, FAULT_TEMP, "out of memory");
			f->lines = more;
			f->cap_lines = cap;
		}
		f->lines[f->n_lines++] = l;
	}
	f->end = (int64_t)(f->left_n - in.n);
	f->undone = f->end - START;
	return true;
}

/* New, or not ours to read: nothing in it was synced by this version. */
static bool read_left(struct flag_log *f, struct err *e)
{
	bool is_rest = false, is_ours;

	left_free(f);
	f->end = START;
	f->crc = 0;
	if (!fd_slurp(f->fd, LOG_BYTES_MAX, &f->left, &f->left_n, e))
		return false;
	is_ours = head_parse(str_of(f->left, f->left_n), &f->epoch, &is_rest);
	f->is_after_crash |= is_ours && !is_rest;
	if (!is_ours || !is_rest)
		f->epoch = (uint64_t)time_now();
	if (!is_ours || is_rest)
		left_free(f);
	else if (!lines_take(f, e))
		return false;
	if (ftruncate(f->fd, is_ours ? f->end : 0))
		return fail_sys(e, FAULT_TEMP, errno, "truncate " FILE_NAME);
	return mark_open(f, e);
}

static bool file_open(struct flag_log *f, struct err *e)
{
	enum { HOW = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC };
	struct stat st;
	int ours;

	if (!shelf_ours(f->shelf, &ours, e))
		return false;
	f->fd = openat(ours, FILE_NAME, HOW, 0600);
	if (f->fd < 0 || fstat(f->fd, &st) || !S_ISREG(st.st_mode))
		return fail_sys(e, FAULT_TEMP, errno, "open " FILE_NAME);
	return read_left(f, e) && fd_sync_dir_at(ours, ".", e);
}

bool flag_log_open(struct shelf *s, struct flag_log **ret, struct err *e)
{
	struct flag_log *f = calloc(1, sizeof(*f));
	bool ok;

	if (!f)
		return fail(e, FAULT_TEMP, "out of memory");
	f->fd = -1;
	f->shelf = s;
	ok = file_open(f, e);
	if (ok)
		*ret = f;
	else
		flag_log_close(f);
	return ok;
}

void flag_log_close(struct flag_log *f)
{
	if (!f)
		return;
	fd_end(&f->fd);
	left_free(f);
	free(f);
}

/* Runs of letters that are neighbours in the box, whatever UIDs lie between them. */
static void uids_print(const struct box *b, const uint32_t *uids, size_t n, struct buf *to)
{
	for (size_t i = 0; i < n;) {
		size_t place = box_find_from(b, uids[i]), k = i + 1;

		while (k < n && place + (k - i) < b->n && b->letters[place + (k - i)].uid == uids[k])
			k++;
		if (i)
			buf_add_char(to, ',');
		buf_addf(to, "%x", uids[i]);
		if (k - i > 1)
			buf_addf(to, ":%x", uids[k - 1]);
		i = k;
	}
}

/* What stood in a file that somebody deleted is in the letters' names soon. */
static bool keep_open(struct flag_log *f, const struct box *b, struct err *e)
{
	struct stat st;

	if (f->fd >= 0 && !fstat(f->fd, &st) && st.st_nlink > 0)
		return true;
	if (!folder_is_there(f->shelf->m->home, f->shelf->m->root, &b->dir))
		return fail_sys(e, FAULT_TEMP, ENOENT, "the folder is gone");
	fd_end(&f->fd);
	return file_open(f, e);
}

static uint32_t line_print(uint32_t crc, struct str text, struct buf *to)
{
	crc = crc32c(crc, text);
	buf_addf(to, "%08x", crc);
	buf_add(to, text);
	buf_add_char(to, '\n');
	return crc;
}

bool flag_log_add(struct flag_log *f, struct box *b, const struct flags_change *c,
		  const uint32_t *uids, size_t n, struct err *e)
{
	AUTO(buf_end) struct buf text = buf_on_heap(LOG_BYTES_MAX), line = buf_on_heap(LOG_BYTES_MAX);
	uint32_t crc;

	if (!keep_open(f, b, e))
		return false;
	buf_addf(&text, " %d %x %x %x ", (int)c->how, (unsigned)c->flags, c->keywords, b->validity);
	uids_print(b, uids, n, &text);
	buf_addf(&text, " %s", b->folder);
	crc = line_print(f->crc, buf_str(&text), &line);
	if (text.full || line.full)
		return fail(e, FAULT_TEMP, "no memory for the flag log");
	/* a part of a line that a full disk left is written over by the next */
	if (FAULT_IN(flags_write, e) || !fd_pwrite_all(f->fd, buf_str(&line), f->end, e))
		return fail_in(e, "flags");
	f->end += (int64_t)line.n;
	f->crc = crc;
	f->added++;
	return true;
}

bool flag_log_needs_sync(const struct flag_log *f)
{
	return f && f->synced < f->added;
}

struct sync_job {
	int fd, sys;
};

static void sync_run(void *arg)
{
	struct sync_job *j = arg;

	j->sys = FAULT_POINT(flags_sync) || fdatasync(j->fd) ? errno : 0;
}

SUSPENDS static bool sync_now(const struct flag_log *f, struct err *e)
{
	/* a copy: the file may be another one meanwhile */
	AUTO(fd_end) int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	struct sync_job j = { .fd = fd };

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "sync " FILE_NAME);
	off_loop(sync_run, &j);
	return !j.sys || fail_sys(e, FAULT_TEMP, j.sys, "sync " FILE_NAME);
}

SUSPENDS bool flag_log_sync(struct flag_log *f, struct err *e)
{
	uint64_t upto = f ? f->added : 0;

	if (!flag_log_needs_sync(f))
		return true;
	if (!sync_now(f, e))
		return false;
	if (f->synced < upto)
		f->synced = upto;
	return true;
}

bool flag_log_is_empty(const struct flag_log *f)
{
	return !f || f->end == START + f->undone;
}

struct clear_job {
	struct flag_log *f;
	struct str text;
	int fd;
	struct err e;
	bool ok;
};

static void clear_run(void *arg)
{
	enum { HOW = O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC };
	struct clear_job *j = arg;
	int ours;

	if (!shelf_ours(j->f->shelf, &ours, &j->e))
		return;
	j->fd = openat(ours, NEW_FILE, HOW, 0600);
	if (j->fd < 0)
		fail_sys(&j->e, FAULT_TEMP, errno, "make " NEW_FILE);
	else if (fd_write_all(j->fd, j->text, &j->e) && fd_sync(j->fd, &j->e))
		j->ok = (!renameat(ours, NEW_FILE, ours, FILE_NAME) && fd_sync_dir_at(ours, ".", &j->e)) ||
			fail_sys(&j->e, FAULT_TEMP, errno, "rename to " FILE_NAME);
}

/* Another file, with those lines alone that are not done. */
SUSPENDS static bool clear_but_undone(struct flag_log *f, struct err *e)
{
	AUTO(buf_end) struct buf text = buf_on_heap(LOG_BYTES_MAX);
	struct clear_job j = { .f = f, .fd = -1 };
	uint32_t crc = 0;

	head_print(f, &text);
	for (size_t i = 0; i < f->n_lines; i++)
		if (!f->lines[i].is_done)
			crc = line_print(crc, f->lines[i].text, &text);
	if (text.full)
		return fail(e, FAULT_TEMP, "no memory for the flag log");
	j.text = buf_str(&text);
	off_loop(clear_run, &j);
	if (!j.ok) {
		fd_end(&j.fd);
		*e = j.e;
		return false;
	}
	fd_end(&f->fd);
	f->fd = j.fd;
	f->end = (int64_t)text.n;
	f->crc = crc;
	return true;
}

SUSPENDS bool flag_log_clear(struct flag_log *f, struct err *e)
{
	if (f->undone)
		return clear_but_undone(f, e);
	left_free(f);
	if (ftruncate(f->fd, START))
		return fail_sys(e, FAULT_TEMP, errno, "truncate " FILE_NAME);
	f->end = START;
	f->crc = 0;
	return true;
}

bool flag_log_is_after_crash(const struct flag_log *f)
{
	return f->is_after_crash;
}

uint64_t flag_log_epoch(const struct flag_log *f)
{
	return f->epoch;
}

void flag_log_rest(struct flag_log *f)
{
	struct err ignored;

	if (f && f->end == START)
		(void)fd_pwrite_all(f->fd, S("rest"), FIRST_N, &ignored);
}

/* ---- after a crash ---- */

bool flag_log_left(const struct flag_log *f, size_t *at, struct str *ret_folder)
{
	while (*at < f->n_lines) {
		const struct flag_line *l = &f->lines[(*at)++];

		if (l->is_done || l->is_later)
			continue;
		*ret_folder = l->folder;
		return true;
	}
	return false;
}

static void line_done(struct flag_log *f, struct flag_line *l)
{
	l->is_done = true;
	f->undone -= CRC_HEX + (int64_t)l->text.n + 1;
}

void flag_log_pass(struct flag_log *f, struct str folder, bool is_gone)
{
	for (size_t i = 0; i < f->n_lines; i++) {
		struct flag_line *l = &f->lines[i];

		if (!str_eq(l->folder, folder))
			continue;
		l->is_later = true;
		if (is_gone)
			line_done(f, l);
	}
}

static void apply_range(struct box *b, const struct flags_change *c, uint32_t first, uint32_t last,
			uint64_t *modseq)
{
	for (size_t i = box_find_from(b, first); i < b->n && b->letters[i].uid <= last; i++) {
		if (!letter_change(b, &b->letters[i], c))
			continue;
		*modseq = *modseq ? *modseq : box_modseq_next(b);
		b->letters[i].modseq = *modseq;
	}
}

static void apply_line(struct box *b, const struct flag_line *l, uint64_t *modseq)
{
	struct str rest = l->uids;

	while (rest.n && l->validity == b->validity) {
		struct str last, first = str_cut(str_cut(rest, ',', &rest), ':', &last);
		uint32_t from, to;

		if (hex_u32(first, &from) && hex_u32(last.n ? last : first, &to))
			apply_range(b, &l->change, from, to, modseq);
	}
}

void flag_log_apply(struct flag_log *f, struct box *b)
{
	uint64_t modseq = 0;

	for (size_t i = 0; i < f->n_lines; i++) {
		struct flag_line *l = &f->lines[i];

		if (l->is_done || !str_eq(l->folder, str_from_z(b->folder)))
			continue;
		apply_line(b, l, &modseq);
		line_done(f, l);
	}
}
