/* smtp_reply.h — what we answer: a row of smtp_reply.def and, at times, words of its own. */
#pragma once

#include "base/buf.h"

enum reply_id {
	REPLY_NONE,      /* nothing is to be said */
#define REPLY(name, code, enhanced, text, remedy) REPLY_##name,
#include "wire/smtp_reply.def"
#undef REPLY
	REPLY_COUNT
};

enum {
	REPLY_LINE_MAX = 512,    /* octets with CRLF, RFC 5321 §4.5.3.1.5 */
	REPLY_LINES_MAX = 50,    /* the rest of an endless text is left out */
};

struct reply {
	enum reply_id id;
	struct str text;         /* instead of the row's, if not empty; lines are separated by LF */
	bool close;              /* hang up once it is sent */
};

struct reply_row {
	const char *name;        /* "NO_SUCH_USER" */
	unsigned code;
	const char *enhanced;    /* "" if there is none */
	const char *text;
	const char *remedy;      /* what the postmaster can do, for the log; may be "" */
};
const struct reply_row *reply_row(enum reply_id id);

/* As it goes to the client, with CRLF, in one line or more.  Bytes that are not printable
 * ASCII become "?"; what is too long for a line goes on in the next. */
void reply_add(struct buf *b, const struct reply *r);
/* Does it mean "no" (4xx or 5xx)? */
bool reply_is_error(enum reply_id id);
