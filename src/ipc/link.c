/* link.c — see link.h.
 *
 * One packet is one message.  A reader fiber takes packets, several at a time, into
 * buffers that all links share (nothing waits before all are handled); it exists only
 * while there are some, as a writer fiber only while the socket does not take what is
 * said. */
#include "ipc/link.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/packet.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVED_ARENA = 4 * IPC_LARGE_MAX };
#define SCARCE_PAUSE (20 * MILLISECOND)

struct link_out {
	struct link_out *next;
	size_t n, n_fds;
	int fds[PACKET_FDS];
	char bytes[];
};

/* A question being served. */
struct served {
	struct link *l;
	const struct ipc_type *type;
	uint64_t call;
	struct arena a;
	void *question;
};

static ipc_serve_fn *servers[IPC_NUMBER_MAX];
static ipc_hear_fn *hearers[IPC_NUMBER_MAX];
static void (*closer)(struct link *l);
static struct link *links;
static _Alignas(SCRATCH_ALIGN) struct packet_batch batch;        /* all links' */
static size_t in_hand;                   /* questions being served */
static _Alignas(SCRATCH_ALIGN) char out_buf[IPC_MESSAGE_MAX];

void ipc_serve(enum ipc_number number, ipc_serve_fn *fn)
{
	servers[number] = fn;
}

void ipc_hear(enum ipc_number number, ipc_hear_fn *fn)
{
	hearers[number] = fn;
}

void ipc_on_close(void (*fn)(struct link *l))
{
	closer = fn;
}

static bool is_away(struct err *e, const struct link *l)
{
	fail(e, FAULT_TEMP, "%s is away", role_name(l->peer));
	e->sys = ENOLINK;
	return false;
}

/* Who had read all that was said to it, and then ended, had our questions in its hands. */
static void is_gone(struct err *e, const struct link *l)
{
	is_away(e, l);
	if (!l->has_ended || l->out_first)
		return;
	fail(e, FAULT_TEMP, "%s ended meanwhile", role_name(l->peer));
	e->sys = EOWNERDEAD;
}

/* -- life ------------------------------------------------------------------ */

static void link_free(struct link *l)
{
	free(l->account);
	free(l->calls);
	free(l);
}

static void link_release(struct link *l)
{
	if (--l->users || !l->is_dead)
		return;
	while (l->out_first) {
		struct link_out *o = l->out_first;

		l->out_first = o->next;
		for (size_t i = 0; i < o->n_fds; i++)
			close(o->fds[i]);
		free(o);
	}
	fd_wait_forget(l->fd);
	close(l->fd);
	for (size_t i = 0; i < l->window; i++)
		free(l->calls[i]);
	link_free(l);
}

static void link_die(struct link *l)
{
	if (l->is_dead)
		return;
	l->is_dead = true;
	if (l->prev)
		l->prev->next = l->next;
	else
		links = l->next;
	if (l->next)
		l->next->prev = l->prev;
	shutdown(l->fd, SHUT_RDWR);              /* wakes our reader and writer */
	for (size_t i = 0; i < l->window; i++) {
		struct link_call *c = l->calls[i];

		if (c && !c->is_abandoned && !c->is_done) {
			is_gone(&c->err, l);
			c->is_done = true;
			wait_wake(&c->done);
		}
	}
	wait_wake_all(&l->room);
	if (closer)
		closer(l);
}

void link_close(struct link *l)
{
	l->users++;
	link_die(l);
	link_release(l);
}

void link_keep(struct link *l)
{
	l->users++;
}

void link_let_go(struct link *l)
{
	link_die(l);
	link_release(l);
}

/* -- sending --------------------------------------------------------------- */

