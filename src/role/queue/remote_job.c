/* remote_job.c — one job: a letter for some recipients of one destination, told to a relay.
 *
 * A relay that dies with jobs in its hands may have died of any of them, or of what a server said.  None is blamed:
 * they are suspects, and go out one at a time among the others.  If a relay dies while one is out, that one is blamed,
 * for all others who might have done it were suspects, too, after their first time; the third time holds it. */
#include "role/queue/remote.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

#define JOB_WITHIN (3 * HOUR)            /* RFC 5321's times for each step of a long letter to several hosts */
#define SUSPECT_ALONE (10 * SECOND)      /* then another may follow */
#define AGAIN_AFTER SECOND
#define SETTLE_WITHIN (10 * SECOND)      /* at the end: what a relay is about to finish */
#define SLEEP_MOST (30 * MINUTE)
#define BUSY_MOST (5 * MINUTE)

static struct map jobs;                  /* number → job */
static struct remote_job *first, *last;
static uint64_t last_number;
static struct remote_job *suspect;       /* the last one that went out */
static struct wait settled;

static struct str key_of(const uint64_t *number)
{
	return str_of((const char *)number, sizeof(*number));
}

/* -- out ------------------------------------------------------------------- */

static void job_enter(struct remote_job *j)
{
	map_put(&jobs, key_of(&j->number), j);
	j->prev = last;
	if (last)
		last->next = j;
	else
		first = j;
	last = j;
	if (j->is_suspect)
		suspect = j;
}

static void job_leave(struct remote_job *j)
{
	map_remove(&jobs, key_of(&j->number));
	if (j->prev)
		j->prev->next = j->next;
	else
		first = j->next;
	if (j->next)
		j->next->prev = j->prev;
	else
		last = j->prev;
	if (suspect == j)
		suspect = NULL;
	free(j);
	if (!first)
		wait_wake_all(&settled);
}

SUSPENDS void remote_settle(void)
{
	struct err e = { 0 };

	WITHIN(SETTLE_WITHIN)
		while (first && wait_on(&settled, "letters on their way", &e))
			;
}

bool remote_has_suspect(void)
{
	return suspect && time_mono() - suspect->since < SUSPECT_ALONE;
}

static struct ipc_relay_rcpt rcpt_of(const struct queue_claim *c, size_t number, struct arena *a)
{
	const struct letter_rcpt *given = &c->letter->rcpts[c->step->rcpt];
	struct ipc_relay_rcpt r = { .number = (uint16_t)number, .address = c->step->target, .notify = given->notify,
				    .orcpt = given->orcpt };

	/* RFC 3461 §5.2.1, §5.2.7: who was meant stays known when the letter goes on to somebody else */
	if (!r.orcpt.n && !str_eq_nocase(given->address, r.address))
		r.orcpt = arena_printf(a, "%s;" STR_FMT, str_is_ascii(given->address) ? "rfc822" : "utf-8",
				       STR_ARG(given->address));
	return r;
}

static bool fill(struct relay_job *q, const struct remote_line *l, const struct queue_claim *claims, size_t n,
		 struct arena *a)
{
	const struct letter_record *r = claims[0].letter;
	const struct letter_step *s = claims[0].step;

	*q = (struct relay_job){ .id = r->id, .destination = destination_domain(&l->to), .route = l->to.route,
				 .mail_from = s->sender.n ? s->sender : r->from, .body8 = r->flags & LETTER_8BIT,
				 .smtputf8 = !!(r->flags & LETTER_UTF8), .ret = r->ret, .envid = r->envid,
				 .size = r->body_size, .prefix = s->prefix, .generation = self.conf->generation };
	q->cuts.p = ARENA_ARRAY(a, struct ipc_cut, s->n_cuts ? s->n_cuts : 1);
	q->rcpts.p = ARENA_ARRAY(a, struct ipc_relay_rcpt, n);
	if (!q->cuts.p || !q->rcpts.p)
		return false;
	for (; q->cuts.n < s->n_cuts; q->cuts.n++)
		q->cuts.p[q->cuts.n] = (struct ipc_cut){ s->cuts[q->cuts.n].offset, s->cuts[q->cuts.n].length };
	for (; q->rcpts.n < n; q->rcpts.n++)
		q->rcpts.p[q->rcpts.n] = rcpt_of(&claims[q->rcpts.n], q->rcpts.n, a);
	q->sts = sts_text(l, &q->sts_until);
	return !a->full;
}

