/* publish.c — from what a server is and does to the records it needs; see publish.h.
 *
 * A function for each kind, in the order of the list.  What is not known is not guessed: the list's note says it. */
#include "trust/publish.h"

#include "base/crc32c.h"
#include "trust/psl.h"
#include "wire/address.h"
#include "wire/dns_name.h"

#include <arpa/inet.h>

enum { NOTE_MAX = 2000, SPF_TEXT_MAX = 4096, POLICY_MAX = 1024, STS_AGE = 86400 };

/* The order of enum publish_service.  Wrapped TLS comes first (RFC 8314 §5.1), IMAP before POP3 (RFC 6186 §3.4). */
static const struct {
	const char *name;
	unsigned priority;
} services[PUBLISH_SERVICES] = {
	{ "_submissions", 0 }, { "_submission", 10 }, { "_imaps", 0 }, { "_imap", 10 }, { "_pop3s", 20 }, { "_pop3", 30 },
};

struct wishes {
	const struct publish_facts *f;
	struct arena *a;
	struct publish_list list;
	bool is_long;            /* a name has no place in the DNS */
};

const char *publish_kind_id(enum publish_kind k)
{
	static const char *const ids[] = {
#define X(name, id) id,
		PUBLISH_KINDS(X)
#undef X
	};

	return (unsigned)k < ARRAY_LEN(ids) ? ids[k] : "?";
}

bool publish_is_of_host(enum publish_kind k)
{
	return k == PUBLISH_A || k == PUBLISH_PTR || k == PUBLISH_SPF_HELO || k == PUBLISH_TLSA || k == PUBLISH_CAA;
}

/* NULL: the list is full.  The caller writes type, text and what else differs. */
static struct publish_record *add(struct wishes *w, enum publish_kind kind, uint16_t type, struct str owner)
{
	struct publish_record *r = w->list.n < PUBLISH_RECORDS_MAX ? &w->list.p[w->list.n] : NULL;
	struct dns_name name;

	if (!dns_name_read(owner, &name))
		w->is_long = true;
	if (!r)
		return NULL;
	w->list.n++;
	*r = (struct publish_record){ .kind = kind, .type = type, .owner = owner };
	return r;
}

static struct publish_record *add_txt(struct wishes *w, enum publish_kind kind, struct str owner, struct str text)
{
	struct publish_record *r = add(w, kind, DNS_TXT, owner);

	if (r)
		r->text = text;
	return r;
}

static bool is_v4(const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };

	return memcmp(addr, mapped, sizeof(mapped)) == 0;
}

static void add_address(struct buf *b, const uint8_t addr[16])
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(is_v4(addr) ? AF_INET : AF_INET6, is_v4(addr) ? addr + 12 : addr, text, sizeof(text));
	buf_add(b, str_from_z(text));
}

static struct str address_text(struct wishes *w, const uint8_t addr[16])
{
	char mem[INET6_ADDRSTRLEN];
	struct buf b = buf_over(mem, sizeof(mem));

	add_address(&b, addr);
	return arena_str(w->a, buf_str(&b));
}

/* -- the host ---------------------------------------------------------------- */

static void wish_addresses(struct wishes *w)
{
	for (size_t i = 0; i < w->f->n_addresses; i++) {
		const struct publish_address *x = &w->f->addresses[i];
		struct publish_record *r = add(w, PUBLISH_A, is_v4(x->addr) ? DNS_A : DNS_AAAA, w->f->host);

		if (r)
			r->text = address_text(w, x->addr);
		if (r && x->flags & PUBLISH_FROM_DNS)
			r->note = S("this machine has private addresses only: it is what the DNS says today");
	}
	if (w->f->n_addresses == 0)
		w->list.note = arena_printf(w->a, "No public address of this machine is known, nor does the DNS have one for "
					    STR_FMT ": its A and AAAA records, PTR and SPF are not in this list.",
					    STR_ARG(w->f->host));
}

