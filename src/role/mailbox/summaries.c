/* summaries.c — what is kept of letters: looked up, or made of their files; see summaries.h. */
#include "role/mailbox/summaries.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/memory.h"
#include "fiber/fiber.h"
#include "wire/imap_print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
	READ_AT_ONCE = 32,               /* letters in one trip to a thread */
	READERS = 2,                     /* at work at once */
	LETTER_MAX = 1 << 30,
	SUMMARY_MAX = 4 << 20,
	KEEP_MAX = 1 << 20,              /* of the buffer from letter to letter */
	ALWAYS = KEPT(FACTS) | KEPT(ENVELOPE) | KEPT(BODYSTRUCTURE) | KEPT(HEADER),
};

/* A letter to be read.  What is made of it lies in the arena of the reading. */
struct subject {
	size_t which;                    /* in the caller's list */
	struct letter_place place;
	int fd;                          /* or -1: the thread opens it */
	bool is_elsewhere;               /* it found no file there */
	struct str made[SUMMARY_KINDS];
};

struct reading {
	unsigned kinds;
	const struct letter_dirs *dirs;
	struct subject l[READ_AT_ONCE];
	size_t n;
	struct arena made, scratch, result;
	struct buf letter, text;
	bool is_short;                   /* no memory for some letter */
};

/* -- in a thread ------------------------------------------------------------ */

/* All of a trip are asked of the disk before the first is waited for. */
static void letter_open(const struct reading *r, struct subject *l)
{
	if (l->fd < 0)
		l->fd = openat(l->place.in_new ? r->dirs->new : r->dirs->cur, l->place.name,
			       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	l->is_elsewhere = l->fd < 0 && errno == ENOENT;
	if (l->fd >= 0)
		(void)posix_fadvise(l->fd, 0, LETTER_MAX, POSIX_FADV_WILLNEED);
}

static bool read_whole(struct reading *r, const struct subject *l)
{
	struct stat st;
	struct err e;
	char *to;

	if (l->fd < 0 || fstat(l->fd, &st) || !S_ISREG(st.st_mode) || st.st_size >= LETTER_MAX)
		return false;
	if (r->letter.cap > KEEP_MAX) {
		buf_end(&r->letter);
		r->letter = buf_on_heap(LETTER_MAX);
	}
	buf_clear(&r->letter);
	to = buf_room(&r->letter, (size_t)st.st_size + 1);       /* of an empty letter there is room too */
	r->letter.n = (size_t)st.st_size;
	return to && fd_pread_all(l->fd, to, r->letter.n, 0, &e);
}

static void keep_text(struct reading *r, struct subject *l, enum summary_kind kind)
{
	if (r->kinds >> kind & 1 && !r->text.full)
		l->made[kind] = arena_str(&r->made, buf_str(&r->text));
	buf_clear(&r->text);
}

static void keep(struct reading *r, struct subject *l, enum summary_kind kind, struct str text)
{
	if (r->kinds >> kind & 1)
		l->made[kind] = arena_str(&r->made, text);
}

static void letter_read(struct reading *r, struct subject *l)
{
	struct arena_mark mark = arena_mark(&r->result);
	struct letter_summary s;

	if (!read_whole(r, l) ||
	    !letter_summary_read(buf_str(&r->letter), &r->scratch, &r->result, &s, r->kinds >> KEPT_PREVIEW & 1))
		return;
	summary_print(&s, &r->text);
	keep_text(r, l, KEPT_FACTS);
	kept_header_print(str_head(buf_str(&r->letter), s.header_n), &r->text);
	if (r->text.n > KEPT_HEADER_MAX) {
		buf_clear(&r->text);
		buf_add(&r->text, KEPT_TOO_LONG);
	}
	keep_text(r, l, KEPT_HEADER);
	imap_add_string(&r->text, s.preview);
	keep_text(r, l, KEPT_PREVIEW);
	keep(r, l, KEPT_ENVELOPE, s.envelope);
	keep(r, l, KEPT_BODYSTRUCTURE, s.bodystructure);
	keep(r, l, KEPT_BODY, s.body);
	arena_rewind(&r->result, mark);
}

static void letter_make(struct reading *r, struct subject *l)
{
	unsigned denials = memory_denials();

	letter_read(r, l);
	if (memory_denials() == denials)
		return;
	memset(l->made, 0, sizeof(l->made));
	r->is_short = true;
}

static void reading_run(void *arg)
{
	struct reading *r = arg;

	for (size_t i = 0; i < r->n; i++)
		letter_open(r, &r->l[i]);
	for (size_t i = 0; i < r->n; i++) {
		letter_make(r, &r->l[i]);
		fd_end(&r->l[i].fd);
	}
}

struct second_look {
	struct reading *r;
	struct subject *l;
};

static void second_look_run(void *arg)
{
	struct second_look *s = arg;

	letter_make(s->r, s->l);
}

SUSPENDS static void reading_fiber(void *arg)
{
	off_loop(reading_run, arg);
}

/* -- those that are not kept yet --------------------------------------------- */

static struct reading *readings_new(unsigned kinds, const struct letter_dirs *dirs)
{
	struct reading *r = calloc(READERS, sizeof(*r));

	for (size_t i = 0; r && i < READERS; i++) {
		r[i].kinds = kinds;
		r[i].dirs = dirs;
		r[i].made.limit = READ_AT_ONCE * (size_t)SUMMARY_MAX;
		r[i].scratch.limit = r[i].result.limit = MIME_ARENA;
		r[i].letter = buf_on_heap(LETTER_MAX);
		r[i].text = buf_on_heap(SUMMARY_MAX);
	}
	return r;
}

static void readings_free(struct reading **r)
{
	for (size_t i = 0; *r && i < READERS; i++) {
		for (size_t k = 0; k < (*r)[i].n; k++)
			fd_end(&(*r)[i].l[k].fd);
		arena_end(&(*r)[i].made);
		arena_end(&(*r)[i].scratch);
		arena_end(&(*r)[i].result);
		buf_end(&(*r)[i].letter);
		buf_end(&(*r)[i].text);
	}
	free(*r);
}

struct ask {
	struct box *b;
	unsigned kinds;
	const uint32_t *uids;
	size_t n;
	struct arena *a;
	struct summaries *ret;
};

/* What is asked for of this letter and not there. */
static unsigned missing(const struct ask *q, size_t i)
{
	unsigned kinds = 0;

	for (unsigned k = 0; k < SUMMARY_KINDS; k++)
		if (q->kinds >> k & 1 && !q->ret->kept[k][i].n)
			kinds |= 1u << k;
	return kinds;
}

static void take(const struct ask *q, struct subject *l)
{
	uint32_t uid = q->uids[l->which];

	for (unsigned k = 0; k < SUMMARY_KINDS; k++) {
		box_keep(q->b, k, uid, l->made[k]);
		if (q->kinds >> k & 1 && !q->ret->kept[k][l->which].n)
			q->ret->kept[k][l->which] = arena_str(q->a, l->made[k]);
	}
}

/* Another program, or we, gave it another name meanwhile. */
SUSPENDS static void find_again(const struct ask *q, struct reading *r, struct subject *l)
{
	struct err none;

	l->fd = box_letter_open(q->b, q->uids[l->which], &none);
	if (l->fd < 0)
		return;
	off_loop(second_look_run, &(struct second_look){ r, l });
	fd_end(&l->fd);
}

SUSPENDS static void reading_take(const struct ask *q, struct reading *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->l[i].is_elsewhere)
			find_again(q, r, &r->l[i]);
		take(q, &r->l[i]);
		memset(r->l[i].made, 0, sizeof(r->l[i].made));
	}
	r->n = 0;
	arena_rewind(&r->made, (struct arena_mark){ 0 });
}

