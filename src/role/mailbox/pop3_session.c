/* pop3_session.c — one POP3 conversation. */
#include "role/mailbox/session.h"

#include "fiber/conn.h"
#include "fiber/line.h"
#include "role/runtime.h"

enum { LINE_MAX_BYTES = 512 };           /* RFC 2449 §4: 255 at least */
#define IDLE_MOST (10 * MINUTE)          /* RFC 1939 §3: no less */

SUSPENDS void pop3_session(struct conn *c, struct session_facts *f)
{
	struct err e = { 0 };
	bool ok = conn_put(c, S("+OK Logged in\r\n"), &e);

	while (ok && !sessions_are_leaving()) {
		struct line line;

		f->is_idle = true;
		WITHIN(IDLE_MOST)
			ok = line_read(c, LINE_MAX_BYTES, &line, &e);
		f->is_idle = false;
		if (ok && str_eq_nocase(line.text, S("QUIT"))) {
			conn_put(c, S("+OK bye\r\n"), &e);
			break;
		}
		ok = ok && conn_put(c, str_eq_nocase(line.text, S("NOOP")) ? S("+OK\r\n") : S("-ERR no such command\r\n"), &e);
	}
	conn_flush(c, &e);
}
