/* smtpd.c — the role that speaks SMTP with strangers.
 *
 * It has no right to any file and to no key.  Each connection has a fiber that
 * converses (session.c).  At the end the listeners go first, who waits for a command
 * is told 421, and letters under way have STOP_WITHIN to be answered. */
#include "role/smtpd/checks.h"
#include "role/smtpd/ids.h"
#include "role/smtpd/lists.h"
#include "role/smtpd/session.h"
#include "role/smtpd/standing.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/rnd.h"

#include <stdio.h>

enum { LOCAL_MAX_SESSIONS = 500 };       /* programs of this machine at once */
#define NO_LISTENER UINT32_MAX
#define STOP_WITHIN (25 * SECOND)

static struct nursery conversing;
static uint64_t counter;                 /* begins anywhere: a number of the process before names nobody */
static unsigned n_local;

static struct str sorry(uint32_t listener, uint16_t port)
{
	const struct conf_listens *list = &conf_now()->listens;

	(void)port;
	if (listener < list->n && list->p[listener].tls == CONF_TLS_WRAPPED)
		return S("");            /* nothing can be said before TLS */
	return S("421 4.3.0 out of resources, come back later\r\n");
}

static bool converse(struct session *s)
{
	char name[FIBER_NAME_MAX];

	snprintf(name, sizeof(name), "smtpd/%llx", (unsigned long long)s->number);
	if (fiber_start(&conversing, name, session_run, s))
		return true;
	log_warn("connect", "peer=%s why=\"no memory for a fiber\"", s->peer);
	session_close(s);
	return false;
}

static void receive(const struct front_client *c)
{
	struct session *s = session_open(c->fd, ++counter, c->addr, c->listener, c->port);

	if (!s) {
		front_turn_away(c->fd, sorry(c->listener, c->port));
		return;
	}
	converse(s);
}

void smtpd_local_ended(void)
{
	n_local--;
}

bool smtpd_converse_local(int fd, uint64_t number, enum sender_kind sender)
{
	struct session *s = n_local < LOCAL_MAX_SESSIONS ? session_open_local(fd, number, sender) : NULL;

	if (!s) {
		front_turn_away(fd, sorry(NO_LISTENER, 0));
		return false;
	}
	n_local++;
	return converse(s);
}

static void hear_local(struct link *l, void *tell)
{
	struct smtpd_local *t = tell;
	struct err e;

	(void)l;
	if (t->stream > 0 && fd_set_nonblocking(t->stream, &e))
		smtpd_converse_local(fd_take(&t->stream), t->session, SENDER_LOCAL);
}

static const struct front front = { .receive = receive, .sorry = sorry };

static bool prepare(struct err *e)
{
	counter = rnd_u64() >> 1;
	credentials_hear();
	standing_open();
	ipc_hear(IPC_smtpd_local, hear_local);
	ipc_serve(IPC_smtpd_drop, serve_drop);
	ipc_serve(IPC_smtpd_lists, serve_lists);
	ipc_serve(IPC_smtpd_test_rcpt, serve_test_rcpt);
	return front_open(&front, e);
}

SUSPENDS static bool run(struct err *e)
{
	lists_configured();
	front_run();
	sessions_stop();
	WITHIN(STOP_WITHIN)
		if (!nursery_join(&conversing, e))
			log_warn("stop", "sessions=%zu why=\"they did not end in time\"", conversing.n);
	nursery_end(&conversing);
	return true;
}

static void unlinked(struct link *l)
{
	ids_unlinked(l);
}

const struct role_def role_smtpd = { .role = ROLE_SMTPD, .prepare = prepare, .run = run, .configured = lists_configured, .listener = front_listener,
				    .unlinked = unlinked };
