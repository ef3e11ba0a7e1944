/* relay.h — what the files of the role share.
 *
 * A *job* is a letter for recipients of one destination, told by `queue`; a fiber
 * carries it (deliver.c): which servers (targets.h), a session with one of them
 * (pool.h, peer.h), one or more transactions (transaction.c).  Each recipient
 * gets an outcome once. */
#pragma once

#include "base/arena.h"
#include "fiber/fiber.h"
#include "fiber/tls_client.h"
#include "ipc/message.h"
#include "ipc/relay_say.h"
#include "role/relay/targets.h"
#include "trust/mtasts.h"
#include "wire/letter.h"

struct conf_held;
struct peer;

struct relay_rcpt {
	uint16_t number;
	struct str address, orcpt;
	unsigned notify;                 /* enum dsn_notify */
	bool is_decided;
	bool is_asked, is_taken;         /* in the transaction under way */
	enum relay_outcome outcome;
	bool is_dsn_relayed;
	struct str text;
};

struct job {
	uint64_t job, id;
	struct arena a;
	struct conf_held *conf;
	struct fiber *fiber;
	bool is_forgotten;
	bool is_orphan;                  /* the queue that told it has ended: nobody wants its result */
	struct str destination, mail_from, envid, sts_text;
	int64_t sts_until;
	unsigned route;
	bool is_8bit, is_utf8;
	unsigned ret;                    /* enum dsn_ret */
	struct letter_src src;           /* its fd is the job's */
	struct view view;
	uint64_t size;                   /* of the view */
	struct relay_rcpt *rcpts;
	size_t n_rcpts;

	/* how it went, for the result */
	enum relay_hint hint;
	uint32_t wait;
	char host[256], address[64], tls[160], why[200];
};

/* jobs.c */
/* A copy of what was told; NULL with *e. */
struct job *job_open(struct relay_job *t, struct err *e);
void job_close(struct job *j);
size_t job_undecided(const struct job *j);
/* Decide all that are not: text is a reply, or a sentence in its form. */
void job_decide(struct job *j, enum relay_outcome outcome, struct str text);
void rcpt_decide(struct job *j, struct relay_rcpt *r, enum relay_outcome outcome, struct str text);
/* Its result as a message, in the job's arena. */
void job_tell(struct job *j);

/* deliver.c: all recipients are decided afterwards. */
SUSPENDS void job_deliver(struct job *j);
/* The policy in the job if it is in force; NULL: none.  In the arena. */
const struct mtasts_policy *policy_read(struct str text, int64_t until, struct arena *a);
struct target_rules relay_rules(const struct conf *c);

/* transaction.c: MAIL … the end of the letter, for some of the undecided recipients (one transaction has so many at
 * most).  False: the session broke, or the letter cannot be said; recipients may be decided or not. */
SUSPENDS bool transaction_run(struct peer *s, struct job *j, struct err *e);

/* body.c: the letter behind DATA with its final dot, or as BDAT chunks; the answer to its end is still to be read.
 * False: FAULT_PERM with a whole sentence: it cannot be said; FAULT_NONE: a chunk was refused, and s->r is the reply. */
SUSPENDS bool body_send_dotted(struct peer *s, struct job *j, struct err *e);
SUSPENDS bool body_send_chunks(struct peer *s, struct job *j, struct err *e);

/* relay.c */
struct tls_client *relay_tls(void);
/* What stands in the file of a secret; empty: it is not there. */
struct str relay_password(struct str path);
/* our.c: are we listening there?  Does this address of ours have a name? */
bool our_address(const uint8_t addr[16], uint16_t port);
void our_addresses_note(void);
SUSPENDS bool our_address_has_name(const uint8_t ours[16]);

/* test.c, probe.c, web.c, scanner.c */
void test_serve(void);
void probe_serve(void);
void web_serve(void);
void scanner_serve(void);
void scanner_configured(void);
