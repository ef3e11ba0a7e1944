/* select.c — which letters, and which of their recipients, a person means. */
#include "queue/select.h"

static bool is_in(struct str domain, struct str address)
{
	size_t at = str_rfind(address, '@');

	return at < address.n && str_eq_nocase(str_from(address, at + 1), domain);
}

/* "a@b", "@b", or "<>" for the empty one. */
static bool is_meant(struct str wanted, struct str address)
{
	if (!wanted.n)
		return true;
	if (str_eq(wanted, S("<>")))
		return address.n == 0;
	if (str_at(wanted, 0) == '@')
		return is_in(str_from(wanted, 1), address);
	return str_eq_nocase(wanted, address);
}

bool queue_selects(const struct queue_select *s, const struct queue_entry *e)
{
	const struct letter_record *l = e->claim.letter;
	const struct letter_step *step = e->claim.step;
	struct str rcpt = step->rcpt < l->n_rcpts ? l->rcpts[step->rcpt].address : S("");

	if ((l->id & s->mask) != (s->id & s->mask) || (s->is_held && !e->is_held) || !is_meant(s->from, l->from))
		return false;
	if ((s->before && l->accepted >= s->before) || (s->after && l->accepted < s->after))
		return false;
	if (!is_meant(s->to, rcpt) && !is_meant(s->to, step->target))
		return false;
	return !s->domain.n || is_in(s->domain, rcpt) || is_in(s->domain, step->target);
}
