/* scanner.c — letters are shown to the outside scanner (`scanner spamd ADDRESS`), and its answers are read.
 *
 * Only the instance RELAY_SCANNER serves this, and the one place it connects to is the address in the configuration.  A
 * few letters are shown at once, others wait in line; spamd closes after each.  Every failure is an answer of ours, with
 * its reason: the letter goes on.
 *
 * A scanner that cannot be reached is *away*: nobody asks for some seconds, then one letter tries, and the pause doubles
 * while that fails.  A letter over which it takes too long, or says nonsense, is that letter's affair (else whoever finds
 * one could switch the scanner off for all); several of them in a row are not. */
#include "role/relay/relay.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "fiber/conn.h"
#include "ipc/say.h"
#include "role/runtime.h"
#include "wire/spamc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CONNECT_WITHIN (5 * SECOND)
#define AGAIN_AFTER (50 * MILLISECOND)   /* a unix socket whose line is full says so at once */
#define PAUSE_LEAST (5 * SECOND)
#define PAUSE_MOST (40 * SECOND)

enum {
	WAITING_MAX = 200,       /* letters in line; more go on at once */
	FAILURES_MAX = 3,        /* in a row, until it is away */
	ANSWER_MORE = 64 * 1024, /* octets of an answer besides the letter's header */
	ADDRESS_TEXT = 128,
};

static struct {
	char address[ADDRESS_TEXT];
	unsigned busy, waiting;
	struct wait room;
	unsigned failures;
	int64_t pause, away_until;       /* pause 0: it is not away; monotonic */
	int64_t away_since;
	bool is_trying;                  /* one letter, while it is away */

	/* for `waxwing status` */
	int64_t day;                     /* which the counters are of, UTC */
	uint64_t letters, spam, missed;
	char last[96], error[160];
	int64_t last_at, error_at;
} s;

/* One letter. */
struct shown {
	const struct relay_scan *q;
	struct relay_scan_answer *r;
	struct arena *a;
	const struct conf_scanner *conf;
	struct letter_src src;
	struct view view;
	uint64_t size;
	bool is_try;             /* the one letter that is shown to a scanner that is away */
	bool is_begun;           /* a connection is its own */
	bool is_unreachable;
};

/* -- is it there? ------------------------------------------------------------------------ */

static void count_day(void)
{
	int64_t today = time_now() / DAY;

	if (s.day != today)
		s.letters = s.spam = s.missed = 0;
	s.day = today;
}

static bool is_away(void)
{
	return s.pause && (s.is_trying || time_mono() < s.away_until);
}

static bool is_shut(const struct shown *w)
{
	return !w->is_try && is_away();
}

static void set_away(const char *why)
{
	if (!s.pause) {
		s.away_since = time_now();
		log_warn("scanner", "address=%s state=away why=%s next=\"letters go on without it; it is tried again\"",
			 s.address, LOGQ(str_from_z(why)));
	}
	s.pause = !s.pause ? PAUSE_LEAST : s.pause * 2 > PAUSE_MOST ? PAUSE_MOST : s.pause * 2;
	s.away_until = time_mono() + s.pause;
	wait_wake_all(&s.room);
}

static void set_back(void)
{
	if (s.pause)
		log_info("scanner", "address=%s state=back", s.address);
	s.pause = 0;
	s.failures = 0;
}

static void note_failure(const struct shown *w, const char *why)
{
	count_day();
	s.missed++;
	if (!w->is_begun)
		return;
	snprintf(s.error, sizeof(s.error), "%s", why);
	s.error_at = time_now();
	s.failures++;
	if (s.pause ? w->is_try : w->is_unreachable || s.failures >= FAILURES_MAX)
		set_away(why);
}

static void note_answer(const struct relay_scan_answer *r)
{
	struct buf b = buf_over(s.last, sizeof(s.last) - 1);

	count_day();
	s.letters++;
	s.spam += r->is_spam;
	conf_score_print(r->score, &b);
	buf_add(&b, S(" of "));
	conf_score_print(r->required, &b);
	buf_addf(&b, ", %s, after %u ms", r->is_spam ? "spam" : "not spam", r->ms);
	s.last[b.n] = '\0';
	s.last_at = time_now();
	set_back();
}

/* -- a connection ------------------------------------------------------------------------- */

union any_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
};

static socklen_t fill_address(const struct conf_scanner *c, union any_address *to)
{
	*to = (union any_address){ 0 };
	if (c->path.n) {
		to->un.sun_family = AF_UNIX;
		memcpy(to->un.sun_path, c->path.p, c->path.n < sizeof(to->un.sun_path) ? c->path.n : sizeof(to->un.sun_path) - 1);
		return sizeof(to->un);
	}
	if (c->is_v4) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_port = htons(c->port);
		memcpy(&to->v4.sin_addr, c->addr + 12, 4);
		return sizeof(to->v4);
	}
	to->v6.sin6_family = AF_INET6;
	to->v6.sin6_port = htons(c->port);
	memcpy(&to->v6.sin6_addr, c->addr, 16);
	return sizeof(to->v6);
}

