/* queue.h — letters on their way.
 *
 * The queue takes a letter with its plan (struct letter_record), makes it
 * durable, hands out what is to be done and writes down what was done.  Two
 * engines stand behind this header: disk (journal, spool, queue.db) and memory
 * (for tests); both hold the same promises.  Verbs take batches and may wait.
 *
 * Words:  a *step* is one line of a letter's plan, named by the letter's id and
 * its index there;  a *claim* is a lease on a step until a given time;  *done*
 * means carried out, *safe* that it also survives a power cut, durably noted.
 *
 * How to use it:
 *   queue_id → queue_accept (then 250) → queue_claim → deliver → queue_report.
 *   A step that failed for good or was given up is claimed again as TASK_BOUNCE:
 *   queue_bounce() writes the report and closes the steps in one record.
 *   A housekeeping fiber calls queue_tend() about once a second.
 *
 * Guarantee: once queue_accept() said true, each step is claimed again, after
 * every crash, until it is safe or closed; a step that is safe never is.
 *
 * If queue_is_broken() is true a write or sync of the journal failed: nothing
 * is accepted or noted any more and the process must end; the next start reads
 * the journal anew. */
#pragma once

#include "queue/letter_record.h"
#include "queue/schedule.h"

struct buf;
struct lane;
struct map;
struct queue;
struct journal_ops;

enum {
	QUEUE_SEGMENTS_MAX = 16,
	QUEUE_SEGMENTS_BUSY = 8,         /* from here on checkpointing goes first */
	QUEUE_TEXT_MAX = 512,            /* of a step's last error */
	QUEUE_HOST_MAX = 192,            /* of the server that said so, and how the line was secured */
	QUEUE_TOGETHER = 100,            /* recipients that go to a server in one transaction */
};

#define QUEUE_SPOOL_AFTER (30 * SECOND)

enum { QUEUE_DEATHS_MAX = 3 };           /* then a letter is held */

enum step_mode {                         /* as store/store.h's: how sure is it that nothing is there */
	STEP_FRESH,
	STEP_REDO,
	STEP_REWRITE,
};

enum queue_task {
	TASK_DELIVER,
	TASK_BOUNCE,                     /* tell the sender and close it: queue_bounce() */
	TASK_WARN,                       /* tell the sender that it is late: queue_warn() */
};

struct step_ref {
	uint64_t id;
	uint32_t step;                   /* index in letter_record.steps */
};

/* A step in somebody's hands.  `letter` holds until the claim is reported or runs out
 * (its body is not filled in: ask queue_body()). */
struct queue_claim {
	struct step_ref ref;
	enum queue_task task;
	enum step_mode mode;
	unsigned tries;                  /* before this one */
	bool is_suspect;                 /* the process that carried it out last died: one of them at a time */
	const struct letter_record *letter;
	const struct letter_step *step;
	struct str text;                 /* the last error: what a bounce says; the table's, until it is reported */
	struct str host;                 /* who said so, or empty */
};

enum queue_outcome {
	OUTCOME_DONE,                    /* carried out, not yet safe (a file not yet synced) */
	OUTCOME_SAFE,                    /* carried out and safe (a remote server said 250) */
	OUTCOME_LATER,                   /* try again on schedule */
	OUTCOME_NEVER,                   /* it will never work: bounce */
};

struct queue_report {
	struct step_ref ref;
	enum queue_outcome outcome;
	const char *text;                /* why not; "550 5.1.1 …" keeps its codes for the bounce; or NULL */
	const char *host;                /* the server that said so, or NULL */
	bool is_mild;                    /* LATER: nothing was tried; it is due again at `again` */
	int64_t again;
};

/* How a checkpoint makes deliveries safe.  One of the two is set. */
struct queue_sync {
	/* One call for all that was written before it (syncfs). */
	SUSPENDS bool (*all)(void *arg, struct err *e);
	/* Each account for its own; claims' steps belong to one account.  Sets ok[i] for each:
	 * 1 safe, 0 not now, -1 its bytes are lost, deliver it anew. */
	SUSPENDS void (*account)(void *arg, struct str account, const struct queue_claim *claims,
				 signed char *ok, size_t n);
	void *arg;
};

struct queue_conf {
	int storage;                     /* directory; holds journal/ spool/ db/ */
	const char *path;                /* the same as a path, for SQLite; NULL: "." */
	uint32_t segment_size;           /* 0: 32 MiB; tests take smaller ones */
	size_t thick;                    /* bytes of letters that wait kept at hand; 0: 16 MiB; tests take fewer */
	unsigned node;                   /* of ids */
	struct schedule schedule;
	struct queue_sync sync;
	/* The lane of a step to another server; NULL: no lanes, queue_claim() gives all. */
	void (*lane_key)(void *arg, const struct letter_record *l, const struct letter_step *s, struct buf *ret);
	void *lane_arg;
	/* Each letter that a start finds in the journal, in order, with all that its record says; or NULL. */
	void (*found)(void *arg, const struct letter_record *l);
	void *found_arg;
	const struct journal_ops *journal_ops;   /* NULL but in tests */
};

