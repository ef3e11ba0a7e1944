/* why_files.c — why-records on the disk: why/DATE, one file a day.
 *
 * What comes in is collected in memory and written and synced within a second,
 * off the loop; no letter waits for it (an accepted letter's records stand in its
 * journal record too).  Files go after KEEP_DAYS, and earlier if they are over
 * KEEP_BYTES; what a flood brings beyond a day's room is counted and left out.
 *
 * A file: magic "WXWHY\r\n\0", version u32, 0 u32, then frames as in ipc/why.h. */
#include "role/queue/queue_role.h"

#include "base/fd.h"
#include "base/hooks.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_HEAD = 16,
	KEEP_DAYS = 90,
	BUFFER_MAX = 4 << 20,            /* bytes in one second */
	READ_MAX = 4 << 20,              /* of a file, for one question */
	ANSWER_MAX = 40 * 1024,          /* bytes of records in one answer */
};
#define KEEP_BYTES (INT64_C(1) << 30)
#define DAY_BYTES (KEEP_BYTES / 4)

static const char file_head[FILE_HEAD] = "WXWHY\r\n\0\1";

static struct buf pending = { .limit = BUFFER_MAX, .is_heap = true };
static uint64_t lost;
static bool is_flushing;
static struct wait flushed;
static int64_t day_swept = -1;

struct day_name {
	char z[32];
};

static struct day_name name_of(int64_t day)
{
	struct time_parts t = time_split(day * DAY);
	struct day_name n;

	snprintf(n.z, sizeof(n.z), "why/%04d-%02d-%02d", t.year, t.month, t.day);
	return n;
}

/* -- writing --------------------------------------------------------------- */

void why_keep_frames(struct str frames)
{
	if (frames.n > pending.limit - pending.n)
		lost++;
	else
		buf_add(&pending, frames);
}

void why_keep_record(struct str record)
{
	size_t was = pending.n;

	why_frame(&pending, record);
	lost += pending.n == was;
}

void why_keep(const struct why *w)
{
	static char mem[WHY_RECORD_MAX];         /* too big for a fiber's stack */
	struct buf b = buf_over(mem, sizeof(mem));
	struct err e;

	why_log(w);
	if (why_encode(&b, w, &e))
		why_keep_record(buf_str(&b));
	else
		lost++;
}

void why_add(struct buf *frames, const struct why *w)
{
	static char mem[WHY_RECORD_MAX];         /* too big for a fiber's stack */
	struct buf b = buf_over(mem, sizeof(mem));
	struct err e;

	if (why_encode(&b, w, &e))
		why_frame(frames, buf_str(&b));
}

struct why_job {
	struct str bytes;
	int64_t day;
	bool sweep, ok;
	struct err err;
};

/* Old files go, the oldest first, until the others have room. */
static void sweep(int64_t today)
{
	int64_t sum = 0;

	for (int64_t day = today; day > today - 4 * KEEP_DAYS; day--) {
		struct day_name n = name_of(day);
		struct stat st;

		if (lstat(n.z, &st))
			continue;
		sum += st.st_size;
		if (day < today && (sum > KEEP_BYTES || day < today - KEEP_DAYS))
			unlink(n.z);
	}
}

