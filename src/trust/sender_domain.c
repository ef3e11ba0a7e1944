/* sender_domain.c — see sender_domain.h. */
#include "trust/sender_domain.h"

static bool end(struct sender_domain *ret, enum sender_domain_result result, struct str why)
{
	*ret = (struct sender_domain){ result, why };
	return true;
}

static bool is_unsure(enum dns_outcome o)
{
	return o == DNS_TEMP || o == DNS_BOGUS;
}

/* RFC 7505 §3: alone, and its preference does not matter. */
static bool is_null_mx(const struct trust_answer *r, struct arena *a)
{
	struct dns_mx mx;

	return r->n == 1 && dns_mx_parse(r->p[0], a, &mx) && str_eq(mx.host, S("."));
}

bool sender_domain_check(const struct trust_dns *dns, struct str domain, struct arena *a,
			 struct sender_domain *ret, struct err *e)
{
	struct trust_answer mx, v4, v6 = { 0 };

	if (!dns->ask(dns->ctx, domain, DNS_MX, a, &mx, e))
		return false;
	if (is_unsure(mx.outcome))
		return end(ret, SENDER_DOMAIN_TEMP,
			   S("the domain's MX records could not be asked for"));
	if (mx.outcome == DNS_NO_NAME)
		return end(ret, SENDER_DOMAIN_NONE, S("there is no such domain"));
	if (mx.n)
		return is_null_mx(&mx, a)
			       ? end(ret, SENDER_DOMAIN_NULL_MX,
				     S("the domain says that it takes no mail (null MX)"))
			       : end(ret, SENDER_DOMAIN_GOOD, S(""));
	/* without MX its addresses are its mail servers (RFC 5321 §5.1) */
	if (!dns->ask(dns->ctx, domain, DNS_A, a, &v4, e) ||
	    (v4.n == 0 && !dns->ask(dns->ctx, domain, DNS_AAAA, a, &v6, e)))
		return false;
	if (v4.n || v6.n)
		return end(ret, SENDER_DOMAIN_GOOD, S(""));
	if (is_unsure(v4.outcome) || is_unsure(v6.outcome))
		return end(ret, SENDER_DOMAIN_TEMP,
			   S("the domain's addresses could not be asked for"));
	return end(ret, SENDER_DOMAIN_NONE, S("the domain has neither MX nor address records"));
}
