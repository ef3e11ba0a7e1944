/* arc_voucher.h — does somebody whom we trust say that a letter was right when it came to him?
 *
 * A mailing list changes letters and their signatures break.  One that seals (RFC 8617) tells what it found before:
 * that counts if the owner of this server trusts the list, and everybody who has passed the letter on after it. */
#pragma once

#include "conf/conf.h"
#include "trust/arc.h"

struct psl_ctx_st;

/* The domain out of `trusted`, or below one of them, that saw a pass for the author's domain: by DMARC itself, or by a
 * DKIM signature or SPF that is aligned with it.  Empty: nobody, or the chain does not pass. */
struct str arc_voucher(const struct arc *r, struct str author, const struct conf_names *trusted,
		       const struct psl_ctx_st *list, struct arena *a);
