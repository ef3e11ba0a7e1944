/* pop3.c — POP3 until it is known with whom (RFC 1939 §4, RFC 2595 §4, RFC 5034).
 *
 * As imap.c: once a password was right nothing is said, the mailbox answers. */
#include "role/login/guest.h"

#include "fiber/line.h"
#include "role/sasl_exchange.h"
#include "wire/pop3_command.h"

#include <stdlib.h>

enum { ERRORS_MAX = 10, FAILURES_MAX = 5, IDLE_COMMANDS_MAX = 100 };

/* Of both states (RFC 2449 §5). */
#define CAPABILITIES "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"

struct dialogue_pop3 {
	struct guest *g;
	struct pop3_command c;
	struct arena *a;                 /* of the present command */
	char *user;                      /* of USER, until PASS */
	unsigned errors, commands;
	bool is_tls_next, is_known;
};

struct answer {
	enum pop3_reply_id id;
	struct str text;
	bool close;
};

static struct answer answer(enum pop3_reply_id id)
{
	return (struct answer){ .id = id };
}

static struct answer answer_last(enum pop3_reply_id id)
{
	return (struct answer){ .id = id, .close = true };
}

static void forget_user(struct dialogue_pop3 *x)
{
	free(x->user);
	x->user = NULL;
}

/* -- commands -------------------------------------------------------------- */

SUSPENDS static struct answer cmd_capa(struct dialogue_pop3 *x, struct err *e)
{
	AUTO(buf_end) struct buf b = buf_on_heap(2048);

	buf_add(&b, S("+OK\r\n" CAPABILITIES));
	if (!guest_has_tls(x->g) && front_tls())
		buf_add(&b, S("STLS\r\n"));
	if (claimant_may_log_in(&x->g->claim)) {
		buf_add(&b, S("USER\r\nSASL"));
		sasl_add_offers(&b, &x->g->claim, S(" "));
		buf_add(&b, S("\r\n"));
	}
	buf_add(&b, S("IMPLEMENTATION Waxwing\r\n.\r\n"));
	return conn_put(&x->g->conn, buf_str(&b), e) ? answer(POP3_REPLY_NONE) : answer_last(POP3_REPLY_NONE);
}

static struct answer cmd_stls(struct dialogue_pop3 *x)
{
	if (guest_has_tls(x->g))
		return answer(POP3_REPLY_TLS_ALREADY);
	if (!front_tls())
		return answer(POP3_REPLY_TEMP);
	/* bytes behind it came in the clear and would be taken for what was said in TLS */
	if (conn_pending(&x->g->conn).n)
		return (struct answer){ POP3_REPLY_WRONG_STATE, S("nothing may follow STLS before TLS is there"), true };
	x->is_tls_next = true;
	return answer(POP3_REPLY_TLS_READY);
}

static struct answer cmd_user(struct dialogue_pop3 *x)
{
	if (!claimant_may_log_in(&x->g->claim))
		return answer(POP3_REPLY_TLS_FIRST);
	forget_user(x);
	x->user = strndup(x->c.arg.p, x->c.arg.n);
	return x->user ? answer(POP3_REPLY_SEND_PASS) : answer(POP3_REPLY_TEMP);
}

static struct answer answer_of(struct dialogue_pop3 *x, const struct verdict *v)
{
	static const enum pop3_reply_id ids[LOGIN_RESULTS] = {
		[LOGIN_OK] = POP3_REPLY_NONE,           [LOGIN_FAILED] = POP3_REPLY_AUTH_FAILED,
		[LOGIN_LATER] = POP3_REPLY_AUTH_LATER,  [LOGIN_DISABLED] = POP3_REPLY_ACCOUNT_DISABLED,
		[LOGIN_NO_MAILBOX] = POP3_REPLY_ACCOUNT_DISABLED,
		[LOGIN_LIMIT] = POP3_REPLY_TOO_MANY_SESSIONS, [LOGIN_UNAVAILABLE] = POP3_REPLY_AUTH_LATER,
	};

	x->is_known = v->result == LOGIN_OK;
	return (struct answer){ .id = ids[v->result], .text = v->text };
}

SUSPENDS static struct answer cmd_pass(struct dialogue_pop3 *x, struct err *e)
{
	struct credentials c = { .mechanism = S("USER"), .name = str_from_z(x->user), .password = x->c.arg };
	struct verdict v;
	bool ok;

	if (!claimant_may_log_in(&x->g->claim))
		return answer(POP3_REPLY_TLS_FIRST);
	if (!x->user)
		return answer(POP3_REPLY_USER_FIRST);
	ok = credentials_check(&x->g->claim, &c, x->a, &v, e);
	forget_user(x);
	return ok ? answer_of(x, &v) : answer_last(POP3_REPLY_NONE);
}

static struct answer answer_to_sasl(struct dialogue_pop3 *x, const struct sasl_end *end)
{
	if (end->is_for_other)
		return (struct answer){ .id = POP3_REPLY_AUTH_FAILED, .text = S("you may not act for that user") };
	switch (end->why) {
	case SASL_WHY_NONE:
		return answer_of(x, &end->verdict);
	case SASL_WHY_CANCELLED:
		return answer(POP3_REPLY_AUTH_CANCELLED);
	case SASL_WHY_BASE64:
		return answer(POP3_REPLY_AUTH_BASE64);
	case SASL_WHY_SYNTAX:
		return answer(POP3_REPLY_ARGUMENT_BAD);
	case SASL_WHY_CREDENTIALS:
	case SASL_WHY_BINDING:
		break;
	}
	return answer_of(x, &(struct verdict){ .result = LOGIN_FAILED, .text = login_failed_text });
}

