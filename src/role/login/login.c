/* login.c — the role that speaks IMAP and POP3 until it is known with whom.
 *
 * It has no right to any file and to no key, and never names an account.  Each connection has
 * one fiber, which converses; then bytes are carried between the client and its mailbox.  At the
 * end the listeners go first, who has not logged in is told BYE, and what the mailboxes still
 * say to their clients is carried for a while. */
#include "role/login/guest.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/rnd.h"

static uint64_t counter;                 /* begins anywhere: a number of the process before names nobody */

static struct str sorry(uint32_t listener, uint16_t port)
{
	const struct conf_listens *list = &conf_now()->listens;

	(void)port;
	if (listener < list->n && list->p[listener].tls == CONF_TLS_WRAPPED)
		return S("");            /* nothing can be said before TLS */
	return listener < list->n && list->p[listener].proto == CONF_POP3 ? pop3_dialogue.sorry : imap_dialogue.sorry;
}

static void receive(const struct front_client *c)
{
	struct guest *g = guest_open(c, ++counter);

	if (!g) {
		front_turn_away(c->fd, sorry(c->listener, c->port));
		return;
	}
	guest_start(g);
}

static const struct front front = { .receive = receive, .sorry = sorry };

static void hear_session(struct link *l, void *tell)
{
	struct login_session *t = tell;
	struct guest *g = guest_find(t->session);

	(void)l;
	/* who has left meanwhile has no use for it: it is closed */
	if (!g || g->stream >= 0 || t->stream <= 0)
		return;
	g->stream = fd_take(&t->stream);
	wait_wake_all(&g->arrival);
}

static bool prepare(struct err *e)
{
	counter = rnd_u64() >> 1;
	ipc_hear(IPC_login_session, hear_session);
	credentials_hear();
	return front_open(&front, e);
}

SUSPENDS static bool run(struct err *e)
{
	(void)e;
	front_run();
	guests_end();
	return true;
}

const struct role_def role_login = { .role = ROLE_LOGIN, .prepare = prepare, .run = run, .listener = front_listener };