void publish_ptr_request(const struct publish_facts *f, const uint8_t addr[16], struct buf *b)
{
	buf_add(b, S("Please set the reverse DNS (PTR) of "));
	add_address(b, addr);
	buf_addf(b, " to " STR_FMT ".", STR_ARG(f->host));
}

static void wish_ptr(struct wishes *w, const struct publish_address *x)
{
	char mem[DNS_NAME_TEXT_MAX], sentence[512];
	struct buf name = buf_over(mem, sizeof(mem)), note = buf_over(sentence, sizeof(sentence));
	struct publish_record *r;
	struct dns_name reverse;

	dns_name_of_address(x->addr, &reverse);
	dns_name_print(&reverse, &name);
	r = add(w, PUBLISH_PTR, DNS_PTR, arena_str(w->a, buf_str(&name)));
	if (!r)
		return;
	buf_add(&note, S("ask whoever rents out the address: \""));
	publish_ptr_request(w->f, x->addr, &note);
	buf_add(&note, S("\""));
	r->text = arena_printf(w->a, STR_FMT ".", STR_ARG(w->f->host));
	r->note = arena_str(w->a, buf_str(&note));
	r->is_foreign = true;
	r->is_optional = w->f->ipv6_waits && !is_v4(x->addr);
}

static void wish_ptrs(struct wishes *w)
{
	for (size_t i = 0; i < w->f->n_addresses; i++)
		if (w->f->addresses[i].flags & PUBLISH_SENDS)
			wish_ptr(w, &w->f->addresses[i]);
}

/* -- who receives and who sends ------------------------------------------------ */

static void wish_mx(struct wishes *w)
{
	struct publish_record *r;

	if (!w->f->takes_mail || !w->f->takes_domain)
		return;
	r = add(w, PUBLISH_MX, DNS_MX, w->f->domain);
	if (r)
		r->text = arena_printf(w->a, "10 " STR_FMT ".", STR_ARG(w->f->host));
}

static size_t add_senders(struct wishes *w, struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; w->f->sends_directly && i < w->f->n_addresses; i++) {
		const struct publish_address *x = &w->f->addresses[i];

		if (!(x->flags & PUBLISH_SENDS))
			continue;
		buf_add(b, is_v4(x->addr) ? S(" ip4:") : S(" ip6:"));
		add_address(b, x->addr);
		n++;
	}
	for (size_t i = 0; i < w->f->n_smarthosts; i++, n++) {
		uint8_t addr[16];

		if (dns_address_read(w->f->smarthosts[i], addr))
			buf_add(b, is_v4(addr) ? S(" ip4:") : S(" ip6:"));
		else
			buf_add(b, S(" a:"));
		buf_add(b, w->f->smarthosts[i]);
	}
	return n;
}

static struct str smarthost_note(struct wishes *w)
{
	AUTO(buf_end) struct buf b = buf_on_heap(NOTE_MAX);

	if (!w->f->n_smarthosts)
		return S("");
	buf_add(&b, w->f->sends_directly ? S("some letters leave by") : S("all letters leave by"));
	for (size_t i = 0; i < w->f->n_smarthosts; i++)
		buf_addf(&b, "%s " STR_FMT, i ? "," : "", STR_ARG(w->f->smarthosts[i]));
	buf_add(&b, S("; whoever runs that knows from which addresses it sends, mostly as an \"include:\" to put here"));
	return arena_str(w->a, buf_str(&b));
}

static void wish_spf(struct wishes *w)
{
	AUTO(buf_end) struct buf b = buf_on_heap(SPF_TEXT_MAX);
	struct publish_record *r;

	buf_add(&b, S("v=spf1"));
	if (!add_senders(w, &b))
		return;
	buf_add(&b, w->f->n_smarthosts ? S(" ~all") : S(" -all"));
	r = add_txt(w, PUBLISH_SPF, w->f->domain, arena_str(w->a, buf_str(&b)));
	if (r)
		r->note = smarthost_note(w);
}