struct letter_body {
	struct str bytes;                /* if fd < 0; holds until letter_body_end() */
	int fd;                          /* a spool file, read-only; closed by letter_body_end() */
	uint64_t size;
	char *owned;
	struct queue *q;                 /* set if the bytes are the table's */
	uint64_t id;
};
SUSPENDS void letter_body_end(struct letter_body *b);

struct queue_status {
	size_t letters, steps_open, steps_unsynced, steps_waiting, held;
	size_t in_journal;               /* letters that nothing but the journal keeps */
	size_t segments_full, segments_free, segments_aside;
	uint64_t records, syncs;
	bool has_room;
};

/* Reads what is there, makes it durable anew and puts each unfinished step in line. */
SUSPENDS bool queue_disk_open(const struct queue_conf *conf, int64_t now, struct queue **ret,
			      struct err *e);
bool queue_memory_open(const struct queue_conf *conf, struct queue **ret, struct err *e);
/* The letters stay.  A clean stop calls queue_tend_all() before. */
SUSPENDS void queue_close(struct queue *q);

uint64_t queue_id(struct queue *q, int64_t now);
/* False: answer 452 4.3.1. */
bool queue_has_room(const struct queue *q);
bool queue_is_broken(const struct queue *q);

/* Where a long letter arrives: an empty file spool/in/ID; *ret_name (LETTER_NAME_MAX + 1 bytes)
 * goes into letter_record.file.  queue_file_sync() makes file and name durable. */
SUSPENDS bool queue_file_new(struct queue *q, uint64_t id, int *ret_fd, char *ret_name,
			     struct err *e);
SUSPENDS bool queue_file_sync(struct queue *q, int fd, struct err *e);
SUSPENDS void queue_file_drop(struct queue *q, struct str name);

/* All of them are durable, or none is taken (a crash may still bring back some of a batch that
 * failed: a duplicate, never a loss).  The records stay the caller's. */
SUSPENDS bool queue_accept(struct queue *q, const struct letter_record *letters, size_t n,
			   struct err *e);
/* Up to n steps that are due at `now`; they are the caller's until `until`. */
SUSPENDS size_t queue_claim(struct queue *q, struct queue_claim *ret, size_t n, int64_t now,
			    int64_t until);
/* When the next step is due, or INT64_MAX. */
int64_t queue_next_due(const struct queue *q);

/* -- lanes: what goes to other servers waits by destination.  The role takes from a lane while it has room for
 *    more, and shuts it while it has not. */

/* The lane that has been due longest, or NULL. */
struct lane *queue_lane_due(const struct queue *q, int64_t now);
/* When there will be one, or INT64_MAX. */
int64_t queue_lane_next(const struct queue *q);
/* Its first step as it waits there; false: it is empty.  Holds until somebody waits or looks at another one. */
bool queue_lane_peek(const struct queue *q, const struct lane *l, struct queue_claim *ret);
/* The first step that is due and, with it, those of the same letter that get the same view from the same sender:
 * at most n.  Those of a suspect come, too: see is_suspect. */
SUSPENDS size_t queue_claim_lane(struct queue *q, struct lane *l, struct queue_claim *ret, size_t n, int64_t now, int64_t until);
/* Nothing is taken from it before `at`; INT64_MAX: until it is opened. */
void queue_lane_open_at(struct queue *q, struct lane *l, int64_t at);
struct str queue_lane_key(const struct lane *l);
size_t queue_lane_waiting(const struct lane *l);
/* What the role keeps with it; the lane stays while there is such a thing. */
void *queue_lane_owner(const struct lane *l);
void queue_lane_own(struct queue *q, struct lane *l, void *owner);
/* Nothing can go there, as `text` says; at `now` those are warned of and given up whose time it is. */
void queue_lane_failed(struct queue *q, struct lane *l, struct str text, int64_t now);
void queue_set_schedule(struct queue *q, const struct schedule *s);
/* The keys are others now: the configuration has changed. */
void queue_relane(struct queue *q);
/* In memory: the process that had these in hand died, and nobody knows of which; one of them at a time. */
void queue_suspect(struct queue *q, struct step_ref ref);
/* The step as it is in the caller's hands; false: it is not any more. */
bool queue_reclaim(const struct queue *q, struct step_ref ref, struct queue_claim *ret);
SUSPENDS bool queue_body(struct queue *q, uint64_t id, struct letter_body *ret, struct err *e);
/* A report for a step that is not claimed, or no longer there, is ignored. */
SUSPENDS bool queue_report(struct queue *q, const struct queue_report *reports, size_t n,
			   int64_t now, struct err *e);
/* What a mailbox synced by itself: durable when this returns true. */
SUSPENDS bool queue_safe(struct queue *q, const struct step_ref *refs, size_t n, struct err *e);
/* The step that delivers under this base name to this account; false: no such step, or it is safe.
 * *ret_claimed: it is being done right now. */
