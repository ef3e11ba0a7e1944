/* cmd_hello.c — EHLO and HELO (RFC 5321 §4.1.1.1). */
#include "role/smtpd/session.h"

#include "fiber/tls.h"

#include "role/sasl_exchange.h"

#include <stdlib.h>

enum { AUTH_MAX = 128 };          /* octets of the line that names the mechanisms */

/* A transaction that was under way is gone, as with RSET (§4.1.4). */
static bool greet(struct session *s, const struct smtp_command *c, struct reply *ret)
{
	char *name;

	if (!session_is_trusted(s) && !helo_is_valid(c->arg, s->in->helo_chars, s->in->helo == CONF_HELO_STRICT)) {
		*ret = session_refuse(s, REPLY_HELO_BAD, c->arg);
		return false;
	}
	name = strndup(c->arg.p, str_head(c->arg, SMTP_HELO_MAX).n);
	if (!name) {
		*ret = session_refuse(s, REPLY_NO_RESOURCES, S("no memory for a name"));
		return false;
	}
	session_forget(s);
	session_forget_helo(s);
	s->helo = name;
	s->is_esmtp = c->verb == SMTP_EHLO;
	return true;
}

SUSPENDS struct reply cmd_ehlo(struct session *s, const struct smtp_command *c)
{
	char mem[AUTH_MAX];
	struct buf auth = buf_over(mem, sizeof(mem));
	struct reply r;

	if (!greet(s, c, &r))
		return r;
	if (session_offers_auth(s)) {
		buf_add(&auth, S("AUTH"));
		sasl_add_offers(&auth, &s->claim, S(" "));
		buf_add(&auth, S("\n"));
	}
	r = answer(REPLY_HELLO);
	r.text = arena_printf(s->a, STR_FMT "\nPIPELINING\nSIZE %llu\n8BITMIME\nSMTPUTF8\nDSN\nCHUNKING\n%s" STR_FMT "ENHANCEDSTATUSCODES\nHELP",
			      STR_ARG(s->conf->c.hostname), (unsigned long long)s->in->max_size,
			      s->listen && front_tls() && !session_has_tls(s) ? "STARTTLS\n" : "",
			      STR_ARG(buf_str(&auth)));
	return r;
}

SUSPENDS struct reply cmd_helo(struct session *s, const struct smtp_command *c)
{
	struct reply r;

	if (!greet(s, c, &r))
		return r;
	return (struct reply){ REPLY_HELLO, s->conf->c.hostname, false };
}