static bool write_file(struct why_job *j, struct err *e)
{
	AUTO(fd_end) int fd = open(name_of(j->day).z, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	char head[FILE_HEAD];
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return fail_sys(e, FAULT_TEMP, errno, "open the file of today's why-records");
	if (st.st_size == 0 && (!fd_write_all(fd, str_of(file_head, FILE_HEAD), e) || !fd_sync_dir_at(AT_FDCWD, "why", e)))
		return false;
	if (st.st_size && (!fd_pread_all(fd, head, FILE_HEAD, 0, e) || memcmp(head, file_head, FILE_HEAD) != 0))
		return fail(e, FAULT_PERM, "today's file of why-records is not one of ours, or of a newer version");
	if (st.st_size > DAY_BYTES)
		return fail(e, FAULT_TEMP, "today's why-records are over their room");
	if (FAULT_IN(why_write, e) || !fd_write_all(fd, j->bytes, e))
		return false;
	return fdatasync(fd) ? fail_sys(e, FAULT_TEMP, errno, "fdatasync") : true;
}

static void do_write(void *arg)
{
	struct why_job *j = arg;

	if (j->sweep)
		sweep(j->day);
	j->ok = write_file(j, &j->err);
}

void why_flush(void)
{
	struct buf b;
	struct why_job j = { .day = time_now() / DAY };
	struct err e;

	while (is_flushing)
		if (!wait_on(&flushed, "why-records to be written", &e))
			return;
	b = pending;
	if (lost)
		log_warn("why-lost", "records=%llu why=\"more came in than is kept\"", (unsigned long long)lost);
	lost = 0;
	if (!b.n)
		return;
	pending = buf_on_heap(BUFFER_MAX);
	j.bytes = buf_str(&b);
	j.sweep = j.day != day_swept;
	day_swept = j.day;
	is_flushing = true;
	off_loop(do_write, &j);
	is_flushing = false;
	wait_wake_all(&flushed);
	if (!j.ok)
		log_warn("why-lost", "bytes=%zu why=%s", b.n, LOGQ(str_from_z(j.err.text)));
	buf_end(&b);
}

/* What the journal brings back may not have come into a file before the crash: of too many those that came last.
 * The reader sees through what stands there twice. */
void why_found(void *arg, const struct letter_record *l)
{
	(void)arg;
	if (pending.n + l->why.n > BUFFER_MAX / 2)
		buf_clear(&pending);
	why_keep_frames(l->why);
}

/* -- reading --------------------------------------------------------------- */

struct read_job {
	int64_t day;
	uint64_t at;
	char *bytes;
	size_t n;
	bool is_end;
};

static void do_read(void *arg)
{
	struct read_job *j = arg;
	AUTO(fd_end) int fd = open(name_of(j->day).z, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = 0;

	j->bytes = malloc(READ_MAX);
	while (fd >= 0 && j->bytes && j->n < READ_MAX &&
	       (n = pread(fd, j->bytes + j->n, READ_MAX - j->n, (off_t)(j->at + j->n))) > 0)
		j->n += (size_t)n;
	j->is_end = fd < 0 || n <= 0;
}

static bool is_asked_for(const struct queue_explain *q, struct str record)
{
	AUTO(arena_end) struct arena a = { .limit = 4 * WHY_RECORD_MAX };
	const struct why *w;
	struct err e;

	if (q->whom.n)
		return why_decode(record, &a, &w, &e) && why_is_about(w, q->whom);
	return (why_letter(record) & q->mask) == (q->id & q->mask);
}

/* Those of one part of a file, and where the next part begins. */
bool serve_explain(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_explain *q = question;
	struct queue_explain_answer *r = answer;
	struct read_job j = { .day = q->day, .at = q->at ? q->at : FILE_HEAD };
	struct str in, record;
	size_t sum = 0;

	(void)l;
	why_flush();
	off_loop(do_read, &j);
	a->limit = 1 << 20;
	r->records.p = ARENA_ARRAY(a, struct ipc_text, IPC_LIST_MAX);
	in = str_of(j.bytes, j.n);
	while (r->records.p && r->records.n < IPC_LIST_MAX && sum < ANSWER_MAX &&
	       (j.is_end || in.n >= why_frame_size((struct str){ NULL, WHY_RECORD_MAX })) && why_next(&in, &record))
		if (is_asked_for(q, record)) {
			r->records.p[r->records.n++].text = arena_str(a, record);
			sum += record.n;
		}
	r->at = j.is_end && !in.n ? 0 : j.at + j.n - in.n;
	if (r->at == q->at)
		r->at = 0;
	free(j.bytes);
	return r->records.p && !a->full ? true : fail(e, FAULT_TEMP, "out of memory");
}
