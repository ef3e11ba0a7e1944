/* imap_session.c — one IMAP conversation: read, decide, answer, again. */
#include "role/mailbox/session.h"

#include "fiber/conn.h"
#include "fiber/line.h"
#include "role/runtime.h"

enum { LINE_MAX_BYTES = 8192 };
#define IDLE_MOST (30 * MINUTE)          /* RFC 9051 §5.4: no less */

SUSPENDS static bool say(struct conn *c, struct str tag, struct str what, struct err *e)
{
	return conn_put(c, tag, e) && conn_put(c, S(" "), e) && conn_put(c, what, e) && conn_put(c, S("\r\n"), e);
}

/* false: the conversation is over. */
SUSPENDS static bool command_run(struct conn *c, struct str line, struct err *e)
{
	struct str rest, tag = str_cut(line, ' ', &rest), verb = str_cut(rest, ' ', &rest);

	if (str_eq_nocase(verb, S("LOGOUT"))) {
		say(c, S("*"), S("BYE until next time"), e);
		say(c, tag, S("OK LOGOUT completed"), e);
		return false;
	}
	if (str_eq_nocase(verb, S("NOOP")))
		return say(c, tag, S("OK NOOP completed"), e);
	if (str_eq_nocase(verb, S("CAPABILITY")))
		return say(c, S("*"), S("CAPABILITY IMAP4rev1"), e) && say(c, tag, S("OK CAPABILITY completed"), e);
	return say(c, tag, S("BAD no such command"), e);
}

SUSPENDS void imap_session(struct conn *c, struct session_facts *f)
{
	struct err e = { 0 };
	bool ok = say(c, f->tag, S("OK [CAPABILITY IMAP4rev1] Logged in"), &e);

	while (ok && !sessions_are_leaving()) {
		struct line line;

		f->is_idle = true;
		WITHIN(IDLE_MOST)
			ok = line_read(c, LINE_MAX_BYTES, &line, &e);
		f->is_idle = false;
		ok = ok && command_run(c, line.text, &e);
	}
	if (sessions_are_leaving())
		say(c, S("*"), S("BYE the server is shutting down"), &e);
	conn_flush(c, &e);
}
