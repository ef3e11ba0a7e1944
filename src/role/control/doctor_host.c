/* doctor_host.c — names and addresses of the server: host-name, ptr, helo, ipv6. */
#include "role/control/doctor.h"

#include "fiber/certificate.h"
#include "trust/iprev.h"

/* Names that are nobody's in the public DNS (RFC 6761, RFC 6762, RFC 9476 and habit). */
static bool is_local_name(struct str host)
{
	static const struct str ends[] = { S(".local"), S(".localdomain"), S(".localhost"), S(".lan"), S(".home"), S(".internal"),
					   S(".home.arpa"), S(".invalid"), S(".alt") };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (str_ends_nocase(host, ends[i]))
			return true;
	return false;
}

SUSPENDS bool doctor_host_name(struct patient *p, struct err *e)
{
	struct addresses found;

	if (!host_name_valid(p->hostname) || !str_has(p->hostname, '.') || is_local_name(p->hostname)) {
		note(p, GRADE_FAIL, STR_FMT " is no name that others could look up", STR_ARG(p->hostname));
		remedy(p, "Give the server a full name below a domain of yours: hostname mail.YOURDOMAIN in waxwing.conf, and an A "
			  "record for it.");
		return true;
	}
	if (!ask_addresses(p, p->hostname, &found, e))
		return false;
	if (found.n) {
		for (size_t i = 0; i < found.n; i++)
			note(p, GRADE_OK, STR_FMT " has the address " STR_FMT, STR_ARG(p->hostname), STR_ARG(found.p[i].text));
		return true;
	}
	if (found.outcome == DNS_TEMP || found.outcome == DNS_BOGUS)
		return note_unclear(p, p->hostname, "A", found.outcome);
	note(p, GRADE_FAIL, STR_FMT " has no address in the DNS (%s)", STR_ARG(p->hostname), dns_outcome_name(found.outcome));
	remedy(p, "Publish  " STR_FMT ". A " STR_FMT, STR_ARG(p->hostname), STR_ARG(p->n_sends ? p->sends[0].text : S("YOUR-ADDRESS")));
	return true;
}

static void ask_for_ptr(struct patient *p, const struct our_address *one)
{
	remedy(p, "Have the PTR record of " STR_FMT " set to " STR_FMT ". Whoever gave you the address can do that, often in his "
		  "web panel (\"reverse DNS\").%s", STR_ARG(one->text), STR_ARG(p->hostname),
	       one->is_v4 ? "" : " Until then `outbound { ipv6 off }` sends by IPv4.");
	ticket(p, "Please set the reverse DNS entry (PTR record) of " STR_FMT " to " STR_FMT ". The forward record of that name "
		  "leads to this address.", STR_ARG(one->text), STR_ARG(p->hostname));
}

SUSPENDS static bool judge_ptr(struct patient *p, const struct our_address *one, enum grade bad, struct err *e)
{
	struct iprev r;

	if (!iprev_check(&p->dns, one->addr, p->a, &r, e))
		return false;
	switch (r.result) {
	case IPREV_PASS:
		note(p, GRADE_OK, STR_FMT " is " STR_FMT, STR_ARG(one->text), STR_ARG(r.name));
		return true;
	case IPREV_TEMPERROR:
		note(p, GRADE_WARN, STR_FMT ": " STR_FMT, STR_ARG(one->text), STR_ARG(r.why));
		remedy(p, "Try again later; if it stays so, write to whoever gave you the address that his name servers for it "
			  "do not answer.");
		return true;
	case IPREV_FAIL:
		note(p, bad, STR_FMT " has the name " STR_FMT ", which does not lead back to it", STR_ARG(one->text),
		     STR_ARG(r.name));
		break;
	case IPREV_PERMERROR:
		note(p, bad, STR_FMT " has no name (no PTR record)", STR_ARG(one->text));
		break;
	}
	ask_for_ptr(p, one);
	return true;
}

SUSPENDS bool doctor_ptr(struct patient *p, struct err *e)
{
	if (leaves_by_another(p))
		return true;
	for (size_t i = 0; i < p->n_sends; i++)
		if (p->sends[i].is_v4 && !judge_ptr(p, &p->sends[i], GRADE_FAIL, e))
			return false;
	if (!p->f->n)
		note(p, GRADE_SKIPPED, "we have no public IPv4 address that is known here");
	return true;
}

