/* transaction.c — one letter to one server: MAIL, RCPT, DATA or BDAT, and what each answer means.
 *
 * With PIPELINING the envelope goes as one group (RFC 2920 §3.1).  Each recipient
 * has its own outcome; what the server said of the letter holds for all that it
 * took.  Between the final dot and its answer nobody knows whether the letter
 * arrived: then it is tried again later, and may be there twice. */
#include "role/relay/relay.h"
#include "role/relay/peer.h"

#include "base/utf8.h"
#include "wire/address.h"
#include "wire/smtp_command.h"
#include "wire/text.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	RCPTS_MAX = 100,         /* of one transaction: what every server must take (RFC 5321 §4.5.3.1.8) */
	LINE_MAX_BYTES = 1000,
	HEADER_LOOK_MAX = 1 << 20,
};

/* What is under way. */
struct transaction {
	struct peer *s;
	struct job *j;
	bool use_utf8;           /* SMTPUTF8 */
	bool sent_data;          /* DATA stands in the group */
	size_t taken;            /* recipients */
	bool is_over;            /* the server has answered the end of a letter: nothing of it stands there */
	bool too_many;           /* 452 behind recipients that were taken: the rest in another transaction */
};

static enum relay_outcome outcome_of(unsigned code)
{
	return code / 100 == 2 ? RELAY_SENT : code / 100 == 5 ? RELAY_NEVER : RELAY_LATER;
}

static void note_busy(struct transaction *t)
{
	unsigned code = t->s->r->code;

	if (code == 421 || code == 450 || code == 451 || code == 452)
		t->j->hint = RELAY_BUSY;
}

static void decide_rcpt(struct transaction *t, struct relay_rcpt *r, enum relay_outcome outcome)
{
	char mem[RELAY_TEXT_MAX + 8];
	struct buf b = buf_over(mem, sizeof(mem));

	client_reply_print(t->s->r, &b, RELAY_TEXT_MAX);
	rcpt_decide(t->j, r, outcome, buf_str(&b));
	r->is_dsn_relayed = outcome == RELAY_SENT && t->s->ext.set & SMTP_EXT_DSN;
}

/* All that are asked in this transaction and undecided get what the server just said. */
static void decide_by_reply(struct transaction *t, enum relay_outcome outcome)
{
	note_busy(t);
	for (size_t i = 0; i < t->j->n_rcpts; i++)
		if (!t->j->rcpts[i].is_decided && t->j->rcpts[i].is_asked)
			decide_rcpt(t, &t->j->rcpts[i], outcome);
}

static void decide_asked(struct transaction *t, enum relay_outcome outcome, const char *text)
{
	for (size_t i = 0; i < t->j->n_rcpts; i++)
		if (!t->j->rcpts[i].is_decided && t->j->rcpts[i].is_asked)
			rcpt_decide(t->j, &t->j->rcpts[i], outcome, str_from_z(text));
}

/* -- before the first word ------------------------------------------------------------ */

/* No octet over 127 up to the empty line. */
static bool header_is_ascii(struct job *j)
{
	char *block = j->src.fd >= 0 ? malloc(LETTER_BLOCK) : NULL;
	struct letter_reader r;
	struct str piece;
	size_t seen = 0;
	bool is_ascii = true, is_over = false;
	struct err e;

	if ((j->src.fd >= 0 && !block) || !letter_reader_init(&r, &j->src, &j->view, block, &e)) {
		free(block);
		return false;
	}
	while (is_ascii && !is_over && seen < HEADER_LOOK_MAX && letter_reader_next(&r, &piece, &e) && piece.n) {
		size_t end = str_find_str(piece, S("\r\n\r\n"));

		is_over = end < piece.n && piece.p != j->view.prefix.p;
		is_ascii = str_is_ascii(str_head(piece, is_over ? end : piece.n));
		seen += piece.n;
	}
	free(block);
	return is_ascii;
}

