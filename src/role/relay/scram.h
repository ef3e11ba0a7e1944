/* scram.h — SCRAM-SHA-256 as the client (RFC 5802, RFC 7677), without channel binding.
 *
 * It proves to the server that we know the password without telling it, and that
 * the server knows it too. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum {
	SCRAM_ITERATIONS_MAX = 200000,   /* what a hostile server could keep us busy with */
	SCRAM_ITERATIONS_MIN = 4096,     /* RFC 7677 §4 */
	SCRAM_MESSAGE_MAX = 1024,
	SCRAM_HASH = 32,
};

struct scram {
	char first[SCRAM_MESSAGE_MAX];   /* client-first-message-bare */
	size_t first_n;
	uint8_t server_signature[SCRAM_HASH];
};

/* client-first-message; nonce: printable, without a comma. */
bool scram_first(struct scram *s, struct str user, struct str nonce, struct buf *to, struct err *e);
/* From server-first-message to client-final-message. */
bool scram_final(struct scram *s, struct str server_first, struct str password, struct buf *to, struct err *e);
/* Does server-final-message prove that the server knows the password? */
bool scram_check(const struct scram *s, struct str server_final);
