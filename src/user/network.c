/* network.c — addresses and networks; see network.h. */
#include "user/network.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { V4_PREFIX = 96, ADDRESS_TEXT_MAX = 45 };

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static struct net_address from_v4(const void *four)
{
	struct net_address n;

	memcpy(n.b, v4_prefix, sizeof(v4_prefix));
	memcpy(n.b + 12, four, 4);
	return n;
}

bool net_address_parse(struct str s, struct net_address *ret)
{
	char z[ADDRESS_TEXT_MAX + 1];
	uint8_t v4[4];

	if (s.n == 0 || s.n > ADDRESS_TEXT_MAX || str_has(s, '\0'))
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	if (inet_pton(AF_INET, z, v4) == 1) {
		*ret = from_v4(v4);
		return true;
	}
	return inet_pton(AF_INET6, z, ret->b) == 1;
}

bool net_address_from(const struct sockaddr *sa, struct net_address *ret)
{
	if (sa->sa_family == AF_INET)
		*ret = from_v4(&((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	else if (sa->sa_family == AF_INET6)
		memcpy(ret->b, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	else
		return false;
	return true;
}

void net_address_print(const struct net_address *n, struct buf *out)
{
	char z[INET6_ADDRSTRLEN];
	bool v4 = net_address_is_v4(n);

	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? n->b + 12 : n->b, z, sizeof(z)))
		buf_add(out, str_from_z(z));
}

bool net_address_is_v4(const struct net_address *n)
{
	return memcmp(n->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool net_address_eq(const struct net_address *x, const struct net_address *y)
{
	return memcmp(x->b, y->b, 16) == 0;
}

bool net_address_is_loopback(const struct net_address *n)
{
	static const struct net_address one = { .b = { [15] = 1 } };

	return net_address_is_v4(n) ? n->b[12] == 127 : net_address_eq(n, &one);
}

struct net_address net_address_client(const struct net_address *n)
{
	struct net_address c = *n;

	if (!net_address_is_v4(n))
		for (size_t i = 8; i < 16; i++)
			c.b[i] = 0;
	return c;
}

/* Bit i counted from the left. */
static bool bit_at(const struct net_address *n, unsigned i)
{
	return n->b[i / 8] >> (7 - i % 8) & 1;
}

bool network_parse(struct str s, struct network *ret, struct err *e)
{
	size_t slash = str_find(s, '/');
	struct str bits = str_from(s, slash + 1);
	struct network w = { .bits = 128 };
	uint64_t n;

	if (!net_address_parse(str_head(s, slash), &w.address))
		return fail(e, FAULT_PERM, "\"" STR_FMT "\" is no address and no network",
			    STR_ARG(str_head(s, 60)));
	w.is_v4 = net_address_is_v4(&w.address);
	if (slash < s.n) {
		bool is_dotted = w.is_v4 && !str_has(str_head(s, slash), ':');

		if (!str_u64(bits, &n) || bits.n > 3 || n > (is_dotted ? 32 : 128))
			return fail(e, FAULT_PERM, "\"" STR_FMT "\" has no such number of bits",
				    STR_ARG(str_head(s, 60)));
		w.bits = (unsigned)n + (is_dotted ? V4_PREFIX : 0);
	}
	for (unsigned i = w.bits; i < 128; i++)
		if (bit_at(&w.address, i))
			return fail(e, FAULT_PERM, "\"" STR_FMT "\" has bits behind its mask",
				    STR_ARG(str_head(s, 60)));
	*ret = w;
	return true;
}

bool network_has(const struct network *w, const struct net_address *n)
{
	unsigned whole = w->bits / 8, more = w->bits % 8;

	if (w->is_v4 != net_address_is_v4(n))
		return false;
	if (memcmp(w->address.b, n->b, whole) != 0)
		return false;
	return more == 0 || ((w->address.b[whole] ^ n->b[whole]) >> (8 - more)) == 0;
}

bool network_list_has(const struct network *list, size_t n_list, const struct net_address *n)
{
	for (size_t i = 0; i < n_list; i++)
		if (network_has(&list[i], n))
			return true;
	return false;
}