/* For letters without a sender, whose SPF is that of HELO (RFC 7208 §2.4). */
static void wish_spf_helo(struct wishes *w)
{
	if (w->f->sends_directly && w->f->n_addresses && !str_eq(w->f->host, w->f->domain))
		add_txt(w, PUBLISH_SPF_HELO, w->f->host, S("v=spf1 a -all"));
}

static void wish_dkim(struct wishes *w)
{
	for (size_t i = 0; i < w->f->n_keys; i++) {
		const struct publish_key *k = &w->f->keys[i];
		struct publish_record *r = add_txt(w, PUBLISH_DKIM, arena_printf(w->a, STR_FMT "._domainkey." STR_FMT,
						   STR_ARG(k->selector), STR_ARG(k->domain)), k->record);

		if (!r)
			continue;
		r->is_removal = k->state == PUBLISH_KEY_GONE;
		if (k->state == PUBLISH_KEY_GONE)
			r->note = S("this key has not signed for a week: take its record away");
		else if (k->state == PUBLISH_KEY_RETIRED)
			r->note = S("letters under way carry its signatures: leave it for now");
		else if (k->state == PUBLISH_KEY_WAITING)
			r->note = S("signs as soon as it is seen in the DNS");
	}
}

/* -- reports --------------------------------------------------------------------- */

/* RFC 3986 §2.1; "," and "!" would end the address (RFC 7489 §6.2). */
static void add_mailto(struct buf *b, struct str address)
{
	buf_add(b, S("mailto:"));
	for (size_t i = 0; i < address.n; i++) {
		int c = str_at(address, i);

		if (ascii_is_alnum(c) || strchr("@.-_+", c))
			buf_add_char(b, (char)c);
		else
			buf_addf(b, "%%%02X", (unsigned)c);
	}
}

static void wish_dmarc(struct wishes *w)
{
	AUTO(buf_end) struct buf b = buf_on_heap(NOTE_MAX);
	struct publish_record *r;

	buf_add(&b, S("v=DMARC1; p=none"));
	if (w->f->reports.n) {
		buf_add(&b, S("; rua="));
		add_mailto(&b, w->f->reports);
	}
	r = add_txt(w, PUBLISH_DMARC, arena_printf(w->a, "_dmarc." STR_FMT, STR_ARG(w->f->domain)), arena_str(w->a, buf_str(&b)));
	if (r)
		r->note = S("when the reports show nothing of yours that fails: p=quarantine, later p=reject");
}

/* RFC 7489 §7.1: reports that go to another organisation want its consent. */
static void wish_dmarc_consent(struct wishes *w)
{
	struct str at = str_from(w->f->reports, str_rfind(w->f->reports, '@') + 1);
	struct publish_record *r;

	if (!at.n || str_eq(psl_organization(w->f->suffixes, at), psl_organization(w->f->suffixes, w->f->domain)))
		return;
	r = add_txt(w, PUBLISH_DMARC_REPORTS, arena_printf(w->a, STR_FMT "._report._dmarc." STR_FMT, STR_ARG(w->f->domain),
		    STR_ARG(at)), S("v=DMARC1"));
	if (!r)
		return;
	r->is_foreign = !w->f->owns_reports;
	r->note = arena_printf(w->a, STR_FMT " agrees to receive reports about " STR_FMT, STR_ARG(at), STR_ARG(w->f->domain));
}

static void wish_tlsrpt(struct wishes *w)
{
	AUTO(buf_end) struct buf b = buf_on_heap(NOTE_MAX);

	if (!w->f->takes_mail || !w->f->takes_domain || !w->f->tls_reports.n)
		return;
	buf_add(&b, S("v=TLSRPTv1; rua="));
	add_mailto(&b, w->f->tls_reports);
	add_txt(w, PUBLISH_TLSRPT, arena_printf(w->a, "_smtp._tls." STR_FMT, STR_ARG(w->f->domain)), arena_str(w->a, buf_str(&b)));
}

/* -- TLS --------------------------------------------------------------------------- */

