/* imap.c — IMAP until it is known with whom (RFC 9051 §6.1, §6.2).
 *
 * Read, decide, answer, again.  A handler returns the reply and only the loop writes it.  Once a
 * password was right nothing is said: the mailbox answers the command, and reads what the client
 * sent behind it. */
#include "role/login/guest.h"

#include "base/log.h"
#include "role/sasl_exchange.h"
#include "wire/imap_command.h"

#include <stdlib.h>

enum { ERRORS_MAX = 10, FAILURES_MAX = 5, IDLE_COMMANDS_MAX = 100, GREETING_MAX = 512 };

/* What holds before login; the mailbox says what it can do beyond it. */
#define CAPABILITIES "IMAP4rev1 IMAP4rev2 LITERAL- SASL-IR ID"

struct dialogue_imap {
	struct guest *g;
	struct imap_frame frame;
	struct imap_command c;
	struct arena *a;                 /* of the present command */
	unsigned errors, commands;
	bool is_tls_next;                /* behind this reply */
	bool is_known;
};

static struct imap_reply answer(enum imap_reply_id id)
{
	return (struct imap_reply){ .id = id };
}

static struct imap_reply answer_last(enum imap_reply_id id)
{
	return (struct imap_reply){ .id = id, .close = true };
}

static void add_capabilities(struct buf *b, const struct guest *g)
{
	buf_add(b, S(CAPABILITIES));
	if (!guest_has_tls(g) && front_tls())
		buf_add(b, S(" STARTTLS"));
	if (!claimant_may_log_in(&g->claim))
		buf_add(b, S(" LOGINDISABLED"));
	sasl_add_offers(b, &g->claim, S(" AUTH="));
}

/* -- commands -------------------------------------------------------------- */

SUSPENDS static bool say_untagged(struct dialogue_imap *x, struct str s, struct err *e)
{
	return conn_put(&x->g->conn, S("* "), e) && conn_put(&x->g->conn, s, e) && conn_put(&x->g->conn, S("\r\n"), e);
}

SUSPENDS static struct imap_reply cmd_capability(struct dialogue_imap *x, struct err *e)
{
	char mem[GREETING_MAX];
	struct buf b = buf_over(mem, sizeof(mem));

	buf_add(&b, S("CAPABILITY "));
	add_capabilities(&b, x->g);
	return say_untagged(x, buf_str(&b), e) ? answer(IMAP_REPLY_DONE) : answer_last(IMAP_REPLY_NONE);
}

SUSPENDS static struct imap_reply cmd_id(struct dialogue_imap *x, struct err *e)
{
	return say_untagged(x, S("ID (\"name\" \"Waxwing\")"), e) ? answer(IMAP_REPLY_DONE) : answer_last(IMAP_REPLY_NONE);
}

SUSPENDS static struct imap_reply cmd_logout(struct dialogue_imap *x, struct err *e)
{
	return say_untagged(x, S("BYE until next time"), e) ? answer_last(IMAP_REPLY_DONE) : answer_last(IMAP_REPLY_NONE);
}

static struct imap_reply cmd_starttls(struct dialogue_imap *x)
{
	if (guest_has_tls(x->g))
		return answer(IMAP_REPLY_WRONG_STATE);
	if (!front_tls())
		return answer(IMAP_REPLY_UNAVAILABLE);
	/* bytes behind it came in the clear and would be taken for what was said in TLS (RFC 9051 §6.2.1) */
	if (conn_pending(&x->g->conn).n)
		return (struct imap_reply){ .id = IMAP_REPLY_WRONG_STATE, .close = true,
					    .text = S("nothing may follow STARTTLS before TLS is there") };
	x->is_tls_next = true;
	return answer(IMAP_REPLY_TLS_READY);
}

static struct imap_reply reply_of(struct dialogue_imap *x, const struct verdict *v)
{
	static const enum imap_reply_id ids[LOGIN_RESULTS] = {
		[LOGIN_OK] = IMAP_REPLY_NONE,           [LOGIN_FAILED] = IMAP_REPLY_AUTH_FAILED,
		[LOGIN_LATER] = IMAP_REPLY_AUTH_LATER,  [LOGIN_DISABLED] = IMAP_REPLY_ACCOUNT_DISABLED,
		[LOGIN_NO_MAILBOX] = IMAP_REPLY_ACCOUNT_DISABLED,
		[LOGIN_LIMIT] = IMAP_REPLY_TOO_MANY_SESSIONS, [LOGIN_UNAVAILABLE] = IMAP_REPLY_AUTH_LATER,
	};

