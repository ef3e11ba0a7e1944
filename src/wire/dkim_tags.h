/* dkim_tags.h — "tag=value; tag=value", as DKIM signatures, DKIM keys and ARC fields are written
 * (RFC 6376 §3.2).
 *
 * Values keep the white space within them; octets above ASCII pass (RFC 8616 §4). */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum { DKIM_TAGS_MAX = 40 };     /* RFCs define 13; a list with more is refused */

struct dkim_tag {
	struct str name;
	struct str value;        /* without the white space around it */
	struct str raw;          /* all between "=" and ";" */
};

struct dkim_tags {
	struct dkim_tag p[DKIM_TAGS_MAX];
	size_t n;
};

/* FAULT_PEER: it is no tag list, or names a tag twice; e says where. */
bool dkim_tags_parse(struct str s, struct dkim_tags *ret, struct err *e);
/* NULL: there is none of that name; names are told apart by case. */
const struct dkim_tag *dkim_tags_find(const struct dkim_tags *t, struct str name);

static inline bool is_dkim_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without any white space; p is NULL without memory. */
struct str dkim_unfolded(struct str s, struct arena *a);

/* Take the next word off a list that has colons between its words, as h= and k= have; false at the end. */
bool dkim_word_next(struct str *list, struct str *ret);
/* Is the word in the list, in any case? */
bool dkim_words_have(struct str list, struct str word);
