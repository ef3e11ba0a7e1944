/* scan.c — is a letter welcome, and what stands in front of it.
 *
 * It holds a read-only descriptor of one letter and nothing else.  It reads the
 * header: loops, malformed headers, and fields that claim to be ours, which are
 * cut; of strangers' letters it finds out who they are from (stranger.c).  It
 * ends after 1,000 letters, so that what a letter may have done to it does not
 * last. */
#include "role/scan/scan.h"

#include "base/fd.h"
#include "base/id.h"
#include "ipc/sender.h"
#include "ipc/verdict.h"
#include "spam/spam_fields.h"
#include "wire/authors.h"
#include "wire/letter_facts.h"
#include "wire/received.h"
#include "wire/smtp_reply.h"
#include "wire/submitted.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LETTERS_MAX = 1000, PREFIX_MAX = 60 << 10 };

static unsigned letters;
unsigned scan_in_hand;

static void add_prefix(const struct scan_letter *q, struct buf *b)
{
	struct str rest, version = str_cut(q->tls, ' ', &rest);
	struct id_text id = id_print(q->id);
	struct received r = { .helo = q->helo, .ip = q->peer, .by = conf_now()->hostname, .has_tls = q->tls.n > 0,
			      .tls_version = version, .tls_cipher = rest, .id = str_from_z(id.z),
			      .has_auth = q->sender == SENDER_ACCOUNT, .rcpt = q->rcpt, .when = q->received, .is_esmtp = str_eq(q->protocol, S("ESMTP")),
			      .is_utf8 = q->smtputf8 };

	received_add(b, &r);
}

static void refuse(struct scan_letter_answer *r, enum reply_id reply, struct arena *a, const char *why)
{
	r->verdict = VERDICT_REFUSE;
	r->reply = (uint16_t)reply;
	r->why = arena_printf(a, "%s", why);
}

static void judge(const struct letter_facts *f, struct scan_letter_answer *r, struct arena *a)
{
	const struct conf_inbound *c = &conf_now()->inbound;

	if (f->hops > c->hops) {
		refuse(r, REPLY_LOOP, a, "loop");
		r->why = arena_printf(a, "%zu Received fields, more than hops %u: a loop", f->hops, c->hops);
	} else if (f->is_cut || f->n_cuts > IPC_LIST_MAX) {
		refuse(r, REPLY_HEADER_TOO_BIG, a, "the header is over a limit (header-limit, header-count)");
	}
}

static bool copy_cuts(const struct cut *from, size_t n, struct ipc_cut **to, size_t *ret_n, struct arena *a)
{
	*to = ARENA_ARRAY(a, struct ipc_cut, n ? n : 1);
	for (*ret_n = 0; *to && *ret_n < n; ++*ret_n)
		(*to)[*ret_n] = (struct ipc_cut){ from[*ret_n].at, from[*ret_n].n };
	return *to;
}

/* Two sorted lists, as one. */
static bool join_cuts(struct letter_facts *f, const struct cut *p, size_t n, struct arena *a)
{
	struct cut *all = ARENA_ARRAY(a, struct cut, f->n_cuts + n + 1);
	size_t x = 0, y = 0;

	while (all && (x < f->n_cuts || y < n)) {
		bool first = y == n || (x < f->n_cuts && f->cuts[x].at < p[y].at);

		all[x + y] = first ? f->cuts[x] : p[y];
		x += first;
		y += !first;
	}
	f->cuts = all;
	f->n_cuts = x + y;
	return all;
}

/* A letter of ours: what it lacks, what of it is for its sender alone, and who it says wrote it. */
static bool complete(const struct scan_letter *q, struct str head, struct letter_facts *f, struct buf *b,
		     struct scan_letter_answer *r, struct arena *a)
{
	struct id_text id = id_print(q->id);
	struct submitted s;

