/* dns_name.c — domain names; see dns_name.h. */
#include "wire/dns_name.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { POINTER = 0xC0, OFFSET = 0x3FFF };

/* An octet of text, escapes undone; -1: not one.  *i moves past it. */
static int take_char(struct str text, size_t *i)
{
	int c = str_at(text, *i), v = 0;

	++*i;
	if (c != '\\')
		return c > 32 && c < 127 ? c : -1;
	if (!ascii_is_digit(str_at(text, *i)))
		return str_at(text, *i) > 32 && str_at(text, *i) < 127 ? str_at(text, (*i)++) : -1;
	for (size_t k = 0; k < 3; k++, ++*i) {
		if (!ascii_is_digit(str_at(text, *i)))
			return -1;
		v = v * 10 + str_at(text, *i) - '0';
	}
	return v < 256 ? v : -1;
}

bool dns_name_read(struct str text, struct dns_name *ret)
{
	struct dns_name name = { .n = 1 };       /* the first length octet */
	size_t label = 0, i = 0;

	if (str_eq(text, S("."))) {
		*ret = name;
		return true;
	}
	while (i < text.n) {
		bool is_dot = str_at(text, i) == '.';
		int c = take_char(text, &i);

		if (c < 0 || name.n == DNS_NAME_MAX)
			return false;
		if (!is_dot) {
			if (name.bytes[label]++ == DNS_LABEL_MAX)
				return false;
			name.bytes[name.n++] = (uint8_t)c;
			continue;
		}
		if (name.bytes[label] == 0)
			return false;
		label = name.n++;
	}
	/* without a final dot the root is still missing; an empty last label is it */
	if (text.n == 0 || (name.bytes[label] && name.n == DNS_NAME_MAX))
		return false;
	if (name.bytes[label])
		name.n++;
	*ret = name;
	return true;
}

static bool is_plain(int c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '*' || c == '/';
}

void dns_name_print(const struct dns_name *name, struct buf *b)
{
	if (name->n <= 1)
		buf_add(b, S("."));
	for (size_t at = 0; at + 1 < name->n; at += 1 + name->bytes[at]) {
		if (at)
			buf_add_char(b, '.');
		for (size_t i = at + 1; i <= at + name->bytes[at]; i++) {
			int c = ascii_lower(name->bytes[i]);

			if (is_plain(c))
				buf_add_char(b, (char)c);
			else
				buf_addf(b, "\\%03d", c);
		}
	}
}

bool dns_name_take(struct str packet, size_t *at, struct dns_name *ret)
{
	struct dns_name name = { 0 };
	size_t i = *at, earliest = *at, end = 0;
	int n;

	for (;;) {
		n = str_at(packet, i);
		if (n < 0)
			return false;
		if ((n & POINTER) == POINTER) {
			size_t to = ((size_t)n << 8 | (size_t)(str_at(packet, i + 1) & 0xFF)) & OFFSET;

			/* only backwards, so that there is no loop */
			if (str_at(packet, i + 1) < 0 || to >= earliest)
				return false;
			end = end ? end : i + 2;
			i = earliest = to;
			continue;
		}
		if (n > DNS_LABEL_MAX || i + 1 + (size_t)n > packet.n || name.n + 1 + (size_t)n > DNS_NAME_MAX)
			return false;
		memcpy(name.bytes + name.n, packet.p + i, 1 + (size_t)n);
		name.n += 1 + (size_t)n;
		i += 1 + (size_t)n;
		if (n == 0)
			break;
	}
	*at = end ? end : i;
	*ret = name;
	return true;
}

bool dns_name_take_plain(struct str *in, struct dns_name *ret)
{
	size_t n = 0;

	for (int c = str_at(*in, 0); c != 0; c = str_at(*in, n)) {
		if (c < 0 || c > DNS_LABEL_MAX)
			return false;
		n += 1 + (size_t)c;
	}
	n++;
	if (n > DNS_NAME_MAX)
		return false;
	ret->n = n;
	memcpy(ret->bytes, in->p, n);
	*in = str_from(*in, n);
	return true;
}

/* Lengths of labels are no letters, so that they compare as they are. */
bool dns_name_eq(const struct dns_name *x, const struct dns_name *y)
{
	return str_eq_nocase(str_of(x->bytes, x->n), str_of(y->bytes, y->n));
}

bool dns_name_is_host(const struct dns_name *name)
{
	bool has_letter = false;

	for (size_t at = 0; at + 1 < name->n; at += 1 + name->bytes[at]) {
		has_letter = false;
		for (size_t i = at + 1; i <= at + name->bytes[at]; i++) {
			int c = name->bytes[i];

			if (!ascii_is_alnum(c) && c != '-' && c != '_')
				return false;
			has_letter |= !ascii_is_digit(c);
		}
	}
	return has_letter;
}

void dns_name_of_address(const uint8_t addr[16], struct dns_name *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };
	bool is_v4 = memcmp(addr, mapped, sizeof(mapped)) == 0;
	char text[DNS_NAME_TEXT_MAX];
	struct buf b = buf_over(text, sizeof(text));

	for (size_t i = 16; i-- > (is_v4 ? 12 : 0);)
		if (is_v4)
			buf_addf(&b, "%d.", addr[i]);
		else
			buf_addf(&b, "%x.%x.", addr[i] & 15u, (unsigned)addr[i] >> 4);
	buf_add(&b, is_v4 ? S("in-addr.arpa") : S("ip6.arpa"));
	dns_name_read(buf_str(&b), ret);
}

bool dns_address_read(struct str text, uint8_t addr[16])
{
	uint8_t got[16] = { [10] = 0xFF, [11] = 0xFF };
	char z[INET6_ADDRSTRLEN] = { 0 };
	struct buf b = buf_over(z, sizeof(z) - 1);

	buf_add(&b, text);
	if (b.full || text.n != strlen(z))
		return false;
	if (inet_pton(AF_INET, z, got + 12) != 1 && inet_pton(AF_INET6, z, got) != 1)
		return false;
	memcpy(addr, got, sizeof(got));
	return true;
}
