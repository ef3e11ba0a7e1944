/* engine.h — what queue.c asks of an engine; only files of this room include it. */
#pragma once

#include "fiber/fiber.h"
#include "queue/hands.h"
#include "queue/table.h"

struct engine {
	bool rereads;                    /* body() finds what was written; no need to keep it */
	/* One record, durable.  Letters pin theirs until release(). */
	SUSPENDS bool (*append)(struct queue *q, enum journal_kind kind, const struct str *parts,
				size_t n, struct journal_at *ret, struct err *e);
	void (*release)(struct queue *q, const struct journal_at *at);
	/* Files and rows of letters that leave the journal; durable. */
	SUSPENDS bool (*spool)(struct queue *q, struct letter **letters, size_t n, struct err *e);
	/* The rows of spooled letters follow the table; a finished one's row goes. */
	SUSPENDS bool (*rows)(struct queue *q, struct letter **letters, size_t n, struct err *e);
	/* A letter's record, and its inline bytes if it is in the journal, as a LETTER's payload; NULL: letters
	 * stay thick. */
	SUSPENDS bool (*record)(struct queue *q, const struct letter *l, struct buf *ret, struct err *e);
	SUSPENDS bool (*body)(struct queue *q, struct letter *l, struct letter_body *ret,
			      struct err *e);
	SUSPENDS void (*file_drop)(struct queue *q, struct str name);
	SUSPENDS bool (*file_new)(struct queue *q, const char *name, int *ret_fd, struct err *e);
	SUSPENDS bool (*file_sync)(struct queue *q, int fd, struct err *e);
	SUSPENDS bool (*give_back)(struct queue *q, bool all, struct err *e);
	SUSPENDS bool (*policy_get)(struct queue *q, struct queue_policy *p, struct arena *a, struct err *e);
	SUSPENDS bool (*policy_put)(struct queue *q, const struct queue_policy *p, struct err *e);
	SUSPENDS bool (*prepare)(struct queue *q, struct err *e);
	bool (*has_room)(const struct queue *q);
	bool (*is_broken)(const struct queue *q);
	void (*status)(const struct queue *q, struct queue_status *ret);
	SUSPENDS void (*close)(struct queue *q);
};

struct queue {
	struct queue_conf conf;
	const struct engine *engine;
	void *own;                       /* the engine's */
	struct table table;
	struct hands hands;
	uint64_t last_id;
	bool is_checkpointing, is_moving;
	struct wait checkpointed;
};

bool queue_new(const struct queue_conf *conf, const struct engine *engine, void *own,
	       struct queue **ret, struct err *e);
/* Let go of a letter that queue.c or a reader of the journal held; frees it when finished. */
SUSPENDS void letter_release(struct queue *q, struct letter *l);
/* The rows of those that are spooled follow; then all are let go. */
SUSPENDS bool letters_follow(struct queue *q, struct letter **held, size_t n, struct err *e);
/* One death more of a letter that is held (holds > 0); durable. */
SUSPENDS bool letter_died(struct queue *q, struct letter *l, struct err *e);
/* After deaths that were counted at a start: with one more it is held, so what waits of it waits a moment. */
void letter_rest(struct queue *q, struct letter *l, int64_t now);
/* Before anything of it is carried out: all that its record says. */
SUSPENDS bool letter_thicken(struct queue *q, struct letter *l, struct err *e);
SUSPENDS size_t claims_thicken(struct queue *q, struct queue_claim *claims, size_t n, int64_t now);
/* The bytes in memory are no longer wanted. */
void letter_body_drop(struct queue *q, struct letter *l);
enum { STEP_REF_BYTES = 12 };
