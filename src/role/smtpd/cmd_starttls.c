/* cmd_starttls.c — STARTTLS (RFC 3207).  Behind it nothing said before holds. */
#include "role/smtpd/session.h"

#include "base/log.h"
#include "fiber/tls.h"

#define HANDSHAKE_WITHIN MINUTE

SUSPENDS bool session_start_tls(struct session *s)
{
	struct err e = { 0 };
	struct tls_facts f;
	bool ok = false;

	session_forget(s);
	session_forget_helo(s);
	session_forget_sender(s);
	s->is_idle = true;       /* a stop need not wait for it */
	WITHIN(s->in->idle < HANDSHAKE_WITHIN ? s->in->idle : HANDSHAKE_WITHIN)
		ok = front_tls() ? conn_start_tls(&s->conn, front_tls(), &e) :
				   fail(&e, FAULT_TEMP, "there is no usable certificate");
	s->is_idle = false;
	if (!ok) {
		/* in the clear nothing more may be said, and in TLS nothing can */
		s->is_done = true;
		log_info("starttls", "peer=%s result=failed why=%s", s->peer, LOGQ(str_from_z(e.text)));
		return false;
	}
	f = conn_tls_facts(&s->conn);
	log_debug("starttls", "peer=%s tls=" STR_FMT " cipher=" STR_FMT " name=%s", s->peer, STR_ARG(f.version),
		  STR_ARG(f.cipher), LOGQ(f.sni));
	return true;
}

SUSPENDS static struct reply tls_begin(struct session *s)
{
	session_start_tls(s);
	return answer(REPLY_NONE);
}

SUSPENDS struct reply cmd_starttls(struct session *s, const struct smtp_command *c)
{
	(void)c;
	if (!front_tls())
		return session_refuse(s, REPLY_NO_TLS_NOW, S("there is no usable certificate"));
	s->then = tls_begin;
	return answer(REPLY_TLS_READY);
}
