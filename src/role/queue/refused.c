/* refused.c — what was refused goes into the ring, and comes out again when a person wants it.
 *
 * Whoever refuses hands over the facts and a descriptor and goes on; a fiber of its own writes, off the loop.
 * What a flood brings beyond the room for it is counted and left out.  To release a letter is to accept it, with
 * its first envelope and its first id, without asking again whether it is welcome. */
#include "role/queue/refused.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "queue/ring.h"
#include "wire/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ITEMS_MAX = 200,                 /* waiting to be written */
	ITEM_BYTES_MAX = 16 << 20,       /* of them, in memory */
	PAGE_MAX = 200, PAGE_BYTES = 24 * 1024,
	HEADER_MAX = 24 * 1024,          /* of a letter that is shown */
	FACT_MAX = 1000,
};

struct item {
	struct item *next;
	struct buf head;
	char *bytes;
	size_t n;
	int fd;
	uint64_t size;
	size_t in_memory;                /* octets that count against ITEM_BYTES_MAX */
};

static struct ring *ring;
static int ring_dir = -1;
static bool is_busy;
static struct wait idle, waiting;
static struct item *first, **last = &first;
static size_t n_items, item_bytes;
static uint64_t lost;

SUSPENDS static bool ring_take(struct err *e)
{
	while (is_busy)
		if (!wait_on(&idle, "refused/", e))
			return false;
	is_busy = true;
	return true;
}

static void ring_give(void)
{
	is_busy = false;
	wait_wake(&idle);
}

/* -- into the ring --------------------------------------------------------- */

static void item_close(struct item *i)
{
	buf_end(&i->head);
	fd_end(&i->fd);
	free(i->bytes);
	free(i);
}

static const struct ipc_shape *facts_shape(void)
{
	return ipc_type_find(IPC_queue_refused)->question();
}

static void add_why(const struct queue_refused *f, struct buf *to)
{
	static char mem[WHY_RECORD_MAX];         /* too big for a fiber's stack */
	struct buf b = buf_over(mem, sizeof(mem));
	const struct reply_row *row = reply_row(f->reply < REPLY_COUNT ? (enum reply_id)f->reply : REPLY_REFUSED);
	struct why_letter_refused w = {
		.head = { .kind = WHY_letter_refused, .time = time_now(), .letter = f->id, .role = ROLE_QUEUE,
			  .instance = self.instance, .code = (uint16_t)row->code, .enhanced = str_from_z(row->enhanced),
			  .rule = str_from_z(row->name), .nearest = str_from_z(row->remedy) },
		.peer = f->peer, .helo = str_head(f->helo, FACT_MAX), .verb = f->rcpts.n ? S("DATA") : S("RCPT"),
		.from = str_head(f->mail_from, FACT_MAX), .why = str_head(f->why, FACT_MAX) };
	struct err e;

	if (why_encode(&b, &w.head, &e))
		why_frame(to, buf_str(&b));
}

static bool print_head(const struct queue_refused *f, uint64_t size, struct buf *to, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	AUTO(buf_end) struct buf facts = buf_on_heap(LETTER_FACTS_MAX), why = buf_on_heap(LETTER_WHY_MAX);
	struct letter_rcpt *rcpts = ARENA_ARRAY(&a, struct letter_rcpt, f->rcpts.n + 1);
	struct queue_refused bare = *f;
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;

	if (!rcpts)
		return fail(e, FAULT_TEMP, "no memory");
	for (size_t i = 0; i < f->rcpts.n; i++)
		rcpts[i] = (struct letter_rcpt){ f->rcpts.p[i].address, f->rcpts.p[i].orcpt,
						 f->rcpts.p[i].notify & (LETTER_NOTIFY_SUCCESS | LETTER_NOTIFY_FAILURE |
									 LETTER_NOTIFY_DELAY | LETTER_NOTIFY_NEVER) };
	/* what the record says itself does not stand in the facts again */
	bare.rcpts.n = 0;
	bare.why = str_head(f->why, FACT_MAX);
	if (!ipc_encode(&facts, facts_shape(), &bare, fds, &n_fds, e))
		return false;
	add_why(f, &why);
	return letter_record_print(&(struct letter_record){
		.id = f->id, .accepted = f->received, .flags = (uint8_t)((f->body ? LETTER_8BIT : 0) | (f->smtputf8 ? LETTER_UTF8 : 0)),
		.ret = f->ret, .from = f->mail_from, .envid = f->envid, .facts = buf_str(&facts), .why = buf_str(&why),
		.rcpts = rcpts, .n_rcpts = (uint32_t)f->rcpts.n, .body_size = size,
		.file = size > LETTER_INLINE_MAX ? S("refused") : S("") }, to, e);
}

