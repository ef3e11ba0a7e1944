/* doctor_facts.c — what all checks share: by which addresses does the world know us? */
#include "role/control/doctor.h"

#include "dns/ask.h"
#include "role/control/dns_facts.h"
#include "role/relay/targets.h"

#include <arpa/inet.h>

bool is_same_address(const uint8_t x[16], const uint8_t y[16])
{
	return memcmp(x, y, 16) == 0;
}

static void address_set(struct our_address *to, const uint8_t addr[16], struct arena *a)
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	char z[INET6_ADDRSTRLEN] = "";

	memcpy(to->addr, addr, 16);
	to->is_v4 = memcmp(addr, v4, sizeof(v4)) == 0;
	inet_ntop(to->is_v4 ? AF_INET : AF_INET6, to->is_v4 ? addr + 12 : addr, z, sizeof(z));
	to->text = arena_str(a, str_from_z(z));
}

bool address_of_text(struct str text, struct our_address *ret, struct arena *a)
{
	uint8_t addr[16];

	if (!dns_address_read(text, addr))
		return false;
	address_set(ret, addr, a);
	return true;
}

bool patient_has(const struct patient *p, const uint8_t addr[16])
{
	uint8_t own[16];

	for (size_t i = 0; i < p->n_sends; i++)
		if (is_same_address(p->sends[i].addr, addr))
			return true;
	for (size_t i = 0; i < p->n_machine; i++)
		if (dns_address_read(p->machine[i].text, own) && is_same_address(own, addr))
			return true;
	return false;
}

bool leaves_by_another(struct patient *p)
{
	if (p->smarthost.n)
		note(p, GRADE_SKIPPED, "all letters leave by " STR_FMT ": others see its address, not ours", STR_ARG(p->smarthost));
	return p->smarthost.n;
}

struct str patient_sends_text(const struct patient *p)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4096);

	for (size_t i = 0; i < p->n_sends; i++)
		buf_addf(&b, "%s" STR_FMT, i ? ", " : "", STR_ARG(p->sends[i].text));
	return arena_str(p->a, buf_str(&b));
}

SUSPENDS static bool ask_family(struct patient *p, struct str name, uint16_t type, struct addresses *ret, struct err *e)
{
	struct trust_answer r;

	if (!p->dns.ask(p->dns.ctx, name, type, p->a, &r, e))
		return false;
	for (size_t i = 0; i < r.n && ret->n < DOCTOR_ADDRESSES_MAX; i++) {
		uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };

		if (r.p[i].n != (type == DNS_A ? 4 : 16))
			continue;
		memcpy(addr + 16 - r.p[i].n, r.p[i].p, r.p[i].n);
		address_set(&ret->p[ret->n++], addr, p->a);
	}
	if (type == DNS_A || r.outcome == DNS_FOUND)
		ret->outcome = r.outcome;
	ret->is_secure = r.is_secure;
	return true;
}

SUSPENDS bool ask_addresses(struct patient *p, struct str name, struct addresses *ret, struct err *e)
{
	*ret = (struct addresses){ 0 };
	return ask_family(p, name, DNS_A, ret, e) && ask_family(p, name, DNS_AAAA, ret, e);
}

static bool is_of_the_world(const uint8_t addr[16])
{
	return !address_is_private(addr) || conf_nets_has(&conf_now()->outbound.allow_private, addr);
}

static void add_sender(struct patient *p, const struct our_address *one)
{
	if (p->n_sends < DOCTOR_ADDRESSES_MAX && is_of_the_world(one->addr))
		p->sends[p->n_sends++] = *one;
}

static bool has_kind(const struct patient *p, bool is_v4)
{
	for (size_t i = 0; i < p->n_sends; i++)
		if (p->sends[i].is_v4 == is_v4)
			return true;
	return false;
}

/* Who mends something wants to see that at once: nothing is kept here, as dns_for_trust() does. */
SUSPENDS static bool ask_dns(void *unused, struct str name, uint16_t type, struct arena *a, struct trust_answer *ret,
			     struct err *e)
{
	struct dns_records r;

	(void)unused;
	if (!dns_raw(name, type, a, &r, e))
		return false;
	*ret = (struct trust_answer){ .outcome = r.said.outcome, .is_secure = r.said.is_secure, .p = r.p,
				      .n = r.said.outcome == DNS_FOUND ? r.n : 0 };
	return true;
}

static struct str smarthost_of(const struct conf_outbound *out)
{
	for (size_t i = 0; i < out->routes.n; i++)
		if (str_eq(out->routes.p[i].destination, S("*")) && !out->routes.p[i].from.n)
			return out->routes.p[i].is_mx ? S("") : out->routes.p[i].host;
	return S("");
}

/* What the configuration names, else what the system takes; a private one is hidden behind another, which the host
 * name should lead to. */
SUSPENDS bool patient_examine(struct patient *p, struct err *e)
{
	const struct conf_outbound *out = &conf_now()->outbound;
	struct our_address one;
	struct addresses by_name;

	p->dns = (struct trust_dns){ .ask = ask_dns };
	p->hostname = conf_now()->hostname;
	p->smarthost = smarthost_of(out);
	p->has_facts = parent_machine(self.parent, &(struct parent_machine){ 0 }, &p->facts, p->a, e);
	if (!p->has_facts && e->fault == FAULT_CANCEL)
		return false;
	if (!parent_sources(self.parent, &(struct parent_sources){ 0 }, &p->sources, p->a, e) && e->fault == FAULT_CANCEL)
		return false;
	p->machine = p->facts.addresses.p;
	p->n_machine = p->facts.addresses.n;
	for (size_t i = 0; i < out->sources.n; i++) {
		address_set(&one, out->sources.p[i].addr, p->a);
		add_sender(p, &one);
	}
	if (!has_kind(p, true) && address_of_text(p->sources.v4, &one, p->a))
		add_sender(p, &one);
	if (out->ipv6 != CONF_IPV6_OFF && !has_kind(p, false) && address_of_text(p->sources.v6, &one, p->a))
		add_sender(p, &one);
	if (has_kind(p, true))
		return true;
	if (!ask_addresses(p, p->hostname, &by_name, e))
		return false;
	for (size_t i = 0; i < by_name.n; i++)
		if (by_name.p[i].is_v4) {
			p->is_behind_nat = true;
			add_sender(p, &by_name.p[i]);
		}
	return true;
}

bool remedy_publish(struct patient *p, enum publish_kind kind, struct str owner)
{
	AUTO(buf_end) struct buf b = buf_on_heap(64 * 1024);
	struct publish_facts facts;
	struct publish_list list;
	struct err e;
	bool any = false;

	if (!dns_facts(p->domain.n ? p->domain : p->hostname, p->a, &facts, &e) || !publish_wishes(&facts, p->a, &list, &e))
		return false;
	for (size_t i = 0; i < list.n; i++) {
		const struct publish_record *r = &list.p[i];

		if (r->kind != kind || r->is_removal || (owner.n && !str_eq_nocase(r->owner, owner)))
			continue;
		buf_clear(&b);
		dns_type_print(r->type, &b);
		buf_add_char(&b, ' ');
		publish_data_print(r, &b);
		remedy(p, "Publish  " STR_FMT ". " STR_FMT, STR_ARG(r->owner), STR_ARG(buf_str(&b)));
		any = true;
	}
	return any;
}
