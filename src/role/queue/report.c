/* report.c — the sender is told: it failed, it is late, it arrived.
 *
 * One report speaks of all recipients of a letter of which the same is to be said at that moment.
 * The report is a letter of its own from the null sender; it is written down in
 * the same record that closes the steps it is about.  A report to an address of
 * ours is delivered; one to another server leaves like any letter. */
#include "role/queue/sign.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "base/rnd.h"
#include "queue/bounce.h"
#include "user/rcpt_answer.h"
#include "wire/address.h"

enum { REPORT_TARGETS = 64 };

struct report {
	enum bounce_kind kind;
	const struct queue_claim *claim; /* the first of them */
	size_t n;
	struct arena a;
	struct buf text;
	struct letter_rcpt rcpt;
	struct letter_step *steps;       /* REPORT_TARGETS of them */
	struct letter_record record;
	struct buf why;                  /* the record's frames */
};

static struct str prefix_of(struct report *r, struct str to)
{
	return arena_printf(&r->a, "Return-Path: <>\r\nDelivered-To: " STR_FMT "\r\n", STR_ARG(to));
}

static void add_step(struct report *r, const struct ipc_target *t)
{
	struct letter_step *s = &r->steps[r->record.n_steps];
	char mem[LETTER_NAME_MAX];
	struct buf base = buf_over(mem, sizeof(mem));

	if (r->record.n_steps == REPORT_TARGETS || (t->kind != TARGET_ACCOUNT && t->kind != TARGET_REMOTE))
		return;
	letter_base_name(&base, r->record.id, 0, (uint16_t)r->record.n_steps, conf_now()->hostname);
	*s = (struct letter_step){ .number = (uint16_t)r->record.n_steps,
				   .kind = t->kind == TARGET_ACCOUNT ? STEP_LOCAL : STEP_REMOTE,
				   .target = t->kind == TARGET_ACCOUNT ? t->account : t->address,
				   .base = t->kind == TARGET_ACCOUNT ? arena_str(&r->a, buf_str(&base)) : S(""),
				   .prefix = t->kind == TARGET_ACCOUNT ? prefix_of(r, t->account) : S("") };
	r->record.n_steps++;
}

/* Where the sender's address leads; an address elsewhere is one remote target. */
SUSPENDS static bool route_sender(struct report *r, struct err *e)
{
	struct str from = r->claim->letter->from;
	struct user_route_answer routes;
	struct smtp_path path;
	struct ipc_rcpt to = { .address = from };

	if (!address_parse(from, PATH_UTF8, &r->a, &path))
		return fail(e, FAULT_PERM, "the sender's address cannot be read");
	to.local = path.local;
	to.domain = path.domain;
	if (!route_all(S(""), &to, 1, true, &routes, &r->a, e))
		return false;
	for (size_t i = 0; i < routes.targets.n; i++)
		add_step(r, &routes.targets.p[i]);
	return r->record.n_steps ? true : fail(e, FAULT_PERM, "the sender's address leads nowhere");
}

static struct bounce_rcpt rcpt_of(const struct queue_claim *c)
{
	const struct letter_rcpt *given = c->step->rcpt < c->letter->n_rcpts ? &c->letter->rcpts[c->step->rcpt] : NULL;

	return (struct bounce_rcpt){ .address = given ? given->address : S(""), .orcpt = given ? given->orcpt : S(""),
				     .text = c->text, .remote = c->host, .target = c->step->target };
}

SUSPENDS static bool write_text(struct report *r, struct err *e)
{
	const struct letter_record *about = r->claim->letter;
	struct bounce_rcpt *rcpts = ARENA_ARRAY(&r->a, struct bounce_rcpt, r->n);
	struct letter_body body = { .fd = -1 };
	struct bounce b = { .kind = r->kind, .host = conf_now()->hostname, .to = about->from, .id = r->record.id,
			    .about = about->id, .now = r->record.accepted, .accepted = about->accepted,
			    .nonce = rnd_u64(), .retry_until = about->accepted + conf_now()->outbound.retry.give_up, .envid = about->envid,
			    .ret = about->ret, .rcpts = rcpts, .n_rcpts = r->n };
	char *head;
	bool ok;

	if (!rcpts)
		return fail(e, FAULT_TEMP, "no memory for a report");
	for (size_t i = 0; i < r->n; i++)
		rcpts[i] = rcpt_of(&r->claim[i]);
	if (!queue_body(queue, about->id, &body, e))
		return false;
	if (body.fd < 0) {
		b.original = body.bytes;
		b.is_whole = true;
	} else {
		size_t n = body.size < BOUNCE_HEADER_MAX ? (size_t)body.size : BOUNCE_HEADER_MAX;

		head = arena_alloc(&r->a, 1, n);
		if (head && fd_pread_all(body.fd, head, n, 0, e)) {
			b.original = str_of(head, n);
			b.is_whole = n == body.size;
		}
	}
	ok = bounce_print(&b, &r->text, e);
	letter_body_end(&body);
	return ok;
}

static bool leaves(const struct report *r)
{
	for (size_t i = 0; i < r->record.n_steps; i++)
		if (r->steps[i].kind == STEP_REMOTE)
			return true;
	return false;
}

