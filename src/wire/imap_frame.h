/* imap_frame.h — where an IMAP command begins and ends: lines and literals (RFC 9051 §2.2.1, §4.3,
 * RFC 7888).
 *
 * Bytes go in as they come.  What comes out is a whole command as one text, literals in their
 * places: "a1 LOGIN {3}CRLFbob {2}CRLFpw".  The literals of letters (APPEND, CATENATE, REPLACE)
 * may be large and are not kept: the owner reads them on the way, the text leaves them out and
 * `streams` says where they were.
 *
 *	while ((event = imap_frame_feed(&f, &in)) != IMAP_MORE)
 *		switch (event) {
 *		case IMAP_GO_AHEAD: say "+ OK"; …
 *		case IMAP_STREAM: maybe imap_append_begin() and imap_frame_refuse(&f), else open a file,
 *			say "+ OK" and clear f.is_sync if it is set, then put imap_frame_body(&f, &in) there until f.left == 0
 *		case IMAP_COMMAND: imap_command_parse(imap_frame_text(&f), …); …; imap_frame_next(&f)
 *		case IMAP_REFUSED: answer f.why with f.tag; imap_frame_next(&f)
 *		case IMAP_FATAL: answer f.why; hang up
 *		}
 *
 * A line ends at CRLF only; what a refused line still brings is skipped up to its true end, so that
 * nothing in it is ever taken for a command. */
#pragma once

#include "base/buf.h"
#include "wire/imap_reply.h"

enum {
	IMAP_LINE_MAX = 64 * 1024,       /* octets of a command without its literals */
	IMAP_LITERAL_MAX = 64 * 1024,    /* octets of a literal that is kept */
	IMAP_LITERALS_MAX = 1000,        /* that are kept, in one command */
	IMAP_COMMAND_MAX = 1024 * 1024,  /* octets of a command with the literals that are kept */
	IMAP_PREAUTH_MAX = 8 * 1024,     /* for all of these before anybody is known */
	IMAP_AUTH_LINE_MAX = 12 * 1024,  /* an answer within AUTHENTICATE */
	IMAP_NONSYNC_MAX = 4096,         /* LITERAL- (RFC 7888 §5) */
	IMAP_STREAMS_MAX = 5000,         /* letters in one MULTIAPPEND, parts in one CATENATE */
	IMAP_SKIP_MAX = 16 * 1024 * 1024,/* octets we read only to drop them; then we hang up */
	IMAP_TAG_MAX = 128,
};

enum imap_event {
	IMAP_MORE,               /* all of *in is taken */
	IMAP_GO_AHEAD,           /* the client waits for "+" */
	IMAP_STREAM,             /* f.left octets of a letter follow */
	IMAP_COMMAND,            /* a whole command */
	IMAP_REFUSED,            /* it is over and cannot be obeyed: f.why */
	IMAP_FATAL,              /* nobody can tell where the next one begins: f.why */
};

/* A literal that is not in the text. */
struct imap_stream {
	size_t at;               /* where in the text its bytes would stand */
	uint64_t size;
	bool is_literal8;        /* ~{…} */
};

/* Where in the text of an APPEND its last letter begins. */
struct append_mark {
	size_t letters;          /* before it */
	size_t at, stream;
};

/* A command as the parser takes it. */
struct imap_text {
	struct str bytes;        /* without the last CRLF */
	const struct imap_stream *streams;
	size_t n_streams;
	struct append_mark mark;         /* set by the owner: the letters before it are not parsed again */
};

enum imap_frame_state {
	FRAME_LINE,              /* within a line */
	FRAME_LITERAL,           /* within a literal that is kept */
	FRAME_BODY,              /* within a letter; the owner reads */
	FRAME_SKIP_LINE,         /* of a refused command */
	FRAME_SKIP_LITERAL,
	FRAME_OVER,              /* until imap_frame_next() */
};

struct imap_frame {
	/* set by the owner; 0: the limits above */
	size_t line_max, literal_max, command_max;
	uint64_t nonsync_max;            /* 0: no limit of its own */
	uint64_t stream_max;             /* octets of a letter; 0: letters are not taken (before login) */
	/* Set before each answer to our own "+" (AUTHENTICATE, IDLE): the next line has no tag and no
	 * literals.  imap_frame_next() clears it. */
	bool is_answer;

	/* to be read at an event */
	enum imap_reply_id why;
	uint64_t left;                   /* octets of the letter still to come */
	bool is_sync;                    /* it comes only after "+"; the owner clears it when it has said so */
	char tag[IMAP_TAG_MAX + 1];      /* of the command, "*" if it has none; NUL-terminated */

	/* imap_frame.c's own */
	enum imap_frame_state state;
	struct buf text;
	size_t line_start;               /* where in the text the current line begins */
	size_t line_bytes;               /* octets of lines so far */
	size_t n_literals;
	uint64_t skipped;                /* since the last command */
	struct imap_stream *streams;
	size_t n_streams, cap_streams;
	bool is_silent;                  /* the owner has refused it: no event at the end */
	uint8_t tail_n;                  /* FRAME_SKIP_LINE: how much of `tail` holds */
	char tail[32];                   /* the end of the line that is skipped */
};

enum imap_event imap_frame_feed(struct imap_frame *f, struct str *in);
/* In FRAME_BODY: takes what is there of the letter off *in. */
struct str imap_frame_body(struct imap_frame *f, struct str *in);
/* After IMAP_STREAM, before the letter or within it: the owner has answered the command; the rest of it is
 * skipped without another event. */
void imap_frame_refuse(struct imap_frame *f);
/* After IMAP_COMMAND, and after IMAP_STREAM for what came before the letter.  Holds until the next call. */
struct imap_text imap_frame_text(const struct imap_frame *f);
/* The command was obeyed or refused: forget it. */
void imap_frame_next(struct imap_frame *f);
/* Within a command that lasts: its text is freed, its tag stays. */
void imap_frame_rest(struct imap_frame *f);
/* Has part of a command come? */
bool imap_frame_is_begun(const struct imap_frame *f);
/* Frees; wipes what may have been a password. */
void imap_frame_end(struct imap_frame *f);
