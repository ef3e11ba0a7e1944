/* dns_packet.c — the answer to one question; see dns_packet.h.
 *
 * One pass over the answer section: servers write CNAMEs in the order in which they lead to the
 * records, and what is not in that order answers nothing. */
#include "wire/dns_packet.h"

#include "wire/dns_octets.h"

enum { HEADER = 12, CLASS_IN = 1, FLAG_RESPONSE = 0x8000, FLAG_AUTHORITATIVE = 0x0400, FLAG_TRUNCATED = 0x0200, RCODE = 0x000F };

/* A record where it stands in the packet. */
struct record {
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl;
	size_t at, n;            /* its RDATA */
};

struct answer {
	struct str packet;
	uint16_t type;
	struct dns_name current; /* asked for, then where the CNAMEs lead */
	unsigned chain;
	bool has_ttl;
	size_t room;             /* for records */
	struct arena *a;
	struct dns_packet ret;
};

static bool take_record(struct str packet, size_t *at, struct record *ret)
{
	struct record r;
	size_t i = *at;
	struct octets o;

	if (!dns_name_take(packet, &i, &r.owner))
		return false;
	o = (struct octets){ str_from(packet, i), false };
	r.type = take_be16(&o);
	r.class = take_be16(&o);
	r.ttl = take_be32(&o);
	r.n = take_be16(&o);
	r.at = i + 10;
	take_octets(&o, r.n);
	if (o.bad)
		return false;
	*at = r.at + r.n;
	*ret = r;
	return true;
}

/* RFC 2181 §8: the top bit makes it 0. */
static void lower_ttl(struct answer *w, uint32_t ttl)
{
	if (ttl > INT32_MAX)
		ttl = 0;
	if (ttl > DNS_TTL_MAX)
		ttl = DNS_TTL_MAX;
	if (!w->has_ttl || ttl < w->ret.ttl)
		w->ret.ttl = ttl;
	w->has_ttl = true;
}

/* A copy of the RDATA with its names written out. */
static bool expand(struct answer *w, const struct record *r, struct str *ret)
{
	const char *layout = dns_type_layout(r->type);
	struct str whole = str_head(w->packet, r->at + r->n);
	AUTO(buf_end) struct buf b = buf_on_heap(DNS_PACKET_MAX);
	size_t at = r->at;
	struct dns_name name;

	for (const char *k = layout; k && *k && strchr("N124", *k); k++) {
		size_t n = *k == 'N' ? 0 : (size_t)(*k - '0');

		if (*k == 'N' && !dns_name_take(whole, &at, &name))
			return false;
		if (n > whole.n - at)
			return false;
		buf_add(&b, *k == 'N' ? str_of(name.bytes, name.n) : str_sub(whole, at, n));
		at += n;
	}
	buf_add(&b, str_from(whole, at));
	*ret = arena_str(w->a, buf_str(&b));
	return !b.full && !w->a->full;
}

static bool follow(struct answer *w, const struct record *r, struct err *e)
{
	struct str whole = str_head(w->packet, r->at + r->n);
	size_t at = r->at;

	if (!dns_name_take(whole, &at, &w->current) || at != whole.n)
		return fail(e, FAULT_PEER, "a malformed CNAME");
	if (++w->chain > DNS_CHAIN_MAX)
		return fail(e, FAULT_PEER, "more than %d CNAMEs in a row", DNS_CHAIN_MAX);
	lower_ttl(w, r->ttl);
	return true;
}

static bool take_answer(struct answer *w, const struct record *r, struct err *e)
{
	if (r->class != CLASS_IN || !dns_name_eq(&r->owner, &w->current))
		return true;
	if (r->type == DNS_CNAME && w->type != DNS_CNAME && w->ret.n == 0)
		return follow(w, r, e);
	if (r->type != w->type)
		return true;
	if (w->ret.n == DNS_ANSWER_RECORDS_MAX)
		return fail(e, FAULT_PEER, "more than %d records", DNS_ANSWER_RECORDS_MAX);
	if (!w->ret.p && !(w->ret.p = ARENA_ARRAY(w->a, struct str, w->room)))
		return fail(e, FAULT_TEMP, "no memory for an answer");
	if (!expand(w, r, &w->ret.p[w->ret.n]))
		return fail(e, FAULT_PEER, "a malformed record");
	w->ret.n++;
	lower_ttl(w, r->ttl);
	return true;
}

/* RFC 2308 §5: how long it may be kept that there is nothing. */
static void take_authority(struct answer *w, const struct record *r)
{
	struct octets o;

	if (r->type != DNS_SOA || r->class != CLASS_IN || w->ret.n || r->n < 4)
		return;
	o = (struct octets){ str_sub(w->packet, r->at + r->n - 4, 4), false };
	lower_ttl(w, r->ttl);
	lower_ttl(w, take_be32(&o));
}

static bool take_question(struct answer *w, size_t *at, struct err *e)
{
	struct dns_name name;
	struct octets o;

	if (!dns_name_take(w->packet, at, &name))
		return fail(e, FAULT_PEER, "a malformed question");
	o = (struct octets){ str_from(w->packet, *at), false };
	if (take_be16(&o) != w->type || take_be16(&o) != CLASS_IN || o.bad || !dns_name_eq(&name, &w->current))
		return fail(e, FAULT_PEER, "an answer to another question");
	*at += 4;
	return true;
}

static bool take_sections(struct answer *w, size_t at, uint16_t answers, uint16_t authority, struct err *e)
{
	struct record r;

	for (uint32_t i = 0; i < (uint32_t)answers + authority; i++) {
		if (!take_record(w->packet, &at, &r))
			return fail(e, FAULT_PEER, "a malformed record");
		if (i >= answers)
			take_authority(w, &r);
		else if (!take_answer(w, &r, e))
			return false;
	}
	return true;
}

bool dns_packet_parse(struct str packet, const struct dns_name *name, uint16_t type, struct arena *a,
		      struct dns_packet *ret, struct err *e)
{
	struct answer w = { .packet = packet, .type = type, .current = *name, .a = a };
	struct octets o = { packet, false };
	uint16_t flags, questions, answers, authority;
	char text[DNS_NAME_TEXT_MAX];
	struct buf b = buf_over(text, sizeof(text));
	size_t at = HEADER;

	take_be16(&o);                           /* the id: whoever fetched the packet has looked */
	flags = take_be16(&o);
	questions = take_be16(&o);
	answers = take_be16(&o);
	authority = take_be16(&o);
	if (packet.n < HEADER || packet.n > DNS_PACKET_MAX || !(flags & FLAG_RESPONSE) || questions != 1)
		return fail(e, FAULT_PEER, "no answer of a name server");
	w.ret.rcode = flags & RCODE;
	w.room = answers < DNS_ANSWER_RECORDS_MAX ? answers : DNS_ANSWER_RECORDS_MAX;
	w.ret.is_truncated = flags & FLAG_TRUNCATED;
	w.ret.is_authoritative = flags & FLAG_AUTHORITATIVE;
	if (!take_question(&w, &at, e) || !take_sections(&w, at, answers, authority, e))
		return false;
	dns_name_print(&w.current, &b);
	w.ret.canonical = arena_str(a, buf_str(&b));
	if (a->full)
		return fail(e, FAULT_TEMP, "no memory for an answer");
	*ret = w.ret;
	return true;
}
