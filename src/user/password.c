/* password.c — yescrypt and SCRAM; see password.h. */
#include "user/password.h"

#include "base/rnd.h"
#include "base/utf8.h"
#include "user/saslprep.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>

/* Yescrypt at its default cost, which password_make() uses too. */
#define YESCRYPT "$y$"
#define DUMMY_SETTING "$y$j9T$F5Jx5fExrKuPp53xLKQ..1"

bool password_check(struct str password, struct err *e)
{
	if (password.n == 0)
		return fail(e, FAULT_PERM, "the password is empty");
	if (password.n > PASSWORD_MAX)
		return fail(e, FAULT_PERM, "the password is longer than %d bytes", PASSWORD_MAX);
	if (str_has(password, '\0'))
		return fail(e, FAULT_PERM, "the password has a NUL byte");
	if (!utf8_valid(password))
		return fail(e, FAULT_PERM, "the password is not valid UTF-8");
	return true;
}

/* What is hashed of a password. */
struct form {
	struct str text;
	char *room;
	size_t size;
};

static bool form_make(struct str password, struct form *ret)
{
	size_t size = SASLPREP_GROWTH * password.n + 1;
	char *room = malloc(size);

	if (room)
		*ret = (struct form){ saslprep(password, room), room, size };
	return room;
}

static void form_end(struct form *f)
{
	if (f->room)
		explicit_bzero(f->room, f->size);
	free(f->room);
	*f = (struct form){ 0 };
}

/* crypt(3) refuses more than this many bytes; longer ones are hashed first. */
enum { CRYPT_INPUT_MAX = CRYPT_MAX_PASSPHRASE_SIZE - 1 };

