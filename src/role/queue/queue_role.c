/* queue_role.c — the conductor's life: letters that come in, housekeeping, status, the end. */
#include "role/queue/refused.h"
#include "role/queue/sign.h"

#include "base/fd.h"
#include "base/hooks.h"
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	INCOMING_MAX = 100000,
	BEGIN_MAX = 64,                          /* ids in one answer */
	PIPE_BYTES = 256 * 1024,
	DRAIN_BLOCK = 64 * 1024,
	IDLE_AFTER = 5, IDLE_AGAIN = 60,         /* seconds */
};
#define STOP_WITHIN (30 * SECOND)
#define SPOOL_WITHIN (2 * SECOND)        /* of it, for what waits */

struct queue *queue;
struct queue_totals totals;
static struct map incoming;              /* id, 8 bytes → struct incoming */

/* -- letters between begin and commit -------------------------------------- */

struct incoming *incoming_find(struct link *from, uint64_t id)
{
	struct incoming *in = map_get(&incoming, str_of(&id, sizeof(id)));

	return in && in->from == from ? in : NULL;
}

void incoming_end(struct incoming *in, bool keep_file)
{
	struct err e;

	map_remove(&incoming, str_of(&in->id, sizeof(in->id)));
	in->from = NULL;
	while (in->file >= 0 && !in->is_drained)         /* its sender is gone, or goes now: the pipe ends */
		if (!wait_on(&in->drained, "the end of a pipe", &e))
			return;
	if (in->file >= 0) {
		close(in->file);
		if (!keep_file)
			queue_file_drop(queue, str_from_z(in->name));
	}
	free(in);
}

static bool begin_one(struct link *l, int64_t now, uint64_t *ret_id)
{
	struct incoming *in = calloc(1, sizeof(*in));

	if (!in)
		return false;
	*in = (struct incoming){ .id = queue_id(queue, now), .from = l, .file = -1, .pipe = -1 };
	map_put(&incoming, str_of(&in->id, sizeof(in->id)), in);
	*ret_id = in->id;
	return true;
}

SUSPENDS static bool serve_begin(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_begin *q = question;
	struct queue_begin_answer *r = answer;
	int64_t now = time_now();
	uint64_t next;

	(void)a;
	if (!queue_has_room(queue) || incoming.n >= INCOMING_MAX)
		return fail(e, FAULT_PERM, "no room for another letter");        /* 452 */
	if (!begin_one(l, now, &r->id))
		return fail(e, FAULT_TEMP, "out of memory");
	/* the row ends where the counter of a millisecond does */
	for (r->count = 1; r->count < q->count && r->count < BEGIN_MAX; r->count++) {
		if (!begin_one(l, now, &next))
			break;
		if (next != r->id + r->count) {
			incoming_end(incoming_find(l, next), false);
			break;
		}
	}
	return true;
}

struct write_job {
	int fd;
	const char *p;
	size_t n;
	int64_t at;
	bool ok;
	struct err err;
};

static void do_write(void *arg)
{
	struct write_job *j = arg;

	j->ok = !FAULT_IN(spool_drain, &j->err) && fd_pwrite_all(j->fd, str_of(j->p, j->n), j->at, &j->err);
}

bool spool_put(int fd, struct str piece, int64_t at, struct err *e)
{
	struct write_job j = { .fd = fd, .p = piece.p, .n = piece.n, .at = at };

	off_loop(do_write, &j);
	if (!j.ok)
		*e = j.err;
	return j.ok;
}

SUSPENDS static void drain(void *arg)
{
	struct incoming *in = arg;
	char *block = malloc(DRAIN_BLOCK);
	struct err e = { 0 };

	in->has_failed = !block;
	while (block) {
		ssize_t n = read(in->pipe, block, DRAIN_BLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && fd_wait(in->pipe, POLLIN, "a large letter", &e))
			continue;
		if (n <= 0) {
			in->has_failed |= n < 0;
			break;
		}
		if (in->has_failed)
			continue;                        /* read to the end, so that the sender gets his answer */
		if (in->size + (uint64_t)n > conf_now()->inbound.max_size + DRAIN_BLOCK)
			in->has_failed = !fail(&in->err, FAULT_PEER, "the letter is longer than max-size");
		if (!spool_put(in->file, str_of(block, (size_t)n), (int64_t)in->size, &in->err))
			in->has_failed = true;
		in->size += (uint64_t)n;
	}
	free(block);
	fd_wait_forget(in->pipe);
	fd_end(&in->pipe);
	in->is_drained = true;
	wait_wake_all(&in->drained);
}

