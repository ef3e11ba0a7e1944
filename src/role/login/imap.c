/* imap.c — IMAP until it is known with whom. */
#include "role/login/session.h"

#include "fiber/line.h"
#include "role/login/credentials.h"

#include <stdlib.h>

SUSPENDS static bool converse(struct session *s, struct err *e)
{
	if (!conn_write(&s->conn, S("* OK ready\r\n"), e))
		return false;
	for (;;) {
		AUTO(arena_end) struct arena a = { 0 };
		struct line line;
		struct str rest, tag, verb;
		struct verdict v;

		if (!line_read(&s->conn, 8192, &line, e))
			return false;
		line.text = arena_str(&a, line.text);
		tag = str_cut(line.text, ' ', &rest);
		verb = str_cut(rest, ' ', &rest);
		if (str_eq_nocase(verb, S("LOGIN")) && session_may_log_in(s)) {
			struct credentials c = { .mechanism = S("LOGIN") };

			c.name = str_cut(rest, ' ', &c.password);
			if (!credentials_check(s, &c, &a, &v, e))
				return false;
			if (v.result == LOGIN_OK) {
				s->tag = strndup(tag.p, tag.n);
				return true;
			}
			conn_put(&s->conn, tag, e);
			conn_put(&s->conn, S(" NO "), e);
			conn_put(&s->conn, v.text, e);
			conn_write(&s->conn, S("\r\n"), e);
		} else if (str_eq_nocase(verb, S("STARTTLS"))) {
			conn_put(&s->conn, tag, e);
			conn_write(&s->conn, S(" OK go\r\n"), e);
			if (!session_start_tls(s, e))
				return false;
		} else {
			conn_put(&s->conn, tag, e);
			conn_write(&s->conn, S(" BAD what\r\n"), e);
		}
	}
}

const struct dialogue imap_dialogue = {
	.name = "imap",
	.converse = converse,
	.sorry = S("* BYE [UNAVAILABLE] out of resources, come back later\r\n"),
	.busy = S("* BYE [UNAVAILABLE] "),
	.stopping = S("* BYE the server is shutting down\r\n"),
	.too_slow = S("* BYE you took too long to log in\r\n"),
};
