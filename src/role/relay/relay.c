/* relay.c — letters to other servers: who asks, and what every job needs.
 *
 * A role that faces the network: it has sockets of its own and nothing else.  One
 * instance (RELAY_WEB) knows no routes and fetches MTA-STS policies by HTTPS; another
 * (RELAY_SCANNER) shows letters to the outside scanner and does nothing else. */
#include "role/relay/relay.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "role/relay/pool.h"
#include "role/runtime.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROOTS_MAX = 4 << 20, PASSWORD_MAX = 1024, PASSWORDS_MAX = 1000, JOBS_MAX = 4000 };

static struct tls_client *tls;
static struct map passwords;             /* path → text; not by number, for a job may have begun with other routes */
static struct map jobs;                  /* job → struct job */

struct tls_client *relay_tls(void)
{
	return tls;
}

struct str relay_password(struct str path)
{
	return str_from_z(map_get(&passwords, path));
}

/* -- files ---------------------------------------------------------------------------- */

static void take_roots(struct role_file *f)
{
	struct err e = { .text = "it is not there" };
	char *pem = NULL;
	size_t n = 0, roots = 0;

	if (f->file <= 0 || !fd_slurp(f->file, ROOTS_MAX, &pem, &n, &e) ||
	    !tls_client_set_roots(tls, str_of(pem, n), &roots, &e))
		log_warn("tls-roots", "path=%s why=%s next=\"no certificate of an authority is believed\"", LOGQ(f->path),
			 LOGQ(str_from_z(e.text)));
	free(pem);
}

static void wipe(char *secret, size_t n)
{
	if (secret)
		explicit_bzero(secret, n);
	free(secret);
}

/* Its first line. */
static void take_password(struct role_file *f)
{
	struct err e = { .text = "it cannot be opened" };
	char *text = NULL, *was = map_remove(&passwords, f->path), *fresh = NULL;
	struct str rest, line;
	size_t n = 0;

	wipe(was, was ? strlen(was) : 0);
	if (f->file <= 0 || passwords.n >= PASSWORDS_MAX || !fd_slurp(f->file, PASSWORD_MAX, &text, &n, &e)) {
		log_error("secret", "path=%s why=%s", LOGQ(f->path), LOGQ(str_from_z(e.text)));
		return;
	}
	line = str_trim(str_cut(str_of(text, n), '\n', &rest));
	if (line.n && !str_has(line, '\0'))
		fresh = strndup(line.p, line.n);
	if (fresh)
		map_put(&passwords, f->path, fresh);
	else
		log_error("secret", "path=%s why=\"there is no password in its first line\"", LOGQ(f->path));
	wipe(text, n);
}

static void take_file(struct role_file *f)
{
	struct err e;

	if (!tls)
		tls = tls_client_open(&e);
	if (!tls)
		return;
	if (str_eq(f->what, S("roots")))
		take_roots(f);
	else if (str_eq(f->what, S("secret")))
		take_password(f);
}

/* -- jobs ----------------------------------------------------------------------------- */

static struct str key_of(const uint64_t *job)
{
	return str_of(job, sizeof(*job));
}

static void log_job(const struct job *j)
{
	unsigned n[RELAY_OUTCOME_COUNT] = { 0 };
	const struct relay_rcpt *worst = &j->rcpts[0];

	for (size_t i = 0; i < j->n_rcpts; i++) {
		n[j->rcpts[i].outcome]++;
		if (j->rcpts[i].outcome != RELAY_SENT)
			worst = &j->rcpts[i];
	}
	log_event(n[RELAY_SENT] == j->n_rcpts ? LOG_INFO : LOG_WARN, "relay",
		  "msg=%s to=%s host=%s peer=%s tls=%s sent=%u later=%u never=%u needs-7bit=%u why=%s", id_print(j->id).z,
		  LOGQ(j->destination), LOGQ(str_from_z(j->host)), j->address[0] ? j->address : "-",
		  LOGQ(j->tls[0] ? str_from_z(j->tls) : S("none")), n[RELAY_SENT], n[RELAY_LATER], n[RELAY_NEVER],
		  n[RELAY_NEEDS_7BIT], LOGQ(worst->text));
}

