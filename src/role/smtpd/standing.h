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

/* The same for a person who asks, and nothing is counted; q: who it is about. */
SUSPENDS bool standing_rehearse(struct user_judge *q, const uint8_t addr[16], struct user_judge_answer *r, struct arena *a,
		       struct err *e);

/* host.c: the name by PTR of that address, and does it lead back (trust/iprev.h)?  Empty: none, or not known. */
SUSPENDS struct str host_find(const uint8_t addr[16], bool *ret_is_confirmed, struct arena *a);
/* The name of the client, asked for once in a session; one that does not lead back is told, too. */
SUSPENDS void session_find_host(struct session *s);
