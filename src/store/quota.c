/* quota.c — how much an account holds; see quota.h.
 *
 * The sum is kept in memory while the file is as we left it; what others append is read. */
#include "store/quota.h"

#include "base/time.h"
#include "store/box_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 5120, HEAD_MAX = 80 };
#define COUNT_EVERY MINUTE               /* while it says that the mailbox is full */

#define FILE_NAME "maildirsize"

struct quota_state {
	struct quota q;
	bool is_known;
	bool has_no_file;                /* and no limits: nothing is written */
	struct stamp at;                 /* the file as we left it; all zero: none */
	int64_t counted;                 /* monotonic; 0: never */
	unsigned changes;
};

static struct quota_state *state_of(struct shelf *s)
{
	if (!s->quota)
		s->quota = calloc(1, sizeof(*s->quota));
	return s->quota;
}

void quota_free(struct quota_state *q)
{
	free(q);
}

void quota_limits(struct store *s, uint64_t bytes_max, uint64_t letters_max)
{
	struct err ignored;
	struct shelf *shelf = shelf_of(s, &ignored);
	struct quota_state *q = shelf ? state_of(shelf) : NULL;

	if (!q || (q->q.bytes_max == bytes_max && q->q.letters_max == letters_max))
		return;
	q->q.bytes_max = bytes_max;
	q->q.letters_max = letters_max;
	q->is_known = q->has_no_file = false;
}

static bool has_limits(const struct quota *q)
{
	return q->bytes_max || q->letters_max;
}

static bool fits(const struct quota *q, uint64_t bytes, uint64_t letters)
{
	return (!q->bytes_max || (bytes <= q->bytes_max && q->bytes <= q->bytes_max - bytes)) &&
	       (!q->letters_max || (letters <= q->letters_max && q->letters <= q->letters_max - letters));
}

bool quota_is_full(const struct quota *q)
{
	return !fits(q, 1, 1);
}

/* ---- counting, in a thread ---- */

struct sum_job {
	struct folder_visit v;
	struct dir_visit names;
	struct shelf *s;
	struct quota q;                  /* with the limits */
	bool must_count, has_counted;
	int dir;
	struct stamp at;
	struct err e;
	bool ok;
};

static bool count_name(struct dir_visit *v, struct str name)
{
	struct sum_job *j = (struct sum_job *)((char *)v - offsetof(struct sum_job, names));
	struct file_name f = file_name_parse(name);
	struct stat st;

	if (f.has_size)
		j->q.bytes += f.size;
	else if (!fstatat(j->dir, name.p, &st, AT_SYMLINK_NOFOLLOW))
		j->q.bytes += (uint64_t)st.st_size;
	j->q.letters++;
	return true;
}

static void count_folder(struct folder_visit *v, const struct folder *f)
{
	struct sum_job *j = (struct sum_job *)v;
	struct err ignored;

	j->dir = f->new;
	(void)dir_visit(f->new, false, &j->names, &ignored);
	j->dir = f->cur;
	(void)dir_visit(f->cur, false, &j->names, &ignored);
}

static void head_print(const struct quota *q, struct buf *to)
{
	if (q->bytes_max)
		buf_addf(to, "%lluS", (unsigned long long)q->bytes_max);
	if (q->letters_max)
		buf_addf(to, "%s%lluC", to->n ? "," : "", (unsigned long long)q->letters_max);
	buf_add_char(to, '\n');
}

static bool count_all(struct sum_job *j, int root)
{
	char mem[HEAD_MAX + 64];
	struct buf text = buf_over(mem, sizeof(mem));
	struct err ignored;

	j->q.bytes = j->q.letters = 0;
	j->has_counted = true;
	if (!folders_visit(j->s->m->home, j->s->m->root, &j->v, &j->e))
		return false;
	head_print(&j->q, &text);
	buf_addf(&text, "%llu %llu\n", (unsigned long long)j->q.bytes, (unsigned long long)j->q.letters);
	/* the count holds without a file; one for another program's limits is not ours */
	if (has_limits(&j->q))
		(void)file_replace(root, FILE_NAME, buf_str(&text), &ignored);
	j->at = stamp_at(root, FILE_NAME);
	return true;
}

/* ---- the file ---- */

static bool number_take(struct str *in, int64_t *sum)
{
	struct str word = str_word(in);
	bool is_minus = str_at(word, 0) == '-';
	uint64_t n;

	if (!str_u64(str_from(word, is_minus), &n) || n > INT64_MAX)
		return false;
	return !__builtin_add_overflow(*sum, is_minus ? -(int64_t)n : (int64_t)n, sum);
}

static bool lines_sum(struct str in, struct quota *q)
{
	int64_t bytes = 0, letters = 0;

	if (!in.n || str_at(in, in.n - 1) != '\n')
		return false;
	while (in.n) {
		struct str line = str_cut(in, '\n', &in);

		if (!number_take(&line, &bytes) || !number_take(&line, &letters) || str_trim(line).n)
			return false;
	}
	if (bytes < 0 || letters < 0)
		return false;
	q->bytes = (uint64_t)bytes;
	q->letters = (uint64_t)letters;
	return true;
}

