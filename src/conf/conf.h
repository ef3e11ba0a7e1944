/* conf.h — what may be chosen, as the roles read it.
 *
 * Each option is one row of a .def file: kind, type, field, name, default, least
 * and greatest value, whether a reload applies it, which roles receive it, one
 * line of help.  struct conf, the reader, the checks of types, `config show`,
 * `config explain`, the man page and the sample come from the rows.
 *
 * To add an option: write its row; if it has a new type, add a row to types.def
 * and its reader and printer to types.c.  What several options must agree on
 * stands in check.c.
 *
 * A role receives its part as text of the same grammar (conf_print_for_role) and
 * reads it with conf_read_image.  Everything lives in the caller's arena. */
#pragma once

#include "base/buf.h"
#include "conf/notes.h"
#include "conf/syntax.h"

/* An address or network; IPv4 stands as ::ffff:a.b.c.d, bits count from 128. */
struct conf_net {
	uint8_t addr[16];
	uint8_t bits;
};

struct conf_name {                       /* a domain, address or path, and where it stood */
	struct str text;
	struct conf_pos pos;
};

struct conf_rate {
	uint32_t n;                      /* 0: no limit */
	int64_t per;                     /* microseconds */
};

struct conf_per_client {
	uint32_t connections;            /* at once; 0: no limit */
	struct conf_rate opened;         /* new connections */
};

enum { CONF_DURATIONS_MAX = 16 };
struct conf_durations {
	int64_t p[CONF_DURATIONS_MAX];   /* at least one; none is shorter than the one before */
	size_t n;
};

enum { CONF_RETRY_MAX = 16 };
struct conf_retry {
	int64_t delay[CONF_RETRY_MAX];   /* the last one is repeated */
	size_t n;
	int64_t give_up;                 /* the sender is told that it failed */
	int64_t warn;                    /* the sender is told that it waits; 0: never */
};

struct conf_aliases {
	struct str path;                 /* empty: `aliases off` */
	struct str as_user;              /* who runs its |command and writes its /file; or empty */
	struct conf_pos pos;
};

struct conf_tls {
	struct str certificate;
	struct str key;
	struct conf_pos pos;
};

/* The order of the words in dkim.c. */
enum conf_dkim_kind { CONF_DKIM_OWN, CONF_DKIM_OFF, CONF_DKIM_KEYS };
struct conf_dkim {
	enum conf_dkim_kind kind;
	struct str path;                 /* KEYS: "%d" stands for the domain */
	struct str selector;
	struct str domain;               /* KEYS: in whose name all is signed, whoever wrote it; or empty */
	bool is_testing, is_strict;      /* t=y, t=s of the record to publish */
	struct conf_pos pos;
};

struct conf_quota {
	uint64_t bytes;                  /* 0: no limit */
	uint32_t letters;                /* 0: no limit */
	struct str whose;                /* an account or a domain; empty: all others */
	struct conf_pos pos;
};

enum conf_sender_kind { CONF_SENDER_OWN, CONF_SENDER_ANY, CONF_SENDER_DOMAIN, CONF_SENDER_ADDRESS };
struct conf_sender {
	enum conf_sender_kind kind;
	struct str text;                 /* "*@domain", an address, or empty */
};

/* The order of the words in types.def. */
enum conf_demand { CONF_TLS_IF_OFFERED, CONF_TLS_ENCRYPT, CONF_TLS_VERIFY, CONF_TLS_NEVER };

/* A way out: `route … via …`, `others via …`.  An unset `others` has neither is_mx nor a host. */
struct conf_route {
	struct str destination;          /* "example.org", "*.example.org", "*"; empty: `others` */
	struct str from;                 /* senders of which domain, in the same forms; empty: all */
	bool is_mx;                      /* the servers that the DNS names */
	bool is_wrapped;                 /* smtps: TLS from the first byte */
	struct str host;                 /* lower case; an address without brackets */
	uint16_t port;
	struct str user;                 /* empty: no AUTH */
	struct str secret;               /* path of the password's file */
	enum conf_demand tls;            /* what holds, said or following from the rest; with is_mx see has_tls */
	bool has_tls;                    /* it was said: it goes before outbound.tls */
	struct conf_pos pos;
};

