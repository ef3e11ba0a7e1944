/* deliver.c — a job, from the question who takes the mail to an outcome for each recipient.
 *
 * One server after the other, one address after the other, until one answers MAIL:
 * what it says then counts.  Only if every server refuses for good before that is
 * the letter refused; in all doubt it is tried again later. */
#include "role/relay/relay.h"

#include "base/id.h"
#include "base/log.h"
#include "role/relay/pool.h"
#include "role/runtime.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { CALLS_MAX = 12, WAIT_DOWN_S = 60 };       /* addresses that one job tries */

/* What went wrong so far. */
struct trouble {
	size_t calls;
	bool all_permanent;
	bool is_tls;
	char text[RELAY_TEXT_MAX];       /* of the last one, in the form of a reply */
};

struct way {
	struct job *j;
	const struct conf *conf;         /* the one that the job began with */
	struct targets *all;
	struct target_rules rules;
	const struct conf_route *route;
	const struct mtasts_policy *sts;
	struct trouble trouble;
};

struct target_rules relay_rules(const struct conf *c)
{
	return (struct target_rules){ .hostname = c->hostname, .use_v6 = c->outbound.ipv6 != CONF_IPV6_OFF,
				      .allow_private = &c->outbound.allow_private, .is_ours = our_address };
}

const struct mtasts_policy *policy_read(struct str text, int64_t until, struct arena *a)
{
	struct mtasts_policy *p;

	if (!text.n || until < time_now())
		return NULL;
	p = ARENA_NEW(a, struct mtasts_policy);
	return p && mtasts_policy_parse(text, p) ? p : NULL;
}

static void note(struct way *w, const char *code, const char *host, const char *why)
{
	w->trouble.all_permanent = false;
	snprintf(w->trouble.text, sizeof(w->trouble.text), "%s %.200s: %.300s", code, host, why);
	snprintf(w->j->why, sizeof(w->j->why), "%.80s: %.110s", host, why);
}

/* The conversation ended before a letter. */
static void note_session(struct way *w, const struct peer *s, const struct err *e)
{
	struct buf b = buf_over(w->trouble.text, sizeof(w->trouble.text) - 1);
	bool was_permanent = w->trouble.all_permanent;
	char who[PEER_NAME_MAX + PEER_ADDRESS_MAX + 2];

	snprintf(who, sizeof(who), "%s %s", s->host, s->address);
	snprintf(w->j->host, sizeof(w->j->host), "%s", s->host);
	snprintf(w->j->address, sizeof(w->j->address), "%s", s->address);
	snprintf(w->j->tls, sizeof(w->j->tls), "%s", s->tls);
	if (s->was_421)
		w->j->hint = RELAY_BUSY;
	note(w, s->stage == STAGE_STARTTLS ? "451 4.7.5" : s->stage == STAGE_AUTH ? "451 4.7.0" : "451 4.4.1", who, e->text);
	if (!s->permanent)
		return;
	w->trouble.all_permanent = was_permanent;
	if (e->fault == FAULT_PERM) {
		snprintf(w->trouble.text, sizeof(w->trouble.text), "554 5.4.6 %s: %.160s", who, e->text);
	} else {
		buf_clear(&b);
		client_reply_print(s->r, &b, RELAY_TEXT_MAX - 10);
		w->trouble.text[b.n] = '\0';
	}
}

/* -- one conversation ---------------------------------------------------------------- */

static void note_success(struct job *j, const struct peer *s)
{
	snprintf(j->host, sizeof(j->host), "%s", s->host);
	snprintf(j->address, sizeof(j->address), "%s", s->address);
	snprintf(j->tls, sizeof(j->tls), "%s", s->tls[0] ? s->tls : "none");
	j->why[0] = '\0';
}

/* All transactions that the letter needs; false: it broke before all were decided. */
SUSPENDS static bool converse(struct peer *s, struct job *j, struct err *e)
{
	size_t before;

	note_success(j, s);
	do {
		before = job_undecided(j);
		if (!transaction_run(s, j, e))
			return job_undecided(j) == 0;
	} while (job_undecided(j) && job_undecided(j) < before);
	return job_undecided(j) == 0 || fail(e, FAULT_PEER, "the server gave no answer for all recipients");
}

static struct str key_of(const struct peer_call *c, struct str address, unsigned route, struct buf *b)
{
	const struct tls_want *t = c->tls;
	unsigned char terms[DANE_TERMS];

