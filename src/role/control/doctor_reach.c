/* doctor_reach.c — connections, made by `relay`: port25-out, open-relay. */
#include "role/control/doctor_listeners.h"

#include "ipc/relay_say.h"

#define PROBE_WITHIN (12 * SECOND)
enum { MX_TRIED = 2 };

/* -- where we listen ---------------------------------------------------------- */

static bool is_loopback(struct str address)
{
	return str_starts(address, S("127.")) || str_eq(address, S("::1"));
}

/* In a laboratory the world itself is on loopback: what we send from is not local. */
static bool is_local(const struct patient *p, struct str address)
{
	for (size_t i = 0; i < p->n_sends; i++)
		if (str_eq(p->sends[i].text, address))
			return false;
	return is_loopback(address);
}

static bool is_anywhere(struct str address)
{
	return str_eq(address, S("*")) || str_eq(address, S("0.0.0.0")) || str_eq(address, S("::"));
}

static bool is_taken_by(const struct conf_listen *l, bool is_v4)
{
	return str_eq(l->addr, S("*")) || is_v4 == str_eq(l->addr, S("0.0.0.0"));
}

size_t listeners_gather(const struct patient *p, bool with_local, struct reach to[LISTENERS_MAX])
{
	const struct conf_listens *all = &conf_now()->listens;
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct conf_listen *l = &all->p[i];

		if ((l->proto != CONF_SMTP && l->proto != CONF_SUBMISSION) || l->port == 0)
			continue;
		if (!is_anywhere(l->addr)) {
			if (n < LISTENERS_MAX && (with_local || !is_local(p, l->addr)))
				to[n++] = (struct reach){ l, l->addr };
			continue;
		}
		/* behind another address there is nothing to be reached from here */
		for (size_t k = 0; k < p->n_sends && !p->is_behind_nat && n < LISTENERS_MAX; k++)
			if (is_taken_by(l, p->sends[k].is_v4))
				to[n++] = (struct reach){ l, p->sends[k].text };
		if ((p->is_behind_nat || !p->n_sends) && n < LISTENERS_MAX)
			to[n++] = (struct reach){ l, p->sources.v4.n ? p->sources.v4 : S("127.0.0.1") };
	}
	return n;
}

struct relay_probe probe_of(const struct patient *p, const struct reach *r)
{
	return (struct relay_probe){ .address = r->address, .port = r->l->port, .name = p->hostname,
				     .tls = r->l->tls == CONF_TLS_WRAPPED ? RELAY_TEST_WRAPPED : RELAY_TEST_STARTTLS };
}

struct str reach_text(const struct reach *r, struct arena *a)
{
	bool is_v6 = str_has(r->address, ':');

	return arena_printf(a, "%s %s" STR_FMT "%s:%u", conf_proto_name(r->l->proto), is_v6 ? "[" : "", STR_ARG(r->address),
			    is_v6 ? "]" : "", r->l->port);
}

/* -- port25-out --------------------------------------------------------------- */

/* Domains whose servers take mail from everybody, and whose web servers know the time (doctor_machine.c). */
static const struct str big_domains[] = { S("gmail.com"), S("outlook.com"), S("gmx.net") };

SUSPENDS static bool try_address(struct patient *p, struct str host, const struct our_address *to, bool *ret_good, struct err *e)
{
	struct relay_probe q = { .address = to->text, .port = 25, .tls = RELAY_TEST_CLEAR, .name = host };
	struct relay_probe_answer r = { 0 };
	bool ok = false;

	WITHIN(PROBE_WITHIN)
		ok = relay_probe(link_to_instance(ROLE_RELAY, 0), &q, &r, p->a, e);
	if (!ok && e->fault == FAULT_CANCEL)
		return false;
	*ret_good = ok && r.stage == RELAY_PROBE_DONE;
	if (*ret_good)
		note(p, GRADE_OK, STR_FMT " [" STR_FMT "] answers to " STR_FMT, STR_ARG(host), STR_ARG(to->text), STR_ARG(r.from));
	else
		note(p, GRADE_SKIPPED, STR_FMT " [" STR_FMT "]: " STR_FMT, STR_ARG(host), STR_ARG(to->text),
		     STR_ARG(ok ? r.why : S("no answer")));
	return true;
}

SUSPENDS static bool try_domain(struct patient *p, struct str domain, unsigned *tried, bool *ret_good, struct err *e)
{
	struct trust_answer found;
	struct dns_mx mx;

	if (!p->dns.ask(p->dns.ctx, domain, DNS_MX, p->a, &found, e))
		return false;
	for (size_t i = 0; i < found.n && i < MX_TRIED && !*ret_good; i++) {
		struct addresses to;

		if (!dns_mx_parse(found.p[i], p->a, &mx) || !mx.is_host)
			continue;
		if (!ask_addresses(p, mx.host, &to, e))
			return false;
		if (to.n) {
			++*tried;
			if (!try_address(p, mx.host, &to.p[0], ret_good, e))
				return false;
		}
	}
	return true;
}

