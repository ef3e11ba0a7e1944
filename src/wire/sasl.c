/* sasl.c — the server's side of SASL; see sasl.h.
 *
 * Each mechanism is a function from the client's next message to what is wanted next;
 * `step` counts the messages. */
#include "wire/sasl.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/utf8.h"
#include "wire/text.h"

#include <stdlib.h>

enum { LINE_MAX_BYTES = 12288 };         /* base64 of one message, RFC 4954 §4 */

struct binding {
	uint8_t p[SASL_BINDING_MAX];
	size_t n;
};

enum { EXPORTER, UNIQUE, END_POINT, BINDINGS };

struct sasl {
	enum sasl_mechanism mechanism;
	unsigned step;                   /* messages taken */
	enum sasl_why why;
	bool waits;                      /* for an answer of the owner */

	struct binding bindings[BINDINGS];
	bool plus_offered;
	int binding;                     /* the one the client chose, or -1 */
	char server_nonce[25];           /* base64 of ours, NUL-terminated */

	char name_mem[SASL_NAME_MAX], acts_mem[SASL_NAME_MAX], password_mem[SASL_PASSWORD_MAX];
	char gs2_mem[SASL_NAME_MAX * 3 + 64], nonce_mem[SASL_MESSAGE_MAX];
	char message_mem[SASL_AUTH_MESSAGE_MAX], out_mem[SASL_MESSAGE_MAX];
	struct buf name, acts_for, password;
	struct buf gs2;                  /* gs2-header: the beginning of what c= must repeat */
	struct buf nonce;                /* client's and ours */
	struct buf message;              /* AuthMessage so far */
	struct buf out;
	uint8_t proof[SASL_PROOF];
	bool has_proof;
};

static const struct str names[SASL_MECHANISM_COUNT] = {
	[SASL_PLAIN] = S("PLAIN"),
	[SASL_LOGIN] = S("LOGIN"),
	[SASL_SCRAM_SHA_256] = S("SCRAM-SHA-256"),
	[SASL_SCRAM_SHA_256_PLUS] = S("SCRAM-SHA-256-PLUS"),
};

static const struct str binding_names[BINDINGS] = {
	[EXPORTER] = S("tls-exporter"), [UNIQUE] = S("tls-unique"), [END_POINT] = S("tls-server-end-point"),
};

enum sasl_mechanism sasl_mechanism_parse(struct str name)
{
	for (size_t m = SASL_NONE + 1; m < SASL_MECHANISM_COUNT; m++)
		if (str_eq_nocase(name, names[m]))
			return (enum sasl_mechanism)m;
	return SASL_NONE;
}

struct str sasl_mechanism_name(enum sasl_mechanism m)
{
	return (unsigned)m < SASL_MECHANISM_COUNT ? names[m] : S("");
}

static void binding_set(struct binding *b, struct str data)
{
	b->n = data.n <= SASL_BINDING_MAX ? data.n : 0;
	if (b->n)
		memcpy(b->p, data.p, b->n);
}

struct sasl *sasl_open(enum sasl_mechanism m, const struct sasl_channel *channel, const uint8_t nonce[SASL_NONCE])
{
	struct sasl *s = calloc(1, sizeof(*s));
	struct buf b;

	if (!s)
		return NULL;
	s->mechanism = m;
	s->binding = -1;
	s->plus_offered = channel->plus_offered;
	b = buf_over(s->server_nonce, sizeof(s->server_nonce));
	base64_add(&b, str_of(nonce, SASL_NONCE));
	binding_set(&s->bindings[EXPORTER], channel->tls_exporter);
	binding_set(&s->bindings[UNIQUE], channel->tls_unique);
	binding_set(&s->bindings[END_POINT], channel->tls_server_end_point);
	s->name = buf_over(s->name_mem, sizeof(s->name_mem));
	s->acts_for = buf_over(s->acts_mem, sizeof(s->acts_mem));
	s->password = buf_over(s->password_mem, sizeof(s->password_mem));
	s->gs2 = buf_over(s->gs2_mem, sizeof(s->gs2_mem));
	s->nonce = buf_over(s->nonce_mem, sizeof(s->nonce_mem));
	s->message = buf_over(s->message_mem, sizeof(s->message_mem));
	s->out = buf_over(s->out_mem, sizeof(s->out_mem));
	return s;
}

