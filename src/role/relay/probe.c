/* probe.c — for `waxwing doctor`: what does a server at this address say to a stranger?
 *
 * It may be one of our own listeners.  Nothing is sent: envelopes are tried up to RCPT and taken back. */
#include "role/relay/peer.h"
#include "role/relay/relay.h"

#include "fiber/certificate.h"
#include "ipc/say.h"
#include "role/runtime.h"
#include "trust/dane.h"
#include "wire/address.h"

#include <arpa/inet.h>

enum { PROBE_ENVELOPES_MAX = 16, PROBE_MEMORY = 1 << 20, REPLY_MAX = 300 };
#define PROBE_WITHIN (20 * SECOND)

static bool is_path(struct str address, struct arena *a)
{
	struct smtp_path p;

	return !address.n || address_parse(address, PATH_UTF8, a, &p);
}

SUSPENDS static bool ask_path(struct peer *s, const char *verb, struct str address, struct arena *a, struct err *e)
{
	return peer_ask(s, arena_printf(a, "%s:<" STR_FMT ">", verb, STR_ARG(address)), WAIT_RCPT, e);
}

static struct ipc_reply reply_of(const struct peer *s, struct arena *a)
{
	struct buf b = buf_over((char[REPLY_MAX]){ 0 }, REPLY_MAX);

	client_reply_print(s->r, &b, REPLY_MAX - 1);
	return (struct ipc_reply){ .code = (uint16_t)s->r->code, .text = arena_str(a, buf_str(&b)) };
}

SUSPENDS static bool try_envelopes(struct peer *s, const struct relay_probe *q, struct relay_probe_answer *r, struct arena *a,
				   struct err *e)
{
	r->replies.p = ARENA_ARRAY(a, struct ipc_reply, PROBE_ENVELOPES_MAX);
	for (size_t i = 0; r->replies.p && i < q->envelopes.n && i < PROBE_ENVELOPES_MAX; i++) {
		const struct ipc_envelope *v = &q->envelopes.p[i];

		if (!is_path(v->from, a) || !is_path(v->to, a))
			return fail(e, FAULT_PERM, "this is no address");
		if (!ask_path(s, "MAIL FROM", v->from, a, e) ||
		    (client_reply_class(s->r) == 2 && !ask_path(s, "RCPT TO", v->to, a, e)))
			return false;
		r->replies.p[r->replies.n++] = reply_of(s, a);
		if (!peer_ask(s, S("RSET"), WAIT_RSET, e))
			return false;
	}
	return true;
}

/* As a server that obeys DANE would look at it (RFC 7672). */
SUSPENDS static bool demand_dane(struct tls_want *w, const struct relay_probe *q, struct arena *a, struct err *e)
{
	struct dns_tlsas found;
	enum dane_kind kind;

	if (!dns_tlsa(arena_printf(a, "_%u._tcp." STR_FMT, q->port, STR_ARG(q->name)), a, &found, e))
		return false;
	kind = dane_judge(found.said.outcome != DNS_TEMP && found.said.outcome != DNS_BOGUS, found.said.is_secure, found.p, found.n);
	if (kind != DANE_VERIFY)
		return fail(e, FAULT_PEER, "no TLSA records that can be used");
	w->use = TLS_USE_ALWAYS;
	w->trust = TLS_TRUST_DANE;
	w->by = "DANE";
	w->tlsa = found.p;
	w->n_tlsa = found.n;
	return true;
}

SUSPENDS static bool want_of(const struct relay_probe *q, struct tls_want *w, struct arena *a, struct err *e)
{
	*w = (struct tls_want){ .use = TLS_USE_IF_OFFERED, .trust = TLS_TRUST_ANYBODY, .by = "", .host = q->name };
	switch (q->tls) {
	case RELAY_TEST_WRAPPED:
		w->is_wrapped = true;
		return true;
	case RELAY_TEST_CLEAR:
		w->use = TLS_USE_NEVER;
		return true;
	case RELAY_PROBE_DANE:
		return demand_dane(w, q, a, e);
	default:
		return true;
	}
}

static void tell(struct relay_probe_answer *r, const struct peer *s, struct arena *a)
{
	char z[INET6_ADDRSTRLEN] = "";
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff }, nowhere[16];

	if (memcmp(s->from, v4, sizeof(v4)) == 0)
		inet_ntop(AF_INET, s->from + 12, z, sizeof(z));
	else if (memcmp(s->from, nowhere, sizeof(nowhere)) != 0)
		inet_ntop(AF_INET6, s->from, z, sizeof(z));
	r->from = arena_str(a, str_from_z(z));
	r->greeting = arena_str(a, str_from_z(s->server));
	r->tls = arena_str(a, str_from_z(s->tls));
	r->is_verified = s->is_verified;
	if (s->c.ssl)
		r->trouble = tls_client_trouble(s->c.ssl);
	r->stage = s->stage == STAGE_READY ? RELAY_PROBE_DONE : s->stage == STAGE_STARTTLS ? RELAY_PROBE_GREETED :
		   z[0] ? RELAY_PROBE_CONNECTED : RELAY_PROBE_NOTHING;
}

/* Our own address of that kind, if the configuration names one. */
static const struct conf_net *source_for(bool is_v4)
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	const struct conf_nets *all = &conf_now()->outbound.sources;

	for (size_t i = 0; i < all->n; i++)
		if ((memcmp(all->p[i].addr, v4, sizeof(v4)) == 0) == is_v4)
			return &all->p[i];
	return NULL;
}

SUSPENDS static bool serve_probe(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	struct relay_probe *q = question;
	struct relay_probe_answer *r = answer;
	struct dns_address to = { 0 };
	struct tls_want want;
	struct peer_call c = { .host = q->name, .address = &to, .port = q->port, .tls = &want, .helo = q->helo, .may_be_us = true };
	struct peer s = { .c.fd = -1 };
	struct err why = { 0 };
	bool ok = false;

	(void)l;
	a->limit = PROBE_MEMORY;
	if (!dns_address_read(q->address, to.addr) || (q->helo.n && !host_name_valid(q->helo)))
		return fail(e, FAULT_PERM, "no such address or name");
	to.is_v4 = memcmp(to.addr, v4, sizeof(v4)) == 0;
	c.source = source_for(to.is_v4);
	WITHIN(PROBE_WITHIN) {
		ok = want_of(q, &want, a, &why) && peer_open(&s, &c, &why);
		tell(r, &s, a);
		ok = ok && try_envelopes(&s, q, r, a, &why);
		peer_quit(&s);
	}
	if (!ok)
		r->why = arena_str(a, str_from_z(why.text));
	return true;
}

void probe_serve(void)
{
	ipc_serve(IPC_relay_probe, serve_probe);
}