/* One in this fiber, the others beside it. */
SUSPENDS static bool read_all(const struct ask *q, struct reading *r, struct err *e)
{
	AUTO(nursery_end) struct nursery kids = { 0 };
	bool ok, is_short = false;

	for (size_t i = 1; i < READERS && r[i].n; i++)
		if (!fiber_start(&kids, "letters", reading_fiber, &r[i]))
			off_loop(reading_run, &r[i]);
	off_loop(reading_run, &r[0]);
	ok = nursery_join(&kids, e);
	nursery_end(&kids);
	for (size_t i = 0; ok && i < READERS; i++) {
		reading_take(q, &r[i]);
		is_short |= r[i].is_short;
	}
	return ok && box_keep_settle(q->b, e) &&
	       ((!q->a->full && !is_short) || fail(e, FAULT_TEMP, "no memory for summaries"));
}

/* Those with something missing, all that is always kept with it. */
SUSPENDS static bool make_missing(const struct ask *q, unsigned kinds, struct err *e)
{
	AUTO(letter_dirs_end) struct letter_dirs dirs = LETTER_DIRS_NONE;
	AUTO(readings_free) struct reading *r = NULL;
	size_t n = 0;

	if (!box_letter_dirs(q->b, &dirs, e))
		return false;
	r = readings_new(kinds & ALWAYS ? kinds | ALWAYS : kinds, &dirs);
	if (!r)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < q->n; i++) {
		struct reading *to = &r[n / READ_AT_ONCE];
		struct subject *l = &to->l[to->n];

		if (!missing(q, i) || !box_letter_place(q->b, q->uids[i], &l->place))
			continue;
		l->which = i;
		l->fd = -1;
		to->n++;
		if (++n < READERS * READ_AT_ONCE)
			continue;
		n = 0;
		if (!read_all(q, r, e))
			return false;
	}
	return !n || read_all(q, r, e);
}

SUSPENDS bool summaries_get(struct box *b, unsigned kinds, const uint32_t *uids, size_t n, struct arena *a,
			    struct summaries *ret, struct err *e)
{
	struct ask q = { b, kinds, uids, n, a, ret };
	unsigned lack = 0;

	must(n <= SUMMARIES_AT_ONCE, "summaries are asked for in batches");
	*ret = (struct summaries){ 0 };
	for (unsigned k = 0; k < SUMMARY_KINDS; k++) {
		if (!(kinds >> k & 1))
			continue;
		ret->kept[k] = ARENA_ARRAY(a, struct str, n + 1);
		if (!ret->kept[k])
			return fail(e, FAULT_TEMP, "out of memory");
		if (!box_kept(b, k, uids, n, a, ret->kept[k], e))
			return false;
	}
	for (size_t i = 0; i < n; i++)
		lack |= missing(&q, i);
	return !lack || make_missing(&q, lack, e);
}
