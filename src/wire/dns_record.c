/* dns_record.c — RDATA; see dns_record.h. */
#include "wire/dns_record.h"

#include "base/attr.h"
#include "wire/dns_octets.h"
#include "wire/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const struct type {
	struct str name;
	uint16_t number;
	const char *layout;
} types[] = {
#define X(name, number, layout) { S(#name), number, layout },
	DNS_TYPES(X)
#undef X
};

static const struct type *type_find(uint16_t number)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

const char *dns_type_layout(uint16_t number)
{
	const struct type *t = type_find(number);

	return t ? t->layout : NULL;
}

uint16_t dns_type_read(struct str text)
{
	uint64_t n;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq_nocase(text, types[i].name))
			return types[i].number;
	if (str_starts_nocase(text, S("TYPE")) && str_u64(str_from(text, 4), &n) && n <= UINT16_MAX)
		return (uint16_t)n;
	return 0;
}

void dns_type_print(uint16_t number, struct buf *b)
{
	const struct type *t = type_find(number);

	if (t)
		buf_add(b, t->name);
	else
		buf_addf(b, "TYPE%u", number);
}

void dns_rcode_print(uint8_t rcode, struct buf *b)
{
	static const char *const names[] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED" };

	if (rcode < ARRAY_LEN(names))
		buf_add(b, str_from_z(names[rcode]));
	else
		buf_addf(b, "RCODE%u", rcode);
}

/* -- typed ------------------------------------------------------------------ */

/* The name and nothing behind it. */
static bool name_of(struct octets *o, struct dns_name *ret)
{
	return !o->bad && dns_name_take_plain(&o->in, ret) && o->in.n == 0;
}

static bool text_of(const struct dns_name *name, struct arena *a, struct str *ret)
{
	char mem[DNS_NAME_TEXT_MAX];
	struct buf b = buf_over(mem, sizeof(mem));

	dns_name_print(name, &b);
	*ret = arena_str(a, buf_str(&b));
	return !b.full && ret->n;
}

bool dns_mx_parse(struct str rdata, struct arena *a, struct dns_mx *ret)
{
	struct octets o = { rdata, false };
	struct dns_mx mx = { .preference = take_be16(&o) };
	struct dns_name name;

	if (!name_of(&o, &name) || !text_of(&name, a, &mx.host))
		return false;
	mx.is_host = dns_name_is_host(&name);
	*ret = mx;
	return true;
}

bool dns_target_parse(struct str rdata, struct arena *a, struct str *ret)
{
	struct octets o = { rdata, false };
	struct dns_name name;

	return name_of(&o, &name) && text_of(&name, a, ret);
}

bool dns_txt_parse(struct str rdata, struct buf *to)
{
	struct octets o = { rdata, false };
	size_t was = to->n;

	do
		buf_add(to, take_octets(&o, take_u8(&o)));
	while (!o.bad && o.in.n);
	if (!o.bad && !to->full)
		return true;
	to->n = was;
	return false;
}

bool dns_tlsa_parse(struct str rdata, struct dns_tlsa *ret)
{
	struct octets o = { rdata, false };
	struct dns_tlsa t = { .usage = take_u8(&o), .selector = take_u8(&o), .matching = take_u8(&o) };

	t.data = o.in;
	if (o.bad)
		return false;
	*ret = t;
	return true;
}

/* -- as text ---------------------------------------------------------------- */

/* Quoted, so that it is one word of a zone file and harmless to a terminal. */
static void print_string(struct str s, struct buf *b)
{
	buf_add_char(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c < 32 || c > 126)
			buf_addf(b, "\\%03d", c);
		else
			buf_add_char(b, (char)c);
	}
	buf_add_char(b, '"');
}

static void print_address(struct octets *o, int family, struct buf *b)
{
	struct str addr = take_octets(o, family == AF_INET ? 4 : 16);
	char text[INET6_ADDRSTRLEN];

	if (!o->bad && inet_ntop(family, addr.p, text, sizeof(text)))
		buf_add(b, str_from_z(text));
}

static void print_name(struct octets *o, struct buf *b)
{
	struct dns_name name;

	if (o->bad || !dns_name_take_plain(&o->in, &name)) {
		o->bad = true;
		return;
	}
	dns_name_print(&name, b);
	if (name.n > 1)
		buf_add_char(b, '.');
}

static void print_field(char kind, struct octets *o, struct buf *b)
{
	switch (kind) {
	case 'N':
		print_name(o, b);
		return;
	case 'A':
	case '6':
		print_address(o, kind == 'A' ? AF_INET : AF_INET6, b);
		return;
	case 'C':
		print_string(take_octets(o, take_u8(o)), b);
		return;
	case 'T':
		print_string(take_octets(o, take_u8(o)), b);
		while (!o->bad && o->in.n) {
			buf_add_char(b, ' ');
			print_string(take_octets(o, take_u8(o)), b);
		}
		return;
	case 'Q':
		print_string(take_octets(o, o->in.n), b);
		return;
	case 'B':
		base64_add(b, take_octets(o, o->in.n));
		return;
	case 'X':
		buf_add_hex(b, take_octets(o, o->in.n));
		return;
	default:
		buf_add_u64(b, take_number(o, (size_t)(kind - '0')));
	}
}

void dns_record_print(uint16_t type, struct str rdata, struct buf *b)
{
	const char *layout = dns_type_layout(type);
	struct octets o = { rdata, !layout };
	size_t was = b->n;

	for (const char *k = layout; k && *k && !o.bad; k++) {
		if (k != layout)
			buf_add_char(b, ' ');
		print_field(*k, &o, b);
	}
	if (!o.bad && o.in.n == 0)
		return;
	b->n = was;
	buf_addf(b, "\\# %zu ", rdata.n);
	buf_add_hex(b, rdata);
}
