/* commit.c — decide, write down, answer.
 *
 * A letter is complete here: its bytes are sealed (or drained into the spool),
 * its addresses are as the client wrote them.  `user` says where each leads,
 * `scan` whether it is welcome and what stands in front; from both follows the
 * plan: a step for each account of each recipient.  250 is said after the plan
 * and the letter are on stable storage, and not before. */
#include "role/queue/refused.h"
#include "role/queue/scanned.h"
#include "role/queue/scanner.h"
#include "role/queue/sign.h"
#include "role/queue/spans.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "ipc/verdict.h"
#include "spam/spam_fields.h"
#include "trust/auth.h"
#include "user/rcpt_answer.h"
#include "wire/address.h"
#include "wire/smtp_command.h"
#include "wire/smtp_reply.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* What a mailbox takes for the folder of that use, whatever its name is. */
#define FOLDER_OF_SENT "\\Sent"
enum { SCAN_DEATHS_MAX = 3 };
#define DECIDE_WITHIN (AUTH_WITHIN + 20 * SECOND)

/* What is being decided. */
struct decision {
	struct queue_commit *q;
	struct arena *a;
	struct incoming *in;
	bool is_released;        /* a person wants it, whatever was found */
	bool is_ours;            /* its sender is, by `sender` and `verdict` */
	struct sender_found sender;
	struct sender_verdict verdict;
	struct user_route_answer routes;
	struct scan_letter_answer scan;
	struct sign_outcome signing;
	struct letter_record record;
	bool is_shown, is_exempt;        /* to the outside scanner; from it */
	struct scanner_said scanner;
	int letter;              /* read-only descriptor of the bytes */
	bool is_deadly;          /* a scan died while it judged this letter */
	char *bytes;             /* a small letter's, malloc()ed */
	struct why_letter_accepted accepted;
	struct buf why;          /* the record's frames */
};

static bool answer(struct queue_commit_answer *r, enum reply_id id, struct str text, const char *why)
{
	r->reply = (uint16_t)id;
	r->text = text;
	r->why = str_from_z(why);
	return true;
}

/* -- decide ---------------------------------------------------------------- */

/* Return-Path and who it was for; behind it what `scan` wrote. */
static struct str make_prefix(struct decision *d, const struct ipc_rcpt *rcpt, struct str account)
{
	struct buf b = buf_on_heap(LETTER_PREFIX_MAX);
	struct str ret;

	buf_add(&b, S("Return-Path: <"));
	buf_add(&b, d->q->mail_from);
	buf_add(&b, S(">\r\nDelivered-To: "));
	buf_add(&b, account);
	buf_add(&b, S("\r\nEnvelope-To: "));
	buf_add(&b, rcpt->address);
	buf_add(&b, S("\r\n"));
	buf_add(&b, d->scan.prefix);
	ret = arena_str(d->a, buf_str(&b));
	if (b.full)
		d->a->full = true;
	buf_end(&b);
	return ret;
}

static struct letter_step *step_new(struct decision *d)
{
	return (struct letter_step *)(uintptr_t)&d->record.steps[d->record.n_steps++];
}

static void add_local(struct decision *d, const struct ipc_target *t, const struct spans *cuts, uint16_t number)
{
	struct letter_step *s = step_new(d);
	char mem[LETTER_NAME_MAX];
	struct buf base = buf_over(mem, sizeof(mem));

	letter_base_name(&base, d->q->id, t->rcpt, number, conf_now()->hostname);
	*s = (struct letter_step){ .rcpt = t->rcpt, .number = number, .kind = STEP_LOCAL, .target = t->account,
				   .folder = d->scan.verdict == VERDICT_JUNK ? S("Junk") : S(""),
				   .base = arena_str(d->a, buf_str(&base)), .cuts = cuts->p, .n_cuts = cuts->n,
				   .prefix = make_prefix(d, &d->q->rcpts.p[t->rcpt], t->account) };
}