/* Its author is at this host (queue/bounce.c), which lies in a domain of ours or in none. */
SUSPENDS static bool sign_report(struct report *r, struct err *e)
{
	struct sign_view v = { .id = r->record.id, .bytes = buf_str(&r->text), .fd = -1, .size = r->text.n };
	struct sign_names names = { 0 };
	struct str domain, fields = S("");

	if (!leaves(r))
		return true;
	if (!sign_name_at(conf_now()->hostname, &domain, &r->a, e))
		return false;
	sign_names_add(&names, domain);
	if (!sign_view(&v, &names, &fields, &r->a, e))
		return false;
	for (size_t i = 0; i < r->record.n_steps; i++)
		if (r->steps[i].kind == STEP_REMOTE)
			r->steps[i].prefix = fields;
	return true;
}

SUSPENDS static bool make_report(struct report *r, struct err *e)
{
	r->text = buf_on_heap(BOUNCE_MAX);
	r->steps = ARENA_ARRAY(&r->a, struct letter_step, REPORT_TARGETS);
	if (!r->steps)
		return fail(e, FAULT_TEMP, "no memory for a report");
	r->record = (struct letter_record){ .id = queue_id(queue, time_now()), .parent = r->claim->letter->id,
					    .accepted = time_now(), .rcpts = &r->rcpt, .n_rcpts = 1,
					    .steps = r->steps };
	r->rcpt.address = r->claim->letter->from;
	if (!write_text(r, e) || !route_sender(r, e) || !sign_report(r, e))
		return false;
	r->record.body = buf_str(&r->text);
	r->record.body_size = r->text.n;
	return true;
}

/* What is said of the letter it is about, and of the report itself, stands in the report's own record. */
static void note_report(struct report *r)
{
	struct str why = r->claim->text, rcpt = r->claim->letter->from;
	struct id_text id = id_print(r->record.id), about = id_print(r->claim->ref.id);
	struct why_bounce_written bounce = {
		.head = why_ours(WHY_bounce_written, r->claim->ref.id), .report = str_from_z(id.z), .rcpt = rcpt, .why = why };
	struct why_delay_written delay = {
		.head = why_ours(WHY_delay_written, r->claim->ref.id), .report = str_from_z(id.z), .rcpt = rcpt, .why = why };
	struct why_success_written success = {
		.head = why_ours(WHY_success_written, r->claim->ref.id), .report = str_from_z(id.z), .rcpt = rcpt };
	const struct why *w = r->kind == BOUNCE_FAILED ? &bounce.head : r->kind == BOUNCE_DELAYED ? &delay.head : &success.head;

	r->why = buf_on_heap(8192);
	why_log(w);
	why_add(&r->why, w);
	why_add(&r->why, &(struct why_report_accepted){ .head = why_ours(WHY_report_accepted, r->record.id),
							.about = str_from_z(about.z), .rcpt = rcpt }.head);
	r->record.why = buf_str(&r->why);
	why_keep_frames(r->record.why);
}

static void note_silence(const struct queue_claim *c)
{
	why_keep(&(struct why_bounce_dropped){
		.head = why_ours(WHY_bounce_dropped, c->ref.id), .rcpt = c->letter->from, .why = c->text,
		.text = S("null sender, NOTIFY, or no way back") }.head);
}

static uint8_t notify_of(const struct queue_claim *c)
{
	return c->step->rcpt < c->letter->n_rcpts ? c->letter->rcpts[c->step->rcpt].notify : 0;
}

static void report_end(struct report *r)
{
	buf_end(&r->text);
	buf_end(&r->why);
	arena_end(&r->a);
}

/* One report about n steps of a letter, or none (is_due false); then they are closed, or wait again. */
SUSPENDS static void report_some(enum bounce_kind kind, const struct queue_claim *claims, size_t n, bool is_due)
{
	AUTO(report_end) struct report r = { .kind = kind, .claim = claims, .n = n, .a = { .limit = 2 << 20 } };
	struct step_ref *refs = ARENA_ARRAY(&r.a, struct step_ref, n);
	struct err e = { 0 };
	bool ok;

	for (size_t i = 0; refs && i < n; i++)
		refs[i] = claims[i].ref;
	if (!refs || (is_due && !make_report(&r, &e))) {
		log_warn("report", "about=%s why=%s", ID_Z(claims->ref.id), LOGQ(str_from_z(e.text)));
		if (e.fault != FAULT_PERM)
			return;                  /* its lease runs out and it is tried again; so also if it cannot be signed */
		is_due = false;
	}
	if (is_due)
		note_report(&r);
	for (size_t i = 0; !is_due && kind == BOUNCE_FAILED && i < n; i++)
		note_silence(&claims[i]);
	ok = kind == BOUNCE_DELAYED ? queue_warn(queue, refs, n, is_due ? &r.record : NULL, &e)
				    : queue_bounce(queue, refs, n, is_due ? &r.record : NULL, &e);
	if (!ok)
		log_warn("report", "about=%s why=%s", ID_Z(refs[0].id), LOGQ(str_from_z(e.text)));
	carry_kick();
}

SUSPENDS void report_steps(enum bounce_kind kind, struct queue_claim *claims, size_t n)
{
	size_t told = 0;

	for (size_t i = 0; i < n; i++)           /* first those of whom the sender hears */
		if (bounce_is_due(kind, claims[i].letter->from, notify_of(&claims[i]))) {
			struct queue_claim c = claims[told];

			claims[told++] = claims[i];
			claims[i] = c;
		}
	if (told)
		report_some(kind, claims, told, true);
	if (told < n)
		report_some(kind, claims + told, n - told, false);
}

bool report_wants_success(const struct queue_claim *c)
{
	return bounce_is_due(BOUNCE_DELIVERED, c->letter->from, notify_of(c));
}
