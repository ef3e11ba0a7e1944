/* pop3_command.h — one POP3 command line, understood, and what is answered (RFC 1939, 2449, 2595,
 * 5034, 6856, 3206). */
#pragma once

#include "base/buf.h"

enum {
	POP3_LINE_MAX = 255,             /* octets with CRLF, RFC 2449 §4 */
	POP3_AUTH_LINE_MAX = 12288,      /* an AUTH line and what follows it, RFC 5034 §4 */
	POP3_REPLY_MAX = 512,            /* octets of an answer's first line with CRLF, RFC 2449 §4 */
};

enum pop3_verb {
	POP3_UNKNOWN,
	POP3_FOREIGN,            /* HTTP, TLS, … */
	POP3_USER,
	POP3_PASS,
	POP3_APOP,               /* known and not offered */
	POP3_AUTH,
	POP3_CAPA,
	POP3_STLS,
	POP3_UTF8,               /* RFC 6856 §2 */
	POP3_LANG,
	POP3_STAT,
	POP3_LIST,
	POP3_RETR,
	POP3_DELE,
	POP3_NOOP,
	POP3_RSET,
	POP3_TOP,
	POP3_UIDL,
	POP3_QUIT,
	POP3_VERB_COUNT
};

enum pop3_states {
	POP3_IN_CLEAR = 1 << 0,          /* AUTHORIZATION */
	POP3_IN_MAILBOX = 1 << 1,        /* TRANSACTION */
};

enum pop3_reply_id {
	POP3_REPLY_NONE,
#define POP3_REPLY(name, ok, code, text) POP3_REPLY_##name,
#include "wire/pop3_reply.def"
#undef POP3_REPLY
	POP3_REPLY_COUNT
};

struct pop3_reply_row {
	const char *name;
	bool ok;
	const char *code;        /* "AUTH"; "" if there is none; RFC 2449 §8 */
	const char *text;
};
const struct pop3_reply_row *pop3_reply_row(enum pop3_reply_id id);
/* "-ERR [AUTH] text CRLF".  `text` stands instead of the row's, if not empty. */
void pop3_reply_add(struct buf *b, enum pop3_reply_id id, struct str text);

struct pop3_command {
	enum pop3_verb verb;
	struct str arg;          /* USER: the name; PASS: the password, spaces and all; AUTH: the initial response, "="
				  * if it is empty; LANG: the tag.  Points into the line. */
	struct str mechanism;    /* AUTH; empty: which are there? */
	bool has_number;         /* LIST and UIDL without one mean all */
	uint32_t number;         /* of a letter, from 1; a number too large for any mailbox is UINT32_MAX */
	uint64_t lines;          /* TOP: of the body; what is too large is UINT64_MAX */
};

/* Understand a line, given without its CRLF.  If it cannot be obeyed, false: then ret->verb still says
 * which command was meant and *ret_why what to answer. */
bool pop3_command_parse(struct str line, struct pop3_command *ret, enum pop3_reply_id *ret_why);

/* "RETR"; "?" for what is none. */
const char *pop3_verb_name(enum pop3_verb v);
unsigned pop3_verb_states(enum pop3_verb v);
