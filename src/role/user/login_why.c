/* login_why.c — a why-record for each login, each client that may not connect, and each ban.
 *
 * The client hears one sentence whoever it names; what stood behind it is for the administrator.
 * No password and nothing made of one is in a record. */
#include "role/user/user.h"

#include "base/log.h"
#include "ipc/why.h"

static struct why head_of(enum why_kind kind, uint64_t session)
{
	return (struct why){ .kind = (uint16_t)kind, .time = time_now(), .role = ROLE_USER, .instance = self.instance,
			     .session = session };
}

/* In the log now, kept by the queue. */
static void keep(const struct why *w)
{
	static char mem[WHY_RECORD_MAX];         /* too big for a fiber's stack */
	struct buf b = buf_over(mem, sizeof(mem));
	struct err e;

	why_log(w);
	if (link_to(ROLE_QUEUE) && why_encode(&b, w, &e))
		queue_why(link_to(ROLE_QUEUE), &(struct queue_why){ .record = buf_str(&b) });
}

static struct str protocol_of(const struct user_login *q)
{
	if (q->protocol == CONF_SUBMISSION)
		return S("submission");
	return q->protocol == CONF_POP3 ? S("pop3") : S("imap");
}

void why_login_accepted(const struct user_login *q, struct str account, struct str app)
{
	keep(&(struct why_login_accepted){ .head = head_of(WHY_login_accepted, q->session), .result = S("ok"),
			.account = account, .peer = q->peer, .mech = q->mechanism, .protocol = protocol_of(q),
			.tls = q->tls, .app = app }.head);
}

void why_login_refused(const struct user_login *q, struct str account, enum login_result result, struct str why)
{
	static const struct { struct str name, remedy; } rows[LOGIN_RESULTS] = {
		[LOGIN_FAILED] = { S("failed"), S("") },
		[LOGIN_LATER] = { S("later"), S("") },
		[LOGIN_DISABLED] = { S("disabled"), S("waxwing user enable") },
		[LOGIN_LIMIT] = { S("limit"), S("login { connections }, or fewer programs") },
		[LOGIN_NO_MAILBOX] = { S("no-mailbox"), S("user { kind full } gives it one") },
		[LOGIN_UNAVAILABLE] = { S("unavailable"), S("") },
	};
	/* the two have the same fields; who is made to wait tries again in a moment, and is not worth a line */
	struct why head = head_of(result == LOGIN_LATER ? WHY_login_slowed : WHY_login_refused, q->session);

	head.nearest = rows[result].remedy;
	keep(&(struct why_login_refused){ .head = head, .result = rows[result].name, .account = account,
			.peer = q->peer, .mech = q->mechanism, .protocol = protocol_of(q), .tls = q->tls,
			.why = why }.head);
}

void why_connection_refused(struct str peer, struct str why)
{
	keep(&(struct why_connection_refused){ .head = head_of(WHY_connection_refused, 0), .peer = peer,
			.why = why }.head);
}

void why_client_banned(struct str client, struct str peer, int64_t length, struct str why)
{
	struct why head = head_of(WHY_client_banned, 0);

	head.nearest = S("waxwing ban remove");
	keep(&(struct why_client_banned){ .head = head, .client = client, .seconds = length / SECOND, .peer = peer,
			.why = why }.head);
}
