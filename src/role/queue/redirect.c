/* redirect.c — a person sends a waiting letter to somebody else.
 *
 * The bytes become a letter of their own, with the old one's sender and view, for the new address alone; the old steps
 * are closed in the record that holds it, so that nobody gets it twice and it is never lost in between. */
#include "role/queue/queue_role.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "user/rcpt_answer.h"
#include "wire/address.h"

#include <stdlib.h>
#include <unistd.h>

enum { REDIRECT_TARGETS = 64, COPY_BLOCK = 256 * 1024 };

struct redirect {
	const struct queue_claim *claim; /* whose view is sent */
	struct str target, by;
	struct arena a;
	struct letter_rcpt rcpt;
	struct letter_step steps[REDIRECT_TARGETS];
	struct letter_record record;
	struct letter_copy copy;
};

static void redirect_free(struct redirect **x)
{
	if (!*x)
		return;
	arena_end(&(*x)->a);
	free((*x)->copy.bytes);
	free(*x);
}

struct str prefix_common(struct str prefix)
{
	static const char *const own[] = { "Return-Path:", "Delivered-To:", "Envelope-To:" };

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (str_starts_nocase(prefix, str_from_z(own[i])))
			(void)str_cut(prefix, '\n', &prefix);
	return prefix;
}

static bool add_step(struct redirect *x, const struct ipc_target *t, struct err *e)
{
	const struct letter_step *old = x->claim->step;
	struct letter_step *s = &x->steps[x->record.n_steps];
	struct str prefix = prefix_common(old->prefix);
	struct buf base = buf_on_heap(LETTER_NAME_MAX);

	if (x->record.n_steps == REDIRECT_TARGETS)
		return fail(e, FAULT_PERM, "that address leads to too many others");
	if (t->kind == TARGET_LATER)
		return fail(e, FAULT_TEMP, STR_FMT, STR_ARG(str_head(t->text, 150)));
	if (t->kind != TARGET_ACCOUNT && t->kind != TARGET_REMOTE)
		return true;
	*s = (struct letter_step){ .number = (uint16_t)x->record.n_steps, .kind = STEP_REMOTE, .target = t->address,
				   .sender = old->sender, .prefix = prefix, .cuts = old->cuts, .n_cuts = old->n_cuts };
	if (t->kind == TARGET_ACCOUNT) {
		letter_base_name(&base, x->record.id, 0, s->number, conf_now()->hostname);
		s->kind = STEP_LOCAL;
		s->target = t->account;
		s->sender = S("");
		s->base = arena_str(&x->a, buf_str(&base));
		s->prefix = arena_printf(&x->a, "Return-Path: <" STR_FMT ">\r\nDelivered-To: " STR_FMT "\r\n" STR_FMT,
					 STR_ARG(x->claim->letter->from), STR_ARG(t->account), STR_ARG(prefix));
	}
	buf_end(&base);
	x->record.n_steps++;
	return true;
}

SUSPENDS static bool route_target(struct redirect *x, struct err *e)
{
	struct user_route_answer routes;
	struct smtp_path path;
	struct ipc_rcpt to = { .address = x->target };

	if (!address_parse(x->target, PATH_UTF8, &x->a, &path))
		return fail(e, FAULT_PERM, "%s is no address", LOGQ(str_head(x->target, 100)));
	to.local = path.local;
	to.domain = path.domain;
	if (!route_all(S(""), &to, 1, true, &routes, &x->a, e))
		return false;
	for (size_t i = 0; i < routes.targets.n; i++) {
		if (!add_step(x, &routes.targets.p[i], e))
			return false;
	}
	return x->record.n_steps ? true : fail(e, FAULT_PERM, "that address leads nowhere");
}

struct copy_job {
	int from, to;
	uint64_t size;
	bool ok;
	struct err err;
};