/* AUTH without an argument lists the mechanisms (RFC 5034 §4 has CAPA for it; old clients ask so). */
SUSPENDS static struct answer list_mechanisms(struct dialogue_pop3 *x, struct err *e)
{
	AUTO(buf_end) struct buf b = buf_on_heap(512);

	buf_add(&b, S("+OK"));
	sasl_add_offers(&b, &x->g->claim, S("\r\n"));
	buf_add(&b, S("\r\n.\r\n"));
	return conn_put(&x->g->conn, buf_str(&b), e) ? answer(POP3_REPLY_NONE) : answer_last(POP3_REPLY_NONE);
}

SUSPENDS static struct answer cmd_auth(struct dialogue_pop3 *x, struct err *e)
{
	enum sasl_mechanism m = sasl_mechanism_parse(x->c.mechanism);
	struct sasl_end end;

	if (!claimant_may_log_in(&x->g->claim))
		return answer(POP3_REPLY_TLS_FIRST);
	if (!x->c.mechanism.n)
		return list_mechanisms(x, e);
	if (!sasl_is_offered(&x->g->claim, m))
		return answer(POP3_REPLY_AUTH_MECHANISM);
	if (!sasl_exchange(&x->g->claim, m, x->c.arg.n, x->c.arg, x->a, &end, e))
		return answer_last(POP3_REPLY_NONE);
	return answer_to_sasl(x, &end);
}

SUSPENDS static struct answer command_run(struct dialogue_pop3 *x, struct str line, struct err *e)
{
	enum pop3_reply_id why;

	if (!pop3_command_parse(line, &x->c, &why))
		return answer(why);
	switch (x->c.verb) {
	case POP3_CAPA:
		return cmd_capa(x, e);
	case POP3_STLS:
		return cmd_stls(x);
	case POP3_USER:
		return cmd_user(x);
	case POP3_PASS:
		return cmd_pass(x, e);
	case POP3_AUTH:
		return cmd_auth(x, e);
	case POP3_QUIT:
		return answer_last(POP3_REPLY_BYE);
	default:
		return (struct answer){ .id = POP3_REPLY_WRONG_STATE, .text = S("log in first") };
	}
}

/* -- the loop -------------------------------------------------------------- */

SUSPENDS static bool write_reply(struct dialogue_pop3 *x, enum pop3_reply_id id, struct str text, struct err *e)
{
	char mem[POP3_REPLY_MAX];
	struct buf b = buf_over(mem, sizeof(mem));

	pop3_reply_add(&b, id, text);
	return conn_put(&x->g->conn, buf_str(&b), e);
}

/* false: over. */
SUSPENDS static bool finish(struct dialogue_pop3 *x, struct answer r, struct err *e)
{
	bool is_error = r.id && !pop3_reply_row(r.id)->ok, ok = true, is_over;

	if (x->is_known)
		return true;
	x->errors += is_error;
	x->commands++;
	is_over = x->errors > ERRORS_MAX || x->g->claim.failures >= FAILURES_MAX || x->commands > IDLE_COMMANDS_MAX;
	if (r.id)
		ok = write_reply(x, r.id, r.text, e);
	if (ok && (r.close || is_over))
		return r.id ? fail(e, FAULT_PEER, "%s", is_over ? "too many errors" : pop3_reply_row(r.id)->text) : false;
	if (ok && x->is_tls_next) {
		forget_user(x);
		ok = guest_start_tls(x->g, e);
	}
	x->is_tls_next = false;
	return ok;
}

SUSPENDS static bool take_command(struct dialogue_pop3 *x, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 64 * 1024 };
	struct line line;
	struct str text;
	struct answer r;

	if (!line_read(&x->g->conn, POP3_AUTH_LINE_MAX, &line, e))
		return false;
	text = arena_str(&a, line.text);         /* the connection's memory is used again while we wait */
	conn_wipe_eaten(&x->g->conn);
	x->a = &a;
	if (line.too_long)
		r = answer(POP3_REPLY_LINE_TOO_LONG);
	else if (line.has_bare_cr || line.has_bare_lf || line.has_nul)
		r = answer(POP3_REPLY_BARE_IN_COMMAND);
	else
		r = command_run(x, text, e);
	if (text.n)
		explicit_bzero((void *)(uintptr_t)text.p, text.n);
	x->a = NULL;
	return finish(x, r, e);
}

SUSPENDS static bool converse(struct guest *g, struct err *e)
{
	struct dialogue_pop3 x = { .g = g };
	bool ok = write_reply(&x, POP3_REPLY_READY, S(""), e);

	while (ok && !x.is_known)
		ok = take_command(&x, e);
	forget_user(&x);
	return ok;
}

const struct dialogue pop3_dialogue = {
	.name = "pop3",
	.converse = converse,
	.sorry = S("-ERR [SYS/TEMP] too busy, come back in a minute\r\n"),
	.busy = S("-ERR [SYS/TEMP] "),
	.stopping = S("-ERR [SYS/TEMP] shutting down, come back in a minute\r\n"),
	.too_slow = S("-ERR you took too long to log in\r\n"),
};
