/* drop.c — letters that sendmail left while there was no server (ctl/drop.h).
 *
 * The file is what it would have said to us, and it is said now: over a socket pair, to a session
 * like any other.  What the session answers decides what becomes of the file.  Whose it is the
 * parent has told the queue. */
#include "role/smtpd/session.h"

#include "base/fd.h"
#include "fiber/conn.h"
#include "fiber/line.h"
#include "wire/drop_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 16 * 1024 };
#define DROP_WITHIN (10 * MINUTE)

/* One file, and the other end of its session. */
struct drop {
	struct conn conn;
	int fd;
	int64_t at;
	char *block;             /* BLOCK bytes from `at` on */
	size_t n;
	char why[300];           /* the reply that decided */
	unsigned accepted;       /* recipients */
};

static void drop_end(struct drop *d)
{
	conn_end(&d->conn);
	free(d->block);
}

static bool block_read(struct drop *d, struct err *e)
{
	ssize_t n = pread(d->fd, d->block, BLOCK, d->at);

	if (n < 0)
		return fail_sys(e, FAULT_TEMP, errno, "read a letter that was left");
	d->n = (size_t)n;
	return true;
}

/* The next line of the envelope, with its line end. */
static bool line_take(struct drop *d, struct str *ret, struct err *e)
{
	struct str in;
	size_t end;

	if (!block_read(d, e))
		return false;
	in = str_of(d->block, d->n);
	end = str_find(in, '\n');
	if (end == in.n)
		return fail(e, FAULT_PERM, "the envelope ends in the middle of a line");
	*ret = str_head(in, end + 1);
	d->at += (int64_t)ret->n;
	return true;
}

/* The first digit of the reply; its words are kept unless it is good. */
SUSPENDS static bool reply_hear(struct drop *d, int *ret, struct err *e)
{
	struct line l;

	do {
		if (!line_read(&d->conn, SMTP_LINE_MAX, &l, e))
			return false;
	} while (str_at(l.text, 3) == '-');
	*ret = str_at(l.text, 0);
	if (*ret != '2' && *ret != '3')
		snprintf(d->why, sizeof(d->why), STR_FMT, STR_ARG(str_head(l.text, sizeof(d->why) - 1)));
	return true;
}

SUSPENDS static bool ask(struct drop *d, struct str line, int *ret, struct err *e)
{
	return conn_write(&d->conn, line, e) && reply_hear(d, ret, e);
}

SUSPENDS static bool letter_say(struct drop *d, int *ret, struct err *e)
{
	do {
		if (!block_read(d, e) || !conn_put(&d->conn, str_of(d->block, d->n), e))
			return false;
		d->at += (int64_t)d->n;
	} while (d->n);
	return conn_flush(&d->conn, e) && reply_hear(d, ret, e);
}

static enum drop_outcome outcome_of(int digit)
{
	return digit == '2' ? DROP_SENT : digit == '5' ? DROP_REFUSED : DROP_LATER;
}

/* MAIL, RCPT …, DATA: each line as it stands in the file. */
SUSPENDS static bool envelope_say(struct drop *d, int *digit, struct err *e)
{
	struct str line = { 0 };
	int said = 0;

	while (line_take(d, &line, e)) {
		bool is_rcpt = str_starts(line, S("RCPT ")), is_data = str_eq(line, S("DATA\r\n"));

		if (is_data && !d->accepted) {
			*digit = said;
			return true;
		}
		if (!ask(d, line, &said, e))
			return false;
		d->accepted += is_rcpt && said == '2';
		*digit = said;
		if (is_data || (!is_rcpt && said != '2') || said == '4')
			return true;
	}
	return false;
}

SUSPENDS static bool say_all(struct drop *d, enum drop_outcome *ret, struct err *e)
{
	struct str line = { 0 };
	int digit = 0;

	if (!line_take(d, &line, e) || !str_eq(line, S(DROP_MAGIC)))
		return fail(e, FAULT_PERM, "this is no letter that sendmail left");
	if (!reply_hear(d, &digit, e) || !ask(d, S("EHLO localhost\r\n"), &digit, e))
		return false;
	if (digit == '2' && !envelope_say(d, &digit, e))
		return false;
	if (digit == '3' && !letter_say(d, &digit, e))
		return false;
	*ret = outcome_of(digit);
	return true;
}

SUSPENDS bool serve_drop(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct smtpd_drop *q = question;
	struct smtpd_drop_answer *r = answer;
	AUTO(drop_end) struct drop d = { .fd = q->file };
	enum drop_outcome outcome = DROP_LATER;
	struct err why = { 0 };
	bool ok = false;

	(void)l;
	conn_init(&d.conn, q->stream > 0 ? fd_take(&q->stream) : -1);
	d.block = malloc(BLOCK);
	if (!d.block || q->file <= 0 || d.conn.fd < 0 || q->other <= 0)
		return fail(e, FAULT_TEMP, "no memory for a letter that was left");
	if (!smtpd_converse_local(fd_take(&q->other), q->session, SENDER_DROP))
		return fail(e, FAULT_TEMP, "no memory for a session");
	WITHIN(DROP_WITHIN)
		ok = say_all(&d, &outcome, &why);
	if (!ok && why.fault == FAULT_PERM)
		outcome = DROP_REFUSED;
	r->outcome = (uint8_t)outcome;
	r->why = arena_str(a, str_from_z(ok ? d.why : why.text));
	return true;
}
