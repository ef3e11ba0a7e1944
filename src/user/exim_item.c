/* exim_item.c — lines of Exim's lists; see exim_item.h. */
#include "user/exim_item.h"

#include "user/domain_name.h"

/* What it would take an Exim to understand. */
static bool refuse_foreign(struct str s, struct err *e)
{
	if (str_at(s, 0) == '^')
		return fail(e, FAULT_PERM, "regular expressions are not supported; the line is left out");
	if (str_at(s, 0) == '+')
		return fail(e, FAULT_PERM, "named lists and \"+\" words are not supported; the line is left out");
	if (str_at(s, 0) == '/')
		return fail(e, FAULT_PERM, "a file inside a file is not supported; the line is left out");
	if (str_has(s, ';'))
		return fail(e, FAULT_PERM, "look-ups are not supported; the line is left out");
	if (str_at(s, 0) == '@' || str_at(s, 0) == '$')
		return fail(e, FAULT_PERM, "what begins with \"%c\" is not supported; the line is left out", str_at(s, 0));
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) <= ' ' || str_at(s, i) == 0x7f)
			return fail(e, FAULT_PERM, "there is a blank in it; the line is left out");
	return true;
}

/* domain / "*" end-of-domain */
static bool read_name(struct str s, struct arena *a, struct exim_item *i, struct err *e)
{
	i->name_is_end = str_at(s, 0) == '*';
	if (!i->name_is_end)
		return domain_fold(s, a, &i->name, e);
	i->name = local_fold(str_from(s, 1), a);
	if (str_has(i->name, '*'))
		return fail(e, FAULT_PERM, "a second \"*\" matches nothing; the line is left out");
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

static unsigned weight_of_name(const struct exim_item *i)
{
	struct str name = i->name;

	if (str_at(name, 0) == '.')
		name = str_from(name, 1);
	return entry_name_weight(name) + !i->name_is_end;
}

static bool read_sender(struct str s, struct arena *a, struct exim_item *i, struct err *e)
{
	size_t at = str_rfind(s, '@');
	struct str local = str_head(s, at);

	i->form = EXIM_SENDER;
	i->on = "sender";
	i->has_local = at < s.n;
	if (!read_name(i->has_local ? str_from(s, at + 1) : s, a, i, e))
		return false;
	i->weight = weight_of_name(i);
	if (!i->has_local)
		return true;
	i->local_is_end = str_at(local, 0) == '*';
	i->local = local_fold(str_from(local, i->local_is_end), a);
	if (!i->local_is_end && !i->name_is_end)
		i->weight = entry_weight(&(struct entry){ .form = ENTRY_ADDRESS });
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

/* An address, or one with "/bits"; bits behind the mask do not count. */
static bool read_net(struct str s, struct network *ret)
{
	struct str bits, text = str_cut(s, '/', &bits);
	struct network w = { .bits = 128 };
	uint64_t n;

	if (!net_address_parse(text, &w.address))
		return false;
	w.is_v4 = net_address_is_v4(&w.address);
	if (bits.n && (!str_u64(bits, &n) || n > (w.is_v4 ? 32 : 128)))
		return false;
	if (bits.n)
		w.bits = (unsigned)n + (w.is_v4 ? 96 : 0);
	for (unsigned b = w.bits; b < 128; b++)
		w.address.b[b / 8] &= (uint8_t)~(0x80U >> b % 8);
	*ret = w;
	return true;
}

static bool read_host(struct str s, struct arena *a, struct exim_item *i, struct err *e)
{
	i->form = EXIM_NET;
	i->on = "client";
	if (read_net(s, &i->net)) {
		i->weight = entry_weight(&(struct entry){ .form = ENTRY_NETWORK, .net = i->net });
		return true;
	}
	if (str_has(s, '/') || str_has(s, ':'))
		return fail(e, FAULT_PERM, "\"" STR_FMT "\" is no address and no network", STR_ARG(str_head(s, 60)));
	i->form = EXIM_HOST;
	i->on = "host name";
	i->needs_name = true;
	if (!read_name(s, a, i, e))
		return false;
	i->weight = weight_of_name(i);
	return true;
}

bool exim_item_read(struct str s, bool is_hosts, struct arena *a, struct exim_item *ret, struct err *e)
{
	struct exim_item i = { .on = is_hosts ? "client" : "sender" };

	if (str_at(s, 0) == '!') {
		i.is_negated = true;
		s = str_trim(str_from(s, 1));
	}
	if (!s.n)
		return fail(e, FAULT_PERM, "nothing is named");
	if (!refuse_foreign(s, e))
		return false;
	if (!str_eq(s, S("*")) && !(is_hosts ? read_host : read_sender)(s, a, &i, e))
		return false;
	*ret = i;
	return true;
}

static bool name_matches(const struct exim_item *i, struct str name)
{
	return i->name_is_end ? str_ends(name, i->name) : str_eq(name, i->name);
}

static bool sender_matches(const struct exim_item *i, struct str from)
{
	size_t at = str_rfind(from, '@');
	struct str local = str_head(from, at);

	if (at >= from.n || !name_matches(i, str_from(from, at + 1)))
		return false;
	if (!i->has_local)
		return true;
	return i->local_is_end ? str_ends(local, i->local) : str_eq(local, i->local);
}

bool exim_item_matches(const struct exim_item *i, const struct entry_subject *q)
{
	switch (i->form) {
	case EXIM_ALL: return true;
	case EXIM_SENDER: return sender_matches(i, q->from);
	case EXIM_NET: return q->peer && network_has(&i->net, q->peer);
	case EXIM_HOST: return q->host.n && q->is_confirmed && name_matches(i, q->host);
	}
	return false;
}

struct str exim_item_subject(const struct exim_item *i, const struct entry_subject *q)
{
	if (i->form == EXIM_HOST)
		return q->host;
	return strcmp(i->on, "sender") == 0 ? q->from : S("");
}
