/* login.c — AUTH as the client (RFC 4954): SCRAM-SHA-256, PLAIN, LOGIN, in this order.
 *
 * A password leaves us only by TLS to a server whose certificate was believed, or
 * over the loopback. */
#include "role/relay/scram.h"
#include "role/relay/peer.h"

#include "base/rnd.h"
#include "wire/text.h"

enum { LINE_SECRET_MAX = 4096, NONCE_BYTES = 18 };

static void wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->n);
	buf_end(b);
}

/* The base64 of a 334's text. */
static bool challenge_of(struct peer *s, struct arena *a, struct str *ret, struct err *e)
{
	if (s->r->code != 334)
		return peer_refused(s, "AUTH", e);
	if (!base64_decode(client_reply_text(s->r), a, ret))
		return fail(e, FAULT_PEER, "the server's challenge is no base64");
	return true;
}

SUSPENDS static bool login_plain(struct peer *s, struct str user, struct str password, struct err *e)
{
	struct buf message = buf_on_heap(LINE_SECRET_MAX), line = buf_on_heap(2 * LINE_SECRET_MAX);
	bool ok;

	buf_add_char(&message, '\0');
	buf_add(&message, user);
	buf_add_char(&message, '\0');
	buf_add(&message, password);
	buf_add(&line, S("AUTH PLAIN "));
	base64_add(&line, buf_str(&message));
	ok = peer_ask_secret(s, buf_str(&line), WAIT_AUTH, e);
	wipe(&message);
	wipe(&line);
	return ok && (s->r->code == 235 || peer_refused(s, "AUTH PLAIN", e));
}

SUSPENDS static bool send_base64(struct peer *s, struct str text, struct err *e)
{
	struct buf line = buf_on_heap(2 * LINE_SECRET_MAX);
	bool ok;

	base64_add(&line, text);
	ok = peer_ask_secret(s, buf_str(&line), WAIT_AUTH, e);
	wipe(&line);
	return ok;
}

SUSPENDS static bool login_login(struct peer *s, struct str user, struct str password, struct err *e)
{
	if (!peer_ask(s, S("AUTH LOGIN"), WAIT_AUTH, e))
		return false;
	if (s->r->code != 334 || !send_base64(s, user, e))
		return s->is_broken ? false : peer_refused(s, "AUTH LOGIN", e);
	if (s->r->code != 334 || !send_base64(s, password, e))
		return s->is_broken ? false : peer_refused(s, "AUTH LOGIN", e);
	return s->r->code == 235 || peer_refused(s, "AUTH LOGIN", e);
}

SUSPENDS static bool scram_exchange(struct peer *s, struct scram *scram, struct str user, struct str password,
				    struct arena *a, struct err *e)
{
	struct buf nonce = buf_over((char[32]){ 0 }, 32), first = buf_over((char[SCRAM_MESSAGE_MAX]){ 0 }, SCRAM_MESSAGE_MAX);
	struct buf line = buf_over((char[2 * SCRAM_MESSAGE_MAX]){ 0 }, 2 * SCRAM_MESSAGE_MAX);
	uint8_t random[NONCE_BYTES];
	struct str challenge;

	rnd_bytes(random, sizeof(random));
	base64_add(&nonce, str_of(random, sizeof(random)));
	if (!scram_first(scram, user, buf_str(&nonce), &first, e))
		return false;
	buf_add(&line, S("AUTH SCRAM-SHA-256 "));
	base64_add(&line, buf_str(&first));
	if (line.full)
		return fail(e, FAULT_PERM, "the name is too long for SCRAM");
	if (!peer_ask_secret(s, buf_str(&line), WAIT_AUTH, e) || !challenge_of(s, a, &challenge, e))
		return false;
	buf_clear(&first);
	if (!scram_final(scram, challenge, password, &first, e) || !send_base64(s, buf_str(&first), e))
		return false;
	/* server-final comes in a 334, to be answered with nothing, or with the 235 (RFC 4954 §4) */
	if (s->r->code == 334) {
		if (!challenge_of(s, a, &challenge, e))
			return false;
		if (!scram_check(scram, challenge))
			return fail(e, FAULT_PEER, "the server does not know the password: it is not the one we mean");
		return peer_ask(s, S(""), WAIT_AUTH, e) && (s->r->code == 235 || peer_refused(s, "AUTH", e));
	}
	if (s->r->code != 235)
		return peer_refused(s, "AUTH SCRAM-SHA-256", e);
	challenge = client_reply_text(s->r);
	str_word(&challenge);            /* its enhanced code */
	return (base64_decode(str_trim(challenge), a, &challenge) && scram_check(scram, challenge)) ||
	       fail(e, FAULT_PEER, "the server did not prove that it knows the password");
}

SUSPENDS static bool login_scram(struct peer *s, struct str user, struct str password, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 32 * 1024 };
	struct scram *scram = ARENA_NEW(&a, struct scram);
	bool ok = scram ? scram_exchange(s, scram, user, password, &a, e) : fail(e, FAULT_TEMP, "no memory for AUTH");

	if (scram)
		explicit_bzero(scram, sizeof(*scram));
	return ok;
}

SUSPENDS static bool login(struct peer *s, struct str user, struct str password, struct err *e)
{
	unsigned offered = s->ext.set & SMTP_EXT_AUTH ? s->ext.auth : 0;

	if (!(s->tls[0] && s->is_verified) && !s->is_loopback)
		return fail(e, FAULT_PERM, "no password is sent without TLS to a server that is known");
	if (!password.n)
		return fail(e, FAULT_TEMP, "the password's file is not there or cannot be used");
	if (offered & SMTP_AUTH_SCRAM_SHA_256)
		return login_scram(s, user, password, e);
	if (offered & SMTP_AUTH_PLAIN)
		return login_plain(s, user, password, e);
	if (offered & SMTP_AUTH_LOGIN)
		return login_login(s, user, password, e);
	return fail(e, FAULT_PEER, "the server offers no way to log in that we know");
}

/* Does the server say back what PLAIN or LOGIN told it? */
static bool has_secret(struct str reply, struct str user, struct str password)
{
	struct buf plain = buf_on_heap(LINE_SECRET_MAX), said[2] = { buf_on_heap(2 * LINE_SECRET_MAX), buf_on_heap(2 * LINE_SECRET_MAX) };
	bool found = str_find_str(reply, password) < reply.n;

	buf_add_char(&plain, '\0');
	buf_add(&plain, user);
	buf_add_char(&plain, '\0');
	buf_add(&plain, password);
	base64_add(&said[0], buf_str(&plain));
	base64_add(&said[1], password);
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		found |= str_find_str(reply, buf_str(&said[i])) < reply.n;
		wipe(&said[i]);
	}
	wipe(&plain);
	return found;
}

/* Words that hold the password would go into the log, and to whoever sent the letter. */
SUSPENDS bool peer_login(struct peer *s, struct str user, struct str password, struct err *e)
{
	if (login(s, user, password, e))
		return true;
	if (password.n && has_secret(client_reply_text(s->r), user, password))
		return fail(e, FAULT_PEER, "AUTH: %u, and the server's words hold the password", s->r->code);
	return false;
}
