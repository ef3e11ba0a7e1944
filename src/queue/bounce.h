/* bounce.h — telling a sender what became of his letter (RFC 3461, 3464, 6522).
 *
 * The text of a delivery status notification: multipart/report with a part for
 * people, a part for programs, and the original's header (or all of it).  Pure:
 * the caller finds the steps, resolves the sender and queues the result with
 * the null sender.  A letter from the null sender gets none: bounce_is_due(). */
#pragma once

#include "queue/letter_record.h"

struct buf;

enum {
	BOUNCE_ORIGINAL_MAX = 256 * 1024,        /* longer originals: their header only */
	BOUNCE_HEADER_MAX = 64 * 1024,
	BOUNCE_MAX = 2 * 1024 * 1024,
};

enum bounce_kind {
	BOUNCE_FAILED,
	BOUNCE_DELAYED,
	BOUNCE_DELIVERED,
	BOUNCE_RELAYED,                  /* to a server that gives no reports: RFC 3461 §5.2.2 */
};

struct bounce_rcpt {
	struct str address;              /* as given in RCPT */
	struct str orcpt;                /* "rfc822;…", or empty */
	struct str target;               /* the final recipient, if another */
	struct str text;                 /* "550 5.1.1 no such user", or any sentence */
	struct str remote;               /* the server that said so: "mx.example.org [192.0.2.1]"; or empty */
};

struct bounce {
	enum bounce_kind kind;
	struct str host;                 /* our name */
	struct str to;                   /* the original's sender */
	uint64_t id;                     /* of the report */
	uint64_t about;                  /* of the original */
	uint64_t nonce;                  /* rnd_u64(): the original cannot hold our boundary */
	int64_t now, accepted;
	int64_t retry_until;             /* BOUNCE_DELAYED */
	struct str envid;
	uint8_t ret;                     /* enum letter_ret */
	const struct bounce_rcpt *rcpts;
	size_t n_rcpts;
	struct str original;             /* the original's bytes, or as many as there are at hand */
	bool is_whole;                   /* all of them are in `original` */
};

/* Is a report of this kind asked for by this recipient's NOTIFY and the sender not null? */
bool bounce_is_due(enum bounce_kind kind, struct str from, uint8_t notify);
/* The report, with CRLF.  false: it does not fit. */
bool bounce_print(const struct bounce *b, struct buf *ret, struct err *e);
/* "5.1.1" of "550 5.1.1 …"; "5.0.0" or "4.0.0" if there is none.  Points into text or a literal. */
struct str bounce_status(enum bounce_kind kind, struct str text);
