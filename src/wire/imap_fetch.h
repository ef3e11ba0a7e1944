/* imap_fetch.h — what FETCH asks for (RFC 9051 §6.4.5, RFC 3516, 7162, 8474, 8514, 8970, 9394). */
#pragma once

#include "wire/imap_search.h"
#include "wire/section.h"
#include "wire/seqset.h"

enum {
	IMAP_SECTIONS_MAX = 64,          /* BODY[…] and the like in one FETCH */
	IMAP_FIELD_NAME_MAX = 255,       /* octets of a header field's name */
};

enum fetch_item {
	FETCH_UID = 1 << 0,
	FETCH_FLAGS = 1 << 1,
	FETCH_INTERNALDATE = 1 << 2,
	FETCH_SIZE = 1 << 3,             /* RFC822.SIZE */
	FETCH_ENVELOPE = 1 << 4,
	FETCH_BODY = 1 << 5,             /* the structure without extension data */
	FETCH_BODYSTRUCTURE = 1 << 6,
	FETCH_MODSEQ = 1 << 7,
	FETCH_EMAILID = 1 << 8,
	FETCH_THREADID = 1 << 9,
	FETCH_SAVEDATE = 1 << 10,
	FETCH_PREVIEW = 1 << 11,
	FETCH_PREVIEW_LAZY = 1 << 12,    /* with FETCH_PREVIEW: only what is at hand */
};

enum fetch_form {
	FETCH_AS_BODY,                   /* BODY[…]<…> */
	FETCH_AS_BINARY,                 /* BINARY[…]<…>; the section is a part and nothing else */
	FETCH_AS_BINARY_SIZE,            /* BINARY.SIZE[…] */
	FETCH_AS_RFC822,                 /* RFC822: BODY[] under its old name */
	FETCH_AS_RFC822_HEADER,
	FETCH_AS_RFC822_TEXT,
};

struct fetch_section {
	enum fetch_form form;
	struct section section;
	bool peek;                       /* does not set \Seen; always so for BINARY.SIZE and RFC822.HEADER */
	bool has_partial;
	uint32_t offset;
	uint32_t length;                 /* > 0 */
};

struct imap_fetch {
	struct seqset set;
	unsigned items;                  /* enum fetch_item; UID FETCH always has FETCH_UID */
	const struct fetch_section *sections;    /* in the order asked for */
	size_t n_sections;
	bool has_changedsince, vanished; /* RFC 7162; CHANGEDSINCE also sets FETCH_MODSEQ */
	uint64_t changedsince;
	bool has_partial;                /* RFC 9394, UID FETCH */
	struct imap_partial partial;
};

/* Some section that is not peeked at: \Seen is to be set. */
bool imap_fetch_marks_seen(const struct imap_fetch *f);

/* The name of the item as the answer has it, before its value:
 * "BODY[1.HEADER.FIELDS (From)]<0>", "RFC822.HEADER". */
void fetch_section_add(struct buf *b, const struct fetch_section *s);
