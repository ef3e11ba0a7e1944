/* route_reports.c — is it where other servers send their DMARC reports?  See route.h. */
#include "user/route.h"

#include "user/domain_name.h"

static const struct str usual_name = S("dmarc-reports");

bool route_takes_reports(const struct route_world *w, struct str local, struct str domain)
{
	struct str plain = local_without_tag(local, w->subaddress);
	bool is_usual = str_eq(plain, usual_name) && route_domain_is_ours(w, domain);

	for (size_t i = 0; i < w->n_domains; i++) {
		struct str address = w->domains[i].dmarc_reports;
		size_t at = str_rfind(address, '@');

		if (address.n && str_eq(str_head(address, at), plain) && str_eq(str_from(address, at + 1), domain))
			return true;
		if (address.n && str_eq(w->domains[i].name, domain))
			is_usual = false;
	}
	return is_usual;
}
