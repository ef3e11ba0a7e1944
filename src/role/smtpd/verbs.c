/* verbs.c — the verbs, what must precede each, and what must not. */
#include "role/smtpd/session.h"

static const struct verb verbs[SMTP_VERB_COUNT] = {
	[SMTP_EHLO] = { .run = cmd_ehlo, .ends_group = true, .is_idle = true },
	[SMTP_HELO] = { .run = cmd_helo, .ends_group = true, .is_idle = true },
	[SMTP_MAIL] = { .run = cmd_mail, .needs = HAS_HELLO, .not_with = HAS_MAIL },
	[SMTP_RCPT] = { .run = cmd_rcpt, .needs = HAS_HELLO | HAS_MAIL, .not_with = HAS_CHUNKS },
	[SMTP_DATA] = { .run = cmd_data, .needs = HAS_HELLO | HAS_MAIL | HAS_RCPT, .not_with = HAS_CHUNKS,
			.ends_group = true },
	[SMTP_BDAT] = { .run = cmd_bdat, .needs = HAS_HELLO | HAS_MAIL | HAS_RCPT },
	[SMTP_RSET] = { .run = cmd_rset, .is_idle = true },
	[SMTP_NOOP] = { .run = cmd_noop, .is_idle = true },
	[SMTP_QUIT] = { .run = cmd_quit },
	[SMTP_VRFY] = { .run = cmd_vrfy, .is_idle = true },
	[SMTP_EXPN] = { .run = cmd_not_implemented, .is_idle = true },
	[SMTP_HELP] = { .run = cmd_help, .is_idle = true },
	[SMTP_STARTTLS] = { .run = cmd_starttls, .not_with = HAS_TLS | HAS_MAIL | HAS_LOGIN, .ends_group = true,
			    .is_idle = true },
	[SMTP_AUTH] = { .run = cmd_auth, .needs = HAS_HELLO, .not_with = HAS_MAIL, .ends_group = true, .is_idle = true },
};

const struct verb *verb_of(enum smtp_verb v)
{
	return &verbs[v];
}

enum reply_id verb_out_of_place(enum smtp_verb v, unsigned has)
{
	unsigned missing = verbs[v].needs & ~has, over = verbs[v].not_with & has;

	if (missing & HAS_HELLO)
		return REPLY_NEED_HELLO;
	if (missing & HAS_MAIL)
		return REPLY_NEED_MAIL;
	if (over & HAS_TLS)
		return REPLY_TLS_ALREADY;
	if (over & HAS_CHUNKS)
		return REPLY_IN_CHUNKS;
	if (over & HAS_MAIL)
		return v == SMTP_MAIL ? REPLY_NESTED_MAIL : REPLY_BAD_SEQUENCE;
	if (over & HAS_LOGIN)
		return REPLY_BAD_SEQUENCE;
	return missing & HAS_RCPT ? REPLY_NEED_RCPT : REPLY_NONE;
}
