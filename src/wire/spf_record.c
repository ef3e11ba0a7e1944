/* spf_record.c — see spf_record.h. */
#include "wire/spf_record.h"

#include "wire/dns_name.h"
#include "wire/spf_macro.h"

enum { IP4_BITS = 32, IP6_BITS = 128, SHOWN_MAX = 60 };

enum term_wants {
	MAY_DOMAIN = 1 << 0,
	MUST_DOMAIN = 1 << 1,
	MAY_CIDR = 1 << 2,
	MUST_NETWORK = 1 << 3,
	IS_MODIFIER = 1 << 4,
};

static const struct row {
	struct str name;
	unsigned wants;
} rows[] = {
	[SPF_TERM_ALL]      = { S("all"), 0 },                          /* §5.1 */
	[SPF_TERM_INCLUDE]  = { S("include"), MUST_DOMAIN },            /* §5.2 */
	[SPF_TERM_A]        = { S("a"), MAY_DOMAIN | MAY_CIDR },        /* §5.3 */
	[SPF_TERM_MX]       = { S("mx"), MAY_DOMAIN | MAY_CIDR },       /* §5.4 */
	[SPF_TERM_PTR]      = { S("ptr"), MAY_DOMAIN },                 /* §5.5 */
	[SPF_TERM_IP4]      = { S("ip4"), MUST_NETWORK },               /* §5.6 */
	[SPF_TERM_IP6]      = { S("ip6"), MUST_NETWORK },
	[SPF_TERM_EXISTS]   = { S("exists"), MUST_DOMAIN },             /* §5.7 */
	[SPF_TERM_REDIRECT] = { S("redirect"), MUST_DOMAIN | IS_MODIFIER },     /* §6.1 */
	[SPF_TERM_EXP]      = { S("exp"), MUST_DOMAIN | IS_MODIFIER },          /* §6.2 */
};

/* name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )   §12; its length, or 0. */
static size_t name_length(struct str s)
{
	size_t i = 0;

	if (ascii_is_alpha(str_at(s, 0)))
		while (ascii_is_alnum(str_at(s, i)) || (i < s.n && str_has(S("-_."), s.p[i])))
			i++;
	return i;
}

/* The name's kind if it is a mechanism, or a modifier; SPF_TERM_OTHER: neither. */
static enum spf_term_kind kind_of(struct str name, unsigned is_modifier)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq_nocase(name, rows[i].name) && (rows[i].wants & IS_MODIFIER) == is_modifier)
			return (enum spf_term_kind)i;
	return SPF_TERM_OTHER;
}

/* "0" / %x31-39 *DIGIT: no leading zeros. */
static bool bits_read(struct str s, unsigned most, uint8_t *ret)
{
	uint64_t n;

	if (!str_u64(s, &n) || n > most || (s.n > 1 && s.p[0] == '0'))
		return false;
	*ret = (uint8_t)n;
	return true;
}

/* The digits at the end of *s behind a slash, and takes both off; *ret is empty if there are none. */
static void cidr_cut(struct str *s, struct str *ret)
{
	size_t slash = s->n;

	while (slash > 0 && ascii_is_digit(s->p[slash - 1]))
		slash--;
	*ret = (struct str){ 0 };
	if (slash == 0 || slash == s->n || s->p[slash - 1] != '/')
		return;
	*ret = str_from(*s, slash);
	s->n = slash - 1;
}

/* dual-cidr-length = [ "/" ip4 ] [ "//" ip6 ]   A name may have slashes, too: only what is last can be a length. */
static const char *dual_cidr_take(struct str *s, struct spf_term *t)
{
	struct str digits, rest = *s;

	cidr_cut(&rest, &digits);
	if (digits.n && str_ends(rest, S("/"))) {
		if (!bits_read(digits, IP6_BITS, &t->bits6))
			return "an IPv6 network has 0 to 128 bits";
		rest.n--;
		*s = rest;
		cidr_cut(&rest, &digits);
	}
	if (digits.n && !bits_read(digits, IP4_BITS, &t->bits4))
		return "an IPv4 network has 0 to 32 bits";
	*s = rest;
	return NULL;
}

static const char *network_read(struct str s, struct spf_term *t)
{
	bool is_v4 = t->kind == SPF_TERM_IP4;
	struct str bits, addr = str_cut(s, '/', &bits);

	if (str_has(addr, ':') == is_v4 || !dns_address_read(addr, t->addr))
		return is_v4 ? "not an IPv4 network" : "not an IPv6 network";
	if (addr.n < s.n && !bits_read(bits, is_v4 ? IP4_BITS : IP6_BITS, is_v4 ? &t->bits4 : &t->bits6))
		return is_v4 ? "an IPv4 network has 0 to 32 bits" : "an IPv6 network has 0 to 128 bits";
	return NULL;
}

