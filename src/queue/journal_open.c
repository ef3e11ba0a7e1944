/* journal_open.c — what a start finds in journal/, and what it makes of it.
 *
 * The table in journal.h says what each state means.  Order: look at every
 * head (a newer one stops us before anything is written), read the records by
 * sequence, copy those that still matter into fresh segments, sync, and only
 * then free or keep aside the old ones. */
#include "queue/journal_segment.h"

#include "base/fd.h"
#include "base/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ZEROS_AT_ONCE = 1024 * 1024, READ_AT_ONCE = 64 * 1024, NAME_BYTES = 64 };

struct known {                           /* a record that was read */
	struct journal_at at;
	enum journal_kind kind;
};

struct opening {
	struct journal *j;
	const struct journal_reader *reader;
	struct segment *old[JOURNAL_FILES_MAX];  /* in use when we came, by first sequence */
	size_t n_old;
	struct known *known;
	size_t n_known, cap_known;
	char *bytes;                     /* one segment */
	int64_t now;
};

struct segment *segment_add(struct journal *j, uint32_t number, int fd)
{
	struct segment *s = calloc(1, sizeof *s);

	must(s, "memory for a segment's name");
	s->number = number;
	s->fd = fd;
	j->segments[j->n_segments++] = s;
	return s;
}

void segment_close(struct segment *s)
{
	fd_end(&s->fd);
	free(s);
}

static void segment_name(uint32_t number, const char *suffix, char ret[NAME_BYTES])
{
	snprintf(ret, NAME_BYTES, "%02u%s", number, suffix);
}

void segment_remove(struct journal *j, struct segment *s)
{
	char name[NAME_BYTES];

	segment_name(s->number, "", name);
	unlinkat(j->conf.dir, name, 0);
	for (size_t i = 0; i < j->n_segments; i++)
		if (j->segments[i] == s) {
			j->segments[i] = j->segments[--j->n_segments];
			break;
		}
	segment_close(s);
}

static uint32_t free_number(const struct journal *j)
{
	for (uint32_t number = 0;; number++) {
		bool is_taken = false;

		for (size_t i = 0; i < j->n_segments; i++)
			is_taken |= j->segments[i]->number == number;
		if (!is_taken)
			return number;
	}
}

/* Writing past the page cache, where the file system can: 32 MiB of zeros cost as much there as a
 * thousand letters.  Reading and writing of records stay as they were. */
static bool set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

static bool write_zeros(int fd, const char *zeros, uint32_t size, struct err *e)
{
	for (uint32_t at = 0; at < size;) {
		size_t n = size - at < ZEROS_AT_ONCE ? size - at : ZEROS_AT_ONCE;

		if (!fd_pwrite_all(fd, str_of(zeros, n), at, e))
			return false;
		at += (uint32_t)n;
	}
	return true;
}

/* fallocate() alone would leave extents whose first write costs a commit of the file system. */
static bool fill_with_zeros(int fd, uint32_t size, struct err *e)
{
	bool is_direct = set_direct(fd, true), ok;
	void *zeros;

	if (posix_memalign(&zeros, JOURNAL_BLOCK, ZEROS_AT_ONCE))
		return fail(e, FAULT_TEMP, "no memory");
	memset(zeros, 0, ZEROS_AT_ONCE);
	ok = write_zeros(fd, zeros, size, e);
	if (is_direct && !set_direct(fd, false))
		ok = fail_sys(e, FAULT_TEMP, errno, "fcntl");
	else if (!ok && is_direct && e->sys == EINVAL)   /* it takes the flag and then does not keep to it */
		ok = write_zeros(fd, zeros, size, e);
	free(zeros);
	return ok && fd_sync(fd, e);
}

