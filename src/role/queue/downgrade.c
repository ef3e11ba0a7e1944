/* downgrade.c — recipients whose server takes letters of 7 bits only get another letter (RFC 6152 §3).
 *
 * `scan` writes the letter in 7 bits into a pipe, and what comes out becomes a letter of its own: its sender, its age and
 * what was asked for are the old one's, its recipients these.  One record of the journal holds it and closes their steps
 * in the old letter, so that after a crash they stand in one of the two, never in both and never in none.  What cannot be
 * had in 7 bits is reported to the sender.  One letter after the other: they are rare, and each may be large. */
#include "role/queue/remote.h"
#include "role/queue/sign.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	DRAIN_BLOCK = 64 * 1024,
	GROWS_MOST = 4,                  /* times: wire/seven_bit.c makes 3.2 octets of one at most, and adds some fields */
	SCAN_TRIES = 3, SCAN_DEATHS_MAX = 3,
};
#define CONVERT_WITHIN (3 * MINUTE)
#define SCAN_PAUSE (50 * MILLISECOND)

/* Steps of one letter that get the same view, and who wants it in 7 bits. */
struct downgrade {
	struct downgrade *next;
	struct arena a;
	struct remote_result r;
};

/* What comes out of the pipe: into memory, or into a file of the spool once it is too long for a record. */
struct drained {
	uint64_t id;             /* the new letter's */
	int pipe, file;
	struct buf bytes;
	char name[LETTER_NAME_MAX + 1];
	uint64_t size, most;
	struct sign_names names; /* in whose names the old letter was signed */
	struct str fields;       /* the new letter's signatures */
	struct err err;          /* fault: it failed */
};

static struct downgrade *first, *last;
static bool is_running;

/* -- the bytes ------------------------------------------------------------- */

SUSPENDS static bool take_piece(struct drained *d, struct str piece, struct err *e)
{
	if (piece.n > d->most - d->size)
		return fail(e, FAULT_TEMP, "the letter in 7 bits is longer than it can be");
	if (d->file < 0 && d->size + piece.n > LETTER_INLINE_MAX) {
		if (!queue_file_new(queue, d->id, &d->file, d->name, e) || !spool_put(d->file, buf_str(&d->bytes), 0, e))
			return false;
		buf_end(&d->bytes);
	}
	if (d->file < 0)
		buf_add(&d->bytes, piece);
	else if (!spool_put(d->file, piece, (int64_t)d->size, e))
		return false;
	d->size += piece.n;
	return d->file >= 0 || !d->bytes.full || fail(e, FAULT_TEMP, "no memory for the letter in 7 bits");
}

SUSPENDS static void drain(void *arg)
{
	struct drained *d = arg;
	char *block = malloc(DRAIN_BLOCK);

	if (!block)
		fail(&d->err, FAULT_TEMP, "no memory for the letter in 7 bits");
	while (block) {
		ssize_t n = read(d->pipe, block, DRAIN_BLOCK);

		if (n == 0 || (n > 0 && !take_piece(d, str_of(block, (size_t)n), &d->err)))
			break;
		if (n > 0 || errno == EINTR)
			continue;
		if (errno != EAGAIN) {
			fail_sys(&d->err, FAULT_TEMP, errno, "read a letter in 7 bits");
			break;
		}
		if (!fd_wait(d->pipe, POLLIN, "a letter in 7 bits", &d->err))
			break;
	}
	free(block);
	fd_wait_forget(d->pipe);
	fd_end(&d->pipe);
}

static void drained_end(struct drained *d)
{
	buf_end(&d->bytes);
	fd_end(&d->file);
}

SUSPENDS static void drained_drop(struct drained *d)
{
	if (d->file >= 0)
		queue_file_drop(queue, str_from_z(d->name));
	drained_end(d);
}

