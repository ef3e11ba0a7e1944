/* sender.c — by which addresses an account may send; see sender.h. */
#include "user/sender.h"

#include "user/domain_name.h"

/* "*@example.org", "alice@example.org" */
static bool names(struct str pattern, struct str local, struct str domain, char mark)
{
	size_t at = str_rfind(pattern, '@');
	struct str whose = str_head(pattern, at);

	if (!str_eq_nocase(str_from(pattern, at + 1), domain))
		return false;
	return str_eq(whose, S("*")) || str_eq_nocase(whose, local) || str_eq_nocase(whose, local_without_tag(local, mark));
}

bool sender_may(const struct conf_senders *list, struct str local, struct str domain, bool is_own, char mark)
{
	for (size_t i = 0; i < list->n; i++)
		switch (list->p[i].kind) {
		case CONF_SENDER_ANY:
			return true;
		case CONF_SENDER_OWN:
			if (is_own)
				return true;
			break;
		case CONF_SENDER_DOMAIN:
		case CONF_SENDER_ADDRESS:
			if (names(list->p[i].text, local, domain, mark))
				return true;
			break;
		}
	return false;
}

void sender_print(const struct conf_senders *list, struct buf *b)
{
	for (size_t i = 0; i < list->n; i++) {
		buf_add(b, i ? S(", ") : S(""));
		if (list->p[i].kind == CONF_SENDER_OWN)
			buf_add(b, S("its own addresses"));
		else
			buf_add(b, list->p[i].kind == CONF_SENDER_ANY ? S("any address") : list->p[i].text);
	}
}

bool sender_rights_copy(const struct conf_user *u, const struct conf_rate *usual, struct arena *a,
			struct sender_rights *ret)
{
	static struct conf_sender own = { .kind = CONF_SENDER_OWN };

	*ret = (struct sender_rights){ .senders = { &own, 1 }, .limit = *usual, .files_copy = true };
	if (!u)
		return true;
	ret->kind = u->kind;
	ret->files_copy = u->sent_copy == CONF_ON;
	if (u->per_account.per)
		ret->limit = u->per_account;
	ret->senders.n = u->may_send_as.n;
	ret->senders.p = ARENA_ARRAY(a, struct conf_sender, u->may_send_as.n ? u->may_send_as.n : 1);
	if (!ret->senders.p)
		return false;
	for (size_t i = 0; i < u->may_send_as.n; i++)
		ret->senders.p[i] = (struct conf_sender){ u->may_send_as.p[i].kind, arena_str(a, u->may_send_as.p[i].text) };
	return !a->full;
}