/* Where only the domain is not ASCII it has an ASCII form (RFC 6531 §3.2). */
static bool to_ascii(struct str address, struct arena *a, struct str *ret)
{
	size_t at = str_rfind(address, '@');
	struct str folded;

	*ret = address;
	if (str_is_ascii(address))
		return true;
	if (at == address.n || !str_is_ascii(str_head(address, at)) ||
	    !address_domain_fold(str_from(address, at + 1), a, &folded))
		return false;
	*ret = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(str_head(address, at)), STR_ARG(folded));
	return ret->n > 0;
}

/* RFC 6531 §3.5: who needs SMTPUTF8 cannot go to a server without it. */
static void judge_utf8(struct transaction *t)
{
	struct job *j = t->j;
	bool needs = j->is_utf8 || !str_is_ascii(j->mail_from);

	for (size_t i = 0; i < j->n_rcpts; i++)
		needs |= j->rcpts[i].is_asked && !str_is_ascii(j->rcpts[i].address);
	t->use_utf8 = needs && t->s->ext.set & SMTP_EXT_SMTPUTF8;
	if (!needs || t->use_utf8)
		return;
	if (!to_ascii(j->mail_from, &j->a, &j->mail_from)) {
		decide_asked(t, RELAY_NEVER, "550 5.6.7 the server takes no addresses beyond ASCII (SMTPUTF8), and the sender's is one");
		return;
	}
	if (j->is_utf8 && !header_is_ascii(j)) {
		decide_asked(t, RELAY_NEVER, "550 5.6.7 the server takes no letters with a header beyond ASCII (SMTPUTF8)");
		return;
	}
	for (size_t i = 0; i < j->n_rcpts; i++)
		if (j->rcpts[i].is_asked && !j->rcpts[i].is_decided &&
		    !to_ascii(j->rcpts[i].address, &j->a, &j->rcpts[i].address))
			rcpt_decide(j, &j->rcpts[i], RELAY_NEVER,
				    S("550 5.6.7 the server takes no addresses beyond ASCII (SMTPUTF8)"));
}

static void judge_size(struct transaction *t)
{
	const struct smtp_extensions *x = &t->s->ext;
	char text[120];

	if (x->set & SMTP_EXT_SIZE && x->size_max && t->j->size > x->size_max) {
		snprintf(text, sizeof(text), "552 5.3.4 the letter has %llu octets, the server takes %llu",
			 (unsigned long long)t->j->size, (unsigned long long)x->size_max);
		decide_asked(t, RELAY_NEVER, text);
	}
}

/* Not before it is known that the addresses can be said: the letter in 7 bits has the same. */
static void judge_8bit(struct transaction *t)
{
	if (t->j->is_8bit && !(t->s->ext.set & SMTP_EXT_8BITMIME))
		decide_asked(t, RELAY_NEEDS_7BIT, "554 5.6.3 the server takes letters of 7 bits only");
}

/* -- lines ------------------------------------------------------------------------------ */

/* Nothing but visible text and, with SMTPUTF8, UTF-8 goes into a command. */
static bool is_sayable(struct str address, bool utf8)
{
	for (size_t i = 0; i < address.n; i++)
		if (str_at(address, i) < ' ' || address.p[i] == 0x7f)
			return false;
	return utf8 ? utf8_valid(address) : str_is_ascii(address);
}

static bool add_mail(struct transaction *t, struct buf *b)
{
	const struct job *j = t->j;
	unsigned set = t->s->ext.set;

	buf_add(b, S("MAIL FROM:<"));
	buf_add(b, j->mail_from);
	buf_add_char(b, '>');
	if (set & SMTP_EXT_SIZE)
		buf_addf(b, " SIZE=%llu", (unsigned long long)j->size);
	if (j->is_8bit)
		buf_add(b, S(" BODY=8BITMIME"));
	if (t->use_utf8)
		buf_add(b, S(" SMTPUTF8"));
	if (set & SMTP_EXT_DSN && j->ret != DSN_RET_NONE)
		buf_add(b, j->ret == DSN_RET_FULL ? S(" RET=FULL") : S(" RET=HDRS"));
	if (set & SMTP_EXT_DSN && j->envid.n) {
		buf_add(b, S(" ENVID="));
		xtext_add(b, j->envid);
	}
	return !b->full && is_sayable(j->mail_from, t->use_utf8);
}