SUSPENDS static void writer(void *arg)
{
	struct link *l = arg;
	struct err e;

	while (l->out_first && !l->is_dead) {
		struct link_out *o = l->out_first;

		if (packet_send(l->fd, o->bytes, o->n, o->fds, o->n_fds) < 0) {
			if (errno != EAGAIN || !fd_wait(l->fd, POLLOUT, "room in a channel", &e)) {
				link_die(l);
				break;
			}
			continue;
		}
		l->out_first = o->next;
		if (!l->out_first)
			l->out_last = NULL;
		for (size_t i = 0; i < o->n_fds; i++)
			close(o->fds[i]);
		free(o);
	}
	link_release(l);
}

static struct nursery *link_nursery;

static bool queue_packet(struct link *l, struct str bytes, const int *fds, size_t n_fds, struct err *e)
{
	struct link_out *o = calloc(1, sizeof(*o) + bytes.n);
	bool was_empty = !l->out_first;

	if (!o)
		return fail(e, FAULT_TEMP, "out of memory");
	memcpy(o->bytes, bytes.p, bytes.n);
	o->n = bytes.n;
	for (; o->n_fds < n_fds; o->n_fds++) {
		o->fds[o->n_fds] = dup(fds[o->n_fds]);
		if (o->fds[o->n_fds] < 0) {
			while (o->n_fds)
				close(o->fds[--o->n_fds]);
			free(o);
			return fail_sys(e, FAULT_TEMP, errno, "dup");
		}
	}
	if (l->out_last)
		l->out_last->next = o;
	else
		l->out_first = o;
	l->out_last = o;
	if (was_empty) {
		l->users++;
		if (!fiber_start(link_nursery, "ipc writer", writer, l)) {
			l->users--;
			return fail(e, FAULT_TEMP, "no memory for a fiber");
		}
	}
	return true;
}

/* The body as a sealed memfd, behind the other descriptors. */
static bool encode_large(const struct ipc_shape *shape, const void *v, int *fds, size_t *n_fds, int *ret,
			 struct err *e)
{
	struct buf b = buf_on_heap(IPC_LARGE_MAX);
	bool ok = ipc_encode(&b, shape, v, fds, n_fds, e) && fd_sealed("message", buf_str(&b), ret, e);

	buf_end(&b);
	if (ok)
		fds[(*n_fds)++] = *ret;
	return ok;
}

/* The kernel calls it a reset, not an end, if something was left unread. */
static bool was_reset(int fd)
{
	int sys = 0;
	socklen_t n = sizeof(sys);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &n) || sys == ECONNRESET;
}

static bool send_message(struct link *l, const struct ipc_type *t, enum ipc_kind kind, uint64_t call,
			 const struct ipc_shape *shape, const void *v, const struct err *fault, struct err *e)
{
	struct ipc_header h = { .number = t->number, .kind = (uint8_t)kind, .call = call };
	struct buf b = buf_over(out_buf, sizeof(out_buf));
	AUTO(fd_end) int large = -1;
	int fds[PACKET_FDS];
	size_t n_fds = 0;

	if (l->is_dead)
		return is_away(e, l);
	buf_add(&b, str_of(&h, sizeof(h)));
	if (kind == IPC_FAULT) {
		buf_add_char(&b, (char)fault->fault);
		buf_add(&b, str_from_z(fault->text));
	} else if (!ipc_encode(&b, shape, v, fds, &n_fds, e)) {
		b.n = sizeof(h);
		h.kind |= IPC_IN_MEMFD;
		if (!encode_large(shape, v, fds, &n_fds, &large, e))
			return fail_in(e, "%s", t->name);
	}
	h.n = (uint32_t)b.n;
	h.n_fds = (uint8_t)n_fds;
	memcpy(out_buf, &h, sizeof(h));
	if (!l->out_first && packet_send(l->fd, b.p, b.n, fds, n_fds) >= 0)
		return true;
	if (!l->out_first && errno != EAGAIN) {
		int sys = errno;

		if (sys == EPIPE || sys == ECONNRESET || sys == ENOTCONN) {
			l->has_ended = sys == EPIPE && !was_reset(l->fd);
			link_die(l);
			return is_away(e, l);
		}
		return fail_sys(e, FAULT_TEMP, sys, "%s to %s", t->name, role_name(l->peer));
	}
	return queue_packet(l, buf_str(&b), fds, n_fds, e);
}

