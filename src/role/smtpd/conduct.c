/* conduct.c — see conduct.h.
 *
 * Counted is what no right client does again and again: letters that check rdns refused, recipients
 * that do not exist, and commands that nobody can understand.  What other checks and rules refuse says
 * something about a letter, not about conduct. */
#include "role/smtpd/conduct.h"

#include "spam/verdict.h"

/* Those out of place are not among them: who sends its commands ahead (RFC 2920) says RCPT before it hears that MAIL
 * was refused. */
static bool is_wrong_command(enum reply_id id)
{
	switch ((int)id) {
	case REPLY_UNKNOWN_COMMAND:
	case REPLY_BARE_IN_COMMAND:
	case REPLY_LINE_TOO_LONG:
	case REPLY_CONTROL_BYTES:
	case REPLY_NO_ARGUMENT_ALLOWED:
	case REPLY_ARGUMENT_MISSING:
	case REPLY_ARGUMENT_BAD:
	case REPLY_PATH_SYNTAX:
	case REPLY_PARAMETER_BAD:
	case REPLY_PARAMETER_TWICE:
	case REPLY_CHUNK_SIZE_BAD:
	case REPLY_PIPELINING:
	case REPLY_FOREIGN:
	case REPLY_RELAY_DENIED:
		return true;
	default:
		return false;
	}
}

/* A letter counts once, however many recipients it has. */
static bool is_nameless_letter(struct session *s)
{
	const struct finding *f = s->note.found;

	if (!f || f->check->kind != CONF_CHECK_RDNS || s->note.msg == s->conduct.nameless)
		return false;
	s->conduct.nameless = s->note.msg;
	return true;
}

void conduct_count(struct session *s, enum reply_id id)
{
	if (s->sender != SENDER_STRANGER)
		return;
	s->conduct.errors += is_wrong_command(id);
	s->conduct.unknown_recipients += id == REPLY_NO_SUCH_USER;
	s->conduct.no_host_name += reply_row(id)->code >= 500 && is_nameless_letter(s);
}

/* Is its conduct nobody's business: is it known, in a white list, or this machine itself? */
static bool is_spared(const struct session *s)
{
	uint8_t ours[16];

	if (s->is_friend || s->is_unlimited || s->has_network || s->conduct.is_vouched)
		return true;
	front_own_address(s->conn.fd, ours);
	return memcmp(ours, s->addr, sizeof(ours)) == 0;
}

struct user_disconnect conduct_report(const struct session *s)
{
	struct user_disconnect t = { .peer = str_from_z(s->peer), .is_submission = session_is_submission(s) };

	if (is_spared(s))
		return t;
	t.no_host_name = s->conduct.no_host_name;
	t.errors = s->conduct.errors;
	/* a house with many subscribers has some who moved away */
	t.unknown_recipients = s->letters ? 0 : s->conduct.unknown_recipients;
	return t;
}
