/* sasl_exchange.c — SASL between a client and `user`; see sasl_exchange.h. */
#include "role/sasl_exchange.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/rnd.h"
#include "fiber/line.h"
#include "fiber/conn.h"
#include "role/runtime.h"

#include <openssl/evp.h>

enum { ANSWER_MAX = 12288 };             /* octets of a line of the client (RFC 4954 §4) */
#define SCRAM_WITHIN (30 * SECOND)
#define REFUSED_AFTER SECOND             /* what is wrong without being asked about takes as long */

struct exchange {
	struct claimant *c;
	struct sasl *sasl;
	enum sasl_mechanism mechanism;
	struct arena *a;
	struct sasl_end *end;
};

bool sasl_is_offered(const struct claimant *c, enum sasl_mechanism m)
{
	if (!claimant_may_log_in(c))
		return false;
	switch (m) {
	case SASL_PLAIN:
	case SASL_LOGIN:
		return true;
	case SASL_SCRAM_SHA_256:
		return scram_is_offered();
	case SASL_SCRAM_SHA_256_PLUS:
		return scram_is_offered() && c->conn->ssl;
	case SASL_NONE:
	case SASL_MECHANISM_COUNT:
		break;
	}
	return false;
}

/* The strongest first: some clients take the first they know. */
void sasl_add_offers(struct buf *b, const struct claimant *c, struct str before)
{
	for (int m = SASL_MECHANISM_COUNT - 1; m > SASL_NONE; m--) {
		if (!sasl_is_offered(c, (enum sasl_mechanism)m))
			continue;
		buf_add(b, before);
		buf_add(b, sasl_mechanism_name((enum sasl_mechanism)m));
	}
}

SUSPENDS static bool send_challenge(struct exchange *x, struct err *e)
{
	struct str out = sasl_out(x->sasl);
	struct arena_mark mark = arena_mark(x->a);
	unsigned char *b64 = arena_alloc(x->a, 1, (out.n + 2) / 3 * 4 + 1);
	bool ok;
	int n;

	if (!b64)
		return fail(e, FAULT_TEMP, "out of memory");
	n = EVP_EncodeBlock(b64, (const unsigned char *)(out.n ? out.p : ""), (int)out.n);
	ok = conn_put(x->c->conn, x->c->challenge, e) && conn_put(x->c->conn, str_of(b64, (size_t)n), e) &&
	     conn_write(x->c->conn, S("\r\n"), e);
	arena_rewind(x->a, mark);
	return ok;
}

SUSPENDS static bool hear_answer(struct exchange *x, enum sasl_want *ret, struct err *e)
{
	struct line line;

	if (!send_challenge(x, e) || !line_read(x->c->conn, ANSWER_MAX, &line, e))
		return false;
	/* what is no base64 is refused as such; an empty line would be an answer */
	*ret = sasl_answer(x->sasl, line.too_long ? S("!") : line.text);
	conn_wipe_eaten(x->c->conn);
	return true;
}

/* Nobody acts for another. */
static bool acts_for_itself(struct exchange *x)
{
	struct str other = sasl_acts_for(x->sasl);

	x->end->is_for_other = other.n && !str_eq_nocase(other, sasl_name(x->sasl));
	return !x->end->is_for_other;
}

SUSPENDS static bool ask(struct exchange *x, const struct credentials *q, struct err *e)
{
	x->end->verdict = (struct verdict){ .result = LOGIN_FAILED };
	return !acts_for_itself(x) || credentials_check(x->c, q, x->a, &x->end->verdict, e);
}

SUSPENDS static bool ask_password(struct exchange *x, enum sasl_want *ret, struct err *e)
{
	const struct credentials c = { .mechanism = sasl_mechanism_name(x->mechanism), .name = sasl_name(x->sasl),
				       .password = sasl_password(x->sasl) };

	if (!ask(x, &c, e))
		return false;
	*ret = sasl_checked(x->sasl, x->end->verdict.result == LOGIN_OK);
	return true;
}

