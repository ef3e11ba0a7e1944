/* pop3_session.c — one POP3 conversation (RFC 1939): read, decide, answer, again.
 *
 * The maildrop is INBOX as it was at login: letters that come later are for the next session.  Several
 * sessions may have it open, as IMAP sessions may: letters are known by UID, so that none
 * deletes or reads what it does not mean, and a client whose connection was lost is
 * not locked out by its own ghost.  A letter that another session removed is answered with -ERR.
 *
 * What was marked goes at QUIT and only then; letters that were read become \Seen there. */
#include "role/mailbox/pop3.h"
#include "role/mailbox/session.h"

#include "fiber/conn.h"
#include "fiber/line.h"

#include <stdio.h>
#include <stdlib.h>

enum { ERRORS_MAX = 20 };                /* in a row */
#define IDLE_MOST (10 * MINUTE)          /* RFC 1939 §3: no less */

/* ---- the maildrop ---- */

static void pop3_end(struct pop3 *p)
{
	if (p->box)
		box_close(p->box);
	free(p->letters);
}

SUSPENDS static bool letters_take(struct pop3 *p, struct err *e)
{
	uint32_t *uids;
	bool ok;

	p->n = box_count(p->box);
	p->letters = calloc(p->n + 1, sizeof(*p->letters));
	uids = reallocarray(NULL, p->n + 1, sizeof(*uids));
	for (size_t i = 0; p->letters && uids && i < p->n; i++)
		uids[i] = p->letters[i].uid = box_letters(p->box)[i].uid;
	ok = p->letters && uids ? box_learn(p->box, uids, p->n, KNOWN_VSIZE, e) : fail(e, FAULT_TEMP, "out of memory");
	free(uids);
	return ok;
}

SUSPENDS static bool pop3_begin(struct pop3 *p, struct err *e)
{
	uint32_t recent;
	size_t n = 0;

	if (!box_open(sessions_store(), S(""), &p->box, e) || !box_sync(p->box, true, &recent, e) || !letters_take(p, e))
		return false;
	for (size_t i = 0; i < p->n; i++) {
		const struct letter *l = box_find(p->box, p->letters[i].uid);

		if (!l)
			continue;                /* went meanwhile */
		p->letters[n] = p->letters[i];
		p->letters[n++].size = l->vsize;
	}
	p->n = n;
	return true;
}

/* UPDATE (RFC 1939 §6): durable when true comes back. */
SUSPENDS static bool pop3_update(struct pop3 *p, struct err *e)
{
	static const struct flags_change seen = { .how = FLAGS_ADD, .flags = LETTER_SEEN };
	uint32_t *uids = reallocarray(NULL, p->n + 1, sizeof(*uids));
	struct err none;
	size_t n = 0, n_failed;
	bool ok;

	if (!uids)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < p->n; i++)
		if (p->letters[i].is_read && !p->letters[i].is_deleted)
			uids[n++] = p->letters[i].uid;
	if (n)
		(void)box_store(p->box, uids, n, &seen, &p->by, NULL, &n_failed, &none);
	n = 0;
	for (size_t i = 0; i < p->n; i++)
		if (p->letters[i].is_deleted)
			uids[n++] = p->letters[i].uid;
	ok = !n || box_expunge(p->box, uids, n, true, &p->by, e);
	free(uids);
	return ok;
}

/* ---- the loop ---- */

SUSPENDS bool pop3_say(struct pop3 *p, enum pop3_reply_id id, struct str text, struct err *e)
{
	char room[POP3_REPLY_MAX];
	struct buf b = buf_over(room, sizeof(room));

	p->errors = pop3_reply_row(id)->ok ? 0 : p->errors + 1;
	pop3_reply_add(&b, id, text);
	return conn_put(p->conn, buf_str(&b), e);
}

SUSPENDS static bool cmd_quit(struct pop3 *p, struct err *e)
{
	struct err why = { 0 };

	p->is_over = true;
	return pop3_say(p, pop3_update(p, &why) ? POP3_REPLY_BYE : POP3_REPLY_NOT_ALL_DELETED, S(""), e);
}

SUSPENDS static bool command_run(struct pop3 *p, const struct line *line, struct err *e)
{
	struct pop3_command c = { 0 };
	enum pop3_reply_id why = POP3_REPLY_NONE;

	if (line->too_long)
		return pop3_say(p, POP3_REPLY_LINE_TOO_LONG, S(""), e);
	if (line->has_bare_cr || line->has_bare_lf || line->has_nul)
		return pop3_say(p, POP3_REPLY_BARE_IN_COMMAND, S(""), e);
	if (!pop3_command_parse(line->text, &c, &why))
		return pop3_say(p, why, S(""), e);
	if (!(pop3_verb_states(c.verb) & POP3_IN_MAILBOX))
		return pop3_say(p, POP3_REPLY_WRONG_STATE, S(""), e);
	if (c.verb == POP3_QUIT)
		return cmd_quit(p, e);
	return pop3_command_run(p, &c, e);
}

SUSPENDS static bool line_take(struct pop3 *p, struct session_facts *f, struct line *ret, struct err *e)
{
	bool ok = false;

	f->is_idle = true;
	WITHIN(IDLE_MOST)
		ok = line_read(p->conn, POP3_LINE_MAX, ret, e);
	f->is_idle = false;
	return ok;
}

SUSPENDS static bool converse(struct pop3 *p, struct session_facts *f, struct err *e)
{
	struct line line;

	if (!pop3_say(p, POP3_REPLY_LOGGED_IN, S(""), e))
		return false;
	while (!p->is_over) {
		if (sessions_are_leaving())
			return fail(e, FAULT_CANCEL, "the server stops");
		if (!line_take(p, f, &line, e) || !command_run(p, &line, e))
			return false;
		if (p->errors > ERRORS_MAX)
			return pop3_say(p, POP3_REPLY_TOO_MANY_ERRORS, S(""), e);
	}
	return true;
}

SUSPENDS static void say_end(struct pop3 *p, const struct err *e)
{
	struct err lost;

	if (e->fault == FAULT_CANCEL)
		pop3_say(p, POP3_REPLY_SHUTTING_DOWN, S(""), &lost);
	else if (e->timed_out)
		pop3_say(p, POP3_REPLY_IDLE, S(""), &lost);
	conn_flush(p->conn, &lost);
}

SUSPENDS void pop3_session(struct conn *c, struct session_facts *f)
{
	AUTO(pop3_end) struct pop3 p = { .conn = c };
	struct err e = { 0 };
	char who[160];

	snprintf(who, sizeof(who), "pop3/%llx " STR_FMT, (unsigned long long)f->number, STR_ARG(f->peer));
	p.by.who = str_from_z(who);
	if (!pop3_begin(&p, &e)) {
		struct err lost;

		pop3_say(&p, POP3_REPLY_TEMP, str_from_z(e.text), &lost);
	} else {
		(void)converse(&p, f, &e);
	}
	say_end(&p, &e);
}
