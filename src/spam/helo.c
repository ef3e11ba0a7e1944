/* helo.c — see helo.h. */
#include "spam/helo.h"

#include "conf/conf.h"
#include "wire/address.h"
#include "wire/dns_name.h"
#include "wire/smtp_command.h"

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" as an address, IPv4 mapped. */
static bool literal_parse(struct str helo, uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned char bytes[16];
	size_t n;

	if (!address_literal_parse(helo, bytes, &n))
		return false;
	if (n == 4)
		memcpy(addr, mapped, sizeof(mapped));
	memcpy(addr + 16 - n, bytes, n);
	return true;
}

const char *helo_wrong_syntax(const struct helo_facts *f)
{
	uint8_t addr[16];

	if (literal_parse(f->helo, addr))
		return memcmp(addr, f->client, 16)
			       ? "an address literal that is not its own address"
			       : NULL;
	if (dns_address_read(f->helo, addr))
		return "an address without brackets";
	if (!helo_is_valid(f->helo, f->extra, true))
		return "no name of a host";
	return str_has(f->helo, '.') ? NULL : "no full name: it has no dot";
}

const char *helo_is_ours(const struct helo_facts *f, const struct conf *c)
{
	struct str helo = str_ends(f->helo, S(".")) ? str_head(f->helo, f->helo.n - 1) : f->helo;
	uint8_t addr[16];

	if (literal_parse(helo, addr) || dns_address_read(helo, addr))
		return memcmp(addr, f->ours, 16) ? NULL : "it says that it has our address";
	if (str_eq_nocase(helo, c->hostname))
		return "it says that it is this server";
	for (size_t i = 0; i < c->domains.n; i++)
		if (str_eq_nocase(helo, c->domains.p[i].name))
			return "it says that it is a domain of ours";
	return str_eq_nocase(helo, S("localhost")) ||
			       str_eq_nocase(helo, S("localhost.localdomain"))
		       ? "it says that it is this machine"
		       : NULL;
}
