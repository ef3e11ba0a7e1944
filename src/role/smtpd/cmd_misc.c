/* cmd_misc.c — the verbs that need one line. */
#include "role/smtpd/session.h"

struct reply cmd_rset(struct session *s, const struct smtp_command *c)
{
	(void)c;
	session_forget(s);
	return answer(REPLY_OK);
}

struct reply cmd_noop(struct session *s, const struct smtp_command *c)
{
	(void)s, (void)c;
	return answer(REPLY_OK);
}

struct reply cmd_quit(struct session *s, const struct smtp_command *c)
{
	(void)s, (void)c;
	return answer_last(REPLY_BYE);
}

/* RFC 5321 §7.3: who exists is told to nobody. */
struct reply cmd_vrfy(struct session *s, const struct smtp_command *c)
{
	(void)s, (void)c;
	return answer(REPLY_CANNOT_VRFY);
}

struct reply cmd_help(struct session *s, const struct smtp_command *c)
{
	(void)s, (void)c;
	return answer(REPLY_HELP);
}

struct reply cmd_not_implemented(struct session *s, const struct smtp_command *c)
{
	(void)s, (void)c;
	return answer(REPLY_NOT_IMPLEMENTED);
}