/* One scan writes, and all that it writes is taken. */
SUSPENDS static bool convert_once(struct scan_seven_bit *q, struct drained *d, struct err *e)
{
	AUTO(nursery_end) struct nursery kids = { 0 };
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(fd_end) int ours = -1;
	struct scan_seven_bit_answer said;
	int p[2];
	bool ok;

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		return fail_sys(e, FAULT_TEMP, errno, "pipe");
	*d = (struct drained){ .id = d->id, .most = d->most, .names = d->names, .pipe = p[0], .file = -1, .bytes = buf_on_heap(LETTER_INLINE_MAX) };
	ours = q->out = p[1];
	if (!fiber_start(&kids, "7 bits", drain, d)) {
		fd_end(&d->pipe);
		return fail(e, FAULT_TEMP, "no memory for a fiber");
	}
	ok = scan_seven_bit(link_to(ROLE_SCAN), q, &said, &a, e);
	fd_end(&ours);                           /* the pipe's end */
	if (!nursery_join(&kids, ok ? e : &(struct err){ 0 }))
		return false;
	if (d->err.fault) {
		*e = d->err;
		return false;
	}
	return ok && (d->size == said.size || fail(e, FAULT_TEMP, "the letter in 7 bits did not come whole"));
}

/* As commit.c asks it: another one if that ends, and not for ever if it ends because of this letter. */
SUSPENDS static bool convert(struct scan_seven_bit *q, const struct letter_body *body, struct drained *d, struct err *e)
{
	for (int tries = 0;; tries++) {
		bool ok = false;

		*e = (struct err){ 0 };
		WITHIN(CONVERT_WITHIN)
			ok = convert_once(q, d, e);
		if (ok)
			return true;
		drained_drop(d);
		d->file = -1;
		if (e->sys == EOWNERDEAD && deaths_note(body->bytes, body->fd, body->size) >= SCAN_DEATHS_MAX)
			return fail(e, FAULT_PERM, "5.6.3 each process dies that tries");
		if (!link_is_away(e) || tries == SCAN_TRIES || !fiber_sleep(SCAN_PAUSE, e))
			return false;
	}
}

/* They do not hold for what the letter becomes; of a seal neither. */
static struct str without_signatures(struct str prefix, struct sign_names *names, struct arena *a)
{
	static const char *const seal[] = { "ARC-Seal:", "ARC-Message-Signature:", "ARC-Authentication-Results:" };

	*names = sign_names_of(prefix, a, &prefix);
	for (size_t i = 0; i < ARRAY_LEN(seal); i++)
		if (str_starts(prefix, str_from_z(seal[i])))
			prefix = field_skip(prefix);
	return prefix;
}

/* A letter that was signed is signed anew, or waits for it. */
SUSPENDS static bool sign_anew(struct drained *d, struct arena *a, struct err *e)
{
	struct sign_view v = { .id = d->id, .bytes = buf_str(&d->bytes), .fd = d->file, .size = d->size };
	struct err failed = { 0 };

	d->fields = S("");
	if (!d->names.n || sign_view(&v, &d->names, &d->fields, a, &failed))
		return true;
	if (failed.fault == FAULT_CANCEL) {
		*e = failed;
		return false;
	}
	log_warn("unsigned", "msg=%s why=%s", ID_Z(d->id), LOGQ(str_from_z(failed.text)));
	return true;
}

/* The view of `step` in 7 bits. */
SUSPENDS static bool make_bytes(const struct queue_claim *c, struct drained *d, struct arena *a, struct err *e)
{
	const struct letter_step *s = c->step;
	struct scan_seven_bit q = { .prefix = arena_str(a, s->prefix),
				    .cuts.p = ARENA_ARRAY(a, struct ipc_cut, s->n_cuts ? s->n_cuts : 1) };
	struct letter_body body = { .fd = -1 };
	AUTO(fd_end) int copy = -1;
	bool ok;

	for (; q.cuts.p && q.cuts.n < s->n_cuts; q.cuts.n++)
		q.cuts.p[q.cuts.n] = (struct ipc_cut){ s->cuts[q.cuts.n].offset, s->cuts[q.cuts.n].length };
	q.prefix = without_signatures(q.prefix, &d->names, a);
	if (a->full)
		return fail(e, FAULT_TEMP, "no memory for a letter in 7 bits");
	if (!queue_body(queue, c->ref.id, &body, e))
		return false;
	q.size = body.size;
	d->most = body.size * GROWS_MOST + q.prefix.n + LETTER_INLINE_MAX;
	ok = body.fd >= 0 || body.bytes.n <= RELAY_INLINE_MAX || fd_sealed("letter", body.bytes, &copy, e);
	if (body.fd >= 0 || copy >= 0)
		q.letter = body.fd >= 0 ? body.fd : copy;
	else
		q.bytes = body.bytes;
	ok = ok && convert(&q, &body, d, e);
	letter_body_end(&body);
	if (ok && !sign_anew(d, a, e)) {
		drained_drop(d);
		return false;
	}
	if (ok && d->file >= 0 && !queue_file_sync(queue, d->file, e)) {
		drained_drop(d);
		return false;
	}
	return ok;
}

