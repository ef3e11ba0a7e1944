/* publish_compare.c — a wished record beside what is published, by meaning; see publish.h.
 *
 * A function for each kind finds among the records of that name and type those that are of the kind at all, and
 * says whether they do what the wished one would. */
#include "trust/publish.h"

#include "trust/mtasts.h"
#include "trust/spf.h"
#include "wire/dkim_key.h"
#include "wire/dmarc_record.h"
#include "wire/dns_octets.h"
#include "wire/spf_record.h"

#include <arpa/inet.h>

enum { IS_MAX = 16384, TEXT_MAX = 65535, LABELS_UP = 10 };

struct compare {
	const struct publish_facts *f;
	const struct publish_record *wish;
	const struct trust_answer *found;
	const struct trust_dns *dns;
	struct arena *a;
	struct str *mine;        /* RDATA of this kind … */
	struct str *texts;       /* … and, of TXT, the text of each */
	size_t n;
	struct publish_verdict *ret;
	struct err *e;
};

const char *publish_state_name(enum publish_state s)
{
	static const char *const names[] = { "published", "missing", "differs", "still there", "unknown" };

	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "?";
}

static void set(struct compare *c, enum publish_state state, struct str why)
{
	c->ret->state = state;
	c->ret->why = why;
}

/* Nothing of this kind, or several where one must be. */
static bool is_one(struct compare *c, const char *what)
{
	if (c->n == 0)
		set(c, PUBLISH_MISSING, S(""));
	else if (c->n > 1)
		set(c, PUBLISH_DIFFERS, arena_printf(c->a, "%zu %s records: others then use none of them", c->n, what));
	return c->n == 1;
}

static struct str text_of(struct compare *c, struct str rdata)
{
	AUTO(buf_end) struct buf b = buf_on_heap(TEXT_MAX);

	return dns_txt_parse(rdata, &b) ? arena_str(c->a, buf_str(&b)) : S("");
}

/* Keep those that are of this kind. */
static void collect(struct compare *c, bool (*is_mine)(struct str text))
{
	for (size_t i = 0; i < c->found->n; i++) {
		struct str text = c->wish->type == DNS_TXT ? text_of(c, c->found->p[i]) : S("");

		if (is_mine && !is_mine(text))
			continue;
		c->mine[c->n] = c->found->p[i];
		c->texts[c->n++] = text;
	}
}

static struct str list_them(struct compare *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(IS_MAX);

	for (size_t i = 0; i < c->n; i++) {
		buf_add(&b, i ? S(", ") : S(""));
		dns_record_print(c->wish->type, c->mine[i], &b);
	}
	return arena_str(c->a, buf_str(&b));
}

/* -- by value -------------------------------------------------------------------- */

/* One of them prints as the wished one does. */
static bool has_equal(struct compare *c)
{
	for (size_t i = 0; i < c->n; i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(TEXT_MAX);

		dns_record_print(c->wish->type, c->mine[i], &b);
		if (str_eq_nocase(buf_str(&b), c->wish->text))
			return true;
	}
	return false;
}

SUSPENDS static bool compare_value(struct compare *c)
{
	bool same;

	collect(c, NULL);
	same = has_equal(c);
	set(c, same ? PUBLISH_PUBLISHED : c->n ? PUBLISH_DIFFERS : PUBLISH_MISSING, S(""));
	if (same && c->n > 1 && (c->wish->type == DNS_A || c->wish->type == DNS_AAAA))
		c->ret->why = S("other addresses stand beside it");
	return true;
}

SUSPENDS static bool compare_mx(struct compare *c)
{
	struct dns_mx mx;

	collect(c, NULL);
	set(c, c->n ? PUBLISH_DIFFERS : PUBLISH_MISSING, S(""));
	for (size_t i = 0; i < c->n; i++)
		if (dns_mx_parse(c->mine[i], c->a, &mx) && str_eq_nocase(mx.host, c->f->host))
			set(c, PUBLISH_PUBLISHED, c->n > 1 ? S("other servers stand beside it") : S(""));
	return true;
}