bool segment_make(struct journal *j, struct segment **ret, struct err *e)
{
	uint32_t number = free_number(j);
	char name[NAME_BYTES], new[NAME_BYTES];
	AUTO(fd_end) int fd = -1;
	struct segment *s;

	if (j->n_segments == JOURNAL_FILES_MAX)
		return fail(e, FAULT_TEMP, "the journal has too many segments");
	segment_name(number, "", name);
	segment_name(number, ".new", new);
	unlinkat(j->conf.dir, new, 0);
	fd = openat(j->conf.dir, new, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || FAULT_POINT(journal_segment))
		return fail_sys(e, FAULT_TEMP, errno, "journal/%s", new);
	if (!fill_with_zeros(fd, j->conf.segment_size, e)) {
		unlinkat(j->conf.dir, new, 0);
		return fail_in(e, "journal/%s", new);
	}
	if (renameat2(j->conf.dir, new, j->conf.dir, name, RENAME_NOREPLACE)) {
		int sys = errno;

		unlinkat(j->conf.dir, new, 0);
		return fail_sys(e, FAULT_TEMP, sys, "journal/%s", name);
	}
	if (!fd_sync(j->conf.dir, e)) {
		unlinkat(j->conf.dir, name, 0);
		return fail_in(e, "journal");
	}
	s = calloc(1, sizeof *s);
	if (!s)
		return fail(e, FAULT_TEMP, "no memory");
	s->number = number;
	s->fd = fd_take(&fd);
	*ret = s;
	return true;
}

/* ---- reading ---- */

/* What cannot be read counts as zeros: the rest of the segment still can be. */
static struct str segment_bytes(struct opening *o, struct segment *s)
{
	uint32_t size = o->j->conf.segment_size;
	struct err e;

	for (uint32_t at = 0; at < size; at += READ_AT_ONCE) {
		size_t n = size - at < READ_AT_ONCE ? size - at : READ_AT_ONCE;

		if (!fd_pread_all(s->fd, o->bytes + at, n, at, &e)) {
			memset(o->bytes + at, 0, n);
			s->is_damaged = true;
		}
	}
	return str_of(o->bytes, size);
}

static bool segment_begin(struct opening *o, struct segment *s, struct segment_reader *ret)
{
	struct str bytes = segment_bytes(o, s);
	struct segment_head h;

	if (segment_head_parse(bytes, &h) == HEAD_GOOD) {
		*ret = segment_read(bytes, &h);
		return true;
	}
	return segment_read_headless(bytes, ret);
}

/* Is it in use, and where does it stand in the order? */
static bool segment_look(struct opening *o, struct segment *s, struct err *e)
{
	char head[JOURNAL_HEAD_BYTES] = { 0 };
	struct segment_reader r;
	struct journal_record record;
	struct segment_head h;
	struct err ignored;

	(void)fd_pread_all(s->fd, head, sizeof head, 0, &ignored);
	switch (segment_head_parse(str_of(head, sizeof head), &h)) {
	case HEAD_NEWER:
		return fail(e, FAULT_PERM, "journal/%02u was written by a newer version; "
			    "start that one, or go back with its help", s->number);
	case HEAD_GOOD:
		s->in_use = h.state == SEGMENT_IN_USE;
		s->epoch = h.epoch;
		s->first = h.first;
		break;
	case HEAD_BAD:
		s->in_use = segment_begin(o, s, &r) && segment_next(&r, &record);
		s->first = s->in_use ? record.sequence : 0;
		s->is_damaged = s->in_use;
		break;
	}
	if (s->in_use)
		o->old[o->n_old++] = s;
	return true;
}

