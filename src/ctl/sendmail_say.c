/* sendmail_say.c — the letter is said to the server, over its socket for programs of this machine. */
#include "ctl/sendmail.h"

#include "base/fd.h"
#include "base/time.h"
#include "fiber/conn.h"
#include "fiber/line.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum { REPLY_LINE_MAX = 4096, WAIT_MOST_MS = 300 * 1000 };

/* By a relative name: a path may be longer than sun_path. */
int sendmail_connect(struct str run)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(fd_end) int was = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd_end) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "submit" };
	char *dir = str_z(&a, run);
	bool ok = fd >= 0 && dir && chdir(dir) == 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

	if (was >= 0 && fchdir(was))
		return -1;
	return ok ? fd_take(&fd) : -1;
}

/* -- a dialogue ------------------------------------------------------------ */

struct talk {
	struct sendmail *s;
	struct conn conn;
	int code;                /* of the last reply */
	char text[300];
};

static bool hear(struct talk *t)
{
	struct line l;
	struct err e;
	uint64_t code;

	do {
		if (!line_read(&t->conn, REPLY_LINE_MAX, &l, &e) || !str_u64(str_head(l.text, 3), &code)) {
			t->code = 421;
			snprintf(t->text, sizeof(t->text), "the server went away");
			return false;
		}
		if (t->s->is_verbose)
			printf("<<< " STR_FMT "\n", STR_ARG(l.text));
		snprintf(t->text, sizeof(t->text), STR_FMT, STR_ARG(str_head(l.text, sizeof(t->text) - 1)));
	} while (str_at(l.text, 3) == '-');
	t->code = (int)code;
	return true;
}

/* True for 2xx and 3xx. */
static bool say(struct talk *t, struct str line)
{
	struct err e;

	if (t->s->is_verbose)
		printf(">>> " STR_FMT, STR_ARG(line));
	return conn_write(&t->conn, line, &e) ? hear(t) && t->code < 400 : hear(t) && false;
}

static int failed(const struct talk *t, int permanent)
{
	if (t->code < 500)
		return EX_TEMPFAIL;
	fprintf(stderr, "sendmail: %s\n", t->text);
	return permanent;
}

/* What is refused is told; the others get it. */
static int say_rcpts(struct talk *t, size_t *accepted)
{
	int code = EX_OK;

	for (size_t i = 0; i < t->s->n_rcpts; i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(2000);

		sendmail_rcpt_line(t->s, t->s->rcpts[i], &b);
		if (say(t, buf_str(&b))) {
			++*accepted;
			continue;
		}
		if (t->code < 500)
			return EX_TEMPFAIL;
		fprintf(stderr, "sendmail: " STR_FMT ": %s\n", STR_ARG(t->s->rcpts[i]), t->text);
		code = EX_NOUSER;
	}
	return code;
}

static int say_letter(struct talk *t)
{
	AUTO(buf_end) struct buf b = buf_on_heap(SIZE_MAX / 2);
	size_t accepted = 0;
	struct err e;
	int code;

	if (!hear(t) || t->code != 220 || !say(t, S("EHLO localhost\r\n")))
		return EX_TEMPFAIL;
	sendmail_mail_line(t->s, &b);
	if (!say(t, buf_str(&b)))
		return failed(t, EX_NOPERM);
	code = say_rcpts(t, &accepted);
	if (code == EX_TEMPFAIL || !accepted)
		return code;
	if (!say(t, S("DATA\r\n")))
		return failed(t, EX_UNAVAILABLE);
	b.n = 0;
	sendmail_dotted(t->s, &b);
	if (b.full || !conn_write(&t->conn, buf_str(&b), &e) || !hear(t))
		return EX_TEMPFAIL;
	if (t->code != 250)
		return failed(t, t->code == 550 ? EX_NOPERM : EX_DATAERR);
	say(t, S("QUIT\r\n"));
	return code;
}

int sendmail_say(struct sendmail *s, int fd)
{
	struct talk t = { .s = s };
	int code;

	conn_init(&t.conn, fd);
	code = say_letter(&t);
	conn_end(&t.conn);
	return code;
}

/* -- -bs ------------------------------------------------------------------- */

static bool pass_on(int from, int to)
{
	char block[2048];
	ssize_t n = read(from, block, sizeof(block));
	struct err e;

	return n > 0 && fd_write_all(to, str_of(block, (size_t)n), &e);
}

int sendmail_carry(int fd)
{
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, WAIT_MOST_MS) <= 0 && errno != EINTR)
			return EX_TEMPFAIL;
		if (p[1].revents && !pass_on(fd, STDOUT_FILENO))
			return EX_OK;
		if (p[0].revents && !pass_on(STDIN_FILENO, fd)) {
			shutdown(fd, SHUT_WR);
			p[0].fd = -1;
		}
	}
}
