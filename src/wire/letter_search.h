/* letter_search.h — is a text in a letter (RFC 9051 §6.4.4)?
 *
 * Letters are taken as people read them: header fields decoded, text parts decoded and in UTF-8, all of it
 * folded (fold.h).  In the body count: every text part, the headers of parts and of letters
 * within.  Other parts (pictures, archives) hold no text. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

struct grams;
struct mime_part;

enum {
	SEARCH_FIELD_MAX = 1 << 20,      /* octets of one decoded field */
	SEARCH_TEXT_MAX = 256 << 20,     /* octets of one decoded part */
	SEARCH_PIECE = 64 * 1024,        /* octets that are folded at a time */
	SEARCH_NEEDLE_MAX = 64 * 1024,   /* octets of what is looked for, folded */
};

/* What is looked for, and room that serves letter after letter.  Zeroed, then searcher_init(). */
struct searcher {
	struct buf needle;               /* folded */
	struct buf text, folded;
	struct grams *note;              /* if set, nothing is found: every text is noted there */
	bool is_short;                   /* a text was cut off: there was no memory for it, or it was too long */
};

/* False if the text is too long. */
bool searcher_init(struct searcher *s, struct str text);
void searcher_end(struct searcher *s);

/* In a decoded text? */
bool searcher_finds(struct searcher *s, struct str text);
/* In the values of all fields of that name, of addresses also as they are without their comments; an empty text is
 * found if there is such a field.
 * `bytes` is a letter or its header alone. */
bool search_field(struct searcher *s, struct str bytes, struct str name);
/* In some field, its name included ("Subject: x"). */
bool search_header(struct searcher *s, struct str bytes);
/* In the body.  `root` is mime_parse(letter). */
bool search_body(struct searcher *s, struct str letter, const struct mime_part *root);
