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
#include "queue/journal.h"
#include "queue/queue.h"

enum step_state { STEP_WAITING, STEP_CLAIMED, STEP_DONE, STEP_SAFE };

struct letter;

struct lane {
	struct heap due;                 /* its steps that wait */
	struct heap_node node;           /* in table.lanes while it is open and not empty */
	int64_t open_at;                 /* nothing is taken before; INT64_MAX: until it is opened */
	char *key, *text;                /* text: why it is shut, or NULL */
	void *owner;                     /* the role's; while set, the lane stays */
};

struct step {
	struct heap_node due;            /* key: when to try, or the lease's end */
	struct letter *letter;
	struct lane *lane;               /* in whose heap it stands; NULL: the common one, or none */
	uint32_t index;
	uint32_t tries;
	uint8_t state;                   /* enum step_state */
	uint8_t mode;                    /* enum step_mode */
	uint8_t task;                    /* enum queue_task */
	bool is_warned;
	int64_t retry_at;                /* after a warning */
	char *text;                      /* the last error, or NULL; behind its NUL the host's name */
};

struct letter {
	struct letter_record r;
	struct arena arena;
	struct str head;                 /* its encoding, into which r points; in the arena */
	char *body;                      /* inline bytes, or NULL: read them from `at` */
	struct letter *prev, *next;      /* in order of arrival */
	int64_t since;                   /* when it came into this table */
	struct journal_at at;            /* the record with its bytes; sequence 0: none */
	uint32_t body_skip;              /* where its bytes begin in that record */
	uint32_t open;                   /* steps that are not SAFE */
	uint32_t todo;                   /* steps that are WAITING or CLAIMED */
	uint32_t deaths;                 /* processes that ended while they carried it out */
	uint32_t readers;                /* of body */
	uint32_t holds;
	bool is_finished;                /* nothing open; goes when nobody holds it */
	bool is_held, is_spooled, is_moving;
	bool is_slim;                    /* what only a delivery needs stands in its row alone */
	bool is_dirty;                   /* its row is behind (only while a start reads) */
	bool is_suspect;                 /* the last process that carried it out died */
	struct step steps[];             /* r.n_steps of them */
};

/* The key of the lane a step to another server belongs to. */
typedef void lane_key_fn(void *arg, const struct letter_record *l, const struct letter_step *s, struct buf *ret);

struct table {
	struct map by_id;
	struct heap due;
	struct heap lanes;               /* by when the first of each may be taken */
	struct map by_lane;              /* key → struct lane */
	lane_key_fn *lane_key;           /* NULL: no lanes */
	void *lane_arg;
	struct letter *first, *last;
	size_t n, open, done;
};

/* A letter of the record's encoding, which is copied; not yet in a table. */
bool letter_new(struct str head, struct letter **ret, struct err *e);
void letter_free(struct letter *l);
/* Another encoding of the same letter takes the place of its own; slices of the old one are gone. */
bool letter_set_head(struct letter *l, struct str head, struct err *e);
/* Nobody has anything of it in hand: of a spooled letter, what stands in its row is left out. */
void letter_slim(struct letter *l);

struct letter *table_get(const struct table *t, uint64_t id);
struct step *table_step(const struct table *t, struct step_ref ref);
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
void claim_fill(const struct step *s, struct queue_claim *ret);
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
