/* envelope.c — is an envelope one that a client can have given? */
#include "role/queue/queue_role.h"

#include "spam/spam_fields.h"

/* smtpd faces the network: what it says stands in headers and in logs of ours. */
static bool is_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) < 0x20 || str_at(s, i) == 0x7f)
			return false;
	return s.n <= LETTER_ADDRESS_MAX;
}

bool envelope_is_good(const struct queue_commit *q, struct err *e)
{
	bool ok = is_clean(q->mail_from) && is_clean(q->envid) && is_clean(q->peer) && is_clean(q->protocol);

	for (size_t i = 0; ok && i < q->rcpts.n; i++)
		ok = is_clean(q->rcpts.p[i].address) && is_clean(q->rcpts.p[i].orcpt);
	ok = ok && spam_signals_are_good(q->signals.p, q->signals.n);
	return ok && q->rcpts.n ? true : fail(e, FAULT_PEER, "an envelope that no client can have given");
}