/* False: it must be made anew. */
static bool file_sum(struct sum_job *j, int root)
{
	AUTO(fd_end) int fd = openat(root, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char mem[HEAD_MAX];
	struct buf head = buf_over(mem, sizeof(mem));
	AUTO(text_end) char *text = NULL;
	struct err ignored;
	struct stat st;
	struct str in;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	j->at = stamp_of(fd);
	if (!fd_slurp(fd, FILE_BYTES_MAX, &text, &in.n, &ignored))
		return false;
	in.p = text;
	head_print(&j->q, &head);
	return str_starts(in, buf_str(&head)) && lines_sum(str_from(in, head.n), &j->q);
}

static void sum_run(void *arg)
{
	struct sum_job *j = arg;
	AUTO(fd_end) int root = -1;

	if (!dir_open_at(j->s->m->home, j->s->m->root, &root, &j->e))
		j->ok = j->e.sys == ENOENT;
	else
		j->ok = (!j->must_count && has_limits(&j->q) && file_sum(j, root)) || count_all(j, root);
}

/* ---- asked ---- */

static bool is_unchanged(const struct shelf *s, const struct quota_state *q)
{
	char path[STORE_NAME_MAX + 16];
	struct stamp now;

	if (!has_limits(&q->q))
		return true;
	snprintf(path, sizeof(path), "%s/" FILE_NAME, s->m->root);
	now = stamp_at(s->m->home, path);
	return stamp_eq(&now, &q->at);
}

SUSPENDS static bool sum_anew(struct shelf *s, struct quota_state *q, bool must_count, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct sum_job j = { .v.each = count_folder, .names.each = count_name, .s = s, .q = q->q, .must_count = must_count };

	unsigned changes;

	j.q.bytes = j.q.letters = 0;
	if (!shelf_hold(&held, s, e))
		return false;
	changes = q->changes;
	off_loop(sum_run, &j);
	if (!j.ok) {
		*e = j.e;
		return false;
	}
	q->is_known = q->changes == changes;     /* else what came meanwhile may be missing */
	q->q.bytes = j.q.bytes;
	q->q.letters = j.q.letters;
	q->at = j.at;
	if (j.has_counted)
		q->counted = time_mono();
	return true;
}

static bool may_count(const struct quota_state *q)
{
	return !q->counted || time_mono() - q->counted >= COUNT_EVERY;
}

/* The quota as it is, if need be counted: *ret_fits so much more. */
SUSPENDS static bool look(struct store *s, uint64_t bytes, uint64_t letters, struct quota *ret, bool *ret_fits,
			  struct err *e)
{
	struct shelf *shelf = shelf_of(s, e);
	struct quota_state *q = shelf ? state_of(shelf) : NULL;

	if (!q)
		return shelf ? fail(e, FAULT_TEMP, "out of memory") : false;
	if ((!q->is_known || !is_unchanged(shelf, q)) && !sum_anew(shelf, q, false, e))
		return false;
	if (!fits(&q->q, bytes, letters) && may_count(q) && !sum_anew(shelf, q, true, e))
		return false;
	*ret = q->q;
	*ret_fits = fits(&q->q, bytes, letters);
	return true;
}

SUSPENDS bool quota_read(struct store *s, struct quota *ret, struct err *e)
{
	bool ignored;

	return look(s, 1, 1, ret, &ignored, e);
}

SUSPENDS bool quota_check(struct store *s, uint64_t bytes, uint64_t letters, struct err *e)
{
	struct quota q;
	bool ok;

	if (!look(s, bytes, letters, &q, &ok, e))
		return false;
	return ok || fail_sys(e, FAULT_TEMP, EDQUOT, "the mailbox is full");
}

static uint64_t add_clamped(uint64_t v, int64_t d)
{
	return d < 0 && (uint64_t)-d > v ? 0 : v + (uint64_t)d;
}

/* One short line, if there is a file. */
static void line_append(struct shelf *s, struct quota_state *q, int64_t bytes, int64_t letters)
{
	char path[STORE_NAME_MAX + 16], mem[64];
	struct buf line = buf_over(mem, sizeof(mem));
	AUTO(fd_end) int fd = -1;
	struct err ignored;
	struct stamp before;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, s->m->root);
	fd = openat(s->m->home, path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		q->has_no_file = !has_limits(&q->q);
		q->is_known = q->is_known && q->has_no_file;
		return;
	}
	before = stamp_of(fd);
	buf_addf(&line, "%lld %lld\n", (long long)bytes, (long long)letters);
	if (before.size > FILE_BYTES_MAX || !fd_write_all(fd, buf_str(&line), &ignored) || !stamp_eq(&before, &q->at))
		q->is_known = false;
	q->at = stamp_of(fd);
}

void quota_changed(struct shelf *s, int64_t bytes, int64_t letters)
{
	struct quota_state *q = state_of(s);

	if (!q)
		return;
	q->changes++;
	q->q.bytes = add_clamped(q->q.bytes, bytes);
	q->q.letters = add_clamped(q->q.letters, letters);
	if (!q->has_no_file)
		line_append(s, q, bytes, letters);
}

void quota_unsure(struct shelf *s)
{
	if (s->quota)
		s->quota->is_known = false;
}
