/* carry.c — what was promised is carried out.
 *
 * One fiber claims what is due and puts each claim into the line of its account;
 * a line with something in it has a fiber that asks the account's mailbox, one
 * letter after the other.  A mailbox that is away is asked for again once; then
 * its claims wait their turn on the schedule, and harm nobody else.
 *
 * A mailbox that ends with letters in its hands may have died of any of them.  Such
 * letters, whosever they are, go through one line of their own, one at a time, each
 * alone in its mailbox: who is innocent passes, and the third death holds the other. */
#include "role/queue/reports.h"
#include "role/queue/sign.h"

#include "base/fd.h"
#include "base/hooks.h"
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "user/report_account.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	CLAIMS_AT_ONCE = 128,
	INLINE_MAX = 32 * 1024,          /* bytes sent in the message itself */
	SYNC_AT_ONCE = 200,
	AWAY_TRIES = 8,
	LINE_WIDTH = 8,                  /* letters in one mailbox's hands */
};
#define PAUSE_LEAST (20 * MILLISECOND)   /* doubled each time: 5 s in all */
#define ROOM_HOLDS MINUTE
#define ROOM_WITHIN (10 * SECOND)
#define LEASE (10 * MINUTE)
#define DELIVER_WITHIN MINUTE
#define LINE_PACE (40 * MILLISECOND)     /* a busy mailbox is woken so often, for what came meanwhile */

struct line;

struct waiting_claim {
	struct waiting_claim *next;
	struct line *line;       /* its account's */
	struct queue_claim claim;
	int64_t until;           /* its lease; afterwards the letter may be gone */
};

struct line {
	char *account;
	struct link *link;
	bool is_running;
	int64_t began;           /* monotonic: when its mailbox last got something */
	unsigned in_hand;
	struct wait landed;      /* none is in hand */
	struct waiting_claim *first, *last;
	struct wait opened;
	bool is_opening;
	bool is_full;            /* over its quota, as its mailbox said last */
	int64_t full_until;      /* monotonic: how long that holds, */
	uint32_t full_in;        /* in this generation of the configuration */
};

static struct map lines;                 /* by account */
static struct line suspects;             /* of all accounts */
static struct wait kick, settled;
static unsigned under_way;

void carry_kick(void)
{
	wait_wake(&kick);
	remote_kick();
}

bool carry_settle(struct err *e)
{
	while (under_way)
		if (!wait_on(&settled, "deliveries to end", e))
			return false;
	return true;
}

void carry_unlinked(struct link *l)
{
	struct line *line = l->peer == ROLE_MAILBOX ? map_get(&lines, str_from_z(l->account)) : NULL;

	if (line && line->link == l)
		line->link = NULL;
}

static struct line *line_of(struct str account)
{
	struct line *l = map_get(&lines, account);

	if (!l) {
		l = calloc(1, sizeof(*l));
		must(l && (l->account = strndup(account.p, account.n)), "out of memory for an account's line");
		map_put(&lines, account, l);
	}
	return l;
}

/* One that the parent has made for a session knows us already. */
static struct link *mailbox_that_runs(struct str account)
{
	for (struct link *l = link_next(NULL); l; l = link_next(l))
		if (l->peer == ROLE_MAILBOX && str_eq(str_from_z(l->account), account))
			return l;
	return NULL;
}

/* The account's mailbox: granted by the parent, kept while it lives. */
SUSPENDS static struct link *mailbox_of(struct line *line, struct arena *a, struct err *e)
{
	struct parent_mailbox_answer granted;
	struct user_account_answer told;

	while (line->is_opening)
		if (!wait_on(&line->opened, "a mailbox to open", e))
			return NULL;
	if (!line->link)
		line->link = mailbox_that_runs(str_from_z(line->account));
	if (line->link)
		return line->link;
	line->is_opening = true;
	if (user_account(link_to(ROLE_USER), &(struct user_account){ .account = str_from_z(line->account) }, &told, a, e) &&
	    parent_mailbox(self.parent, &(struct parent_mailbox){ .account = str_from_z(line->account) }, &granted, a, e))
		line->link = link_open(fd_take(&granted.channel), ROLE_QUEUE, ROLE_MAILBOX, 0,
				       str_from_z(line->account), &self.fibers, e);
	line->is_opening = false;
	wait_wake_all(&line->opened);
	return line->link;
}

