/* imap_print.h — the words of IMAP answers (RFC 9051 §9).
 *
 * Whatever is stored can be said: what does not fit an atom is quoted, what cannot be quoted goes as
 * a literal (imap_string.h), so that no stored byte ever ends a line or a list. */
#pragma once

#include "base/buf.h"
#include "wire/imap_string.h"

/* An atom if it can be one, else a string.  "NIL" is quoted. */
void imap_add_astring(struct buf *b, struct str s);
/* A mailbox name, given in UTF-8.  utf8: UTF8=ACCEPT or IMAP4rev2 is enabled, it goes as it is; else in
 * modified UTF-7.  What is no valid UTF-8 has "?" for each bad octet. */
void imap_add_mailbox(struct buf *b, struct str name, bool utf8);
/* "17-Jul-1996 02:44:25 -0700" with its quotes; seconds UTC, minutes east.  The years are 0…9999. */
void imap_add_date_time(struct buf *b, int64_t utc, int32_t zone);
/* "* 5 " and "* " for the beginning of an untagged answer. */
void imap_add_untagged(struct buf *b, uint64_t number);

/* "17-Jul-1996 02:44:25 -0700" without its quotes: date-time of RFC 9051 §9.  Leap seconds count as :59. */
bool imap_date_time_parse(struct str s, int64_t *ret_utc, int32_t *ret_zone);
/* "1-Feb-1994" with or without quotes, as days since 1970. */
bool imap_date_parse(struct str s, int32_t *ret_day);
void imap_add_date(struct buf *b, int32_t day);