void refused_keep(const struct queue_refused *f, struct str bytes, int fd, uint64_t size)
{
	struct item *i = n_items < ITEMS_MAX ? calloc(1, sizeof(*i)) : NULL;
	bool in_memory = fd < 0 || size <= LETTER_INLINE_MAX;
	struct err e = { 0 };

	if (!i || !ring) {
		lost++;
		free(i);
		return;
	}
	*i = (struct item){ .head = buf_on_heap(LETTER_HEAD_MAX), .fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1,
			    .n = fd >= 0 ? 0 : bytes.n, .size = fd >= 0 ? size : bytes.n };
	if (in_memory && item_bytes + i->size > ITEM_BYTES_MAX)
		i->n = i->size = 0;              /* the facts at least */
	if (i->n) {
		i->bytes = malloc(i->n);
		i->n = i->bytes ? i->n : 0;
		i->size = i->n;
		if (i->bytes)
			memcpy(i->bytes, bytes.p, i->n);
	}
	if (i->fd < 0 || !i->size) {
		fd_end(&i->fd);
		i->size = i->n;
	}
	if (!print_head(f, i->size, &i->head, &e)) {
		lost++;
		item_close(i);
		return;
	}
	*last = i;
	last = &i->next;
	n_items++;
	i->in_memory = in_memory ? (size_t)i->size : 0;
	item_bytes += i->in_memory;
	wait_wake(&waiting);
}

static void hear_refused(struct link *l, void *tell)
{
	(void)l;
	refused_keep(tell, S(""), -1, 0);
}

struct add_job {
	const struct item *item;
	bool ok;
	struct err err;
};

static void do_add(void *arg)
{
	struct add_job *j = arg;
	const struct item *i = j->item;

	j->ok = ring_add(ring, buf_str(&i->head), str_of(i->bytes, i->n), i->fd, i->size, time_now(), &j->err);
}

SUSPENDS static bool write_one(struct err *e)
{
	struct add_job j = { 0 };
	struct item *i;

	if (!ring_take(e))
		return false;
	i = first;
	if (!i) {
		ring_give();
		return true;
	}
	first = i->next;
	if (!first)
		last = &first;
	j.item = i;
	off_loop(do_add, &j);
	ring_give();
	n_items--;
	item_bytes -= i->in_memory;
	lost += !j.ok;
	if (!j.ok)
		log_warn("refused", "why=%s next=\"this letter is not in the ring\"", LOGQ(str_from_z(j.err.text)));
	item_close(i);
	return true;
}

SUSPENDS void refused_run(void *unused)
{
	uint64_t told = 0;
	struct err e;

	(void)unused;
	for (;;) {
		while (first)
			if (!write_one(&e))
				return;
		if (lost != told)
			log_warn("refused", "letters=%llu why=\"more came in than is kept\"", (unsigned long long)(lost - told));
		told = lost;
		if (!wait_on(&waiting, "refused letters", &e))
			return;
	}
}

SUSPENDS void refused_settle(void)
{
	struct err e;

	while (first && write_one(&e))
		continue;
}

/* -- out of it ------------------------------------------------------------- */