/* RFC 3461 §4.1 */
static void add_notify(struct buf *b, unsigned notify)
{
	static const struct {
		unsigned bit;
		struct str word;
	} words[] = { { DSN_NOTIFY_NEVER, S("NEVER") }, { DSN_NOTIFY_SUCCESS, S("SUCCESS") },
		      { DSN_NOTIFY_FAILURE, S("FAILURE") }, { DSN_NOTIFY_DELAY, S("DELAY") } };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (notify & words[i].bit) {
			buf_add(b, n++ ? S(",") : S(" NOTIFY="));
			buf_add(b, words[i].word);
		}
}

/* "rfc822;" xtext, or "utf-8;" in the form that the transaction may carry (RFC 6533 §3).  What gets too long by it is
 * left out. */
static void add_orcpt(struct buf *b, struct str orcpt, bool use_utf8)
{
	struct str address, type = str_cut(orcpt, ';', &address);
	char mem[SMTP_ORCPT_MAX];
	struct buf text = buf_over(mem, sizeof(mem));

	if (!type.n || !address.n || !str_is_ascii(type) || str_has(type, ' '))
		return;
	if (str_eq_nocase(type, S("utf-8")) || !str_is_ascii(address)) {
		buf_add(&text, S("utf-8;"));
		unitext_add(&text, address, use_utf8);
	} else {
		buf_add(&text, type);
		buf_add_char(&text, ';');
		xtext_add(&text, address);
	}
	if (text.full)
		return;
	buf_add(b, S(" ORCPT="));
	buf_add(b, buf_str(&text));
}

static bool add_rcpt(struct transaction *t, const struct relay_rcpt *r, struct buf *b)
{
	buf_add(b, S("RCPT TO:<"));
	buf_add(b, r->address);
	buf_add_char(b, '>');
	if (t->s->ext.set & SMTP_EXT_DSN) {
		add_notify(b, r->notify);
		add_orcpt(b, r->orcpt, t->use_utf8);
	}
	return !b->full && is_sayable(r->address, t->use_utf8);
}

/* -- the envelope --------------------------------------------------------------------- */

static void choose(struct transaction *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->j->n_rcpts; i++) {
		struct relay_rcpt *r = &t->j->rcpts[i];

		r->is_taken = false;
		r->is_asked = !r->is_decided && n < RCPTS_MAX;
		n += r->is_asked;
	}
}

static bool is_open(const struct relay_rcpt *r)
{
	return r->is_asked && !r->is_decided;
}

static size_t count_open(const struct job *j)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n_rcpts; i++)
		n += is_open(&j->rcpts[i]);
	return n;
}

SUSPENDS static bool put_mail(struct transaction *t, struct err *e)
{
	char mem[LINE_MAX_BYTES];
	struct buf b = buf_over(mem, sizeof(mem));

	if (add_mail(t, &b))
		return peer_put(t->s, buf_str(&b), e);
	decide_asked(t, RELAY_NEVER, "553 5.1.7 the sender's address cannot be said in SMTP");
	return true;
}

SUSPENDS static bool put_rcpt(struct transaction *t, struct relay_rcpt *r, struct err *e)
{
	char mem[LINE_MAX_BYTES];
	struct buf b = buf_over(mem, sizeof(mem));

	if (add_rcpt(t, r, &b))
		return peer_put(t->s, buf_str(&b), e);
	rcpt_decide(t->j, r, RELAY_NEVER, S("553 5.1.3 the address cannot be said in SMTP"));
	return true;
}

