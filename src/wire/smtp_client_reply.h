/* smtp_client_reply.h — what another server answers (RFC 5321 §4.2).
 *
 *	Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
 *
 * The bytes may come in any pieces and are a stranger's: an LF alone ends a line
 * too, control characters become "?", what is too long is cut, what has no end is
 * no reply.  Nothing of it is kept but the code and some text. */
#pragma once

#include "base/buf.h"

enum {
	CLIENT_REPLY_LINE_MAX = 512,     /* octets of a line that are kept (RFC 5321 §4.5.3.1.5) … */
	CLIENT_REPLY_LINES_MAX = 50,     /* … of so many lines */
	CLIENT_REPLY_SIZE_MAX = 128 * 1024,      /* octets of a whole reply; more is no reply */
	CLIENT_REPLY_TEXT_MAX = 8 * 1024,        /* octets of text that are kept */
	ENHANCED_MAX = 12,               /* "5.999.999" and a little */
};

enum client_reply_state {
	CLIENT_REPLY_MORE,               /* it goes on */
	CLIENT_REPLY_DONE,
	CLIENT_REPLY_NONSENSE,           /* no reply, or lines with different codes */
	CLIENT_REPLY_ENDLESS,
};

/* Zero is a good beginning; client_reply_begin() makes it so again. */
struct client_reply {
	unsigned code;           /* 200…599 */
	char text_mem[CLIENT_REPLY_TEXT_MAX];
	size_t text_n;
	size_t size;             /* octets so far */
	size_t lines;
	bool is_utf8_broken;     /* some byte became "?" */

	/* the line under way */
	char line[CLIENT_REPLY_LINE_MAX];
	size_t line_n;
};

void client_reply_begin(struct client_reply *r);
/* Takes bytes off *in; once it is not MORE, *in begins behind the reply's last LF. */
enum client_reply_state client_reply_feed(struct client_reply *r, struct str *in);
/* The lines without their codes, separated by LF. */
static inline struct str client_reply_text(const struct client_reply *r)
{
	return str_of(r->text_mem, r->text_n);
}
/* "5.1.1" if the reply begins with one that fits its code (RFC 2034 §4), else empty. */
struct str client_reply_enhanced(const struct client_reply *r);
/* In one line: "550 5.1.1 No such user; try again never".  The same enhanced code in each line is said once. */
void client_reply_print(const struct client_reply *r, struct buf *b, size_t max);
static inline unsigned client_reply_class(const struct client_reply *r)
{
	return r->code / 100;
}