/* A frame as the answer has it; false: it cannot be read. */
static bool tell_frame(const struct ring_frame *f, struct arena *a, struct ipc_refused *ret)
{
	AUTO(arena_end) struct arena scratch = { .limit = 16 << 20 };
	struct buf to = buf_on_heap(2000);
	struct queue_refused facts = { 0 };
	struct letter_record r;
	struct err e;

	if (f->kind == RING_RELEASED) {
		*ret = (struct ipc_refused){ .id = f->id, .is_mark = true, .when = f->when, .why = arena_str(a, f->by) };
		return !a->full;
	}
	if (!letter_record_parse(f->head, &scratch, &r, &e) ||
	    !ipc_decode(r.facts, facts_shape(), &facts, NULL, 0, &scratch, &e))
		return false;
	for (uint32_t i = 0; i < r.n_rcpts && i < 20; i++) {
		buf_add(&to, i ? S(" ") : S(""));
		buf_add(&to, r.rcpts[i].address);
	}
	*ret = (struct ipc_refused){
		.id = r.id, .when = r.accepted, .from = arena_str(a, r.from), .rcpts = arena_str(a, buf_str(&to)),
		.peer = arena_str(a, facts.peer), .host = arena_str(a, facts.host), .host_confirmed = facts.host_confirmed,
		.helo = arena_str(a, str_head(facts.helo, FACT_MAX)), .tls = arena_str(a, facts.tls), .reply = facts.reply,
		.why = arena_str(a, facts.why), .size = f->body_size };
	buf_end(&to);
	return !a->full;
}

struct walk {
	struct ring_place at;
	struct arena *a;
	struct ipc_refused *list;        /* of a page */
	size_t n;
	bool is_end;
	/* of the search for one letter */
	uint64_t id, mask;
	struct arena found_a;
	struct ring_frame found;
	unsigned n_found;                /* ids that end so */
	bool is_released;
};

static void do_page(void *arg)
{
	struct walk *w = arg;
	size_t bytes = 0;

	while (w->n < PAGE_MAX && bytes < PAGE_BYTES && !w->is_end) {
		AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
		struct ring_frame f;
		struct ipc_refused *x = &w->list[w->n];

		w->is_end = !ring_next(ring, &w->at, &a, &f);
		if (w->is_end || !tell_frame(&f, w->a, x))
			continue;
		w->n++;
		bytes += 100 + x->from.n + x->rcpts.n + x->host.n + x->helo.n + x->why.n;
	}
}

SUSPENDS static bool serve_list(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_refused_list *q = question;
	struct queue_refused_list_answer *r = answer;
	struct walk w = { .at = { q->file, q->at }, .a = a, .list = ARENA_ARRAY(a, struct ipc_refused, PAGE_MAX) };

	(void)l;
	if (!w.list)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!ring_take(e))
		return false;
	off_loop(do_page, &w);
	ring_give();
	r->letters.p = w.list;
	r->letters.n = w.n;
	r->file = w.at.file;
	r->at = w.at.at;
	r->more = !w.is_end;
	return true;
}

/* Of several frames of one letter (each recipient that was refused before DATA has one) the last. */
static void do_find(void *arg)
{
	struct walk *w = arg;
	uint64_t id = 0;

	for (;;) {
		struct arena a = { .limit = 8 << 20 }, scratch = { .limit = 16 << 20 };
		struct letter_record r = { 0 };
		struct ring_frame f;
		struct err e;
		bool is_it;

		if (!ring_next(ring, &w->at, &a, &f)) {
			arena_end(&a);
			return;
		}
		is_it = f.kind == RING_LETTER && letter_record_parse(f.head, &scratch, &r, &e) &&
			(r.id & w->mask) == (w->id & w->mask);
		w->is_released |= f.kind == RING_RELEASED && w->n_found && f.id == id;
		w->n_found += is_it && r.id != id;
		arena_end(&scratch);
		if (is_it) {
			id = r.id;
			arena_end(&w->found_a);
			w->found_a = a;
			w->found = f;
		} else {
			arena_end(&a);
		}
	}
}

