/* scram.c — SCRAM-SHA-256 as the client; see scram.h. */
#include "role/relay/scram.h"

#include "base/arena.h"
#include "wire/text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define GS2 "n,,"        /* no channel binding, nobody else's rights */

static bool hmac(const uint8_t key[SCRAM_HASH], struct str s, uint8_t ret[SCRAM_HASH])
{
	unsigned n = 0;

	return HMAC(EVP_sha256(), key, SCRAM_HASH, (const unsigned char *)s.p, s.n, ret, &n) && n == SCRAM_HASH;
}

/* saslname: "," and "=" are written "=2C" and "=3D" */
static void name_add(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == ',' || s.p[i] == '=')
			buf_add(b, s.p[i] == ',' ? S("=2C") : S("=3D"));
		else
			buf_add_char(b, s.p[i]);
}

bool scram_first(struct scram *s, struct str user, struct str nonce, struct buf *to, struct err *e)
{
	struct buf b = buf_over(s->first, sizeof(s->first));

	buf_add(&b, S("n="));
	name_add(&b, user);
	buf_add(&b, S(",r="));
	buf_add(&b, nonce);
	s->first_n = b.n;
	buf_add(to, S(GS2));
	buf_add(to, buf_str(&b));
	return (!b.full && !to->full) || fail(e, FAULT_PERM, "the name is too long for SCRAM");
}

static bool attribute(struct str *in, char name, struct str *ret)
{
	if (str_at(*in, 0) != (unsigned char)name || str_at(*in, 1) != '=')
		return false;
	*ret = str_cut(str_from(*in, 2), ',', in);
	return true;
}

struct challenge {
	struct str nonce, salt;
	uint64_t iterations;
};

/* printable = %x21-2B / %x2D-7E */
static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) <= ' ' || str_at(s, i) > '~')
			return false;
	return true;
}

/* server-first-message = nonce "," salt "," iteration-count; the nonce begins with ours   RFC 5802 §7 */
static bool challenge_parse(const struct scram *s, struct str in, struct arena *a, struct challenge *ret)
{
	struct str ours = str_of(s->first, s->first_n), salt, iterations;

	ours = str_from(ours, str_find_str(ours, S(",r=")) + 3);
	return attribute(&in, 'r', &ret->nonce) && attribute(&in, 's', &salt) && attribute(&in, 'i', &iterations) &&
	       ret->nonce.n > ours.n && str_starts(ret->nonce, ours) && is_printable(ret->nonce) && base64_decode(salt, a, &ret->salt) && ret->salt.n &&
	       str_u64(iterations, &ret->iterations);
}

/* ClientProof and ServerSignature   RFC 5802 §3 */
static bool prove(struct scram *s, struct str password, const struct challenge *c, struct str message,
		  uint8_t proof[SCRAM_HASH])
{
	uint8_t salted[SCRAM_HASH], client[SCRAM_HASH], stored[SCRAM_HASH], server[SCRAM_HASH];
	unsigned n;
	bool ok = PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)c->salt.p, (int)c->salt.n,
				    (int)c->iterations, EVP_sha256(), SCRAM_HASH, salted) > 0 &&
		  hmac(salted, S("Client Key"), client) && EVP_Digest(client, SCRAM_HASH, stored, &n, EVP_sha256(), NULL) &&
		  hmac(stored, message, proof) && hmac(salted, S("Server Key"), server) &&
		  hmac(server, message, s->server_signature);

	for (size_t i = 0; i < SCRAM_HASH; i++)
		proof[i] ^= client[i];
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client, sizeof(client));
	return ok;
}

bool scram_final(struct scram *s, struct str server_first, struct str password, struct buf *to, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 16 * 1024 };
	struct buf message = buf_on_heap(4 * SCRAM_MESSAGE_MAX);
	uint8_t proof[SCRAM_HASH];
	struct challenge c;
	size_t begin = to->n;
	bool ok;

	if (server_first.n > SCRAM_MESSAGE_MAX || !challenge_parse(s, server_first, &a, &c))
		return fail(e, FAULT_PEER, "the server's SCRAM challenge is malformed");
	if (c.iterations < SCRAM_ITERATIONS_MIN || c.iterations > SCRAM_ITERATIONS_MAX)
		return fail(e, FAULT_PEER, "the server asks for %llu iterations of SCRAM", (unsigned long long)c.iterations);
	buf_add(to, S("c="));
	base64_add(to, S(GS2));
	buf_add(to, S(",r="));
	buf_add(to, c.nonce);
	buf_add(&message, str_of(s->first, s->first_n));
	buf_add_char(&message, ',');
	buf_add(&message, server_first);
	buf_add_char(&message, ',');
	buf_add(&message, str_from(buf_str(to), begin));
	ok = !message.full && prove(s, password, &c, buf_str(&message), proof);
	buf_end(&message);
	buf_add(to, S(",p="));
	base64_add(to, str_of(proof, sizeof(proof)));
	return (ok && !to->full) || fail(e, FAULT_TEMP, "SCRAM could not be computed");
}

bool scram_check(const struct scram *s, struct str server_final)
{
	AUTO(arena_end) struct arena a = { .limit = 4096 };
	struct str base64, signature;

	return attribute(&server_final, 'v', &base64) && base64_decode(base64, &a, &signature) &&
	       str_eq_secret(signature, str_of(s->server_signature, SCRAM_HASH));
}
