/* credentials.c — asks `user`; see credentials.h. */
#include "role/login/credentials.h"

#include "base/log.h"
#include "role/login/guest.h"

#define USER_WITHIN (30 * SECOND)
#define STREAM_WITHIN (20 * SECOND)
#define LATER_MOST (20 * SECOND)         /* so long we wait for a try to be looked at */

const struct str login_failed_text = S("Invalid user name or password");

static const struct str unavailable = S("Logging in is not possible now, try again later");

SUSPENDS static bool await_stream(struct guest *g, struct err *e)
{
	WITHIN(STREAM_WITHIN)
		while (g->stream < 0)
			if (!wait_on(&g->arrival, "its mailbox", e))
				return false;
	return true;
}

/* false: nobody could say. */
SUSPENDS static bool ask(struct guest *g, const struct credentials *c, struct user_login_answer *r, struct arena *a,
			 struct err *e)
{
	const struct user_login q = { .session = g->number, .protocol = (uint8_t)g->protocol,
				      .peer = str_from_z(g->peer), .tls = conn_tls_facts(&g->conn).version,
				      .mechanism = c->mechanism, .name = c->name, .password = c->password,
				      .auth_message = c->auth_message, .proof = c->proof };
	bool ok = false;

	WITHIN(USER_WITHIN)
		ok = user_login(link_to(ROLE_USER), &q, r, a, e);
	if (ok && r->result >= LOGIN_RESULTS)
		return fail(e, FAULT_TEMP, "an answer that is none");
	return ok;
}

/* Was it our deadline that ended it, or that of the whole conversation, or a stop? */
static bool is_ours(struct err *e)
{
	return fiber_check(e);
}

bool credentials_check(struct guest *g, const struct credentials *c, struct arena *a, struct verdict *ret,
		       struct err *e)
{
	int64_t begun = time_mono(), asked = begun;
	struct user_login_answer r = { 0 };
	bool ok = ask(g, c, &r, a, e);

	while (ok && r.result == LOGIN_LATER && asked + (int64_t)r.delay - begun < LATER_MOST) {
		if (!fiber_sleep((int64_t)r.delay, e))
			return false;
		asked = time_mono();
		ok = ask(g, c, &r, a, e);
	}
	g->is_logged_in = ok && r.result == LOGIN_OK;
	if (g->is_logged_in)
		ok = await_stream(g, e);
	if (!ok) {
		log_warn("login", "peer=%s session=%llx why=%s", g->peer, (unsigned long long)g->number,
			 LOGQ(str_from_z(e->text)));
		*ret = (struct verdict){ .result = LOGIN_UNAVAILABLE, .text = unavailable };
		return is_ours(e);
	}
	*ret = (struct verdict){ (enum login_result)r.result, r.text, r.server_signature };
	if (r.result != LOGIN_FAILED)
		return true;
	g->failures++;
	return fiber_sleep(asked + (int64_t)r.delay - time_mono(), e);
}
