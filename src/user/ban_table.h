/* ban_table.h — the bans in force, and how often each client was banned before.
 *
 * A ban that the server made is about one client (an IPv4 address, an IPv6 /64) and has an end; one
 * that a person made is about any network.  Memory is bounded: past BANS_MAX of the server's the one
 * that ends first gives way, so that a crowd banned for minutes never frees who is banned for weeks;
 * a person's is refused past BANS_BY_HAND_MAX and never gives way.  Times are microseconds UTC. */
#pragma once

#include "base/heap.h"
#include "base/map.h"
#include "user/access_store.h"

enum { BANS_MAX = 100000, BANS_BY_HAND_MAX = 10000, BANNED_BEFORE_MAX = 200000 };

struct ban {
	struct ban_entry entry;  /* its words are the ban's own */
	struct network net;
	bool is_automatic;
	bool is_written;         /* the database has it, */
	uint64_t hits_written;   /* and knows of so many hits */
	int64_t told;            /* when it was last said that it refused somebody */
	struct heap_node end;
};

/* Zero is an empty table. */
struct ban_table {
	struct ban **list;       /* by id */
	size_t n, cap;
	struct map clients;      /* of the server's: client → struct ban */
	struct heap ends;        /* of the server's */
	struct ban **networks;   /* of people */
	size_t n_networks, cap_networks;
	struct map before;       /* client → struct banned_before */
	struct heap by_end;
};

void ban_table_end(struct ban_table *t);

/* The id is greater than all before.  NULL: what it is about cannot be banned, or there is no place for it. */
struct ban *ban_table_add(struct ban_table *t, const struct ban_entry *x, bool is_automatic, struct err *e);
/* Ends it here. */
void ban_table_remove(struct ban_table *t, struct ban *b);
/* Those that are over. */
void ban_table_expire(struct ban_table *t, int64_t now);
/* One in force that `from` is under, or NULL. */
struct ban *ban_table_find(const struct ban_table *t, const struct net_address *from, int64_t now);
/* The first with an id above `after`, or NULL. */
struct ban *ban_table_next(const struct ban_table *t, int64_t after);

/* Banned at `now` until then; `forget` as below. */
void ban_table_note(struct ban_table *t, const struct net_address *client, int64_t forget, int64_t now, int64_t until);
/* How often before, if it has not been quiet for `forget` since its last ban was over. */
unsigned ban_table_before(const struct ban_table *t, const struct net_address *client, int64_t forget, int64_t now);
/* It was a mistake. */
void ban_table_pardon(struct ban_table *t, const struct net_address *client);
