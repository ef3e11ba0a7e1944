/* session.c — a conversation with one client: read, decide, answer, again.
 *
 * Between commands a session is small: its struct, a connection without buffers,
 * and a fiber's stack.  Errors, commands from which nothing comes, silence and our
 * own end are judged here, once for all verbs. */
#include "role/smtpd/session.h"

#include "base/log.h"
#include "role/smtpd/checks.h"
#include "role/smtpd/conduct.h"
#include "role/smtpd/refused.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	STAGNANT_MAX = 100,      /* commands in a row of which nothing comes */
	DEFERRED_MAX = 2000,     /* 4xx replies since the last letter */
	REPLY_ROOM = 1024,       /* most replies; a longer one goes to the heap */
	REPLY_BYTES_MAX = REPLY_LINES_MAX * REPLY_LINE_MAX,
};
#define USER_WITHIN (30 * SECOND)

static struct session *sessions;

/* -- life ------------------------------------------------------------------ */

/* The listen line this socket was opened for; a reload may have moved it. */
static const struct conf_listen *listen_of(const struct conf *c, uint32_t index, uint16_t port)
{
	if (index < c->listens.n && c->listens.p[index].port == port)
		return &c->listens.p[index];
	for (size_t i = 0; i < c->listens.n; i++)
		if (c->listens.p[i].port == port &&
		    (c->listens.p[i].proto == CONF_SMTP || c->listens.p[i].proto == CONF_SUBMISSION))
			return &c->listens.p[i];
	return NULL;
}

static struct session *open_any(int fd, uint64_t number)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	conn_init(&s->conn, fd);
	s->conf = conf_hold();
	s->in = &s->conf->c.inbound;
	s->number = number;
	s->next = sessions;
	if (sessions)
		sessions->prev = s;
	sessions = s;
	return s;
}

struct session *session_open_local(int fd, uint64_t number, enum sender_kind sender)
{
	struct session *s = open_any(fd, number);

	if (!s)
		return NULL;
	s->sender = sender;
	snprintf(s->peer, sizeof(s->peer), "local");
	return s;
}

struct session *session_open(int fd, uint64_t number, const uint8_t addr[16], uint32_t listener, uint16_t port)
{
	struct session *s = open_any(fd, number);

	if (!s)
		return NULL;
	s->listen = listen_of(&s->conf->c, listener, port);
	memcpy(s->addr, addr, sizeof(s->addr));
	front_print_peer(addr, s->peer);
	s->port = port;
	s->is_friend = conf_nets_has(&s->in->friends, addr);
	s->is_unlimited = conf_nets_has(&s->in->unlimited, addr);
	s->has_network = conf_network_of(&s->conf->c.submission.networks, addr);
	s->claim = (struct claimant){ .conn = &s->conn, .peer = s->peer, .session = number,
				      .protocol = CONF_SUBMISSION, .challenge = S("334 "),
				      .is_clear_fine = s->listen && s->listen->tls == CONF_TLS_PLAINTEXT };
	return s;
}

void session_close(struct session *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	if (s->sender >= SENDER_LOCAL)
		smtpd_local_ended();
	session_forget(s);
	session_forget_helo(s);
	free(s->host);
	conn_end(&s->conn);
	conf_release(&s->conf);
	free(s);
}

void sessions_stop(void)
{
	for (struct session *s = sessions; s; s = s->next)
		if (s->is_idle && s->fiber)
			fiber_cancel(s->fiber);
}

void session_forget(struct session *s)
{
	if (s->t)
		refused_tell(s, s->t);
	transaction_close(&s->t);
}

void session_forget_helo(struct session *s)
{
	free(s->helo);
	s->helo = NULL;
	s->is_esmtp = false;
}

