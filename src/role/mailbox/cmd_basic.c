/* cmd_basic.c — CAPABILITY, NOOP, CHECK, LOGOUT, ID, ENABLE, NAMESPACE (RFC 9051 §6.1, §6.3; RFC 2971,
 * 5161). */
#include "role/mailbox/imap_cmds.h"

#include "wire/imap_print.h"

SUSPENDS struct imap_reply imap_cmd_capability(struct imap_session *s, struct err *e)
{
	(void)e;
	buf_add(&s->out, S("* CAPABILITY "));
	add_capabilities(&s->out, s);
	buf_add(&s->out, S("\r\n"));
	return reply_of(IMAP_REPLY_DONE);
}

SUSPENDS struct imap_reply imap_cmd_noop(struct imap_session *s, struct err *e)
{
	if (s->sel.box && !box_sync(s->sel.box, !s->sel.is_read_only, NULL, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	return reply_of(IMAP_REPLY_DONE);
}

SUSPENDS struct imap_reply imap_cmd_logout(struct imap_session *s, struct err *e)
{
	(void)e;
	imap_reply_add(&s->out, S(""), &(struct imap_reply){ .id = IMAP_REPLY_GOODBYE });
	return (struct imap_reply){ .id = IMAP_REPLY_DONE, .close = true };
}

SUSPENDS struct imap_reply imap_cmd_id(struct imap_session *s, struct err *e)
{
	(void)e;
	buf_add(&s->out, S("* ID (\"name\" \"Waxwing\")\r\n"));
	return reply_of(IMAP_REPLY_DONE);
}

SUSPENDS struct imap_reply imap_cmd_enable(struct imap_session *s, struct err *e)
{
	static const struct {
		unsigned flag;
		struct str name;
	} names[] = { { ENABLE_CONDSTORE, S(" CONDSTORE") }, { ENABLE_QRESYNC, S(" QRESYNC") },
		      { ENABLE_UTF8, S(" UTF8=ACCEPT") }, { ENABLE_REV2, S(" IMAP4rev2") } };
	unsigned new = s->c.enable & ~s->enabled;

	(void)e;
	buf_add(&s->out, S("* ENABLED"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (new & names[i].flag)
			buf_add(&s->out, names[i].name);
	buf_add(&s->out, S("\r\n"));
	if (new & (ENABLE_CONDSTORE | ENABLE_QRESYNC))
		use_condstore(s);
	s->enabled |= new | (new & ENABLE_QRESYNC ? ENABLE_CONDSTORE : 0);      /* RFC 7162 §3.2.3 */
	return reply_of(IMAP_REPLY_DONE);
}

SUSPENDS struct imap_reply imap_cmd_namespace(struct imap_session *s, struct err *e)
{
	(void)e;
	buf_add(&s->out, S("* NAMESPACE ((\"\" \".\")) NIL NIL\r\n"));
	return reply_of(IMAP_REPLY_DONE);
}
