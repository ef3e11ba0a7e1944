/* ask.c — see ask.h.
 *
 * One call to the role for each question.  What the role says is a stranger's bytes: records that do
 * not parse make the answer a temporary one, since they tell nothing about what is not there. */
#include "dns/ask.h"

#include "ipc/say.h"


/* The role gives up earlier (DNS_QUESTION_WITHIN); this holds if it hangs. */
#define ANSWER_WITHIN (60 * SECOND)
enum { TEXT_MAX = 65535 };

static void set_temp(struct dns_said *said, struct arena *a, const char *why)
{
	*said = (struct dns_said){ .outcome = DNS_TEMP, .canonical = said->canonical, .rcode = said->rcode,
				   .why = arena_str(a, str_from_z(why)) };
}

static void take_said(const struct dns_question_answer *r, struct arena *a, struct dns_said *ret)
{
	*ret = (struct dns_said){ .outcome = (enum dns_outcome)r->outcome, .is_secure = r->is_secure,
				  .is_cached = r->is_cached, .rcode = r->rcode, .ttl = r->ttl,
				  .canonical = r->canonical, .why = r->why };
	if (r->outcome >= DNS_OUTCOME_COUNT || (r->outcome == DNS_FOUND) != (r->records.n > 0))
		set_temp(ret, a, "the resolver answered nonsense");
}

/* The role's answer, or the outcome TEMP. */
SUSPENDS static bool ask(struct str name, uint16_t type, struct arena *a, struct dns_question_answer *r,
			 struct dns_said *ret, struct err *e)
{
	struct err why = { 0 };
	bool ok = false;

	*ret = (struct dns_said){ .canonical = name };
	WITHIN(ANSWER_WITHIN)
		ok = dns_question(link_to(ROLE_DNS), &(struct dns_question){ .type = type, .name = name }, r, a, &why);
	if (ok) {
		take_said(r, a, ret);
		return true;
	}
	*r = (struct dns_question_answer){ 0 };
	set_temp(ret, a, why.text);
	return why.fault == FAULT_CANCEL ? (*e = why, false) : !fiber_inside() || fiber_check(e);
}

bool dns_raw(struct str name, uint16_t type, struct arena *a, struct dns_records *ret, struct err *e)
{
	struct dns_records got = { 0 };
	struct dns_question_answer r;
	struct dns_name parsed;

	if (!dns_name_read(name, &parsed)) {
		ret->p = NULL;
		ret->n = 0;
		ret->said = (struct dns_said){ .outcome = DNS_NO_NAME, .canonical = name };
		return true;
	}
	if (!ask(name, type, a, &r, &got.said, e))
		return false;
	if (got.said.outcome == DNS_FOUND)
		got.p = ARENA_ARRAY(a, struct str, r.records.n);
	for (; got.p && got.n < r.records.n; got.n++)
		got.p[got.n] = r.records.p[got.n].text;
	if (got.said.outcome == DNS_FOUND && !got.p)
		set_temp(&got.said, a, "no memory for an answer");
	*ret = got;
	return true;
}

bool dns_raw_at(struct str server, struct str name, uint16_t type, struct arena *a, struct dns_records *ret, struct err *e)
{
	struct dns_ask_server q = { .server = server, .type = type, .name = name };
	struct dns_ask_server_answer r = { 0 };
	struct dns_records got = { .said = { .canonical = name } };
	struct err why = { 0 };
	bool ok = false;

	WITHIN(ANSWER_WITHIN)
		ok = dns_ask_server(link_to(ROLE_DNS), &q, &r, a, &why);
	got.said = (struct dns_said){ .outcome = (enum dns_outcome)r.outcome, .rcode = r.rcode, .ttl = r.ttl,
				      .canonical = r.canonical, .why = r.why };
	if (!ok)
		set_temp(&got.said, a, why.text);
	else if (r.outcome >= DNS_OUTCOME_COUNT || (r.outcome == DNS_FOUND) != (r.records.n > 0))
		set_temp(&got.said, a, "the resolver answered nonsense");
	if (got.said.outcome == DNS_FOUND && !(got.p = ARENA_ARRAY(a, struct str, r.records.n)))
		set_temp(&got.said, a, "no memory for an answer");
	for (; got.p && got.n < r.records.n; got.n++)
		got.p[got.n] = r.records.p[got.n].text;
	*ret = got;
	if (why.fault == FAULT_CANCEL)
		return *e = why, false;
	return !fiber_inside() || fiber_check(e);
}

/* Room for the parsed records; NULL with the outcome set if there are none, or no memory. */
static void *room(const struct dns_records *raw, struct dns_said *said, struct arena *a, size_t size)
{
	void *p = raw->said.outcome == DNS_FOUND ? arena_alloc(a, raw->n, size) : NULL;

	*said = raw->said;
	if (!p && said->outcome == DNS_FOUND)
		set_temp(said, a, "no memory for an answer");
	return p;
}