	buf_addf(b, STR_FMT " " STR_FMT " %d %d %d %u " STR_FMT, STR_ARG(address), STR_ARG(c->host), (int)t->use,
		 (int)t->trust, t->is_wrapped, c->user.n ? route : 0, STR_ARG(t->host));
	if (t->trust == TLS_TRUST_DANE) {        /* other records may have taken the place of these meanwhile */
		dane_terms(t->also, t->n_also, t->tlsa, t->n_tlsa, terms);
		buf_add_hex(b, str_of((const char *)terms, sizeof(terms)));
	}
	return buf_str(b);
}

static struct str print_address(const struct dns_address *a, uint16_t port, char mem[PEER_ADDRESS_MAX])
{
	char z[INET6_ADDRSTRLEN] = "";

	inet_ntop(a->is_v4 ? AF_INET : AF_INET6, a->is_v4 ? a->addr + 12 : a->addr, z, sizeof(z));
	snprintf(mem, PEER_ADDRESS_MAX, a->is_v4 ? "%s:%u" : "[%s]:%u", z, port);
	return str_from_z(mem);
}

static const struct conf_net *source_for(const struct conf *c, const struct dns_address *a)
{
	const struct conf_nets *list = &c->outbound.sources;
	static const uint8_t v4[12] = { [10] = 0xff, 0xff };

	for (size_t i = 0; i < list->n; i++)
		if ((memcmp(list->p[i].addr, v4, sizeof(v4)) == 0) == a->is_v4)
			return &list->p[i];
	return NULL;
}

/* One that waits may have ended without our seeing it: then nothing is lost by a fresh one. */
SUSPENDS static bool try_kept(struct way *w, struct str key)
{
	struct pooled *p;
	struct err e;

	while ((p = pool_take(key))) {
		bool ok = converse(&p->s, w->j, &e);

		pool_give(p);
		if (ok || w->j->is_forgotten)
			return true;
	}
	return false;
}

/* True: all are decided.  *ret_tls: it was the handshake that failed. */
SUSPENDS static bool try_fresh(struct way *w, const struct peer_call *c, struct str address, struct str key,
			       bool *ret_tls)
{
	struct err e = { 0 };
	struct pooled *p = pool_new(address, key, &e);
	bool ok;

	*ret_tls = false;
	if (!p) {
		note(w, "451 4.4.5", "", e.text);
		w->j->hint = RELAY_BUSY;
		return false;
	}
	ok = peer_open(&p->s, c, &e);
	if (!ok) {
		*ret_tls = p->s.stage == STAGE_STARTTLS;
		note_session(w, &p->s, &e);
	} else {
		ok = converse(&p->s, w->j, &e);
		if (!ok)
			note_session(w, &p->s, &e);
	}
	if (!ok)
		p->s.is_broken = true;
	pool_give(p);
	return ok;
}

SUSPENDS static bool try_address(struct way *w, const struct target *to, const struct dns_address *address,
				 const struct tls_want *want)
{
	char mem[PEER_ADDRESS_MAX], key_mem[POOL_KEY_MAX];
	struct tls_want tls = *want;
	struct peer_call c = { .host = to->name, .address = address, .port = to->port, .tls = &tls,
				  .source = source_for(w->conf, address) };
	struct str at = print_address(address, to->port, mem);
	struct buf key = buf_over(key_mem, sizeof(key_mem));
	bool was_tls;

	if (w->route && w->route->user.n) {
		c.user = w->route->user;
		c.password = relay_password(w->route->secret);
	}
	if (!address->is_v4 && w->conf->outbound.ipv6 == CONF_IPV6_IF_PTR && w->all->is_by_mx && to->address[to->n - 1].is_v4)
		c.may_come_from = our_address_has_name;
	if (tls.use == TLS_USE_IF_OFFERED && pool_avoids_tls(at))
		tls.use = TLS_USE_NEVER;
	if (try_kept(w, key_of(&c, at, w->j->route, &key)))
		return true;
	w->trouble.calls++;
	if (try_fresh(w, &c, at, buf_str(&key), &was_tls))
		return true;
	/* where TLS is only better than nothing, a handshake that fails leads back to nothing (RFC 7435) */
	if (!was_tls || tls.use != TLS_USE_IF_OFFERED || !job_undecided(w->j) || w->j->is_forgotten)
		return false;
	log_info("no-tls", "msg=%s peer=%s why=%s next=\"in the clear\"", id_print(w->j->id).z, mem,
		 LOGQ(str_from_z(w->trouble.text)));
	pool_avoid_tls(at);
	tls.use = TLS_USE_NEVER;
	buf_clear(&key);
	return try_fresh(w, &c, at, key_of(&c, at, w->j->route, &key), &was_tls);
}

