/* smtp_command.h — one SMTP command line, understood (RFC 5321 §4.1, 1870, 3030, 3207,
 * 3461, 4954, 6152, 6531). */
#pragma once

#include "wire/address.h"
#include "wire/smtp_reply.h"

enum {
	SMTP_LINE_MAX = 2048,            /* octets with CRLF; RFC 5321 asks for 512 and more */
	SMTP_AUTH_LINE_MAX = 12288,      /* RFC 4954 §4 */
	SMTP_HELO_MAX = 255,
	SMTP_ENVID_MAX = 100,            /* octets as written, RFC 3461 §4.4 */
	SMTP_ORCPT_MAX = 500,            /* octets as written, RFC 3461 §4.2 */
	SMTP_PARAMS_MAX = 16,
};

enum smtp_verb {
	SMTP_UNKNOWN,
	SMTP_FOREIGN,            /* HTTP, TLS, SIP, …: the other side takes us for something else */
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BDAT,
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_QUIT,
	SMTP_VRFY,
	SMTP_EXPN,
	SMTP_HELP,
	SMTP_STARTTLS,
	SMTP_AUTH,
	SMTP_VERB_COUNT
};

enum smtp_body {
	SMTP_BODY_NONE,
	SMTP_BODY_7BIT,
	SMTP_BODY_8BITMIME,
};

enum dsn_ret {
	DSN_RET_NONE,
	DSN_RET_FULL,
	DSN_RET_HDRS,
};

enum dsn_notify {
	DSN_NOTIFY_SUCCESS = 1 << 0,
	DSN_NOTIFY_FAILURE = 1 << 1,
	DSN_NOTIFY_DELAY = 1 << 2,
	DSN_NOTIFY_NEVER = 1 << 3,       /* alone */
};

struct smtp_command {
	enum smtp_verb verb;
	struct str arg;          /* EHLO HELO VRFY EXPN HELP NOOP: the rest of the line; AUTH: the initial
				  * response, "=" if it is empty.  Points into the line. */
	struct smtp_path path;   /* MAIL, RCPT */

	/* MAIL.  Decoded, in the arena. */
	bool has_size;
	uint64_t size;           /* also BDAT; more than fits is UINT64_MAX (MAIL only) */
	enum smtp_body body;
	bool utf8;               /* SMTPUTF8; also VRFY and EXPN */
	enum dsn_ret ret;
	bool has_envid;
	struct str envid;
	bool has_auth;
	struct str auth;         /* the mailbox of AUTH=, "<>" if unknown */

	/* RCPT.  Decoded, in the arena. */
	unsigned notify;         /* enum dsn_notify, 0: not given */
	bool has_orcpt;
	struct str orcpt_type;   /* "rfc822" */
	struct str orcpt;

	bool is_last;            /* BDAT … LAST */
	struct str mechanism;    /* AUTH, as written */
};

enum smtp_command_flags {
	SMTP_COMMAND_UTF8 = 1 << 0,      /* the transaction was begun with SMTPUTF8 (RCPT) */
};

/* Understand a line, given without its CRLF.  If it cannot be obeyed, false: then ret->verb
 * still says which command was meant and *ret_why what to answer. */
bool smtp_command_parse(struct str line, unsigned flags, struct arena *a, struct smtp_command *ret,
			enum reply_id *ret_why);

/* "MAIL"; "?" for what is none. */
const char *smtp_verb_name(enum smtp_verb v);

/* May a client call itself so?  Strictly: a domain or an address literal, where the
 * characters in `extra` count as letters.  Otherwise anything in visible ASCII. */
bool helo_is_valid(struct str name, struct str extra, bool strict);
