/* remote.h — what the files about letters to other servers share.
 *
 *   remote.c         destinations, and which jobs go out when
 *   remote_job.c     one job: told to a relay, and what comes back
 *   remote_result.c  results are written down, together
 *   downgrade.c      letters in 7 bits, for servers that take no others
 *   sts.c            MTA-STS policies
 *
 * Words:  a *line* is what is known of a destination: how many jobs it bears at once, and since when it fails;  a
 * *job* is one letter for some of its recipients there. */
#pragma once

#include "ipc/relay_say.h"
#include "queue/destination.h"
#include "role/queue/queue_role.h"

/* Who holds a place in the common hall: destinations that have answered lately are never kept out by others. */
enum standing { LINE_NEW, LINE_PROVEN, LINE_FAILING, LINE_STANDINGS };

struct remote_line {
	struct lane *lane;
	struct destination to;
	enum standing standing;
	unsigned width, out;             /* jobs at once: allowed, and out now */
	unsigned good;                   /* jobs that went well since width grew */
	unsigned fails;                  /* in a row: no server could be reached */
	int64_t changed;                 /* monotonic: jobs told before say nothing new about width or fails */
	int64_t used;                    /* monotonic */
	uint32_t instance;               /* the relay that has its connections */
	bool is_starved;                 /* its lane is shut for want of a place in the hall */
	struct sts *sts;                 /* its MTA-STS policy; NULL: not asked yet */
	bool is_asking;
	struct remote_line *prev, *next;
};

struct remote_job {
	uint64_t number;
	struct remote_line *line;
	enum standing standing;          /* as which it was let in */
	struct link *link;
	uint64_t letter;
	int64_t since;                   /* monotonic */
	bool is_suspect;
	struct remote_job *prev, *next;  /* by age */
	size_t n;
	struct step_ref refs[];
};

/* remote.c */
struct remote_line *remote_line_of(struct lane *lane, const struct queue_claim *first);
/* The line has one job less, and its lane opens at `at` (0: now). */
void remote_line_back(struct remote_line *l, enum standing standing, int64_t at);
void remote_grew(struct remote_line *l);
void remote_shrank(struct remote_line *l);

/* remote_job.c */
/* standing: as which it was let in. */
SUSPENDS bool remote_job_send(struct remote_line *l, enum standing standing, const struct queue_claim *claims, size_t n,
			      struct link *to, struct err *e);
bool remote_has_suspect(void);
/* Jobs that nobody answered for too long. */
void remote_job_tend(void);

/* remote_result.c.  The strings are copied. */
struct remote_outcome {
	struct step_ref ref;
	enum queue_outcome outcome;
	bool is_mild, has_died, is_reported;     /* is_reported: the next server reports by itself (DSN) */
	bool needs_7bit;
	int64_t again;
	struct str text;
};
struct remote_result {
	struct str host, address, tls;
	int64_t ms;
	struct remote_outcome *outcomes;
	size_t n;
};
/* Written down by a fiber of its own, together with what else has come. */
void remote_result_put(const struct remote_result *r);

/* downgrade.c.  Takes those out whose server wants 7 bits: they become a letter of their own, or come back by
 * remote_result_put() with why not. */
void downgrade_take(struct remote_result *r);

/* sts.c.  The line's policy as of now, or that there is none; false: it is being asked for. */
bool sts_ready(struct remote_line *l);
struct str sts_text(const struct remote_line *l, int64_t *ret_until);
void sts_forget(struct remote_line *l);
