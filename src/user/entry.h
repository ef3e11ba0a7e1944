/* entry.h — blocks and exceptions: what a person wrote down about senders and hosts, and which of it holds.
 *
 * An entry names one of these; letter case does not count, domains are compared as A-labels:
 *
 *	user@example.org     one address
 *	*@example.org        every address of that domain, not of those below it (also "@example.org")
 *	example.org          the domain and all below it, as a sender's and as a host's (also "*.example.org")
 *	host:example.org     the same as a host's alone: PTR, and for a block HELO too
 *	192.0.2.0/24         a network; 2001:db8::7 a client
 *
 * Of the entries that match, the most specific one holds: an address before a single client, that
 * before names (more labels first, "*@" before its domain), those before networks (longer prefix
 * first); of two that are equally specific the exception.  What a stranger may claim at will counts
 * against him and not for him: an exception is matched on the client's address, on a host name that leads
 * back to it, on the envelope's sender and on the domain of a signature that passes, never on HELO or the header. */
#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "user/network.h"

enum {
	ENTRY_WHAT_MAX = 400,            /* octets */
	ENTRY_REASON_MAX = 300,
	ENTRY_WORDS_MAX = 200,           /* addresses of one header that are looked at */
};

enum entry_kind { ENTRY_BLOCK = 1, ENTRY_ALLOW = 2 };
enum entry_form { ENTRY_ADDRESS, ENTRY_SENDERS, ENTRY_NAME, ENTRY_HOST, ENTRY_NETWORK, ENTRY_EXIM };

struct entry {
	enum entry_kind kind;
	enum entry_form form;
	struct str what;         /* in the one spelling; of an Exim list as it stands there */
	struct network net;      /* ENTRY_NETWORK */
	uint64_t id;             /* in the database; else 0 and */
	struct str file;
	unsigned line;
	int64_t added;           /* microseconds UTC; 0: not known */
	int64_t expires;         /* 0: never */
	struct str by, reason;
	struct entry *next;      /* of the same `what` in its set */
};

/* form, what and net of *ret, in the arena. */
bool entry_read(struct str what, struct arena *a, struct entry *ret, struct err *e);

/* What is known of a letter, or of the one who brings it; whatever is empty is not known. */
struct entry_subject {
	const struct net_address *peer;
	struct str host;         /* PTR */
	bool is_confirmed;       /* … which leads back to peer */
	struct str helo;
	struct str from;         /* of the envelope: local@domain */
	const struct str *authors;       /* addresses in From, Sender and Reply-To */
	size_t n_authors;
	const struct str *signers;       /* d= of DKIM signatures that pass */
	size_t n_signers;
};
/* The same, folded; all of it in the arena.  false: no memory. */
bool entry_subject_fold(const struct entry_subject *s, struct arena *a, struct entry_subject *ret);

#define ENTRY_ON_SIGNATURE "signature"

struct entry_found {
	const struct entry *entry;       /* NULL: none */
	unsigned weight;
	const char *on;                  /* "client", "host name", "HELO", "sender", "author", ENTRY_ON_SIGNATURE */
	struct str subject;              /* what of it matched; empty for the client */
};

/* Entries of one origin. */
struct entry_set {
	struct arena a;
	struct map names;                /* what → struct entry, chained */
	struct map nets;                 /* bits and masked address → the same */
	bool has_bits[129];
	struct entry **list;             /* all, in their order */
	size_t n, cap;
	size_t n_host, n_letter;         /* how many could match a host name; an author or a signature */
};
void entry_set_end(struct entry_set *s);
/* e->what and the other slices are copied.  false: no memory. */
bool entry_set_add(struct entry_set *s, const struct entry *e);
/* Is there something more specific than *best (which may be empty)?  The subject is folded. */
void entry_set_find(const struct entry_set *s, const struct entry_subject *subject, int64_t now,
		    struct entry_found *best);

/* For those who match by other rules: is it better than *best? */
void entry_offer(struct entry_found *best, const struct entry *e, unsigned weight, const char *on, struct str subject);
unsigned entry_weight(const struct entry *e);
/* How specific is a name of so many labels? */
unsigned entry_name_weight(struct str name);
