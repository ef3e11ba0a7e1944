/* destination.c — where a letter to another server goes. */
#include "queue/destination.h"

/* What stands behind the last "@", the sender's too. */
static struct str domain_of(struct str address)
{
	size_t at = str_rfind(address, '@');

	return at < address.n ? str_from(address, at + 1) : S("");
}

/* "*", "example.org", "*.example.org": that domain and all below it. */
static bool fits(struct str pattern, struct str domain)
{
	struct str base = str_starts(pattern, S("*.")) ? str_from(pattern, 2) : pattern;

	if (str_eq(pattern, S("*")) || str_eq_nocase(base, domain))
		return true;
	return base.n < pattern.n && domain.n > base.n &&
	       str_eq_nocase(str_from(domain, domain.n - base.n), base) && str_at(domain, domain.n - base.n - 1) == '.';
}

/* The number of the way out; 0: none is named. */
static size_t route_of(const struct conf *c, struct str sender, struct str domain)
{
	for (size_t i = 0; i < c->domains.n; i++)
		if (c->domains.p[i].others.host.n && str_eq_nocase(c->domains.p[i].name, domain))
			return conf_others_number(c, i);
	for (size_t i = 0; i < c->outbound.routes.n; i++) {
		const struct conf_route *r = &c->outbound.routes.p[i];

		if (fits(r->destination, domain) && (!r->from.n || (sender.n && fits(r->from, domain_of(sender)))))
			return i + 1;
	}
	return 0;
}

void destination_of(const struct conf *c, struct str sender, struct str target, struct destination *ret)
{
	struct str domain = str_head(domain_of(target), sizeof ret->domain);
	const struct conf_route *r;

	*ret = (struct destination){ .n = domain.n };
	for (size_t i = 0; i < domain.n; i++)
		ret->domain[i] = (char)ascii_lower(str_at(domain, i));
	ret->route = (uint16_t)route_of(c, sender, destination_domain(ret));
	r = conf_route_at(c, ret->route);
	ret->is_named = r && !r->is_mx && r->host.n;
}

void destination_key(const struct destination *d, struct buf *ret)
{
	buf_addf(ret, "%u", (unsigned)d->route);
	if (d->is_named)
		return;
	buf_add_char(ret, ' ');
	buf_add(ret, destination_domain(d));
}
