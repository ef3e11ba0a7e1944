/* lists.h — the DNS lists that the configuration names, and whether they can be believed.
 *
 * Each list is asked for its test points (spam/dns_list.h) at the start, at intervals, and when it
 * behaves oddly.  While it does not behave it is off: it is asked about nobody, and counts neither
 * as listed nor as clean. */
#pragma once

#include "ipc/say.h"
#include "spam/dns_list.h"

struct list;

/* A new configuration is in force: lists that it names are tested. */
void lists_configured(void);
/* The list of that zone, which stays for ever; NULL: no memory. */
struct list *list_of(const struct conf_check *c);

/* Is the address listed?  Waits for the first test of a new list.  ret->word is never REFUSED or
 * ABSURD; with NO_ANSWER *ret_why says in a sentence why.  false only if this fiber was cancelled.
 */
SUSPENDS bool list_ask(struct list *l, const uint8_t addr[16], struct dns_list_answer *ret,
	      struct str *ret_why, struct arena *a, struct err *e);
/* A client was in it, for `waxwing status --lists`. */
void list_hit(struct list *l);

SUSPENDS bool serve_lists(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