/* -- the letter ------------------------------------------------------------ */

struct copy {
	struct step_ref refs[QUEUE_TOGETHER];
	size_t n;
	struct letter_rcpt rcpts[QUEUE_TOGETHER];
	uint32_t old_rcpt[QUEUE_TOGETHER];       /* their index in the old letter */
	struct letter_step steps[QUEUE_TOGETHER];
	struct letter_record record;
	struct buf why;                          /* the record's frames */
	struct arena a;
};

static void copy_close(struct copy **x)
{
	if (*x) {
		buf_end(&(*x)->why);
		arena_end(&(*x)->a);
	}
	free(*x);
}

static void add_step(struct copy *x, const struct queue_claim *c, struct str prefix)
{
	uint32_t i = 0;

	while (i < x->record.n_rcpts && x->old_rcpt[i] != c->step->rcpt)
		i++;
	if (i == x->record.n_rcpts) {
		x->old_rcpt[i] = c->step->rcpt;
		x->rcpts[i] = c->letter->rcpts[c->step->rcpt];
		x->record.n_rcpts++;
	}
	x->steps[x->n] = (struct letter_step){ .rcpt = i, .number = c->step->number, .kind = STEP_REMOTE,
					       .target = c->step->target, .sender = c->step->sender, .prefix = prefix };
	x->refs[x->n++] = c->ref;
}

static void note(struct copy *x, const struct downgrade *d)
{
	struct id_text copy = id_print(x->record.id), about = id_print(x->record.parent);

	x->why = buf_on_heap(LETTER_WHY_MAX);
	why_add(&x->why, &(struct why_seven_bit_accepted){ .head = why_ours(WHY_seven_bit_accepted, x->record.id),
							   .about = str_from_z(about.z) }.head);
	for (size_t i = 0; i < x->n; i++) {
		struct why_step_converted w = { .head = why_ours(WHY_step_converted, x->record.parent), .host = d->r.host,
						.copy = str_from_z(copy.z), .target = x->steps[i].target,
						.rcpt = x->rcpts[x->steps[i].rcpt].address };

		why_log(&w.head);
		why_add(&x->why, &w.head);
	}
	x->record.why = buf_str(&x->why);
}

/* The strings are the old letter's, which holds while its steps are ours: nothing waits before they are written. */
SUSPENDS static bool write_down(const struct downgrade *d, const struct drained *bytes, struct err *e)
{
	AUTO(copy_close) struct copy *x = calloc(1, sizeof(*x));
	struct queue_claim c;

	if (!x)
		return fail(e, FAULT_TEMP, "no memory for a letter in 7 bits");
	for (size_t i = 0; i < d->r.n && x->n < QUEUE_TOGETHER; i++)
		if (queue_reclaim(queue, d->r.outcomes[i].ref, &c)) {
			if (!x->n)
				x->record = (struct letter_record){
					.id = bytes->id, .parent = c.ref.id, .accepted = c.letter->accepted,
					.flags = c.letter->flags & LETTER_UTF8, .ret = c.letter->ret, .from = c.letter->from,
					.account = c.letter->account, .envid = c.letter->envid, .facts = c.letter->facts,
					.rcpts = x->rcpts, .steps = x->steps, .body_size = bytes->size };
			add_step(x, &c, bytes->fields);
		}
	if (!x->n)
		return fail(e, FAULT_CANCEL, "nobody waits for it any more");
	x->record.n_steps = (uint32_t)x->n;
	if (bytes->names.n && !bytes->fields.n) {
		x->record.flags |= LETTER_UNSIGNED;
		x->record.facts = sign_names_print(&bytes->names, &x->a);
	}
	if (bytes->file >= 0)
		x->record.file = str_from_z(bytes->name);
	else
		x->record.body = buf_str(&bytes->bytes);
	note(x, d);
	if (!queue_bounce(queue, x->refs, x->n, &x->record, e))
		return false;
	why_keep_frames(buf_str(&x->why));
	return true;
}

