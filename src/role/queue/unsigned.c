/* unsigned.c — letters that were accepted and wait for their signature.
 *
 * Whoever claims steps of such a letter gives them here instead of carrying them out.  With its signature the letter
 * becomes one of its own: a record of the journal holds it and closes the steps of the old one, so that after a crash
 * they stand in one of the two.  Without, they wait on the schedule, each with the reason, and are tried at once when
 * `keys` says that something has changed.  One letter after the other. */
#include "role/queue/remote.h"
#include "role/queue/sign.h"

#include "base/id.h"
#include "base/log.h"

#include <stdlib.h>

enum { WAITING_MAX = 4096 };

/* Steps of one letter. */
struct job {
	struct job *next;
	size_t n;
	struct step_ref refs[QUEUE_TOGETHER];
};

/* The letter with its signature. */
struct fresh {
	struct arena a;
	struct step_ref refs[QUEUE_TOGETHER];
	size_t n;
	struct letter_rcpt rcpts[QUEUE_TOGETHER];
	uint32_t old_rcpt[QUEUE_TOGETHER];
	struct letter_step steps[QUEUE_TOGETHER];
	struct letter_record record;
	struct letter_copy copy;
	struct buf why;
};

static struct job *first, *last;
static bool is_running;
static struct step_ref waiting[WAITING_MAX];     /* what could not be signed; beyond that the schedule does */
static size_t n_waiting;

void unsigned_retry(void)
{
	for (size_t i = 0; i < n_waiting; i++)
		queue_retry_step(queue, waiting[i], time_now());
	n_waiting = 0;
	carry_kick();
}

static void fresh_close(struct fresh **x)
{
	if (!*x)
		return;
	buf_end(&(*x)->why);
	free((*x)->copy.bytes);
	arena_end(&(*x)->a);
	free(*x);
}

/* -- its signature --------------------------------------------------------- */

SUSPENDS static bool make_fields(const struct queue_claim *c, const struct letter_body *body, struct str *ret, struct arena *a,
				 struct err *e)
{
	const struct letter_step *s = c->step;
	struct sign_names names = sign_names_parse(arena_str(a, c->letter->facts));
	struct ipc_cut *cuts = ARENA_ARRAY(a, struct ipc_cut, s->n_cuts + 1);
	struct sign_view v = { .id = c->ref.id, .prefix = arena_str(a, s->prefix), .cuts = cuts, .bytes = body->bytes,
			       .fd = body->fd, .size = body->size };

	for (; cuts && v.n_cuts < s->n_cuts; v.n_cuts++)
		cuts[v.n_cuts] = (struct ipc_cut){ s->cuts[v.n_cuts].offset, s->cuts[v.n_cuts].length };
	if (a->full)
		return fail(e, FAULT_TEMP, "no memory for a signature");
	return sign_view(&v, &names, ret, a, e);
}

/* -- the letter ------------------------------------------------------------ */

static struct str prefix_with(struct str prefix, struct str fields, struct arena *a)
{
	struct str common = prefix_common(prefix);

	return arena_printf(a, STR_FMT STR_FMT STR_FMT, STR_ARG(str_head(prefix, prefix.n - common.n)), STR_ARG(fields),
			    STR_ARG(common));
}

static void add_step(struct fresh *x, const struct queue_claim *c, struct str fields)
{
	struct letter_step *s = &x->steps[x->n];
	char mem[LETTER_NAME_MAX];
	struct buf base = buf_over(mem, sizeof(mem));
	uint32_t i = 0;

	while (i < x->record.n_rcpts && x->old_rcpt[i] != c->step->rcpt)
		i++;
	if (i == x->record.n_rcpts) {
		x->old_rcpt[i] = c->step->rcpt;
		x->rcpts[i] = c->letter->rcpts[c->step->rcpt];
		x->record.n_rcpts++;
	}
	*s = *c->step;
	s->rcpt = i;
	s->prefix = prefix_with(c->step->prefix, fields, &x->a);
	if (s->base.n) {
		letter_base_name(&base, x->record.id, i, s->number, conf_now()->hostname);
		s->base = arena_str(&x->a, buf_str(&base));
	}
	x->refs[x->n++] = c->ref;
}

static void note(struct fresh *x)
{
	struct id_text copy = id_print(x->record.id), about = id_print(x->record.parent);

	x->why = buf_on_heap(LETTER_WHY_MAX);
	why_add(&x->why, &(struct why_signed_accepted){ .head = why_ours(WHY_signed_accepted, x->record.id),
							.about = str_from_z(about.z) }.head);
	for (size_t i = 0; i < x->n; i++) {
		struct why_step_signed w = { .head = why_ours(WHY_step_signed, x->record.parent), .copy = str_from_z(copy.z),
					     .rcpt = x->rcpts[x->steps[i].rcpt].address };

		why_log(&w.head);
		why_add(&x->why, &w.head);
	}
	x->record.why = buf_str(&x->why);
}