void session_forget_sender(struct session *s)
{
	claimant_log_out(&s->claim);
	if (s->sender != SENDER_STRANGER && link_to(ROLE_QUEUE))
		queue_session_end(link_to(ROLE_QUEUE), &(struct queue_session_end){ .session = s->number });
	if (s->sender == SENDER_ACCOUNT)
		s->sender = SENDER_STRANGER;
}

bool session_has_tls(const struct session *s)
{
	return s->conn.ssl;
}

bool session_is_submission(const struct session *s)
{
	return s->listen && s->listen->proto == CONF_SUBMISSION;
}

bool session_offers_auth(const struct session *s)
{
	return s->listen && (session_is_submission(s) || s->listen->auth) && s->sender == SENDER_STRANGER &&
	       claimant_may_log_in(&s->claim);
}

bool session_is_trusted(const struct session *s)
{
	return s->sender != SENDER_STRANGER || session_is_submission(s) || s->is_friend || s->has_network;
}

/* Before its TLS nothing can be said. */
static bool is_mute(const struct session *s)
{
	return s->listen && s->listen->tls == CONF_TLS_WRAPPED && !session_has_tls(s);
}

/* -- replies --------------------------------------------------------------- */

struct reply session_refuse(struct session *s, enum reply_id id, struct str why)
{
	s->note.why = arena_str(s->a, why);
	return answer(id);
}

struct reply session_lost(struct session *s, const struct err *e)
{
	enum reply_id id = REPLY_NONE;

	if (e->fault == FAULT_CANCEL)
		id = REPLY_SHUTTING_DOWN;
	else if (e->timed_out)
		id = e->fault == FAULT_PEER ? REPLY_TOO_SLOW : REPLY_IDLE;
	else if (e->fault == FAULT_TEMP)
		id = REPLY_NO_RESOURCES;
	else if (!s->conn.eof && !s->conn.broken)
		id = REPLY_LINE_TOO_LONG;        /* LINE_SKIP_MAX */
	session_forget(s);
	s->is_done = true;
	session_refuse(s, id, str_from_z(e->text));
	return answer_last(id);
}

SUSPENDS static bool write_reply(struct session *s, const struct reply *r, struct err *e)
{
	char room[REPLY_ROOM];
	struct buf b = buf_over(room, sizeof(room));
	bool ok;

	reply_add(&b, r);
	if (b.full) {
		b = buf_on_heap(REPLY_BYTES_MAX);
		reply_add(&b, r);
	}
	ok = conn_put(&s->conn, buf_str(&b), e);
	buf_end(&b);
	return ok;
}

/* Each refusal is a why-record: its line in the log, and kept by the queue. */
static void keep(const struct why *w)
{
	static char mem[WHY_RECORD_MAX];         /* too big for a fiber's stack */
	struct buf b = buf_over(mem, sizeof(mem));
	struct err e;

	why_log(w);
	if (link_to(ROLE_QUEUE) && why_encode(&b, w, &e))
		queue_why(link_to(ROLE_QUEUE), &(struct queue_why){ .id = w->letter, .record = buf_str(&b) });
}

static struct str symbol_of(const struct finding *f, struct buf *b)
{
	finding_add_symbol(b, f->check);
	return buf_str(b);
}

void session_note_check(struct session *s, const struct finding *f)
{
	char mem[CHECK_SYMBOL_MAX];
	struct buf symbol = buf_over(mem, sizeof(mem));
	const struct conf_outcome *o = finding_outcome(f);

	keep(&(struct why_check_noted){
		.head = { .kind = WHY_check_noted, .time = time_now(), .letter = s->t->id, .role = ROLE_SMTPD,
			  .instance = self.instance, .session = s->number, .rule = conf_check_name(f->check->kind),
			  .label = f->check->label, .nearest = S("the line check in inbound { }") },
		.peer = str_from_z(s->peer), .helo = str_from_z(s->helo), .from = s->t->mail_from,
		.check = symbol_of(f, &symbol), .value = f->value, .score = o->score, .why = f->why }.head);
}