static bool is_for_reports(struct str account)
{
	return str_eq(account, S(REPORTS_ACCOUNT));
}

/* -- room -------------------------------------------------------------- */

static void note_room(struct line *line, bool is_full)
{
	line->is_full = is_full;
	line->full_until = time_mono() + ROOM_HOLDS;
	line->full_in = self.conf->generation;
}

SUSPENDS bool carry_is_full(struct str account)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct line *line = line_of(account);
	struct mailbox_usage_answer u;
	struct err e;
	bool ok = false;

	if (is_for_reports(account))
		return false;
	if (time_mono() < line->full_until && line->full_in == self.conf->generation)
		return line->is_full;
	WITHIN(ROOM_WITHIN) {
		struct link *l = mailbox_of(line, &a, &e);

		ok = l && mailbox_usage(l, &(struct mailbox_usage){ 0 }, &u, &a, &e);
	}
	/* a mailbox that cannot be asked holds nobody's mail up: it waits in the spool */
	note_room(line, ok && ((u.octets_max && u.octets >= u.octets_max) || (u.letters_max && u.letters >= u.letters_max)));
	return line->is_full;
}

/* -- one claim ------------------------------------------------------------- */

static bool make_step(const struct queue_claim *c, struct ipc_step *ret, struct arena *a, struct err *e)
{
	const struct letter_step *s = c->step;

	*ret = (struct ipc_step){ .number = (uint16_t)c->ref.step, .folder = s->folder, .flags = s->flags,
				  .base = s->base, .prefix = s->prefix };
	ret->cuts.p = ARENA_ARRAY(a, struct ipc_cut, s->n_cuts ? s->n_cuts : 1);
	if (!ret->cuts.p)
		return fail(e, FAULT_TEMP, "out of memory");
	for (; ret->cuts.n < s->n_cuts; ret->cuts.n++)
		ret->cuts.p[ret->cuts.n] = (struct ipc_cut){ s->cuts[ret->cuts.n].offset, s->cuts[ret->cuts.n].length };
	return true;
}

SUSPENDS static bool ask_mailbox(struct line *line, const struct queue_claim *c, struct mailbox_deliver *q,
				 struct mailbox_deliver_answer *ret, struct arena *a, struct err *e)
{
	for (int tries = 0;; tries++) {
		struct link *l = mailbox_of(line, a, e);

		if (!l) {
			if (link_is_away(e))
				e->sys = ENOLINK;        /* whoever ended, it was not of this letter */
			return false;
		}
		if (mailbox_deliver(l, q, ret, a, e))
			return true;
		/* it ended just now, idle or killed: the next one looks whether the letter is there */
		if (e->sys != ENOLINK || tries || self.is_stopping)
			return false;
		if (q->redo == STEP_FRESH)
			q->redo = STEP_REDO;
		log_debug("again", "msg=%s account=%s", ID_Z(c->ref.id), line->account);
	}
}

SUSPENDS static bool deliver(struct line *line, const struct queue_claim *c, struct arena *a, struct err *e)
{
	struct mailbox_deliver q = { .id = c->ref.id, .redo = (uint8_t)c->mode };
	struct mailbox_deliver_answer done;
	struct letter_body body = { .fd = -1 };
	AUTO(fd_end) int copy = -1;
	struct ipc_step step;
	bool ok = false;

	if (!make_step(c, &step, a, e) || !queue_body(queue, c->ref.id, &body, e))
		return false;
	q.steps.p = &step;
	q.steps.n = 1;
	q.size = body.size;
	if (body.fd >= 0) {
		q.letter = body.fd;
	} else if (body.bytes.n <= INLINE_MAX && step.prefix.n <= INLINE_MAX / 2) {
		q.bytes = body.bytes;
	} else {
		if (!fd_sealed("letter", body.bytes, &copy, e)) {
			letter_body_end(&body);
			return false;
		}
		q.letter = copy;
	}
	WITHIN(DELIVER_WITHIN)
		ok = ask_mailbox(line, c, &q, &done, a, e);
	letter_body_end(&body);
	if (!ok)
		return false;
	note_room(line, done.is_full);
	if (done.done.n != 1)
		return fail(e, FAULT_TEMP, "the mailbox gave no answer for the step");
	if (done.done.p[0].fault)
		return fail(e, (enum fault)done.done.p[0].fault, STR_FMT, STR_ARG(done.done.p[0].text));
	return true;
}

