/* imap_reply.h — what an IMAP server says at the end of a command: a row of imap_reply.def. */
#pragma once

#include "base/buf.h"

enum imap_reply_id {
	IMAP_REPLY_NONE,         /* nothing is to be said */
#define IMAP_REPLY(name, cond, code, text) IMAP_REPLY_##name,
#include "wire/imap_reply.def"
#undef IMAP_REPLY
	IMAP_REPLY_COUNT
};

enum imap_cond { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH };

enum { IMAP_REPLY_TEXT_MAX = 400 };      /* octets of human text; the rest is left out */

struct imap_reply {
	enum imap_reply_id id;
	struct str code;         /* instead of the row's, without brackets: "APPENDUID 1 2"; NULL: the row's */
	struct str text;         /* instead of the row's, if not empty */
	bool close;              /* hang up once it is sent */
};

struct imap_reply_row {
	const char *name;        /* "NO_MAILBOX" */
	enum imap_cond cond;
	const char *code;        /* "NONEXISTENT", "" if there is none */
	const char *text;
};
const struct imap_reply_row *imap_reply_row(enum imap_reply_id id);
const char *imap_cond_name(enum imap_cond c);

/* "TAG NO [CODE] text CRLF"; an empty tag gives "*".  BYE is always untagged.  Bytes of the text that are
 * not printable ASCII become "?". */
void imap_reply_add(struct buf *b, struct str tag, const struct imap_reply *r);