bool queue_find_step(const struct queue *q, uint64_t id, struct str account, struct str base,
		     struct step_ref *ret, bool *ret_claimed);
/* Puts the accounts into *ret for which a delivery that was read at start (before `started`) has not been
 * tried since. */
void queue_redoing(const struct queue *q, int64_t started, struct map *ret);
/* No letter of the table has an id below. */
uint64_t queue_oldest(const struct queue *q);
/* Close steps; in the same record the report about them (NULL: nobody is told). */
SUSPENDS bool queue_bounce(struct queue *q, const struct step_ref *refs, size_t n,
			   const struct letter_record *bounce, struct err *e);
/* The warning is written down and the steps go on waiting. */
SUSPENDS bool queue_warn(struct queue *q, const struct step_ref *refs, size_t n,
			 const struct letter_record *warning, struct err *e);

/* Make every done step safe and give back what nobody needs. */
SUSPENDS bool queue_checkpoint(struct queue *q, struct err *e);
/* Housekeeping: spare segments, checkpoints when a segment is full, the way to the spool for
 * what waits longer than QUEUE_SPOOL_AFTER, leases that ran out. */
SUSPENDS bool queue_tend(struct queue *q, int64_t now, struct err *e);
/* Before a clean stop: what is done is made safe, what waits goes to the spool until `within` is over.  The rest stays
 * in the journal, which the next start reads faster than a disk syncs so many files. */
SUSPENDS bool queue_tend_all(struct queue *q, int64_t now, int64_t within, struct err *e);

/* -- who dies of it.  Between take_up and put_down a step is being carried out: if this process dies
 *    meanwhile, the next start counts it as a death of the letter, as queue_died() does for the death
 *    of another process.  With the QUEUE_DEATHS_MAX'th the letter is held, and only it: whatever else
 *    was in hand is a suspect once, and is tried alone. */

/* False: not now, it is held or is a suspect meanwhile; it is claimed again when it is due. */
bool queue_take_up(struct queue *q, const struct queue_claim *c, int64_t now, unsigned *ret_place);
void queue_put_down(struct queue *q, unsigned place);
/* This process ends, and no letter is to blame. */
void queue_put_all_down(struct queue *q);
/* Durable; the step waits again.  *ret_deaths: how many it is by now. */
SUSPENDS bool queue_died(struct queue *q, struct step_ref ref, int64_t now, unsigned *ret_deaths, struct err *e);

/* -- MTA-STS policies of other domains (RFC 8461 §3.3), durable.  What is out of date goes. */
struct queue_policy {
	struct str domain;               /* lower case */
	struct str id, text;
	int64_t until;                   /* 0: none is known */
};
/* Fills all but the domain. */
SUSPENDS bool queue_policy_get(struct queue *q, struct queue_policy *p, struct arena *a, struct err *e);
SUSPENDS bool queue_policy_put(struct queue *q, const struct queue_policy *p, struct err *e);

/* -- for `waxwing queue`.  Held: not carried out until it is released; then it is due now. */
SUSPENDS bool queue_hold(struct queue *q, uint64_t id, bool held, struct err *e);
/* Waiting steps are due now; id 0 is every letter. */
void queue_retry(struct queue *q, uint64_t id, int64_t now);
void queue_status(const struct queue *q, struct queue_status *ret);
/* A waiting step is the caller's until `until`, due or not; false: it does not wait. */
SUSPENDS bool queue_claim_step(struct queue *q, struct step_ref ref, struct queue_claim *ret, int64_t until);
/* One step is due now. */
void queue_retry_step(struct queue *q, struct step_ref ref, int64_t now);
/* Walk the lanes; NULL begins and ends. */
struct lane *queue_lane_each(const struct queue *q, size_t *at);
int64_t queue_lane_opens(const struct lane *l);
struct str queue_lane_text(const struct lane *l);
/* The one letter whose id agrees with `id` in the bits of `mask`. */
bool queue_find(const struct queue *q, uint64_t id, uint64_t mask, uint64_t *ret, struct err *e);

enum queue_state { QUEUE_WAITS, QUEUE_IN_HAND, QUEUE_DONE, QUEUE_SAFE };

struct queue_entry {
	struct queue_claim claim;
	enum queue_state state;
	int64_t due;                     /* when it waits; of a lane that is shut until then, when that opens */
	bool is_held;
	unsigned deaths;
};
/* Walk the steps; *at starts as { 0 }.  Between two calls letters may come and go.  A claim's letter and step
 * hold until the next call, their strings until somebody waits; a letter that waits has of them only its
 * sender, and of each recipient address, target and base name. */
struct queue_walk {
	uint64_t id;
	uint64_t order;                  /* of that letter; 0: if it has left, that was all */
	uint32_t step;
	bool with_done;                  /* those that are carried out, too */
};
bool queue_next(const struct queue *q, struct queue_walk *at, struct queue_entry *ret);