static int by_first(const void *a, const void *b)
{
	const struct segment *x = *(struct segment *const *)a, *y = *(struct segment *const *)b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* "NN.TIME.aside", milliseconds: it may name spool files that are not younger than that. */
static void aside_look(struct opening *o, const char *name)
{
	struct journal *j = o->j;
	struct str rest, number = str_cut(str_from_z(name), '.', &rest), at = str_cut(rest, '.', &rest);
	uint64_t ms;
	int64_t when = str_u64(at, &ms) && ms < INT64_MAX / MILLISECOND ? (int64_t)ms * MILLISECOND : o->now;

	(void)number;
	if (when < o->now - JOURNAL_ASIDE_DAYS * DAY && unlinkat(j->conf.dir, name, 0) == 0)
		return;
	j->count.aside++;
	if (when > j->count.aside_until)
		j->count.aside_until = when;
}

static bool file_look(struct opening *o, const char *name, struct err *e)
{
	struct journal *j = o->j;
	struct str s = str_from_z(name);
	AUTO(fd_end) int fd = -1;
	struct stat st;
	uint64_t number;

	if (str_ends(s, S(".new"))) {
		unlinkat(j->conf.dir, name, 0);
		return true;
	}
	if (str_ends(s, S(".aside")))
		aside_look(o, name);
	if (s.n < 2 || !str_u64(s, &number) || number > 9999)
		return true;
	fd = openat(j->conf.dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st))
		return fail_sys(e, FAULT_TEMP, errno, "journal/%s", name);
	if (j->n_segments == JOURNAL_FILES_MAX)
		return fail(e, FAULT_TEMP, "the journal has too many segments");
	return segment_look(o, segment_add(j, (uint32_t)number, fd_take(&fd)), e);
}

