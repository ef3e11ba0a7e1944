/* test.c — `waxwing test smtp` and `test address`: what would happen to a letter, step by step, without one. */
#include "role/relay/peer.h"
#include "role/relay/relay.h"

#include "ipc/say.h"
#include "role/runtime.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { TEST_TARGETS = 4, STEPS_MEMORY = 1 << 20 };

struct test {
	struct peer_steps steps;
	struct targets *all;
	struct target_rules rules;
	const struct conf_route *route;
	const struct mtasts_policy *sts;
	bool is_dry;             /* no connection is made */
};

static void tell_address(struct test *t, const struct target *to, const struct dns_address *a)
{
	char z[INET6_ADDRSTRLEN] = "";

	inet_ntop(a->is_v4 ? AF_INET : AF_INET6, a->is_v4 ? a->addr + 12 : a->addr, z, sizeof(z));
	steps_addf(&t->steps, "address", true, STR_FMT " has %s", STR_ARG(str_head(to->name, 200)), z);
}

static void tell_dane(struct test *t, const struct target *to)
{
	size_t usable = 0;

	for (size_t i = 0; i < to->n_tlsa; i++)
		usable += dane_is_usable(&to->tlsa[i]);
	switch (to->dane) {
	case DANE_NONE:
		steps_addf(&t->steps, "dane", true, "no TLSA records that DNSSEC proves");
		return;
	case DANE_ENCRYPT:
		steps_addf(&t->steps, "dane", true, "%zu TLSA records, none of use: TLS is demanded", to->n_tlsa);
		return;
	case DANE_VERIFY:
		steps_addf(&t->steps, "dane", true, "%zu TLSA records of use of %zu at " STR_FMT ": one must fit", usable,
			   to->n_tlsa, STR_ARG(str_head(to->base, 200)));
		return;
	case DANE_DEFER:
		steps_addf(&t->steps, "dane", false, "%s: this server is not used", to->why);
		return;
	}
}

static void tell_sts(struct test *t, struct str host)
{
	static const char *const words[] = {
		[STS_TESTING_OK] = "the policy (testing) names it", [STS_TESTING_BAD] = "the policy (testing) does not name it",
		[STS_ENFORCE_OK] = "the policy (enforce) names it: a right certificate is demanded",
		[STS_ENFORCE_BAD] = "the policy (enforce) does not name it: it is not used",
	};
	enum sts_verdict v = t->all->is_by_mx ? sts_judge(t->sts, host) : STS_NOTHING;

	if (v != STS_NOTHING)
		steps_addf(&t->steps, "mta-sts", v != STS_ENFORCE_BAD && v != STS_TESTING_BAD, "%s", words[v]);
}

SUSPENDS static bool call(struct test *t, const struct target *to, const struct tls_want *want)
{
	struct err e;
	bool ok = false;

	for (size_t i = 0; i < to->n && !ok; i++) {
		struct peer s = { .c.fd = -1, .steps = &t->steps };
		struct peer_call c = { .host = to->name, .address = &to->address[i], .port = to->port, .tls = want };

		ok = peer_open(&s, &c, &e);
		if (!ok) {
			steps_add(&t->steps, "end", false, str_from_z(e.text));
			peer_end(&s);
			continue;
		}
		if (s.is_esmtp) {
			struct buf b = buf_over((char[256]){ 0 }, 256);

			smtp_extensions_print(&s.ext, &b);
			steps_add(&t->steps, "extensions", true, buf_str(&b));
		}
		peer_quit(&s);
	}
	return ok;
}

SUSPENDS static bool one_target(struct test *t, struct arena *a, size_t i)
{
	struct target *to = &t->all->target[i];
	struct tls_want want;
	struct err e;

	if (!to->is_resolved && !targets_resolve(&resolver_dns, &t->rules, t->all, i, a, &e))
		return false;
	if (i >= t->all->n) {
		steps_addf(&t->steps, "host", false, STR_FMT " is this server: it and all that are no better are left out",
			   STR_ARG(str_head(to->name, 200)));
		return false;
	}
	steps_addf(&t->steps, "host", to->n > 0, "%u " STR_FMT "%s%s", to->preference, STR_ARG(str_head(to->name, 200)),
		   to->why[0] ? ": " : "", to->why);
	for (size_t k = 0; k < to->n; k++)
		tell_address(t, to, &to->address[k]);
	if (!to->n)
		return false;
	tell_dane(t, to);
	tell_sts(t, to->name);
	if (!tls_want_of(to, t->all, t->route, conf_now()->outbound.tls, t->sts, &want, &e)) {
		steps_add(&t->steps, "tls", false, str_from_z(e.text));
		return false;
	}
	steps_addf(&t->steps, "tls", true, "%s%s%s%s", tls_want_name(&want), want.by[0] ? " (" : "", want.by,
		   want.by[0] ? ")" : "");
	return t->is_dry || call(t, to, &want);
}