SUSPENDS bool doctor_port25_out(struct patient *p, struct err *e)
{
	struct str ours = patient_sends_text(p);
	unsigned tried = 0;
	bool good = false;

	if (leaves_by_another(p))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(big_domains) && !good; i++)
		if (!try_domain(p, big_domains[i], &tried, &good, e))
			return false;
	if (good)
		return true;
	if (!tried) {
		note(p, GRADE_SKIPPED, "no server to try was found in the DNS: see resolver");
		return true;
	}
	note(p, GRADE_FAIL, "none of %u large mail servers could be reached on port 25", tried);
	remedy(p, "Open outgoing TCP port 25 in your firewall. Many providers close it until they are asked; if yours does not open "
		  "it, send by a server of his: outbound { route * via smtp://HOST:587 user NAME secret:PATH }.");
	ticket(p, "Please open outgoing TCP port 25 (SMTP) for our server " STR_FMT " (" STR_FMT "). It is a mail server for our own "
		  "domains; its reverse DNS entry is set.", STR_ARG(ours), STR_ARG(p->hostname));
	return true;
}

/* -- open-relay --------------------------------------------------------------- */

/* A name that nobody has (RFC 2606), for a greeting, a sender and a recipient of nowhere. */
#define STRANGER "doctor.invalid"
#define NOWHERE "relay-test@example.com"

/* From a stranger, and in our own name. */
static void add_envelopes(struct patient *p, struct relay_probe *q)
{
	const struct conf_domains *d = &conf_now()->domains;
	struct str ours = d->n ? d->p[0].name : p->hostname;
	struct ipc_envelope *v = q->envelopes.p = ARENA_ARRAY(p->a, struct ipc_envelope, 2);

	if (!v)
		return;
	v[q->envelopes.n++] = (struct ipc_envelope){ S("relay-test@example.net"), S(NOWHERE) };
	v[q->envelopes.n++] = (struct ipc_envelope){ arena_printf(p->a, "postmaster@" STR_FMT, STR_ARG(ours)), S(NOWHERE) };
}

static bool is_of_our_networks(struct str address)
{
	uint8_t addr[16];

	return dns_address_read(address, addr) && conf_network_of(&conf_now()->submission.networks, addr);
}

SUSPENDS static bool try_listener(struct patient *p, const struct reach *r, struct err *e)
{
	struct relay_probe q = probe_of(p, r);
	struct relay_probe_answer got = { 0 };
	struct str where = reach_text(r, p->a);
	size_t taken = 0;
	bool ok = false;

	q.helo = S(STRANGER);
	add_envelopes(p, &q);
	WITHIN(PROBE_WITHIN)
		ok = relay_probe(link_to_instance(ROLE_RELAY, 0), &q, &got, p->a, e);
	if (!ok && e->fault == FAULT_CANCEL)
		return false;
	if (!ok || (!got.replies.n && got.stage < RELAY_PROBE_GREETED)) {
		note(p, GRADE_WARN, STR_FMT " cannot be tried: " STR_FMT, STR_ARG(where), STR_ARG(ok ? got.why : str_from_z(e->text)));
		remedy(p, "Is the address of the `listen` line one of this machine, and does its firewall let the server reach itself?");
		return true;
	}
	while (taken < got.replies.n && got.replies.p[taken].code / 100 != 2)
		taken++;
	if (taken == got.replies.n) {
		note(p, GRADE_OK, STR_FMT " refuses: " STR_FMT, STR_ARG(where), STR_ARG(got.replies.n ? got.replies.p[0].text : got.why));
	} else if (is_of_our_networks(got.from)) {
		note(p, GRADE_OK, STR_FMT " takes letters from " STR_FMT " to anywhere, since a network of submission has it",
		     STR_ARG(where), STR_ARG(got.from));
	} else {
		note(p, GRADE_FAIL, STR_FMT " takes a letter from <" STR_FMT "> to <" STR_FMT ">: " STR_FMT, STR_ARG(where),
		     STR_ARG(q.envelopes.p[taken].from), STR_ARG(q.envelopes.p[taken].to), STR_ARG(got.replies.p[taken].text));
		remedy(p, "Find which line lets it: waxwing test address " STR_FMT ", then the `network`, `domains` and `users` lines "
			  "of waxwing.conf.", STR_ARG(q.envelopes.p[taken].to));
	}
	return true;
}

/* A network of `submission` in which the whole world is: no connection of our own would show that. */
static void judge_networks(struct patient *p)
{
	static const struct str strangers[] = { S("192.0.2.1"), S("198.51.100.1"), S("203.0.113.1"), S("2001:db8::1") };
	uint8_t addr[16];

	for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
		const struct conf_network *n = dns_address_read(strangers[i], addr) ?
			conf_network_of(&conf_now()->submission.networks, addr) : NULL;

		if (!n)
			continue;
		note(p, GRADE_FAIL, "a network of submission (line %u of waxwing.conf) has strangers in it, such as " STR_FMT,
		     n->pos.line, STR_ARG(strangers[i]));
		remedy(p, "Name in `submission { network … }` only addresses of your own machines.");
		return;
	}
}

SUSPENDS bool doctor_open_relay(struct patient *p, struct err *e)
{
	struct reach all[LISTENERS_MAX];
	size_t n = listeners_gather(p, false, all);

	judge_networks(p);
	for (size_t i = 0; i < n; i++)
		if (!try_listener(p, &all[i], e))
			return false;
	if (!p->f->n)
		note(p, GRADE_SKIPPED, "strangers cannot reach this server: it listens on loopback addresses alone");
	return true;
}
