/* imap_session.h — one IMAP conversation of a person who is known.
 *
 * The loop (imap_session.c) reads a command, looks its verb up in imap_verbs.def, and runs its
 * handler; the handler returns the tagged reply and only the loop writes it.  Untagged answers of a
 * handler go to s->out, with out_breathe() wherever there may be many.  After the handler the loop
 * tells what happened in the open folder (imap_updates.h), then the tagged reply.
 *
 * To add a command: its handler in a file cmd_NAME.c, a row in imap_verbs.def, its capabilities in
 * imap_capability.def. */
#pragma once

#include "role/mailbox/session.h"
#include "role/mailbox/sent_mark.h"
#include "role/mailbox/stream.h"
#include "store/view.h"
#include "wire/imap_command.h"

enum {
	IMAP_OUT_SOON = 64 * 1024,       /* octets of answers that are gathered before they are sent */
	IMAP_OUT_MAX = 256 * 1024 * 1024,
	IMAP_ARENA_MAX = 64 * 1024 * 1024,       /* of one command */
	IMAP_ERRORS_MAX = 20,            /* BAD in a row */
	IMAP_APPEND_MAX = 256 * 1024 * 1024,     /* octets of a letter; APPENDLIMIT */
};

/* The open folder. */
struct imap_selected {
	struct box *box;                 /* NULL: none */
	struct view view;
	bool is_read_only;               /* EXAMINE */
	uint32_t recent_from;            /* UIDs from here on are \Recent for this session */
};

/* RFC 5182: what "$" stands for. */
struct imap_saved {
	uint32_t *uids;                  /* ascending, on the heap */
	size_t n;
};

struct notify;

/* APPEND or REPLACE on its way: what is kept from literal to literal, while the mailbox's name and the words
 * of the last letter are parsed anew at each. */
struct appending {
	struct append_mark mark;
	struct append *to;               /* NULL: nothing has begun */
	size_t letters;                  /* that are in */
	bool is_open;                    /* the next one has begun */
	size_t parts;                    /* of the next one that are in */
	uint64_t octets, letter_octets;  /* of all letters so far, of the present one */
	bool is_gathered;                /* the letter is in `gathered`, not yet on its way */
	bool is_binary;                  /* some part of it was a literal8 */
	struct buf gathered;
	uint64_t copied;                 /* octets of the letters that URLs had read */
	uint32_t replaces;               /* REPLACE: a UID of the open folder */
	uint64_t replaced_octets;
	bool is_sent;                    /* the one letter goes where what was sent is filed */
	struct sent_reader sent;         /* then: it may be there already */
};

struct imap_session {
	struct stream io;
	struct buf out;                  /* answers, not yet sent */
	uint64_t n_sent;                 /* octets of answers that were */
	struct store *store;
	struct session_facts *facts;
	struct by by;
	struct imap_selected sel;
	struct imap_saved saved;
	unsigned enabled;                /* enum imap_enable */
	bool is_quiet;                   /* no updates behind this command: it closed the folder */
	bool compress_next;              /* from behind this reply on */
	unsigned errors;                 /* BAD in a row */
	size_t eaten;                    /* octets of commands since others ran */
	struct appending append;
	struct notify *notify;           /* NULL: NOTIFY was never said */

	/* the present command */
	struct imap_frame frame;
	struct imap_text text;
	struct imap_command c;
	struct arena *a;
	char who[160];
};

typedef struct imap_reply imap_handler(struct imap_session *s, struct err *e);   /* SUSPENDS */

/* -- replies --------------------------------------------------------------- */

static inline struct imap_reply reply_of(enum imap_reply_id id)
{
	return (struct imap_reply){ .id = id };
}
/* The stream broke, or we are to stop: nothing can be said. */
static inline struct imap_reply reply_broken(void)
{
	return (struct imap_reply){ .close = true };
}
/* What *e means to a client: NO with a code.  `missing` is the reply for ENOENT. */
struct imap_reply reply_of_err(struct imap_session *s, const struct err *e, enum imap_reply_id missing);

/* -- output ---------------------------------------------------------------- */

/* Send what is gathered if it is much, and let others run; false: the stream broke, or an answer was too
 * large. */
SUSPENDS bool out_breathe(struct imap_session *s, struct err *e);
/* Send all. */
SUSPENDS bool out_flush(struct imap_session *s, struct err *e);

/* -- names ----------------------------------------------------------------- */

/* The folder on disk that a mailbox name means; false: it can be none (NAME_BAD).  In the
 * command's arena. */
bool folder_of_name(struct imap_session *s, struct str mailbox, struct str *ret);
/* Append the name of a folder for the client, in its encoding. */
void add_folder_name(struct imap_session *s, struct buf *b, struct str folder);
static inline bool session_is_utf8(const struct imap_session *s)
{
	return s->enabled & (ENABLE_UTF8 | ENABLE_REV2);
}

/* -- letters of the open folder -------------------------------------------- */

/* UIDs of the view that a set of the command means, ascending, in the command's arena.  False: *ret_why
 * is the reply (a number beyond the last letter, no memory). */
bool uids_of_set(struct imap_session *s, struct seqset *set, bool is_uid, uint32_t **ret,
		 size_t *ret_n, struct imap_reply *ret_why);
/* Close the folder, if one is open. */
void folder_close(struct imap_session *s);
/* OK; where letters went, with how far a client of CONDSTORE knows now (RFC 7162 §3.2.7). */
struct imap_reply reply_at_modseq(struct imap_session *s, uint64_t before);
/* CONDSTORE is in use from here on (RFC 7162 §3.1): FETCH answers say MODSEQ. */
void use_condstore(struct imap_session *s);

/* -- capabilities ---------------------------------------------------------- */

/* "IMAP4rev1 IDLE …" */
void add_capabilities(struct buf *b, const struct imap_session *s);