static void add_remote(struct decision *d, const struct ipc_target *t, const struct spans *cuts, uint16_t number)
{
	*step_new(d) = (struct letter_step){ .rcpt = t->rcpt, .number = number, .kind = STEP_REMOTE,
					     .target = t->address, .sender = t->sender, .prefix = d->signing.remote_prefix, .cuts = cuts->p,
					     .n_cuts = cuts->n };
}

/* The copy for who sends it, with its Bcc: one more recipient, behind those of the envelope. */
static void add_copy(struct decision *d, const struct spans *cuts)
{
	uint32_t rcpt = (uint32_t)d->q->rcpts.n;
	char mem[LETTER_NAME_MAX];
	struct buf base = buf_over(mem, sizeof(mem));

	letter_base_name(&base, d->q->id, rcpt, 0, conf_now()->hostname);
	*step_new(d) = (struct letter_step){ .rcpt = rcpt, .kind = STEP_LOCAL, .target = d->verdict.owner,
					     .folder = S(FOLDER_OF_SENT), .flags = S("S"),
					     .base = arena_str(d->a, buf_str(&base)), .prefix = d->scan.prefix,
					     .cuts = cuts->p, .n_cuts = cuts->n };
}

/* A recipient that `user` refuses now, although RCPT was answered 250 (a file has changed, or one
 * of its targets is refused): the sender gets a report. */
static void add_refused(struct decision *d, const struct ipc_target *t, uint16_t number)
{
	*step_new(d) = (struct letter_step){ .rcpt = t->rcpt, .number = number, .kind = STEP_LOCAL,
				   .folder = arena_str(d->a, str_head(t->text, LETTER_NAME_MAX)) };
}

/* The same recipient, named before in this letter, leads there already: one copy is enough. */
static bool is_planned(const struct decision *d, const struct ipc_target *t)
{
	const struct ipc_rcpt *rcpts = d->q->rcpts.p;

	for (size_t i = 0; i < d->record.n_steps; i++) {
		const struct letter_step *s = &d->record.steps[i];

		if (str_eq(s->target, t->kind == TARGET_REMOTE ? t->address : t->account) && s->rcpt != t->rcpt &&
		    str_eq_nocase(rcpts[s->rcpt].address, rcpts[t->rcpt].address))
			return true;
	}
	return false;
}

static bool make_plan(struct decision *d, struct err *e)
{
	size_t n = d->routes.targets.n;
	struct letter_step *steps = ARENA_ARRAY(d->a, struct letter_step, n + 1);
	uint16_t *numbers = ARENA_ARRAY(d->a, uint16_t, d->q->rcpts.n ? d->q->rcpts.n : 1);
	struct spans cuts = { 0 }, whole = { 0 };

	if (!steps || !numbers ||
	    !spans_merge(d->scan.cuts.p, d->scan.cuts.n, d->scan.blind.p, d->scan.blind.n, &cuts, d->a) ||
	    !spans_merge(d->scan.cuts.p, d->scan.cuts.n, NULL, 0, &whole, d->a))
		return fail(e, FAULT_TEMP, "the plan needs too much memory");
	d->record.steps = steps;
	for (size_t i = 0; i < n; i++) {
		const struct ipc_target *t = &d->routes.targets.p[i];

		if (t->rcpt >= d->q->rcpts.n)
			return fail(e, FAULT_TEMP, "a route for a recipient that is not there");
		if ((t->kind == TARGET_ACCOUNT || t->kind == TARGET_REMOTE) && is_planned(d, t))
			continue;
		if (t->kind == TARGET_ACCOUNT)
			add_local(d, t, &cuts, numbers[t->rcpt]++);
		else if (t->kind == TARGET_REMOTE)
			add_remote(d, t, &cuts, numbers[t->rcpt]++);
		else if (t->kind == TARGET_REFUSED)
			add_refused(d, t, numbers[t->rcpt]++);
	}
	if (d->verdict.owner.n)
		add_copy(d, &whole);
	return d->a->full ? fail(e, FAULT_TEMP, "the plan needs too much memory") : true;
}

