/* checks.h — what strangers are looked at for: the lines `check …` of the configuration.
 *
 * What concerns the client alone is asked as soon as it is connected, while it reads the greeting;
 * what concerns a letter at its first recipient.  Each signal is asked for once.  Who is known
 * (friends, networks, whoever has logged in, programs of this machine) is not looked at. */
#pragma once

#include "role/runtime.h"
#include "spam/verdict.h"
#include "wire/address.h"
#include "wire/smtp_reply.h"

struct checks;
struct session;
struct smtp_command;

/* About this client; NULL: nothing is to be looked at, or no memory.  conf outlives it.  is_real:
 * it is counted, and whoever is put off is remembered. */
struct checks *checks_open(const struct conf *conf, const uint8_t addr[16], const uint8_t ours[16],
			   bool is_real);
/* For AUTO. */
SUSPENDS void checks_close(struct checks **c);

struct checks_letter {
	uint64_t id; /* another one: what concerns the letter is asked anew */
	struct str helo;
	struct str mail_from; /* empty for <> */
	struct str rcpt_local;
};

struct checks_result {
	const struct finding
		*p; /* one for each line, in its order; they live as long as the letter */
	size_t n;
	struct spam_verdict verdict;
	const char *let_in; /* why it goes on although it would be refused, or NULL */
	struct reply reply; /* REPLY_NONE: it goes on */
};
/* What becomes of this recipient.  false only if this fiber was cancelled or its deadline passed.
 */
SUSPENDS bool checks_decide(struct checks *c, const struct checks_letter *l, struct arena *a,
		   struct checks_result *ret, struct err *e);

/* Begin with the client of a session. */
void checks_begin(struct session *s);
/* At RCPT: may it go on?  Else *ret is the refusal. */
SUSPENDS bool checks_pass(struct session *s, const struct smtp_command *rcpt, struct reply *ret);

/* rehearse.c: waxwing test rcpt. */
SUSPENDS bool serve_test_rcpt(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
