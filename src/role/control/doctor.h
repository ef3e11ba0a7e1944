/* doctor.h — the checks of `waxwing doctor`.
 *
 * A check asks whoever owns the matter and leaves a finding: lines of evidence, each with what it means, and the remedy of the
 * worst.  What a check knows comes in struct patient, its DNS as a function, so that tests can be given a table.
 *
 * To add one: a row in doctor.def, doctor_NAME() in one of doctor_*.c, docs/fix/ID.md, and a row of the test
 * test/internet/doctor_test.py in which it fails. */
#pragma once

#include "conf/conf.h"
#include "role/control/control.h"
#include "trust/publish.h"
#include "trust/trust_dns.h"

struct psl_ctx_st;

enum grade { GRADE_SKIPPED, GRADE_OK, GRADE_WARN, GRADE_FAIL };
const char *grade_name(enum grade g);

enum { DOCTOR_NOTES_MAX = 40, DOCTOR_ADDRESSES_MAX = 16 };

struct finding {
	enum grade grade;                /* of the worst line */
	struct str note[DOCTOR_NOTES_MAX];       /* evidence, a sentence each */
	enum grade note_grade[DOCTOR_NOTES_MAX];
	size_t n;
	struct str remedy;               /* of the notes that are worst, a line each */
	struct str ticket;               /* for somebody else: what to write to him, or empty */
};

/* An address of ours from which we send. */
struct our_address {
	uint8_t addr[16];                /* IPv4 as ::ffff:a.b.c.d */
	bool is_v4;
	struct str text;
};

struct patient {
	struct trust_dns dns;
	struct str hostname;
	struct our_address sends[DOCTOR_ADDRESSES_MAX];
	size_t n_sends;
	struct str smarthost;            /* all letters leave by it; or empty */
	bool is_behind_nat;              /* the addresses are those of the host name: the machine has private ones */
	const struct ipc_text *machine;  /* all addresses of the machine */
	size_t n_machine;
	struct parent_sources_answer sources;    /* from where the system would send */
	struct parent_machine_answer facts;
	bool has_facts;
	const struct psl_ctx_st *suffixes;       /* of the process; NULL: none */
	struct str domain;               /* of a check of a domain, folded */
	struct arena *a;
	struct finding *f;
};

/* false only if the time is up: all else is a finding. */
#define CHECK(name, id, scope, seconds, sentence) SUSPENDS bool doctor_##name(struct patient *p, struct err *e);
#include "role/control/doctor.def"
#undef CHECK

/* doctor_note.c: a line of evidence. */
PRINTF_LIKE(3, 4) void note(struct patient *p, enum grade g, const char *fmt, ...);
/* Behind a note that is not good: what to do about it; what is worse makes it forgotten. */
PRINTF_LIKE(2, 3) void remedy(struct patient *p, const char *fmt, ...);
PRINTF_LIKE(2, 3) void ticket(struct patient *p, const char *fmt, ...);
/* "Publish …", the records of this kind as `waxwing dns records` prints them; owner: only that one, or empty.  false: there are
 * none, and nothing was said. */
SUSPENDS bool remedy_publish(struct patient *p, enum publish_kind kind, struct str owner);
/* The DNS did not say: a sentence, and true. */
bool note_unclear(struct patient *p, struct str name, const char *type, enum dns_outcome o);

/* doctor_facts.c: fill in what all checks share. */
SUSPENDS bool patient_examine(struct patient *p, struct err *e);
bool address_of_text(struct str text, struct our_address *ret, struct arena *a);
bool is_same_address(const uint8_t x[16], const uint8_t y[16]);
/* Is it one from which we send, or of this machine? */
bool patient_has(const struct patient *p, const uint8_t addr[16]);
/* Is it another's address that others see?  Then that is noted. */
bool leaves_by_another(struct patient *p);
/* "1.2.3.4, 2001:db8::1" */
struct str patient_sends_text(const struct patient *p);
/* Addresses of a name, of both kinds.  *outcome: of IPv4, unless only IPv6 has some. */
struct addresses {
	enum dns_outcome outcome;
	struct our_address p[DOCTOR_ADDRESSES_MAX];
	size_t n;
	bool is_secure;
};
SUSPENDS bool ask_addresses(struct patient *p, struct str name, struct addresses *ret, struct err *e);
