/* transaction.h — one letter from MAIL to its reply.
 *
 * All that a transaction knows stands in this one struct.  It is never patched
 * back: whatever ends it (a reply to the letter, RSET, EHLO, an error) closes it,
 * and the next MAIL opens a new one. */
#pragma once

#include "base/arena.h"
#include "ipc/message.h"
#include "ipc/standing.h"
#include "role/smtpd/body.h"
#include "wire/smtp_command.h"

struct transaction {
	struct arena a;
	uint64_t id;             /* the letter's, given by the queue; 0 once the queue has answered for it */
	struct str mail_from;    /* as written, empty for <> */
	struct str envid;
	enum smtp_body body_type;
	enum dsn_ret ret;
	bool utf8;
	bool is_ours;            /* its sender is one of ours: it may go anywhere */
	enum standing standing;  /* by blocks and exceptions, asked at the first recipient */
	struct str standing_why;
	struct ipc_rcpt *rcpts;
	size_t n_rcpts, cap_rcpts;
	bool is_checked;         /* signals hold */
	struct ipc_signal *signals;      /* what the checks found that does not refuse it */
	size_t n_signals;
	unsigned n_refused;      /* recipients */
	struct ipc_rcpt *barred; /* those that were refused because of the sender, for the ring (refused.h) */
	size_t n_barred;
	enum reply_id barred_by;
	struct str barred_why;
	bool is_chunked;         /* BDAT has begun */
	struct body body;
};

/* What MAIL said, as a new transaction; NULL: no memory. */
struct transaction *transaction_open(uint64_t id, const struct smtp_command *mail, const struct conf_inbound *in,
				     bool normalize);
/* For AUTO; tells the queue to forget what it was not given. */
void transaction_close(struct transaction **t);
/* epoch: of the answer that `user` gave. */
bool transaction_add_rcpt(struct transaction *t, const struct smtp_command *rcpt, uint64_t epoch,
			  struct err *e);
