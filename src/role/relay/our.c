/* our.c — our own addresses: where we listen, and whether they have names. */
#include "role/relay/relay.h"

#include "base/map.h"
#include "base/time.h"
#include "role/runtime.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdlib.h>

enum { OWN_MAX = 256, NAMES_MAX = 64 };
#define NAME_KEPT HOUR

static uint8_t own[OWN_MAX][16];
static size_t n_own;

/* Before the rights go: the kernel tells it by netlink. */
void our_addresses_note(void)
{
	struct ifaddrs *all;

	if (getifaddrs(&all))
		return;
	for (struct ifaddrs *i = all; i && n_own < OWN_MAX; i = i->ifa_next) {
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET) {
			own[n_own][10] = own[n_own][11] = 0xff;
			memcpy(own[n_own++] + 12, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, 4);
		} else if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6) {
			memcpy(own[n_own++], &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr, 16);
		}
	}
	freeifaddrs(all);
}

static bool is_of_this_machine(const uint8_t addr[16])
{
	static const uint8_t loopback[13] = { [10] = 0xff, 0xff, 127 };

	if (memcmp(addr, loopback, sizeof(loopback)) == 0)
		return true;
	for (size_t i = 0; i < n_own; i++)
		if (memcmp(own[i], addr, 16) == 0)
			return true;
	return false;
}

static bool is_address(struct str text, const uint8_t addr[16])
{
	uint8_t got[16] = { [10] = 0xff, [11] = 0xff };
	char z[INET6_ADDRSTRLEN];

	if (text.n >= sizeof(z))
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	return (inet_pton(AF_INET, z, got + 12) == 1 || inet_pton(AF_INET6, z, got) == 1) && memcmp(got, addr, 16) == 0;
}

bool our_address(const uint8_t addr[16], uint16_t port)
{
	const struct conf_listens *l = &conf_now()->listens;

	for (size_t i = 0; i < l->n; i++)
		if (l->p[i].proto == CONF_SMTP && l->p[i].port == port &&
		    (str_eq(l->p[i].addr, S("*")) ? is_of_this_machine(addr) : is_address(l->p[i].addr, addr)))
			return true;
	return false;
}

/* -- names ------------------------------------------------------------------------- */

static struct {
	uint8_t addr[16];
	bool has_name;
	int64_t until;           /* time_mono() */
} names[NAMES_MAX];

SUSPENDS bool our_address_has_name(const uint8_t ours[16])
{
	AUTO(arena_end) struct arena a = { .limit = 64 * 1024 };
	char z[INET6_ADDRSTRLEN] = "";
	struct dns_names found;
	struct err e;
	size_t slot = hash_keyed(str_of(ours, 16)) % NAMES_MAX;

	if (names[slot].until > time_mono() && memcmp(names[slot].addr, ours, 16) == 0)
		return names[slot].has_name;
	inet_ntop(AF_INET6, ours, z, sizeof(z));
	if (!dns_ptr(str_from_z(z), &a, &found, &e) || found.said.outcome == DNS_TEMP || found.said.outcome == DNS_BOGUS)
		return false;            /* not this time */
	memcpy(names[slot].addr, ours, 16);
	names[slot].has_name = found.n > 0;
	names[slot].until = time_mono() + NAME_KEPT;
	return names[slot].has_name;
}
