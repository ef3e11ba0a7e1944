/* mime_field.h — the grammar of Content-* fields: a value and parameters
 * (RFC 2045 §5.1, RFC 2183, RFC 2231).
 *
 * Read as they come in practice: comments anywhere, missing quotes, stray semicolons, raw 8-bit. */
#pragma once

#include "wire/mime.h"

/* "type/subtype; name=value…".  False if there is no type/subtype; parameters may still be absent. */
bool mime_type_parse(struct str raw, struct arena *a, struct str *ret_type, struct str *ret_subtype,
		     struct mime_param **ret);
/* "attachment; name=value…": the word may be empty. */
bool mime_word_parse(struct str raw, struct arena *a, struct str *ret_word, struct mime_param **ret);
/* "de, en": the next tag off *raw, empty at the end. */
struct str mime_language_next(struct str *raw);

/* The first parameter of that name in any case, or NULL. */
const struct mime_param *mime_param_find(const struct mime_param *list, struct str name);
/* Its value as people read it: RFC 2231 decoded, else RFC 2047 words decoded, as UTF-8. */
struct str mime_param_text(const struct mime_param *p, struct arena *a);
/* The file name a part is offered under: disposition's filename, else type's name; empty if none. */
struct str mime_part_filename(const struct mime_part *p, struct arena *a);