static void note_result(const struct queue_claim *c, bool ok, const struct err *e)
{
	struct str to = c->step->rcpt < c->letter->n_rcpts ? c->letter->rcpts[c->step->rcpt].address : S("");
	int64_t ms = (time_now() - c->letter->accepted) / MILLISECOND;

	if (ok)
		why_keep(&(struct why_delivery_done){
			.head = why_ours(WHY_delivery_done, c->ref.id), .rcpt = to, .account = c->step->target,
			.folder = c->step->folder.n ? c->step->folder : S("INBOX"), .ms = ms }.head);
	else
		why_keep(&(struct why_delivery_deferred){
			.head = why_ours(WHY_delivery_deferred, c->ref.id), .rcpt = to, .account = c->step->target,
			.tries = c->tries + 1, .why = str_from_z(e->text) }.head);
}

/* The mailbox ended with the letter in its hands. */
SUSPENDS static void note_death(const struct queue_claim *c)
{
	struct why_letter_held held = { .head = why_ours(WHY_letter_held, c->ref.id), .account = c->step->target };
	unsigned deaths = 0;
	struct err e = { 0 };

	fail(&e, FAULT_TEMP, "its mailbox died while it delivered this");
	note_result(c, false, &e);
	if (!queue_died(queue, c->ref, time_now(), &deaths, &e)) {
		log_error("died", "msg=%s why=%s", ID_Z(c->ref.id), LOGQ(str_from_z(e.text)));
	} else if (deaths >= QUEUE_DEATHS_MAX) {
		held.deaths = deaths;
		held.head.nearest = S("waxwing queue release ID tries it again");
		why_keep(&held.head);
	}
	carry_kick();
}

SUSPENDS static bool sync_some(struct line *line, const struct queue_claim *claims, signed char *ok, size_t n);

/* Who is told that it arrived is told so after it is safe; false: it is not yet. */
SUSPENDS static bool carry_success(struct line *line, const struct queue_claim *c)
{
	struct queue_claim done = *c;
	signed char is_safe = 0;

	if (!sync_some(line, c, &is_safe, 1) || is_safe <= 0)
		return false;
	done.text = S("250 2.0.0 delivered");
	done.host = S("");
	report_steps(BOUNCE_DELIVERED, &done, 1);
	return true;
}

/* False: somebody it needs was away; nothing is reported yet. */
SUSPENDS static bool carry_out(struct line *line, const struct queue_claim *c, bool is_last)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct queue_report r = { .ref = c->ref, .outcome = OUTCOME_DONE };
	struct err e = { 0 }, failed = { 0 };
	bool ok = false;

	if (c->step->target.n == 0) {
		fail(&e, FAULT_PERM, "550 5.1.1 " STR_FMT, STR_ARG(c->step->folder));
	} else if (is_for_reports(c->step->target)) {
		ok = reports_take(c, &a, &e);
	} else {
		ok = deliver(line, c, &a, &e);
	}
	if (!ok && e.sys == EOWNERDEAD && !self.is_stopping) {
		note_death(c);
		return true;
	}
	if (!ok && link_is_away(&e) && !is_last)
		return false;
	note_result(c, ok, &e);
	if (!ok) {
		r.outcome = e.fault == FAULT_PERM ? OUTCOME_NEVER : OUTCOME_LATER;
		r.text = e.text;
	} else {
		totals.delivered++;
	}
	if (ok && report_wants_success(c) && carry_success(line, c))
		return true;
	if (!queue_report(queue, &r, 1, time_now(), &failed))
		log_error("report", "msg=%s why=%s", ID_Z(c->ref.id), LOGQ(str_from_z(failed.text)));
	return true;
}