/* Port and host; priority and weight are the owner's. */
static bool is_same_service(struct str x, struct str wished)
{
	struct str rest, port, wished_port;

	for (size_t i = 0; i < 2; i++) {
		str_cut(x, ' ', &x);
		str_cut(wished, ' ', &wished);
	}
	port = str_cut(x, ' ', &rest);
	wished_port = str_cut(wished, ' ', &wished);
	return str_eq(port, wished_port) && str_eq_nocase(rest, wished);
}

SUSPENDS static bool compare_srv(struct compare *c)
{
	collect(c, NULL);
	set(c, c->n ? PUBLISH_DIFFERS : PUBLISH_MISSING, S(""));
	for (size_t i = 0; i < c->n; i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(TEXT_MAX);

		dns_record_print(DNS_SRV, c->mine[i], &b);
		if (is_same_service(buf_str(&b), c->wish->text))
			set(c, PUBLISH_PUBLISHED, S(""));
	}
	return true;
}

/* Whoever asks for them believes them only with DNSSEC: without it, that they are missing harms nobody. */
SUSPENDS static bool compare_tlsa(struct compare *c)
{
	compare_value(c);
	if (c->ret->state == PUBLISH_MISSING && !c->found->is_secure) {
		c->ret->is_fault = false;
		c->ret->why = S("DNSSEC does not sign the zone, so that nobody would look at it");
	} else if (c->ret->state == PUBLISH_DIFFERS) {
		c->ret->is_fault = true;
		c->ret->why = S("servers that check DANE do not deliver to us");
	}
	return true;
}

/* -- CAA (RFC 8659 §3) ------------------------------------------------------------- */

/* May this authority issue, by one record?  -1: it says nothing about issuing. */
static int caa_allows(struct str rdata, struct str authority)
{
	struct octets o = { rdata, false };
	struct str tag, value, rest;

	take_u8(&o);
	tag = take_octets(&o, take_u8(&o));
	if (o.bad || !str_eq_nocase(tag, S("issue")))
		return -1;
	value = str_trim(str_cut(o.in, ';', &rest));
	return str_eq_nocase(value, authority);
}

static void judge_caa(struct compare *c, const struct trust_answer *r, struct str at)
{
	bool is_said = false;

	for (size_t i = 0; i < r->n; i++) {
		int allows = caa_allows(r->p[i], c->f->authority);

		is_said |= allows >= 0;
		if (allows > 0) {
			set(c, PUBLISH_PUBLISHED, str_eq(at, c->wish->owner) ? S("") : arena_printf(c->a, "it stands at " STR_FMT, STR_ARG(at)));
			return;
		}
	}
	if (!is_said)
		return;
	set(c, PUBLISH_DIFFERS, arena_printf(c->a, "by the records at " STR_FMT " " STR_FMT " may not renew the certificate",
					     STR_ARG(at), STR_ARG(c->f->authority)));
	c->ret->is_fault = true;
}

/* The records at the nearest name upwards hold. */
SUSPENDS static bool compare_caa(struct compare *c)
{
	struct str at = c->wish->owner;
	struct trust_answer r = *c->found;

	collect(c, NULL);
	set(c, PUBLISH_MISSING, S(""));
	for (size_t i = 0; i < LABELS_UP && r.n == 0; i++) {
		str_cut(at, '.', &at);
		if (!str_has(at, '.'))
			return true;
		if (!c->dns->ask(c->dns->ctx, at, DNS_CAA, c->a, &r, c->e))
			return false;
	}
	judge_caa(c, &r, at);
	return true;
}

/* -- DKIM ---------------------------------------------------------------------------- */

static bool is_same_key(struct compare *c, struct str text, bool *ret_is_revoked)
{
	struct dkim_key there, wished;
	struct err e;

	*ret_is_revoked = false;
	if (!dkim_key_parse(text, c->a, &there, &e))
		return false;
	*ret_is_revoked = there.key.n == 0;
	return dkim_key_parse(c->wish->text, c->a, &wished, &e) && there.kind == wished.kind && str_eq(there.key, wished.key);
}

