/* spam_fields.h — the X-Spam fields of a letter, as users of Exim and SpamAssassin know them.
 *
 *	X-Spam-Flag: YES
 *	X-Spam-Score: 6.5
 *	X-Spam-Level: ******
 *	X-Spam-Status: Yes, score=6.5 required=5 tests=DNSBL_ZEN_SPAMHAUS_ORG=6.5,HELO=0
 *
 * Mail clients and filters believe them: those that a letter brought along are cut. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "ipc/message.h"
#include "wire/letter.h"

enum { SPAM_SIGNALS_MAX = 64, SPAM_SYMBOL_MAX = 256, SPAM_SCORE_MAX = 100 * 1000 * 64 };

/* What a role that faces the network says: words of a header, and scores that can be summed. */
bool spam_signals_are_good(const struct ipc_signal *p, size_t n);
/* Hundredths. */
int64_t spam_score(const struct ipc_signal *p, size_t n);
/* junk: from where on it is spam. */
void spam_fields_add(struct buf *b, const struct ipc_signal *p, size_t n,
		     const struct conf_threshold *junk);

/* The X-Spam fields in the header at the beginning of `head`; the list lies in the arena.  false if
 * it is full. */
bool spam_fields_find(struct str head, struct arena *a, struct cut **ret, size_t *ret_n);
