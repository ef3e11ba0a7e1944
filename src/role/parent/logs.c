/* logs.c — the log of all roles: one line, one event, to standard error and to
 * storage/log/DATE (30 days or 1 GiB).
 *
 * It never waits: what standard error does not take at once is counted and said
 * with the next line that goes through.  The lines that came together are written
 * together.  A day that fills its gigabyte keeps warnings and errors only, and a
 * quarter more ends it: who makes us say much shall not fill the disk that letters
 * need (attack N4). */
#include "role/parent/parent.h"

#include "base/fd.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What one process says. */
struct log_pipe {
	int fd;
	char who[64];
	struct buf rest;         /* of a line that has not ended */
	int64_t last;            /* when it was read */
};

enum { KEEP_DAYS = 30, LINE_MAX_READ = 8192, HELD_MAX = 64 * 1024 };
#define KEEP_BYTES (INT64_C(1) << 30)
#define WARN_BYTES (KEEP_BYTES / 4)      /* more of one day, for warnings and errors */
#define GATHER_FOR (10 * MILLISECOND)    /* its time is as much late then */

static int dir_fd = -1, file_fd = -1;
static int64_t file_day = -1;
static int64_t file_size;
static unsigned long unsaid;

static void take_own_line(struct str line)
{
	logs_line(S("parent"), line);
}

bool logs_open(struct err *e)
{
	dir_fd = openat(parent.storage_fd, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "open the folder log/ in storage");
	log_set_sink(take_own_line);
	return true;
}

/* Is it YYYY-MM-DD, and how many days ago? */
static bool day_of(const char *name, int64_t *ret)
{
	struct time_parts t = { 0 };

	if (strlen(name) != 10 || sscanf(name, "%4d-%2d-%2d", &t.year, &t.month, &t.day) != 3)
		return false;
	*ret = time_join(&t) / DAY;
	return true;
}

static int64_t total_size(int64_t *ret_oldest)
{
	DIR *d = fdopendir(openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int64_t sum = 0, day;
	struct dirent *de;
	struct stat st;

	*ret_oldest = INT64_MAX;
	while (d && (de = readdir(d)))
		if (day_of(de->d_name, &day) && fstatat(dir_fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			sum += st.st_size;
			if (day < *ret_oldest)
				*ret_oldest = day;
		}
	if (d)
		closedir(d);
	return sum;
}

static void remove_day(int64_t day)
{
	struct time_parts t = time_split(day * DAY);
	char name[32];

	snprintf(name, sizeof(name), "%04d-%02d-%02d", t.year, t.month, t.day);
	unlinkat(dir_fd, name, 0);
}

/* A new day: a new file, and old ones go. */
static void turn_file(int64_t now)
{
	struct time_parts t = time_split(now);
	int64_t today = now / DAY, oldest;
	struct stat st;
	char name[32];

	if (file_day == today)
		return;
	if (file_fd >= 0)
		close(file_fd);
	snprintf(name, sizeof(name), "%04d-%02d-%02d", t.year, t.month, t.day);
	file_fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	file_day = today;
	file_size = file_fd >= 0 && fstat(file_fd, &st) == 0 ? st.st_size : 0;
	while (total_size(&oldest) > KEEP_BYTES || oldest < today - KEEP_DAYS) {
		if (oldest >= today)
			break;
		remove_day(oldest);
	}
}

/* Lines that are not written yet; those for standard error apart, since a helper says less there. */
static char held_mem[HELD_MAX], said_mem[HELD_MAX];
static struct buf held = { .p = held_mem, .cap = HELD_MAX, .limit = HELD_MAX };
static struct buf said = { .p = said_mem, .cap = HELD_MAX, .limit = HELD_MAX };
static bool is_gathering;

/* A reader that has stopped must not stop us: poll() promises room for PIPE_BUF octets, no more. */
static void flush_said(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct str left = buf_str(&said);

	while (left.n) {
		struct str piece = str_head(left, PIPE_BUF);
		size_t whole = str_rfind(piece, '\n');

		if (whole < piece.n)
			piece.n = whole + 1;
		if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT) || write(STDERR_FILENO, piece.p, piece.n) < 0) {
			unsaid++;
			break;
		}
		left = str_from(left, piece.n);
	}
	buf_clear(&said);
}

static void flush(void)
{
	flush_said();
	if (dir_fd >= 0 && held.n) {
		ssize_t n;

		turn_file(time_now());
		n = file_fd >= 0 ? write(file_fd, held.p, held.n) : -1;
		if (n != (ssize_t)held.n)
			unsaid++;
		if (n > 0)
			file_size += n;
	}
	buf_clear(&held);
}

static void hold(struct buf *to, struct str line)
{
	if (line.n > to->limit - to->n)
		flush();
	buf_add(to, line);
}