bool link_say(struct link *l, enum ipc_number number, const void *tell, struct err *e)
{
	const struct ipc_type *t = ipc_type_find((uint16_t)number);

	if (!l)
		return fail(e, FAULT_TEMP, "%s: nobody is there to hear it", t->name);
	must(ipc_may_say(t, IPC_TELL, l->self, l->peer), t->name);
	return send_message(l, t, IPC_TELL, 0, t->question(), tell, NULL, e);
}

/* -- asking ---------------------------------------------------------------- */

static struct link_call *take_call(struct link *l)
{
	struct link_call *c = calloc(1, sizeof(*c));
	size_t i = 0;

	if (!c)
		return NULL;
	while (i < l->window && l->calls[i])
		i++;
	must(i < l->window, "the window has room but no place");
	c->id = ++l->next_call * l->window + i;
	l->calls[i] = c;
	l->n_calls++;
	return c;
}

/* The one with that number; NULL: nobody asked. */
static struct link_call *find_call(const struct link *l, uint64_t id)
{
	struct link_call *c = l->calls[id % l->window];

	return c && c->id == id ? c : NULL;
}

static void free_call(struct link *l, struct link_call *c)
{
	l->calls[c->id % l->window] = NULL;
	free(c);
	l->n_calls--;
	wait_wake(&l->room);
}

SUSPENDS static bool await_answer(struct link *l, struct link_call *c, struct err *e)
{
	while (!c->is_done) {
		if (!wait_on(&c->done, "an answer", e)) {
			if (c->is_done)
				break;
			c->is_abandoned = true;          /* its place is free when the answer comes */
			return fail_in(e, "%s", role_name(l->peer));
		}
	}
	return true;
}

bool link_ask(struct link *l, enum ipc_number number, const void *question, void *answer, struct arena *a,
	      struct err *e)
{
	const struct ipc_type *t = ipc_type_find((uint16_t)number);
	struct link_call *c;
	bool ok = false;

	if (!l) {
		fail(e, FAULT_TEMP, "%s: nobody is there to answer", t->name);
		e->sys = ENOLINK;
		return false;
	}
	must(ipc_may_say(t, IPC_QUESTION, l->self, l->peer), t->name);
	l->users++;
	while (!l->is_dead && l->n_calls == l->window)
		if (!wait_on(&l->room, "room in a window", e)) {
			link_release(l);
			return false;
		}
	if (l->is_dead) {
		is_away(e, l);
		link_release(l);
		return false;
	}
	c = take_call(l);
	if (!c) {
		link_release(l);
		return fail(e, FAULT_TEMP, "no memory to ask");
	}
	c->answer = answer;
	c->a = a;
	if (!send_message(l, t, IPC_QUESTION, c->id, t->question(), question, NULL, e)) {
		free_call(l, c);
	} else if (await_answer(l, c, e)) {
		ok = c->ok;
		if (!ok)
			*e = c->err;
		free_call(l, c);
	}
	link_release(l);
	return ok;
}

static bool got_answer(struct link *l, const struct ipc_type *t, const struct ipc_header *h, struct str body,
		       const int *fds, struct err *e)
{
	struct link_call *c = find_call(l, h->call);
	struct str copy;

	if (!c || c->is_done)
		return fail(e, FAULT_PEER, "an answer that was not asked for");
	if (c->is_abandoned) {
		for (size_t i = 0; i < h->n_fds; i++)
			close(fds[i]);
		free_call(l, c);
		return true;
	}
	if (h->kind == IPC_FAULT) {
		if (body.n < 1 || h->n_fds || str_at(body, 0) < FAULT_TEMP || str_at(body, 0) > FAULT_CANCEL)
			return fail(e, FAULT_PEER, "a malformed fault");
		c->err = (struct err){ .fault = (enum fault)str_at(body, 0) };
		if (c->err.fault == FAULT_CANCEL)
			c->err.fault = FAULT_TEMP;       /* theirs was cancelled, not ours */
		snprintf(c->err.text, sizeof(c->err.text), STR_FMT, STR_ARG(str_from(body, 1)));
	} else {
		copy = arena_str(c->a, body);
		if (body.n && !copy.n) {
			fail(&c->err, FAULT_TEMP, "no memory for an answer");
			for (size_t i = 0; i < h->n_fds; i++)
				close(fds[i]);
		} else if (!ipc_decode(copy, t->answer(), c->answer, fds, h->n_fds, c->a, e)) {
			return fail_in(e, "%s", t->name);
		} else {
			c->ok = true;
		}
	}
	c->is_done = true;
	wait_wake(&c->done);
	return true;
}

