/* imap_url.h — URLs of letters and their parts, as CATENATE names them (RFC 4469 §3, RFC 5092 §7).
 *
 *	"/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.MIME/;PARTIAL=0.100"
 *	";UID=20"                     a letter of the open mailbox
 *
 * Only relative ones: another server, or another user, is nothing that we could ask. */
#pragma once

#include "wire/section.h"

enum { IMAP_URL_MAX = 4096 };    /* octets */

struct imap_url {
	struct str mailbox;              /* UTF-8; empty: the open one */
	uint32_t uidvalidity;            /* 0: any */
	uint32_t uid;
	struct section section;          /* SECTION_ALL without numbers: the letter */
	bool has_partial;
	uint64_t offset, length;         /* length UINT64_MAX: to the end */
};

/* What *ret points to lies in the arena. */
bool imap_url_parse(struct str url, struct arena *a, struct imap_url *ret);
