/* flag_log.c — flags that are in force but not yet in the names; see flag_log.h. */
#include "store/flag_log.h"

#include "base/crc32c.h"
#include "base/hooks.h"
#include "store/box_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_BYTES_MAX = 64 << 20, CRC_HEX = 8 };

#define FIRST_LINE "waxwing flags 1\n"
#define SECOND_LINE "%s %016llx\n"       /* open or rest, epoch */
#define FILE_NAME "flags"

enum { FIRST_N = sizeof(FIRST_LINE) - 1, WORD_N = 4, START = FIRST_N + WORD_N + 18 };

struct flag_log {
	struct shelf *shelf;
	int fd;
	int64_t end;                     /* where the next line begins */
	bool needs_sync;
	uint64_t epoch;
	char *left;                      /* what a crash left, NULL once it is applied */
	size_t left_n;
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

/* Durable before the first change is told. */
static bool mark_open(struct flag_log *f, struct err *e)
{
	struct buf b = buf_over((char[START + 1]){ 0 }, START + 1);

	buf_addf(&b, FIRST_LINE SECOND_LINE, "open", (unsigned long long)f->epoch);
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

/* New, or not ours to read: nothing in it was synced by this version. */
static bool read_left(struct flag_log *f, struct err *e)
{
	bool is_rest = false, is_ours;

	if (!fd_slurp(f->fd, LOG_BYTES_MAX, &f->left, &f->left_n, e))
		return false;
	is_ours = head_parse(str_of(f->left, f->left_n), &f->epoch, &is_rest);
	if (!is_ours || !is_rest)
		f->epoch = (uint64_t)time_now();
	f->end = is_ours && !is_rest ? (int64_t)f->left_n : START;
	if (!is_ours || is_rest)
		flag_log_forget(f);
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
	free(f->left);
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

bool flag_log_add(struct flag_log *f, struct box *b, const struct flags_change *c,
		  const uint32_t *uids, size_t n, struct err *e)
{
	AUTO(buf_end) struct buf line = buf_on_heap(LOG_BYTES_MAX), whole = buf_on_heap(LOG_BYTES_MAX);

	buf_addf(&line, " %d %x %x %x ", (int)c->how, (unsigned)c->flags, c->keywords, b->validity);
	uids_print(b, uids, n, &line);
	buf_addf(&line, " %s", b->folder);
	buf_addf(&whole, "%08x", crc32c(0, buf_str(&line)));
	buf_add(&whole, buf_str(&line));
	buf_add_char(&whole, '\n');
	if (line.full || whole.full)
		return fail(e, FAULT_TEMP, "no memory for the flag log");
	if (!keep_open(f, b, e))
		return false;
	/* a part of a line that a full disk left is written over by the next */
	if (FAULT_IN(flags_write, e) || !fd_pwrite_all(f->fd, buf_str(&whole), f->end, e))
		return fail_in(e, "flags");
	f->end += (int64_t)whole.n;
	f->needs_sync = true;
	return true;
}

bool flag_log_needs_sync(const struct flag_log *f)
{
	return f && f->needs_sync;
}

struct sync_job {
	int fd, sys;
};

static void sync_run(void *arg)
{
	struct sync_job *j = arg;

	j->sys = FAULT_POINT(flags_sync) || fdatasync(j->fd) ? errno : 0;
}

/* A copy of the descriptor: the file may be another one meanwhile. */
SUSPENDS bool flag_log_sync(struct flag_log *f, struct err *e)
{
	AUTO(fd_end) int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	struct sync_job j = { .fd = fd };

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "sync " FILE_NAME);
	f->needs_sync = false;
	off_loop(sync_run, &j);
	if (!j.sys)
		return true;
	f->needs_sync = true;
	return fail_sys(e, FAULT_TEMP, j.sys, "sync " FILE_NAME);
}

bool flag_log_is_empty(const struct flag_log *f)
{
	return !f || f->end == START;
}

bool flag_log_clear(struct flag_log *f, struct err *e)
{
	if (ftruncate(f->fd, START))
		return fail_sys(e, FAULT_TEMP, errno, "truncate " FILE_NAME);
	f->end = START;
	f->needs_sync = false;
	return true;
}

uint64_t flag_log_epoch(const struct flag_log *f)
{
	return f->epoch;
}

void flag_log_rest(struct flag_log *f)
{
	struct err ignored;

	if (f && flag_log_is_empty(f))
		(void)fd_pwrite_all(f->fd, S("rest"), FIRST_N, &ignored);
}

/* ---- after a crash ---- */

struct flag_line {
	struct flags_change change;
	uint32_t validity;
	struct str uids, folder;
};

/* False at the first damaged line: what follows it was not synced. */
static bool line_next(struct str *in, struct flag_line *l)
{
	size_t n = str_find(*in, '\n');
	struct str line = str_head(*in, n), text = str_from(line, CRC_HEX), rest;
	uint32_t crc, how, flags;

	if (n == in->n || !hex_u32(str_head(line, CRC_HEX), &crc) || crc != crc32c(0, text))
		return false;
	*in = str_from(*in, n + 1);
	rest = str_from(text, 1);
	if (!hex_u32(str_cut(rest, ' ', &rest), &how) || how > FLAGS_SET ||
	    !hex_u32(str_cut(rest, ' ', &rest), &flags) ||
	    !hex_u32(str_cut(rest, ' ', &rest), &l->change.keywords) ||
	    !hex_u32(str_cut(rest, ' ', &rest), &l->validity))
		return false;
	l->change.how = (enum flags_how)how;
	l->change.flags = (uint8_t)(flags & LETTER_SYSTEM);
	l->uids = str_cut(rest, ' ', &l->folder);
	return true;
}

static struct str lines_left(const struct flag_log *f)
{
	return f->left ? str_from(str_of(f->left, f->left_n), START) : (struct str){ 0 };
}

bool flag_log_left(const struct flag_log *f, size_t *at, struct str *ret_folder)
{
	struct str in = str_from(lines_left(f), *at);
	struct flag_line l;

	if (!line_next(&in, &l))
		return false;
	*at = lines_left(f).n - in.n;
	*ret_folder = l.folder;
	return true;
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

void flag_log_apply(struct flag_log *f, struct box *b)
{
	struct str in = lines_left(f);
	struct flag_line l;
	uint64_t modseq = 0;

	while (line_next(&in, &l)) {
		if (!str_eq(l.folder, str_from_z(b->folder)) || l.validity != b->validity)
			continue;
		while (l.uids.n) {
			struct str last, first = str_cut(str_cut(l.uids, ',', &l.uids), ':', &last);
			uint32_t from, to;

			if (hex_u32(first, &from) && hex_u32(last.n ? last : first, &to))
				apply_range(b, &l.change, from, to, &modseq);
		}
	}
}

void flag_log_forget(struct flag_log *f)
{
	free(f->left);
	f->left = NULL;
	f->left_n = 0;
}
