/* password.h — what is kept of a password, and how one is checked.
 *
 * Kept are a yescrypt hash, for clients that send the password, and a
 * SCRAM-SHA-256 verifier (RFC 5802, RFC 7677), for those that do not, both of its
 * SASLprep form (user/saslprep.h).  One hash takes about 90 ms and 16 MiB: these functions are meant for a thread. */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum {
	PASSWORD_MAX = 1024,             /* bytes */
	PASSWORD_HASH_MAX = 192,
	SCRAM_SALT = 16,
	SCRAM_KEY = 32,
	SCRAM_ITERATIONS = 4096,         /* RFC 7677 §4: no less */
	SCRAM_ITERATIONS_MAX = 1000000,
};

struct scram_verifier {
	uint32_t iterations;
	uint8_t salt[SCRAM_SALT];
	uint8_t stored_key[SCRAM_KEY];
	uint8_t server_key[SCRAM_KEY];
};

struct password_record {
	char hash[PASSWORD_HASH_MAX];    /* as crypt(3) writes it, NUL-terminated; empty: nothing fits */
	struct scram_verifier scram;     /* iterations 0: none */
};

/* 1…1024 bytes of valid UTF-8 without NUL. */
bool password_check(struct str password, struct err *e);

/* Salts are new each time. */
bool password_make(struct str password, struct password_record *ret, struct err *e);

/* Does it fit?  r is NULL for a user who does not exist: the answer is no, and takes as long. */
bool password_fits(const struct password_record *r, struct str password);

/* The verifier of a password under a given salt; pure. */
bool scram_verifier_make(struct str password, const uint8_t salt[SCRAM_SALT], uint32_t iterations,
			 struct scram_verifier *ret, struct err *e);

/* A hash made elsewhere, in any format of crypt(3): does libxcrypt take it? */
bool password_take_hash(struct str hash, struct password_record *ret, struct err *e);

/* RFC 5802 §3: was this proof over auth_message made with the password behind v?  ret is written
 * either way; it is the server's signature only if so.  Takes as long for NULL. */
bool scram_proof_fits(const struct scram_verifier *v, struct str auth_message, struct str proof,
		      uint8_t ret[SCRAM_KEY]);

void password_record_end(struct password_record *r);
