/* metadata.h — annotations of folders and of the account (RFC 5464).
 *
 * They lie in the folder's own directory (`waxwing-metadata`), so that they go where it goes and end
 * with it; those of the account in Maildir/waxwing/metadata.  One entry per line:
 *
 *	/private/comment TAB value     in the value \\ \n \r \t \0 stand for the octets that would end it
 *
 * Names are ASCII, letter case does not matter, and no name has a TAB.  A line that cannot be read is
 * passed over, and kept when the file is written anew. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "store/store.h"

enum {
	METADATA_VALUE_MAX = 64 * 1024,  /* octets */
	METADATA_ENTRIES_MAX = 200,      /* of one folder */
	METADATA_NAME_MAX = 1024,
	METADATA_FILE_MAX = 1024 * 1024,
};

struct metadata_entry {
	struct str name;
	struct str value;
	bool is_none;                    /* for metadata_change(): the entry is to go */
};

/* The next line off *in, and whether it is an entry; the value is in the arena.  False at the end.
 * *ret_line is the whole line with its LF. */
bool metadata_line_parse(struct str *in, struct arena *a, struct str *ret_line, struct metadata_entry *ret,
			 bool *ret_is_entry);
void metadata_line_print(struct buf *b, const struct metadata_entry *m);

/* Of one folder, or of the account. */
struct metadata_place {
	bool is_account;
	struct str folder;
};

/* All entries, in the arena; ENOENT: there is no such folder. */
SUSPENDS bool metadata_read(struct store *s, const struct metadata_place *at, struct arena *a,
			    struct metadata_entry **ret, size_t *ret_n, struct err *e);
/* All of the changes or none; durable.  sys = EMSGSIZE: a value is too long; EMLINK: there would be too
 * many entries, or too much in all. */
SUSPENDS bool metadata_change(struct store *s, const struct metadata_place *at, const struct metadata_entry *changes,
			      size_t n, struct err *e);
/* The shelf is held, in a thread: INBOX's go to another folder, too (RFC 5464 §4.1). */
struct shelf;
bool metadata_copy_inbox(struct shelf *s, struct str to, struct err *e);
