/* table.h — the letters that are not yet safe, in memory.
 *
 * Pure bookkeeping: which step is to be done, in whose hands, done, or safe,
 * and which is due first.  Time comes as a parameter; what must be durable is
 * written by the caller before it is said here.
 *
 *   WAITING --claim--> CLAIMED --done--> DONE --safe--> SAFE
 *      ^                  |               |  (its sync failed: REWRITE)
 *      +--- later, lease --+---------------+              closed ---> SAFE
 *
 * Steps that wait stand in one heap by when they are due.  Those that go to another
 * server wait in the *lane* of its destination instead: a heap of their own, which can
 * be shut while nothing can go there, so that a hundred thousand letters for a server
 * that is away cost nothing.
 */
#pragma once

#include "base/heap.h"
#include "base/map.h"
#include "queue/ids.h"
#include "queue/letter.h"
#include "queue/queue.h"

struct lane {
	struct heap due;                 /* its steps that wait */
	struct heap_node node;           /* in table.lanes while it is open and not empty */
	int64_t open_at;                 /* nothing is taken before; INT64_MAX: until it is opened */
	char *key, *text;                /* text: why it is shut, or NULL */
	void *owner;                     /* the role's; while set, the lane stays */
};

/* The key of the lane a step to another server belongs to. */
typedef void lane_key_fn(void *arg, const struct letter_record *l, const struct letter_step *s, struct buf *ret);

struct table {
	struct ids by_id;
	struct heap due;
	struct heap lanes;               /* by when the first of each may be taken */
	struct map by_lane;              /* key → struct lane */
	lane_key_fn *lane_key;           /* NULL: no lanes */
	void *lane_arg;
	struct letter *first, *last;
	uint64_t last_order;
	struct thick *oldest, *newest;   /* of letters with something left to do */
	size_t thick;                    /* bytes of those */
	struct look *look;
	size_t n, open, done;
};

struct letter *table_get(const struct table *t, uint64_t id);
struct step *table_step(const struct table *t, struct step_ref ref);
/* Thick or slim now, or what makes it thick is less. */
void table_weigh(struct table *t, struct letter *l);
/* Nobody has anything of it in hand. */
void table_slim(struct table *t, struct letter *l);
/* The oldest that nobody has in hand become slim until what is thick is no more than `most` bytes;
 * of at most `looks` letters. */
void table_trim(struct table *t, size_t most, size_t looks);
/* Put it in; its steps become due (at not_before, or now). */
void table_add(struct table *t, struct letter *l, int64_t now);
/* Take it out; it is freed. */
void table_drop(struct table *t, struct letter *l);
void table_end(struct table *t);

/* Each fixes the counts and the heap. */
void step_wait(struct table *t, struct step *s, int64_t due);
void step_claim(struct table *t, struct step *s, int64_t until);
void step_done(struct table *t, struct step *s);
void step_safe(struct table *t, struct step *s);
/* host may be NULL. */
void step_text(struct step *s, const char *text, const char *host);
const char *step_host(const struct step *s);
/* With QUEUE_DEATHS_MAX deaths it is held. */
void letter_blame(struct table *t, struct letter *l, uint32_t deaths, int64_t now);
/* Released: what it did is forgotten. */
void letter_hold(struct table *t, struct letter *l, bool held, int64_t now);
/* Of a slim letter what its face says, until the next look. */
void claim_fill(const struct table *t, const struct step *s, struct queue_claim *ret);
/* The first step that is due, or NULL. */
struct step *table_due(const struct table *t, const struct schedule *sched, int64_t now);

/* The first lane from which something may be taken, or NULL. */
struct lane *table_lane_due(const struct table *t, const struct schedule *sched, int64_t now);
/* The lane's first step that is due, or NULL. */
struct step *lane_first(const struct lane *l, const struct schedule *sched, int64_t now);
void lane_open_at(struct table *t, struct lane *l, int64_t at);
/* Nobody's any more: it goes when it is empty. */
void lane_release(struct table *t, struct lane *l);
/* The keys may be others now. */
void table_relane(struct table *t);

/* States of all steps, for a row of queue.db. */
void letter_states_print(const struct letter *l, struct buf *b);
bool letter_states_parse(struct table *t, struct letter *l, struct str in);
