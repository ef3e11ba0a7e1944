/* psl.c — see psl.h. */
#include "trust/psl.h"

#include <libpsl.h>

#define LIST "/usr/share/publicsuffix/public_suffix_list.dafsa"
enum { NAME_MAX_OCTETS = 255 };

const struct psl_ctx_st *psl_list_open(void)
{
	return psl_latest(LIST);
}

void psl_list_close(const struct psl_ctx_st *list)
{
	/* what is built in has no end; libpsl knows */
	psl_free((psl_ctx_t *)(uintptr_t)list);
}

/* libpsl reads the empty name and names with empty labels as something. */
static bool name_z(struct str domain, char z[NAME_MAX_OCTETS + 1])
{
	if (!domain.n || domain.n > NAME_MAX_OCTETS || str_has(domain, '\0') || domain.p[0] == '.' ||
	    domain.p[domain.n - 1] == '.')
		return false;
	memcpy(z, domain.p, domain.n);
	z[domain.n] = '\0';
	return true;
}

struct str psl_organization(const struct psl_ctx_st *list, struct str domain)
{
	char z[NAME_MAX_OCTETS + 1];
	const char *own;

	if (!list || !name_z(domain, z))
		return domain;
	own = psl_registrable_domain(list, z);
	return own ? str_from(domain, (size_t)(own - z)) : domain;
}

bool psl_is_suffix(const struct psl_ctx_st *list, struct str domain)
{
	char z[NAME_MAX_OCTETS + 1];

	return list && name_z(domain, z) && psl_is_public_suffix(list, z);
}