SUSPENDS static bool run(struct test *t, struct str destination, struct arena *a)
{
	enum targets_end end;
	struct err e;
	bool any = false;

	t->all = ARENA_NEW(a, struct targets);
	if (!t->all || !targets_find(&resolver_dns, &t->rules, destination, t->route, a, t->all, &end, &e))
		return false;
	if (end != TARGETS_FOUND) {
		steps_add(&t->steps, "dns", false, str_from_z(t->all->why));
		return false;
	}
	steps_addf(&t->steps, "route", true, "%s", !t->all->is_by_mx ? "one server, named" :
		   t->all->is_mx_secure ? "by MX, proven by DNSSEC" : "by MX");
	for (size_t i = 0; i < t->all->n && i < TEST_TARGETS; i++)
		any |= one_target(t, a, i);
	return any;
}

static void answer_steps(const struct peer_steps *from, struct ipc_relay_step **ret, size_t *ret_n, struct arena *a)
{
	*ret = ARENA_ARRAY(a, struct ipc_relay_step, from->n ? from->n : 1);
	for (*ret_n = 0; *ret && *ret_n < from->n; (*ret_n)++)
		(*ret)[*ret_n] = (struct ipc_relay_step){ .what = str_from_z(from->p[*ret_n].what),
			.is_good = from->p[*ret_n].is_good, .text = from->p[*ret_n].text };
}

static bool is_address(struct str s)
{
	uint8_t addr[16];
	char z[INET6_ADDRSTRLEN];

	if (s.n == 0 || s.n >= sizeof(z))
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	return inet_pton(AF_INET, z, addr) == 1 || inet_pton(AF_INET6, z, addr) == 1;
}

/* A port, an address or smtps mean this one server; else the name is a domain, and its servers are meant. */
SUSPENDS static bool serve_test(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	static const enum conf_demand demands[RELAY_TEST_TLS_COUNT] = {
		[RELAY_TEST_STARTTLS] = CONF_TLS_IF_OFFERED, [RELAY_TEST_WRAPPED] = CONF_TLS_ENCRYPT,
		[RELAY_TEST_CLEAR] = CONF_TLS_NEVER, [RELAY_TEST_VERIFY] = CONF_TLS_VERIFY,
	};
	struct relay_test *q = question;
	struct relay_test_answer *r = answer;
	struct test t = { .steps.a = a, .rules = relay_rules(conf_now()) };
	struct conf_route route = { .host = q->host, .port = q->port, .has_tls = true,
				    .is_wrapped = q->tls == RELAY_TEST_WRAPPED };

	(void)l;
	a->limit = STEPS_MEMORY;
	if (q->tls >= RELAY_TEST_TLS_COUNT || !q->host.n)
		return fail(e, FAULT_PERM, "no such test");
	route.tls = demands[q->tls];
	if (q->tls == RELAY_TEST_STARTTLS)
		route.has_tls = false;
	if (!route.port)
		route.port = route.is_wrapped ? 465 : 25;
	route.is_mx = !q->port && !route.is_wrapped && !is_address(q->host);
	t.route = &route;
	t.sts = policy_read(q->sts, INT64_MAX, a);
	r->is_ok = run(&t, q->host, a);
	answer_steps(&t.steps, &r->steps.p, &r->steps.n, a);
	return true;
}

SUSPENDS static bool serve_explain(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct relay_explain *q = question;
	struct relay_explain_answer *r = answer;
	struct test t = { .steps.a = a, .rules = relay_rules(conf_now()), .is_dry = true };

	(void)l;
	a->limit = STEPS_MEMORY;
	t.route = conf_route_at(conf_now(), q->route);
	if (q->route && !t.route)
		return fail(e, FAULT_PERM, "there is no such route");
	t.sts = policy_read(q->sts, INT64_MAX, a);
	r->is_ok = run(&t, q->domain, a);
	answer_steps(&t.steps, &r->steps.p, &r->steps.n, a);
	return true;
}

void test_serve(void)
{
	ipc_serve(IPC_relay_test, serve_test);
	ipc_serve(IPC_relay_explain, serve_explain);
}
