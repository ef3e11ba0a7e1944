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
#include <sys/uio.h>

enum {
	READ_AT_ONCE = 32,               /* letters in one trip to a thread */
	READERS = 3,                     /* trips under way: one more than there are threads */
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

/* What is asked for. */
struct ask {
	struct box *b;
	unsigned kinds;
	const uint32_t *uids;
	size_t n;
	struct arena *a;
	struct summaries *ret;
};

/* Readings take letters from here, each some, until there are no more. */
struct making {
	const struct ask *q;
	unsigned kinds;
	struct letter_dirs dirs;
	size_t next;                     /* of those asked for */
};

struct reading {
	struct making *m;
	struct subject l[READ_AT_ONCE];
	size_t n;
	struct arena made, scratch, result;
	struct buf letter, text;
	bool is_short;                   /* there was no memory for some letter */
};

/* -- in a thread ------------------------------------------------------------ */

static void letter_open(const struct reading *r, struct subject *l)
{
	const struct letter_dirs *d = &r->m->dirs;

	l->fd = letter_open_at(l->place.in_new ? d->new : d->cur, l->place.name);
	l->is_elsewhere = l->fd < 0 && errno == ENOENT;
}

/* Room for all of the letter; NULL: it cannot be read. */
static char *room_for(struct reading *r, int fd)
{
	struct stat st;
	char *to;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size >= LETTER_MAX)
		return NULL;
	if (r->letter.cap > KEEP_MAX) {
		buf_end(&r->letter);
		r->letter = buf_on_heap(LETTER_MAX);
	}
	buf_clear(&r->letter);
	to = buf_room(&r->letter, (size_t)st.st_size + 1);       /* of an empty letter there is room too */
	r->letter.n = (size_t)st.st_size;
	return to;
}

/* Without waiting for the disk. */
static bool read_at_once(struct reading *r, int fd)
{
	char *to = room_for(r, fd);
	struct iovec all = { to, r->letter.n };

	return to && preadv2(fd, &all, 1, 0, RWF_NOWAIT) == (ssize_t)all.iov_len;
}

static bool read_whole(struct reading *r, int fd)
{
	char *to = room_for(r, fd);
	struct err e;

	return to && fd_pread_all(fd, to, r->letter.n, 0, &e);
}

static void keep_text(struct reading *r, struct subject *l, enum summary_kind kind)
{
	if (r->m->kinds >> kind & 1 && !r->text.full)
		l->made[kind] = arena_str(&r->made, buf_str(&r->text));
	buf_clear(&r->text);
}

static void keep(struct reading *r, struct subject *l, enum summary_kind kind, struct str text)
{
	if (r->m->kinds >> kind & 1)
		l->made[kind] = arena_str(&r->made, text);
}

/* Of the letter that was read. */
static void letter_make(struct reading *r, struct subject *l)
{
	struct arena_mark mark = arena_mark(&r->result);
	unsigned more = (r->m->kinds & KEPT(BODY) ? SUMMARY_BODY : 0) |
			(r->m->kinds & KEPT(PREVIEW) ? SUMMARY_PREVIEW : 0);
	struct letter_summary s;

	if (!letter_summary_read(buf_str(&r->letter), &r->scratch, &r->result, more, &s))
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

/* What was made while memory was refused may lack a part: it is not kept. */
static void settle(struct reading *r, struct subject *l, size_t n, unsigned denials)
{
	if (memory_denials() == denials)
		return;
	r->is_short = true;
	for (size_t i = 0; i < n; i++)
		memset(l[i].made, 0, sizeof(l[i].made));
}

/* What is in memory is read at once; the disk is asked for all others before the first is waited for. */
static void reading_run(void *arg)
{
	struct reading *r = arg;
	unsigned denials = memory_denials();

	for (size_t i = 0; i < r->n; i++) {
		struct subject *l = &r->l[i];

		letter_open(r, l);
		if (l->fd >= 0 && read_at_once(r, l->fd)) {
			letter_make(r, l);
			fd_end(&l->fd);
		} else if (l->fd >= 0) {
			(void)posix_fadvise(l->fd, 0, LETTER_MAX, POSIX_FADV_WILLNEED);
		}
	}
	for (size_t i = 0; i < r->n; i++) {
		if (read_whole(r, r->l[i].fd))
			letter_make(r, &r->l[i]);
		fd_end(&r->l[i].fd);
	}
	settle(r, r->l, r->n, denials);
}

struct second_look {
	struct reading *r;
	struct subject *l;
};

static void second_look_run(void *arg)
{
	struct second_look *s = arg;
	unsigned denials = memory_denials();

	if (read_whole(s->r, s->l->fd))
		letter_make(s->r, s->l);
	settle(s->r, s->l, 1, denials);
}

/* -- those that are not kept yet --------------------------------------------- */

static struct reading *readings_new(struct making *m)
{
	struct reading *r = calloc(READERS, sizeof(*r));

	for (size_t i = 0; r && i < READERS; i++) {
		r[i].m = m;
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
SUSPENDS static void find_again(struct reading *r, struct subject *l)
{
	const struct ask *q = r->m->q;
	struct err none;

	l->fd = box_letter_open(q->b, q->uids[l->which], &none);
	if (l->fd < 0)
		return;
	off_loop(second_look_run, &(struct second_look){ r, l });
	fd_end(&l->fd);
}

SUSPENDS static void reading_take(struct reading *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->l[i].is_elsewhere)
			find_again(r, &r->l[i]);
		take(r->m->q, &r->l[i]);
		memset(r->l[i].made, 0, sizeof(r->l[i].made));
	}
	r->n = 0;
	arena_rewind(&r->made, (struct arena_mark){ 0 });
}

/* The next of those with something missing; false: there are no more. */
static bool reading_fill(struct reading *r)
{
	struct making *m = r->m;

	for (; m->next < m->q->n && r->n < READ_AT_ONCE; m->next++) {
		struct subject *l = &r->l[r->n];

		if (!missing(m->q, m->next) || !box_letter_place(m->q->b, m->q->uids[m->next], &l->place))
			continue;
		l->which = m->next;
		l->fd = -1;
		r->n++;
	}
	return r->n;
}

SUSPENDS static void reading_fiber(void *arg)
{
	struct reading *r = arg;
	struct err cancelled;

	while (fiber_check(&cancelled) && reading_fill(r)) {
		off_loop(reading_run, r);
		reading_take(r);
	}
}

static void making_end(struct making *m)
{
	letter_dirs_end(&m->dirs);
}

/* Those with something missing, all that is always kept with it. */
SUSPENDS static bool make_missing(const struct ask *q, unsigned kinds, struct err *e)
{
	AUTO(making_end) struct making m = { q, kinds & ALWAYS ? kinds | ALWAYS : kinds, LETTER_DIRS_NONE, 0 };
	AUTO(readings_free) struct reading *r = readings_new(&m);
	AUTO(nursery_end) struct nursery kids = { 0 };
	bool is_short = false;

	if (!r)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!box_letter_dirs(q->b, &m.dirs, e))
		return false;
	/* without memory for a fiber the others do its work */
	for (size_t i = 1; i < READERS && q->n > i * READ_AT_ONCE; i++)
		(void)fiber_start(&kids, "letters", reading_fiber, &r[i]);
	reading_fiber(&r[0]);
	if (!nursery_join(&kids, e) || !box_keep_settle(q->b, e))
		return false;
	for (size_t i = 0; i < READERS; i++)
		is_short |= r[i].is_short;
	return (!is_short && !q->a->full) || fail(e, FAULT_TEMP, "no memory for summaries");
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
