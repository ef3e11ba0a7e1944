/* scan.h — what the files of role `scan` share. */
#pragma once

#include "base/buf.h"
#include "role/runtime.h"
#include "spam/verdict.h"
#include "trust/auth.h"
#include "trust/header_sender.h"

/* Letters that are being read across a wait: the process does not end by itself meanwhile. */
extern unsigned scan_in_hand;

/* seven_bit.c */
SUSPENDS bool serve_seven_bit(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
/* report.c: a DMARC report in a letter */
SUSPENDS bool serve_report(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
/* mail.c: waxwing doctor mail */
SUSPENDS bool serve_mail(struct link *l, void *question, void *answer, struct arena *a, struct err *e);

/* auth.c: `waxwing test auth`.  auth_prepare() opens the list of public suffixes, before the right to files goes. */
void auth_prepare(void);
SUSPENDS bool serve_auth(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
/* What letters are looked at with; `dns` outlives it. */
struct auth_means auth_means_of(const struct trust_dns *dns);
/* Who brought the letter; mail_from "<>" and empty are the null path. */
bool auth_client_read(struct str peer, struct str helo, struct str mail_from, struct arena *a, struct auth_client *ret,
		      struct err *e);

/* hash_inputs.c: what its signatures and seals are about. */
SUSPENDS bool hash_inputs_tell(const struct auth *x, const struct letter_src *src, struct scan_auth_answer *r, struct arena *a,
			       struct err *e);

/* stranger.c: who a stranger's letter is from, and what follows. */
struct stranger {
	bool is_looked_at;
	struct auth_client client;
	struct auth *auth;
	struct header_sender sender;     /* if a line asks for it */
	struct finding *found;           /* one for each line `check` that is about the letter */
	size_t n_found;
	const struct finding *refusal;   /* for good or for now; NULL: none */
	bool is_junk;                    /* as the domain in From asks */
	bool is_temporary;               /* the letter would wait for something that could not be asked */
};
/* auth_end(ret->auth) is due in any case unless that is NULL.  false: cancelled, or the letter cannot be read. */
SUSPENDS bool stranger_look(const struct scan_letter *q, struct str head, const struct letter_src *src, struct arena *a,
			    struct stranger *ret, struct err *e);
/* The fields that tell those behind us. */
bool stranger_add_fields(const struct stranger *s, struct buf *b, struct arena *a);
/* What the letter has, and what of it counts: q's signals and those found here; signers, author, results, findings.  false:
 * no memory. */
bool stranger_tell(const struct stranger *s, const struct scan_letter *q, struct scan_letter_answer *r, struct arena *a);
/* The reply of s->refusal. */
void stranger_refuse(const struct stranger *s, const struct scan_letter *q, struct scan_letter_answer *r, struct arena *a);