static bool is_removed(struct compare *c)
{
	bool is_revoked, is_there = false;

	for (size_t i = 0; i < c->n; i++)
		is_there |= is_same_key(c, c->texts[i], &is_revoked) && !is_revoked;
	return !is_there;
}

static void compare_key_flags(struct compare *c)
{
	struct dkim_key there, wished;
	struct err e;

	if (!dkim_key_parse(c->texts[0], c->a, &there, &e) || !dkim_key_parse(c->wish->text, c->a, &wished, &e))
		return;
	if (!there.is_for_mail || !there.has_sha256)
		set(c, PUBLISH_DIFFERS, S("s= or h= there do not allow our signatures"));
	else if (there.is_testing && !wished.is_testing)
		set(c, PUBLISH_PUBLISHED, S("t=y there says that it is only a test"));
}

SUSPENDS static bool compare_dkim(struct compare *c)
{
	bool is_revoked;

	collect(c, NULL);
	if (c->wish->is_removal) {
		set(c, is_removed(c) ? PUBLISH_PUBLISHED : PUBLISH_LEFT, S(""));
		c->ret->is_fault = false;
		return true;
	}
	if (!is_one(c, "DKIM"))
		return true;
	set(c, PUBLISH_PUBLISHED, S(""));
	if (!is_same_key(c, c->texts[0], &is_revoked))
		set(c, PUBLISH_DIFFERS, is_revoked ? S("there the key is revoked") : S("that is not our key"));
	else
		compare_key_flags(c);
	return true;
}

/* -- policies ------------------------------------------------------------------------ */

SUSPENDS static bool compare_dmarc(struct compare *c)
{
	struct dmarc_record r;

	collect(c, dmarc_record_is);
	if (!is_one(c, "DMARC"))
		return true;
	set(c, PUBLISH_PUBLISHED, S(""));
	if (c->wish->kind == PUBLISH_DMARC_REPORTS)
		return true;
	dmarc_record_read(c->texts[0], &r);
	if (!r.is_usable || r.problem)
		set(c, PUBLISH_DIFFERS, r.problem ? str_from_z(r.problem) : S("it cannot be used"));
	else if (!r.rua.n)
		c->ret->why = S("it asks for no reports (rua)");
	return true;
}

static bool is_sts(struct str text)
{
	return str_starts(text, S("v=STSv1"));
}

SUSPENDS static bool compare_sts(struct compare *c)
{
	struct str id;

	collect(c, is_sts);
	if (!is_one(c, "MTA-STS"))
		return true;
	set(c, PUBLISH_PUBLISHED, S(""));
	if (mtasts_record_parse(c->texts, 1, &id) == MTASTS_RECORD_NONE)
		set(c, PUBLISH_DIFFERS, S("it is malformed"));
	c->ret->is_fault = c->ret->state == PUBLISH_DIFFERS;
	return true;
}

static bool is_tlsrpt(struct str text)
{
	return str_starts(text, S("v=TLSRPTv1"));
}

SUSPENDS static bool compare_tlsrpt(struct compare *c)
{
	collect(c, is_tlsrpt);
	if (!is_one(c, "TLSRPT"))
		return true;
	set(c, PUBLISH_PUBLISHED, S(""));
	if (str_find_str(c->texts[0], S("rua=")) == c->texts[0].n)
		set(c, PUBLISH_DIFFERS, S("it names no address (rua)"));
	return true;
}

/* -- SPF ----------------------------------------------------------------------------- */

/* The record that was found, instead of what the resolver might have kept; all else is asked. */
SUSPENDS static bool ask_beside(void *ctx, struct str name, uint16_t type, struct arena *a, struct trust_answer *ret,
				struct err *e)
{
	const struct compare *c = ctx;

	if (type == DNS_TXT && str_eq_nocase(name, c->wish->owner)) {
		*ret = *c->found;
		return true;
	}
	return c->dns->ask(c->dns->ctx, name, type, a, ret, e);
}

