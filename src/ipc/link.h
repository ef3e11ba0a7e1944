/* link.h — one end of a channel between two roles (SOCK_SEQPACKET).
 *
 * Who stands at the other end is told by the parent when it hands the channel
 * over, and is fixed for the link's life.  At most 64 questions are outstanding (more
 * about names); further callers wait in line within their deadline.  Reading never waits for
 * writing.  A malformed or forbidden message closes the link; a dead link fails
 * all its calls with FAULT_TEMP.
 *
 * To add a message: a row in dialogues.def; serve it with ipc_serve() (questions,
 * each in a fiber of its own) or ipc_hear() (tells, in order, without waiting);
 * say it with the function of the message's name (ipc/say.h). */
#pragma once

#include "base/arena.h"
#include "fiber/fiber.h"
#include "ipc/message.h"

#include <errno.h>

/* Questions to `dns` and `scan`, and the queue's to `relay` about policies, wait for strangers' servers: those that hang
 * shall not stop the others. */
enum { LINK_WINDOW = 64, LINK_WINDOW_STRANGERS = 512 };

struct link_out;

struct link_call {
	uint64_t id;
	bool is_abandoned;       /* its caller left before the answer came */
	bool is_done, ok;
	void *answer;
	struct arena *a;
	struct err err;
	struct wait done;
};

struct link {
	int fd;
	enum role self, peer;
	uint32_t instance;
	uint32_t pid;            /* the other side's, where the parent said it; else 0 */
	char *account;           /* of a mailbox; else "" */
	bool is_dead;
	bool has_ended;          /* the other side, with nothing of ours left unread */
	unsigned users;          /* fibers inside; the last one frees a dead link */
	struct nursery *nursery; /* its fibers' */
	struct link_call **calls;        /* `window` of them; NULL: free */
	unsigned n_calls, window;
	uint64_t next_call;
	struct wait room;
	struct link_out *out_first, *out_last;   /* what the socket did not take */
	struct link *prev, *next;
	void *state;             /* what the role keeps per link; its on_close frees it */
};

typedef bool ipc_serve_fn(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
typedef void ipc_hear_fn(struct link *l, void *tell);

/* Strings of the answer must live in *a or longer. */
void ipc_serve(enum ipc_number number, ipc_serve_fn *fn);
void ipc_hear(enum ipc_number number, ipc_hear_fn *fn);
/* Questions taken off the links and not yet answered, by all handlers. */
size_t ipc_in_hand(void);
/* Told once for each link that dies, before it is freed. */
void ipc_on_close(void (*fn)(struct link *l));

/* Takes fd.  The link's fibers belong to *n. */
struct link *link_open(int fd, enum role self, enum role peer, uint32_t instance, struct str account,
		       struct nursery *n, struct err *e);
/* The other end sees an end of file; our calls fail. */
void link_close(struct link *l);
/* A link that ends by itself is freed in that moment; one that is kept stays, dead, until link_let_go(), which
 * closes it. */
void link_keep(struct link *l);
void link_let_go(struct link *l);

/* The live link to a role with the fewest outstanding questions, or NULL. */
struct link *link_to(enum role peer);
struct link *link_to_instance(enum role peer, uint32_t instance);
/* Walk all live links: NULL begins. */
struct link *link_next(struct link *l);

/* A NULL or dead link fails with FAULT_TEMP and e->sys = ENOLINK, or EOWNERDEAD if the other side had
 * taken the question up when it ended; the link may be freed then.  Descriptors in *question are
 * borrowed. */
SUSPENDS bool link_ask(struct link *l, enum ipc_number number, const void *question, void *answer,
		       struct arena *a, struct err *e);
static inline bool link_is_away(const struct err *e)
{
	return e->sys == ENOLINK || e->sys == EOWNERDEAD;
}

/* Never waits. */
bool link_say(struct link *l, enum ipc_number number, const void *tell, struct err *e);