	if (!submitted_read(head, a, &s) || !join_cuts(f, s.cuts, s.n_cuts, a) ||
	    !copy_cuts(s.blind, s.n_blind, &r->blind.p, &r->blind.n, a))
		return false;
	if (s.is_too_big)
		refuse(r, REPLY_HEADER_TOO_BIG, a, "more authors or blind copies than one letter may have");
	submitted_add(b, &s, &(struct submitted_facts){ .from = q->mail_from, .id = str_from_z(id.z),
							.hostname = conf_now()->hostname, .when = q->received });
	if (!s.has_message_id)
		f->message_id = arena_printf(a, "<%s@" STR_FMT ">", id.z, STR_ARG(conf_now()->hostname));
	r->authors.p = ARENA_ARRAY(a, struct ipc_text, s.n_authors + 1);
	for (; r->authors.p && r->authors.n < s.n_authors; r->authors.n++)
		r->authors.p[r->authors.n].text = s.authors[r->authors.n];
	return r->authors.p;
}

/* A stranger's letter: who may be blocked. */
static bool find_authors(struct str head, struct scan_letter_answer *r, struct arena *a)
{
	struct str *list;
	size_t n;

	if (!authors_read(head, a, &list, &n))
		return false;
	r->authors.p = ARENA_ARRAY(a, struct ipc_text, n + 1);
	for (; r->authors.p && r->authors.n < n; r->authors.n++)
		r->authors.p[r->authors.n].text = list[r->authors.n];
	return r->authors.p;
}

static void refuse_for_score(struct scan_letter_answer *r, const struct conf_threshold *limit, struct arena *a)
{
	char mem[64];
	struct buf b = buf_over(mem, sizeof(mem));

	refuse(r, REPLY_SPAM, a, "");
	r->is_check = true;
	spam_refusal_add(&b, r->score, limit);
	r->why = arena_str(a, buf_str(&b));
}

/* What the checks found is summed, and stands in front of it. */
static bool score(const struct scan_letter *q, struct str head, struct letter_facts *f, struct buf *b,
		  struct scan_letter_answer *r, struct arena *a)
{
	const struct conf_inbound *c = &conf_now()->inbound;
	bool is_scored = r->signals.n || c->junk.is_set || c->reject.is_set;
	struct cut *theirs;
	size_t n;

	if (q->is_friend || (!is_scored && !conf_now()->scanner.is_set))
		return true;
	if (!spam_fields_find(head, a, &theirs, &n) || !join_cuts(f, theirs, n, a))
		return false;
	if (f->n_cuts > IPC_LIST_MAX) {
		refuse(r, REPLY_HEADER_TOO_BIG, a, "more X-Spam fields than a header may have");
		f->n_cuts = 0;
		return true;
	}
	if (q->is_shown || !is_scored)
		return true;
	r->score = spam_score(r->signals.p, r->signals.n, NULL);
	r->is_scored = true;
	spam_fields_add(b, r->signals.p, r->signals.n, NULL, &c->junk);
	if (q->is_exempt || r->verdict != VERDICT_ACCEPT)
		return true;
	r->verdict = (uint8_t)spam_verdict_at(r->score, &c->reject, &c->junk);
	if (r->verdict == VERDICT_REFUSE)
		refuse_for_score(r, &c->reject, a);
	return true;
}

/* Everybody can tell the postmaster that something is wrong (RFC 5321 §4.5.1). */
static bool is_for_postmaster(const struct scan_letter *q)
{
	return str_eq_nocase(str_head(q->rcpt, str_rfind(q->rcpt, '@')), S("postmaster"));
}

/* A stranger's letter: who it is from, and what follows.  *trace goes in front of our Received (RFC 8601 §4.1, RFC 7208
 * §9.1). */
SUSPENDS static bool examine(const struct scan_letter *q, struct str head, const struct letter_src *src,
			     struct letter_facts *f, struct buf *trace, struct buf *b, struct scan_letter_answer *r,
			     struct arena *a, struct err *e)
{
	struct stranger s = { 0 };
	bool ok = r->verdict != VERDICT_ACCEPT || stranger_look(q, head, src, a, &s, e);

	if (ok && !q->is_exempt && s.refusal && !is_for_postmaster(q))
		stranger_refuse(&s, q, r, a);
	else if (ok && !q->is_exempt && s.is_junk)
		r->verdict = VERDICT_JUNK;
	if (ok && !(stranger_tell(&s, q, r, a) && stranger_add_fields(&s, trace, a) && score(q, head, f, b, r, a) &&
		    (!q->wants_authors || find_authors(head, r, a))))
		ok = fail(e, FAULT_TEMP, "the header needs more memory than it may");
	if (s.auth)
		auth_end(s.auth);
	return ok;
}

