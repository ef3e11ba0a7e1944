/* guest.h — one client of `login`: who it is must be found out, then its bytes are carried.
 *
 * guest.c tells the story: welcome → the dialogue of its protocol (imap.c, pop3.c) until a
 * password was right → carry, with a fiber only while there is something to carry.  What a password comes in is read by sasl_exchange.c; whether it is right says
 * `user`, and the stream that then comes from the parent is the proof. */
#pragma once

#include "fiber/conn.h"
#include "role/credentials.h"
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
	struct carrying *carrying;       /* once it is logged in */
	struct claimant claim;           /* that it is somebody */
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

/* For STARTTLS and STLS, once "go ahead" was written. */
SUSPENDS bool guest_start_tls(struct guest *g, struct err *e);
static inline bool guest_has_tls(const struct guest *g)
{
	return g->conn.ssl;
}

extern const struct dialogue imap_dialogue, pop3_dialogue;
