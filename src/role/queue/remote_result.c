/* remote_result.c — what became of letters at other servers is written down.
 *
 * Results come as messages and cannot wait for the disk: a fiber of its own takes all that have come, and they share
 * one record of the journal. */
#include "role/queue/remote.h"

#include "base/id.h"
#include "base/log.h"

#include <stdlib.h>

enum { AT_ONCE = 256 };

struct result {
	struct result *next;
	struct arena a;
	struct remote_result r;
};

static struct result *first, *last;
static struct wait come, settled;
static bool is_writing;

void remote_result_put(const struct remote_result *r)
{
	struct result *x = calloc(1, sizeof(*x));

	must(x, "out of memory for a result");
	x->a = (struct arena){ .limit = 1 << 20, .block = 1024 };
	x->r = *r;
	x->r.host = arena_str(&x->a, str_head(r->host, 64));
	x->r.address = arena_str(&x->a, str_head(r->address, 60));
	x->r.tls = arena_str(&x->a, str_head(r->tls, 200));
	x->r.outcomes = ARENA_ARRAY(&x->a, struct remote_outcome, r->n ? r->n : 1);
	must(x->r.outcomes, "out of memory for a result");
	for (size_t i = 0; i < r->n; i++) {
		x->r.outcomes[i] = r->outcomes[i];
		x->r.outcomes[i].text = arena_printf(&x->a, STR_FMT, STR_ARG(str_head(r->outcomes[i].text, QUEUE_TEXT_MAX - 1)));
	}
	if (last)
		last->next = x;
	else
		first = x;
	last = x;
	wait_wake(&come);
}

static void note(const struct remote_result *r, const struct remote_outcome *o, const struct queue_claim *c)
{
	struct str rcpt = c->step->rcpt < c->letter->n_rcpts ? c->letter->rcpts[c->step->rcpt].address : S("");

	if (o->outcome == OUTCOME_SAFE)
		why_keep(&(struct why_relay_done){
			.head = why_ours(WHY_relay_done, o->ref.id), .rcpt = rcpt, .target = c->step->target, .host = r->host,
			.address = r->address, .tls = r->tls, .reply = o->text, .ms = (time_now() - c->letter->accepted) / MILLISECOND }.head);
	else if (o->outcome == OUTCOME_NEVER)
		why_keep(&(struct why_relay_refused){
			.head = why_ours(WHY_relay_refused, o->ref.id), .rcpt = rcpt, .target = c->step->target, .host = r->host,
			.address = r->address, .tls = r->tls, .why = o->text }.head);
	else
		why_keep(&(struct why_relay_deferred){
			.head = why_ours(WHY_relay_deferred, o->ref.id), .rcpt = rcpt, .target = c->step->target, .host = r->host,
			.address = r->address, .tls = r->tls, .tries = c->tries + 1, .why = o->text }.head);
}

/* The relay died, and of all that it had in hand only this was a suspect. */
SUSPENDS static void note_death(const struct remote_outcome *o, const struct queue_claim *c)
{
	struct why_letter_held held = { .head = why_ours(WHY_letter_held, o->ref.id), .account = c->step->target };
	unsigned deaths = 0;
	struct err e = { 0 };

	if (!queue_died(queue, o->ref, time_now(), &deaths, &e)) {
		log_error("died", "msg=%s why=%s", ID_Z(o->ref.id), LOGQ(str_from_z(e.text)));
	} else if (deaths >= QUEUE_DEATHS_MAX) {
		held.deaths = deaths;
		held.head.nearest = S("waxwing queue release ID tries it again");
		why_keep(&held.head);
	}
}

/* For people: "mx.example.org [192.0.2.1:25], TLSv1.3, verified (DANE)"; what stands before the blank is for programs. */
static struct str host_of(struct result *x)
{
	const struct remote_result *r = &x->r;
	struct str version, trust, rest;

	if (!r->host.n && !r->address.n)
		return S("");
	version = str_cut(r->tls, ' ', &rest);
	(void)str_cut(rest, ',', &trust);
	if (!trust.n)
		version = str_eq(r->tls, S("none")) ? S("without TLS") : S("");
	return arena_printf(&x->a, STR_FMT "%s" STR_FMT "]%s" STR_FMT "%s" STR_FMT, STR_ARG(r->host), r->host.n ? " [" : "[",
			    STR_ARG(r->address), version.n ? ", " : "", STR_ARG(version), trust.n ? "," : "", STR_ARG(trust));
}

/* The journal's reports of one result; what needs more than that is done here. */
SUSPENDS static size_t reports_of(struct result *x, struct queue_report *ret)
{
	const struct remote_result *r = &x->r;
	struct str host = host_of(x);
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct remote_outcome *o = &r->outcomes[i];
		struct queue_claim c;

		if (!queue_reclaim(queue, o->ref, &c))
			continue;
		if (o->has_died) {
			note_death(o, &c);
			continue;
		}
		if (!o->is_mild)
			note(r, o, &c);
		totals.delivered += o->outcome == OUTCOME_SAFE;
		if (o->outcome == OUTCOME_SAFE && !o->is_reported && report_wants_success(&c)) {
			c.text = o->text;
			c.host = host;
			report_steps(BOUNCE_RELAYED, &c, 1);
			continue;
		}
		ret[n++] = (struct queue_report){ .ref = o->ref, .outcome = o->outcome, .text = o->text.p, .host = host.n ? host.p : NULL,
						  .is_mild = o->is_mild, .again = o->again };
	}
	return n;
}

/* Some of what has come, at least one. */
SUSPENDS static void write_some(void)
{
	static struct queue_report reports[AT_ONCE];
	struct result *x, *done = NULL;
	struct err e = { 0 };
	size_t n = 0;

	while ((x = first) && n + x->r.n <= AT_ONCE) {
		first = x->next;
		if (!first)
			last = NULL;
		n += reports_of(x, reports + n);
		x->next = done;
		done = x;
	}
	if (n && !queue_report(queue, reports, n, time_now(), &e))
		log_error("report", "reports=%zu why=%s", n, LOGQ(str_from_z(e.text)));
	if (queue_is_broken(queue))
		end_broken(S("a write or sync failed"));
	for (; (x = done); free(x)) {
		done = x->next;
		arena_end(&x->a);
	}
}

SUSPENDS void remote_result_run(void *unused)
{
	struct err e = { 0 };

	(void)unused;
	for (;;) {
		if (!first) {
			wait_wake_all(&settled);
			if (!wait_on(&come, "results", &e))
				return;
			continue;
		}
		is_writing = true;
		write_some();
		is_writing = false;
		carry_kick();
	}
}

SUSPENDS void remote_result_settle(void)
{
	struct err e = { 0 };

	while ((first || is_writing) && wait_on(&settled, "results to be written down", &e))
		;
}
