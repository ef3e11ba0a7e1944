/* header_sender.h — is there anybody in From, Sender or Reply-To whom one could answer?
 *
 * One address is enough that is written rightly (RFC 5322 §3.4.1) and whose domain could receive an
 * answer (sender_domain.h).  From is looked at first, then Sender, then Reply-To. */
#pragma once

#include "trust/trust_dns.h"

enum { HEADER_SENDER_DOMAINS_MAX = 5, HEADER_SENDER_QUOTED_MAX = 120 };

enum header_sender_result {
	HEADER_SENDER_GOOD,
	HEADER_SENDER_BAD,
	HEADER_SENDER_TEMP,      /* not known now */
};

struct header_sender {
	enum header_sender_result result;
	struct str piece;        /* the address that is good, or the first that is not, as it stands in its field */
	struct str why;          /* unless GOOD: a sentence that quotes it, printable ASCII */
};

/* head: the letter, or its header at least.  false as trust_dns.ask(). */
SUSPENDS bool header_sender_check(const struct trust_dns *dns, struct str head, struct arena *a, struct header_sender *ret,
				  struct err *e);