void sasl_close(struct sasl *s)
{
	if (!s)
		return;
	explicit_bzero(s, sizeof(*s));
	free(s);
}

void sasl_end(struct sasl **s)
{
	sasl_close(*s);
	*s = NULL;
}

static enum sasl_want no(struct sasl *s, enum sasl_why why)
{
	s->why = why;
	return SASL_NO;
}

static enum sasl_want ask(struct sasl *s, enum sasl_want what)
{
	s->waits = true;
	return what;
}

/* A name that might exist: valid UTF-8 without control characters. */
static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n <= SASL_NAME_MAX && utf8_valid(s);
}

/* The names are there; could the password ever fit? */
static enum sasl_want check(struct sasl *s, struct str password)
{
	buf_add(&s->password, password);
	if (password.n == 0 || s->password.full || str_has(password, '\0'))
		return no(s, SASL_WHY_CREDENTIALS);
	return ask(s, SASL_ASK_PASSWORD);
}

/* message = [authzid] NUL authcid NUL passwd   RFC 4616 §2 */
static enum sasl_want plain(struct sasl *s, struct str in)
{
	struct str acts_for, name, rest;

	if (s->step > 1)
		return no(s, SASL_WHY_SYNTAX);
	if (!str_has(in, '\0'))
		return no(s, SASL_WHY_SYNTAX);
	acts_for = str_cut(in, '\0', &rest);
	if (!str_has(rest, '\0'))
		return no(s, SASL_WHY_SYNTAX);
	name = str_cut(rest, '\0', &rest);
	if (name.n == 0 || !is_name(name) || !is_name(acts_for))
		return no(s, SASL_WHY_CREDENTIALS);
	buf_add(&s->name, name);
	buf_add(&s->acts_for, acts_for);
	return check(s, rest);
}

/* The name, then the password. */
static enum sasl_want login(struct sasl *s, struct str in)
{
	if (s->step == 1) {
		if (in.n == 0 || !is_name(in))
			return no(s, SASL_WHY_CREDENTIALS);
		buf_add(&s->name, in);
		buf_add(&s->out, S("Password:"));
		return SASL_SEND;
	}
	return s->step == 2 ? check(s, in) : no(s, SASL_WHY_SYNTAX);
}

/* saslname: "=2C" is ",", "=3D" is "="; the characters themselves do not occur   RFC 5802 §5.1 */
static bool saslname_decode(struct str in, struct buf *ret)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '=') {
			buf_add_char(ret, in.p[i]);
			continue;
		}
		if (str_eq(str_sub(in, i, 3), S("=2C")))
			buf_add_char(ret, ',');
		else if (str_eq(str_sub(in, i, 3), S("=3D")))
			buf_add_char(ret, '=');
		else
			return false;
		i += 2;
	}
	return !ret->full && ret->n > 0 && is_name(buf_str(ret));
}

/* The value of "x=value" up to the next comma; *in goes on behind it. */
static bool attribute(struct str *in, char name, struct str *ret)
{
	if (str_at(*in, 0) != (unsigned char)name || str_at(*in, 1) != '=')
		return false;
	*ret = str_cut(str_from(*in, 2), ',', in);
	return true;
}

/* gs2-cbind-flag = "p=" cb-name / "n" / "y"; "y": the client could, and thinks that we cannot. */
static enum sasl_why binding_choose(struct sasl *s, struct str flag)
{
	bool plus = s->mechanism == SASL_SCRAM_SHA_256_PLUS;

	if (str_eq(flag, S("n")))
		return plus ? SASL_WHY_BINDING : SASL_WHY_NONE;
	if (str_eq(flag, S("y")))
		return plus || s->plus_offered ? SASL_WHY_BINDING : SASL_WHY_NONE;
	if (!str_starts(flag, S("p=")))
		return SASL_WHY_SYNTAX;
	if (!plus)
		return SASL_WHY_BINDING;
	for (int i = 0; i < BINDINGS; i++)
		if (s->bindings[i].n && str_eq(str_from(flag, 2), binding_names[i]))
			s->binding = i;
	return s->binding < 0 ? SASL_WHY_BINDING : SASL_WHY_NONE;
}

