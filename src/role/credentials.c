/* credentials.c — asks `user`; see credentials.h. */
#include "role/credentials.h"

#include "base/log.h"
#include "fiber/conn.h"
#include "role/runtime.h"

#define USER_WITHIN (30 * SECOND)
#define LATER_MOST (20 * SECOND)         /* so long we wait for a try to be looked at */

const struct str login_failed_text = S("Invalid user name or password");

static const struct str unavailable = S("Logging in is not possible now, try again later");

static bool offers_scram;

bool scram_is_offered(void)
{
	return offers_scram;
}

static void hear_offers(struct link *l, void *tell)
{
	(void)l;
	offers_scram = ((struct login_offers *)tell)->scram;
}

void credentials_hear(void)
{
	ipc_hear(IPC_login_offers, hear_offers);
}

bool claimant_may_log_in(const struct claimant *c)
{
	return c->conn->ssl || c->is_clear_fine;
}

/* false: nobody could say. */
SUSPENDS static bool ask(struct claimant *c, const struct credentials *q, struct user_login_answer *r, struct arena *a,
			 struct err *e)
{
	const struct user_login t = { .session = c->session, .protocol = (uint8_t)c->protocol,
				      .peer = str_from_z(c->peer), .tls = conn_tls_facts(c->conn).version,
				      .mechanism = q->mechanism, .name = q->name, .password = q->password,
				      .auth_message = q->auth_message, .proof = q->proof };
	bool ok = false;

	WITHIN(USER_WITHIN)
		ok = user_login(link_to(ROLE_USER), &t, r, a, e);
	if (ok && r->result >= LOGIN_RESULTS)
		return fail(e, FAULT_TEMP, "an answer that is none");
	return ok;
}

/* Was it our deadline that ended it, or that of the whole conversation, or a stop? */
static bool is_ours(struct err *e)
{
	return fiber_check(e);
}

bool credentials_check(struct claimant *c, const struct credentials *q, struct arena *a, struct verdict *ret,
		       struct err *e)
{
	int64_t begun = time_mono(), asked = begun;
	struct user_login_answer r = { 0 };
	bool ok = ask(c, q, &r, a, e);

	while (ok && r.result == LOGIN_LATER && asked + (int64_t)r.delay - begun < LATER_MOST) {
		if (!fiber_sleep((int64_t)r.delay, e))
			return false;
		asked = time_mono();
		ok = ask(c, q, &r, a, e);
	}
	c->is_logged_in = ok && r.result == LOGIN_OK;
	if (c->is_logged_in && c->admit)
		ok = c->admit(c, e);
	if (!ok) {
		log_warn("login", "peer=%s session=%llx why=%s", c->peer, (unsigned long long)c->session,
			 LOGQ(str_from_z(e->text)));
		*ret = (struct verdict){ .result = LOGIN_UNAVAILABLE, .text = unavailable };
		return is_ours(e);
	}
	*ret = (struct verdict){ (enum login_result)r.result, r.text, r.server_signature };
	if (r.result != LOGIN_FAILED)
		return true;
	c->failures++;
	return fiber_sleep(asked + (int64_t)r.delay - time_mono(), e);
}

void claimant_log_out(struct claimant *c)
{
	if (c->is_logged_in && link_to(ROLE_USER))
		user_logout(link_to(ROLE_USER), &(struct user_logout){ .session = c->session });
	c->is_logged_in = false;
}
