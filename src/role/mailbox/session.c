/* session.c — takes sessions from the parent; see session.h. */
#include "role/mailbox/session.h"

#include "base/log.h"
#include "fiber/conn.h"
#include "fiber/line.h"
#include "ipc/say.h"
#include "role/runtime.h"

#include <stdio.h>
#include <stdlib.h>

enum { SESSIONS_MAX = 1000, TAG_LINE_MAX = 160, PEER_MAX = 64, TLS_MAX = 16 };
#define REDONE_WITHIN (10 * SECOND)
#define TAG_WITHIN (30 * SECOND)
#define END_WITHIN (5 * SECOND)

struct session {
	struct conn conn;
	struct session_facts facts;
	struct fiber *fiber;
	struct session *prev, *next;
	char peer[PEER_MAX], tls[TLS_MAX], tag[TAG_LINE_MAX];
};

static struct session *sessions;
static size_t n_sessions;
static struct nursery fibers;
static bool are_leaving;
static struct store *store;

size_t sessions_n(void)
{
	return n_sessions;
}

bool sessions_are_leaving(void)
{
	return are_leaving;
}

static struct str keep(char *to, size_t most, struct str s)
{
	s = str_head(s, most);
	if (s.n)
		memcpy(to, s.p, s.n);
	return str_of(to, s.n);
}

static struct session *session_open(struct mailbox_session *q)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->facts = (struct session_facts){ .protocol = (enum conf_proto)q->protocol, .peer = keep(s->peer, PEER_MAX, q->peer),
					   .tls = keep(s->tls, TLS_MAX, q->tls), .login = q->instance, .number = q->session };
	conn_init(&s->conn, q->stream);
	q->stream = -1;
	s->next = sessions;
	if (sessions)
		sessions->prev = s;
	sessions = s;
	n_sessions++;
	return s;
}

static void session_close(struct session *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	n_sessions--;
	conn_end(&s->conn);
	free(s);
	wait_wake_all(&self.stop);       /* the process looks whether it has work left */
}

/* What login says first. */
SUSPENDS static bool read_tag(struct session *s, struct err *e)
{
	struct line line;
	bool ok = false;

	s->facts.is_idle = true;
	WITHIN(TAG_WITHIN)
		ok = line_read(&s->conn, TAG_LINE_MAX, &line, e);
	s->facts.is_idle = false;
	if (ok)
		s->facts.tag = keep(s->tag, TAG_LINE_MAX, line.text);
	return ok;
}

/* What a power cut left without its bytes is mended by the queue before anybody is shown it. */
SUSPENDS static void wait_redone(void)
{
	static bool is_redone;
	AUTO(arena_end) struct arena a = { 0 };
	int64_t end = time_mono() + REDONE_WITHIN;
	struct queue_redone_answer r;
	struct err e = { 0 };

	while (!is_redone && time_mono() < end) {
		WITHIN(REDONE_WITHIN)
			is_redone |= queue_redone(link_to(ROLE_QUEUE), &(struct queue_redone){ 0 }, &r, &a, &e);
		if (e.fault == FAULT_CANCEL || (!is_redone && !fiber_sleep(50 * MILLISECOND, &e)))
			return;
	}
	is_redone = true;        /* if the queue is away we go on without it */
}

SUSPENDS static void session_run(void *arg)
{
	struct session *s = arg;
	struct err e = { 0 };

	s->fiber = fiber_self();
	wait_redone();
	if (!read_tag(s, &e))
		log_info("session", "peer=%s why=%s", LOGQ(s->facts.peer), LOGQ(str_from_z(e.text)));
	else if (s->facts.protocol == CONF_IMAP)
		imap_session(&s->conn, &s->facts);
	else
		pop3_session(&s->conn, &s->facts);
	session_close(s);
}

static bool serve_session(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct mailbox_session *q = question;
	char name[FIBER_NAME_MAX];
	struct session *s;

	(void)l, (void)answer, (void)a;
	if (are_leaving)
		return fail(e, FAULT_TEMP, "the server is stopping");
	if (q->stream <= 0 || (q->protocol != CONF_IMAP && q->protocol != CONF_POP3))
		return fail(e, FAULT_PERM, "no such session");
	if (n_sessions >= SESSIONS_MAX)
		return fail(e, FAULT_TEMP, "%d sessions are open already", SESSIONS_MAX);
	s = session_open(q);
	if (!s)
		return fail(e, FAULT_TEMP, "out of memory");
	snprintf(name, sizeof(name), "%s/%llx", conf_proto_name(s->facts.protocol), (unsigned long long)q->session);
	if (fiber_start(&fibers, name, session_run, s))
		return true;
	session_close(s);
	return fail(e, FAULT_TEMP, "no memory for a fiber");
}

static void hear_leave(struct link *l, void *tell)
{
	(void)l, (void)tell;
	are_leaving = true;
	for (struct session *s = sessions; s; s = s->next)
		if (s->facts.is_idle && s->fiber)
			fiber_cancel(s->fiber);
}

struct store *sessions_store(void)
{
	return store;
}

void sessions_hear(struct store *s)
{
	store = s;
	ipc_serve(IPC_mailbox_session, serve_session);
	ipc_hear(IPC_mailbox_leave, hear_leave);
}

SUSPENDS void sessions_end(void)
{
	struct err e;

	hear_leave(NULL, NULL);
	WITHIN(END_WITHIN)
		if (!nursery_join(&fibers, &e))
			log_warn("stop", "sessions=%zu why=\"they did not end in time\"", n_sessions);
	nursery_end(&fibers);
}
