/* pop3_verbs.c — what a POP3 client may ask of its maildrop (RFC 1939 §5, §7). */
#include "role/mailbox/pop3.h"

#include "base/fd.h"
#include "fiber/conn.h"
#include "fiber/fiber.h"
#include "wire/pop3_letter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BLOCK = 64 * 1024,
	LINE_MOST = 64,                  /* octets of a line of LIST or UIDL */
};

/* RFC 2449 §5; the same are announced before the login. */
#define CAPABILITIES "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nIMPLEMENTATION Waxwing\r\n"

/* The letter that is meant; NULL: *ret_why. */
static struct pop3_entry *entry_of(struct pop3 *p, const struct pop3_command *c, enum pop3_reply_id *ret_why)
{
	if (!c->number || c->number > p->n) {
		*ret_why = POP3_REPLY_NO_LETTER;
		return NULL;
	}
	*ret_why = POP3_REPLY_LETTER_DELETED;
	return p->letters[c->number - 1].is_deleted ? NULL : &p->letters[c->number - 1];
}

SUSPENDS static bool cmd_stat(struct pop3 *p, const struct pop3_command *c, struct err *e)
{
	uint64_t octets = 0;
	char line[LINE_MOST];
	size_t n = 0;

	(void)c;
	for (size_t i = 0; i < p->n; i++)
		if (!p->letters[i].is_deleted) {
			n++;
			octets += p->letters[i].size;
		}
	snprintf(line, sizeof(line), "%zu %llu", n, (unsigned long long)octets);
	return pop3_say(p, POP3_REPLY_OK, str_from_z(line), e);
}

/* "NUMBER SIZE", or "NUMBER UID": 16 hex digits out of UID and UIDVALIDITY, as Dovecot has them by default
 * (pop3_uidl_format %08Xu%08Xv), so that clients of a house that moves fetch nothing twice. */
static void entry_print(const struct pop3 *p, const struct pop3_command *c, size_t i, char line[LINE_MOST])
{
	const struct pop3_entry *l = &p->letters[i];

	if (c->verb == POP3_LIST)
		snprintf(line, LINE_MOST, "%zu %u", i + 1, l->size);
	else
		snprintf(line, LINE_MOST, "%zu %08x%08x", i + 1, l->uid, box_uidvalidity(p->box));
}

/* LIST and UIDL */
SUSPENDS static bool cmd_list(struct pop3 *p, const struct pop3_command *c, struct err *e)
{
	enum pop3_reply_id why;
	char line[LINE_MOST];

	if (c->has_number) {
		if (!entry_of(p, c, &why))
			return pop3_say(p, why, S(""), e);
		entry_print(p, c, c->number - 1, line);
		return pop3_say(p, POP3_REPLY_OK, str_from_z(line), e);
	}
	if (!pop3_say(p, POP3_REPLY_LIST_FOLLOWS, S(""), e))
		return false;
	for (size_t i = 0; i < p->n; i++) {
		if (p->letters[i].is_deleted)
			continue;
		entry_print(p, c, i, line);
		if (!conn_put(p->conn, str_from_z(line), e) || !conn_put(p->conn, S("\r\n"), e))
			return false;
	}
	return conn_put(p->conn, S(".\r\n"), e);
}

/* ---- RETR, TOP ---- */

struct sending {
	int fd;
	int64_t at;
	struct buf in;                   /* a block as it lies there */
	struct buf out;                  /* as it is sent */
	struct pop3_letter letter;
	int sys;
	bool is_end;
};

/* In a thread: the next block. */
static void block_make(void *arg)
{
	struct sending *s = arg;
	ssize_t n;

	do
		n = pread(s->fd, s->in.p, s->in.cap, s->at);
	while (n < 0 && errno == EINTR);
	s->sys = n < 0 ? errno : 0;
	s->is_end = n <= 0;
	buf_clear(&s->out);
	if (n > 0) {
		s->at += n;
		pop3_letter_feed(&s->letter, str_of(s->in.p, (size_t)n), &s->out);
	}
	s->is_end |= s->letter.is_done;
	if (s->is_end)
		pop3_letter_end(&s->letter, &s->out);
}