/* MAIL is answered. */
static bool take_mail_reply(struct transaction *t, struct err *e)
{
	unsigned class = client_reply_class(t->s->r);

	if (class == 3)
		return fail(e, FAULT_PEER, "MAIL is answered with 3xx");
	if (class != 2)
		decide_by_reply(t, outcome_of(t->s->r->code));
	return true;
}

static bool take_rcpt_reply(struct transaction *t, struct relay_rcpt *r, struct err *e)
{
	unsigned code = t->s->r->code, class = code / 100;

	if (class == 3)
		return fail(e, FAULT_PEER, "RCPT is answered with 3xx");
	if (r->is_decided)
		return true;             /* MAIL was refused already */
	if (class == 2) {
		r->is_taken = true;
		t->taken++;
		return true;
	}
	note_busy(t);
	/* 552 of old servers means the same (RFC 5321 §4.5.3.1.10) */
	if (t->taken && (code == 452 || code == 552)) {
		t->too_many = true;
		return true;
	}
	decide_rcpt(t, r, outcome_of(code));
	return true;
}

SUSPENDS static bool envelope_pipelined(struct transaction *t, bool with_data, struct err *e)
{
	struct job *j = t->j;
	bool said[RCPTS_MAX] = { 0 };
	size_t k = 0;

	if (!put_mail(t, e))
		return false;
	if (!count_open(j))
		return true;
	for (size_t i = 0; i < j->n_rcpts; i++)
		if (j->rcpts[i].is_asked) {
			said[k++] = !j->rcpts[i].is_decided;
			if (is_open(&j->rcpts[i])) {
				if (!put_rcpt(t, &j->rcpts[i], e))
					return false;
				said[k - 1] = !j->rcpts[i].is_decided;
			}
		}
	if (with_data && !peer_put(t->s, S("DATA"), e))
		return false;
	t->sent_data = with_data;
	if (!peer_read(t->s, WAIT_MAIL, e) || !take_mail_reply(t, e))
		return false;
	k = 0;
	for (size_t i = 0; i < j->n_rcpts; i++)
		if (j->rcpts[i].is_asked && said[k++] &&
		    (!peer_read(t->s, WAIT_RCPT, e) || !take_rcpt_reply(t, &j->rcpts[i], e)))
			return false;
	return true;
}

SUSPENDS static bool envelope_in_turn(struct transaction *t, struct err *e)
{
	struct job *j = t->j;

	if (!put_mail(t, e))
		return false;
	if (!count_open(j))
		return true;
	if (!peer_read(t->s, WAIT_MAIL, e) || !take_mail_reply(t, e))
		return false;
	for (size_t i = 0; i < j->n_rcpts && !t->too_many; i++) {
		if (!is_open(&j->rcpts[i]))
			continue;
		if (!put_rcpt(t, &j->rcpts[i], e))
			return false;
		if (is_open(&j->rcpts[i]) &&
		    (!peer_read(t->s, WAIT_RCPT, e) || !take_rcpt_reply(t, &j->rcpts[i], e)))
			return false;
	}
	return true;
}

/* -- the letter --------------------------------------------------------------------------- */

/* What the server says at the end holds for all that it took. */
static void decide_taken(struct transaction *t, enum relay_outcome outcome)
{
	note_busy(t);
	for (size_t i = 0; i < t->j->n_rcpts; i++)
		if (is_open(&t->j->rcpts[i]) && t->j->rcpts[i].is_taken)
			decide_rcpt(t, &t->j->rcpts[i], outcome);
}

static void decide_taken_text(struct transaction *t, enum relay_outcome outcome, const char *text)
{
	for (size_t i = 0; i < t->j->n_rcpts; i++)
		if (is_open(&t->j->rcpts[i]) && t->j->rcpts[i].is_taken)
			rcpt_decide(t->j, &t->j->rcpts[i], outcome, str_from_z(text));
}

