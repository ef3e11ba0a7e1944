/* target.h — the right side of an alias: where a line sends its mail.
 *
 * target-list = *( target "," ), as in Exim's specification, chapter 22:
 *   local@domain  Name <local@domain>  "any thing"@domain  bare-name  \bare-name
 *   |command  /file  :include:/file  :blackhole:  :fail: text  :defer: text
 * A whole item may stand in double quotes; "(…)" is a comment, and so is what
 * follows a "#" at the begin of an item or after white space, up to the end of
 * the line.  :fail: and :defer: take the rest of the list as their text. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
	TARGET_ITEM_MAX = 1024,
	TARGET_LOCAL_MAX = 255,
	TARGET_LITERAL_MAX = 64,
	TARGET_TEXT_MAX = 400
};

enum target_kind {
	TARGET_ADDRESS,  /* local@domain, or a bare name if domain is empty */
	TARGET_PIPE,
	TARGET_FILE,
	TARGET_INCLUDE,
	TARGET_BLACKHOLE,
	TARGET_FAIL,
	TARGET_DEFER,
};

struct target {
	enum target_kind kind;
	struct str local;        /* unquoted, as written */
	struct str domain;       /* folded; or an address literal as written */
	struct str text;         /* command, path, or the words of :fail: and :defer: */
};

/* The next target off *in.  At the end of the list true with *ret_any false;
 * false with a sentence for what cannot be read (then *in is untouched). */
bool target_next(struct str *in, struct arena *a, struct target *ret, bool *ret_any, struct err *e);

/* "alice@example.org", "bob", "|/bin/x", ":fail: …" for people. */
struct str target_print(const struct target *t, struct arena *a);