/* -- serving --------------------------------------------------------------- */

SUSPENDS static void serve(void *arg)
{
	struct served *s = arg;
	const struct ipc_shape *shape = s->type->answer();
	void *answer = arena_alloc(&s->a, 1, shape->size ? shape->size : 1);
	struct err e = { .fault = FAULT_TEMP }, lost;

	if (!answer)
		fail(&e, FAULT_TEMP, "no memory for an answer");
	if (answer && servers[s->type->number](s->l, s->question, answer, &s->a, &e)) {
		if (!send_message(s->l, s->type, IPC_ANSWER, s->call, shape, answer, NULL, &e) && !s->l->is_dead)
			send_message(s->l, s->type, IPC_FAULT, s->call, NULL, NULL, &e, &lost);
	} else {
		send_message(s->l, s->type, IPC_FAULT, s->call, NULL, NULL, &e, &lost);
	}
	if (answer)
		ipc_close_fds(shape, answer);
	ipc_close_fds(s->type->question(), s->question);
	link_release(s->l);
	arena_end(&s->a);
	free(s);
	in_hand--;
}

size_t ipc_in_hand(void)
{
	return in_hand;
}

static bool got_question(struct link *l, const struct ipc_type *t, const struct ipc_header *h, struct str body,
			 const int *fds, struct err *e)
{
	struct served *s;

	if (!servers[t->number])
		return fail(e, FAULT_PEER, "%s is not served here", t->name);
	s = calloc(1, sizeof(*s));
	if (!s)
		return fail(e, FAULT_TEMP, "out of memory");
	*s = (struct served){ .l = l, .type = t, .call = h->call, .a = { .limit = SERVED_ARENA } };
	s->question = arena_alloc(&s->a, 1, t->question()->size ? t->question()->size : 1);
	body = arena_str(&s->a, body);
	if (!s->question || s->a.full || !ipc_decode(body, t->question(), s->question, fds, h->n_fds, &s->a, e)) {
		arena_end(&s->a);
		free(s);
		return fail_in(e, "%s", t->name);
	}
	l->users++;
	if (!fiber_start(link_nursery, t->name, serve, s)) {
		l->users--;
		ipc_close_fds(t->question(), s->question);
		arena_end(&s->a);
		free(s);
		return fail(e, FAULT_TEMP, "no memory for a fiber");
	}
	in_hand++;
	return true;
}

static bool got_tell(struct link *l, const struct ipc_type *t, const struct ipc_header *h, struct str body,
		     const int *fds, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = SERVED_ARENA };
	void *v = arena_alloc(&a, 1, t->question()->size ? t->question()->size : 1);

	if (!hearers[t->number])
		return fail(e, FAULT_PEER, "%s is not heard here", t->name);
	body = arena_str(&a, body);
	if (!v || a.full || !ipc_decode(body, t->question(), v, fds, h->n_fds, &a, e))
		return fail_in(e, "%s", t->name);
	hearers[t->number](l, v);
	ipc_close_fds(t->question(), v);
	return true;
}