/* gs2-header = gs2-cbind-flag "," [ "a=" saslname ] ","   RFC 5801 §4 */
static enum sasl_why gs2_header(struct sasl *s, struct str *in)
{
	struct str rest, all = *in, flag = str_cut(all, ',', &rest), acts_for;
	enum sasl_why why = binding_choose(s, flag);

	if (why != SASL_WHY_NONE)
		return why;
	if (!str_has(rest, ','))
		return SASL_WHY_SYNTAX;
	acts_for = str_cut(rest, ',', &rest);
	if (acts_for.n && (!str_starts(acts_for, S("a=")) || !saslname_decode(str_from(acts_for, 2), &s->acts_for)))
		return SASL_WHY_SYNTAX;
	buf_add(&s->gs2, str_head(all, all.n - rest.n));
	*in = rest;
	return s->gs2.full ? SASL_WHY_SYNTAX : SASL_WHY_NONE;
}

/* printable = %x21-2B / %x2D-7E: anything but a comma */
static bool is_nonce(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) < 0x21 || str_at(s, i) > 0x7e || s.p[i] == ',')
			return false;
	return s.n > 0;
}

/* client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]   RFC 5802 §7
 * A mandatory extension (m=) is one we do not know. */
static enum sasl_want scram_first(struct sasl *s, struct str in)
{
	struct str name, nonce, bare;
	enum sasl_why why = in.n <= SASL_MESSAGE_MAX / 2 ? gs2_header(s, &in) : SASL_WHY_SYNTAX;

	if (why != SASL_WHY_NONE)
		return no(s, why);
	bare = in;
	if (!attribute(&in, 'n', &name) || !attribute(&in, 'r', &nonce) || !is_nonce(nonce))
		return no(s, SASL_WHY_SYNTAX);
	if (!utf8_valid(bare) || str_has(bare, '\0'))
		return no(s, SASL_WHY_SYNTAX);
	if (!saslname_decode(name, &s->name)) {
		buf_clear(&s->name);
		return no(s, SASL_WHY_CREDENTIALS);
	}
	buf_add(&s->nonce, nonce);
	buf_add(&s->nonce, str_from_z(s->server_nonce));
	buf_add(&s->message, bare);
	buf_add_char(&s->message, ',');
	return s->nonce.full || s->message.full ? no(s, SASL_WHY_SYNTAX) : ask(s, SASL_ASK_SALT);
}

/* cbind-input = gs2-header [ cbind-data ], in base64: is it what we see? */
static bool binding_fits(const struct sasl *s, struct str base64)
{
	char mem[sizeof(s->gs2_mem) + SASL_BINDING_MAX], expected_mem[2 * sizeof(mem)];
	struct buf b = buf_over(mem, sizeof(mem)), expected = buf_over(expected_mem, sizeof(expected_mem));

	buf_add(&b, buf_str(&s->gs2));
	if (s->binding >= 0)
		buf_add(&b, str_of(s->bindings[s->binding].p, s->bindings[s->binding].n));
	base64_add(&expected, buf_str(&b));
	return !b.full && !expected.full && str_eq_secret(buf_str(&expected), base64);
}

/* client-final-message = "c=" base64 "," "r=" c-nonce s-nonce ["," extensions] "," "p=" base64 */
static enum sasl_want scram_final(struct sasl *s, struct str in)
{
	AUTO(arena_end) struct arena a = { .limit = 1024 };
	size_t at = str_rfind(in, ',');
	struct str without_proof = str_head(in, at), last = str_from(in, at + 1), binding, nonce, base64, proof;

	in = without_proof;
	if (!attribute(&in, 'c', &binding) || !attribute(&in, 'r', &nonce) || !attribute(&last, 'p', &base64) ||
	    str_starts(in, S("m=")))
		return no(s, SASL_WHY_SYNTAX);
	if (!binding_fits(s, binding))
		return no(s, SASL_WHY_BINDING);
	if (!str_eq(nonce, buf_str(&s->nonce)))
		return no(s, SASL_WHY_CREDENTIALS);
	if (base64.n > 64 || !base64_decode(base64, &a, &proof) || proof.n != SASL_PROOF)
		return no(s, SASL_WHY_SYNTAX);
	memcpy(s->proof, proof.p, SASL_PROOF);
	s->has_proof = true;
	buf_add_char(&s->message, ',');
	buf_add(&s->message, without_proof);
	return s->message.full ? no(s, SASL_WHY_SYNTAX) : ask(s, SASL_ASK_PROOF);
}

