/* auth_results.h — Authentication-Results: what a server found out about a letter, for those behind it (RFC 8601 §2.2).
 *
 *	Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=a.example;
 *		dkim=fail (2048 bit) reason="the body was changed" header.d=a.example
 *
 * Also what stands in an ARC-Authentication-Results field behind "i=N;".  A field in our own name that somebody else wrote
 * is a forgery, and is cut (§5). */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum {
	AUTH_METHODS_MAX = 100,          /* results in a field */
	AUTH_PROPERTIES_MAX = 50,        /* of one result */
	AUTH_VALUE_MAX = 300,            /* octets of a value that are printed: a line holds 998 */
	AUTH_WORD_MAX = 80,              /* the same of a name */
};

struct auth_property {
	struct str type;                 /* "smtp", "header", "policy" … */
	struct str name;                 /* "mailfrom", "d" … */
	struct str value;
	struct auth_property *next;
};

struct auth_method {
	struct str name;                 /* "dkim" */
	struct str result;               /* "pass" */
	struct str comment;              /* printed behind the result; not read */
	struct str reason;               /* may be empty */
	struct auth_property *properties;
	struct auth_method *next;
};

struct auth_results {
	struct str server;               /* authserv-id */
	struct auth_method *methods;     /* NULL: "none" */
};

/* The value of a field.  Slices lie in it or in the arena.  False: it is none, has a version that is not 1, or is beyond
 * the limits. */
bool auth_results_parse(struct str value, struct arena *a, struct auth_results *ret);
/* The value, behind "Authentication-Results:" or "i=N;": folded, without a line end.  What cannot stand in a field is
 * printed as "?". */
void auth_results_add(struct buf *b, const struct auth_results *r);

/* Does the field claim to be of that server?  Also if it is written badly, as long as somebody could read it so; and
 * if it names none at all.  In any case, as A-labels or U-labels.  The arena is for scratch. */
bool auth_results_claims(struct str value, struct str server, struct arena *a);