/* The queue may have waited for the disk: the link is looked for again. */
static bool link_lives(const struct link *to)
{
	for (struct link *k = link_next(NULL); k; k = link_next(k))
		if (k == to)
			return true;
	return false;
}

SUSPENDS static bool tell(struct relay_job *q, struct link *to, struct err *e)
{
	struct letter_body body = { .fd = -1 };
	AUTO(fd_end) int copy = -1;
	bool ok = queue_body(queue, q->id, &body, e);

	if (!ok)
		return false;
	if (body.fd >= 0)
		q->letter = body.fd;
	else if (body.bytes.n <= RELAY_INLINE_MAX)
		q->bytes = body.bytes;
	else if ((ok = fd_sealed("letter", body.bytes, &copy, e)))
		q->letter = copy;
	if (ok && !link_lives(to))
		ok = fail_sys(e, FAULT_TEMP, ENOLINK, "the relay ended just now");
	ok = ok && link_say(to, IPC_relay_job, q, e);
	letter_body_end(&body);
	return ok;
}

SUSPENDS bool remote_job_send(struct remote_line *l, enum standing standing, const struct queue_claim *claims, size_t n,
			      struct link *to, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct remote_job *j = calloc(1, sizeof(*j) + n * sizeof(j->refs[0]));
	struct relay_job q;
	unsigned place;
	bool ok;

	if (!j || !fill(&q, l, claims, n, &a)) {
		free(j);
		return fail(e, FAULT_TEMP, "no memory for a job");
	}
	*j = (struct remote_job){ .number = ++last_number, .line = l, .link = to, .letter = claims[0].ref.id, .n = n,
				  .standing = standing, .since = time_mono(),
				  .is_suspect = claims[0].is_suspect };
	for (size_t i = 0; i < n; i++)
		j->refs[i] = claims[i].ref;
	q.job = j->number;
	if (!queue_take_up(queue, &claims[0], time_now(), &place)) {
		free(j);
		return fail_sys(e, FAULT_TEMP, ENOLINK, "the letter is not to be sent now");
	}
	ok = tell(&q, to, e);
	queue_put_down(queue, place);
	if (ok)
		job_enter(j);
	else
		free(j);
	return ok;
}

/* -- back ------------------------------------------------------------------ */

/* How long a destination that fails the n-th time in a row sleeps: as its letters would wait, within reason. */
static int64_t sleep_of(const struct remote_line *l, uint32_t wait)
{
	const struct conf_retry *r = &conf_now()->outbound.retry;
	int64_t us = r->n ? r->delay[l->fails - 1 < r->n ? l->fails - 1 : r->n - 1] : MINUTE;

	if (us < (int64_t)wait * SECOND)
		us = (int64_t)wait * SECOND;
	return us < SLEEP_MOST ? us : SLEEP_MOST;
}

/* What the result says of the destination; gives when its lane opens again. */
static int64_t learn(const struct remote_job *j, const struct relay_result *r, bool any_sent)
{
	struct remote_line *l = j->line;
	int64_t now = time_now(), wait = (int64_t)r->wait * SECOND;

	if (r->hint == RELAY_DOWN) {
		if (j->since >= l->changed) {
			l->fails++;
			l->width = 1;
			l->standing = LINE_NEW;
			l->changed = time_mono();
			log_info("asleep", "to=%s fails=%u for=%llds why=%s", LOGQ(queue_lane_key(l->lane)), l->fails,
				 (long long)(sleep_of(l, r->wait) / SECOND), LOGQ(r->why));
		}
		return now + sleep_of(l, r->wait);
	}
	if (r->hint == RELAY_BUSY) {
		if (j->since >= l->changed)
			remote_shrank(l);
		return now + (wait < BUSY_MOST ? wait : BUSY_MOST);
	}
	if (any_sent)
		remote_grew(l);
	else
		l->fails = 0;
	return 0;
}

static struct remote_outcome outcome_of(const struct remote_job *j, const struct ipc_relay_outcome *o)
{
	static const enum queue_outcome meaning[RELAY_OUTCOME_COUNT] = {
		[RELAY_SENT] = OUTCOME_SAFE, [RELAY_LATER] = OUTCOME_LATER, [RELAY_NEVER] = OUTCOME_NEVER,
		[RELAY_NEEDS_7BIT] = OUTCOME_NEVER,
	};