static void dir_end(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool directory_look(struct opening *o, struct err *e)
{
	int fd = openat(o->j->conf.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(dir_end) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d) {
		fail_sys(e, FAULT_TEMP, errno, "journal");
		fd_end(&fd);
		return false;
	}
	while ((errno = 0, de = readdir(d)))
		if (!file_look(o, de->d_name, e))
			return false;
	if (errno)
		return fail_sys(e, FAULT_TEMP, errno, "journal");
	qsort(o->old, o->n_old, sizeof o->old[0], by_first);
	return true;
}

static bool know(struct opening *o, const struct known *k, struct err *e)
{
	if (o->n_known == o->cap_known) {
		size_t cap = o->cap_known ? 2 * o->cap_known : 256;
		struct known *more = reallocarray(o->known, cap, sizeof *more);

		if (!more)
			return fail(e, FAULT_TEMP, "no memory for the journal's records");
		o->known = more;
		o->cap_known = cap;
	}
	o->known[o->n_known++] = *k;
	return true;
}

static bool segment_records(struct opening *o, struct segment *s, struct err *e)
{
	struct segment_reader r;
	struct journal_record record;

	if (!segment_begin(o, s, &r))
		return true;
	while (segment_next(&r, &record)) {
		struct known k = {
			.kind = record.kind,
			.at = { s->number, (uint32_t)record.at, (uint32_t)record.payload.n,
				record.sequence },
		};

		if (record.is_newer)
			return fail(e, FAULT_PERM, "journal/%02u has records of a newer version",
				    s->number);
		if (record.sequence >= o->j->next_sequence)
			o->j->next_sequence = record.sequence + 1;
		if (!o->reader->seen(o->reader->arg, record.kind, record.payload, &k.at))
			r.is_damaged = true;
		else if (!know(o, &k, e))
			return false;
	}
	s->is_damaged |= r.is_damaged;
	s->last = r.expected ? r.expected - 1 : 0;
	return true;
}

/* ---- copying ---- */

struct copy {
	struct entry w;
	struct known from;
	struct str part;
};

SUSPENDS static bool copies_write(struct opening *o, struct copy *c, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		journal_enqueue(o->j, &c[i].w);
	while (o->j->first)
		journal_lead(o->j);
	for (size_t i = 0; i < n; i++) {
		if (!c[i].w.is_ok) {
			*e = c[i].w.err;
			return false;
		}
		o->reader->moved(o->reader->arg, o->j, &c[i].from.at, &c[i].w.at);
	}
	return true;
}

/* The kept records of one old segment, whose bytes are in memory, group by group. */
SUSPENDS static bool segment_copy(struct opening *o, struct segment *s, struct copy *c,
				  struct err *e)
{
	size_t n = 0;
	bool is_read = false;

	for (size_t i = 0; i < o->n_known; i++) {
		const struct known *k = &o->known[i];

		struct str payload = { o->bytes + k->at.offset, k->at.length };

		if (k->at.segment != s->number)
			continue;
		if (!is_read)
			segment_bytes(o, s);
		is_read = true;
		if (!o->reader->keep(o->reader->arg, k->kind, payload, &k->at))
			continue;
		c[n] = (struct copy){
			.w = { .kind = k->kind, .n_parts = 1 }, .from = *k,
			.part = payload,
		};
		c[n].w.parts = &c[n].part;
		if (++n == JOURNAL_GROUP_RECORDS) {
			if (!copies_write(o, c, n, e))
				return false;
			n = 0;
		}
	}
	return copies_write(o, c, n, e);
}

static bool keep_aside(struct opening *o, struct segment *s, struct err *e)
{
	char name[NAME_BYTES], aside[NAME_BYTES], suffix[NAME_BYTES / 2];

	segment_name(s->number, "", name);
	snprintf(suffix, sizeof suffix, ".%lld.aside", (long long)(o->now / MILLISECOND));
	segment_name(s->number, suffix, aside);
	if (renameat2(o->j->conf.dir, name, o->j->conf.dir, aside, RENAME_NOREPLACE) ||
	    fsync(o->j->conf.dir))
		return fail_sys(e, FAULT_TEMP, errno, "journal/%s", aside);
	segment_remove(o->j, s);
	o->j->count.aside++;
	o->j->count.aside_until = o->now;
	return true;
}

/* Oldest first, as in journal_give_back(). */
SUSPENDS static bool old_end(struct opening *o, struct err *e)
{
	for (size_t i = 0; i < o->n_old; i++) {
		o->old[i]->pins = 0;
		if (o->old[i]->is_damaged && !keep_aside(o, o->old[i], e))
			return false;
		if (!journal_give_back(o->j, e))
			return false;
	}
	return true;
}

SUSPENDS static bool recover(struct opening *o, struct err *e)
{
	struct copy *copies;
	bool ok = true;

	if (!directory_look(o, e))
		return false;
	for (size_t i = 0; i < o->n_old; i++)
		if (o->old[i]->first >= o->j->next_sequence)
			o->j->next_sequence = o->old[i]->first;
	for (size_t i = 0; i < o->n_old; i++)
		if (!segment_records(o, o->old[i], e))
			return false;
	copies = calloc(JOURNAL_GROUP_RECORDS, sizeof *copies);
	if (!copies)
		return fail(e, FAULT_TEMP, "no memory");
	o->j->is_copying = true;
	for (size_t i = 0; ok && i < o->n_old; i++) {
		o->old[i]->pins = 1;
		ok = segment_copy(o, o->old[i], copies, e);
	}
	o->j->is_copying = false;
	ok = ok && journal_settle(o->j, e);
	free(copies);
	return ok && o->reader->settled(o->reader->arg, e) && old_end(o, e);
}

SUSPENDS bool journal_open(const struct journal_conf *conf, const struct journal_reader *reader,
			   int64_t now, struct journal **ret, struct err *e)
{
	struct journal *j = calloc(1, sizeof *j);
	struct opening o = { .j = j, .reader = reader, .now = now };
	bool ok;

	if (!j)
		return fail(e, FAULT_TEMP, "no memory");
	j->conf = *conf;
	j->next_sequence = 1;
	if (!j->conf.segment_size)
		j->conf.segment_size = JOURNAL_SEGMENT;
	if (!j->conf.segments_max)
		j->conf.segments_max = JOURNAL_SEGMENTS_MAX;
	if (!j->conf.ops)
		j->conf.ops = &journal_ops_real;
	o.bytes = malloc(j->conf.segment_size);
	ok = o.bytes ? recover(&o, e) : fail(e, FAULT_TEMP, "no memory");
	free(o.bytes);
	free(o.known);
	if (!ok) {
		journal_close(j);
		return false;
	}
	*ret = j;
	return true;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n_segments; i++)
		segment_close(j->segments[i]);
	free(j);
}
