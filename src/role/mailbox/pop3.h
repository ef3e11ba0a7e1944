/* pop3.h — the maildrop of one POP3 session and its commands. */
#pragma once

#include "store/box.h"
#include "wire/pop3_command.h"

struct conn;

/* A letter, by number - 1. */
struct pop3_entry {
	uint32_t uid, size;              /* size: octets with CRLF */
	bool is_deleted, is_read;
};

struct pop3 {
	struct conn *conn;
	struct box *box;                 /* INBOX, open; NULL: not yet */
	struct pop3_entry *letters;      /* as they were at login */
	size_t n;
	struct by by;
	unsigned errors;                 /* in a row */
	bool is_over;
};

/* STAT, LIST, RETR, DELE, NOOP, RSET, TOP, UIDL, CAPA and the others but QUIT.  False: the connection broke. */
SUSPENDS bool pop3_command_run(struct pop3 *p, const struct pop3_command *c, struct err *e);
/* An answer of one line. */
SUSPENDS bool pop3_say(struct pop3 *p, enum pop3_reply_id id, struct str text, struct err *e);