SUSPENDS static bool try_target(struct way *w, const struct target *to)
{
	char host[256];
	struct tls_want tls;
	struct err e;

	snprintf(host, sizeof(host), STR_FMT, STR_ARG(str_head(to->name, 255)));
	if (!to->n) {
		note(w, "451 4.4.4", host, to->why[0] ? to->why : "it has no address");
		return false;
	}
	if (!tls_want_of(to, w->all, w->route, w->conf->outbound.tls, w->sts, &tls, &e)) {
		note(w, "451 4.7.5", host, e.text);
		return false;
	}
	if (w->all->is_by_mx && sts_judge(w->sts, to->name) == STS_TESTING_BAD)
		log_info("mta-sts", "msg=%s host=%s why=\"not named by the policy, which is in testing\"",
			 id_print(w->j->id).z, LOGQ(to->name));
	for (size_t i = 0; i < to->n && w->trouble.calls < CALLS_MAX && !w->j->is_forgotten; i++)
		if (try_address(w, to, &to->address[i], &tls) || !job_undecided(w->j))
			return true;
	return false;
}

/* -- all of them ------------------------------------------------------------------------ */

SUSPENDS static void try_all(struct way *w)
{
	struct err e;

	for (size_t i = 0; i < w->all->n && w->trouble.calls < CALLS_MAX && !w->j->is_forgotten; i++) {
		if (!w->all->target[i].is_resolved &&
		    !targets_resolve(&resolver_dns, &w->rules, w->all, i, &w->j->a, &e))
			return;
		if (i < w->all->n && try_target(w, &w->all->target[i]))
			return;
	}
}

static void tell_absent(struct way *w)
{
	struct buf b = buf_over(w->trouble.text, sizeof(w->trouble.text));

	buf_add(&b, S("550 5.4.4 the DNS knows no address of "));
	for (size_t i = 0; i < w->all->n; i++) {
		buf_add(&b, i ? S(", ") : S(""));
		buf_add(&b, w->all->target[i].name);
	}
	job_decide(w->j, RELAY_NEVER, buf_str(&b));
}

static void give_up(struct way *w)
{
	struct job *j = w->j;

	if (j->is_forgotten) {
		job_decide(j, RELAY_LATER, S("451 4.4.0 the letter was taken back"));
		return;
	}
	if (!w->all->n && w->all->met_ourselves) {
		job_decide(j, RELAY_NEVER, S("554 5.4.6 the servers of the domain are this one, which does not take it: a loop"));
		return;
	}
	if (targets_have_no_address(w->all)) {
		tell_absent(w);
		return;
	}
	if (w->trouble.calls && w->trouble.all_permanent) {
		job_decide(j, RELAY_NEVER, str_from_z(w->trouble.text));
		return;
	}
	if (j->hint == RELAY_FINE) {
		j->hint = RELAY_DOWN;
		j->wait = WAIT_DOWN_S;
	}
	job_decide(j, RELAY_LATER, w->trouble.text[0] ? str_from_z(w->trouble.text) : S("451 4.4.0 no server was reached"));
}

SUSPENDS void job_deliver(struct job *j)
{
	struct way *w = ARENA_NEW(&j->a, struct way);
	enum targets_end end = TARGETS_LATER;
	struct err e;

	if (w) {
		w->j = j;
		w->all = ARENA_NEW(&j->a, struct targets);
	}
	if (!w || !w->all) {
		job_decide(j, RELAY_LATER, S("451 4.3.0 no memory"));
		return;
	}
	w->conf = &j->conf->c;
	w->rules = relay_rules(w->conf);
	w->trouble.all_permanent = true;
	w->route = conf_route_at(w->conf, j->route);
	w->sts = policy_read(j->sts_text, j->sts_until, &j->a);
	if (j->route && !w->route) {
		job_decide(j, RELAY_LATER, S("451 4.3.5 the route is no longer configured"));
		return;
	}
	if (!targets_find(&resolver_dns, &w->rules, j->destination, w->route, &j->a, w->all, &end, &e)) {
		job_decide(j, RELAY_LATER, S("451 4.4.0 the letter was taken back"));
		return;
	}
	if (end == TARGETS_FOUND) {
		try_all(w);
		if (job_undecided(j))
			give_up(w);
	} else {
		snprintf(j->why, sizeof(j->why), "%s", w->all->why);
		job_decide(j, end == TARGETS_NEVER ? RELAY_NEVER : RELAY_LATER, str_from_z(w->all->why));
	}
}
