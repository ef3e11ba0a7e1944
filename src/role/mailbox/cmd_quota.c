/* cmd_quota.c — GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208).  There is one root for all of an account's
 * folders, called "". */
#include "role/mailbox/imap_cmds.h"
#include "store/folder.h"
#include "store/quota.h"

enum { STORAGE_UNIT = 1024 };            /* octets, RFC 9208 §5.1 */

SUSPENDS static struct imap_reply tell_quota(struct imap_session *s, struct err *e)
{
	struct quota q;
	const char *space = "";

	if (!quota_read(s->store, &q, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_QUOTA_ROOT);
	buf_add(&s->out, S("* QUOTA \"\" ("));
	if (q.bytes_max) {
		buf_addf(&s->out, "STORAGE %llu %llu", (unsigned long long)((q.bytes + STORAGE_UNIT - 1) / STORAGE_UNIT),
			 (unsigned long long)(q.bytes_max / STORAGE_UNIT));
		space = " ";
	}
	if (q.letters_max)
		buf_addf(&s->out, "%sMESSAGE %llu %llu", space, (unsigned long long)q.letters,
			 (unsigned long long)q.letters_max);
	buf_add(&s->out, S(")\r\n"));
	return reply_of(IMAP_REPLY_DONE);
}

SUSPENDS struct imap_reply imap_cmd_getquota(struct imap_session *s, struct err *e)
{
	return s->c.quota.root.n ? reply_of(IMAP_REPLY_NO_QUOTA_ROOT) : tell_quota(s, e);
}

SUSPENDS struct imap_reply imap_cmd_getquotaroot(struct imap_session *s, struct err *e)
{
	struct str folder;
	bool exists = false;

	if (!folder_of_name(s, s->c.mailbox.mailbox, &folder))
		return reply_of(IMAP_REPLY_NO_MAILBOX);
	if (!folder_exists(s->store, folder, &exists, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	if (!exists)
		return reply_of(IMAP_REPLY_NO_MAILBOX);
	buf_add(&s->out, S("* QUOTAROOT "));
	add_folder_name(s, &s->out, folder);
	buf_add(&s->out, S(" \"\"\r\n"));
	return tell_quota(s, e);
}

/* Limits are the administrator's. */
SUSPENDS struct imap_reply imap_cmd_setquota(struct imap_session *s, struct err *e)
{
	(void)e;
	return reply_of(s->c.quota.root.n ? IMAP_REPLY_NO_QUOTA_ROOT : IMAP_REPLY_NO_PERMISSION);
}
