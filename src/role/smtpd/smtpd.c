/* smtpd.c — the role that speaks SMTP with strangers.
 *
 * It has no right to any file and to no key.  Each connection has a fiber that
 * converses (session.c).  At the end the listeners go first, who waits for a command
 * is told 421, and letters under way have STOP_WITHIN to be answered. */
#include "role/smtpd/ids.h"
#include "role/smtpd/session.h"

#include "base/log.h"

#include <stdio.h>

#define STOP_WITHIN (25 * SECOND)

static struct nursery conversing;
static uint64_t counter;

static struct str sorry(uint32_t listener, uint16_t port)
{
	(void)listener, (void)port;
	return S("421 4.3.0 out of resources, come back later\r\n");
}

static void receive(const struct front_client *c)
{
	char name[FIBER_NAME_MAX];
	struct session *s = session_open(c->fd, c->addr, c->listener, c->port);

	if (!s) {
		front_turn_away(c->fd, sorry(c->listener, c->port));
		return;
	}
	snprintf(name, sizeof(name), "smtpd/%llx", (unsigned long long)++counter);
	s->number = counter;
	if (fiber_start(&conversing, name, session_run, s))
		return;
	log_warn("connect", "peer=%s why=\"no memory for a fiber\"", s->peer);
	session_close(s);
}

static const struct front front = { .receive = receive, .sorry = sorry };

static bool prepare(struct err *e)
{
	return front_open(&front, e);
}

SUSPENDS static bool run(struct err *e)
{
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

const struct role_def role_smtpd = { .role = ROLE_SMTPD, .prepare = prepare, .run = run, .listener = front_listener,
				    .unlinked = unlinked };
