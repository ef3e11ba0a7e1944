/* sign.c — signatures for letters of ours, seals for those that are passed on.
 *
 * It holds a read-only descriptor of one letter and a channel to `keys`, and nothing else.  It reads fields of the
 * header and hashes bytes; what a letter means is nothing to it.  The keys are named by the queue, and `keys` signs the
 * hashes. */
#include "role/sign/signing.h"

#include "trust/dkim_letter.h"

#include <sys/stat.h>

SUSPENDS static bool serve_letter(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct sign_letter *q = question;
	struct stat st;

	(void)l;
	if (q->letter > 0 && (fstat(q->letter, &st) || st.st_size < 0 || q->size > (uint64_t)st.st_size))
		return fail(e, FAULT_PERM, "the letter is shorter than it is said to be");
	if (q->letter <= 0 && q->bytes.n != q->size)
		return fail(e, FAULT_PERM, "the letter is not as long as it is said to be");
	return signing_run(q, answer, a, e);
}

SUSPENDS static bool prepare(struct err *e)
{
	uint8_t hash[32];

	(void)e;
	(void)dkim_sha256(S(""), hash);          /* the library loads what it needs */
	ipc_serve(IPC_sign_letter, serve_letter);
	return true;
}

const struct role_def role_sign = { .role = ROLE_SIGN, .prepare = prepare };
