/* clients.c — who may connect and send, counted for all copies of smtpd and of login. */
#include "role/user/user.h"

#include "base/log.h"
#include "user/client_limits.h"
#include "user/conduct.h"

#include <stdlib.h>

enum { V4_PREFIX = 96, LOOPBACKS = 2 };

static struct client_limits *limits;     /* of smtpd */
static struct client_limits *login_limits;
static struct network *exempt;           /* friends, unlimited, this machine */
static size_t n_exempt;

/* What one copy holds: a peer's words → how many connections. */
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

static bool set_limits(struct client_limits **to, const struct client_limits_conf *c, struct err *e)
{
	if (*to)
		return client_limits_change(*to, c, e);
	*to = client_limits_open(c, e);
	return *to;
}

static bool apply_login(const struct network *friends, size_t n_friends, struct err *e)
{
	const struct conf_login *l = &conf_now()->login;

	return set_limits(&login_limits, &(struct client_limits_conf){
			.connections = l->per_client.connections,
			.connection_rate = l->per_client.opened.n, .connection_per = l->per_client.opened.per,
			.connections_all = l->max_connections, .friends = friends, .n_friends = n_friends }, e);
}

static bool apply(struct err *e)
{
	const struct conf_inbound *in = &conf_now()->inbound;
	struct network *fresh = calloc(in->friends.n + in->unlimited.n + LOOPBACKS, sizeof(*fresh));
	struct client_limits_conf c = {
		.connections = in->per_client.connections,
		.connection_rate = in->per_client.opened.n, .connection_per = in->per_client.opened.per,
		.letter_rate = in->letters.n, .letter_per = in->letters.per,
		.connections_all = in->max_connections, .submission_reserve = in->reserve_submission,
		.friends = fresh,
	};
	bool ok;

	if (!fresh)
		return fail(e, FAULT_TEMP, "out of memory");
	c.n_friends = add_nets(fresh, 0, &in->friends);
	c.n_friends = add_nets(fresh, c.n_friends, &in->unlimited);
	/* a webmail on this machine logs in for everybody */
	ok = network_parse(S("127.0.0.0/8"), &fresh[c.n_friends], e) &&
	     network_parse(S("::1"), &fresh[c.n_friends + 1], e) && set_limits(&limits, &c, e) &&
	     apply_login(fresh, c.n_friends + LOOPBACKS, e);
	if (!ok) {
		free(fresh);
		return false;
	}
	free(exempt);
	exempt = fresh;
	n_exempt = c.n_friends + LOOPBACKS;
	return true;
}

bool clients_exempt(const struct net_address *from)
{
	return network_list_has(exempt, n_exempt, from);
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
	must(l->state, "out of memory for a copy");
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

static struct client_limits *limits_of(const struct link *l)
{
	return l->peer == ROLE_LOGIN ? login_limits : limits;
}

/* smtpd writes its own records. */
static void note_refusal(const struct link *l, struct str peer, struct str why)
{
	if (l->peer == ROLE_LOGIN)
		why_connection_refused(peer, why);
}

static bool serve_connect(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_connect *q = question;
	struct user_connect_answer *r = answer;
	struct net_address from;
	struct client_verdict v;
	bool is_told;

	if (!net_address_parse(q->peer, &from))
		return fail(e, FAULT_PERM, "%s is no IP address", LOGQ(q->peer));
	if (bans_refuse(&from, &r->why, &is_told, a)) {
		r->is_told = is_told;
		if (!is_told)
			note_refusal(l, q->peer, r->why);
		return true;
	}
	v = client_connect(limits_of(l), &from, q->is_submission, time_mono());
	if (v.allow)
		hold(l, q->peer);
	r->allow = v.allow;
	r->why = str_from_z(v.text);
	if (!v.allow)
		note_refusal(l, q->peer, r->why);
	return true;
}

static void hear_disconnect(struct link *l, void *tell)
{
	struct user_disconnect *t = tell;
	struct net_address from;

	if (!net_address_parse(t->peer, &from) || !let_go(l, t->peer))
		return;
	client_disconnect(limits_of(l), &from, time_mono());
	if (t->no_host_name || t->unknown_recipients || t->errors)
		bans_judge(&from, t->peer, (unsigned[CONDUCT_KINDS]){
				[CONDUCT_NO_HOST_NAME] = t->no_host_name,
				[CONDUCT_UNKNOWN_RECIPIENTS] = t->unknown_recipients, [CONDUCT_ERRORS] = t->errors });
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
			client_disconnect(limits_of(l), &from, time_mono());
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