/* All refused, or one that must wait: that is the answer for the whole letter. */
static bool judge_routes(struct decision *d, struct queue_commit_answer *r)
{
	const struct ipc_target *first = NULL;
	bool any = false;

	for (size_t i = 0; i < d->routes.targets.n; i++) {
		const struct ipc_target *t = &d->routes.targets.p[i];

		if (t->kind == TARGET_LATER)
			return answer(r, REPLY_ROUTE_LATER, t->text, "a recipient cannot be served now");
		if (t->kind == TARGET_REFUSED)
			first = first ? first : t;
		else
			any = true;
	}
	if (first && !any && d->sender.kind != SENDER_DROP)
		return answer(r, REPLY_ROUTE_REFUSED, first->text, "every recipient is refused");
	return false;
}

/* -- why ------------------------------------------------------------------- */

/* One record more; the letter's accepted record comes first, so that it always has room. */
static bool add_why(struct decision *d, const struct why *w, struct err *e)
{
	static char mem[WHY_RECORD_MAX];         /* too big for a fiber's stack */
	struct buf b = buf_over(mem, sizeof(mem));

	if (!why_encode(&b, w, e))
		return false;
	why_frame(&d->why, buf_str(&b));
	return true;
}

/* Where one recipient leads. */
static bool explain_rcpt(struct decision *d, uint16_t rcpt, struct why head, struct err *e)
{
	char mem[2048];
	struct buf to = buf_over(mem, sizeof(mem));
	struct why_rcpt_accepted w = { .head = head, .rcpt = d->q->rcpts.p[rcpt].address };

	for (size_t i = 0; i < d->routes.targets.n; i++) {
		const struct ipc_target *t = &d->routes.targets.p[i];

		if (t->rcpt != rcpt)
			continue;
		buf_add(&to, to.n ? S(", ") : S(""));
		buf_add(&to, t->kind == TARGET_ACCOUNT ? t->account : t->kind == TARGET_REFUSED ? S("nobody") : t->address);
		w.why = w.why.n ? w.why : str_head(t->steps.n ? t->steps : t->text, 1000);
	}
	w.targets = to.n ? buf_str(&to) : S("nothing");
	return add_why(d, &w.head, e);
}

/* What the checks on a stranger came to. */
static bool explain_score(struct decision *d, struct why head, struct err *e)
{
	struct buf checks = buf_on_heap(SPAM_SIGNALS_MAX * (SPAM_SYMBOL_MAX + 16));
	struct why_letter_scored w = { .head = head, .from = d->q->mail_from, .score = d->scan.score,
				       .folder = d->scan.verdict == VERDICT_JUNK ? S("Junk") : S("INBOX") };

	for (size_t i = 0; i < d->scan.signals.n; i++) {
		buf_addf(&checks, "%s" STR_FMT "=", i ? "," : "", STR_ARG(d->scan.signals.p[i].symbol));
		conf_score_print(d->scan.signals.p[i].score, &checks);
	}
	scanner_add_score(&d->scanner, &checks);
	w.head.kind = WHY_letter_scored;
	w.checks = str_head(arena_str(d->a, buf_str(&checks)), 4000);
	buf_end(&checks);
	why_log(&w.head);
	return add_why(d, &w.head, e);
}

static bool explain_scanner(struct decision *d, struct why head, struct err *e)
{
	union scanner_why w;

	if (!scanner_explain(&d->scanner, d->q, head, &w, d->a))
		return true;
	why_log(&w.head);
	return add_why(d, &w.head, e);
}