/* Nothing waits between here and the record, but for its bytes. */
static bool fill(struct fresh *x, const struct job *j, struct str fields, struct err *e)
{
	struct queue_claim c;

	for (size_t i = 0; i < j->n; i++)
		if (queue_reclaim(queue, j->refs[i], &c)) {
			if (!x->n)
				x->record = (struct letter_record){
					.id = x->record.id, .parent = c.ref.id, .accepted = c.letter->accepted,
					.flags = (uint8_t)(c.letter->flags & ~LETTER_UNSIGNED), .ret = c.letter->ret,
					.from = c.letter->from, .account = c.letter->account, .envid = c.letter->envid,
					.rcpts = x->rcpts, .steps = x->steps, .body = x->record.body, .file = x->record.file,
					.body_size = x->record.body_size };
			add_step(x, &c, fields);
		}
	x->record.n_steps = (uint32_t)x->n;
	if (!x->n)
		return fail(e, FAULT_CANCEL, "nobody waits for it any more");
	return !x->a.full || fail(e, FAULT_TEMP, "no memory for a signed letter");
}

SUSPENDS static bool write_down(const struct job *j, struct str fields, const struct letter_body *body, struct err *e)
{
	AUTO(fresh_close) struct fresh *x = calloc(1, sizeof(*x));
	bool ok;

	if (!x)
		return fail(e, FAULT_TEMP, "no memory for a signed letter");
	x->a.limit = 8 << 20;
	x->record.id = queue_id(queue, time_now());
	ok = letter_copy_take(&x->copy, body, &x->record, e) && fill(x, j, fields, e);
	if (ok) {
		note(x);
		ok = queue_bounce(queue, x->refs, x->n, &x->record, e);
	}
	if (ok)
		why_keep_frames(buf_str(&x->why));
	else if (x->record.file.n)
		queue_file_drop(queue, x->record.file);
	return ok;
}

/* -- one after the other --------------------------------------------------- */

static void note_wait(struct step_ref ref, const struct err *e)
{
	struct queue_claim c;

	if (n_waiting < WAITING_MAX)
		waiting[n_waiting++] = ref;
	if (queue_reclaim(queue, ref, &c) && c.step->rcpt < c.letter->n_rcpts)
		why_keep(&(struct why_step_unsigned){
			.head = why_ours(WHY_step_unsigned, ref.id), .rcpt = c.letter->rcpts[c.step->rcpt].address,
			.tries = c.tries + 1, .why = str_from_z(e->text) }.head);
}

SUSPENDS static void put_back(const struct job *j, const struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct queue_report *reports = ARENA_ARRAY(&a, struct queue_report, j->n);
	struct str text = arena_printf(&a, "451 4.7.5 it waits for its signature: %s", e->text);
	struct err failed = { 0 };

	must(reports && text.n, "out of memory for letters that wait");
	for (size_t i = 0; i < j->n; i++) {
		reports[i] = (struct queue_report){ .ref = j->refs[i], .outcome = OUTCOME_LATER, .text = text.p,
						    .is_mild = e->fault == FAULT_CANCEL, .again = time_now() };
		note_wait(j->refs[i], e);
	}
	if (!queue_report(queue, reports, j->n, time_now(), &failed))
		log_error("report", "msg=%s why=%s", ID_Z(j->refs[0].id), LOGQ(str_from_z(failed.text)));
}

static bool find_claim(const struct job *j, struct queue_claim *ret)
{
	for (size_t i = 0; i < j->n; i++)
		if (queue_reclaim(queue, j->refs[i], ret))
			return true;
	return false;
}

SUSPENDS static void run_one(const struct job *j)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct letter_body body = { .fd = -1 };
	struct queue_claim c;
	struct str fields;
	struct err e = { 0 };
	bool ok;

	if (!find_claim(j, &c))
		return;
	ok = queue_body(queue, c.ref.id, &body, &e) && make_fields(&c, &body, &fields, &a, &e) &&
	     write_down(j, fields, &body, &e);
	letter_body_end(&body);
	if (!ok)
		put_back(j, &e);
	if (queue_is_broken(queue))
		end_broken(S("a write or sync failed"));
	carry_kick();
}

SUSPENDS static void run(void *unused)
{
	struct job *j;

	(void)unused;
	while ((j = first)) {
		run_one(j);
		first = j->next;
		if (!first)
			last = NULL;
		free(j);
	}
	is_running = false;
}

void unsigned_take(const struct queue_claim *claims, size_t n)
{
	struct job *j = calloc(1, sizeof(*j));

	must(j && n <= QUEUE_TOGETHER, "room for a letter that waits for its signature");
	for (; j->n < n; j->n++)
		j->refs[j->n] = claims[j->n].ref;
	*(last ? &last->next : &first) = j;
	last = j;
	if (!is_running)
		is_running = fiber_start(&self.fibers, "sign", run, NULL);
	must(is_running, "no memory for a fiber");
}