static bool got_message(struct link *l, const struct ipc_type *t, const struct ipc_header *h, struct str body,
			const int *fds, struct err *e)
{
	if (!ipc_may_say(t, (enum ipc_kind)h->kind, l->peer, l->self))
		return fail(e, FAULT_PEER, "%s may not say %s", role_name(l->peer), t->name);
	if (h->kind == IPC_TELL)
		return got_tell(l, t, h, body, fds, e);
	if (h->kind == IPC_QUESTION)
		return got_question(l, t, h, body, fds, e);
	return got_answer(l, t, h, body, fds, e);
}

/* The body lies in the last descriptor: somebody else's memory, so sealed, and copied once. */
static bool got_large(struct link *l, const struct ipc_type *t, struct ipc_header *h, int *fds, size_t *n_fds,
		      struct err *e)
{
	int64_t size;
	char *p;
	bool ok;

	h->kind &= (uint8_t)~IPC_IN_MEMFD;
	if (h->n_fds == 0 || h->n != sizeof(*h))
		return fail(e, FAULT_PEER, "a large message without its body");
	if (!fd_check_sealed(fds[h->n_fds - 1], &size, e))
		return false;
	if (size > IPC_LARGE_MAX || !(p = malloc(size ? (size_t)size : 1)))
		return fail(e, FAULT_PEER, "a message of %lld bytes", (long long)size);
	ok = fd_pread_all(fds[h->n_fds - 1], p, (size_t)size, 0, e);
	if (ok) {
		close(fds[--h->n_fds]);
		--*n_fds;
		ok = got_message(l, t, h, str_of(p, (size_t)size), fds, e);
	}
	free(p);
	return ok;
}

/* On failure the caller closes the descriptors that are left, and the link. */
static bool got_packet(struct link *l, struct str packet, int *fds, size_t *n_fds, struct err *e)
{
	const struct ipc_type *t;
	struct ipc_header h;

	if (packet.n < sizeof(h))
		return fail(e, FAULT_PEER, "a message without a header");
	memcpy(&h, packet.p, sizeof(h));
	t = ipc_type_find(h.number);
	if (!t || h.n != packet.n || h.n_fds != *n_fds || (h.kind & ~IPC_IN_MEMFD) > IPC_FAULT)
		return fail(e, FAULT_PEER, "a malformed header");
	if (h.kind & IPC_IN_MEMFD)
		return got_large(l, t, &h, fds, n_fds, e);
	return got_message(l, t, &h, str_from(packet, sizeof(h)), fds, e);
}

/* A message whose descriptors did not arrive is answered, or fails for its asker: later there may
 * be room again. */
static bool got_robbed(struct link *l, struct str packet, struct err *e)
{
	const struct ipc_type *t;
	struct link_call *c;
	struct ipc_header h;
	struct err scarce, lost;

	if (packet.n < sizeof(h))
		return fail(e, FAULT_PEER, "a message without a header");
	memcpy(&h, packet.p, sizeof(h));
	h.kind &= (uint8_t)~IPC_IN_MEMFD;
	t = ipc_type_find(h.number);
	if (!t || !ipc_may_say(t, (enum ipc_kind)h.kind, l->peer, l->self))
		return fail(e, FAULT_PEER, "a malformed header");
	fail(&scarce, FAULT_TEMP, "%s has no descriptors left", role_name(l->self));
	log_warn("ipc", "peer=%s.%u why=\"no descriptors left for %s\"", role_name(l->peer), l->instance, t->name);
	c = find_call(l, h.call);
	if (h.kind == IPC_QUESTION) {
		send_message(l, t, IPC_FAULT, h.call, NULL, NULL, &scarce, &lost);
	} else if (h.kind == IPC_ANSWER && c && !c->is_done) {
		if (c->is_abandoned) {
			free_call(l, c);
			return true;
		}
		c->err = scarce;
		c->is_done = true;
		wait_wake(&c->done);
	}
	return true;
}

static bool got_one(struct link *l, size_t i, struct err *e)
{
	struct str packet = packet_bytes(&batch, i);
	int fds[PACKET_FDS];
	size_t n_fds;
	bool is_robbed, ok;

	if (!packet_fds(&batch, i, fds, &n_fds, &is_robbed))
		return fail(e, FAULT_PEER, "a packet too large");
	ok = is_robbed ? got_robbed(l, packet, e) : got_packet(l, packet, fds, &n_fds, e);
	while (!ok && n_fds)
		close(fds[--n_fds]);
	return ok;
}