SUSPENDS static bool serve_pipe(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_pipe *q = question;
	struct queue_pipe_answer *r = answer;
	struct incoming *in = incoming_find(l, q->id);
	int p[2];

	(void)a;
	if (!in || in->file >= 0)
		return fail(e, FAULT_PEER, "no letter of that id waits for a pipe");
	if (!queue_file_new(queue, in->id, &in->file, in->name, e))
		return false;
	if (pipe2(p, O_CLOEXEC)) {
		in->is_drained = true;
		in->has_failed = true;
		return fail_sys(e, FAULT_TEMP, errno, "pipe");
	}
	fcntl(p[1], F_SETPIPE_SZ, PIPE_BYTES);
	in->pipe = p[0];
	r->pipe = p[1];
	if (!fd_set_nonblocking(p[0], e) || !fiber_start(&self.fibers, "large letter", drain, in)) {
		in->is_drained = true;
		in->has_failed = true;
		fd_end(&in->pipe);
		return fail(e, FAULT_TEMP, "a pipe cannot be made");
	}
	return true;
}

SUSPENDS static void end_later(void *arg)
{
	incoming_end(arg, false);
}

static void forget(struct incoming *in)
{
	if (in->file < 0) {
		map_remove(&incoming, str_of(&in->id, sizeof(in->id)));
		free(in);
	} else if (!fiber_start(&self.fibers, "forget", end_later, in)) {
		log_warn("forget", "msg=%s why=\"no memory for a fiber\"", ID_Z(in->id));
	}
}

static void hear_forget(struct link *l, void *tell)
{
	struct queue_forget *t = tell;
	struct incoming *in = incoming_find(l, t->id);

	if (in)
		forget(in);
}

static void hear_why(struct link *l, void *tell)
{
	struct queue_why *t = tell;
	AUTO(arena_end) struct arena a = { 0 };
	const struct why *w;
	struct err e;

	/* nobody speaks for another role */
	if (why_decode(t->record, &a, &w, &e) && w->role == l->peer)
		why_keep_record(t->record);
}

static void unlinked(struct link *l)
{
	struct str key;
	void *value;

	carry_unlinked(l);
	remote_unlinked(l);
	senders_unlinked(l);
	if (l->peer != ROLE_SMTPD)
		return;
	for (size_t i = 0; map_next(&incoming, &i, &key, &value);) {
		struct incoming *in = value;

		/* a letter whose commit is being served is ended by that */
		if (in->from == l && !in->is_committing)
			forget(in);
	}
}

/* -- status ---------------------------------------------------------------- */

SUSPENDS static bool serve_figures(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_figures_answer *r = answer;
	struct queue_status s;

	(void)l, (void)question, (void)a, (void)e;
	queue_status(queue, &s);
	*r = (struct queue_figures_answer){
		.pending = s.letters, .in_journal = s.in_journal, .unsafe = s.steps_unsynced, .waiting = s.steps_waiting, .held = s.held,
		.segments = s.segments_full, .appended = s.records, .syncs = s.syncs,
		.accepted = totals.accepted, .delivered = totals.delivered,
		.trouble = s.segments_aside ? S("a damaged journal segment is kept aside for 30 days: journal/*.aside") : S("") };
	return true;
}

/* -- life ------------------------------------------------------------------ */

/* One syncfs for all is right only where nobody else writes on that file system. */
static bool has_own_filesystem(void)
{
	struct stat here, above;

	return stat(".", &here) == 0 && stat("..", &above) == 0 && here.st_dev != above.st_dev;
}

static struct schedule schedule_of(const struct conf_retry *r)
{
	struct schedule s = { .give_up = r->give_up, .warn = r->warn,
			      .local = { SECOND, 5 * SECOND, 20 * SECOND, MINUTE }, .n_local = 4 };

	for (; s.n_waits < r->n && s.n_waits < SCHEDULE_WAITS_MAX; s.n_waits++)
		s.waits[s.n_waits] = r->delay[s.n_waits];
	return s;
}