SUSPENDS static void carry(void *arg)
{
	struct job *j = arg;

	j->fiber = fiber_self();
	fiber_rename("%.*s", (int)str_head(j->destination, 40).n, j->destination.p);
	if (!j->is_forgotten)
		job_deliver(j);
	job_decide(j, RELAY_LATER, S("451 4.4.0 the letter was taken back"));
	log_job(j);
	/* the numbers of another queue's jobs mean other letters */
	if (!j->is_orphan) {
		map_remove(&jobs, key_of(&j->job));
		job_tell(j);
	}
	job_close(j);
}

/* It cannot be begun: that is a result too. */
static void refuse(const struct relay_job *t, enum relay_hint hint, struct str text)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct relay_result r = { .job = t->job, .hint = (uint8_t)hint, .why = text };

	r.outcomes.p = ARENA_ARRAY(&a, struct ipc_relay_outcome, t->rcpts.n ? t->rcpts.n : 1);
	for (; r.outcomes.p && r.outcomes.n < t->rcpts.n; r.outcomes.n++)
		r.outcomes.p[r.outcomes.n] = (struct ipc_relay_outcome){ .number = t->rcpts.p[r.outcomes.n].number,
			.outcome = RELAY_LATER, .text = r.outcomes.n ? S("") : text };
	relay_result(link_to(ROLE_QUEUE), &r);
}

static void hear_job(struct link *l, void *tell)
{
	struct relay_job *t = tell;
	struct err e = { .text = "too many jobs" };
	struct job *j;

	(void)l;
	if (!relay_carries(self.instance) || !t->rcpts.n || map_get(&jobs, key_of(&t->job)) || jobs.n >= JOBS_MAX || !tls) {
		refuse(t, RELAY_FINE, S("451 4.3.2 the relay takes no such job now"));
		return;
	}
	/* the number of a route means another one in another configuration */
	if (t->generation != self.conf->generation) {
		log_info("stale", "msg=%s generation=%u ours=%u next=\"in a moment\"", id_print(t->id).z, t->generation,
			 self.conf->generation);
		refuse(t, RELAY_STALE, S("451 4.3.5 the configuration has just changed"));
		return;
	}
	j = job_open(t, &e);
	if (!j) {
		log_error("job", "msg=%s why=%s", id_print(t->id).z, LOGQ(str_from_z(e.text)));
		refuse(t, RELAY_FINE, S("451 4.3.0 the letter could not be taken up"));
		return;
	}
	map_put(&jobs, key_of(&j->job), j);
	if (!fiber_start(&self.fibers, "job", carry, j)) {
		map_remove(&jobs, key_of(&j->job));
		refuse(t, RELAY_FINE, S("451 4.3.0 no memory"));
		job_close(j);
	}
}

static void hear_forget(struct link *l, void *tell)
{
	const struct relay_forget *t = tell;
	struct job *j = map_get(&jobs, key_of(&t->job));

	(void)l;
	if (!j)
		return;
	j->is_forgotten = true;
	if (j->fiber)
		fiber_cancel(j->fiber);
}

/* Whose queue is gone wants no result: its successor gives the letters out again. */
static void unlinked(struct link *l)
{
	struct str key;
	void *value;

	if (l->peer != ROLE_QUEUE)
		return;
	for (size_t i = 0; map_next(&jobs, &i, &key, &value);) {
		struct job *j = value;

		map_remove(&jobs, key);
		j->is_forgotten = j->is_orphan = true;
		if (j->fiber)
			fiber_cancel(j->fiber);
	}
}

/* -- life ------------------------------------------------------------------------------- */

SUSPENDS static bool prepare(struct err *e)
{
	if (relay_is_scanner(self.instance)) {
		scanner_serve();
		return true;
	}
	if (!tls)
		tls = tls_client_open(e);
	if (!tls)
		return false;
	our_addresses_note();
	ipc_hear(IPC_relay_job, hear_job);
	ipc_hear(IPC_relay_forget, hear_forget);
	test_serve();
	probe_serve();
	web_serve();
	return true;
}

static void configured(void)
{
	if (relay_is_scanner(self.instance))
		scanner_configured();
}

SUSPENDS static bool run(struct err *e)
{
	(void)e;
	role_wait_stop();
	pool_close();
	return true;
}

const struct role_def role_relay = { .role = ROLE_RELAY, .prepare = prepare, .run = run, .file = take_file, .configured = configured,
				     .unlinked = unlinked };