static void note_check_refusal(const struct session *s, struct why head)
{
	const struct note *n = &s->note;
	char mem[CHECK_SYMBOL_MAX];
	struct buf symbol = buf_over(mem, sizeof(mem));

	/* the two have the same fields */
	head.kind = head.code < 500 ? WHY_check_deferred : WHY_check_refused;
	head.rule = conf_check_name(n->found->check->kind);
	head.label = n->found->check->label;
	keep(&(struct why_check_refused){ .head = head, .peer = str_from_z(s->peer), .helo = str_from_z(s->helo),
					  .from = n->from, .rcpt = n->rcpt, .check = symbol_of(n->found, &symbol),
					  .value = n->found->value, .why = n->found->why }.head);
}

static void note_refusal(const struct session *s, enum smtp_verb v, const struct reply *r)
{
	const struct reply_row *row = reply_row(r->id);
	const struct note *n = &s->note;
	struct str peer = str_from_z(s->peer), helo = str_from_z(s->helo), verb = str_from_z(smtp_verb_name(v));
	struct str why = n->why.n ? n->why : r->text.n ? r->text : str_from_z(row->text);
	struct why head = { .kind = (uint16_t)n->kind, .time = time_now(), .letter = n->msg, .role = ROLE_SMTPD,
			    .instance = self.instance, .session = s->number, .code = (uint16_t)row->code,
			    .enhanced = str_from_z(row->enhanced), .rule = str_from_z(row->name),
			    .nearest = str_from_z(row->remedy) };

	switch (head.kind) {
	case WHY_connection_refused:
		keep(&(struct why_connection_refused){ .head = head, .peer = peer, .why = why }.head);
		break;
	case WHY_sender_refused:
		keep(&(struct why_sender_refused){ .head = head, .peer = peer, .helo = helo, .from = n->from,
						   .why = why }.head);
		break;
	case WHY_rcpt_refused:           /* the two have the same fields */
		head.kind = row->code < 500 ? WHY_rcpt_deferred : WHY_rcpt_refused;
		keep(&(struct why_rcpt_refused){ .head = head, .peer = peer, .helo = helo, .from = n->from,
						 .rcpt = n->rcpt, .why = why }.head);
		break;
	case WHY_check_refused:
		note_check_refusal(s, head);
		break;
	case WHY_letter_refused:
		keep(&(struct why_letter_refused){ .head = head, .peer = peer, .helo = helo, .verb = verb,
						   .from = n->from, .why = why }.head);
		break;
	default:
		head.kind = WHY_command_refused;
		keep(&(struct why_command_refused){ .head = head, .peer = peer, .helo = helo, .verb = verb,
						    .why = why }.head);
	}
}

/* Too much of what leads nowhere?  Then this is the last reply. */
static void judge_conduct(struct session *s, enum smtp_verb v, struct reply *r)
{
	unsigned code = r->id ? reply_row(r->id)->code : 0;

	if (code >= 400)
		conduct_count(s, r->id);
	s->stagnant += verb_of(v)->is_idle;
	s->errors += code >= 500;
	s->deferred += code >= 400 && code < 500;
	if (r->close || s->is_friend || s->sender >= SENDER_LOCAL)
		return;
	if (s->errors > s->in->max_errors || s->deferred > DEFERRED_MAX)
		*r = answer_last(REPLY_TOO_MANY_ERRORS);
	else if (s->stagnant > STAGNANT_MAX)
		*r = answer_last(REPLY_TOO_MANY_COMMANDS);
}

SUSPENDS static bool say(struct session *s, enum smtp_verb v, struct reply r)
{
	struct err e = { 0 };

	judge_conduct(s, v, &r);
	if (r.id == REPLY_NONE)
		return true;
	if (reply_is_error(r.id) && !s->note.is_told)
		note_refusal(s, v, &r);
	s->is_done |= r.close || reply_row(r.id)->code == 421;
	s->is_done |= is_mute(s);
	if (s->is_done)
		s->then = NULL;
	if (is_mute(s))
		return false;
	WITHIN(s->in->idle)
		if (!write_reply(s, &r, &e))
			s->is_done = true;
	return !s->is_done;
}