static bool explain(struct decision *d, struct err *e)
{
	struct queue_commit *q = d->q;
	struct why head = why_ours(WHY_letter_accepted, q->id);
	struct why_letter_authenticated w;
	struct buf to = buf_on_heap(600);

	for (size_t i = 0; i < q->rcpts.n && i < 10; i++) {
		buf_add(&to, i ? S(",") : S(""));
		buf_add(&to, q->rcpts.p[i].address);
	}
	head.role = ROLE_SMTPD;
	head.instance = d->in->from ? d->in->from->instance : self.instance;
	head.session = q->session;
	d->accepted = (struct why_letter_accepted){
		.head = head, .from = q->mail_from, .rcpt = arena_str(d->a, buf_str(&to)), .rcpts = (uint32_t)q->rcpts.n,
		.size = q->size, .peer = q->peer, .helo = q->helo, .message_id = str_head(d->scan.message_id, 1000),
		.tls = q->tls, .steps = d->record.n_steps };
	buf_end(&to);
	d->why = buf_on_heap(LETTER_WHY_MAX);
	if (!add_why(d, &d->accepted.head, e))
		return false;
	sign_note(&d->signing, q->mail_from, &d->why, head);
	if (!explain_scanner(d, head, e) || (d->scan.is_scored && !explain_score(d, head, e)))
		return false;
	if (scanned_why_authenticated(q, &d->scan, &head, &w)) {
		why_log(&w.head);
		if (!add_why(d, &w.head, e))
			return false;
	}
	head.kind = WHY_rcpt_accepted;
	for (size_t i = 0; i < q->rcpts.n; i++)
		if (!explain_rcpt(d, (uint16_t)i, head, e))
			return false;
	d->record.why = buf_str(&d->why);
	return true;
}

/* -- write down ------------------------------------------------------------ */

static bool load_bytes(struct decision *d, struct err *e)
{
	if (d->in->file >= 0)
		return true;
	if (d->letter < 0) {
		d->record.body = d->q->bytes;
		return true;
	}
	d->bytes = malloc(d->q->size ? d->q->size : 1);
	if (!d->bytes)
		return fail(e, FAULT_TEMP, "no memory for the letter");
	d->record.body = str_of(d->bytes, d->q->size);
	return fd_pread_all(d->letter, d->bytes, d->q->size, 0, e);
}

/* The same words with other numbers. */
static uint8_t notify_of(const struct ipc_rcpt *r)
{
	return (uint8_t)((r->notify & DSN_NOTIFY_NEVER ? LETTER_NOTIFY_NEVER : 0) |
			 (r->notify & DSN_NOTIFY_SUCCESS ? LETTER_NOTIFY_SUCCESS : 0) |
			 (r->notify & DSN_NOTIFY_FAILURE ? LETTER_NOTIFY_FAILURE : 0) |
			 (r->notify & DSN_NOTIFY_DELAY ? LETTER_NOTIFY_DELAY : 0));
}

static bool make_record(struct decision *d, struct err *e)
{
	struct queue_commit *q = d->q;
	struct letter_rcpt *rcpts = ARENA_ARRAY(d->a, struct letter_rcpt, q->rcpts.n + 1);

	if (!rcpts)
		return fail(e, FAULT_TEMP, "the envelope needs too much memory");
	for (size_t i = 0; i < q->rcpts.n; i++)
		rcpts[i] = (struct letter_rcpt){ q->rcpts.p[i].address, q->rcpts.p[i].orcpt, notify_of(&q->rcpts.p[i]) };
	/* nobody is told about the copy */
	rcpts[q->rcpts.n] = (struct letter_rcpt){ .address = q->mail_from, .notify = LETTER_NOTIFY_NEVER };
	d->record.id = q->id;
	d->record.accepted = time_now();
	d->record.flags = (uint8_t)((q->body ? LETTER_8BIT : 0) | (q->smtputf8 ? LETTER_UTF8 : 0) | d->signing.flags);
	d->record.facts = d->signing.facts;
	d->record.ret = q->ret;
	d->record.from = q->mail_from;
	d->record.envid = q->envid;
	d->record.rcpts = rcpts;
	d->record.n_rcpts = (uint32_t)q->rcpts.n + (d->verdict.owner.n > 0);
	if (d->is_ours && d->sender.kind == SENDER_ACCOUNT)
		d->record.account = d->sender.account;
	d->record.body_size = q->size;
	if (d->in->file >= 0)
		d->record.file = str_from_z(d->in->name);
	return load_bytes(d, e);
}

