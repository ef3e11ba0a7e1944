/* notify_inside.h — what notify.c and notify_tell.c share. */
#pragma once

#include "base/map.h"
#include "role/mailbox/notify.h"
#include "store/notices.h"

/* What the client was last told of a folder. */
struct told {
	uint32_t messages, unseen, uidnext, uidvalidity;
	uint64_t modseq;
};

struct group {
	const struct notify_group *g;
	struct str *folders;             /* of g->mailboxes */
	bool *is_folder;                 /* the name can be one */
};

struct notify {
	struct arena a;                  /* of the request */
	struct imap_command c;
	struct group *groups;
	const struct notify_group *selected;     /* NULL: nothing of the open folder */
	bool is_reading;
	uint64_t at;                     /* in the store's notices */
	struct map told;                 /* folder → struct told */
};

/* notify_tell.c: one notice becomes what the client wants of it. */
SUSPENDS bool notify_one(struct imap_session *s, const struct notice *x, struct err *e);