/* The order of the words in checks.c. */
enum conf_check_kind {
	CONF_CHECK_RDNS, CONF_CHECK_HELO, CONF_CHECK_HELO_SELF, CONF_CHECK_SENDER_DOMAIN, CONF_CHECK_DNSBL,
	CONF_CHECK_DNSWL,
	/* from here on of the letter itself: `scan` looks */
	CONF_CHECK_FROM, CONF_CHECK_SPF, CONF_CHECK_DKIM, CONF_CHECK_DMARC, CONF_CHECK_ARC,
	CONF_CHECK_HEADER_ADDRESS, CONF_CHECK_KINDS
};
enum conf_action { CONF_NOTHING, CONF_REJECT, CONF_DEFER, CONF_SCORE, CONF_TAG, CONF_PASS, CONF_OBEY };
/* What the checks of a letter can find besides `fail` and `temporary`. */
enum conf_when { CONF_WHEN_SOFTFAIL, CONF_WHEN_NEUTRAL, CONF_WHEN_NONE, CONF_WHEN_PERMERROR, CONF_WHENS };
struct conf_outcome {
	bool is_set;
	enum conf_action action;
	int32_t score;                   /* hundredths */
	struct str text;                 /* for the other server; empty: that of the reply */
};
struct conf_answer {                     /* of a list: low <= (address & mask) <= high */
	uint32_t low, high, mask;
};
struct conf_check {
	enum conf_check_kind kind;
	struct str zone;                 /* of a list */
	struct conf_answer *answers;
	size_t n_answers;                /* 0: any */
	bool is_untested;                /* the list has no test points */
	struct conf_outcome found;       /* `fail` or `hit` */
	struct conf_outcome temporary;
	struct conf_outcome when[CONF_WHENS];
	struct str label;                /* the owner's word for it, or empty */
	struct conf_pos pos;
};
struct conf_threshold {
	bool is_set;
	int32_t score;                   /* hundredths */
};

struct conf_scanner {
	bool is_set;
	struct str path;                 /* of a unix socket; else: */
	uint8_t addr[16];
	bool is_v4;
	uint16_t port;
	struct str user;                 /* or empty */
	uint64_t max_size;
	int64_t within;
	uint32_t at_once;
};

enum conf_ipv6 { CONF_IPV6_IF_PTR, CONF_IPV6_ON, CONF_IPV6_OFF };
enum conf_backend_kind { CONF_BACKEND_INTERNAL, CONF_BACKEND_PAM };
struct conf_backend {
	enum conf_backend_kind kind;
	struct str service;              /* of PAM */
	struct conf_pos pos;
};

enum conf_resolver_kind { CONF_RESOLVER_RECURSIVE, CONF_RESOLVER_FORWARD, CONF_RESOLVER_OFF };
struct conf_server {
	struct str addr;                 /* an IP address */
	uint16_t port;
};
enum { CONF_FORWARDERS_MAX = 8 };
struct conf_resolver {
	enum conf_resolver_kind kind;
	struct conf_server server[CONF_FORWARDERS_MAX];
	size_t n;
};

/* The order of the words in types.def. */
enum conf_log { CONF_LOG_ERROR, CONF_LOG_WARN, CONF_LOG_INFO, CONF_LOG_DEBUG };
enum conf_helo { CONF_HELO_LENIENT, CONF_HELO_STRICT };
enum conf_checkpoint { CONF_CHECKPOINT_AUTO, CONF_CHECKPOINT_SYNCFS, CONF_CHECKPOINT_FSYNC };
enum conf_accounts { CONF_ACCOUNTS_INTERNAL, CONF_ACCOUNTS_LINUX };
enum conf_over_quota { CONF_OVER_QUOTA_DEFER, CONF_OVER_QUOTA_REFUSE };
enum conf_user_kind { CONF_USER_FULL, CONF_USER_SEND_ONLY, CONF_USER_RELAY };
enum conf_on_off { CONF_ON, CONF_OFF };
enum conf_proto {
	CONF_SMTP, CONF_SUBMISSION, CONF_IMAP, CONF_POP3, CONF_SIEVE, CONF_HTTP, CONF_HTTPS,
};
/* PLAINTEXT: TLS is offered, and a password is taken without it. */
enum conf_listen_tls { CONF_TLS_OFFERED, CONF_TLS_STARTTLS, CONF_TLS_WRAPPED, CONF_TLS_PLAINTEXT };