static void malformed(struct dns_said *said, size_t *n, struct arena *a)
{
	*n = 0;
	set_temp(said, a, "a malformed record");
}

bool dns_addresses(struct str name, int family, struct arena *a, struct dns_addresses *ret, struct err *e)
{
	size_t octets = family == AF_INET ? 4 : 16;
	struct dns_addresses got = { 0 };
	struct dns_records raw;

	if (!dns_raw(name, family == AF_INET ? DNS_A : DNS_AAAA, a, &raw, e))
		return false;
	got.p = room(&raw, &got.said, a, sizeof(*got.p));
	for (size_t i = 0; got.p && i < raw.n; i++) {
		struct dns_address *at = &got.p[got.n++];

		if (raw.p[i].n != octets) {
			malformed(&got.said, &got.n, a);
			break;
		}
		*at = (struct dns_address){ .addr = { [10] = 0xFF, [11] = 0xFF }, .is_v4 = octets == 4 };
		memcpy(at->addr + 16 - octets, raw.p[i].p, octets);
	}
	*ret = got;
	return true;
}

/* The order of the answer stays among equals: whoever connects shuffles them (RFC 5321 §5.1). */
static void sort_hosts(struct dns_mx *p, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct dns_mx mx = p[i];
		size_t k = i;

		for (; k > 0 && p[k - 1].preference > mx.preference; k--)
			p[k] = p[k - 1];
		p[k] = mx;
	}
}

bool dns_mx(struct str domain, struct arena *a, struct dns_hosts *ret, struct err *e)
{
	struct dns_hosts got = { 0 };
	struct dns_records raw;

	if (!dns_raw(domain, DNS_MX, a, &raw, e))
		return false;
	got.p = room(&raw, &got.said, a, sizeof(*got.p));
	for (size_t i = 0; got.p && i < raw.n; i++)
		if (!dns_mx_parse(raw.p[i], a, &got.p[got.n++])) {
			malformed(&got.said, &got.n, a);
			break;
		}
	sort_hosts(got.p, got.n);
	/* RFC 7505 §3: alone, and its preference does not matter */
	if (got.n == 1 && str_eq(got.p[0].host, S("."))) {
		got.is_null = true;
		got.n = 0;
	}
	*ret = got;
	return true;
}

bool dns_txt(struct str name, struct arena *a, struct dns_texts *ret, struct err *e)
{
	struct dns_texts got = { 0 };
	struct dns_records raw;

	if (!dns_raw(name, DNS_TXT, a, &raw, e))
		return false;
	got.p = room(&raw, &got.said, a, sizeof(*got.p));
	for (size_t i = 0; got.p && i < raw.n; i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(TEXT_MAX);

		if (!dns_txt_parse(raw.p[i], &b)) {
			malformed(&got.said, &got.n, a);
			break;
		}
		got.p[got.n++] = arena_str(a, buf_str(&b));
	}
	*ret = got;
	return true;
}

bool dns_ptr(struct str address, struct arena *a, struct dns_names *ret, struct err *e)
{
	struct dns_names got = { .said = { .outcome = DNS_NO_NAME, .canonical = address } };
	char text[DNS_NAME_TEXT_MAX];
	struct buf b = buf_over(text, sizeof(text));
	struct dns_records raw;
	struct dns_name name;
	uint8_t addr[16];

	if (!dns_address_read(address, addr)) {
		*ret = got;
		return true;
	}
	dns_name_of_address(addr, &name);
	dns_name_print(&name, &b);
	if (!dns_raw(arena_str(a, buf_str(&b)), DNS_PTR, a, &raw, e))
		return false;
	got.p = room(&raw, &got.said, a, sizeof(*got.p));
	for (size_t i = 0; got.p && i < raw.n; i++)
		if (!dns_target_parse(raw.p[i], a, &got.p[got.n++])) {
			malformed(&got.said, &got.n, a);
			break;
		}
	*ret = got;
	return true;
}

bool dns_tlsa(struct str name, struct arena *a, struct dns_tlsas *ret, struct err *e)
{
	struct dns_tlsas got = { 0 };
	struct dns_records raw;

	if (!dns_raw(name, DNS_TLSA, a, &raw, e))
		return false;
	got.p = room(&raw, &got.said, a, sizeof(*got.p));
	for (size_t i = 0; got.p && i < raw.n; i++)
		if (!dns_tlsa_parse(raw.p[i], &got.p[got.n++])) {
			malformed(&got.said, &got.n, a);
			break;
		}
	*ret = got;
	return true;
}
