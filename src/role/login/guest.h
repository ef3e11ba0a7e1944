/* guest.h — one client of `login`: who it is must be found out, then its bytes are carried.
 *
 * guest.c tells the story: welcome → the dialogue of its protocol (imap.c, pop3.c) until a
 * password was right → carry, with a fiber only while there is something to carry.  What a password comes in is read by sasl_exchange.c; whether it is right says
 * `user`, and the stream that then comes from the parent is the proof. */
#pragma once

#include "fiber/conn.h"
#include "role/front.h"

struct guest;

/* How a protocol speaks until somebody is known. */
struct dialogue {
	const char *name;
	/* The whole dialogue, its greeting with it; true: g->stream is there and g->tag is set. */
	SUSPENDS bool (*converse)(struct guest *g, struct err *e);
	struct str sorry;                /* no resources */
	struct str busy;                 /* in front of why it may not connect; CRLF follows */
	struct str stopping, too_slow;
};

struct guest {
	struct conn conn;
	struct conf_held *conf;          /* the generation it began with; NULL once it is carried */
	const struct dialogue *dialogue;
	enum conf_proto protocol;
	enum conf_listen_tls tls;        /* of the listen line */
	uint8_t addr[16];
	char peer[FRONT_PEER_MAX];
	uint16_t port;
	uint64_t number;
	bool is_connected;               /* `user` counts it */
	bool is_logged_in;               /* `user` counts it as a session of an account */
	struct carrying *carrying;       /* once it is logged in */
	unsigned failures;               /* wrong passwords */
	char *tag;                       /* of the command that logged in; NULL: none */
	int stream;                      /* to the mailbox; -1: not yet */
	struct wait arrival;             /* the stream came */
	struct fiber *fiber;             /* NULL: carried, and nothing is to be carried now */
	struct guest *prev, *next;
};

struct guest *guest_open(const struct front_client *c, uint64_t number);
/* Converse with it; from now on it is its own. */
void guest_start(struct guest *g);
struct guest *guest_find(uint64_t number);
/* The server stops: those that are not carried leave now, the others when their mailboxes say so. */
SUSPENDS void guests_end(void);

/* May a password be said now?  Not in the clear, but where the listen line allows it. */
bool guest_may_log_in(const struct guest *g);
/* For STARTTLS and STLS, once "go ahead" was written. */
SUSPENDS bool guest_start_tls(struct guest *g, struct err *e);
static inline bool guest_has_tls(const struct guest *g)
{
	return g->conn.ssl;
}

extern const struct dialogue imap_dialogue, pop3_dialogue;

/* login.c: `user` says whether SCRAM may be offered. */
bool scram_is_offered(void);