static void do_copy(void *arg)
{
	struct copy_job *j = arg;
	char *block = malloc(COPY_BLOCK);

	j->ok = block || fail(&j->err, FAULT_TEMP, "no memory");
	for (uint64_t at = 0; j->ok && at < j->size; at += COPY_BLOCK) {
		size_t n = j->size - at < COPY_BLOCK ? (size_t)(j->size - at) : COPY_BLOCK;

		j->ok = fd_pread_all(j->from, block, n, (int64_t)at, &j->err) &&
			fd_pwrite_all(j->to, str_of(block, n), (int64_t)at, &j->err);
	}
	free(block);
}

SUSPENDS bool letter_copy_take(struct letter_copy *x, const struct letter_body *body, struct letter_record *r, struct err *e)
{
	AUTO(fd_end) int fd = -1;
	struct copy_job j = { .from = body->fd, .size = body->size };

	r->body_size = body->size;
	if (body->size <= LETTER_INLINE_MAX) {
		x->bytes = malloc(body->size ? body->size : 1);
		if (!x->bytes)
			return fail(e, FAULT_TEMP, "no memory");
		r->body = str_of(x->bytes, body->size);
		if (body->fd >= 0)
			return fd_pread_all(body->fd, x->bytes, body->size, 0, e);
		if (body->size)
			memcpy(x->bytes, body->bytes.p, body->size);
		return true;
	}
	if (!queue_file_new(queue, r->id, &fd, x->name, e))
		return false;
	r->file = str_from_z(x->name);
	j.to = fd;
	off_loop(do_copy, &j);
	if (!j.ok) {
		*e = j.err;
		return false;
	}
	return queue_file_sync(queue, fd, e);
}

static void note(const struct redirect *x, const struct queue_claim *claims, size_t n)
{
	struct id_text copy = id_print(x->record.id), about = id_print(claims[0].ref.id);

	for (size_t i = 0; i < n; i++) {
		const struct letter_record *l = claims[i].letter;

		why_keep(&(struct why_step_redirected){
			.head = why_ours(WHY_step_redirected, claims[i].ref.id), .copy = str_from_z(copy.z), .target = x->target,
			.by = x->by, .rcpt = claims[i].step->rcpt < l->n_rcpts ? l->rcpts[claims[i].step->rcpt].address : S("") }.head);
	}
	why_keep(&(struct why_copy_accepted){ .head = why_ours(WHY_copy_accepted, x->record.id), .about = str_from_z(about.z),
					      .rcpt = x->target }.head);
}

SUSPENDS bool redirect_steps(const struct queue_claim *claims, size_t n, struct str target, struct str by, struct err *e)
{
	AUTO(redirect_free) struct redirect *x = calloc(1, sizeof(*x));
	const struct letter_record *old = claims[0].letter;
	struct letter_body body = { .fd = -1 };
	struct step_ref *refs;
	bool ok;

	if (!x)
		return fail(e, FAULT_TEMP, "no memory");
	*x = (struct redirect){ .claim = &claims[0], .target = target, .by = by, .a = { .limit = 4 << 20 },
				.rcpt = { .address = target, .notify = old->rcpts[claims[0].step->rcpt].notify } };
	x->record = (struct letter_record){ .id = queue_id(queue, time_now()), .parent = old->id, .accepted = time_now(),
					    .flags = old->flags & (LETTER_8BIT | LETTER_UTF8 | LETTER_UNSIGNED), .ret = old->ret,
					    .from = old->from, .account = old->account, .envid = old->envid,
					    .facts = old->facts, .rcpts = &x->rcpt, .n_rcpts = 1, .steps = x->steps };
	refs = ARENA_ARRAY(&x->a, struct step_ref, n);
	if (!refs || !route_target(x, e) || !queue_body(queue, old->id, &body, e))
		return false;
	for (size_t i = 0; i < n; i++)
		refs[i] = claims[i].ref;
	ok = letter_copy_take(&x->copy, &body, &x->record, e);
	letter_body_end(&body);
	if (ok)
		note(x, claims, n);
	ok = ok && queue_bounce(queue, refs, n, &x->record, e);
	if (!ok && x->record.file.n)
		queue_file_drop(queue, x->record.file);
	return ok;
}