	x->is_known = v->result == LOGIN_OK;
	return (struct imap_reply){ .id = ids[v->result], .text = v->text };
}

SUSPENDS static struct imap_reply cmd_login(struct dialogue_imap *x, struct err *e)
{
	const struct credentials c = { .mechanism = S("LOGIN"), .name = x->c.login.user, .password = x->c.login.password };
	struct verdict v;
	bool ok;

	if (!claimant_may_log_in(&x->g->claim))
		return answer(IMAP_REPLY_TLS_FIRST);
	ok = credentials_check(&x->g->claim, &c, x->a, &v, e);
	if (c.password.n)
		explicit_bzero((void *)(uintptr_t)c.password.p, c.password.n);
	return ok ? reply_of(x, &v) : answer_last(IMAP_REPLY_NONE);
}

static struct imap_reply reply_to_sasl(struct dialogue_imap *x, const struct sasl_end *end)
{
	if (end->is_for_other)
		return answer(IMAP_REPLY_AUTH_DENIED);
	switch (end->why) {
	case SASL_WHY_NONE:
		return reply_of(x, &end->verdict);
	case SASL_WHY_CANCELLED:
		return answer(IMAP_REPLY_AUTH_CANCELLED);
	case SASL_WHY_BASE64:
		return answer(IMAP_REPLY_AUTH_BASE64);
	case SASL_WHY_SYNTAX:
		return answer(IMAP_REPLY_SYNTAX);
	case SASL_WHY_CREDENTIALS:
	case SASL_WHY_BINDING:
		break;
	}
	return reply_of(x, &(struct verdict){ .result = LOGIN_FAILED, .text = login_failed_text });
}

SUSPENDS static struct imap_reply cmd_authenticate(struct dialogue_imap *x, struct err *e)
{
	const struct imap_authenticate *q = &x->c.authenticate;
	enum sasl_mechanism m = sasl_mechanism_parse(q->mechanism);
	struct sasl_end end;

	if (!claimant_may_log_in(&x->g->claim))
		return answer(IMAP_REPLY_TLS_FIRST);
	if (!sasl_is_offered(&x->g->claim, m))
		return answer(IMAP_REPLY_AUTH_MECHANISM);
	if (!sasl_exchange(&x->g->claim, m, q->has_initial, q->initial, x->a, &end, e))
		return answer_last(IMAP_REPLY_NONE);
	return reply_to_sasl(x, &end);
}

SUSPENDS static struct imap_reply command_run(struct dialogue_imap *x, struct err *e)
{
	struct imap_text text = imap_frame_text(&x->frame);
	struct imap_fault why;

	if (!imap_command_parse(&text, 0, x->a, &x->c, &why))
		return (struct imap_reply){ .id = why.reply, .text = imap_fault_text(&why, &text, x->a) };
	switch (x->c.verb) {
	case IMAP_CAPABILITY:
		return cmd_capability(x, e);
	case IMAP_NOOP:
		return answer(IMAP_REPLY_DONE);
	case IMAP_ID:
		return cmd_id(x, e);
	case IMAP_LOGOUT:
		return cmd_logout(x, e);
	case IMAP_STARTTLS:
		return cmd_starttls(x);
	case IMAP_LOGIN:
		return cmd_login(x, e);
	case IMAP_AUTHENTICATE:
		return cmd_authenticate(x, e);
	default:
		return (struct imap_reply){ .id = IMAP_REPLY_WRONG_STATE, .text = S("log in first") };
	}
}

/* -- the loop -------------------------------------------------------------- */

/* Too much of what leads nowhere?  Then this is the last reply. */
static bool is_enough(struct dialogue_imap *x, const struct imap_reply *r)
{
	enum imap_cond cond = r->id ? imap_reply_row(r->id)->cond : IMAP_OK;

	x->errors += cond == IMAP_BAD;
	x->commands++;
	return x->errors > ERRORS_MAX || x->g->claim.failures >= FAILURES_MAX || x->commands > IDLE_COMMANDS_MAX;
}