SUSPENDS static bool end_letter(struct transaction *t, struct err *e)
{
	char text[200];

	if (peer_read(t->s, WAIT_END, e)) {
		decide_taken(t, outcome_of(t->s->r->code));
		t->is_over = true;
		return true;
	}
	snprintf(text, sizeof(text), "451 4.4.2 the letter was sent whole, but %.100s: it may arrive twice", e->text);
	decide_taken_text(t, RELAY_LATER, text);
	return false;
}

/* The letter did not leave whole. */
SUSPENDS static bool fail_letter(struct transaction *t, struct err *e)
{
	char text[200];

	if (e->fault == FAULT_PERM) {
		decide_taken_text(t, RELAY_NEVER, e->text);
	} else if (e->fault == FAULT_NONE) {
		decide_taken(t, client_reply_class(t->s->r) == 5 ? RELAY_NEVER : RELAY_LATER);
	} else if (e->fault == FAULT_PEER && peer_last_words(t->s) && client_reply_class(t->s->r) >= 4) {
		decide_taken(t, outcome_of(t->s->r->code));
	} else {
		snprintf(text, sizeof(text), "451 4.4.2 in the middle of the letter: %.130s", e->text);
		decide_taken_text(t, RELAY_LATER, text);
	}
	return fail(e, FAULT_PEER, "the letter was not sent whole");
}

SUSPENDS static bool send_data(struct transaction *t, struct err *e)
{
	if (!t->sent_data && !peer_put(t->s, S("DATA"), e))
		return false;
	if (!peer_read(t->s, WAIT_DATA, e))
		return false;
	if (t->s->r->code != 354) {
		if (client_reply_class(t->s->r) < 4)
			return fail(e, FAULT_PEER, "DATA is answered with %u", t->s->r->code);
		decide_taken(t, outcome_of(t->s->r->code));
		return true;
	}
	/* it took none, and wants a letter all the same (RFC 2920 §3.1) */
	if (!t->taken) {
		t->is_over = true;
		return peer_put(t->s, S("."), e) && peer_read(t->s, WAIT_END, e);
	}
	return body_send_dotted(t->s, t->j, e) ? end_letter(t, e) : fail_letter(t, e);
}

/* BDAT 0 LAST would be an empty letter; there is none. */
SUSPENDS static bool send_letter(struct transaction *t, struct err *e)
{
	if (t->s->ext.set & SMTP_EXT_CHUNKING && !t->sent_data && t->j->size) {
		if (!t->taken)
			return true;
		return body_send_chunks(t->s, t->j, e) ? end_letter(t, e) : fail_letter(t, e);
	}
	return t->taken || t->sent_data ? send_data(t, e) : true;
}

/* Something of it stands at the server: it has to forget. */
SUSPENDS static bool reset(struct peer *s, struct err *e)
{
	if (s->is_broken || !peer_ask(s, S("RSET"), WAIT_RSET, e))
		return false;
	if (client_reply_class(s->r) == 2)
		return true;
	s->is_broken = true;
	return peer_refused(s, "RSET", e);
}

SUSPENDS bool transaction_run(struct peer *s, struct job *j, struct err *e)
{
	struct transaction t = { .s = s, .j = j };
	bool is_chunked = s->ext.set & SMTP_EXT_CHUNKING && j->size, ok;

	choose(&t);
	judge_size(&t);
	judge_utf8(&t);
	judge_8bit(&t);
	if (!count_open(j))
		return true;             /* nothing was said */
	ok = s->ext.set & SMTP_EXT_PIPELINING ? envelope_pipelined(&t, !is_chunked, e) : envelope_in_turn(&t, e);
	if (ok)
		ok = send_letter(&t, e);
	if (!ok || s->is_broken)
		return false;
	s->letters++;
	return t.is_over || reset(s, e);
}