void publish_sts_policy(const struct publish_facts *f, struct buf *b)
{
	buf_addf(b, "version: STSv1\nmode: testing\nmx: " STR_FMT "\nmax_age: %d\n", STR_ARG(f->host), STS_AGE);
}

static void wish_mta_sts(struct wishes *w)
{
	char mem[POLICY_MAX];
	struct buf policy = buf_over(mem, sizeof(mem));
	struct publish_record *r;

	if (!w->f->takes_mail || !w->f->takes_domain)
		return;
	publish_sts_policy(w->f, &policy);
	r = add_txt(w, PUBLISH_MTA_STS, arena_printf(w->a, "_mta-sts." STR_FMT, STR_ARG(w->f->domain)),
		    arena_printf(w->a, "v=STSv1; id=%08x", crc32c(0, buf_str(&policy))));
	if (!r)
		return;
	r->is_optional = true;
	r->note = arena_printf(w->a, "only if a web server has this text at https://mta-sts." STR_FMT "/.well-known/mta-sts.txt "
			       "(another id whenever it changes):\n" STR_FMT, STR_ARG(w->f->domain), STR_ARG(buf_str(&policy)));
}

static void wish_tlsa(struct wishes *w)
{
	for (size_t i = 0; w->f->takes_mail && i < w->f->n_tls_keys; i++) {
		char hex[2 * PUBLISH_KEY_DIGEST];
		struct buf b = buf_over(hex, sizeof(hex));
		struct publish_record *r = add(w, PUBLISH_TLSA, DNS_TLSA, arena_printf(w->a, "_25._tcp." STR_FMT, STR_ARG(w->f->host)));

		if (!r)
			return;
		buf_add_hex(&b, str_of(w->f->tls_keys[i], PUBLISH_KEY_DIGEST));
		r->text = arena_printf(w->a, "3 1 1 " STR_FMT, STR_ARG(buf_str(&b)));
		r->note = S("counts only where DNSSEC signs the zone; before the certificate gets another key, publish that one beside it");
	}
}

static void wish_srv(struct wishes *w)
{
	for (size_t i = 0; w->f->takes_domain && i < PUBLISH_SERVICES; i++) {
		struct publish_record *r;

		if (!w->f->ports[i])
			continue;
		r = add(w, PUBLISH_SRV, DNS_SRV, arena_printf(w->a, "%s._tcp." STR_FMT, services[i].name, STR_ARG(w->f->domain)));
		if (r)
			r->text = arena_printf(w->a, "%u 1 %u " STR_FMT ".", services[i].priority, w->f->ports[i], STR_ARG(w->f->host));
	}
}

static void wish_caa(struct wishes *w)
{
	struct publish_record *r = w->f->authority.n ? add(w, PUBLISH_CAA, DNS_CAA, w->f->host) : NULL;

	if (!r)
		return;
	r->is_optional = true;
	r->text = arena_printf(w->a, "0 issue \"" STR_FMT "\"", STR_ARG(w->f->authority));
	r->note = S("nobody else may issue certificates for this name");
}

bool publish_wishes(const struct publish_facts *f, struct arena *a, struct publish_list *ret, struct err *e)
{
	static void (*const all[])(struct wishes *) = {
		wish_addresses, wish_ptrs, wish_mx, wish_spf, wish_spf_helo, wish_dkim, wish_dmarc, wish_dmarc_consent,
		wish_mta_sts, wish_tlsrpt, wish_tlsa, wish_srv, wish_caa,
	};
	struct wishes w = { .f = f, .a = a };

	w.list.p = ARENA_ARRAY(a, struct publish_record, PUBLISH_RECORDS_MAX);
	for (size_t i = 0; w.list.p && i < ARRAY_LEN(all); i++)
		all[i](&w);
	if (!w.list.p || a->full)
		return fail(e, FAULT_TEMP, "no memory for a list of records");
	if (w.is_long)
		return fail(e, FAULT_PERM, "a name below " STR_FMT " would be longer than the DNS allows", STR_ARG(str_head(f->domain, 80)));
	*ret = w.list;
	return true;
}
