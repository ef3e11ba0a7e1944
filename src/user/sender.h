/* sender.h — by which addresses an account may send. */
#pragma once

#include "conf/conf.h"

/* What the configuration says of an account, copied from there. */
struct sender_rights {
	enum conf_user_kind kind;
	struct conf_senders senders;
	struct conf_rate limit;          /* recipients */
	bool files_copy;
};

/* `local` as it was written, `domain` folded; is_own: the address leads to the account.  `mark` is that of
 * name+detail: who may send as a name may add a detail. */
bool sender_may(const struct conf_senders *list, struct str local, struct str domain, bool is_own, char mark);
/* "own addresses, *@example.org" for people. */
void sender_print(const struct conf_senders *list, struct buf *b);
/* NULL-free copy; false if the arena is full. */
bool sender_rights_copy(const struct conf_user *u, const struct conf_rate *usual, struct arena *a,
			struct sender_rights *ret);
