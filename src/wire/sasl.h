/* sasl.h — the server's side of SASL: PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login),
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677).
 *
 * A pure state machine.  It says what it wants next; the owner does it and tells the result:
 *
 *	want = sasl_begin(s, has_initial, initial);
 *	for (;;) switch (want) {
 *	case SASL_SEND:         send base64 of sasl_out(s) ("+ …", "334 …"); want = sasl_answer(s, line)
 *	case SASL_ASK_PASSWORD: does sasl_password(s) fit sasl_name(s)?  want = sasl_checked(s, yes)
 *	case SASL_ASK_SALT:     salt and iterations of sasl_name(s); want = sasl_salt(s, salt, iterations)
 *	case SASL_ASK_PROOF:    does sasl_proof(s) fit sasl_auth_message(s)?  want = sasl_proved(s, yes, signature)
 *	case SASL_OK:           it is sasl_name(s)
 *	case SASL_NO:           sasl_why(s)
 *	}
 *
 * It computes nothing secret and never sees a verifier: whoever keeps them answers the two SCRAM
 * questions (user/password.h), for unknown names too, so that they look alike. */
#pragma once

#include "base/str.h"

enum {
	SASL_NAME_MAX = 255,             /* octets of a name */
	SASL_PASSWORD_MAX = 1024,
	SASL_MESSAGE_MAX = 2048,         /* octets of a SCRAM message */
	SASL_AUTH_MESSAGE_MAX = 4096,
	SASL_SALT_MAX = 64,
	SASL_PROOF = 32,                 /* octets of SHA-256 */
	SASL_NONCE = 18,                 /* octets of ours, before base64 */
	SASL_BINDING_MAX = 64,           /* octets of channel binding data */
};

enum sasl_mechanism {
	SASL_NONE,
	SASL_PLAIN,
	SASL_LOGIN,
	SASL_SCRAM_SHA_256,
	SASL_SCRAM_SHA_256_PLUS,
	SASL_MECHANISM_COUNT
};

enum sasl_want {
	SASL_SEND,
	SASL_ASK_PASSWORD,
	SASL_ASK_SALT,
	SASL_ASK_PROOF,
	SASL_OK,
	SASL_NO,
};

enum sasl_why {
	SASL_WHY_NONE,
	SASL_WHY_CREDENTIALS,    /* wrong, or the name cannot exist: always said in the same words */
	SASL_WHY_CANCELLED,      /* "*" */
	SASL_WHY_BASE64,
	SASL_WHY_SYNTAX,         /* not a message of this mechanism */
	SASL_WHY_BINDING,        /* channel binding: wrong, or taken away on the way (downgrade) */
};

/* What is known of the connection; all zero without TLS.  A binding of length 0 is not there. */
struct sasl_channel {
	struct str tls_exporter;         /* RFC 9266 §4.2: 32 octets */
	struct str tls_unique;           /* RFC 5929 §3: TLS 1.2 with extended master secret only */
	struct str tls_server_end_point; /* RFC 5929 §4: hash of our certificate */
	bool plus_offered;               /* SCRAM-SHA-256-PLUS is in our list: "y" is a downgrade */
};

struct sasl;

/* "SCRAM-SHA-256", in any letter case; SASL_NONE if it is none of ours. */
enum sasl_mechanism sasl_mechanism_parse(struct str name);
struct str sasl_mechanism_name(enum sasl_mechanism m);

/* `channel` is copied.  `nonce`: SASL_NONCE random octets. */
struct sasl *sasl_open(enum sasl_mechanism m, const struct sasl_channel *channel, const uint8_t nonce[SASL_NONCE]);
/* Wipes. */
void sasl_close(struct sasl *s);
void sasl_end(struct sasl **s);          /* for AUTO(sasl_end) */

/* `initial` is base64 as the client wrote it, "=" if it is empty. */
enum sasl_want sasl_begin(struct sasl *s, bool has_initial, struct str initial);
/* A line of the client, base64 or "*". */
enum sasl_want sasl_answer(struct sasl *s, struct str line);
enum sasl_want sasl_checked(struct sasl *s, bool fits);
enum sasl_want sasl_salt(struct sasl *s, struct str salt, uint32_t iterations);
enum sasl_want sasl_proved(struct sasl *s, bool fits, const uint8_t signature[SASL_PROOF]);

/* What to send, before base64; may be empty. */
struct str sasl_out(const struct sasl *s);
enum sasl_why sasl_why(const struct sasl *s);
/* Who it is: authcid.  Valid UTF-8 without control characters. */
struct str sasl_name(const struct sasl *s);
/* For whom it wants to act: authzid; empty if it said none. */
struct str sasl_acts_for(const struct sasl *s);
struct str sasl_password(const struct sasl *s);
struct str sasl_auth_message(const struct sasl *s);
struct str sasl_proof(const struct sasl *s);
