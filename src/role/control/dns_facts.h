/* dns_facts.h — the facts from which the records of a domain follow, gathered from whoever knows them, and what the
 * name servers say about a record.  For `waxwing dns records`, `dns check`, the rotation of DKIM keys and the doctor. */
#pragma once

#include "trust/publish.h"

/* The public suffix list is opened before the role gives up its rights. */
void dns_facts_prepare(void);
const struct psl_ctx_st *dns_facts_suffixes(void);
/* domain: folded.  Everything of *ret lies in *a.  What cannot be had (no key, no address) is left out;
 * false: not even the keys could be asked. */
SUSPENDS bool dns_facts(struct str domain, struct arena *a, struct publish_facts *ret, struct err *e);
/* The domains of the configuration and their other names, in its order; folded. */
struct str *dns_facts_domains(struct arena *a, size_t *ret_n);