struct conf_nets { struct conf_net *p; size_t n; };
struct conf_names { struct conf_name *p; size_t n; };
struct conf_aliases_list { struct conf_aliases *p; size_t n; };
struct conf_tls_list { struct conf_tls *p; size_t n; };
struct conf_dkims { struct conf_dkim *p; size_t n; };
struct conf_backends { struct conf_backend *p; size_t n; };
struct conf_quotas { struct conf_quota *p; size_t n; };
struct conf_routes { struct conf_route *p; size_t n; };
struct conf_listens { struct conf_listen *p; size_t n; };
struct conf_senders { struct conf_sender *p; size_t n; };
struct conf_users { struct conf_user *p; size_t n; };
struct conf_checks { struct conf_check *p; size_t n; };
struct conf_networks { struct conf_network *p; size_t n; };
struct conf_domains { struct conf_domain *p; size_t n; };

struct conf_network {                    /* sends without AUTH */
	struct conf_nets nets;
	struct conf_senders senders;
	struct conf_rate limit;          /* recipients; per 0: that of submission */
	struct conf_pos pos;
};

/* The C type of a field, by kind and type of its row. */
#define ONE_count uint32_t
#define ONE_copies uint32_t              /* 0: auto */
#define ONE_duration int64_t             /* microseconds */
#define ONE_size uint64_t                /* bytes */
#define ONE_path struct str              /* absolute */
#define ONE_chars struct str
#define ONE_mark char                    /* 0: off */
#define ONE_domain struct str            /* lower case */
#define ONE_address struct str           /* its domain in lower case */
#define ONE_login struct str
#define ONE_rate struct conf_rate
#define ONE_per_client struct conf_per_client
#define ONE_limit struct conf_rate       /* per 0: not chosen */
#define ONE_retry struct conf_retry
#define ONE_durations struct conf_durations
#define ONE_file struct conf_name
#define ONE_via struct conf_route
#define ONE_ipv6 enum conf_ipv6
#define ONE_demand enum conf_demand
#define ONE_resolver struct conf_resolver
#define ONE_dns struct conf_dns
#define ONE_log enum conf_log
#define ONE_helo enum conf_helo
#define ONE_checkpoint enum conf_checkpoint
#define ONE_accounts enum conf_accounts
#define ONE_over_quota enum conf_over_quota
#define ONE_user_kind enum conf_user_kind
#define ONE_on_off enum conf_on_off
#define ONE_threshold struct conf_threshold
#define ONE_scanner struct conf_scanner
#define ONE_submission struct conf_submission
#define ONE_auth struct conf_auth
#define ONE_inbound struct conf_inbound
#define ONE_outbound struct conf_outbound
#define ONE_journal struct conf_journal
#define ONE_login_block struct conf_login
#define ONE_ban_block struct conf_ban
#define MANY_net struct conf_nets
#define MANY_sender struct conf_senders
#define MANY_check struct conf_checks
#define MANY_network struct conf_networks
#define MANY_user_block struct conf_users
#define MANY_ip struct conf_nets         /* each of 128 bits */
#define MANY_domain struct conf_names
#define MANY_address struct conf_names
#define MANY_file struct conf_names
#define MANY_aliases struct conf_aliases_list
#define MANY_tls struct conf_tls_list
#define MANY_dkim struct conf_dkims
#define MANY_backend struct conf_backends
#define MANY_quota struct conf_quotas
#define MANY_route struct conf_routes
#define MANY_listen struct conf_listens
#define MANY_domain_block struct conf_domains