SUSPENDS static bool write_down(struct decision *d, struct queue_commit_answer *r, struct err *e)
{
	if (d->record.n_steps == 0) {            /* every recipient is a black hole */
		why_keep(&(struct why_letter_dropped){ .head = why_ours(WHY_letter_dropped, d->q->id),
						       .from = d->q->mail_from,
						       .why = S("every recipient is :blackhole:") }.head);
		return answer(r, REPLY_QUEUED, str_from_z(ID_Z(d->q->id)), "blackhole");
	}
	if (d->in->file >= 0 && !queue_file_sync(queue, d->in->file, e))
		return false;
	if (!queue_accept(queue, &d->record, 1, e))
		return false;
	why_log(&d->accepted.head);
	why_keep_frames(d->record.why);
	totals.accepted++;
	carry_kick();
	return true;
}

/* -- the question ---------------------------------------------------------- */

/* The bytes are whole, sealed and as long as it was said. */
SUSPENDS static bool take_letter(struct decision *d, struct err *e)
{
	int64_t size;

	if (d->in->file >= 0) {
		while (!d->in->is_drained)
			if (!wait_on(&d->in->drained, "the rest of a letter", e))
				return false;
		if (d->in->has_failed) {
			*e = d->in->err;
			return false;
		}
		d->letter = d->in->file;
		return d->in->size == d->q->size ? true : fail(e, FAULT_PEER, "the letter is not as long as it was said");
	}
	if (d->q->letter <= 0)
		return d->q->bytes.n == d->q->size ? true : fail(e, FAULT_PEER, "the letter is not as long as it was said");
	if (!fd_check_sealed(d->q->letter, &size, e))
		return false;
	d->letter = d->q->letter;
	return (uint64_t)size == d->q->size && size <= LETTER_INLINE_MAX
		       ? true : fail(e, FAULT_PEER, "the letter is not as long as it was said");
}

/* A letter that ends each scan it is shown to is refused for good the third time it comes. */
SUSPENDS static bool scan_failed(struct decision *d, struct queue_commit_answer *r, struct err *e)
{
	if (d->is_deadly && link_is_away(e) && deaths_note(d->q->bytes, d->letter, d->q->size) >= SCAN_DEATHS_MAX) {
		log_error("deadly", "msg=%s from=%s why=\"scan dies of it\" next=\"it is refused\"", ID_Z(d->q->id),
			  LOGQ(d->q->mail_from));
		return answer(r, REPLY_LETTER_UNREADABLE, S(""), "scan died of it three times");
	}
	return fail_in(e, "scan");
}

/* Is it one of ours, and may it send so?  The letter's own From counts too. */
SUSPENDS static bool judge_sender(struct decision *d, struct queue_commit_answer *r, struct err *e)
{
	size_t n = d->scan.authors.n + 1;
	struct ipc_text *addresses = ARENA_ARRAY(d->a, struct ipc_text, n);

	if (!d->is_ours)
		return true;
	if (!addresses)
		return fail(e, FAULT_TEMP, "no memory for the authors");
	addresses[0].text = d->q->mail_from;
	for (size_t i = 1; i < n; i++)
		addresses[i] = d->scan.authors.p[i - 1];
	if (!sender_ask(&d->sender, addresses, n, &d->verdict, d->a, e))
		return false;
	if (d->verdict.reply) {
		r->reply = (uint16_t)d->verdict.reply;
		r->text = d->verdict.text;
		r->why = d->verdict.why;
	} else {
		sender_charge(&d->sender, d->q->rcpts.n, d->a);
	}
	return true;
}

