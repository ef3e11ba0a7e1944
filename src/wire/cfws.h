/* cfws.h — what may stand between the words of a structured field (RFC 5322 §3.2.2, §3.2.4):
 * white space, line ends, comments.  All of it in linear time, unclosed comments and quotes too. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

static inline bool is_cfws_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Step over white space and comments; true if there was any. */
bool cfws_skip(struct str *s);
/* The same, keeping the last comment's text (without its parentheses and backslashes, in the arena). */
bool cfws_skip_comment(struct str *s, struct arena *a, struct str *ret_comment);
/* Step to the next `c` that is in no comment and no quoted string, or to the end. */
void cfws_find(struct str *s, char c);
/* Step over one character, comment or quoted string. */
void cfws_step(struct str *s);
/* Take a quoted string off *s, which begins with a quote: its text, without backslashes and
 * line ends.  In the arena only if it had such; an unclosed one ends with *s. */
struct str cfws_quoted(struct str *s, struct arena *a);
