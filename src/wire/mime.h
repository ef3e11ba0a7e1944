/* mime.h — a letter as a tree of parts (RFC 2045, 2046), read in one pass.
 *
 *	struct mime_part *root = mime_parse(letter, &arena);
 *
 * The letter is taken as it lies on disk, lines ending in LF or CRLF, mixed if need be.
 * Nothing is copied but parameters; slices point into the letter, which outlives the tree.
 * Every letter has a tree: what is broken, or beyond a limit, is an opaque part, never an
 * error.  The only failure is a full arena.
 *
 * Sizes exist twice: at rest, and as IMAP counts them, where each line ends in CRLF.
 *
 * Where the RFC is silent we do as other servers do: a line matches a boundary if it begins
 * with it, the longest boundary of those that match wins, and of equal ones the inner one. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

enum {
	MIME_DEPTH_MAX = 50,             /* parts around a part; what would lie deeper stays one opaque part */
	MIME_PARTS_MAX = 10000,          /* parts of one letter; then the rest is opaque likewise */
	MIME_PARAMS_MAX = 128,           /* parameters of one field; more are ignored */
	MIME_BOUNDARY_MAX = 2048,        /* octets; a longer one is no boundary */
	MIME_FIELDS_MAX = 10000,         /* fields that are looked at in one header */
	MIME_FIELD_SIZE_MAX = 1 << 20,   /* octets of one field; what is longer is cut there */
	MIME_ARENA = 32 << 20,           /* a fitting limit of the arena */
};

/* Octets of a letter: where, how many at rest, how many in CRLF form, and their lines. */
struct mime_range {
	size_t at;
	size_t n;
	size_t crlf_n;
	size_t lines;            /* line ends */
};

static inline struct str mime_bytes(struct str letter, const struct mime_range *r)
{
	return str_sub(letter, r->at, r->n);
}

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART,          /* has a boundary; child is NULL if it never came */
	MIME_MESSAGE,            /* message/rfc822 or message/global; child is the letter within */
};

enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_QUOTED_PRINTABLE, MIME_BASE64, MIME_UNKNOWN };

/* name=value, unquoted.  Continuations (RFC 2231 §3) are joined.  An extended value keeps its
 * charset'language'%XX form, see mime_param_text(). */
struct mime_param {
	struct mime_param *next;
	struct str name;         /* as written, without "*" and "*0" */
	struct str value;
	bool is_extended;
};

/* The fields that every part may have. */
enum mime_content {
	CONTENT_TYPE, CONTENT_ENCODING, CONTENT_ID, CONTENT_DESCRIPTION, CONTENT_DISPOSITION,
	CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_MD5, CONTENTS
};

/* The fields of a letter that others ask for all the time. */
enum mime_letter_field {
	LETTER_DATE, LETTER_SUBJECT, LETTER_FROM, LETTER_SENDER, LETTER_REPLY_TO, LETTER_TO, LETTER_CC,
	LETTER_BCC, LETTER_IN_REPLY_TO, LETTER_MESSAGE_ID, LETTER_REFERENCES, LETTER_FIELDS
};

/* A field's value, folded as it came, without the last line end; and, of address fields, the next. */
struct mime_value {
	struct str raw;
	struct mime_value *more;
};

struct mime_part {
	struct mime_part *parent, *child, *next;         /* around it, first within, next beside */
	enum mime_kind kind;
	unsigned depth;                                  /* 0: the letter itself */
	bool is_cut;                                     /* a limit kept us from looking inside */
	bool is_ambiguous;                               /* fields that readers may understand differently:
							  * doubled Content-Type, Content-Transfer-Encoding
							  * or boundary */
	struct mime_range header;                        /* with the empty line */
	struct mime_range body;
	/* Content-Type, or its default; never empty */
	struct str type, subtype;
	struct mime_param *params;
	bool has_type;                                   /* Content-Type was there and could be read */
	enum mime_encoding encoding;
	struct str encoding_text;                        /* the word itself, "7bit" by default */
	struct str content[CONTENTS];                    /* the first of each, raw as mime_value; p is NULL
							  * if it is not there */
	struct mime_value *fields;                       /* LETTER_FIELDS of them if this part is a letter:
							  * the root, a child of MIME_MESSAGE; else NULL */
};

/* The tree.  If the arena cannot hold it, the letter is one opaque part; NULL if not even that fits,
 * which does not happen with MIME_ARENA. */
struct mime_part *mime_parse(struct str letter, struct arena *a);
/* At most `max` parts; NULL if the arena is full. */
struct mime_part *mime_parse_parts(struct str letter, size_t max, struct arena *a);

/* The next part in order of appearance, NULL behind the last: for (p = root; p; p = mime_next(p)) */
struct mime_part *mime_next(const struct mime_part *p);
/* Is it that type, in any case?  An empty subtype stands for all. */
bool mime_is(const struct mime_part *p, struct str type, struct str subtype);

/* The field's value, raw (of several Subject, Date … the last, of address fields the first); p is
 * NULL if it is not there. */
static inline struct str mime_field(const struct mime_part *letter, enum mime_letter_field f)
{
	return letter->fields ? letter->fields[f].raw : (struct str){ 0 };
}