SUSPENDS static bool ask_salt(struct exchange *x, enum sasl_want *ret, struct err *e)
{
	struct user_scram_answer r = { 0 };
	bool ok = false;

	WITHIN(SCRAM_WITHIN)
		ok = user_scram(link_to(ROLE_USER), &(struct user_scram){ .name = sasl_name(x->sasl) }, &r, x->a, e);
	if (!ok)
		return false;
	*ret = sasl_salt(x->sasl, r.salt, r.iterations);
	return true;
}

SUSPENDS static bool ask_proof(struct exchange *x, enum sasl_want *ret, struct err *e)
{
	const struct credentials c = { .mechanism = sasl_mechanism_name(x->mechanism), .name = sasl_name(x->sasl),
				       .auth_message = sasl_auth_message(x->sasl), .proof = sasl_proof(x->sasl) };
	const uint8_t none[SASL_PROOF] = { 0 };
	const struct verdict *v = &x->end->verdict;
	bool fits;

	if (!ask(x, &c, e))
		return false;
	fits = v->result == LOGIN_OK && v->server_signature.n == SASL_PROOF;
	*ret = sasl_proved(x->sasl, fits, fits ? (const uint8_t *)v->server_signature.p : none);
	return true;
}

/* It was right, and then the client did not want it any more. */
static void give_back(struct claimant *c)
{
	if (c->is_logged_in && c->give_back)
		c->give_back(c);
	claimant_log_out(c);
}

SUSPENDS static bool refused(struct exchange *x, struct err *e)
{
	x->end->why = sasl_why(x->sasl);
	/* the verdict says it better; but for a right password that was withdrawn there is none */
	if (x->end->why == SASL_WHY_CREDENTIALS && x->end->verdict.text.n)
		x->end->why = SASL_WHY_NONE;
	give_back(x->c);
	if (x->end->why != SASL_WHY_CREDENTIALS && x->end->why != SASL_WHY_BINDING)
		return true;
	x->c->failures++;
	return fiber_sleep(REFUSED_AFTER, e);
}

SUSPENDS static bool converse(struct exchange *x, enum sasl_want want, struct err *e)
{
	bool ok = true;

	while (ok)
		switch (want) {
		case SASL_SEND:
			ok = hear_answer(x, &want, e);
			break;
		case SASL_ASK_PASSWORD:
			ok = ask_password(x, &want, e);
			break;
		case SASL_ASK_SALT:
			ok = ask_salt(x, &want, e);
			break;
		case SASL_ASK_PROOF:
			ok = ask_proof(x, &want, e);
			break;
		case SASL_OK:
			return true;
		case SASL_NO:
			return refused(x, e);
		}
	return false;
}

bool sasl_exchange(struct claimant *c, enum sasl_mechanism m, bool has_initial, struct str initial, struct arena *a,
		   struct sasl_end *ret, struct err *e)
{
	uint8_t nonce[SASL_NONCE], exporter[CONN_EXPORTER], end_point[CONN_END_POINT_MAX];
	struct sasl_channel channel = { .plus_offered = sasl_is_offered(c, SASL_SCRAM_SHA_256_PLUS) };
	AUTO(sasl_end) struct sasl *sasl = NULL;
	struct exchange x = { .c = c, .mechanism = m, .a = a, .end = ret };

	*ret = (struct sasl_end){ 0 };
	if (conn_tls_exporter(c->conn, exporter))
		channel.tls_exporter = str_of(exporter, sizeof(exporter));
	channel.tls_server_end_point = str_of(end_point, conn_tls_end_point(c->conn, end_point));
	rnd_bytes(nonce, sizeof(nonce));
	sasl = sasl_open(m, &channel, nonce);
	if (!sasl)
		return fail(e, FAULT_TEMP, "out of memory");
	x.sasl = sasl;
	return converse(&x, sasl_begin(sasl, has_initial, initial), e);
}