/* Each block begins with a bit per row: was it set?  (Else the default stands there.) */
#define OPT(kind, type, field, name, deflt, min, max, reload, roles, help) kind##_##type field;
#define LATER(name, help)
struct conf_listen {
	uint64_t set;
	enum conf_proto proto;
	struct str addr;                 /* an IP address, or "*" */
	uint16_t port;                   /* 0: off */
	bool auth; /* smtp: a client may authenticate and then send anywhere */
	enum conf_listen_tls tls;
	struct conf_pos pos;
#include "conf/listen.def"
};
struct conf_domain {
	uint64_t set;
	struct str name;
	struct conf_pos pos;
#include "conf/domain.def"
};
struct conf_user {
	uint64_t set;
	struct str name;                 /* local@domain, or of a Linux account */
	struct conf_pos pos;
#include "conf/user.def"
};
struct conf_submission {
	uint64_t set;
#include "conf/submission.def"
};
struct conf_auth {
	uint64_t set;
#include "conf/auth.def"
};
struct conf_inbound {
	uint64_t set;
#include "conf/inbound.def"
};
struct conf_outbound {
	uint64_t set;
#include "conf/outbound.def"
};
struct conf_journal {
	uint64_t set;
#include "conf/journal.def"
};
struct conf_login {
	uint64_t set;
#include "conf/login.def"
};
struct conf_ban {
	uint64_t set;
#include "conf/ban.def"
};
struct conf_dns {
	uint64_t set;
#include "conf/dns.def"
};
struct conf {
	uint64_t set;
#include "conf/top.def"
};
#undef OPT
#undef LATER

/* What the parent knows and the child that reads has no right to ask for. */
struct conf_world {
	struct str file;                 /* absolute path of the configuration file */
	bool is_root;
	bool has_etc_aliases;
	struct conf_includes includes;
};

/* Read and check a configuration file.  false if there were errors (see notes);
 * *ret is written only on success.  Warnings may stand in notes either way. */
bool conf_read(struct str text, const struct conf_world *world, struct arena *a,
	       struct conf_notes *notes, struct conf *ret);

/* Read what conf_print_for_role wrote. */
bool conf_read_image(struct str image, struct arena *a, struct conf *ret, struct err *e);

/* The part of c that this role may know; "parent" gets all.  false: no such role. */
bool conf_print_for_role(const struct conf *c, struct str role, struct buf *b);

/* `config show`: what is in force; "# default" stands behind what nobody chose. */
void conf_show(const struct conf *c, struct buf *b);

/* `config explain NAME`; false with a guess in *e if there is no such directive. */
bool conf_explain(struct str name, struct buf *b, struct err *e);

/* Names of what differs, separated by ", ": what a reload applies, what needs a restart. */
void conf_diff(const struct conf *old, const struct conf *new, struct buf *live,
	       struct buf *restart);

/* mdoc text of all directives for man/waxwing.conf.5; the commented sample. */
void conf_print_man(struct buf *b);
void conf_print_sample(struct buf *b);

/* The account's own, else its domain's, else that of all; NULL: none. */
const struct conf_quota *conf_quota_of(const struct conf_quotas *quotas, struct str account);
/* Which of the networks that send without AUTH is this client in; NULL: none. */
const struct conf_network *conf_network_of(const struct conf_networks *networks, const uint8_t addr[16]);
/* Ways out are numbered: 0 by MX without a route, then the `route` lines, then each domain's `others`.  NULL: there
 * is none of that number. */
const struct conf_route *conf_route_at(const struct conf *c, size_t number);
/* The lines `dkim` are numbered: those outside the domains, then each domain's.  NULL: there is none of that number. */
const struct conf_dkim *conf_dkim_at(const struct conf *c, size_t number);
/* No domain of its own, and a server to which all letters go: a machine that only sends. */
bool conf_is_satellite(const struct conf *c);
/* The number of the `others` of the i-th domain. */
size_t conf_others_number(const struct conf *c, size_t i);
/* Is it an address inside one of these networks? */
bool conf_nets_has(const struct conf_nets *nets, const uint8_t addr[16]);
/* "127.0.0.1:783", "[::1]:783", "/run/spamd.sock" */
void conf_scanner_print_address(const struct conf_scanner *s, struct buf *b);
/* "rdns", "dnsbl" */
struct str conf_check_name(enum conf_check_kind kind);
/* "softfail" */
struct str conf_when_name(enum conf_when when);
/* Is it judged when the letter is there, by `scan`? */
static inline bool conf_check_is_of_letter(const struct conf_check *c)
{
	return c->kind >= CONF_CHECK_FROM;
}
/* Hundredths as "6", "-2.5". */
void conf_score_print(int64_t score, struct buf *b);
const char *conf_proto_name(enum conf_proto proto);