/* -- commands -------------------------------------------------------------- */

static unsigned session_has(const struct session *s)
{
	return (s->helo ? HAS_HELLO : 0U) | (s->t ? HAS_MAIL : 0U) | (s->t && s->t->n_rcpts ? HAS_RCPT : 0U) |
	       (s->t && s->t->is_chunked ? HAS_CHUNKS : 0U) | (session_has_tls(s) ? HAS_TLS : 0U) |
	       (s->sender == SENDER_ACCOUNT ? HAS_LOGIN : 0U);
}

static enum reply_id out_of_place(const struct session *s, enum smtp_verb v)
{
	enum reply_id why = verb_out_of_place(v, session_has(s));

	return why == REPLY_NEED_RCPT && s->t->n_refused ? REPLY_NO_VALID_RCPT : why;
}

/* A line that is no command we know, or not written as it must be. */
static struct reply not_understood(struct session *s, const struct smtp_command *c, enum reply_id why)
{
	struct reply r = { .id = why };

	/* where an unreadable chunk ends is not known */
	if (c->verb == SMTP_BDAT) {
		session_forget(s);
		r.close = true;
	}
	return r;
}

/* No command begins with such a byte; whoever begins with one speaks something else,
 * perhaps without line ends. */
static bool is_foreign_byte(int c)
{
	return c < 0x20 ? c >= 0 && c != '\t' && c != '\r' && c != '\n' : c >= 0x7f;
}

SUSPENDS static struct reply command_run(struct session *s, const struct line *l, struct smtp_command *c)
{
	enum reply_id why = REPLY_NONE;
	bool ok;

	s->commands++;
	if (l->too_long)
		return answer(REPLY_LINE_TOO_LONG);
	ok = smtp_command_parse(l->text, s->t && s->t->utf8 ? SMTP_COMMAND_UTF8 : 0, s->a, c, &why);
	if (c->verb != SMTP_FOREIGN && (l->has_bare_cr || l->has_bare_lf || l->has_nul))
		return not_understood(s, c, REPLY_BARE_IN_COMMAND);
	s->speaks_smtp |= c->verb != SMTP_UNKNOWN && c->verb != SMTP_FOREIGN;
	if (why == REPLY_FOREIGN && s->speaks_smtp && is_foreign_byte(str_at(l->text, 0)))
		why = REPLY_UNKNOWN_COMMAND;
	if (!ok)
		return not_understood(s, c, why);
	if (verb_of(c->verb)->ends_group && conn_pending(&s->conn).n)
		return answer_last(REPLY_PIPELINING);
	why = out_of_place(s, c->verb);
	if (why && c->verb == SMTP_BDAT)
		return bdat_refuse(s, c->size, answer(why));
	return why ? answer(why) : verb_of(c->verb)->run(s, c);
}

SUSPENDS static bool command_read(struct session *s, struct line *ret, struct err *e)
{
	bool ok = false;

	s->is_idle = true;
	WITHIN(s->in->idle)
		ok = conn_pending(&s->conn).n || conn_fill(&s->conn, e);
	if (ok && !s->speaks_smtp && is_foreign_byte(str_at(conn_pending(&s->conn), 0)))
		*ret = (struct line){ .text = str_head(conn_pending(&s->conn), 1) };
	else if (ok)
		WITHIN(s->in->idle)
			ok = line_read(&s->conn, session_offers_auth(s) ? SMTP_AUTH_LINE_MAX : SMTP_LINE_MAX, ret, e);
	s->is_idle = false;
	return ok;
}

