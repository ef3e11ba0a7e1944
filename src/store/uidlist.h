/* uidlist.h — Dovecot's files `dovecot-uidlist`, `dovecot-keywords` and `subscriptions`, as text.
 *
 *   3 V1795301292 N15 G113ce023aa1f026bcd7e000083ecc375
 *   1 :1795301290.M722035P32461.vm,S=1853,W=1925
 *   2 W1948 :1795301290.M765534P32461.vm
 *
 * Version 1 has "1 UIDVALIDITY NEXTUID" and "UID NAME".  A name is the file's up
 * to ":2,".  Lines are appended with ascending UIDs; the N of the header may lag.
 * Fields we do not know are kept. */
#pragma once

#include "base/buf.h"
#include "base/str.h"

struct err;

enum {
	UIDLIST_LINE_MAX = 4096,
	UIDLIST_BYTES_MAX = 512 << 20,
	UIDLIST_EXT_MAX = 1024,          /* octets of the fields of a line that are kept */
	KEYWORDS_BYTES_MAX = 64 << 10,
};

struct uidlist_header {
	uint32_t validity, next;
	struct str guid;                 /* 32 hex digits, or empty */
	struct str rest;                 /* fields we do not know, with a space before each */
	unsigned version;                /* 1 or 3 */
};

struct uidlist_line {
	uint32_t uid;
	struct str ext;                  /* "W1948 " and the like, as it stood; often empty */
	struct str name;
};

/* Take the header off *in.  False: the file is unusable, its UIDs are lost. */
bool uidlist_header_parse(struct str *in, struct uidlist_header *ret);
/* Take the next line off *in; *ret_bad says that it is damaged (then *ret is empty).  False at the
 * end.  A last line without a newline was cut off by a crash: damaged. */
bool uidlist_line_parse(struct str *in, const struct uidlist_header *h, struct uidlist_line *ret,
			bool *ret_bad);
/* Always version 3. */
void uidlist_header_print(const struct uidlist_header *h, struct buf *to);
void uidlist_line_print(const struct uidlist_line *l, struct buf *to);

/* dovecot-keywords: "INDEX NAME"; false at the end.  *ret_bad: not such a line, or index over 25. */
bool keywords_line_parse(struct str *in, unsigned *ret_index, struct str *ret_name, bool *ret_bad);
/* May it be a keyword: an atom of RFC 9051 §9, without '\\' in front? */
bool keyword_is_valid(struct str name);

/* subscriptions: plain, or "V\t2" and an empty line and then names with TAB between the levels; gives
 * them with '.'.  *version is 0 at first. */
bool subscription_parse(struct str *in, unsigned *version, struct buf *ret_name);