SUSPENDS static bool connect_fd(int fd, const union any_address *to, socklen_t n, struct err *e)
{
	socklen_t size = sizeof(int);
	int sys = 0, one = 1;

	if (to->sa.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (connect(fd, &to->sa, n)) {
		if (errno == EINPROGRESS)
			break;
		if (errno != EAGAIN)
			return fail_sys(e, FAULT_PEER, errno, "connect");
		if (!fiber_sleep(AGAIN_AFTER, e))
			return false;
	}
	if (!fd_wait(fd, POLLOUT, "connect", e))
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &size) || sys)
		return fail_sys(e, FAULT_PEER, sys, "connect");
	return true;
}

/* The one call of connect() in this instance. */
SUSPENDS static bool open_connection(struct shown *w, struct conn *c, struct err *e)
{
	union any_address to;
	socklen_t n = fill_address(w->conf, &to);
	bool ok = false;
	int fd = socket(to.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "socket");
	conn_init(c, fd);
	WITHIN(CONNECT_WITHIN)
		ok = connect_fd(fd, &to, n, e);
	w->is_unreachable = !ok && e->fault != FAULT_CANCEL;
	return ok || (e->timed_out ? fail(e, FAULT_PEER, "connect: no answer") : false);
}

SUSPENDS static bool send_letter(struct shown *w, struct conn *c, char *block, struct err *e)
{
	struct buf head = buf_over((char[256]){ 0 }, 256);
	struct letter_reader r;
	struct str piece;

	spamc_question_add(&head, w->size, w->conf->user);
	if (!conn_put(c, buf_str(&head), e) || !letter_reader_init(&r, &w->src, &w->view, block, e))
		return false;
	do {
		if (!letter_reader_next(&r, &piece, e) || !conn_put(c, piece, e))
			return false;
	} while (piece.n);
	return conn_flush(c, e);
}

SUSPENDS static bool send_question(struct shown *w, struct conn *c, struct err *e)
{
	char *block = malloc(LETTER_BLOCK);
	bool ok = block ? send_letter(w, c, block, e) : fail(e, FAULT_TEMP, "no memory for the letter");

	free(block);
	return ok;
}

/* *all holds what it points into. */
SUSPENDS static bool read_answer(struct conn *c, struct buf *all, struct spamc_answer *ret, struct err *e)
{
	enum spamc_state state = SPAMC_MORE;
	const char *why = "";

	while (state == SPAMC_MORE) {
		if (!conn_fill(c, e) && !c->eof)
			return false;
		buf_add(all, conn_pending(c));
		conn_eat(c, conn_pending(c).n);
		if (all->full)
			return fail(e, FAULT_PEER, "the answer is too long");
		state = spamc_answer_parse(buf_str(all), c->eof, ret, &why);
	}
	return state == SPAMC_DONE || fail(e, FAULT_PEER, "%s", why);
}

static bool take_fields(struct shown *w, struct str header, struct err *e)
{
	struct spamc_field *p;
	size_t n;

	if (!spamc_fields_read(header, w->a, &p, &n))
		return fail(e, FAULT_TEMP, "no memory for an answer");
	w->r->fields.p = ARENA_ARRAY(w->a, struct ipc_spam_field, n + 1);
	for (size_t i = 0; w->r->fields.p && i < n; i++)
		w->r->fields.p[w->r->fields.n++] =
			(struct ipc_spam_field){ arena_str(w->a, p[i].name), arena_str(w->a, p[i].value) };
	return !w->a->full || fail(e, FAULT_TEMP, "no memory for an answer");
}

SUSPENDS static bool converse(struct shown *w, struct conn *c, struct err *e)
{
	AUTO(buf_end) struct buf all = buf_on_heap((size_t)w->size + ANSWER_MORE);
	struct spamc_answer said;
	struct err sent = { 0 };

	/* it may say why it takes no more of a letter */
	if (!send_question(w, c, &sent) && sent.fault != FAULT_PEER) {
		*e = sent;
		return false;
	}
	if (!read_answer(c, &all, &said, e))
		return sent.fault && all.n == 0 ? (*e = sent, false) : false;
	if (said.code)
		return fail(e, FAULT_PEER, "it says %u " STR_FMT, said.code, STR_ARG(str_head(said.reason, 80)));
	w->r->is_spam = said.is_spam;
	w->r->score = said.score;
	w->r->required = said.required;
	return take_fields(w, said.header, e);
}

/* -- one letter ---------------------------------------------------------------------------- */

SUSPENDS static bool wait_for_room(const struct shown *w, struct err *e)
{
	bool ok = true;

	if (s.busy >= w->conf->at_once && s.waiting >= WAITING_MAX)
		return fail(e, FAULT_TEMP, "too many letters wait for it");
	while (ok && s.busy >= w->conf->at_once && !is_shut(w)) {
		s.waiting++;
		ok = wait_on(&s.room, "the scanner", e);
		s.waiting--;
	}
	return ok;
}

