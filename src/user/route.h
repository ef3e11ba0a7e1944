/* route.h — where an address leads, and why.
 *
 * A route begins with the address of RCPT and takes these steps, each target
 * again from the top:
 *
 *   1. Is the domain ours?  A domain block, its alias-domains, virtual.domains,
 *      the host's name, localhost.  If not, nothing is routed: 550 5.7.1.
 *   2. virtual.users, the block's own file before the common one:
 *      local@domain → without "+x" → *@domain → a lone *
 *   3. An alias domain: the same local part in the domain it stands for.
 *   4. /etc/aliases (system domains only: below).
 *   5. An internal account, a Linux account (system domains only), each also without "+x".
 *   6. root, postmaster, abuse, on a satellite all Linux accounts: the contact; if that is such a name of ours and
 *      leads nowhere itself, the first account.
 *      The address of DMARC reports (a block's dmarc-reports, else dmarc-reports@ any domain of ours) goes to whoever
 *      reads them and, by the steps so far but no wildcard, to whom it leads besides.
 *   7. catch-all of the block.
 *   8. others of the block: at another server.
 *   9. 550 5.1.1
 *
 * System domains are the host's name, localhost, the first domain block and
 * those with `accounts linux`; a bare name is one at localhost.  For localhost
 * and the host's name, the internal accounts of the first domain hold too, and
 * a lone * does not, unless they are declared as domains.
 * A wildcard line that only says :fail: does not hold for postmaster and abuse.
 * A line that names its own address means the account of that name.
 *
 * Nothing that a stranger writes in a local part is taken apart as an address:
 * remote targets come from the operator's lines only (attacks D1-D48). */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "user/address_file.h"

enum {
	ROUTE_STEPS_MAX = 50,            /* one chain of aliases */
	ROUTE_TARGETS_MAX = 1000,        /* targets looked at for one address */
	ROUTE_MEMORY = 4 << 20,          /* a good limit for the arena */
};

enum known {
	KNOWN_NO,
	KNOWN_YES,
	KNOWN_NOT_YET,           /* must be asked elsewhere: the answer is "later" */
};

struct route_domain {
	struct str name;                         /* folded, as are the next */
	const struct str *alias_domains;
	size_t n_alias_domains;
	const struct address_file *domains_file; /* further alias domains, or NULL */
	const struct address_file *users_file; /* its own, or NULL; keys may be bare local parts */
	struct str dmarc_reports;                /* the address, folded; empty: dmarc-reports@ it */
	struct str catch_all;                    /* one or more targets, or empty */
	bool has_linux_accounts;
	bool has_others;                         /* who is nobody here is somebody at another server */
};

/* What an answer depends on.  The owner embeds it and finds itself from the pointer. */
struct route_world {
	struct str hostname;                     /* folded */
	char subaddress;                         /* '+' of name+detail; 0: no such thing */
	struct str contact;                      /* targets for root, postmaster and abuse */
	bool is_satellite;                       /* nobody reads mail here: the contact gets that of Linux accounts too */
	const struct route_domain *domains;      /* the first is the first domain */
	size_t n_domains;
	const struct address_file *domains_file; /* the common ones; each may be NULL */
	const struct address_file *users_file;
	const struct address_file *aliases_file;
	/* The first account, "local@domain", or empty; may be NULL. */
	struct str (*first_account)(const struct route_world *w);
	enum known (*account_exists)(const struct route_world *w, struct str local,
				     struct str domain);
	enum known (*linux_exists)(const struct route_world *w, struct str name);
};

enum route_kind {
	ROUTE_ACCOUNT,           /* local@domain is an internal account */
	ROUTE_LINUX,             /* local is a Linux account */
	ROUTE_REMOTE,            /* local@domain elsewhere */
	ROUTE_PIPE,
	ROUTE_FILE,
	ROUTE_INCLUDE,
	ROUTE_BLACKHOLE,
	ROUTE_DMARC_REPORTS,     /* what is in it is read and kept */
	ROUTE_FAIL,              /* refused for good; text is public */
	ROUTE_DEFER,             /* refused for now; text is public */
};

/* One step of a chain, from its target back to the address of RCPT. */
struct route_step {
	const struct route_step *from;
	struct str text;         /* "users file F line 12: sales@x → alice@x" */
};

struct route_target {
	enum route_kind kind;
	struct str local;        /* of ROUTE_FAIL and ROUTE_DEFER: the address that is refused */
	struct str domain;
	struct str text;         /* command, path, or words for the reply */
	const char *status;      /* "5.1.1": of ROUTE_FAIL and ROUTE_DEFER */
	struct str tag;          /* what stood behind the + of the local part */
	const struct route_step *last;
};

enum route_verdict { ROUTE_ACCEPT, ROUTE_REFUSE, ROUTE_LATER };

struct route {
	enum route_verdict verdict;
	int code;                /* 250, 550, 451 */
	const char *status;      /* "2.1.5" */
	struct str text;         /* public: for the reply */
	struct str reason;       /* whole: for the log and for `test address` */
	struct str ask_linux;    /* not empty: ask for this Linux account, then route again */
	struct route_target *targets;    /* no two are the same */
	size_t n_targets;
};

/* The route of an address as a stranger may give it: local unquoted, domain empty only for
 * "postmaster".  false only if memory runs out; an address that leads nowhere is a route too.
 * Slices in *ret live in a or in the snapshots of w. */
bool route_address(const struct route_world *w, struct str local, struct str domain,
		   struct arena *a, struct route *ret, struct err *e);

/* Is mail for this folded domain ours to take? */
bool route_domain_is_ours(const struct route_world *w, struct str domain);
/* In whose name a letter by somebody of that folded domain is signed: the domain of ours, other than the host, that it
 * is or lies in; of those that a file names only together (*.example.net) the highest.  Empty: none. */
struct str route_signer(const struct route_world *w, struct str domain);

/* Are DMARC reports sent to it?  Both folded. */
bool route_takes_reports(const struct route_world *w, struct str local, struct str domain);

/* Each target with the steps that led there, for `waxwing test address`. */
void route_print(const struct route *r, struct buf *out);
const char *route_kind_name(enum route_kind k);