SUSPENDS static bool scan(const struct scan_letter *q, struct str head, const struct letter_src *src,
			  struct scan_letter_answer *r, struct arena *a, struct err *e)
{
	AUTO(buf_end) struct buf trace = buf_on_heap(PREFIX_MAX), b = buf_on_heap(16 * 1024);
	struct letter_facts f;

	if (!letter_facts_read(head, conf_now()->hostname, a, &f))
		return fail(e, FAULT_TEMP, "the header needs more memory than it may");
	/* header-limit has shrunk since the letter was taken: its header does not end in `head` */
	f.is_cut |= head.n < q->size && f.header_size == head.n;
	judge(&f, r, a);
	add_prefix(q, &b);
	if (q->sender == SENDER_STRANGER && !examine(q, head, src, &f, &trace, &b, r, a, e))
		return false;
	if (q->sender != SENDER_STRANGER && !complete(q, head, &f, &b, r, a))
		return fail(e, FAULT_TEMP, "the header needs more memory than it may");
	if (str_at(head, 0) == ' ' || str_at(head, 0) == '\t')
		buf_add(&b, S("\r\n"));         /* else its first line would continue our last field */
	buf_add(&trace, buf_str(&b));
	r->prefix = arena_str(a, buf_str(&trace));
	if (!copy_cuts(f.cuts, f.n_cuts, &r->cuts.p, &r->cuts.n, a) || !r->prefix.n || trace.full || b.full)
		return fail(e, FAULT_TEMP, "the header needs more memory than it may");
	r->message_id = arena_str(a, f.message_id);
	return true;
}

/* The header lies in memory: at most its limit and a little.  The body goes by. */
SUSPENDS static bool scan_file(const struct scan_letter *q, struct scan_letter_answer *r, struct arena *a, struct err *e)
{
	size_t most = (size_t)conf_now()->inbound.header_limit + 1024, n = q->size < most ? (size_t)q->size : most;
	struct letter_src src = letter_in_file(q->letter, (int64_t)q->at, q->size);
	struct stat st;
	char *p;
	bool ok;

	if (fstat(q->letter, &st) || st.st_size < 0 || q->at > (uint64_t)st.st_size || q->size > (uint64_t)st.st_size - q->at)
		return fail(e, FAULT_PERM, "the letter is shorter than it is said to be");
	p = malloc(n ? n : 1);
	if (!p)
		return fail(e, FAULT_TEMP, "no memory for the header");
	ok = fd_pread_all(q->letter, p, n, (int64_t)q->at, e) && scan(q, str_of(p, n), &src, r, a, e);
	free(p);
	return ok;
}

SUSPENDS static bool serve_scan(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct scan_letter *q = question;
	struct letter_src src = letter_in_memory(q->bytes);
	bool ok;

	(void)l;
	a->limit = AUTH_ARENA;
	scan_in_hand++;
	ok = q->letter > 0 ? scan_file(q, answer, a, e) : scan(q, q->bytes, &src, answer, a, e);
	scan_in_hand--;
	letters++;
	if (letters >= LETTERS_MAX && scan_in_hand == 0)
		wait_wake(&self.stop);   /* run() looks */
	return ok;
}

SUSPENDS static bool prepare(struct err *e)
{
	(void)e;
	auth_prepare();
	ipc_serve(IPC_scan_letter, serve_scan);
	ipc_serve(IPC_scan_auth, serve_auth);
	ipc_serve(IPC_scan_seven_bit, serve_seven_bit);
	ipc_serve(IPC_scan_report, serve_report);
	ipc_serve(IPC_scan_mail, serve_mail);
	return true;
}

/* What was asked for while we end is asked of the next one: the caller hears "scan is away". */
SUSPENDS static bool run(struct err *e)
{
	while (!self.is_stopping && (letters < LETTERS_MAX || scan_in_hand))
		WITHIN(SECOND)
			if (!wait_on(&self.stop, "letters", e) && !e->timed_out)
				return true;
	if (!self.is_stopping)
		_exit(0);
	return true;
}

const struct role_def role_scan = { .role = ROLE_SCAN, .prepare = prepare, .run = run };
