/* address.c — mail addresses; see address.h. */
#include "wire/address.h"

#include "base/utf8.h"

#include <arpa/inet.h>
#include <idn2.h>

/* atext, RFC 5322 §3.2.3 */
static bool is_atext(int c)
{
	return ascii_is_alnum(c) || (c > 0 && c < 0x80 && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Length of a character above ASCII that may stand in an address: neither C1
 * controls nor the Unicode line and paragraph separators. */
static size_t utf8_non_ascii(struct str s, unsigned flags)
{
	uint32_t cp;
	size_t n = flags & PATH_UTF8 && str_at(s, 0) >= 0x80 ? utf8_char(s, &cp) : 0;

	return n && cp > 0x9f && cp != 0x2028 && cp != 0x2029 ? n : 0;
}

/* Dot-string = Atom *("." Atom).  Gives its length, 0 if there is none. */
static size_t dot_string(struct str s, unsigned flags)
{
	size_t i = 0, n;

	while (i < s.n) {
		if (is_atext(str_at(s, i)))
			i++;
		else if ((n = utf8_non_ascii(str_from(s, i), flags)))
			i += n;
		else if (str_at(s, i) == '.' && i > 0 && str_at(s, i - 1) != '.')
			i++;
		else
			break;
	}
	return i && str_at(s, i - 1) == '.' ? 0 : i;
}

/* Quoted-string = DQUOTE *( qtextSMTP / "\" %d32-126 ) DQUOTE.  Gives its length with
 * both quotes, 0 if there is none. */
static size_t quoted_string(struct str s, unsigned flags)
{
	size_t i = 1, n;

	if (str_at(s, 0) != '"')
		return 0;
	while (i < s.n) {
		int c = str_at(s, i);

		if (c == '"')
			return i + 1;
		if (c == '\\') {
			c = str_at(s, ++i);
			n = c >= 0x20 && c < 0x7f;
		} else {
			n = c >= 0x20 && c < 0x7f ? 1 : utf8_non_ascii(str_from(s, i), flags);
		}
		if (n == 0)
			return 0;
		i += n;
	}
	return 0;
}

static bool unquote(struct str s, struct arena *a, struct str *ret)
{
	char *p = arena_alloc(a, s.n, 1);
	size_t n = 0;

	if (!p)
		return false;
	for (size_t i = 1; i + 1 < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		p[n++] = s.p[i];
	}
	*ret = str_of(p, n);
	return true;
}

bool domain_is_valid(struct str s)
{
	struct str label;

	if (s.n == 0 || s.n > DOMAIN_MAX || str_at(s, s.n - 1) == '.')
		return false;
	while (s.n) {
		label = str_cut(s, '.', &s);
		if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
		/* "_" is no letter of RFC 5321, but real hosts send with it */
		for (size_t i = 0; i < label.n; i++)
			if (!ascii_is_alnum(str_at(label, i)) && label.p[i] != '-' && label.p[i] != '_')
				return false;
	}
	return true;
}

bool address_literal_parse(struct str s, unsigned char addr[16], size_t *ret_n)
{
	char z[INET6_ADDRSTRLEN];
	bool is_v6;

	if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']' || str_has(s, '\0'))
		return false;
	s = str_sub(s, 1, s.n - 2);
	is_v6 = str_starts_nocase(s, S("IPv6:"));
	if (is_v6)
		s = str_from(s, 5);
	if (s.n >= sizeof(z))
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, z, addr) != 1)
		return false;
	*ret_n = is_v6 ? 16 : 4;
	return true;
}

static bool fold_literal(struct str s, struct arena *a, struct str *ret)
{
	unsigned char addr[16];
	char z[INET6_ADDRSTRLEN];
	size_t n;

	if (!address_literal_parse(s, addr, &n))
		return false;
	if (!inet_ntop(n == 16 ? AF_INET6 : AF_INET, addr, z, sizeof(z)))
		return false;
	*ret = n == 16 ? arena_printf(a, "[ipv6:%s]", z) : arena_printf(a, "[%s]", z);
	return !a->full;
}

/* U-labels as RFC 6531 §3.3 wants them, nothing mapped: a full-width stop or percent sign, a
 * zero-width space or an upper-case umlaut is no letter of IDNA 2008 and is refused. */
static bool fold_idna(struct str s, struct arena *a, struct str *ret)
{
	const char *z = str_z(a, s);
	struct str got = { 0 };
	uint8_t *out = NULL;

	if (z && idn2_lookup_u8((const uint8_t *)z, &out, IDN2_NO_TR46 | IDN2_NFC_INPUT) == IDN2_OK)
		got = arena_str(a, str_from_z((char *)out));
	idn2_free(out);
	if (!domain_is_valid(got))       /* also if the arena is full */
		return false;
	*ret = got;
	return true;
}

bool address_domain_fold(struct str domain, struct arena *a, struct str *ret)
{
	struct str lower;
	char *p;

	if (str_at(domain, 0) == '[')
		return fold_literal(domain, a, ret);
	if (domain.n == 0 || domain.n > DOMAIN_MAX)
		return false;
	p = arena_alloc(a, domain.n, 1);
	if (!p)
		return false;
	for (size_t i = 0; i < domain.n; i++)
		p[i] = (char)ascii_lower(str_at(domain, i));
	lower = str_of(p, domain.n);
	if (!str_is_ascii(lower))
		return utf8_valid(lower) && fold_idna(lower, a, ret);
	if (!domain_is_valid(lower))
		return false;
	*ret = lower;
	return true;
}