/* The password as crypt takes it: itself, or "sha512:" and hex where it is too long for that. */
static void crypt_input(struct str password, char out[CRYPT_MAX_PASSPHRASE_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[SHA512_DIGEST_LENGTH];
	size_t n = 0;

	if (password.n <= CRYPT_INPUT_MAX) {
		memcpy(out, password.p, password.n);
		out[password.n] = '\0';
		return;
	}
	SHA512((const uint8_t *)password.p, password.n, sum);
	memcpy(out, "sha512:", 7);
	n = 7;
	for (size_t i = 0; i < sizeof(sum); i++) {
		out[n++] = digits[sum[i] >> 4];
		out[n++] = digits[sum[i] & 15];
	}
	out[n] = '\0';
	explicit_bzero(sum, sizeof(sum));
}

/* hash = crypt(text, setting); false if the library gives its failure token. */
static bool hash_text(struct str text, const char *setting, char hash[PASSWORD_HASH_MAX])
{
	char phrase[CRYPT_MAX_PASSPHRASE_SIZE];
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *out = NULL;
	bool ok;

	if (!data)
		return false;
	crypt_input(text, phrase);
	out = crypt_r(phrase, setting, data);
	ok = out && out[0] != '*' && strlen(out) < PASSWORD_HASH_MAX;
	if (ok)
		memcpy(hash, out, strlen(out) + 1);
	explicit_bzero(phrase, sizeof(phrase));
	explicit_bzero(data, sizeof(*data));
	free(data);
	return ok;
}

static bool hash_password(struct str password, const char *setting, char hash[PASSWORD_HASH_MAX])
{
	AUTO(form_end) struct form f = { 0 };

	return form_make(password, &f) && hash_text(f.text, setting, hash);
}

/* Another server has hashed the bytes as they came: a form of ours that differs is not what it had. */
static bool fits_raw(const struct password_record *r, struct str password, char hash[PASSWORD_HASH_MAX])
{
	AUTO(form_end) struct form f = { 0 };

	return r->scram.iterations == 0 && form_make(password, &f) && !str_eq(f.text, password) &&
	       hash_text(password, r->hash, hash) && str_eq_secret(str_from_z(hash), str_from_z(r->hash));
}

static bool hmac_sha256(const uint8_t key[SCRAM_KEY], struct str text, uint8_t ret[SCRAM_KEY])
{
	unsigned n = SCRAM_KEY;

	return HMAC(EVP_sha256(), key, SCRAM_KEY, (const uint8_t *)text.p, text.n, ret, &n) != NULL;
}

/* SaltedPassword := Hi(password, salt, i); ClientKey := HMAC(SaltedPassword, "Client Key");
 * StoredKey := H(ClientKey); ServerKey := HMAC(SaltedPassword, "Server Key")   RFC 5802 §3 */
bool scram_verifier_make(struct str password, const uint8_t salt[SCRAM_SALT], uint32_t iterations,
			 struct scram_verifier *ret, struct err *e)
{
	struct scram_verifier v = { .iterations = iterations };
	uint8_t salted[SCRAM_KEY], client[SCRAM_KEY];
	AUTO(form_end) struct form f = { 0 };
	bool ok;

	if (!password_check(password, e))
		return false;
	if (!form_make(password, &f))
		return fail(e, FAULT_TEMP, "out of memory");
	if (iterations < SCRAM_ITERATIONS || iterations > SCRAM_ITERATIONS_MAX)
		return fail(e, FAULT_PERM, "SCRAM iterations must lie in %d…%d", SCRAM_ITERATIONS,
			    SCRAM_ITERATIONS_MAX);
	memcpy(v.salt, salt, SCRAM_SALT);
	ok = PKCS5_PBKDF2_HMAC(f.text.p, (int)f.text.n, salt, SCRAM_SALT, (int)iterations,
			       EVP_sha256(), SCRAM_KEY, salted) == 1 &&
	     hmac_sha256(salted, S("Client Key"), client) &&
	     hmac_sha256(salted, S("Server Key"), v.server_key);
	if (ok)
		SHA256(client, SCRAM_KEY, v.stored_key);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	if (ok)
		*ret = v;
	explicit_bzero(&v, sizeof(v));
	return ok ? true : fail(e, FAULT_TEMP, "the SCRAM verifier could not be computed");
}

bool password_make(struct str password, struct password_record *ret, struct err *e)
{
	struct password_record r = { 0 };
	uint8_t salt[SCRAM_SALT];
	char *setting;
	bool ok;

	rnd_bytes(salt, sizeof(salt));
	if (!scram_verifier_make(password, salt, SCRAM_ITERATIONS, &r.scram, e))
		return false;
	setting = crypt_gensalt_ra(YESCRYPT, 0, NULL, 0);
	ok = setting && hash_password(password, setting, r.hash);
	free(setting);
	if (ok)
		*ret = r;
	password_record_end(&r);
	return ok ? true : fail(e, FAULT_TEMP, "the password could not be hashed");
}

bool password_fits(const struct password_record *r, struct str password)
{
	bool is_real = r && r->hash[0];
	char hash[PASSWORD_HASH_MAX];
	struct err ignored = { 0 };
	bool fits;

	if (!password_check(password, &ignored))
		return false;
	fits = hash_password(password, is_real ? r->hash : DUMMY_SETTING, hash);
	fits = fits && is_real && str_eq_secret(str_from_z(hash), str_from_z(r->hash));
	fits = fits || (is_real && fits_raw(r, password, hash));
	explicit_bzero(hash, sizeof(hash));
	return fits;
}

bool password_take_hash(struct str hash, struct password_record *ret, struct err *e)
{
	struct password_record r = { 0 };
	struct str word = S("waxwing");
	char made[PASSWORD_HASH_MAX];

	if (hash.n == 0 || hash.n >= PASSWORD_HASH_MAX || str_has(hash, '\0'))
		return fail(e, FAULT_PERM, "a hash has 1 to %d bytes", PASSWORD_HASH_MAX - 1);
	memcpy(r.hash, hash.p, hash.n);
	/* what comes out has the form of what went in, or it is no hash of crypt(3) */
	if (!hash_password(word, r.hash, made) || strlen(made) != hash.n)
		return fail(e, FAULT_PERM, "this is no hash that crypt(3) knows, like $6$… or $y$…");
	*ret = r;
	return true;
}

/* ClientSignature := HMAC(StoredKey, AuthMessage); ClientKey := ClientProof XOR ClientSignature;
 * H(ClientKey) must be StoredKey   RFC 5802 §3 */
bool scram_proof_fits(const struct scram_verifier *v, struct str auth_message, struct str proof,
		      uint8_t ret[SCRAM_KEY])
{
	static const struct scram_verifier nobody;
	uint8_t signature[SCRAM_KEY], client[SCRAM_KEY] = { 0 }, stored[SCRAM_KEY];
	bool is_real = v && v->iterations, fits;

	v = is_real ? v : &nobody;
	fits = hmac_sha256(v->stored_key, auth_message, signature) &&
	       hmac_sha256(v->server_key, auth_message, ret);
	for (size_t i = 0; fits && i < SCRAM_KEY; i++)
		client[i] = (uint8_t)(signature[i] ^ (i < proof.n ? (uint8_t)proof.p[i] : 0));
	SHA256(client, SCRAM_KEY, stored);
	fits = fits && proof.n == SCRAM_KEY && is_real &&
	       CRYPTO_memcmp(stored, v->stored_key, SCRAM_KEY) == 0;
	explicit_bzero(client, sizeof(client));
	explicit_bzero(signature, sizeof(signature));
	return fits;
}

void password_record_end(struct password_record *r)
{
	explicit_bzero(r, sizeof(*r));
}
