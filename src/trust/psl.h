/* psl.h — where in a name somebody's own domain begins: the public suffix list, over libpsl.
 *
 * "co.uk" is nobody's, "example.co.uk" is an organisation's; under either name of that, "a.b.example.co.uk" is the
 * same one (RFC 7489 §3.2). */
#pragma once

#include "base/attr.h"
#include "base/str.h"

struct psl_ctx_st;

/* The newer one of Debian's file (package publicsuffix) and what libpsl brings along; NULL only without memory.
 * It opens a file: a role does this before it gives up that right. */
const struct psl_ctx_st *psl_list_open(void);
void psl_list_close(const struct psl_ctx_st *list);

/* domain: folded (wire/address.h).  What is a public suffix itself belongs to itself; so does, without a list, every
 * domain: then nothing counts as the same that might not be.  A slice of domain. */
struct str psl_organization(const struct psl_ctx_st *list, struct str domain);
bool psl_is_suffix(const struct psl_ctx_st *list, struct str domain);
