/* refused.c — what is refused before the queue has its bytes: the facts go into the ring of refused letters. */
#include "role/smtpd/refused.h"

#include "spam/verdict.h"

enum { BARRED_MAX = 100 };               /* recipients that are noted of one letter */

void refused_note_rcpt(struct session *s, const struct smtp_command *rcpt, const struct reply *r)
{
	struct transaction *t = s->t;
	struct ipc_rcpt *to;

	if (reply_row(r->id)->code < 500 || t->n_barred == BARRED_MAX)
		return;
	if (!t->barred)
		t->barred = ARENA_ARRAY(&t->a, struct ipc_rcpt, BARRED_MAX);
	if (!t->barred)
		return;
	to = &t->barred[t->n_barred++];
	to->address = arena_str(&t->a, rcpt->path.text);
	to->notify = (uint8_t)rcpt->notify;
	t->barred_by = r->id;
	t->barred_why = arena_str(&t->a, s->note.found ? s->note.found->why : s->note.why);
}

static void tell(const struct session *s, const struct transaction *t, enum reply_id reply, struct str why,
		 const struct ipc_rcpt *rcpts, size_t n)
{
	struct tls_facts tls = conn_tls_facts(&s->conn);
	char mem[128];
	struct buf words = buf_over(mem, sizeof(mem));

	if (tls.version.n)
		buf_addf(&words, STR_FMT " " STR_FMT, STR_ARG(tls.version), STR_ARG(tls.cipher));
	if (!link_to(ROLE_QUEUE))
		return;
	queue_refused(link_to(ROLE_QUEUE), &(struct queue_refused){
		.id = t->id, .reply = (uint16_t)reply, .why = why.n ? why : str_from_z(reply_row(reply)->text),
		.mail_from = t->mail_from, .body = (uint8_t)t->body_type, .smtputf8 = t->utf8, .ret = (uint8_t)t->ret,
		.envid = t->envid, .received = time_now(), .peer = str_from_z(s->peer), .host = str_from_z(s->host),
		.host_confirmed = s->host_is_confirmed, .helo = str_from_z(s->helo),
		.protocol = s->is_esmtp ? S("ESMTP") : S("SMTP"), .tls = buf_str(&words), .port = s->port,
		.rcpts = { (struct ipc_rcpt *)(uintptr_t)rcpts, n } });
}

void refused_tell(const struct session *s, const struct transaction *t)
{
	if (t->n_barred && !t->is_ours && t->id)
		tell(s, t, t->barred_by, t->barred_why, t->barred, t->n_barred);
}

void refused_tell_letter(const struct session *s, const struct transaction *t, enum reply_id reply)
{
	size_t n = t->n_rcpts < BARRED_MAX ? t->n_rcpts : BARRED_MAX;

	if (!t->is_ours && t->id && reply_row(reply)->code >= 500)
		tell(s, t, reply, S(""), t->rcpts, n);
}
