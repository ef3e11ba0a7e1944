/* trust_dns.c — see trust_dns.h. */
#include "trust/trust_dns.h"

#include "fiber/fiber.h"

enum { TEXT_MAX = 65535 };       /* octets of a TXT record's strings: all that an RDATA can hold */

static bool txt_of(struct str rdata, struct arena *a, struct str *ret)
{
	AUTO(buf_end) struct buf b = buf_on_heap(TEXT_MAX);

	/* a record without strings is illegal (RFC 1035 §3.3.14) but hides nothing */
	if (rdata.n && !dns_txt_parse(rdata, &b))
		return false;
	*ret = arena_str(a, buf_str(&b));
	return true;
}

static void texts_of(const struct trust_answer *r, bool (*parse)(struct str, struct arena *, struct str *), struct arena *a,
		     struct trust_texts *ret)
{
	struct trust_texts got = { .outcome = r->outcome, .is_secure = r->is_secure };
	bool ok = true;

	if (r->outcome == DNS_FOUND) {
		got.p = ARENA_ARRAY(a, struct str, r->n);
		ok = got.p;
	}
	for (; ok && got.n < r->n; got.n += ok)
		ok = parse(r->p[got.n], a, &got.p[got.n]);
	if (!ok || a->full)
		got = (struct trust_texts){ .outcome = DNS_TEMP };
	*ret = got;
}

SUSPENDS bool trust_ask_txt(const struct trust_dns *dns, struct str name, struct arena *a, struct trust_texts *ret, struct err *e)
{
	struct trust_answer r;

	if (!dns->ask(dns->ctx, name, DNS_TXT, a, &r, e))
		return false;
	texts_of(&r, txt_of, a, ret);
	return true;
}

SUSPENDS bool trust_ask_ptr(const struct trust_dns *dns, const uint8_t addr[16], struct arena *a, struct trust_texts *ret,
		   struct err *e)
{
	char mem[DNS_NAME_TEXT_MAX];
	struct buf b = buf_over(mem, sizeof(mem));
	struct trust_answer r;
	struct dns_name name;

	dns_name_of_address(addr, &name);
	dns_name_print(&name, &b);
	if (!dns->ask(dns->ctx, buf_str(&b), DNS_PTR, a, &r, e))
		return false;
	texts_of(&r, dns_target_parse, a, ret);
	return true;
}

bool trust_is_late(const struct err *why, struct err *e)
{
	if (why->fault == FAULT_CANCEL) {
		*e = *why;
		return false;
	}
	return !fiber_inside() || fiber_check(e);
}