/* After the first bad packet the rest of its batch is thrown away, descriptors too. */
static bool got_batch(struct link *l, size_t n, struct err *e)
{
	bool ok = true, is_end = false;

	for (size_t i = 0; i < n; i++) {
		is_end |= packet_bytes(&batch, i).n == 0;        /* nobody sends empty packets: the end */
		if (ok && !is_end && !l->is_dead)
			ok = got_one(l, i, e);
		else
			packet_drop(&batch, i);
	}
	l->has_ended = ok && is_end;
	if (!ok)
		log_error("ipc", "peer=%s.%u why=%s next=\"the channel is closed\"", role_name(l->peer), l->instance,
			  LOGQ(str_from_z(e->text)));
	return ok && !is_end;
}

SUSPENDS static void reader(void *arg);

/* Until something comes, or all end. */
static bool await_packets(struct link *l, struct err *e)
{
	char name[FIBER_NAME_MAX];

	snprintf(name, sizeof(name), "from %s.%u", role_name(l->peer), l->instance);
	return fiber_start_at(l->nursery, name, reader, l, l->fd, POLLIN, e);
}

SUSPENDS static void reader(void *arg)
{
	struct link *l = arg;
	struct err e = { 0 };

	while (!l->is_dead && fiber_check(&e)) {
		int n = packet_receive(l->fd, &batch);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			break;
		if (n > 0 && !got_batch(l, (size_t)n, &e))
			break;
		if (n == PACKET_BATCH)
			breathe();
		else if (!l->is_dead && await_packets(l, &e))
			return;
		else if (!l->is_dead && !fiber_sleep(SCARCE_PAUSE, &e))  /* no memory is no reason to hang up */
			break;
	}
	link_die(l);
	link_release(l);
}

static unsigned window_of(enum role self, enum role peer)
{
	bool is_scan = self == ROLE_SCAN || peer == ROLE_SCAN;
	bool is_policy = (self == ROLE_QUEUE && peer == ROLE_RELAY) || (self == ROLE_RELAY && peer == ROLE_QUEUE);

	return self == ROLE_DNS || peer == ROLE_DNS || is_policy || is_scan ? LINK_WINDOW_STRANGERS : LINK_WINDOW;
}

struct link *link_open(int fd, enum role self, enum role peer, uint32_t instance, struct str account,
		       struct nursery *n, struct err *e)
{
	struct link *l = calloc(1, sizeof(*l));

	link_nursery = n;
	loop_scratch(&batch, sizeof(batch));
	loop_scratch(out_buf, sizeof(out_buf));
	if (!l) {
		close(fd);
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	l->window = window_of(self, peer);
	l->calls = calloc(l->window, sizeof(*l->calls));
	l->account = strndup(account.n ? account.p : "", account.n);
	if (!l->calls || !l->account) {
		link_free(l);
		close(fd);
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 20 }, sizeof(int));
	l->fd = fd;
	l->self = self;
	l->peer = peer;
	l->instance = instance;
	l->users = 1;
	l->nursery = n;
	if (!await_packets(l, e)) {
		fd_wait_forget(fd);
		link_free(l);
		close(fd);
		return NULL;
	}
	l->next = links;
	if (links)
		links->prev = l;
	links = l;
	return l;
}

struct link *link_to(enum role peer)
{
	struct link *best = NULL;

	for (struct link *l = links; l; l = l->next)
		if (l->peer == peer && (!best || l->n_calls < best->n_calls))
			best = l;
	return best;
}

struct link *link_to_instance(enum role peer, uint32_t instance)
{
	struct link *l = links;

	while (l && (l->peer != peer || l->instance != instance))
		l = l->next;
	return l;
}

struct link *link_next(struct link *l)
{
	return l ? l->next : links;
}
