/* sendmail.h — waxwing called as sendmail, mailq or newaliases: what its files share.
 *
 *   sendmail.c          what is wanted, and its exit code (sysexits.h)
 *   sendmail_options.c  the options that programs give
 *   sendmail_letter.c   the letter from standard input, and whom it names
 *   sendmail_say.c      SMTP over the server's socket, which knows whose process this is
 *   sendmail_drop.c     without a server the letter is left for it
 *
 * No set-uid: who sends is told by the kernel, of the socket or of the file that is left. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { SENDMAIL_LETTER_MAX = 256 << 20, SENDMAIL_RCPTS_MAX = 10000 };

enum sendmail_mode {
	SENDMAIL_SEND,           /* -bm */
	SENDMAIL_SMTP,           /* -bs */
	SENDMAIL_QUEUE,          /* -bp, mailq */
	SENDMAIL_ALIASES,        /* -bi, newaliases */
	SENDMAIL_TEST,           /* -bt */
	SENDMAIL_VERIFY,         /* -bv */
	SENDMAIL_DAEMON,         /* -bd */
	SENDMAIL_NOTHING,        /* -q: the queue needs no help */
};

struct sendmail {
	enum sendmail_mode mode;
	const char *conf_path;   /* -C */
	const char *from;        /* -f, -r; NULL: not said */
	const char *full_name;   /* -F */
	bool ignores_dots;       /* -i, -oi */
	bool takes_header;       /* -t */
	bool is_verbose;         /* -v */
	const char *notify;      /* -N, checked */
	const char *ret;         /* -R, checked */
	const char *envid;       /* -V */
	char **args;             /* addresses */
	int n_args;

	struct arena a;
	struct str hostname, run, storage;
	struct str sender;       /* local@domain, or empty: <> */
	struct str *rcpts;
	size_t n_rcpts;
	struct buf letter;       /* CRLF, no NUL */
	bool is_8bit;
};

/* False after a complaint: EX_USAGE. */
bool sendmail_options(struct sendmail *s, int argc, char **argv);
/* Standard input, up to its end or a lone dot. */
bool sendmail_read(struct sendmail *s, struct err *e);
/* Those of a text like "a@x, B <b@y>"; a name alone is one at this host. */
bool sendmail_add_rcpts(struct sendmail *s, struct str text);
/* Those that the header names (-t). */
bool sendmail_take_header(struct sendmail *s);
/* "From:" with the full name, if the letter has none. */
void sendmail_add_from(struct sendmail *s);
/* "Name <a@x>", "a@x", "a", "<>". */
bool sendmail_one_address(struct sendmail *s, struct str text, struct str *ret);

/* The lines MAIL and RCPT; with CRLF. */
void sendmail_mail_line(const struct sendmail *s, struct buf *b);
void sendmail_rcpt_line(const struct sendmail *s, struct str rcpt, struct buf *b);
/* The letter with dots doubled, up to and with the last. */
void sendmail_dotted(const struct sendmail *s, struct buf *b);

/* -1: no server answers. */
int sendmail_connect(struct str run);
/* An exit code; EX_TEMPFAIL: it is to be left. */
int sendmail_say(struct sendmail *s, int fd);
/* The bytes of standard input and output, as they are. */
int sendmail_carry(int fd);
bool sendmail_drop(const struct sendmail *s, struct err *e);