SUSPENDS static void converse(struct session *s)
{
	while (!s->is_done && !self.is_stopping) {
		AUTO(arena_end) struct arena a = { 0 };
		struct smtp_command c = { 0 };
		struct line line;
		struct reply r;
		struct err e = { 0 };

		s->a = &a;
		s->note = (struct note){ 0 };
		r = command_read(s, &line, &e) ? command_run(s, &line, &c) : session_lost(s, &e);
		if (c.verb == SMTP_AUTH)
			conn_wipe_eaten(&s->conn);
		while (say(s, c.verb, r) && s->then) {
			struct reply (*then)(struct session *) = s->then;

			s->then = NULL;
			r = then(s);
		}
		s->a = NULL;
	}
}

/* -- the beginning and the end --------------------------------------------- */

/* Who talks before the greeting does not speak SMTP with us (RFC 5321 §4.3.1). */
static bool talks_early(const struct session *s)
{
	char first;

	return recv(s->conn.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static struct reply greeting(struct session *s)
{
	struct reply said = answer(REPLY_SERVICE_READY);

	said.text = arena_printf(s->a, STR_FMT " %s", STR_ARG(s->conf->c.hostname),
				 reply_row(REPLY_SERVICE_READY)->text);
	return said;
}

SUSPENDS static struct reply welcome(struct session *s)
{
	struct user_connect q = { .peer = str_from_z(s->peer), .is_submission = session_is_submission(s) };
	struct user_connect_answer r = { 0 };
	struct err e = { 0 };
	struct reply said;
	bool ok = false;

	s->note.kind = WHY_connection_refused;
	if (s->sender != SENDER_STRANGER)        /* a program of this machine */
		return greeting(s);
	WITHIN(USER_WITHIN)
		ok = user_connect(link_to(ROLE_USER), &q, &r, s->a, &e);
	if (!ok) {
		said = session_refuse(s, REPLY_NO_RESOURCES, str_from_z(e.text));
	} else if (!r.allow) {
		session_refuse(s, REPLY_TOO_MANY_CONNECTIONS, r.why);
		s->is_quiet = s->note.is_told = r.is_told;
		said = (struct reply){ REPLY_TOO_MANY_CONNECTIONS, r.why, true };
	} else if (s->is_connected = true, checks_begin(s), is_mute(s)) {
		said = session_start_tls(s) ? greeting(s) : answer(REPLY_NONE);
	} else {
		said = talks_early(s) ? answer_last(REPLY_PIPELINING) : greeting(s);
	}
	return said;
}

/* Nobody counts it any more. */
static void take_leave(struct session *s)
{
	session_forget_sender(s);
	if (s->is_connected && link_to(ROLE_USER))
		user_disconnect(link_to(ROLE_USER), (struct user_disconnect[]){ conduct_report(s) });
}

SUSPENDS void session_run(void *session)
{
	struct session *s = session;
	struct tls_facts tls;

	s->fiber = fiber_self();
	log_debug("connect", "peer=%s port=%u", s->peer, s->port);
	{
		AUTO(arena_end) struct arena a = { 0 };

		s->a = &a;
		say(s, SMTP_UNKNOWN, welcome(s));
		s->a = NULL;
	}
	converse(s);
	if (!s->is_done) {
		AUTO(arena_end) struct arena a = { 0 };

		s->a = &a;
		s->note = (struct note){ 0 };
		say(s, SMTP_UNKNOWN, answer_last(REPLY_SHUTTING_DOWN));
	}
	take_leave(s);
	checks_close(&s->checks);
	tls = conn_tls_facts(&s->conn);
	if (!s->is_quiet)
		log_info("disconnect", "peer=%s helo=%s tls=" STR_FMT " letters=%u commands=%u errors=%u", s->peer,
			 LOGQ(str_from_z(s->helo)), STR_ARG(tls.version), s->letters, s->commands, s->errors);
	conn_close(&s->conn);
	session_close(s);
}