/* A process that died is back within moments: the schedule, in minutes, is for longer troubles. */
SUSPENDS static void carry_with_patience(struct line *line, const struct queue_claim *c)
{
	int64_t pause = PAUSE_LEAST;
	struct err e;

	for (int tries = 0; tries < AWAY_TRIES; tries++, pause *= 2)
		if (carry_out(line, c, self.is_stopping) || !fiber_sleep(pause, &e))
			return;
	carry_out(line, c, true);
}

/* The claim is in this process's hands until it returns. */
SUSPENDS static void carry_claim(struct line *line, const struct queue_claim *c)
{
	unsigned place;

	if (!queue_take_up(queue, c, time_now(), &place))
		return;
	carry_with_patience(line, c);
	queue_put_down(queue, place);
}

/* Steps of one letter that stand together are signed together; gives how many. */
static size_t give_unsigned(const struct queue_claim *claims, size_t n)
{
	size_t same = 0;

	while (same < n && same < QUEUE_TOGETHER && claims[same].ref.id == claims->ref.id && claims[same].task == TASK_DELIVER)
		same++;
	unsigned_take(claims, same);
	return same;
}

/* What is to be said of one letter's steps is said together. */
SUSPENDS static void carry_reports(struct queue_claim *claims, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t same = 0;
		unsigned place;

		if (claims[i].task == TASK_DELIVER)
			continue;
		for (size_t k = i; k < n && same < QUEUE_TOGETHER; k++) {
			struct queue_claim c = claims[k];

			if (c.ref.id != claims[i].ref.id || c.task != claims[i].task)
				continue;
			claims[k] = claims[i + same];
			claims[i + same++] = c;
		}
		if (queue_take_up(queue, &claims[i], time_now(), &place)) {
			report_steps(claims[i].task == TASK_BOUNCE ? BOUNCE_FAILED : BOUNCE_DELAYED, claims + i, same);
			queue_put_down(queue, place);
		}
		i += same - 1;
	}
}

SUSPENDS static void carry_waiting(struct waiting_claim *w)
{
	if (time_now() < w->until - 2 * DELIVER_WITHIN)
		carry_claim(w->line, &w->claim);
	free(w);
	if (--under_way == 0)
		wait_wake_all(&settled);
}

SUSPENDS static void carry_one(void *arg)
{
	struct waiting_claim *w = arg;
	struct line *line = w->line;

	carry_waiting(w);
	if (--line->in_hand == 0)
		wait_wake_all(&line->landed);
}

static struct waiting_claim *take_first(struct line *line)
{
	struct waiting_claim *w = line->first;

	line->first = w->next;
	if (!line->first)
		line->last = NULL;
	return w;
}

/* What came within the pace goes together; the first letter after a pause goes at once. */
SUSPENDS static void keep_pace(struct line *line)
{
	int64_t left = line->began + LINE_PACE - time_mono();
	struct err e;

	if (left > 0 && !self.is_stopping)
		fiber_sleep(left, &e);
	line->began = time_mono();
}

/* Wait until its mailbox has nothing in hand, suspects and others. */
SUSPENDS static bool wait_landed(struct line *line)
{
	struct err e;

	while (line->in_hand)
		if (!wait_on(&line->landed, "letters in a mailbox's hands", &e))
			return false;
	return true;
}

SUSPENDS static void run_line(void *arg)
{
	struct line *line = arg;

	while (line->first) {
		keep_pace(line);
		if (!wait_landed(line))
			return;          /* the process ends */
		while (line->first && line->in_hand < LINE_WIDTH) {
			struct waiting_claim *w = take_first(line);

			line->in_hand++;
			if (!fiber_start(&self.fibers, line->account, carry_one, w))
				carry_one(w);
		}
		if (!wait_landed(line))
			return;
	}
	line->is_running = false;
}

/* One after the other, and each alone in its mailbox: if that dies, this one did it. */
SUSPENDS static void run_suspects(void *arg)
{
	(void)arg;
	while (suspects.first) {
		struct waiting_claim *w = suspects.first;
		struct line *line = w->line;

		if (!wait_landed(line))
			return;
		(void)take_first(&suspects);
		line->in_hand += LINE_WIDTH;
		carry_waiting(w);
		line->in_hand -= LINE_WIDTH;
		if (line->in_hand == 0)
			wait_wake_all(&line->landed);
	}
	suspects.is_running = false;
}

/* -- dispatch -------------------------------------------------------------- */