static const char *domain_read(struct str s, struct spf_term *t)
{
	if (!s.n)
		return "a domain is missing";
	if (!spf_domain_is_valid(s))
		return spf_macro_is_valid(s, SPF_IN_DOMAIN) ? "not a domain with a top-level label" : "a malformed macro";
	t->domain = s;
	return NULL;
}

/* What stands behind the name. */
static const char *argument_read(struct str s, struct spf_term *t)
{
	unsigned wants = rows[t->kind].wants;
	const char *wrong = wants & MAY_CIDR ? dual_cidr_take(&s, t) : NULL;
	bool has_colon = str_at(s, 0) == ':';

	if (wrong)
		return wrong;
	if (wants & MUST_NETWORK)
		return has_colon ? network_read(str_from(s, 1), t) : "a network is missing";
	if (has_colon && wants & (MAY_DOMAIN | MUST_DOMAIN))
		return domain_read(str_from(s, 1), t);
	if (s.n)
		return "nothing like that may stand behind the name";
	return wants & MUST_DOMAIN ? "a domain is missing" : NULL;
}

static const char *modifier_read(struct str name, struct str value, struct spf_term *t)
{
	t->kind = kind_of(name, IS_MODIFIER);
	if (t->kind != SPF_TERM_OTHER)
		return domain_read(value, t);
	t->domain = value;
	return spf_macro_is_valid(value, SPF_IN_DOMAIN) ? NULL : "a malformed macro";
}

/* NULL, or what is wrong. */
static const char *term_read(struct str text, struct spf_term *ret)
{
	struct spf_term t = { .text = text, .bits4 = IP4_BITS, .bits6 = IP6_BITS };
	size_t n = name_length(text);
	const char *wrong;

	if (n && str_at(text, n) == '=') {
		wrong = modifier_read(str_head(text, n), str_from(text, n + 1), &t);
	} else {
		bool is_qualified = text.n && str_has(S("+-?~"), text.p[0]);

		t.qualifier = is_qualified ? text.p[0] : '+';
		text = str_from(text, is_qualified);
		n = name_length(text);
		t.kind = kind_of(str_head(text, n), 0);
		wrong = t.kind == SPF_TERM_OTHER ? "no such mechanism" : argument_read(str_from(text, n), &t);
	}
	*ret = t;
	return wrong;
}

/* The next term's text; empty at the end. */
static struct str term_cut(struct str *in)
{
	struct str text;

	do
		text = str_cut(*in, ' ', in);
	while (!text.n && in->n);
	return text;
}

bool spf_term_next(struct str *in, struct spf_term *ret)
{
	struct str text = term_cut(in);

	return text.n && !term_read(text, ret);
}

bool spf_record_is(struct str text)
{
	return str_starts_nocase(text, S("v=spf1")) && (text.n == 6 || text.p[6] == ' ');
}

static bool wrong_at(size_t number, struct str term, const char *why, struct err *e)
{
	char mem[4 * SHOWN_MAX];
	struct buf b = buf_over(mem, sizeof(mem));

	buf_add_printable(&b, term, SHOWN_MAX);
	return fail(e, FAULT_PERM, "term %zu \"" STR_FMT "\": %s", number, STR_ARG(buf_str(&b)), why);
}

bool spf_record_read(struct str text, struct spf_record *ret, struct err *e)
{
	struct spf_record r = { .terms = str_from(text, 6) };
	struct str rest = r.terms, at;
	const char *wrong = NULL;

	if (!spf_record_is(text))
		return fail(e, FAULT_PERM, "not a record of version spf1");
	if (text.n > SPF_RECORD_MAX)
		return fail(e, FAULT_PERM, "the record has more than %d octets", SPF_RECORD_MAX);
	for (size_t n = 1; (at = term_cut(&rest)).n; n++) {
		struct spf_term t;
		struct str *once;

		wrong = term_read(at, &t);
		once = t.kind == SPF_TERM_REDIRECT ? &r.redirect : t.kind == SPF_TERM_EXP ? &r.exp : NULL;
		if (!wrong && once && once->n)
			wrong = "stands twice";
		if (wrong)
			return wrong_at(n, at, wrong, e);
		if (once)
			*once = t.domain;
	}
	*ret = r;
	return true;
}