/* The caller ends w->found_a. */
SUSPENDS static bool find_one(struct walk *w, struct err *e)
{
	if (!ring_take(e))
		return false;
	off_loop(do_find, w);
	ring_give();
	if (!w->n_found)
		return fail(e, FAULT_PERM, "no refused letter has an id that ends so; waxwing refused list shows them");
	return w->n_found == 1 || fail(e, FAULT_PERM, "the ids of %u refused letters end so", w->n_found);
}

struct part_job {
	const struct ring_frame *f;
	char *to;
	size_t n;
	int fd;                          /* else all of it goes there */
	bool ok;
	struct err err;
};

static void do_part(void *arg)
{
	struct part_job *j = arg;

	j->ok = j->fd >= 0 ? ring_body(ring, j->f, j->fd, &j->err) : ring_body_part(ring, j->f, 0, j->to, j->n, &j->err);
}

SUSPENDS static bool read_body(struct part_job *j, struct err *e)
{
	if (!ring_take(e))
		return false;
	off_loop(do_part, j);
	ring_give();
	if (!j->ok)
		*e = j->err;
	return j->ok;
}

SUSPENDS static bool serve_one_refused(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_refused_one *q = question;
	struct queue_refused_one_answer *r = answer;
	struct walk w = { .id = q->id, .mask = q->mask };
	struct part_job j = { .f = &w.found, .fd = -1, .to = arena_alloc(a, HEADER_MAX, 1) };
	bool ok;

	(void)l;
	r->letters.p = ARENA_ARRAY(a, struct ipc_refused, 1);
	ok = (j.to && r->letters.p) || fail(e, FAULT_TEMP, "out of memory");
	ok = ok && find_one(&w, e);
	j.n = w.found.body_size < HEADER_MAX ? (size_t)w.found.body_size : HEADER_MAX;
	ok = ok && (tell_frame(&w.found, a, &r->letters.p[0]) || fail(e, FAULT_PERM, "its record cannot be read")) &&
	     read_body(&j, e);
	r->letters.n = 1;
	r->is_released = w.is_released;
	r->head = str_of(j.to, j.n);
	arena_end(&w.found_a);
	return ok;
}

/* -- releasing ------------------------------------------------------------- */

static bool envelope_of(const struct letter_record *rec, const struct queue_refused *f, struct arena *a,
			struct queue_commit *q, struct err *e)
{
	struct ipc_rcpt *rcpts = ARENA_ARRAY(a, struct ipc_rcpt, rec->n_rcpts + 1);

	if (!rcpts)
		return fail(e, FAULT_TEMP, "out of memory");
	for (uint32_t i = 0; i < rec->n_rcpts; i++) {
		struct smtp_path p = { .local = rec->rcpts[i].address };

		(void)address_parse(rec->rcpts[i].address, PATH_UTF8, a, &p);    /* else <postmaster> */
		rcpts[i] = (struct ipc_rcpt){ .address = rec->rcpts[i].address, .local = p.local, .domain = p.domain,
					      .notify = rec->rcpts[i].notify, .orcpt = rec->rcpts[i].orcpt };
	}
	*q = (struct queue_commit){ .id = rec->id, .size = rec->body_size, .letter = -1, .mail_from = rec->from, .body = f->body,
				    .smtputf8 = f->smtputf8, .ret = rec->ret, .envid = rec->envid, .received = f->received,
				    .peer = f->peer, .helo = f->helo, .protocol = f->protocol, .tls = f->tls, .port = f->port,
				    .host = f->host, .host_confirmed = f->host_confirmed, .rcpts = { rcpts, rec->n_rcpts } };
	return true;
}

