/* dkim_entry.h — what happened to our DKIM keys, one line of a file that only grows.
 *
 *	waxwing-dkim-keys 1
 *	ID TIME WHAT DOMAIN SELECTOR BY REASON KEY CRC
 *
 * ID counts up from 1, TIME is in µs since 1970, WHAT one of dkim_event_word(), BY and REASON are xtext
 * ("=": empty), KEY is the private key as base64 of PKCS #8 DER ("=": none), CRC is the CRC-32C of what stands
 * before it, with the space, in 8 hexadecimal digits.  A line that was torn is known by it and is passed over. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
	DKIM_ENTRY_MAX = 16 * 1024,      /* octets of a line; an RSA-4096 key takes 3200 */
	DKIM_ENTRY_WORD_MAX = 512,       /* by, reason */
	DKIM_SELECTOR_MAX = 63,
};

#define DKIM_BOOK_HEAD "waxwing-dkim-keys 1\n"

enum dkim_event {
	DKIM_EVENT_MADE,         /* with its key */
	DKIM_EVENT_TAKEN,        /* a key of the administrator's; it lies in a file of his */
	DKIM_EVENT_USED,         /* signs from now on */
	DKIM_EVENT_SEEN,         /* in the DNS */
	DKIM_EVENT_RETIRED,
	DKIM_EVENT_GONE,         /* out of the DNS */
	DKIM_EVENTS
};

struct dkim_entry {
	uint64_t id;
	int64_t time;
	enum dkim_event event;
	struct str domain, selector;     /* A-labels, lower case */
	struct str by, reason;
	struct str key;                  /* DER: secret */
};

const char *dkim_event_word(enum dkim_event e);
/* A line without its end.  FAULT_PEER: it is none, or was torn.  Slices lie in the arena or in the line. */
bool dkim_entry_parse(struct str line, struct arena *a, struct dkim_entry *ret, struct err *e);
/* With its line end; false: a field that cannot stand there. */
bool dkim_entry_print(const struct dkim_entry *x, struct buf *b, struct err *e);
