/* sts.c — MTA-STS policies: asked of the relay that fetches, kept in queue.db, handed in with jobs (RFC 8461).
 *
 * A destination's first letter waits for the first answer, and only its own; later answers come beside the letters.
 * Whoever cannot be asked has no policy, or the one that is known as long as it holds (§3.3, §5.1). */
#include "role/queue/remote.h"

#include "base/log.h"

#include <stdlib.h>

enum { POLICY_DAYS_MOST = 366 };         /* §3.2: max_age is a year at most */
#define ASK_WITHIN (75 * SECOND)         /* §3.3: a minute for the fetch */
#define ASK_EVERY HOUR
#define ASK_AFTER_FAILURE (10 * MINUTE)

struct sts {
	char *id, *text;                 /* text: NULL: no policy */
	int64_t until;                   /* of the text */
	int64_t ask_at;                  /* monotonic */
};

static bool has_text(const struct sts *s)
{
	return s && s->text && s->until > time_now();
}

struct str sts_text(const struct remote_line *l, int64_t *ret_until)
{
	*ret_until = has_text(l->sts) ? l->sts->until : 0;
	return has_text(l->sts) ? str_from_z(l->sts->text) : S("");
}

void sts_forget(struct remote_line *l)
{
	if (!l->sts)
		return;
	free(l->sts->id);
	free(l->sts->text);
	free(l->sts);
	l->sts = NULL;
}

static void keep(struct sts *s, struct str id, struct str text, int64_t until)
{
	free(s->id);
	free(s->text);
	s->id = strndup(id.n ? id.p : "", id.n);
	s->text = text.n ? strndup(text.p, text.n) : NULL;
	s->until = until;
}

SUSPENDS static void load(struct remote_line *l, struct sts *s)
{
	AUTO(arena_end) struct arena a = { .limit = 256 * 1024 };
	struct queue_policy known = { .domain = destination_domain(&l->to) };
	struct err e;

	if (!queue_policy_get(queue, &known, &a, &e))
		log_warn("policy", "domain=%s why=%s", LOGQ(known.domain), LOGQ(str_from_z(e.text)));
	else if (known.until > time_now())
		keep(s, known.id, known.text, known.until);
}

SUSPENDS static void save(const struct remote_line *l, const struct sts *s)
{
	struct queue_policy p = { .domain = destination_domain(&l->to), .id = str_from_z(s->id), .text = str_from_z(s->text),
				  .until = s->until };
	struct err e;

	if (!queue_policy_put(queue, &p, &e))
		log_warn("policy", "domain=%s why=%s", LOGQ(p.domain), LOGQ(str_from_z(e.text)));
}

SUSPENDS static bool ask(struct remote_line *l, struct sts *s, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 256 * 1024 };
	struct relay_policy q = { .domain = destination_domain(&l->to), .known_id = has_text(s) ? str_from_z(s->id) : S("") };
	struct relay_policy_answer r;
	int64_t most = POLICY_DAYS_MOST * DAY;

	if (!relay_policy(link_to_instance(ROLE_RELAY, RELAY_WEB), &q, &r, &a, e))
		return false;
	if (r.outcome == RELAY_POLICY_FAILED)
		return fail(e, FAULT_TEMP, STR_FMT, STR_ARG(str_head(r.why, 150)));
	if (r.outcome == RELAY_POLICY_NEW) {
		keep(s, r.id, r.policy, time_now() + ((int64_t)r.max_age * SECOND < most ? (int64_t)r.max_age * SECOND : most));
		log_info("policy", "domain=%s id=%s age=%u", LOGQ(q.domain), LOGQ(r.id), r.max_age);
	} else if (r.outcome == RELAY_POLICY_SAME) {     /* §3.3: the time begins anew only with a fetch */
		return true;
	} else if (!has_text(s)) {                       /* without a record what is known holds to its end */
		return true;
	}
	save(l, s);
	return true;
}

SUSPENDS static void ask_fiber(void *arg)
{
	struct remote_line *l = arg;
	struct sts *s = l->sts ? l->sts : calloc(1, sizeof(*s));
	bool is_first = !l->sts, ok = false;
	struct err e = { 0 };

	must(s, "out of memory for a policy");
	if (is_first)
		load(l, s);
	WITHIN(ASK_WITHIN)
		ok = ask(l, s, &e);
	if (!ok && e.fault != FAULT_CANCEL)
		log_info("policy", "domain=%s why=%s next=\"%s\"", LOGQ(destination_domain(&l->to)), LOGQ(str_from_z(e.text)),
			 has_text(s) ? "the one that is known holds" : "none");
	s->ask_at = time_mono() + (ok ? ASK_EVERY : ASK_AFTER_FAILURE);
	l->sts = s;
	l->is_asking = false;
	if (is_first)                    /* its letters waited for this */
		queue_lane_open_at(queue, l->lane, 0);
	remote_kick();
}

bool sts_ready(struct remote_line *l)
{
	if (l->to.is_named || str_starts(destination_domain(&l->to), S("[")))
		return true;
	if (!l->is_asking && (!l->sts || time_mono() >= l->sts->ask_at))
		l->is_asking = fiber_start(&self.fibers, "policy", ask_fiber, l);
	return l->sts || !l->is_asking;
}
