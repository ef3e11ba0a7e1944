/* fetch_letter.h — the octets of one letter that FETCH asks for: BODY[…], BINARY[…] and their kin. */
#pragma once

#include "role/mailbox/imap_session.h"

/* Kept from letter to letter: nothing is allocated for each. */
struct fetch_reader {
	char *raw;                       /* of its own */
	size_t cap, n;
	struct str letter;               /* as it lies on disk; in raw, or the caller's */
	struct arena mime;               /* its tree, rewound */
	const struct mime_part *root;    /* NULL: no section needs it */
	struct buf labels;               /* "BODY[…] " of each section, a NUL behind each */
	struct buf text;                 /* chosen fields; quoted-printable in CRLF form */
	struct buf decoded;
};

struct fetch_reader fetch_reader_begin(const struct imap_fetch *f);
void fetch_reader_end(struct fetch_reader *r);

enum fetch_result {
	FETCHED,
	FETCH_GONE,              /* the file is not there any more */
	FETCH_UNREADABLE,        /* I/O error, no memory */
	FETCH_UNKNOWN_CTE,       /* RFC 3516 §4.3 */
};

/* Does it need more than the header? */
bool fetch_needs_body(const struct imap_fetch *f);
/* Are its sections fields that KEPT_HEADER has? */
bool fetch_fits_kept_header(const struct imap_fetch *f);
/* Read the letter: all of it, or its header. */
SUSPENDS enum fetch_result fetch_read(struct fetch_reader *r, struct box *b, uint32_t uid, bool whole);
/* The same with a KEPT_HEADER that is at hand; it stays the caller's. */
void fetch_take(struct fetch_reader *r, struct str header);
/* Can all sections be answered?  FETCHED if so. */
enum fetch_result fetch_sections_begin(struct fetch_reader *r, const struct imap_fetch *f);
/* Behind that: append "BODY[…] {n}…" of each section to s->out, `before` the first, blanks
 * between; large ones are sent on the way; false: the
 * stream broke. */
SUSPENDS bool fetch_sections_send(struct fetch_reader *r, const struct imap_fetch *f, char before,
				  struct imap_session *s, struct err *e);