void logs_line(struct str who, struct str line)
{
	static char mem[LINE_MAX_READ + 256];
	struct buf b = buf_over(mem, sizeof(mem) - 1);
	struct str rest = line, level = str_word(&rest), context = str_word(&rest);
	bool is_bad = str_eq(level, S("error")) || str_eq(level, S("warn"));
	int64_t now = time_now();
	bool is_kept = file_day != now / DAY || file_size < KEEP_BYTES + (is_bad ? WARN_BYTES : 0);

	time_add_rfc3339(&b, now);
	buf_add_char(&b, ' ');
	buf_add(&b, who);
	if (!str_eq(context, S("-"))) {
		buf_add_char(&b, '/');
		buf_add(&b, context);
	}
	buf_add_char(&b, ' ');
	buf_add(&b, str_trim(rest));
	if (is_bad)
		buf_addf(&b, " level=" STR_FMT, STR_ARG(level));
	if (unsaid)
		buf_addf(&b, " unsaid=%lu", unsaid);
	b.full = false;
	mem[b.n++] = '\n';
	unsaid = is_kept ? 0 : unsaid + 1;
	if (!parent.is_helper || str_eq(level, S("error")))
		hold(&said, buf_str(&b));
	if (is_kept)
		hold(&held, buf_str(&b));
	if (!is_gathering)
		flush();
}

static bool looks_like_line(struct str line)
{
	struct str level = str_word(&line);

	return str_eq(level, S("info")) || str_eq(level, S("warn")) || str_eq(level, S("error")) ||
	       str_eq(level, S("debug"));
}

/* What a library or a sanitizer writes to standard error is a line of ours too. */
static void take_line(const struct log_pipe *p, struct str line)
{
	static char mem[LINE_MAX_READ];
	struct buf b = buf_over(mem, sizeof(mem));

	if (line.n == 0)
		return;
	if (looks_like_line(line)) {
		logs_line(str_from_z(p->who), line);
		return;
	}
	buf_add(&b, S("warn - stderr text=\""));
	buf_add_printable(&b, line, 2048);
	buf_add_char(&b, '"');
	logs_line(str_from_z(p->who), buf_str(&b));
}

/* A role that says much is heard a hundred times a second, not at each line: *last is when. */
SUSPENDS static void gather(int64_t *last)
{
	struct err e;

	if (time_mono() - *last < GATHER_FOR)
		fiber_sleep(GATHER_FOR, &e);
	*last = time_mono();
}

/* The lines of what came; the rest waits for its end. */
static void take_lines(struct log_pipe *p, struct str came)
{
	size_t end;

	if (!p->rest.limit)
		p->rest = buf_on_heap(LINE_MAX_READ);
	buf_add(&p->rest, came);
	is_gathering = true;
	while ((end = str_find(buf_str(&p->rest), '\n')) < p->rest.n) {
		take_line(p, str_head(buf_str(&p->rest), end));
		buf_drop(&p->rest, end + 1);
	}
	if (p->rest.n > LINE_MAX_READ / 2) {
		take_line(p, buf_str(&p->rest));
		buf_clear(&p->rest);
	}
	is_gathering = false;
	flush();
}

SUSPENDS static void collect(void *pipe);

/* Most roles are silent most of the time, and mailboxes are many. */
static bool await_lines(struct log_pipe *p)
{
	struct err e;

	if (!p->rest.n)
		buf_end(&p->rest);
	return fiber_start_at(&parent.fibers, "log", collect, p, p->fd, POLLIN, &e);
}

static void pipe_close(struct log_pipe *p)
{
	take_line(p, buf_str(&p->rest));
	buf_end(&p->rest);
	fd_wait_forget(p->fd);
	close(p->fd);
	free(p);
}

SUSPENDS static void collect(void *pipe)
{
	static char chunk[LINE_MAX_READ / 2];
	struct log_pipe *p = pipe;

	for (;;) {
		ssize_t n = read(p->fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !parent.fibers.cancelled && await_lines(p))
			return;
		if (n <= 0)
			break;
		take_lines(p, str_of(chunk, (size_t)n));
		if ((size_t)n < sizeof(chunk))           /* the pipe is empty */
			gather(&p->last);
	}
	pipe_close(p);
}

bool logs_start(int fd, const char *who)
{
	struct log_pipe *p = calloc(1, sizeof(*p));
	struct err e;

	if (!p || !fd_set_nonblocking(fd, &e)) {
		free(p);
		close(fd);
		return false;
	}
	p->fd = fd;
	snprintf(p->who, sizeof(p->who), "%s", who);
	if (await_lines(p))
		return true;
	pipe_close(p);
	return false;
}
