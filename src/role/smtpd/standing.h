/* standing.h — what blocks and exceptions say of the letter under way. */
#pragma once

#include "ipc/standing.h"
#include "role/smtpd/session.h"

/* Hear from `user` what kinds of entries there are. */
void standing_open(void);

/* At RCPT: once for each letter of a stranger; false: it is blocked, or could not be asked, and *ret is the reply.
 * After it s->t->standing tells whether a check may refuse it. */
SUSPENDS bool standing_pass(struct session *s, struct reply *ret);
/* Is there an entry that an address in the header may match, or the domain of a signature? */
bool standing_wants_letter(void);

/* host.c: the name of the client, asked for once in a session; one that does not lead back is told, too. */
SUSPENDS void session_find_host(struct session *s);