SUSPENDS static bool spf_of(struct compare *c, const uint8_t addr[16], struct spf_answer *ret)
{
	struct trust_dns dns = { .ask = ask_beside, .ctx = c };
	struct spf_question q = { .helo = c->f->host, .local = S("postmaster"), .domain = c->wish->owner, .receiver = c->f->host,
				  .now = time_now() };

	memcpy(q.ip, addr, sizeof(q.ip));
	return spf_check_mail_from(&q, &dns, c->a, ret, c->e);
}

static void judge_spf(struct compare *c, const uint8_t addr[16], const struct spf_answer *r)
{
	static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };
	bool is_v4 = memcmp(addr, mapped, sizeof(mapped)) == 0;
	char text[INET6_ADDRSTRLEN] = "";

	if (r->result == SPF_PASS || c->ret->state == PUBLISH_DIFFERS)
		return;
	inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? addr + 12 : addr, text, sizeof(text));
	set(c, r->result == SPF_TEMPERROR ? PUBLISH_UNKNOWN : PUBLISH_DIFFERS,
	    arena_printf(c->a, "%s gets %s%s" STR_FMT, text, spf_result_name(r->result), r->problem.n ? ": " : "", STR_ARG(r->problem)));
}

SUSPENDS static bool compare_spf(struct compare *c)
{
	collect(c, spf_record_is);
	if (!is_one(c, "SPF"))
		return true;
	set(c, PUBLISH_PUBLISHED, S(""));
	for (size_t i = 0; c->f->sends_directly && i < c->f->n_addresses; i++) {
		struct spf_answer r;

		if (!(c->f->addresses[i].flags & PUBLISH_SENDS))
			continue;
		if (!spf_of(c, c->f->addresses[i].addr, &r))
			return false;
		judge_spf(c, c->f->addresses[i].addr, &r);
	}
	if (c->ret->state == PUBLISH_PUBLISHED && c->wish->kind == PUBLISH_SPF && c->f->n_smarthosts)
		c->ret->why = S("whether it covers the addresses of the server that passes letters on, its owner knows");
	return true;
}

/* -- all ----------------------------------------------------------------------------- */

static const struct {
	SUSPENDS bool (*fn)(struct compare *c);
} compares[PUBLISH_KINDS_COUNT] = {
	[PUBLISH_A] = { compare_value }, [PUBLISH_PTR] = { compare_value }, [PUBLISH_MX] = { compare_mx },
	[PUBLISH_SPF] = { compare_spf }, [PUBLISH_SPF_HELO] = { compare_spf }, [PUBLISH_DKIM] = { compare_dkim },
	[PUBLISH_DMARC] = { compare_dmarc }, [PUBLISH_DMARC_REPORTS] = { compare_dmarc }, [PUBLISH_MTA_STS] = { compare_sts },
	[PUBLISH_TLSRPT] = { compare_tlsrpt }, [PUBLISH_TLSA] = { compare_tlsa }, [PUBLISH_SRV] = { compare_srv },
	[PUBLISH_CAA] = { compare_caa },
};

bool publish_compare(const struct publish_facts *f, const struct publish_record *wish, const struct trust_answer *found,
		     const struct trust_dns *dns, struct arena *a, struct publish_verdict *ret, struct err *e)
{
	struct publish_verdict v = { .state = PUBLISH_UNKNOWN, .is_fault = !wish->is_optional };
	struct compare c = { .f = f, .wish = wish, .found = found, .dns = dns, .a = a, .ret = &v, .e = e };

	c.mine = ARENA_ARRAY(a, struct str, found->n + 1);
	c.texts = ARENA_ARRAY(a, struct str, found->n + 1);
	if (!c.mine || !c.texts)
		v.why = S("no memory");
	else if (found->outcome == DNS_TEMP || found->outcome == DNS_BOGUS)
		v.why = found->outcome == DNS_BOGUS ? S("DNSSEC says that the answer is forged") : S("nobody answers");
	else if (!compares[wish->kind].fn(&c))
		return false;
	if (c.mine && c.texts)
		v.is = list_them(&c);
	if (v.state == PUBLISH_PUBLISHED)
		v.is_fault = false;
	*ret = v;
	return true;
}
