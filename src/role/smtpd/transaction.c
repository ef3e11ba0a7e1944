/* transaction.c — one letter from MAIL to its reply; see transaction.h. */
#include "role/smtpd/transaction.h"

#include "conf/conf.h"
#include "ipc/say.h"

#include <stdlib.h>

/* An address twice, and what DSN adds to it; lists grow by doubling. */
enum { RCPT_BYTES = 2 * (LOCAL_MAX + DOMAIN_MAX) + SMTP_ORCPT_MAX + 4 * sizeof(struct ipc_rcpt), FIRST_RCPTS = 4,
       SIGNAL_BYTES = 512 };

struct transaction *transaction_open(uint64_t id, const struct smtp_command *mail, const struct conf_inbound *in,
				     bool normalize)
{
	struct transaction *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct transaction){ .a = { .limit = 16384 + in->checks.n * SIGNAL_BYTES + (size_t)in->max_recipients * RCPT_BYTES }, .id = id,
				   .body_type = mail->body, .ret = mail->ret, .utf8 = mail->utf8 };
	t->mail_from = arena_str(&t->a, mail->path.text);
	t->envid = arena_str(&t->a, mail->envid);
	body_init(&t->body, in, normalize);
	if (t->a.full)
		transaction_close(&t);
	return t;
}

void transaction_close(struct transaction **t)
{
	if (!*t)
		return;
	body_end(&(*t)->body);
	if ((*t)->id && link_to(ROLE_QUEUE))
		queue_forget(link_to(ROLE_QUEUE), &(struct queue_forget){ .id = (*t)->id });
	arena_end(&(*t)->a);
	free(*t);
	*t = NULL;
}

bool transaction_add_rcpt(struct transaction *t, const struct smtp_command *rcpt, uint64_t epoch,
			  struct err *e)
{
	struct ipc_rcpt r = { .notify = (uint8_t)rcpt->notify, .epoch = epoch };

	if (t->n_rcpts == t->cap_rcpts) {
		size_t cap = t->cap_rcpts ? 2 * t->cap_rcpts : FIRST_RCPTS;
		struct ipc_rcpt *p = ARENA_ARRAY(&t->a, struct ipc_rcpt, cap);

		if (!p)
			return fail(e, FAULT_TEMP, "no memory for recipients");
		if (t->n_rcpts)
			memcpy(p, t->rcpts, t->n_rcpts * sizeof(*p));
		t->rcpts = p;
		t->cap_rcpts = cap;
	}
	r.address = arena_str(&t->a, rcpt->path.text);
	r.local = arena_str(&t->a, rcpt->path.local);
	r.domain = arena_str(&t->a, rcpt->path.domain);
	if (rcpt->has_orcpt)
		r.orcpt = arena_printf(&t->a, STR_FMT ";" STR_FMT, STR_ARG(rcpt->orcpt_type), STR_ARG(rcpt->orcpt));
	if (t->a.full)
		return fail(e, FAULT_TEMP, "no memory for recipients");
	t->rcpts[t->n_rcpts++] = r;
	return true;
}
