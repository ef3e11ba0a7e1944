/* sign.h — letters of ours are signed, letters that are passed on are sealed.
 *
 * Each letter once, before it is written down: the fields stand in the prefix of every view.  A letter that must be
 * signed and cannot is accepted all the same, marked LETTER_UNSIGNED, and waits (unsigned.c): nothing of it is delivered
 * or sent before.  A seal is no must: without one a letter is passed on as it is. */
#pragma once

#include "role/queue/queue_role.h"

enum { SIGN_DOMAINS_MAX = 4 };           /* in whose names one letter is signed */

/* The domains in whose names a letter is signed, each once. */
struct sign_names {
	struct str domain[SIGN_DOMAINS_MAX];
	size_t n;
};
void sign_names_add(struct sign_names *s, struct str domain);
/* As letter_record.facts keeps them. */
struct str sign_names_print(const struct sign_names *s, struct arena *a);
struct sign_names sign_names_parse(struct str facts);
/* Those of the signatures that stand at the beginning of a prefix; *ret_rest is what follows them. */
struct sign_names sign_names_of(struct str prefix, struct arena *a, struct str *ret_rest);

/* Behind the first field. */
struct str field_skip(struct str header);

/* What is signed: prefix + bytes - cuts. */
struct sign_view {
	uint64_t id;
	struct str prefix;
	const struct ipc_cut *cuts;
	size_t n_cuts;
	struct str bytes;                /* if fd < 0 */
	int fd;
	uint64_t size;
};

/* *ret: the signatures, to stand in front of the prefix; empty if none is to be made.  False: it must be signed and
 * cannot be now, e says why. */
SUSPENDS bool sign_view(const struct sign_view *v, const struct sign_names *names, struct str *ret, struct arena *a,
			struct err *e);
/* A seal for what goes on from an address at `domain`; empty: there is none, *ret_why says why. */
SUSPENDS void seal_view(const struct sign_view *v, struct str domain, struct str *ret, struct str *ret_why, struct arena *a);
/* In whose name a letter by somebody at `domain` is signed; empty: nobody's of ours. */
SUSPENDS bool sign_name_at(struct str domain, struct str *ret, struct arena *a, struct err *e);

/* sign_commit.c: of a letter that comes in. */
struct sign_outcome {
	uint8_t flags;                   /* LETTER_UNSIGNED, or 0 */
	struct str facts;
	struct str remote_prefix;        /* of views that leave */
	enum why_kind kind;              /* 0: there is nothing to say */
	struct str domains, why;
};
/* *prefix becomes that with the signatures.  Waits for nobody longer than a moment: then it is marked. */
SUSPENDS bool sign_ours(const struct sign_view *v, const struct sender_verdict *who, struct sign_outcome *ret, struct str *prefix,
			struct arena *a, struct err *e);
SUSPENDS void seal_theirs(const struct sign_view *v, struct str domain, struct sign_outcome *ret, struct arena *a);
void sign_note(const struct sign_outcome *o, struct str from, struct buf *frames, struct why head);

void sign_open(void);
/* Keys may be others now: a reload. */
void sign_forget(void);

/* unsigned.c.  Steps of one letter that waits for its signature; they are this file's from now on. */
void unsigned_take(const struct queue_claim *claims, size_t n);
/* Keys may be there now. */
void unsigned_retry(void);