static void sending_end(struct sending *s)
{
	fd_end(&s->fd);
	free(s->in.p);
	buf_end(&s->out);
}

/* An error within a letter breaks the connection: else the client would take half of it for the whole. */
SUSPENDS static bool letter_send(struct pop3 *p, struct sending *s, struct err *e)
{
	while (!s->is_end) {
		off_loop(block_make, s);
		if (s->sys)
			return fail_sys(e, FAULT_TEMP, s->sys, "reading a letter");
		if (s->out.full)
			return fail(e, FAULT_TEMP, "out of memory");
		if (!conn_put(p->conn, buf_str(&s->out), e))
			return false;
	}
	return true;
}

SUSPENDS static bool cmd_retr(struct pop3 *p, const struct pop3_command *c, struct err *e)
{
	AUTO(sending_end) struct sending s = { .fd = -1, .out = buf_on_heap(2 * BLOCK + 16),
					       .letter = { .lines = c->verb == POP3_TOP ? c->lines : UINT64_MAX } };
	enum pop3_reply_id why;
	struct pop3_entry *l = entry_of(p, c, &why);
	struct err gone = { 0 };
	char line[LINE_MOST];

	if (!l)
		return pop3_say(p, why, S(""), e);
	s.fd = box_letter_open(p->box, l->uid, &gone);
	s.in = buf_over(malloc(BLOCK), BLOCK);
	if (s.fd < 0 || !s.in.p)
		return pop3_say(p, gone.sys == ENOENT ? POP3_REPLY_NO_LETTER : POP3_REPLY_TEMP, S(""), e);
	l->is_read |= c->verb == POP3_RETR;
	snprintf(line, sizeof(line), "%u octets", l->size);
	return pop3_say(p, POP3_REPLY_LETTER_FOLLOWS, c->verb == POP3_RETR ? str_from_z(line) : S(""), e) &&
	       letter_send(p, &s, e);
}

/* ---- marks ---- */

SUSPENDS static bool cmd_dele(struct pop3 *p, const struct pop3_command *c, struct err *e)
{
	enum pop3_reply_id why;
	struct pop3_entry *l = entry_of(p, c, &why);

	if (!l)
		return pop3_say(p, why, S(""), e);
	l->is_deleted = true;
	return pop3_say(p, POP3_REPLY_DELETED, S(""), e);
}

SUSPENDS static bool cmd_rset(struct pop3 *p, const struct pop3_command *c, struct err *e)
{
	(void)c;
	for (size_t i = 0; i < p->n; i++)
		p->letters[i].is_deleted = false;
	return pop3_say(p, POP3_REPLY_OK, S(""), e);
}

SUSPENDS static bool cmd_noop(struct pop3 *p, const struct pop3_command *c, struct err *e)
{
	(void)c;
	return pop3_say(p, POP3_REPLY_OK, S(""), e);
}

SUSPENDS static bool cmd_capa(struct pop3 *p, const struct pop3_command *c, struct err *e)
{
	(void)c;
	return pop3_say(p, POP3_REPLY_LIST_FOLLOWS, S(""), e) && conn_put(p->conn, S(CAPABILITIES ".\r\n"), e);
}

SUSPENDS bool pop3_command_run(struct pop3 *p, const struct pop3_command *c, struct err *e)
{
	switch (c->verb) {
	case POP3_STAT:
		return cmd_stat(p, c, e);
	case POP3_LIST:
	case POP3_UIDL:
		return cmd_list(p, c, e);
	case POP3_RETR:
	case POP3_TOP:
		return cmd_retr(p, c, e);
	case POP3_DELE:
		return cmd_dele(p, c, e);
	case POP3_RSET:
		return cmd_rset(p, c, e);
	case POP3_NOOP:
		return cmd_noop(p, c, e);
	case POP3_CAPA:
		return cmd_capa(p, c, e);
	default:
		return pop3_say(p, POP3_REPLY_UNKNOWN_COMMAND, S(""), e);
	}
}
