/* arc_voucher.c — see arc_voucher.h. */
#include "trust/arc_voucher.h"

#include "trust/dmarc.h"
#include "wire/address.h"
#include "wire/auth_results.h"

static bool is_trusted(const struct conf_names *trusted, struct str domain)
{
	for (size_t i = 0; i < trusted->n; i++) {
		struct str name = trusted->p[i].text;

		if (str_eq_nocase(domain, name) ||
		    (domain.n > name.n && str_eq_nocase(str_from(domain, domain.n - name.n), name) &&
		     domain.p[domain.n - name.n - 1] == '.'))
			return true;
	}
	return false;
}

/* What a method must say of the author's domain. */
static const struct {
	const char *method, *type, *property;
	bool is_exact;           /* not only aligned */
} proofs[] = {
	{ "dmarc", "header", "from", true },
	{ "dkim", "header", "d", false },
	{ "spf", "smtp", "mailfrom", false },
};

static bool proves(const struct auth_method *m, struct str author, const struct psl_ctx_st *list, struct arena *a)
{
	if (!str_eq_nocase(m->result, S("pass")))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(proofs); i++) {
		if (!str_eq_nocase(m->name, str_from_z(proofs[i].method)))
			continue;
		for (const struct auth_property *p = m->properties; p; p = p->next) {
			struct str at = str_from(p->value, str_has(p->value, '@') ? str_rfind(p->value, '@') + 1 : 0), domain;

			if (address_domain_fold(at, a, &domain) && str_eq_nocase(p->type, str_from_z(proofs[i].type)) &&
			    str_eq_nocase(p->name, str_from_z(proofs[i].property)) &&
			    dmarc_is_aligned(domain, author, proofs[i].is_exact, list))
				return true;
		}
	}
	return false;
}

static bool saw_pass(const struct arc_set *s, struct str author, const struct psl_ctx_st *list, struct arena *a)
{
	struct auth_results said;

	if (!auth_results_parse(s->said, a, &said))
		return false;
	for (const struct auth_method *m = said.methods; m; m = m->next)
		if (proves(m, author, list, a))
			return true;
	return false;
}

struct str arc_voucher(const struct arc *r, struct str author, const struct conf_names *trusted,
		       const struct psl_ctx_st *list, struct arena *a)
{
	if (r->result != ARC_PASS)
		return (struct str){ 0 };
	/* from the last one back, as long as each is trusted: what he says of the letter before him is true */
	for (size_t i = r->n; i-- > 0 && is_trusted(trusted, r->sets[i].sealed.domain);)
		if (saw_pass(&r->sets[i], author, list, a))
			return r->sets[i].sealed.domain;
	return (struct str){ 0 };
}