SUSPENDS static bool write_reply(struct dialogue_imap *x, struct str tag, const struct imap_reply *r, struct err *e)
{
	AUTO(buf_end) struct buf b = buf_on_heap(8192);

	imap_reply_add(&b, tag, r);
	return conn_put(&x->g->conn, buf_str(&b), e);
}

/* false: over.  Passwords of the command are gone when it returns. */
SUSPENDS static bool finish(struct dialogue_imap *x, struct str tag, struct imap_reply r, struct err *e)
{
	bool ok = true, is_over;

	if (x->is_known) {
		x->g->tag = strndup(tag.p, tag.n);
		return x->g->tag || fail(e, FAULT_TEMP, "out of memory");
	}
	is_over = r.close || is_enough(x, &r);
	if (r.id != IMAP_REPLY_NONE)
		ok = write_reply(x, tag, &r, e);
	if (ok && is_over && !r.close)
		ok = write_reply(x, S(""), &(struct imap_reply){ .id = IMAP_REPLY_TOO_MANY_ERRORS }, e);
	if (ok && is_over)
		return r.id ? fail(e, FAULT_PEER, "%s", imap_reply_row(r.id)->text) : false;
	if (ok && x->is_tls_next)
		ok = guest_start_tls(x->g, e);
	x->is_tls_next = false;
	return ok;
}

SUSPENDS static bool command_begin(struct dialogue_imap *x, enum imap_event event, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 256 * 1024 };
	struct imap_reply r;
	bool ok;

	x->a = &a;
	x->c = (struct imap_command){ 0 };
	if (event == IMAP_COMMAND)
		r = command_run(x, e);
	else
		r = (struct imap_reply){ .id = x->frame.why, .close = event == IMAP_FATAL };
	ok = finish(x, x->c.tag.n ? x->c.tag : str_from_z(x->frame.tag), r, e);
	imap_frame_next(&x->frame);
	x->a = NULL;
	return ok;
}

static void frame_begin(struct imap_frame *f)
{
	*f = (struct imap_frame){ .line_max = IMAP_PREAUTH_MAX, .literal_max = IMAP_PREAUTH_MAX,
				  .command_max = IMAP_PREAUTH_MAX, .nonsync_max = IMAP_NONSYNC_MAX };
}

/* What has come goes to the frame; IMAP_MORE: all of it. */
static enum imap_event feed(struct dialogue_imap *x)
{
	struct str in = conn_pending(&x->g->conn), was = in;
	enum imap_event event = in.n ? imap_frame_feed(&x->frame, &in) : IMAP_MORE;

	conn_eat(&x->g->conn, was.n - in.n);
	conn_wipe_eaten(&x->g->conn);
	return event;
}

SUSPENDS static bool greet(struct dialogue_imap *x, struct err *e)
{
	char mem[GREETING_MAX];
	struct buf b = buf_over(mem, sizeof(mem));

	buf_add(&b, S("OK [CAPABILITY "));
	add_capabilities(&b, x->g);
	buf_addf(&b, "] " STR_FMT " Waxwing IMAP", STR_ARG(x->g->conf->c.hostname));
	return say_untagged(x, buf_str(&b), e);
}

SUSPENDS static bool converse(struct guest *g, struct err *e)
{
	struct dialogue_imap x = { .g = g };
	bool ok = greet(&x, e);

	frame_begin(&x.frame);
	while (ok && !x.is_known) {
		bool had_tls = guest_has_tls(g);
		enum imap_event event = feed(&x);

		if (event == IMAP_MORE)
			ok = conn_fill(&g->conn, e);
		else if (event == IMAP_GO_AHEAD)
			ok = conn_put(&g->conn, S("+ OK\r\n"), e);
		else
			ok = command_begin(&x, event, e);
		if (ok && guest_has_tls(g) != had_tls) {
			imap_frame_end(&x.frame);        /* behind STARTTLS nothing said before holds */
			frame_begin(&x.frame);
		}
	}
	imap_frame_end(&x.frame);
	return ok;
}

const struct dialogue imap_dialogue = {
	.name = "imap",
	.converse = converse,
	.sorry = S("* BYE [UNAVAILABLE] too busy, come back in a minute\r\n"),
	.busy = S("* BYE [UNAVAILABLE] "),
	.stopping = S("* BYE [UNAVAILABLE] shutting down, come back in a minute\r\n"),
	.too_slow = S("* BYE you took too long to log in\r\n"),
};
