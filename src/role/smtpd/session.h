/* session.h — a conversation with one client.
 *
 * The loop in session.c reads a command, has it run, and writes the reply; nobody
 * else writes.  A handler (cmd_*.c) only decides: it gets the parsed command and
 * returns a reply.  If more is to be done once the reply is out (a letter behind
 * 354, TLS behind 220) it sets s->then.
 *
 * To add a verb: a row in verbs.c and its handler. */
#pragma once

#include "fiber/conn.h"
#include "ipc/why.h"
#include "ipc/sender.h"
#include "role/credentials.h"
#include "role/front.h"
#include "role/smtpd/transaction.h"

struct checks;
struct finding;
struct session;
struct tls_server;

typedef struct reply command_fn(struct session *s, const struct smtp_command *c);        /* SUSPENDS */

struct session {
	struct conn conn;
	struct conf_held *conf;          /* the generation it began with */
	const struct conf_inbound *in;   /* in conf */
	const struct conf_listen *listen;/* in conf, or NULL */
	uint8_t addr[16];                /* the client's, IPv4 as ::ffff:a.b.c.d */
	char peer[FRONT_PEER_MAX];                 /* the same as text */
	uint16_t port;                   /* ours */
	bool is_friend;
	bool is_unlimited;
	bool has_network;                /* it may send without AUTH, by some addresses */
	enum sender_kind sender;         /* ACCOUNT, LOCAL, DROP: whose letters these are is known */
	struct claimant claim;           /* that it is somebody */

	char *host;                      /* its name by PTR; NULL: not asked for, or none */
	bool host_is_known, host_is_confirmed;   /* asked for; it leads back to the client */
	char *helo;                      /* as the client called itself; NULL: not yet */
	bool is_esmtp;
	bool speaks_smtp;                /* a verb of SMTP has come */
	struct transaction *t;           /* NULL: none */
	struct checks *checks;           /* what is asked about a stranger; NULL: nothing */

	/* while one command is run */
	struct arena *a;                 /* ends when its reply is out */
	struct reply (*then)(struct session *s);         /* SUSPENDS */
	struct note {
		enum why_kind kind;      /* what is being decided; 0: a command */
		struct str why, from, rcpt;
		uint64_t msg;
		const struct finding *found;     /* by which check it is refused */
		bool is_told;            /* the log has it already */
	} note;                          /* for its why-record, in *a */

	unsigned commands, errors, deferred, letters;
	unsigned stagnant;               /* commands since something came of one */
	struct {
		unsigned no_host_name, unknown_recipients, errors;
		uint64_t nameless;       /* the letter that was last counted in the first */
		bool is_vouched;         /* a white list has it */
	} conduct;                       /* conduct.h */
	bool is_done;                    /* nothing more is read */
	bool is_idle;                    /* waits for a command, or shakes hands */
	bool is_connected;               /* `user` counts it */
	bool is_quiet;                   /* it is banned, and the log has had enough of it */

	uint64_t number;                 /* of this process's conversations */
	struct fiber *fiber;
	struct session *prev, *next;
};

/* Takes fd; runs in a fiber of its own. */
struct session *session_open(int fd, uint64_t number, const uint8_t addr[16], uint32_t listener, uint16_t port);
SUSPENDS void session_run(void *session);
/* smtpd.c: takes fd, a stream of a program of this machine.  false: it was turned away. */
bool smtpd_converse_local(int fd, uint64_t number, enum sender_kind sender);
void smtpd_local_ended(void);
/* drop.c */
SUSPENDS bool serve_drop(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
void session_close(struct session *s);
/* Tell all that wait for a command to leave. */
void sessions_stop(void);

/* The row as it stands; and the same as our last word. */
static inline struct reply answer(enum reply_id id)
{
	return (struct reply){ .id = id };
}
static inline struct reply answer_last(enum reply_id id)
{
	return (struct reply){ .id = id, .close = true };
}

/* For handlers.  A reply with what the log should say; why may be temporary. */
struct reply session_refuse(struct session *s, enum reply_id id, struct str why);
/* What a check found and what did not refuse the letter, as a why-record. */
void session_note_check(struct session *s, const struct finding *f);
/* The reply to a failure of ours or of the client's: the connection does not go on. */
struct reply session_lost(struct session *s, const struct err *e);
/* May it bring one more letter now?  Else *ret is the refusal. */
SUSPENDS bool session_may_send(struct session *s, struct reply *ret);
/* Shake hands; before and after it nothing that was said holds.  false: s->is_done. */
SUSPENDS bool session_start_tls(struct session *s);
/* Whoever has logged in is a stranger again. */
void session_forget_sender(struct session *s);
/* Whatever a transaction held is gone; the ring hears of recipients that were refused. */
void session_forget(struct session *s);
/* Until STARTTLS or for ever. */
void session_forget_helo(struct session *s);
bool session_has_tls(const struct session *s);
/* Does nothing go without AUTH here? */
bool session_is_submission(const struct session *s);
/* Does it know its own people: can one log in here, and not yet? */
bool session_offers_auth(const struct session *s);
/* One of ours, or somebody that we know: no strictness about its name. */
bool session_is_trusted(const struct session *s);
/* The same for a program of this machine: no connection is counted, nothing is asked. */
struct session *session_open_local(int fd, uint64_t number, enum sender_kind sender);

/* verbs.c */
enum session_has {
	HAS_HELLO = 1 << 0,
	HAS_MAIL = 1 << 1,
	HAS_RCPT = 1 << 2,
	HAS_CHUNKS = 1 << 3,
	HAS_TLS = 1 << 4,
	HAS_LOGIN = 1 << 5,
};

struct verb {
	command_fn *run;
	unsigned needs;                  /* enum session_has */
	unsigned not_with;
	bool ends_group;                 /* nothing may be pipelined behind it (RFC 2920 §3.1) */
	bool is_idle;                    /* nothing comes of it */
};
const struct verb *verb_of(enum smtp_verb v);
/* Why this verb cannot come now, or REPLY_NONE. */
enum reply_id verb_out_of_place(enum smtp_verb v, unsigned has);

SUSPENDS struct reply cmd_ehlo(struct session *s, const struct smtp_command *c);
SUSPENDS struct reply cmd_helo(struct session *s, const struct smtp_command *c);
SUSPENDS struct reply cmd_mail(struct session *s, const struct smtp_command *c);
SUSPENDS struct reply cmd_rcpt(struct session *s, const struct smtp_command *c);
SUSPENDS struct reply cmd_data(struct session *s, const struct smtp_command *c);
SUSPENDS struct reply cmd_bdat(struct session *s, const struct smtp_command *c);
SUSPENDS struct reply cmd_auth(struct session *s, const struct smtp_command *c);
SUSPENDS struct reply cmd_starttls(struct session *s, const struct smtp_command *c);
struct reply cmd_rset(struct session *s, const struct smtp_command *c);
struct reply cmd_noop(struct session *s, const struct smtp_command *c);
struct reply cmd_quit(struct session *s, const struct smtp_command *c);
struct reply cmd_vrfy(struct session *s, const struct smtp_command *c);
struct reply cmd_help(struct session *s, const struct smtp_command *c);
struct reply cmd_not_implemented(struct session *s, const struct smtp_command *c);

/* A chunk that is not wanted: read to its end, answered, and the transaction is gone. */
SUSPENDS struct reply bdat_refuse(struct session *s, uint64_t size, struct reply r);
/* The letter is complete: give it to the queue and say what became of it. */
SUSPENDS struct reply letter_commit(struct session *s);
