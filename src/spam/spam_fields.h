/* spam_fields.h — the X-Spam fields of a letter, as users of Exim and SpamAssassin know them.
 *
 *	X-Spam-Flag: YES
 *	X-Spam-Score: 6.5
 *	X-Spam-Bar: ++++++
 *	X-Spam-Level: ******
 *	X-Spam-Status: Yes, score=6.5 required=5 tests=DNSBL_ZEN_SPAMHAUS_ORG=6.5,HELO=0
 *
 * Mail clients and filters believe them: those that a letter brought along are cut.  What an outside
 * scanner found is a part of the sum; of its fields those that say the sum are written anew, the others
 * are taken over as printable text. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "ipc/message.h"
#include "ipc/verdict.h"
#include "wire/letter.h"

enum { SPAM_SIGNALS_MAX = 64, SPAM_SYMBOL_MAX = 256, SPAM_SCORE_MAX = 100 * 1000 * 64 };

/* What a role that faces the network says: words of a header, and scores that can be summed. */
bool spam_signals_are_good(const struct ipc_signal *p, size_t n);
/* What an outside scanner said: a stranger's bytes. */
struct spam_scanned {
	bool is_spam;
	int64_t score, required; /* hundredths */
	const struct ipc_spam_field *fields;
	size_t n_fields;
};

/* Hundredths; by: or NULL. */
int64_t spam_score(const struct ipc_signal *p, size_t n, const struct spam_scanned *by);
/* junk: from where on it is spam. */
void spam_fields_add(struct buf *b, const struct ipc_signal *p, size_t n, const struct spam_scanned *by,
		     const struct conf_threshold *junk);
/* "BAYES_50,HTML_MESSAGE": which of its rules matched, words alone. */
void spam_rules_add(struct buf *b, const struct spam_scanned *by);

/* `reject at N`, `junk at N` */
enum verdict spam_verdict_at(int64_t score, const struct conf_threshold *reject, const struct conf_threshold *junk);
/* "its score is 13.5, reject at 12" */
void spam_refusal_add(struct buf *b, int64_t score, const struct conf_threshold *reject);

/* The X-Spam fields in the header at the beginning of `head`; the list lies in the arena.  false if
 * it is full. */
bool spam_fields_find(struct str head, struct arena *a, struct cut **ret, size_t *ret_n);