SUSPENDS static bool ask_scan(struct decision *d, struct err *e)
{
	struct scanned_question s = { .q = d->q, .letter = d->letter, .is_exempt = d->is_released || d->q->is_exempt,
				      .sender = (uint8_t)(d->is_ours ? d->sender.kind : SENDER_STRANGER) };

	d->is_shown = scanner_wants(d->q) && !d->is_released;
	s.is_shown = d->is_shown;
	return scanned_ask(&s, &d->scan, &d->is_deadly, d->a, e);
}

/* Refused, by a check or for who wrote or signed it. */
SUSPENDS static bool judge_scanned(struct decision *d, struct queue_commit_answer *r, struct err *e)
{
	struct str blocked = { 0 }, replayed = { 0 };

	if (!d->is_ours && !scanned_judge(d->q, &d->scan, &blocked, &d->is_exempt, d->a, e))
		return false;
	if (d->is_released)
		d->scan.verdict = VERDICT_ACCEPT;
	else if (blocked.n)
		return answer(r, REPLY_BLOCKED, S(""), "") && (r->why = blocked, true);
	if (d->is_shown && d->scan.verdict != VERDICT_REFUSE &&
	    !scanner_show(d->q, d->letter, d->is_exempt, &d->scan, &d->scanner, d->a, e))
		return fail_in(e, "scanner");
	if (d->scan.verdict == VERDICT_REFUSE)
		return answer(r, d->scan.reply < REPLY_COUNT ? (enum reply_id)d->scan.reply : REPLY_REFUSED, d->scan.text,
			      "") && (r->why = d->scan.why, true);
	if (!d->is_ours && !d->is_exempt && scanned_is_replayed(d->q, &d->scan, &replayed, d->a))
		return answer(r, REPLY_REPLAYED, S(""), "") && (r->why = replayed, true);
	return judge_sender(d, r, e);
}

/* The record that goes with an accepted letter is kept with it. */
static void explain_refusal(const struct decision *d, const struct queue_commit_answer *r)
{
	struct why head = why_ours(WHY_letter_authenticated, d->q->id);
	struct why_letter_authenticated w;

	if (r->reply && scanned_why_authenticated(d->q, &d->scan, &head, &w))
		why_keep(&w.head);
}

/* Ours is signed, what others wrote is sealed where it leaves. */
SUSPENDS static bool sign(struct decision *d, struct err *e)
{
	struct sign_view v = { .id = d->q->id, .prefix = d->scan.prefix, .cuts = d->scan.cuts.p, .n_cuts = d->scan.cuts.n,
			       .bytes = d->letter < 0 ? d->q->bytes : S(""), .fd = d->letter, .size = d->q->size };
	const struct ipc_target *t = d->routes.targets.p, *end = t + d->routes.targets.n;

	if (d->is_ours)
		return sign_ours(&v, &d->verdict, &d->signing, &d->scan.prefix, d->a, e);
	while (t < end && t->kind != TARGET_REMOTE)
		t++;
	d->signing.remote_prefix = d->scan.prefix;
	if (t < end && t->rcpt < d->q->rcpts.n)
		seal_theirs(&v, d->q->rcpts.p[t->rcpt].domain, &d->signing, d->a);
	return true;
}

SUSPENDS static bool decide(struct decision *d, struct queue_commit_answer *r, struct err *e)
{
	if (!take_letter(d, e))
		return false;
	d->is_ours = d->q->sender != SENDER_STRANGER;
	if (d->is_ours && !sender_find(d->in->from, d->q->session, d->q->sender, d->q->peer, &d->sender, d->a, e))
		return false;
	if (!route_all(d->is_ours ? S("") : d->q->mail_from, d->q->rcpts.p, d->q->rcpts.n, d->is_ours, &d->routes, d->a, e))
		return fail_in(e, "where the recipients lead");
	if (judge_routes(d, r))
		return true;
	if (!ask_scan(d, e))
		return scan_failed(d, r, e);
	if (!judge_scanned(d, r, e))
		return false;
	explain_refusal(d, r);
	return r->reply || (sign(d, e) && make_plan(d, e) && explain(d, e) && make_record(d, e));
}

