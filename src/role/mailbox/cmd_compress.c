/* cmd_compress.c — COMPRESS DEFLATE (RFC 4978). */
#include "role/mailbox/imap_cmds.h"

SUSPENDS struct imap_reply imap_cmd_compress(struct imap_session *s, struct err *e)
{
	(void)e;
	if (s->io.z)
		return reply_of(IMAP_REPLY_DEFLATE_ACTIVE);
	s->compress_next = true;
	return reply_of(IMAP_REPLY_DEFLATE_READY);
}
