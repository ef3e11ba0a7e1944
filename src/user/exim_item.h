/* exim_item.h — one line of an address list or host list of Exim (specification, chapters 10.11 and 10.19). */
#pragma once

#include "user/entry.h"

struct exim_item {
	enum { EXIM_ALL, EXIM_SENDER, EXIM_NET, EXIM_HOST } form;
	bool is_negated;
	bool has_local;          /* EXIM_SENDER: else the domain alone counts */
	bool local_is_end;       /* "*key@…": the local part ends so */
	bool name_is_end;        /* "*.example.org", and "*example.org" too: the name ends so */
	bool needs_name;         /* it looks at the host's name */
	struct str local, name;  /* folded */
	struct network net;
	unsigned weight;
	const char *on;
};

/* The names lie in the arena.  false: it is something that is not supported, with a sentence. */
bool exim_item_read(struct str line, bool is_hosts, struct arena *a, struct exim_item *ret, struct err *e);
bool exim_item_matches(const struct exim_item *i, const struct entry_subject *q);
struct str exim_item_subject(const struct exim_item *i, const struct entry_subject *q);