SUSPENDS bool doctor_ipv6(struct patient *p, struct err *e)
{
	enum conf_ipv6 use = conf_now()->outbound.ipv6;

	if (leaves_by_another(p))
		return true;
	for (size_t i = 0; i < p->n_sends; i++)
		if (!p->sends[i].is_v4 && !judge_ptr(p, &p->sends[i], use == CONF_IPV6_ON ? GRADE_FAIL : GRADE_WARN, e))
			return false;
	if (p->f->grade >= GRADE_WARN && use == CONF_IPV6_IF_PTR)
		note(p, GRADE_OK, "until it has a name letters leave by IPv4 alone (ipv6 only-if-ptr)");
	if (!p->f->n)
		note(p, GRADE_SKIPPED, use == CONF_IPV6_OFF ? "letters leave by IPv4 alone (ipv6 off)" :
		     "this machine has no public IPv6 address");
	return true;
}

/* -- helo --------------------------------------------------------------------- */

static bool leads_to(const struct addresses *found, const struct our_address *one)
{
	for (size_t i = 0; i < found->n; i++)
		if (is_same_address(found->p[i].addr, one->addr))
			return true;
	return false;
}

/* Has the address a name that leads back to it, and is none of its names ours?  One that does not is the matter of ptr. */
SUSPENDS static bool ask_other_name(struct patient *p, const struct our_address *one, struct str *ret, struct err *e)
{
	struct trust_texts names;
	struct iprev r;

	*ret = S("");
	if (!iprev_check(&p->dns, one->addr, p->a, &r, e) || !trust_ask_ptr(&p->dns, one->addr, p->a, &names, e))
		return false;
	for (size_t i = 0; i < names.n; i++)
		if (str_eq_nocase(names.p[i], p->hostname))
			return true;
	if (r.result == IPREV_PASS)
		*ret = r.name;
	return true;
}

SUSPENDS static bool judge_helo(struct patient *p, const struct addresses *found, const struct our_address *one, struct err *e)
{
	struct str other;

	if (!leads_to(found, one)) {
		note(p, GRADE_FAIL, "we send from " STR_FMT " and greet as " STR_FMT ", which does not lead there", STR_ARG(one->text),
		     STR_ARG(p->hostname));
		remedy(p, "Publish  " STR_FMT ". %s " STR_FMT "  (or send from an address that the name has: outbound { source "
			  "ADDRESS }).", STR_ARG(p->hostname), one->is_v4 ? "A" : "AAAA", STR_ARG(one->text));
		return true;
	}
	if (!ask_other_name(p, one, &other, e))
		return false;
	if (!other.n) {
		note(p, GRADE_OK, "we greet as " STR_FMT " from " STR_FMT ", where the name leads", STR_ARG(p->hostname),
		     STR_ARG(one->text));
		return true;
	}
	note(p, GRADE_WARN, "we greet as " STR_FMT " from " STR_FMT ", whose name is " STR_FMT, STR_ARG(p->hostname),
	     STR_ARG(one->text), STR_ARG(other));
	remedy(p, "Let both be the same: the PTR record of " STR_FMT " to " STR_FMT ", or hostname " STR_FMT " in waxwing.conf.",
	       STR_ARG(one->text), STR_ARG(p->hostname), STR_ARG(other));
	ticket(p, "Please set the reverse DNS entry (PTR record) of " STR_FMT " to " STR_FMT ".", STR_ARG(one->text),
	       STR_ARG(p->hostname));
	return true;
}

SUSPENDS bool doctor_helo(struct patient *p, struct err *e)
{
	struct addresses found;

	if (leaves_by_another(p))
		return true;
	if (!ask_addresses(p, p->hostname, &found, e))
		return false;
	if (!found.n) {
		note(p, GRADE_SKIPPED, STR_FMT " has no address: see host-name", STR_ARG(p->hostname));
		return true;
	}
	for (size_t i = 0; i < p->n_sends; i++)
		if (!judge_helo(p, &found, &p->sends[i], e))
			return false;
	if (p->is_behind_nat)
		note(p, GRADE_OK, "the machine has private addresses alone; the world is taken to see those of the host name");
	if (!p->f->n)
		note(p, GRADE_SKIPPED, "we have no public address that is known here");
	return true;
}
