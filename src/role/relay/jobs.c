/* jobs.c — a job from its message to its result; see relay.h. */
#include "role/relay/relay.h"

#include "base/fd.h"
#include "role/runtime.h"
#include "wire/smtp_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOB_MEMORY_MAX = 16 << 20, RESULT_TEXT_ALL_MAX = 3 << 20 };

static bool copy_rcpts(struct job *j, const struct relay_job *t)
{
	j->rcpts = ARENA_ARRAY(&j->a, struct relay_rcpt, t->rcpts.n);
	for (; j->rcpts && j->n_rcpts < t->rcpts.n; j->n_rcpts++) {
		const struct ipc_relay_rcpt *from = &t->rcpts.p[j->n_rcpts];

		j->rcpts[j->n_rcpts] = (struct relay_rcpt){ .number = from->number, .notify = from->notify,
			.address = arena_str(&j->a, from->address), .orcpt = arena_str(&j->a, from->orcpt) };
	}
	return j->rcpts;
}

static bool copy_view(struct job *j, const struct relay_job *t)
{
	j->view.prefix = arena_str(&j->a, t->prefix);
	j->view.n_cuts = t->cuts.n;
	j->view.cuts = ARENA_ARRAY(&j->a, struct cut, t->cuts.n ? t->cuts.n : 1);
	for (size_t i = 0; j->view.cuts && i < t->cuts.n; i++)
		j->view.cuts[i] = (struct cut){ t->cuts.p[i].at, t->cuts.p[i].n };
	return j->view.cuts;
}

/* Where the bytes are; a descriptor must hold as many as it is said to. */
static bool take_letter(struct job *j, struct relay_job *t, struct err *e)
{
	struct stat st;

	if (t->letter <= 0) {
		j->src = letter_in_memory(arena_str(&j->a, t->bytes));
		return true;
	}
	if (fstat(t->letter, &st) || st.st_size < 0 || t->at > (uint64_t)st.st_size || t->size > (uint64_t)st.st_size - t->at)
		return fail(e, FAULT_PERM, "the letter is shorter than it is said to be");
	j->src = letter_in_file(fd_take(&t->letter), (int64_t)t->at, t->size);
	return true;
}

struct job *job_open(struct relay_job *t, struct err *e)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j) {
		fail(e, FAULT_TEMP, "no memory for a job");
		return NULL;
	}
	*j = (struct job){ .job = t->job, .id = t->id, .a = { .limit = JOB_MEMORY_MAX }, .conf = conf_hold(),
			   .src = { .fd = -1 }, .route = t->route, .is_8bit = t->body8, .is_utf8 = t->smtputf8,
			   .ret = t->ret, .sts_until = t->sts_until };
	j->destination = arena_str(&j->a, t->destination);
	j->mail_from = arena_str(&j->a, t->mail_from);
	j->envid = arena_str(&j->a, t->envid);
	j->sts_text = arena_str(&j->a, t->sts);
	if (take_letter(j, t, e) && copy_rcpts(j, t) && copy_view(j, t) && !j->a.full) {
		if (view_is_valid(&j->view, j->src.size)) {
			j->size = view_size(&j->view, j->src.size);
			return j;
		}
		fail(e, FAULT_PERM, "the cuts do not fit the letter");
	}
	job_close(j);
	return NULL;
}

void job_close(struct job *j)
{
	if (j->src.fd > 0)
		fd_end(&j->src.fd);
	conf_release(&j->conf);
	arena_end(&j->a);
	free(j);
}

size_t job_undecided(const struct job *j)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n_rcpts; i++)
		n += !j->rcpts[i].is_decided;
	return n;
}

void rcpt_decide(struct job *j, struct relay_rcpt *r, enum relay_outcome outcome, struct str text)
{
	r->is_decided = true;
	r->outcome = outcome;
	r->text = arena_str(&j->a, str_head(text, RELAY_TEXT_MAX));
}

void job_decide(struct job *j, enum relay_outcome outcome, struct str text)
{
	struct str kept = { 0 };

	for (size_t i = 0; i < j->n_rcpts; i++) {
		struct relay_rcpt *r = &j->rcpts[i];

		if (r->is_decided)
			continue;
		/* the same words for many recipients stand once */
		rcpt_decide(j, r, outcome, kept.n ? S("") : text);
		if (kept.n)
			r->text = kept;
		kept = r->text;
	}
}

void job_tell(struct job *j)
{
	struct relay_result t = { .job = j->job, .hint = (uint8_t)j->hint, .wait = j->wait, .host = str_from_z(j->host),
				  .address = str_from_z(j->address), .tls = str_from_z(j->tls), .why = str_from_z(j->why) };
	size_t most = j->n_rcpts ? RESULT_TEXT_ALL_MAX / j->n_rcpts : 0;

	t.outcomes.p = ARENA_ARRAY(&j->a, struct ipc_relay_outcome, j->n_rcpts);
	for (; t.outcomes.p && t.outcomes.n < j->n_rcpts; t.outcomes.n++) {
		const struct relay_rcpt *r = &j->rcpts[t.outcomes.n];

		t.outcomes.p[t.outcomes.n] = (struct ipc_relay_outcome){ .number = r->number, .outcome = (uint8_t)r->outcome,
			.is_dsn_relayed = r->is_dsn_relayed, .text = str_head(r->text, most) };
	}
	relay_result(link_to(ROLE_QUEUE), &t);
}
