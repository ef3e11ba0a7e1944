/* queue_role.h — what the files of role `queue` share.
 *
 *   commit.c   decide, write down, answer
 *   envelope.c is an envelope one that a client can have given
 *   sign*.c    signatures and seals: sign.h
 *   unsigned.c letters that wait for their signature: sign.h
 *   senders.c  whose letters go everywhere
 *   carry.c    carry out: claims go to the accounts' mailboxes
 *   room.c     is a mailbox full
 *   redirect.c a person sends a letter to somebody else
 *   report.c   bounces, warnings, and reports of success
 *   remote*.c  letters to other servers: remote.h
 *   person.c   what `waxwing queue` asks and wants
 *   safe.c     what a mailbox synced by itself
 *   refused.c  letters that were refused: refused.h
 *   why_files.c  why-records on the disk
 *   queue_role.c  life, large letters, status */
#pragma once

#include "ipc/sender.h"
#include "ipc/why.h"
#include "queue/bounce.h"
#include "queue/queue.h"
#include "role/runtime.h"
#include "wire/smtp_reply.h"

extern struct queue *queue;

/* Totals since the start, for `waxwing status`. */
struct queue_totals {
	uint64_t accepted, delivered;
};
extern struct queue_totals totals;

/* The journal cannot be written: what is in hand is not to blame for this end. */
NORETURN void end_broken(struct str why);

/* A letter between `begin` and `commit` (or `forget`). */
struct incoming {
	uint64_t id;
	struct link *from;
	int file;                /* spool/in/ID while a large letter is drained; else -1 */
	int pipe;                /* our end; -1 once drained */
	uint64_t size;           /* bytes drained */
	bool is_drained, has_failed;
	bool is_committing;      /* serve_commit() holds it and will end it */
	struct wait drained;
	char name[LETTER_NAME_MAX + 1];
	struct err err;
};
struct incoming *incoming_find(struct link *from, uint64_t id);
SUSPENDS void incoming_end(struct incoming *in, bool keep_file);

/* A piece of a large letter's file. */
SUSPENDS bool spool_put(int fd, struct str piece, int64_t at, struct err *e);

/* envelope.c.  smtpd faces the network: what it says stands in headers and in logs of ours. */
bool envelope_is_good(const struct queue_commit *q, struct err *e);

/* commit.c */
SUSPENDS bool serve_commit(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
/* senders.c: one of ours, as the parent and `user` have said. */
struct sender_found {
	enum sender_kind kind;
	uint32_t uid;
	struct str account, peer;
	struct str name;                 /* after sender_ask(): for people and counters */
	uint32_t limit;                  /* recipients in limit_per; 0: none */
	int64_t limit_per;
};
struct sender_verdict {
	enum reply_id reply;             /* NONE: it may */
	struct str text, why;
	struct str owner;                /* the account that files a copy; or empty */
	const struct ipc_text *signers;  /* for each address in whose name it is signed, or empty */
	size_t n_signers;
};
void senders_open(void);
void senders_unlinked(struct link *l);
/* sender: as smtpd says, of which only NETWORK or not is taken. */
SUSPENDS bool sender_find(const struct link *l, uint64_t session, uint8_t sender, struct str peer,
			  struct sender_found *ret, struct arena *a, struct err *e);
/* addresses: of the envelope, then in From. */
SUSPENDS bool sender_ask(struct sender_found *s, const struct ipc_text *addresses, size_t n, struct sender_verdict *ret,
			 struct arena *a, struct err *e);
void sender_charge(const struct sender_found *s, size_t rcpts, struct arena *a);
/* safe.c */
/* The queue was read at `now`. */
void safe_begin(int64_t now);
SUSPENDS bool serve_redone(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
SUSPENDS bool serve_unsafe(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
SUSPENDS bool serve_synced(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
/* routes.c.  Where a list of addresses leads: targets[i].rcpt is an index into rcpts. */
SUSPENDS bool route_all(struct str stranger, struct ipc_rcpt *rcpts, size_t n, bool may_relay,
			struct user_route_answer *ret, struct arena *a, struct err *e);

/* deaths.c: a letter ended the process that judged it.  How often by now; 0: its bytes cannot be read. */
void deaths_prepare(void);               /* before the rights go: the library loads what it needs */
SUSPENDS unsigned deaths_note(struct str bytes, int fd, uint64_t size);

/* carry.c */
SUSPENDS void carry_run(void *unused);           /* a fiber */
void carry_kick(void);                           /* there is something to do */
SUSPENDS bool carry_sync_all(void *arg, struct err *e);
SUSPENDS void carry_sync_account(void *arg, struct str account, const struct queue_claim *claims, signed char *ok,
				 size_t n);
/* True once no delivery is under way. */
SUSPENDS bool carry_settle(struct err *e);
void carry_unlinked(struct link *l);
/* Is that account over its quota, as its mailbox said less than a minute ago? */
SUSPENDS bool carry_is_full(struct str account);

/* room.c */
SUSPENDS bool serve_room(struct link *l, void *question, void *answer, struct arena *a, struct err *e);

/* why_files.c.  Kept: written to the disk within a second. */
void why_keep(const struct why *w);              /* and logged */
void why_keep_record(struct str record);
void why_keep_frames(struct str frames);
void why_add(struct buf *frames, const struct why *w);   /* not kept yet: it stands in a letter's record */
SUSPENDS void why_flush(void);
void why_found(void *arg, const struct letter_record *l);
SUSPENDS bool serve_explain(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
/* The head of a decision of ours. */
static inline struct why why_ours(enum why_kind kind, uint64_t letter)
{
	return (struct why){ .kind = (uint16_t)kind, .time = time_now(), .letter = letter, .role = ROLE_QUEUE,
			     .instance = self.instance };
}

/* person.c */
bool serve_queued(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
bool serve_one(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
SUSPENDS bool serve_hold(struct link *l, void *question, void *answer, struct arena *a, struct err *e);

bool serve_lanes(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
SUSPENDS bool serve_act(struct link *l, void *question, void *answer, struct arena *a, struct err *e);

/* redirect.c.  The bytes of a letter once more, for one of its own: the caller frees `bytes`, and if that letter is not
 * written down drops the record's file. */
struct letter_copy {
	char name[LETTER_NAME_MAX + 1];
	char *bytes;
};
SUSPENDS bool letter_copy_take(struct letter_copy *x, const struct letter_body *body, struct letter_record *r, struct err *e);
/* What stands in a prefix behind the fields for its recipient alone. */
struct str prefix_common(struct str prefix);
/* redirect.c.  Claims of one letter: its bytes leave for `target` as a letter of their own, and these steps are closed. */
SUSPENDS bool redirect_steps(const struct queue_claim *claims, size_t n, struct str target, struct str by, struct err *e);

/* report.c.  All of one letter; they are sorted. */
SUSPENDS void report_steps(enum bounce_kind kind, struct queue_claim *claims, size_t n);
/* NOTIFY=SUCCESS (RFC 3461 §4.1). */
bool report_wants_success(const struct queue_claim *c);

/* remote.c: letters to other servers */
SUSPENDS void remote_run(void *unused);          /* a fiber */
void remote_kick(void);
void remote_tend(void);
void remote_configured(void);
void remote_unlinked(struct link *l);
void remote_lane_key(void *arg, const struct letter_record *l, const struct letter_step *s, struct buf *ret);
void remote_job_begin(void);
SUSPENDS void remote_result_run(void *unused);   /* a fiber */
/* The end: what is out comes back, and what has come back is written down. */
SUSPENDS void remote_settle(void);
SUSPENDS void remote_result_settle(void);