SUSPENDS static bool prepare(struct err *e)
{
	enum conf_checkpoint mode = conf_now()->journal.checkpoint;
	int64_t now = time_now();
	struct queue_conf c = { .storage = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				.path = ".",
				.schedule = schedule_of(&conf_now()->outbound.retry), .lane_key = remote_lane_key,
				.found = why_found };

	deaths_prepare();
	if (c.storage < 0)
		return fail_sys(e, FAULT_PERM, errno, "open storage");
	if (mode == CONF_CHECKPOINT_SYNCFS || (mode == CONF_CHECKPOINT_AUTO && has_own_filesystem()))
		c.sync.all = carry_sync_all;
	else
		c.sync.account = carry_sync_account;
	ipc_serve(IPC_queue_begin, serve_begin);
	ipc_serve(IPC_queue_pipe, serve_pipe);
	ipc_serve(IPC_queue_commit, serve_commit);
	ipc_hear(IPC_queue_forget, hear_forget);
	ipc_hear(IPC_queue_why, hear_why);
	ipc_serve(IPC_queue_room, serve_room);
	ipc_serve(IPC_queue_redone, serve_redone);
	ipc_serve(IPC_queue_unsafe, serve_unsafe);
	ipc_serve(IPC_queue_synced, serve_synced);
	ipc_serve(IPC_queue_figures, serve_figures);
	ipc_serve(IPC_queue_queued, serve_queued);
	ipc_serve(IPC_queue_one, serve_one);
	ipc_serve(IPC_queue_hold_letter, serve_hold);
	ipc_serve(IPC_queue_act, serve_act);
	ipc_serve(IPC_queue_lanes, serve_lanes);
	ipc_serve(IPC_queue_explain, serve_explain);
	remote_job_begin();
	senders_open();
	sign_open();
	refused_open();
	safe_begin(now);
	return queue_disk_open(&c, now, &queue, e);
}

void end_broken(struct str why)
{
	log_error("journal", "why=%s next=\"this process ends, the next one reads the journal anew\"", LOGQ(why));
	queue_put_all_down(queue);
	_exit(70);
}

/* Segments that fill up bring checkpoints of their own; when nobody sends, what lies about is made
 * safe too.  One that fails is tried again each minute. */
SUSPENDS static bool checkpoint_if_idle(struct err *e)
{
	static uint64_t accepted;
	static unsigned seconds;
	struct queue_status s;

	seconds = totals.accepted == accepted ? seconds + 1 : 0;
	accepted = totals.accepted;
	if (seconds < IDLE_AFTER || (seconds - IDLE_AFTER) % IDLE_AGAIN != 0)
		return true;
	queue_status(queue, &s);
	if (s.steps_unsynced == 0)
		seconds = IDLE_AFTER - 1;        /* a delivery may still come: look again in a second */
	return s.steps_unsynced == 0 || queue_checkpoint(queue, e);
}

SUSPENDS static void tend(void *unused)
{
	struct err e = { 0 };

	(void)unused;
	while (fiber_sleep(SECOND, &e)) {
		why_flush();
		if ((!queue_tend(queue, time_now(), &e) || !checkpoint_if_idle(&e)) && e.fault != FAULT_CANCEL)
			log_warn("tend", "why=%s", LOGQ(str_from_z(e.text)));
		if (queue_is_broken(queue))
			end_broken(str_from_z(e.text));
		carry_kick();
		remote_tend();
	}
}

SUSPENDS static bool run(struct err *e)
{
	if (!fiber_start(&self.fibers, "carry", carry_run, NULL) || !fiber_start(&self.fibers, "tend", tend, NULL) ||
	    !fiber_start(&self.fibers, "remote", remote_run, NULL) ||
	    !fiber_start(&self.fibers, "results", remote_result_run, NULL) ||
	    !fiber_start(&self.fibers, "refused", refused_run, NULL))
		return fail(e, FAULT_TEMP, "no memory for a fiber");
	role_wait_stop();
	remote_settle();
	remote_result_settle();
	WITHIN(STOP_WITHIN)
		if (!carry_settle(e) || !queue_tend_all(queue, time_now(), SPOOL_WITHIN, e))
			log_warn("stop", "why=%s next=\"what is not done is done at the next start\"",
				 LOGQ(str_from_z(e->text)));
	refused_settle();
	why_flush();
	queue_put_all_down(queue);
	return true;
}

static void configured(void)
{
	struct schedule s = schedule_of(&conf_now()->outbound.retry);

	queue_set_schedule(queue, &s);
	remote_configured();
	sign_forget();
}

static void linked(struct link *l)
{
	if (l->peer == ROLE_RELAY)
		remote_kick();
}

const struct role_def role_queue = { .role = ROLE_QUEUE, .prepare = prepare, .run = run, .configured = configured,
				     .linked = linked, .unlinked = unlinked };
