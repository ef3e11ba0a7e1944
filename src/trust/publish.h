/* publish.h — what the owner of a domain has to publish in the DNS, and whether it is there.
 *
 * Pure: facts in, list of wished records out; then each wish beside what a name server has, where the DNS is
 * handed in for what a record leads to.  Who gathers the facts is role/control/dns_facts.c; `waxwing dns
 * records`, `waxwing dns check` and `waxwing doctor` work on the same list. */
#pragma once

#include "base/buf.h"
#include "trust/trust_dns.h"

struct psl_ctx_st;

enum {
	PUBLISH_RECORDS_MAX = 512,
	PUBLISH_TTL = 3600,              /* seconds */
	PUBLISH_KEY_DIGEST = 32,         /* octets, SHA-256 */
};

/* -- facts -- */

enum publish_address_flags {
	PUBLISH_LISTENS = 1 << 0,        /* others reach us there */
	PUBLISH_SENDS = 1 << 1,          /* we reach others from there */
	PUBLISH_FROM_DNS = 1 << 2,       /* the machine does not have it (NAT): it is what the host name leads to */
};

struct publish_address {
	uint8_t addr[16];                /* IPv4 as ::ffff:a.b.c.d */
	unsigned flags;
};

/* A DKIM key, in the state in which `keys` holds it. */
enum publish_key_state {
	PUBLISH_KEY_USED,        /* it signs */
	PUBLISH_KEY_WAITING,     /* it signs as soon as it is seen in the DNS */
	PUBLISH_KEY_RETIRED,     /* it signed until lately: letters under way carry it */
	PUBLISH_KEY_GONE,        /* its record is to be removed */
};

struct publish_key {
	struct str domain, selector;
	struct str record;       /* the TXT value */
	enum publish_key_state state;
};

/* Protocols that strangers can reach, in the order of publish_service_name(). */
enum publish_service {
	PUBLISH_SUBMISSIONS, PUBLISH_SUBMISSION, PUBLISH_IMAPS, PUBLISH_IMAP, PUBLISH_POP3S, PUBLISH_POP3,
	PUBLISH_SERVICES
};

struct publish_facts {
	struct str domain;       /* folded */
	struct str host;         /* our name: HELO, MX, PTR; folded */
	bool takes_mail;         /* strangers reach port 25 */
	bool takes_domain;       /* letters for the domain are taken here */
	bool ipv6_waits;         /* IPv6 is used for sending only once its address has a name */
	const struct publish_address *addresses;
	size_t n_addresses;
	bool sends_directly;     /* some letters of the domain go to the servers that the DNS names … */
	const struct str *smarthosts;    /* … and others leave by these: names or addresses */
	size_t n_smarthosts;
	const struct publish_key *keys;  /* of this domain */
	size_t n_keys;
	const uint8_t (*tls_keys)[PUBLISH_KEY_DIGEST];   /* SHA-256 of the SubjectPublicKeyInfo of what port 25 shows */
	size_t n_tls_keys;
	struct str authority;    /* the CAA name of who issued the certificate ("letsencrypt.org"); empty: nobody known */
	uint16_t ports[PUBLISH_SERVICES];        /* 0: not served */
	struct str reports;      /* the address for DMARC reports: local@domain; empty: none are asked for */
	bool owns_reports;       /* its domain is one of ours */
	struct str tls_reports;  /* the same for TLS reports (RFC 8460), which people read */
	const struct psl_ctx_st *suffixes;       /* NULL: every domain is an organisation of its own */
};

/* -- wishes -- */

/* X(NAME, id): the id is the word in JSON and in doctor's checks. */
#define PUBLISH_KINDS(X) \
	X(A, "a") X(PTR, "ptr") X(MX, "mx") X(SPF, "spf") X(SPF_HELO, "spf-helo") X(DKIM, "dkim") X(DMARC, "dmarc") \
	X(DMARC_REPORTS, "dmarc-reports") X(MTA_STS, "mta-sts") X(TLSRPT, "tlsrpt") X(TLSA, "tlsa") X(SRV, "srv") \
	X(CAA, "caa")

enum publish_kind {
#define X(name, id) PUBLISH_##name,
	PUBLISH_KINDS(X)
#undef X
	PUBLISH_KINDS_COUNT
};

/* One record.  Texts lie in the arena or in the facts. */
struct publish_record {
	enum publish_kind kind;
	uint16_t type;           /* enum dns_type */
	bool is_optional;        /* that it is missing is no fault */
	bool is_foreign;         /* whoever owns another zone must publish it: the PTR, another domain's consent */
	bool is_removal;         /* it must go: an old DKIM key */
	struct str owner;        /* without the final dot */
	struct str text;         /* TXT: the text, unquoted; of others what stands in a zone file, names with their final dot */
	struct str note;         /* sentences for a person, or empty */
};

struct publish_list {
	struct publish_record *p;        /* in the order in which a person publishes them */
	size_t n;
	struct str note;         /* about the whole: what is not known; or empty */
};

/* false: no memory, or a name would be too long. */
bool publish_wishes(const struct publish_facts *f, struct arena *a, struct publish_list *ret, struct err *e);
const char *publish_kind_id(enum publish_kind k);
/* Of the server and not of the domain: the same for all domains. */
bool publish_is_of_host(enum publish_kind k);

/* The MTA-STS policy to serve (RFC 8461 §3.2); the id in the record follows from it. */
void publish_sts_policy(const struct publish_facts *f, struct buf *b);
/* The sentence for whoever rents out the address: "Please set the reverse DNS …". */
void publish_ptr_request(const struct publish_facts *f, const uint8_t addr[16], struct buf *b);

/* -- comparing -- */

enum publish_state {
	PUBLISH_PUBLISHED,       /* it is there, or something that does as well */
	PUBLISH_MISSING,
	PUBLISH_DIFFERS,
	PUBLISH_LEFT,            /* a removal: it is still there */
	PUBLISH_UNKNOWN,         /* the DNS does not say */
};

struct publish_verdict {
	enum publish_state state;
	bool is_fault;           /* a person must act */
	struct str is;           /* what is there of this kind, as a zone file has it; empty: nothing */
	struct str why;          /* a sentence where the state needs one */
};

/* found: all records of this type at this name.  By meaning: an SPF record that lets all our addresses send, a
 * DMARC record with whatever policy, an MX beside others are published.  `dns` answers for what SPF includes.
 * false only if the fiber was cancelled or its deadline passed. */
SUSPENDS bool publish_compare(const struct publish_facts *f, const struct publish_record *wish,
			      const struct trust_answer *found, const struct trust_dns *dns, struct arena *a,
			      struct publish_verdict *ret, struct err *e);
const char *publish_state_name(enum publish_state s);

/* -- printing -- */

enum publish_format { PUBLISH_BIND, PUBLISH_PLAIN, PUBLISH_JSON, PUBLISH_NSUPDATE };

/* The data as a zone file has it: texts in quotes, in strings of at most 255 octets (RFC 1035 §3.3.14). */
void publish_data_print(const struct publish_record *r, struct buf *b);
/* BIND: a record a line, full names; what a person must know, and what another zone's owner does, as comments. */
void publish_print(const struct publish_facts *f, const struct publish_list *l, enum publish_format format, struct buf *b);
