/* report.c — the sender is told: it failed, or it is late.
 *
 * The report is a letter of its own from the null sender; it is written down in
 * the same record that closes the steps it is about.  A report to an address of
 * ours is delivered; one to another server waits in the queue. */
#include "role/queue/queue_role.h"

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
	const struct queue_claim *claim;
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
	struct buf base = buf_on_heap(LETTER_NAME_MAX);

	if (r->record.n_steps == REPORT_TARGETS || (t->kind != TARGET_ACCOUNT && t->kind != TARGET_REMOTE))
		return;
	letter_base_name(&base, r->record.id, 0, (uint16_t)r->record.n_steps, conf_now()->hostname);
	*s = (struct letter_step){ .number = (uint16_t)r->record.n_steps,
				   .kind = t->kind == TARGET_ACCOUNT ? STEP_LOCAL : STEP_REMOTE,
				   .target = t->kind == TARGET_ACCOUNT ? t->account : t->address,
				   .base = t->kind == TARGET_ACCOUNT ? arena_str(&r->a, buf_str(&base)) : S(""),
				   .prefix = prefix_of(r, t->kind == TARGET_ACCOUNT ? t->account : t->address) };
	buf_end(&base);
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
	if (!route_all(&to, 1, false, &routes, &r->a, e))
		return false;
	for (size_t i = 0; i < routes.targets.n; i++) {
		struct ipc_target t = routes.targets.p[i];

		if (t.kind == TARGET_REFUSED) {          /* not ours, or nobody: another server may know */
			t.kind = TARGET_REMOTE;
			t.address = from;
		}
		add_step(r, &t);
	}
	return r->record.n_steps ? true : fail(e, FAULT_PERM, "the sender's address leads nowhere");
}

SUSPENDS static bool write_text(struct report *r, struct err *e)
{
	const struct letter_record *about = r->claim->letter;
	struct str given = r->claim->step->rcpt < about->n_rcpts ? about->rcpts[r->claim->step->rcpt].address : S("");
	struct bounce_rcpt rcpt = { .address = given, .text = str_from_z(r->claim->text), .target = r->claim->step->target };
	struct letter_body body = { .fd = -1 };
	struct bounce b = { .kind = r->kind, .host = conf_now()->hostname, .to = about->from, .id = r->record.id,
			    .about = about->id, .now = r->record.accepted, .accepted = about->accepted,
			    .nonce = rnd_u64(), .retry_until = about->accepted + conf_now()->outbound.retry.give_up, .envid = about->envid,
			    .ret = about->ret, .rcpts = &rcpt, .n_rcpts = 1 };
	char *head;
	bool ok;

	if (r->claim->step->rcpt < about->n_rcpts)
		rcpt.orcpt = about->rcpts[r->claim->step->rcpt].orcpt;
	if (!queue_body(queue, about->id, &body, e))
		return false;
	if (body.fd < 0) {
		b.original = body.bytes;
		b.is_whole = true;
	} else {
		size_t n = body.size < BOUNCE_HEADER_MAX ? (size_t)body.size : BOUNCE_HEADER_MAX;

		head = arena_alloc(&r->a, 1, n);
		if (head && fd_pread_all(body.fd, head, n, 0, e))
			b.original = str_of(head, n);
	}
	ok = bounce_print(&b, &r->text, e);
	letter_body_end(&body);
	return ok;
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
	if (!write_text(r, e) || !route_sender(r, e))
		return false;
	r->record.body = buf_str(&r->text);
	r->record.body_size = r->text.n;
	return true;
}

static void add_why(struct report *r, const struct why *w)
{
	char mem[2048];
	struct buf b = buf_over(mem, sizeof(mem));
	struct err e;

	if (why_encode(&b, w, &e))
		why_frame(&r->why, buf_str(&b));
}

/* What is said of the letter it is about, and of the report itself, stands in the report's own record. */
static void note_report(struct report *r, bool is_written)
{
	struct str why = str_from_z(r->claim->text), rcpt = r->claim->letter->from;
	struct id_text id = id_print(r->record.id), about = id_print(r->claim->ref.id);
	struct why_bounce_written bounce = {
		.head = why_ours(WHY_bounce_written, r->claim->ref.id), .report = str_from_z(id.z), .rcpt = rcpt, .why = why };
	struct why_delay_written delay = {
		.head = why_ours(WHY_delay_written, r->claim->ref.id), .report = str_from_z(id.z), .rcpt = rcpt, .why = why };
	const struct why *w = r->kind == BOUNCE_FAILED ? &bounce.head : &delay.head;

	if (!is_written) {
		why_keep(&(struct why_bounce_dropped){
			.head = why_ours(WHY_bounce_dropped, r->claim->ref.id), .rcpt = rcpt, .why = why,
			.text = S("null sender, NOTIFY, or no way back") }.head);
		return;
	}
	r->why = buf_on_heap(8192);
	why_log(w);
	add_why(r, w);
	add_why(r, &(struct why_report_accepted){ .head = why_ours(WHY_report_accepted, r->record.id),
						  .about = str_from_z(about.z), .rcpt = rcpt }.head);
	r->record.why = buf_str(&r->why);
	why_keep_frames(r->record.why);
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

void report_bounce(const struct queue_claim *claims, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		AUTO(report_end) struct report r = { .kind = BOUNCE_FAILED, .claim = &claims[i], .a = { .limit = 2 << 20 } };
		struct err e = { 0 };
		bool due = bounce_is_due(BOUNCE_FAILED, claims[i].letter->from, notify_of(&claims[i]));

		if (due && !make_report(&r, &e)) {
			log_warn("bounce", "about=%s why=%s", ID_Z(claims[i].ref.id), LOGQ(str_from_z(e.text)));
			if (e.fault != FAULT_PERM)
				continue;        /* its lease runs out and it is tried again */
			due = false;
		}
		note_report(&r, due);
		if (!queue_bounce(queue, &claims[i].ref, 1, due ? &r.record : NULL, &e))
			log_warn("bounce", "about=%s why=%s", ID_Z(claims[i].ref.id), LOGQ(str_from_z(e.text)));
		carry_kick();
	}
}

void report_warn(const struct queue_claim *claims, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		AUTO(report_end) struct report r = { .kind = BOUNCE_DELAYED, .claim = &claims[i], .a = { .limit = 2 << 20 } };
		struct err e = { 0 };
		bool due = bounce_is_due(BOUNCE_DELAYED, claims[i].letter->from, notify_of(&claims[i])) &&
			   make_report(&r, &e);

		if (due)
			note_report(&r, true);
		if (!queue_warn(queue, &claims[i].ref, 1, due ? &r.record : NULL, &e))
			log_warn("warn", "about=%s why=%s", ID_Z(claims[i].ref.id), LOGQ(str_from_z(e.text)));
		carry_kick();
	}
}
