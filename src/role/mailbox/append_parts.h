/* append_parts.h — the letters of an APPEND or REPLACE, part by part, into a folder.
 *
 * A letter is one literal, or a CATENATE of literals and of parts of other letters.  Literals are fed
 * as they come; a letter that may need another encoding, or is put together, is gathered in memory first. */
#pragma once

#include "role/mailbox/imap_session.h"

/* Takes up what the command says up to here: begins letters, copies what URLs name, ends letters.  is_coming: the
 * last part is a literal that follows.  NONE: go on. */
SUSPENDS struct imap_reply append_parts(struct imap_session *s, bool is_coming, struct err *e);
/* Octets of that literal, and its end. */
SUSPENDS bool append_octets(struct imap_session *s, struct str octets, struct err *e);
void append_part_end(struct imap_session *s);
/* All letters are in: make them durable.  DONE with APPENDUID; *ret_uid (may be NULL) is the first. */
SUSPENDS struct imap_reply append_end(struct imap_session *s, uint32_t *ret_uid, struct err *e);
