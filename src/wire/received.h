/* received.h — the trace field we put on top (RFC 5321 §4.4, RFC 3848, 6531 §4.3, 8314 §4.3). */
#pragma once

#include "base/buf.h"

enum { RECEIVED_PART_MAX = 255 };        /* octets of any part that came from outside */

struct received {
	struct str helo;         /* as the client called itself */
	struct str rdns;         /* its confirmed name; may be empty */
	struct str ip;           /* "192.0.2.1" or "2001:db8::1"; empty: a local program */
	struct str by;           /* our name */
	bool is_esmtp;           /* EHLO */
	bool has_tls;
	bool has_auth;
	bool is_utf8;            /* SMTPUTF8 was asked for */
	struct str tls_version;  /* "TLSv1.3" */
	struct str tls_cipher;   /* "TLS_AES_256_GCM_SHA384" */
	struct str id;           /* of the letter */
	struct str rcpt;         /* only if it is the one recipient */
	int64_t when;            /* microseconds UTC */
};

/* "SMTP", "ESMTP", "ESMTPSA", "UTF8SMTPS", …: the IANA Mail Transmission Types. */
void received_add_with(struct buf *b, const struct received *r);
/* The field, folded, with its CRLF.  Whatever the parts hold, it stays one field. */
void received_add(struct buf *b, const struct received *r);
