/* dmarc_meaning.h — what a row of a DMARC report probably means, in a sentence for whoever runs this server. */
#pragma once

#include "base/buf.h"

enum dmarc_meaning {
	MEANS_WELL,              /* our own server, and all passes */
	MEANS_ANOTHER_OF_OURS,   /* all passes, from an address we do not have */
	MEANS_FORWARDED,         /* our signature holds, the address is somebody else's */
	MEANS_NOT_IN_SPF,        /* our server, signed, but SPF does not name its address */
	MEANS_RETURN_ELSEWHERE,  /* our server, signed, with a return path of another domain */
	MEANS_UNSIGNED,          /* SPF passes, there is no signature of ours */
	MEANS_NO_KEY,            /* the key of the signature cannot be had */
	MEANS_BROKEN_SIGNATURE,  /* from us, and it does not fit */
	MEANS_CHANGED,           /* a signature of ours that no longer fits, from elsewhere: a list or a forwarder */
	MEANS_OURS_UNPROVEN,     /* our server, and nothing passes */
	MEANS_SERVICE,           /* it proves to be somebody else, but says it is us */
	MEANS_FORGED,
	DMARC_MEANINGS
};

struct dmarc_facts {
	struct str domain;       /* that the report is about */
	bool is_our_address;
	bool is_dkim_aligned, is_spf_aligned;
	struct str reason, dkim_domain, dkim_selector, dkim_result, spf_domain, spf_result;
};

enum dmarc_meaning dmarc_meaning_of(const struct dmarc_facts *f);
/* A word that programs can rely on: "forwarded". */
const char *dmarc_meaning_word(enum dmarc_meaning m);
/* One or two sentences, with what to do if there is something. */
void dmarc_meaning_tell(enum dmarc_meaning m, const struct dmarc_facts *f, struct buf *b);
