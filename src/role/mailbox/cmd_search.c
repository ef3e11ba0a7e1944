/* cmd_search.c — SEARCH (RFC 9051 §6.4.4). */
#include "role/mailbox/imap_cmds.h"
#include "role/mailbox/search.h"
#include "role/mailbox/search_answer.h"

#include <stdlib.h>

SUSPENDS struct imap_reply imap_cmd_search(struct imap_session *s, struct err *e)
{
	struct imap_reply why;
	uint32_t *places;
	size_t n;
	bool ok;

	if (!search_begin(s, &why)) {
		search_forget(s);
		return why;
	}
	if (!search_run(s, s->c.search.root, &places, &n, e)) {
		search_forget(s);
		return reply_of_err(s, e, IMAP_REPLY_UNAVAILABLE);
	}
	ok = search_answer(s, &(struct found){ .places = places, .n = n }, e);
	free(places);
	return ok ? reply_of(IMAP_REPLY_DONE) : reply_broken();
}