static void put_in_line(const struct queue_claim *c, int64_t until)
{
	struct line *own = line_of(c->step->target.n ? c->step->target : S("-"));
	struct line *line = c->is_suspect ? &suspects : own;
	struct waiting_claim *w = malloc(sizeof(*w));

	must(w, "out of memory for a claim");
	*w = (struct waiting_claim){ .line = own, .claim = *c, .until = until };
	if (line->last)
		line->last->next = w;
	else
		line->first = w;
	line->last = w;
	under_way++;
	if (line->is_running)
		return;
	line->is_running = c->is_suspect ? fiber_start(&self.fibers, "suspects", run_suspects, NULL)
					 : fiber_start(&self.fibers, line->account, run_line, line);
	must(line->is_running, "no memory for a fiber");
}

SUSPENDS void carry_run(void *unused)
{
	static struct queue_claim claims[CLAIMS_AT_ONCE];
	struct err e = { 0 };

	(void)unused;
	for (;;) {
		int64_t now = time_now(), due;
		size_t n = queue_claim(queue, claims, CLAIMS_AT_ONCE, now, now + LEASE);

		for (size_t i = 0; i < n; i++)
			if (claims[i].task == TASK_DELIVER && claims[i].letter->flags & LETTER_UNSIGNED)
				i += give_unsigned(&claims[i], n - i) - 1;
			else if (claims[i].task == TASK_DELIVER)
				put_in_line(&claims[i], now + LEASE);
		carry_reports(claims, n);
		if (n == CLAIMS_AT_ONCE)
			continue;
		due = queue_next_due(queue);
		now = time_now();
		e = (struct err){ 0 };
		WITHIN(due == INT64_MAX || due - now > MINUTE ? MINUTE : due > now ? due - now : MILLISECOND)
			if (!wait_on(&kick, "something to carry out", &e) && !e.timed_out)
				return;
	}
}

/* -- making it safe -------------------------------------------------------- */

struct syncfs_job {
	int sys;
};

static void do_syncfs(void *arg)
{
	struct syncfs_job *j = arg;
	static int fd = -1;

	if (fd < 0)
		fd = open("journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	j->sys = fd < 0 || FAULT_POINT(queue_syncfs) || syncfs(fd) ? errno : 0;
}

bool carry_sync_all(void *arg, struct err *e)
{
	struct syncfs_job j = { 0 };

	(void)arg;
	off_loop(do_syncfs, &j);
	return j.sys ? fail_sys(e, FAULT_TEMP, j.sys, "syncfs") : true;
}

SUSPENDS static bool sync_some(struct line *line, const struct queue_claim *claims, signed char *ok, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct ipc_step *steps = ARENA_ARRAY(&a, struct ipc_step, n);
	struct mailbox_sync_answer done;
	struct link *l;
	struct err e = { 0 };

	if (is_for_reports(str_from_z(line->account))) {         /* `user` has it on the disk */
		memset(ok, 1, n);
		return true;
	}
	if (!steps)
		return false;
	for (size_t i = 0; i < n; i++)
		steps[i] = (struct ipc_step){ .number = (uint16_t)i, .folder = claims[i].step->folder,
					      .base = claims[i].step->base };
	WITHIN(2 * MINUTE) {
		l = mailbox_of(line, &a, &e);
		if (!l || !mailbox_sync(l, &(struct mailbox_sync){ .steps = { steps, n } }, &done, &a, &e) ||
		    done.done.n != n) {
			log_warn("sync", "account=%s why=%s", line->account, LOGQ(str_from_z(e.text)));
			return false;
		}
	}
	for (size_t i = 0; i < n; i++)
		ok[i] = done.done.p[i].is_lost ? -1 : done.done.p[i].fault == FAULT_NONE;
	return true;
}

void carry_sync_account(void *arg, struct str account, const struct queue_claim *claims, signed char *ok, size_t n)
{
	struct line *line = line_of(account);

	(void)arg;
	memset(ok, 0, n);
	for (size_t at = 0; at < n; at += SYNC_AT_ONCE)
		if (!sync_some(line, claims + at, ok + at, n - at < SYNC_AT_ONCE ? n - at : SYNC_AT_ONCE))
			return;
}