	return (struct remote_outcome){ .ref = j->refs[o->number], .outcome = meaning[o->outcome], .text = o->text,
					.is_reported = o->is_dsn_relayed, .needs_7bit = o->outcome == RELAY_NEEDS_7BIT };
}

/* Each recipient has one outcome; what a relay forgets to mention is tried again. */
static bool read_outcomes(const struct remote_job *j, const struct relay_result *r, struct remote_outcome *ret,
			  bool *ret_sent)
{
	for (size_t i = 0; i < j->n; i++)
		ret[i] = (struct remote_outcome){ .ref = j->refs[i], .outcome = OUTCOME_LATER,
						  .text = S("450 4.3.0 the relay said nothing about this recipient") };
	for (size_t i = 0; i < r->outcomes.n; i++) {
		const struct ipc_relay_outcome *o = &r->outcomes.p[i];

		if (o->number >= j->n || o->outcome >= RELAY_OUTCOME_COUNT)
			return false;
		ret[o->number] = outcome_of(j, o);
		*ret_sent |= o->outcome == RELAY_SENT;
	}
	return true;
}

/* It goes back as it was: this was no try. */
static void job_return(struct remote_job *j, bool has_died)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct remote_result r = { .n = j->n, .outcomes = ARENA_ARRAY(&a, struct remote_outcome, j->n) };
	struct remote_line *l = j->line;
	enum standing standing = j->standing;

	for (size_t i = 0; r.outcomes && i < j->n; i++)
		r.outcomes[i] = (struct remote_outcome){ .ref = j->refs[i], .outcome = OUTCOME_LATER, .is_mild = true,
							 .has_died = has_died && i == 0, .again = time_now() + AGAIN_AFTER };
	job_leave(j);
	if (r.outcomes)
		remote_result_put(&r);
	remote_line_back(l, standing, 0);
}

static void hear_result(struct link *k, void *said)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct relay_result *r = said;
	struct remote_job *j = map_get(&jobs, key_of(&r->job));
	struct remote_result done;
	struct remote_line *l;
	enum standing standing;
	bool any_sent = false;
	int64_t open_at;

	if (!j || j->link != k || r->hint >= RELAY_HINT_COUNT)
		return;                          /* forgotten meanwhile */
	if (r->hint == RELAY_STALE) {            /* a reload has reached one of us before the other */
		job_return(j, false);
		return;
	}
	l = j->line;
	done = (struct remote_result){ .host = r->host, .address = r->address, .tls = r->tls, .n = j->n,
				       .ms = (time_mono() - j->since) / MILLISECOND,
				       .outcomes = ARENA_ARRAY(&a, struct remote_outcome, j->n) };
	if (!done.outcomes || !read_outcomes(j, r, done.outcomes, &any_sent)) {
		link_close(k);                   /* its jobs come back with the link */
		return;
	}
	open_at = learn(j, r, any_sent);
	standing = j->standing;
	job_leave(j);
	downgrade_take(&done);
	remote_result_put(&done);
	if (r->hint == RELAY_DOWN)
		queue_lane_failed(queue, l->lane, r->why, time_now());
	remote_line_back(l, standing, open_at);
}

/* -- without an answer ----------------------------------------------------- */

void remote_unlinked(struct link *k)
{
	struct remote_job *next;

	if (k->peer != ROLE_RELAY)
		return;
	for (struct remote_job *j = first; j; j = next) {
		next = j->next;
		if (j->link != k)
			continue;
		for (size_t i = 0; i < j->n && !self.is_stopping; i++)
			queue_suspect(queue, j->refs[i]);
		job_return(j, j == suspect && !self.is_stopping);
	}
	remote_kick();
}

void remote_job_tend(void)
{
	int64_t now = time_mono();
	struct err e;

	while (first && now - first->since > JOB_WITHIN) {
		link_say(first->link, IPC_relay_forget, &(struct relay_forget){ .job = first->number }, &e);
		log_warn("relay", "msg=%s to=%s why=\"the relay did not answer\" next=\"it is tried again\"",
			 ID_Z(first->letter), LOGQ(queue_lane_key(first->line->lane)));
		job_return(first, false);
	}
}

void remote_job_begin(void)
{
	ipc_hear(IPC_relay_result, hear_result);
}
