/* clients.c — who may connect and send, counted for all copies of smtpd. */
#include "role/user/user.h"

#include "base/log.h"
#include "user/client_limits.h"

#include <stdlib.h>

enum { V4_PREFIX = 96 };

static struct client_limits *limits;

/* What one smtpd holds: a peer's words → how many connections. */
struct held {
	struct map peers;
};

struct count {
	unsigned n;
};

/* -- the configuration ----------------------------------------------------- */

static bool is_v4(const struct conf_net *n)
{
	struct net_address a;

	memcpy(a.b, n->addr, sizeof(a.b));
	return n->bits >= V4_PREFIX && net_address_is_v4(&a);
}

static size_t add_nets(struct network *to, size_t at, const struct conf_nets *from)
{
	for (size_t i = 0; i < from->n; i++, at++) {
		memcpy(to[at].address.b, from->p[i].addr, sizeof(to[at].address.b));
		to[at].bits = from->p[i].bits;
		to[at].is_v4 = is_v4(&from->p[i]);
	}
	return at;
}

static bool apply(struct err *e)
{
	const struct conf_inbound *in = &conf_now()->inbound;
	struct network *exempt = calloc(in->friends.n + in->unlimited.n + 1, sizeof(*exempt));
	struct client_limits_conf c = {
		.connections = in->per_client.connections,
		.connection_rate = in->per_client.opened.n, .connection_per = in->per_client.opened.per,
		.letter_rate = in->letters.n, .letter_per = in->letters.per,
		.connections_all = in->max_connections, .submission_reserve = in->reserve_submission,
		.friends = exempt,
	};
	bool ok;

	if (!exempt)
		return fail(e, FAULT_TEMP, "out of memory");
	c.n_friends = add_nets(exempt, 0, &in->friends);
	c.n_friends = add_nets(exempt, c.n_friends, &in->unlimited);
	if (limits)
		ok = client_limits_change(limits, &c, e);
	else
		ok = (limits = client_limits_open(&c, e)) != NULL;
	free(exempt);
	return ok;
}

void clients_configured(void)
{
	struct err e = { 0 };

	if (!apply(&e))
		log_error("config", "why=%s next=\"the old limits stay in force\"", LOGQ(str_from_z(e.text)));
}

/* -- connections ----------------------------------------------------------- */

static struct held *held_by(struct link *l)
{
	if (!l->state)
		l->state = calloc(1, sizeof(struct held));
	must(l->state, "out of memory for a copy of smtpd");
	return l->state;
}

static void hold(struct link *l, struct str peer)
{
	struct held *h = held_by(l);
	struct count *c = map_get(&h->peers, peer);

	if (!c) {
		c = calloc(1, sizeof(*c));
		must(c, "out of memory for a connection");
		map_put(&h->peers, peer, c);
	}
	c->n++;
}

static bool let_go(struct link *l, struct str peer)
{
	struct held *h = held_by(l);
	struct count *c = map_get(&h->peers, peer);

	if (!c)
		return false;
	if (--c->n == 0)
		free(map_remove(&h->peers, peer));
	return true;
}

static bool serve_connect(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_connect *q = question;
	struct user_connect_answer *r = answer;
	struct net_address from;
	struct client_verdict v;

	(void)a;
	if (!net_address_parse(q->peer, &from))
		return fail(e, FAULT_PERM, "%s is no IP address", LOGQ(q->peer));
	v = client_connect(limits, &from, q->is_submission, time_mono());
	if (v.allow)
		hold(l, q->peer);
	r->allow = v.allow;
	r->why = str_from_z(v.text);
	return true;
}

static void hear_disconnect(struct link *l, void *tell)
{
	struct user_disconnect *t = tell;
	struct net_address from;

	if (net_address_parse(t->peer, &from) && let_go(l, t->peer))
		client_disconnect(limits, &from, time_mono());
}

static bool serve_letter(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_letter *q = question;
	struct user_letter_answer *r = answer;
	struct net_address from;
	struct client_verdict v;

	(void)l, (void)a;
	if (!net_address_parse(q->peer, &from))
		return fail(e, FAULT_PERM, "%s is no IP address", LOGQ(q->peer));
	v = client_letter(limits, &from, time_mono());
	r->allow = v.allow;
	r->why = str_from_z(v.text);
	return true;
}

void clients_unlinked(struct link *l)
{
	struct held *h = l->state;
	struct net_address from;
	struct str peer;
	void *value;

	if (!h)
		return;
	for (size_t i = 0; map_next(&h->peers, &i, &peer, &value);) {
		struct count *c = value;

		for (; c->n && net_address_parse(peer, &from); c->n--)
			client_disconnect(limits, &from, time_mono());
		free(c);
	}
	map_end(&h->peers);
	free(h);
	l->state = NULL;
}

bool clients_open(struct err *e)
{
	ipc_serve(IPC_user_connect, serve_connect);
	ipc_hear(IPC_user_disconnect, hear_disconnect);
	ipc_serve(IPC_user_letter, serve_letter);
	return apply(e);
}
