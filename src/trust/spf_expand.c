/* spf_expand.c — what the macros of SPF stand for (RFC 7208 §7); see spf_check.h. */
#include "trust/spf_check.h"

#include <arpa/inet.h>

enum { NAME_SHOWN_MAX = 253 };   /* octets of a name without its final dot (§7.3) */

/* §7.3: IPv4 as dotted quad, IPv6 as nibbles. */
static struct str ip_dotted(const struct spf_check *c, struct arena *a)
{
	const uint8_t *ip = c->q->ip;
	char mem[64];
	struct buf b = buf_over(mem, sizeof(mem));

	if (spf_client_is_v4(c))
		return arena_printf(a, "%d.%d.%d.%d", ip[12], ip[13], ip[14], ip[15]);
	for (size_t i = 0; i < 16; i++)
		buf_addf(&b, "%s%x.%x", i ? "." : "", (unsigned)ip[i] >> 4, ip[i] & 15u);
	return arena_str(a, buf_str(&b));
}

static struct str ip_readable(const struct spf_check *c, struct arena *a)
{
	char text[INET6_ADDRSTRLEN] = "";
	bool is_v4 = spf_client_is_v4(c);

	inet_ntop(is_v4 ? AF_INET : AF_INET6, c->q->ip + (is_v4 ? 12 : 0), text, sizeof(text));
	return arena_str(a, str_from_z(text));
}

/* §7.2 */
SUSPENDS static enum spf_match letter_value(struct spf_check *c, char letter, struct str domain, struct str *ret)
{
	struct arena *a = &c->tmp;

	switch (letter) {
	case 's': *ret = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(c->local), STR_ARG(c->sender_domain)); break;
	case 'l': *ret = c->local; break;
	case 'o': *ret = c->sender_domain; break;
	case 'd': *ret = domain; break;
	case 'i': *ret = ip_dotted(c, a); break;
	case 'p': return spf_ptr_name(c, domain, ret);
	case 'h': *ret = c->q->helo; break;
	case 'v': *ret = spf_client_is_v4(c) ? S("in-addr") : S("ip6"); break;
	case 'c': *ret = ip_readable(c, a); break;
	case 'r': *ret = c->q->receiver.n ? c->q->receiver : S("unknown"); break;
	default: *ret = arena_printf(a, "%lld", (long long)(c->q->now / SECOND)); break;
	}
	return SPF_MATCH_YES;
}

/* YES; NO with what is left in *in, where it is malformed; or STOP. */
SUSPENDS static enum spf_match expand(struct spf_check *c, struct str *in, enum spf_macro_use use, struct str domain,
				      struct buf *to)
{
	struct spf_macro m;

	while (spf_macro_next(in, use, &m)) {
		struct str value = m.literal;
		enum spf_match how = m.literal.n ? SPF_MATCH_YES : letter_value(c, m.letter, domain, &value);

		if (how != SPF_MATCH_YES)
			return how;
		if (m.literal.n)
			buf_add(to, value);
		else
			spf_macro_add(to, &m, value);
	}
	return in->n ? SPF_MATCH_NO : SPF_MATCH_YES;
}

/* §7.3: without a final dot; labels go on the left until 253 octets are left. */
static struct str name_cut(struct str s)
{
	if (str_ends(s, S(".")))
		s.n--;
	while (s.n > NAME_SHOWN_MAX) {
		struct str rest;

		str_cut(s, '.', &rest);
		s = rest;
	}
	return s;
}

SUSPENDS enum spf_match spf_target(struct spf_check *c, struct str spec, struct str domain, struct str *ret)
{
	AUTO(buf_end) struct buf b = buf_on_heap(SPF_EXPANDED_MAX);
	struct str in = spec;
	enum spf_match how;

	if (!spec.n) {
		*ret = domain;
		return SPF_MATCH_YES;
	}
	how = expand(c, &in, SPF_IN_DOMAIN, domain, &b);
	if (how == SPF_MATCH_STOP)
		return how;
	if (how == SPF_MATCH_NO)
		return spf_problem(c, SPF_MATCH_PERM, "a malformed macro");
	if (b.full)
		return spf_problem(c, SPF_MATCH_PERM, "a name of more than %d octets", SPF_EXPANDED_MAX);
	*ret = arena_str(&c->tmp, name_cut(buf_str(&b)));
	return spf_name_text(*ret, &c->tmp).n ? SPF_MATCH_YES : SPF_MATCH_NO;
}

SUSPENDS enum spf_match spf_explain(struct spf_check *c, struct str text, struct str domain, struct buf *to)
{
	return expand(c, &text, SPF_IN_EXPLANATION, domain, to);
}

/* Octets above ASCII are in no name that can match (RFC 8616 §4). */
struct str spf_name_text(struct str octets, struct arena *a)
{
	struct dns_name name = { 0 };
	char mem[DNS_NAME_TEXT_MAX];
	struct buf b = buf_over(mem, sizeof(mem));
	struct str rest = octets;

	if (str_ends(rest, S(".")))
		rest.n--;
	do {
		struct str label = str_cut(rest, '.', &rest);

		if (!label.n || label.n > DNS_LABEL_MAX || name.n + label.n + 2 > DNS_NAME_MAX)
			return (struct str){ 0 };
		name.bytes[name.n++] = (uint8_t)label.n;
		for (size_t i = 0; i < label.n; i++) {
			if (str_at(label, i) > 127)
				return (struct str){ 0 };
			name.bytes[name.n++] = (uint8_t)str_at(label, i);
		}
	} while (rest.n);
	name.n++;
	dns_name_print(&name, &b);
	return arena_str(a, buf_str(&b));
}