/* Length of the domain or address literal at the beginning of s; 0 if there is none. */
static size_t domain_length(struct str s, unsigned flags, struct arena *a)
{
	unsigned char addr[16];
	struct str folded;
	size_t i = 0, n;

	if (str_at(s, 0) == '[') {
		i = str_find(s, ']') + 1;
		return i <= s.n && address_literal_parse(str_head(s, i), addr, &n) ? i : 0;
	}
	while (i < s.n) {
		int c = str_at(s, i);

		n = c < 0x80 ? ascii_is_alnum(c) || c == '.' || c == '-' || c == '_' :
			       utf8_non_ascii(str_from(s, i), flags);
		if (n == 0)
			break;
		i += n;
	}
	return address_domain_fold(str_head(s, i), a, &folded) ? i : 0;
}

/* Where the parts of the address at the beginning of s lie, in lengths. */
static bool mailbox_length(struct str s, unsigned flags, struct arena *a, size_t *ret_local, size_t *ret_domain)
{
	struct arena_mark m = arena_mark(a);
	size_t local = str_at(s, 0) == '"' ? quoted_string(s, flags) : dot_string(s, flags), domain;

	/* "" is a local part by the grammar, but nobody's */
	if (local == 0 || (local == 2 && s.p[0] == '"'))
		return false;
	if (str_at(s, local) != '@') {
		*ret_local = local;
		*ret_domain = 0;
		return flags & PATH_POSTMASTER && str_eq_nocase(str_head(s, local), S("postmaster"));
	}
	domain = domain_length(str_from(s, local + 1), flags, a);
	arena_rewind(a, m);
	*ret_local = local;
	*ret_domain = domain;
	return domain > 0;
}

/* A sender that was rewritten on the way holds another address (trust/srs.h). */
static bool is_rewritten(struct str local)
{
	return str_starts_nocase(local, S("SRS0")) || str_starts_nocase(local, S("SRS1"));
}

static bool mailbox_parse(struct str *in, unsigned flags, struct arena *a, struct smtp_path *ret)
{
	struct smtp_path p = { 0 };
	size_t local, domain, n;

	if (!mailbox_length(*in, flags, a, &local, &domain))
		return false;
	n = local + (domain ? 1 + domain : 0);
	p.text = arena_str(a, str_head(*in, n));
	p.local = str_head(p.text, local);
	p.domain = str_from(p.text, local + 1);
	p.is_quoted = str_at(p.local, 0) == '"';
	p.is_literal = str_at(p.domain, 0) == '[';
	p.is_utf8 = !str_is_ascii(p.text);
	if (p.text.n != n || (p.is_quoted && !unquote(p.local, a, &p.local)))
		return false;
	if (p.local.n > (is_rewritten(p.local) ? LOCAL_REWRITTEN_MAX : LOCAL_MAX) || p.domain.n > DOMAIN_MAX)
		return false;
	*in = str_from(*in, n);
	*ret = p;
	return true;
}

/* Take a source route with its colon off *in, if there is one. */
static bool route_parse(struct str *in, unsigned flags, struct arena *a)
{
	struct arena_mark m = arena_mark(a);
	size_t i = 0, n = 1;

	if (str_at(*in, 0) != '@')
		return true;
	while (n && str_at(*in, i) == '@') {
		n = domain_length(str_from(*in, i + 1), flags, a);
		arena_rewind(a, m);
		i += 1 + n;
		if (str_at(*in, i) != ',')
			break;
		i++;
	}
	if (n == 0 || str_at(*in, i) != ':' || str_at(*in, i - 1) == ',')
		return false;
	*in = str_from(*in, i + 1);
	return true;
}

/* [ Route ":" ] Mailbox; behind a route "postmaster" alone is no mailbox. */
static bool routed_mailbox_parse(struct str *in, unsigned flags, struct arena *a, struct smtp_path *ret)
{
	struct str s = *in, route;

	if (!route_parse(&s, flags, a))
		return false;
	route = str_head(*in, in->n - s.n);
	if (route.n)
		flags &= ~(unsigned)PATH_POSTMASTER;
	if (!mailbox_parse(&s, flags, a, ret))
		return false;
	ret->is_utf8 |= !str_is_ascii(route);
	*in = s;
	return true;
}

bool smtp_path_parse(struct str *in, unsigned flags, struct arena *a, struct smtp_path *ret)
{
	struct str s = *in;
	struct smtp_path p = { .is_null = true };

	if (str_at(s, 0) != '<')
		return false;
	s = str_from(s, 1);
	if (flags & PATH_NULL && str_at(s, 0) == '>')
		p.text = p.local = p.domain = str_head(s, 0);
	else if (!routed_mailbox_parse(&s, flags, a, &p))
		return false;
	if (str_at(s, 0) != '>')
		return false;
	*in = str_from(s, 1);
	*ret = p;
	return true;
}

bool address_parse(struct str s, unsigned flags, struct arena *a, struct smtp_path *ret)
{
	struct smtp_path p;

	if (!mailbox_parse(&s, flags, a, &p) || s.n)
		return false;
	*ret = p;
	return true;
}

void smtp_path_add(struct buf *b, struct str local, struct str domain)
{
	if (local.n && dot_string(local, PATH_UTF8) == local.n) {
		buf_add(b, local);
	} else if (local.n) {
		buf_add_char(b, '"');
		for (size_t i = 0; i < local.n; i++) {
			if (local.p[i] == '"' || local.p[i] == '\\')
				buf_add_char(b, '\\');
			buf_add_char(b, local.p[i]);
		}
		buf_add_char(b, '"');
	}
	if (domain.n) {
		buf_add_char(b, '@');
		buf_add(b, domain);
	}
}
