/* virtual_users_fuzz.c — any bytes as virtual.users and virtual.domains: every key routes within the limits. */
#include "user/route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void route_key(const struct route_world *w, struct str key)
{
	AUTO(arena_end) struct arena a = { .limit = ROUTE_MEMORY };
	size_t at = str_rfind(key, '@');
	struct buf b = buf_on_heap(1 << 20);
	struct err e = { 0 };
	struct route r;

	if (route_address(w, str_head(key, at), at < key.n ? str_from(key, at + 1) : S("a.example"),
			  &a, &r, &e)) {
		must(r.code == 250 || r.code == 451 || r.code == 550, "a route has a verdict");
		must(r.text.n > 0 && r.reason.n > 0, "a verdict has words");
		must(r.n_targets <= ROUTE_TARGETS_MAX, "targets are bounded");
		must((r.code == 250) == (r.verdict == ROUTE_ACCEPT), "code and verdict agree");
		route_print(&r, &b);
	}
	buf_end(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct route_domain block = { .name = S("a.example"),
						  .catch_all = S("x@b.example")};
	struct err e = { 0 };
	struct str text = str_of(p, n), key;
	AUTO(address_file_end) struct address_file *users = address_file_parse(ADDRESS_FILE_USERS, S("u"), text, &e);
	AUTO(address_file_end) struct address_file *domains =
		address_file_parse(ADDRESS_FILE_DOMAINS, S("d"), text, &e);
	struct route_world w = { .hostname = S("mx.example"),
				.contact = S("postmaster@a.example"),
				.domains = &block,
				.n_domains = 1,
				.users_file = users,
				.domains_file = domains};
	size_t left = 50;
	void *line;

	if (!users || !domains)
		return 0;
	for (size_t i = 0; left > 0 && map_next(&users->lines, &i, &key, &line); left--)
		route_key(&w, key);
	return 0;
}
