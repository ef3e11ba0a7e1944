/* section.h — which octets of a letter FETCH asks for (RFC 9051 §6.4.5, RFC 3516).
 *
 *	section      = "" / "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
 *	             / part *("." part) ["." ("HEADER"… / "TEXT" / "MIME")] */
#pragma once

#include "base/buf.h"
#include "wire/mime.h"

enum { SECTION_DEPTH_MAX = MIME_DEPTH_MAX + 1, SECTION_NAMES_MAX = 500 };

enum section_what {
	SECTION_ALL,             /* BODY[]; BODY[1]: the part's body */
	SECTION_HEADER,
	SECTION_FIELDS,          /* HEADER.FIELDS (names) */
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,            /* of a part only */
};

struct section {
	enum section_what what;
	size_t n_path;
	const uint32_t *path;    /* 1-based part numbers */
	size_t n_names;
	const struct str *names;
};

/* What stands between [ and ].  The header list may hold atoms and quoted strings; a command
 * parser that also reads literals fills `names` itself.  *ret lies in the arena. */
bool section_parse(struct str text, struct arena *a, struct section *ret);
/* The same as an answer repeats it: "1.2.HEADER.FIELDS (From To)". */
void section_add(struct buf *b, const struct section *s);

/* The part that the numbers name, NULL if there is none.  No numbers: the root. */
const struct mime_part *mime_part_find(const struct mime_part *root, const uint32_t *path, size_t n);
/* The octets a section names; false if it names nothing (the answer is NIL).  For SECTION_FIELDS and
 * SECTION_FIELDS_NOT it is the header to choose from. */
bool section_find(const struct mime_part *root, const struct section *s, struct mime_range *ret);
/* Append the chosen fields and the empty line, as they lie at rest. */
void section_fields_add(struct str header, const struct section *s, struct buf *ret);
/* BINARY[section]: false if that part's encoding is unknown (UNKNOWN-CTE).  *ret_part is NULL if
 * there is nothing to decode: then the octets themselves are meant. */
bool section_binary(const struct mime_part *root, const struct section *s, const struct mime_part **ret_part);
