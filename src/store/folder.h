/* folder.h — the folders of an account.
 *
 * A name is what stands on disk behind the leading dot: modified UTF-7, levels
 * parted by '.', "" for INBOX.  `.INBOX.Spam`, which older set-ups have, is
 * "INBOX.Spam"; a directory `.INBOX` is no folder.
 *
 * What these verbs could not do is told by e->sys:
 *   ENOENT   there is no such folder         EEXIST   there is one already
 *   EINVAL   not a name for a folder         EPERM    INBOX cannot be deleted
 * and anything else by e->text.  When true comes back it survives a power cut. */
#pragma once

#include "store/store.h"

struct arena;

/* RFC 6154 §2; the first one found of each kind counts. */
enum folder_use {
	FOLDER_PLAIN,
	FOLDER_ARCHIVE,
	FOLDER_DRAFTS,
	FOLDER_JUNK,
	FOLDER_SENT,
	FOLDER_TRASH,
	FOLDER_USES,
};

struct folder_row {
	struct str name;
	enum folder_use use;
	bool exists;                     /* else only subscribed, or above one that exists */
	bool is_subscribed;
	bool has_children;
};

enum { FOLDER_COUNT_MAX = 10000 };

/* Word of RFC 6154 with the backslash ("\\Sent"), "" for FOLDER_PLAIN. */
struct str folder_use_name(enum folder_use use);
bool folder_use_parse(struct str word, enum folder_use *ret);

/* All folders sorted by name, INBOX first, with the missing ones between them. */
SUSPENDS bool folder_list(struct store *s, struct arena *a, struct folder_row **ret, size_t *ret_n,
			  struct err *e);
SUSPENDS bool folder_exists(struct store *s, struct str name, bool *ret, struct err *e);

/* `use` other than FOLDER_PLAIN is kept in a file of the folder and outranks its name. */
SUSPENDS bool folder_create(struct store *s, struct str name, enum folder_use use, struct err *e);
/* Its letters come to rest in gone/, also if it then fails; folders below stay.  Sessions that have it open see
 * CHANGE_GONE.  `who` stands in the history. */
SUSPENDS bool folder_delete(struct store *s, struct str name, struct str who, struct err *e);
/* With all folders below.  INBOX gives its letters to the new folder and stays (RFC 9051 §6.3.6). */
SUSPENDS bool folder_rename(struct store *s, struct str from, struct str to, struct str who,
			    struct err *e);
/* A folder need not exist to be (un)subscribed. */
SUSPENDS bool folder_subscribe(struct store *s, struct str name, bool on, struct err *e);