static enum sasl_want scram(struct sasl *s, struct str in)
{
	if (s->step == 1)
		return scram_first(s, in);
	if (s->step == 2)
		return scram_final(s, in);
	/* the client has checked us, and says nothing more */
	return in.n == 0 ? SASL_OK : no(s, SASL_WHY_SYNTAX);
}

static enum sasl_want take(struct sasl *s, struct str message)
{
	s->step++;
	buf_clear(&s->out);
	switch (s->mechanism) {
	case SASL_PLAIN:
		return plain(s, message);
	case SASL_LOGIN:
		return login(s, message);
	case SASL_SCRAM_SHA_256:
	case SASL_SCRAM_SHA_256_PLUS:
		return scram(s, message);
	default:
		return no(s, SASL_WHY_SYNTAX);
	}
}

static enum sasl_want take_base64(struct sasl *s, struct str line)
{
	AUTO(arena_end) struct arena a = { .limit = LINE_MAX_BYTES + 64 };
	struct str message = { 0 };
	enum sasl_want want;

	if (line.n > LINE_MAX_BYTES || !base64_decode(line, &a, &message))
		return no(s, SASL_WHY_BASE64);
	want = take(s, message);
	if (message.n)
		explicit_bzero((char *)message.p, message.n);
	return want;
}

enum sasl_want sasl_begin(struct sasl *s, bool has_initial, struct str initial)
{
	must(s->step == 0 && s->why == SASL_WHY_NONE, "an exchange begins once");
	if (has_initial)
		return str_eq(initial, S("=")) ? take(s, S("")) : take_base64(s, initial);
	if (s->mechanism == SASL_LOGIN)
		buf_add(&s->out, S("Username:"));
	return SASL_SEND;
}

enum sasl_want sasl_answer(struct sasl *s, struct str line)
{
	must(!s->waits && s->why == SASL_WHY_NONE, "the client is heard when it was asked");
	if (str_eq(line, S("*")))
		return no(s, SASL_WHY_CANCELLED);
	return take_base64(s, line);
}

static void answered(struct sasl *s)
{
	must(s->waits, "an answer follows a question");
	s->waits = false;
}

enum sasl_want sasl_checked(struct sasl *s, bool fits)
{
	answered(s);
	explicit_bzero(s->password_mem, sizeof(s->password_mem));
	buf_clear(&s->password);
	return fits ? SASL_OK : no(s, SASL_WHY_CREDENTIALS);
}

/* server-first-message = nonce "," salt "," iteration-count */
enum sasl_want sasl_salt(struct sasl *s, struct str salt, uint32_t iterations)
{
	size_t begin = s->message.n;

	answered(s);
	buf_add(&s->message, S("r="));
	buf_add(&s->message, buf_str(&s->nonce));
	buf_add(&s->message, S(",s="));
	base64_add(&s->message, str_head(salt, SASL_SALT_MAX));
	buf_addf(&s->message, ",i=%u", iterations);
	buf_add(&s->out, str_from(buf_str(&s->message), begin));
	return s->message.full || s->out.full ? no(s, SASL_WHY_SYNTAX) : SASL_SEND;
}

/* server-final-message = verifier; the client answers with nothing. */
enum sasl_want sasl_proved(struct sasl *s, bool fits, const uint8_t signature[SASL_PROOF])
{
	answered(s);
	if (!fits)
		return no(s, SASL_WHY_CREDENTIALS);
	buf_add(&s->out, S("v="));
	base64_add(&s->out, str_of(signature, SASL_PROOF));
	return SASL_SEND;
}

struct str sasl_out(const struct sasl *s)
{
	return buf_str(&s->out);
}

enum sasl_why sasl_why(const struct sasl *s)
{
	return s->why;
}

struct str sasl_name(const struct sasl *s)
{
	return buf_str(&s->name);
}

struct str sasl_acts_for(const struct sasl *s)
{
	return buf_str(&s->acts_for);
}

struct str sasl_password(const struct sasl *s)
{
	return buf_str(&s->password);
}

struct str sasl_auth_message(const struct sasl *s)
{
	return buf_str(&s->message);
}

struct str sasl_proof(const struct sasl *s)
{
	return s->has_proof ? str_of(s->proof, SASL_PROOF) : S("");
}
