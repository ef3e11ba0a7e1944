/* reports.c — a letter to the address of DMARC reports is carried out: `scan` reads it, `user` keeps what it says.
 *
 * It is a step as any other: written down before 250, tried again while somebody is away, its letter held if the
 * third `scan` dies of it.  What is no report is done, too: nobody is told by a letter, the operator by
 * `waxwing report dmarc`. */
#include "role/queue/reports.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"

#include <errno.h>

enum { INLINE_MAX = 32 * 1024, ARENA_MAX = 16 << 20 };
#define READ_WITHIN MINUTE

SUSPENDS static bool ask_scan(const struct queue_claim *c, struct scan_report_answer *r, struct arena *a, struct err *e)
{
	struct scan_report q = { .prefix = c->step->prefix };
	struct letter_body body = { .fd = -1 };
	AUTO(fd_end) int copy = -1;
	bool ok = true;

	if (!queue_body(queue, c->ref.id, &body, e))
		return false;
	q.size = body.size;
	if (body.fd >= 0) {
		q.letter = body.fd;
	} else if (body.bytes.n <= INLINE_MAX) {
		q.bytes = body.bytes;
	} else {
		ok = fd_sealed("letter", body.bytes, &copy, e);
		q.letter = copy;
	}
	if (ok)
		WITHIN(READ_WITHIN)
			ok = scan_report(link_to(ROLE_SCAN), &q, r, a, e);
	letter_body_end(&body);
	return ok;
}

static void log_taken(const struct queue_claim *c, const struct scan_report_answer *s, const struct user_report_answer *kept)
{
	struct id_text id = id_print(c->ref.id);

	if (s->reports.n && !kept->why.n)
		log_info("dmarc-report", "msg=%s domain=%s org=%s sources=%zu%s", id.z, LOGQ(s->reports.p[0].domain),
			 LOGQ(s->reports.p[0].org), s->sources.n, kept->is_new ? "" : " known");
	else
		log_warn("dmarc-report", "msg=%s from=%s why=%s", id.z, LOGQ(c->letter->from), LOGQ(s->why.n ? s->why : kept->why));
}

SUSPENDS bool reports_take(const struct queue_claim *c, struct arena *a, struct err *e)
{
	struct user_report_answer kept;
	struct scan_report_answer s;
	struct user_report keep = { .letter = c->ref.id, .received = c->letter->accepted };

	a->limit = ARENA_MAX;
	if (!ask_scan(c, &s, a, e))
		return false;
	keep.reports.p = s.reports.p;
	keep.reports.n = s.reports.n;
	keep.sources.p = s.sources.p;
	keep.sources.n = s.sources.n;
	keep.sender = s.sender.n ? s.sender : c->letter->from;
	keep.proof = s.proof;
	keep.why = s.why;
	if (!user_report(link_to(ROLE_USER), &keep, &kept, a, e)) {
		if (link_is_away(e))
			e->sys = ENOLINK;        /* whoever ended, it was not of this letter */
		return false;
	}
	log_taken(c, &s, &kept);
	return true;
}