/* For good, and of a stranger: it goes into the ring. */
static void keep_refused(const struct decision *d, const struct queue_commit_answer *r)
{
	const struct queue_commit *q = d->q;

	if (r->reply >= REPLY_COUNT || reply_row((enum reply_id)r->reply)->code < 500 || q->sender != SENDER_STRANGER)
		return;
	refused_keep(&(struct queue_refused){
		.id = q->id, .reply = r->reply, .why = r->why.n ? r->why : r->text, .mail_from = q->mail_from, .body = q->body,
		.smtputf8 = q->smtputf8, .ret = q->ret, .envid = q->envid, .received = q->received, .peer = q->peer,
		.host = q->host, .host_confirmed = q->host_confirmed, .helo = q->helo, .protocol = q->protocol, .tls = q->tls,
		.port = q->port, .rcpts = { q->rcpts.p, q->rcpts.n } }, q->bytes, d->letter, q->size);
}

bool commit_released(struct queue_commit *q, struct incoming *in, struct queue_commit_answer *r, struct arena *a, struct err *e)
{
	struct decision d = { .q = q, .a = a, .in = in, .letter = -1, .is_released = true };
	bool ok = false;

	a->limit = 8 << 20;
	if (!queue_has_room(queue))
		return fail(e, FAULT_TEMP, "the journal is full");
	WITHIN(DECIDE_WITHIN)
		ok = envelope_is_good(q, e) && decide(&d, r, e);
	if (ok && r->reply != REPLY_NONE)
		ok = fail(e, FAULT_PERM, "%s", reply_row((enum reply_id)r->reply)->text);
	ok = ok && write_down(&d, r, e);
	if (ok && !d.record.n_steps && in->file >= 0)
		queue_file_drop(queue, str_from_z(in->name));
	free(d.bytes);
	buf_end(&d.why);
	if (queue_is_broken(queue))
		end_broken(S("a write or sync failed"));
	return ok;
}

bool serve_commit(struct link *l, void *question, void *ret, struct arena *a, struct err *e)
{
	struct queue_commit *q = question;
	struct queue_commit_answer *r = ret;
	struct decision d = { .q = q, .a = a, .in = incoming_find(l, q->id), .letter = -1 };
	struct id_text id = id_print(q->id);
	bool ok = false, taken = false;

	a->limit = 8 << 20;
	if (!d.in || d.in->is_committing)
		return fail(e, FAULT_PEER, "no letter of that id is coming in");
	d.in->is_committing = true;
	if (!queue_has_room(queue))
		answer(r, REPLY_NO_STORAGE, S(""), "the journal is full");
	else WITHIN(DECIDE_WITHIN + scanner_patience())
		ok = envelope_is_good(q, e) && decide(&d, r, e);
	/* what was decided is written down to its end, whatever the caller does */
	if (ok && r->reply == REPLY_NONE) {
		ok = write_down(&d, r, e);
		taken = ok && d.record.n_steps;
		if (taken)
			answer(r, REPLY_QUEUED, arena_str(a, str_from_z(id.z)), "");
	} else if (!ok && r->reply != REPLY_NONE) {
		ok = true;
	}
	if (!ok) {
		log_error("not-accepted", "msg=%s from=%s why=%s", id.z, LOGQ(q->mail_from), LOGQ(str_from_z(e->text)));
		ok = answer(r, REPLY_TEMPFAIL, S(""), "") && (r->why = arena_str(a, str_from_z(e->text)), true);
	}
	keep_refused(&d, r);
	if (d.bytes)
		free(d.bytes);
	buf_end(&d.why);
	incoming_end(d.in, taken);
	if (queue_is_broken(queue))
		end_broken(S("a write or sync failed"));
	return ok;
}