/* A small letter as a sealed memfd, a larger one as a file of the spool. */
SUSPENDS static bool bring_body(struct walk *w, struct queue_commit *q, struct incoming *in, struct err *e)
{
	AUTO(fd_end) int fd = -1;
	struct part_job j = { .f = &w->found };

	if (q->size <= LETTER_INLINE_MAX) {
		if (!fd_memory("letter", &fd, e))
			return false;
		j.fd = fd;
		if (!read_body(&j, e) || !fd_seal(fd, e))
			return false;
		q->letter = fd_take(&fd);
		return true;
	}
	if (!queue_file_new(queue, q->id, &in->file, in->name, e))
		return false;
	j.fd = in->file;
	in->size = q->size;
	return read_body(&j, e);
}

struct mark_job {
	uint64_t id;
	struct str by;
	bool ok;
	struct err err;
};

static void do_mark(void *arg)
{
	struct mark_job *j = arg;

	j->ok = ring_mark(ring, j->id, j->by, time_now(), &j->err);
}

SUSPENDS static void mark_released(uint64_t id, struct str by)
{
	struct mark_job j = { .id = id, .by = by };
	struct err e;

	if (!ring_take(&e))
		return;
	off_loop(do_mark, &j);
	ring_give();
	if (!j.ok)
		log_warn("refused", "msg=%s why=%s next=\"the ring shows it as not released\"", ID_Z(id),
			 LOGQ(str_from_z(j.err.text)));
}

SUSPENDS static bool release(struct walk *w, struct str by, struct queue_refused_release_answer *r, struct arena *a,
			     struct err *e)
{
	AUTO(arena_end) struct arena scratch = { .limit = 16 << 20 };
	struct incoming in = { .file = -1, .pipe = -1, .is_drained = true, .is_committing = true };
	struct queue_commit_answer said = { 0 };
	struct queue_refused facts = { 0 };
	struct queue_commit q = { .letter = -1 };
	struct letter_record rec;
	struct err ignored;
	uint64_t id;
	bool ok;

	if (!letter_record_parse(w->found.head, &scratch, &rec, e) ||
	    !ipc_decode(rec.facts, facts_shape(), &facts, NULL, 0, &scratch, e) || !envelope_of(&rec, &facts, &scratch, &q, e))
		return false;
	r->id = q.id;
	if (!q.size || !q.rcpts.n)
		return fail(e, FAULT_PERM, "it was refused before its text came: allow its sender, who may send it again");
	if (w->is_released || queue_find(queue, q.id, UINT64_MAX, &id, &ignored))
		return fail(e, FAULT_PERM, "it was released before");
	in.id = q.id;
	ok = bring_body(w, &q, &in, e) && commit_released(&q, &in, &said, a, e);
	fd_end(&q.letter);
	fd_end(&in.file);
	if (!ok && in.name[0])
		queue_file_drop(queue, str_from_z(in.name));
	if (!ok)
		return false;
	why_keep(&(struct why_letter_released){ .head = why_ours(WHY_letter_released, q.id), .by = by }.head);
	mark_released(q.id, by);
	return true;
}

SUSPENDS static bool serve_release(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_refused_release *q = question;
	struct walk w = { .id = q->id, .mask = q->mask };
	bool ok = find_one(&w, e) && release(&w, q->by, answer, a, e);

	(void)l;
	arena_end(&w.found_a);
	return ok;
}

/* -- life ------------------------------------------------------------------ */

/* A ring that cannot be opened is no reason to stand still. */
void refused_open(void)
{
	struct err e = { 0 };

	ipc_hear(IPC_queue_refused, hear_refused);
	ipc_serve(IPC_queue_refused_list, serve_list);
	ipc_serve(IPC_queue_refused_one, serve_one_refused);
	ipc_serve(IPC_queue_refused_release, serve_release);
	ring_dir = open("refused", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (ring_dir < 0)
		fail_sys(&e, FAULT_TEMP, errno, "refused");
	if (ring_dir < 0 || !ring_open(ring_dir, RING_BYTES, time_now(), &ring, &e))
		log_error("refused", "why=%s next=\"refused letters are not kept\"", LOGQ(str_from_z(e.text)));
}