/* -- one after the other ---------------------------------------------------- */

/* It goes back to remote_result.c, as if the server had said so. */
static void give_back(struct downgrade *d, const struct err *e)
{
	bool is_never = e->fault == FAULT_PERM;
	struct str code, why, text = str_from_z(e->text);

	code = str_cut(text, ' ', &why);
	if (!str_starts_nocase(code, S("5."))) {
		code = S("5.6.3");
		why = text;
	}
	text = is_never ? arena_printf(&d->a, "554 " STR_FMT " the server takes letters of 7 bits only, and this one cannot be "
				       "had so: " STR_FMT, STR_ARG(code), STR_ARG(why))
			: arena_printf(&d->a, "451 4.3.0 the letter could not be brought into 7 bits now: " STR_FMT,
				       STR_ARG(text));
	for (size_t i = 0; i < d->r.n; i++) {
		d->r.outcomes[i].outcome = is_never ? OUTCOME_NEVER : OUTCOME_LATER;
		d->r.outcomes[i].is_mild = e->fault == FAULT_CANCEL;
		d->r.outcomes[i].again = time_now();
		d->r.outcomes[i].text = text;
	}
	remote_result_put(&d->r);
}

static bool find_claim(const struct downgrade *d, struct queue_claim *ret)
{
	for (size_t i = 0; i < d->r.n; i++)
		if (queue_reclaim(queue, d->r.outcomes[i].ref, ret))
			return true;
	return false;
}

SUSPENDS static void run_one(struct downgrade *d)
{
	struct drained bytes = { .id = queue_id(queue, time_now()), .file = -1, .pipe = -1 };
	struct queue_claim c;
	struct err e = { 0 };
	unsigned place;
	bool ok;

	if (!find_claim(d, &c))
		return;
	if (!queue_take_up(queue, &c, time_now(), &place)) {
		fail(&e, FAULT_CANCEL, "it is held");
		give_back(d, &e);
		return;
	}
	ok = make_bytes(&c, &bytes, &d->a, &e);
	if (ok) {
		ok = write_down(d, &bytes, &e);
		if (ok)
			drained_end(&bytes);
		else
			drained_drop(&bytes);
	}
	queue_put_down(queue, place);
	if (!ok)
		give_back(d, &e);
	remote_kick();
}

SUSPENDS static void run(void *unused)
{
	struct downgrade *d;

	(void)unused;
	while ((d = first)) {
		run_one(d);
		first = d->next;
		if (!first)
			last = NULL;
		arena_end(&d->a);
		free(d);
	}
	is_running = false;
}

/* Those that need it and are ours go from one list into the other. */
static size_t move_outcomes(struct remote_result *from, struct remote_outcome *to)
{
	struct queue_claim c;
	size_t n = 0, left = 0;

	for (size_t i = 0; i < from->n; i++) {
		struct remote_outcome *o = &from->outcomes[i];

		/* what has 7 bits already is refused by that server as it is */
		if (o->needs_7bit && queue_reclaim(queue, o->ref, &c) && c.letter->flags & LETTER_8BIT)
			to[n++] = *o;
		else
			from->outcomes[left++] = *o;
	}
	from->n = left;
	return n;
}

void downgrade_take(struct remote_result *r)
{
	struct downgrade *d = calloc(1, sizeof(*d));

	must(d, "out of memory for a letter in 7 bits");
	d->a = (struct arena){ .limit = 8 << 20, .block = 1024 };
	d->r = *r;
	d->r.outcomes = ARENA_ARRAY(&d->a, struct remote_outcome, r->n ? r->n : 1);
	must(d->r.outcomes, "out of memory for a letter in 7 bits");
	d->r.n = move_outcomes(r, d->r.outcomes);
	if (!d->r.n) {
		arena_end(&d->a);
		free(d);
		return;
	}
	d->r.host = arena_str(&d->a, r->host);
	d->r.address = arena_str(&d->a, r->address);
	d->r.tls = arena_str(&d->a, r->tls);
	*(last ? &last->next : &first) = d;
	last = d;
	if (!is_running)
		is_running = fiber_start(&self.fibers, "7 bits", run, NULL);
	must(is_running, "no memory for a fiber");
}