SUSPENDS static bool show(struct shown *w, struct err *e)
{
	AUTO(conn_end) struct conn c = { .fd = -1 };

	if (!wait_for_room(w, e))
		return e->timed_out ? fail(e, FAULT_TEMP, "too many letters were in front of this one") : false;
	if (is_shut(w))
		return fail(e, FAULT_TEMP, "it is away: %s", s.error);
	w->is_begun = true;
	s.busy++;
	return open_connection(w, &c, e) && converse(w, &c, e);
}

/* The connection is closed by now: the next letter may have one. */
static void leave(struct shown *w)
{
	if (w->is_begun) {
		s.busy--;
		wait_wake(&s.room);
	}
}

static bool take_letter(struct shown *w, struct err *e)
{
	const struct relay_scan *q = w->q;
	struct cut *cuts = ARENA_ARRAY(w->a, struct cut, q->cuts.n + 1);
	struct stat st;

	if (!cuts)
		return fail(e, FAULT_TEMP, "no memory for the letter");
	for (size_t i = 0; i < q->cuts.n; i++)
		cuts[i] = (struct cut){ q->cuts.p[i].at, q->cuts.p[i].n };
	w->view = (struct view){ q->prefix, cuts, q->cuts.n };
	if (q->letter <= 0)
		w->src = letter_in_memory(q->bytes);
	else if (fstat(q->letter, &st) || st.st_size < 0 || q->size > (uint64_t)st.st_size)
		return fail(e, FAULT_PERM, "the letter is shorter than it is said to be");
	else
		w->src = letter_in_file(q->letter, 0, q->size);
	if (!view_is_valid(&w->view, w->src.size))
		return fail(e, FAULT_PERM, "the cuts do not fit the letter");
	w->size = view_size(&w->view, w->src.size);
	/* the queue shows no larger ones */
	return w->size <= w->conf->max_size + LETTER_BLOCK || fail(e, FAULT_PERM, "the letter is too large");
}

SUSPENDS static bool ask(struct shown *w, struct err *e)
{
	bool ok = false;

	w->is_try = s.pause && !is_away();
	s.is_trying |= w->is_try;
	WITHIN(w->conf->within)
		ok = show(w, e);
	leave(w);
	if (w->is_try)
		s.is_trying = false;
	if (!ok && e->timed_out)
		fail(e, FAULT_TEMP, "no answer within %lld s", (long long)(w->conf->within / SECOND));
	return ok;
}

SUSPENDS static bool serve_scan(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(conf_release) struct conf_held *held = conf_hold();
	struct shown w = { .q = question, .r = answer, .a = a, .conf = &held->c.scanner };
	int64_t began = time_mono();

	(void)l;
	a->limit = 1 << 20;
	if (!w.conf->is_set)
		return fail(e, FAULT_PERM, "there is no scanner");
	if (!take_letter(&w, e))
		return false;
	fiber_rename("%s", id_print(w.q->id).z);
	if (ask(&w, e)) {
		w.r->ms = (uint32_t)((time_mono() - began) / MILLISECOND);
		w.r->outcome = RELAY_SCANNED;
		note_answer(w.r);
		return true;
	}
	if (e->fault == FAULT_CANCEL)
		return false;
	*w.r = (struct relay_scan_answer){ .outcome = RELAY_SCAN_FAILED, .why = arena_printf(a, "%s", e->text) };
	note_failure(&w, e->text);
	return true;
}

static bool serve_status(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct relay_scanner_answer *r = answer;

	(void)l, (void)question, (void)a, (void)e;
	count_day();
	*r = (struct relay_scanner_answer){
		.address = str_from_z(s.address), .letters = s.letters, .spam = s.spam, .missed = s.missed, .busy = s.busy,
		.waiting = s.waiting, .away_since = s.pause ? s.away_since : 0, .last = str_from_z(s.last),
		.last_at = s.last_at, .error = str_from_z(s.error), .error_at = s.error_at,
	};
	return true;
}

/* Another address is another scanner. */
void scanner_configured(void)
{
	char was[ADDRESS_TEXT];
	struct buf b = buf_over(s.address, sizeof(s.address) - 1);

	memcpy(was, s.address, sizeof(was));
	if (conf_now()->scanner.is_set)
		conf_scanner_print_address(&conf_now()->scanner, &b);
	s.address[b.n] = '\0';
	if (strcmp(was, s.address) != 0) {
		s.pause = 0;
		s.failures = 0;
		s.error[0] = '\0';
		s.error_at = 0;
	}
	wait_wake_all(&s.room);
}

void scanner_serve(void)
{
	scanner_configured();
	ipc_serve(IPC_relay_scan, serve_scan);
	ipc_serve(IPC_relay_scanner, serve_status);
}
