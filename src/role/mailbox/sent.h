/* sent.h — a letter that was sent is filed by us, and by many mail programs too: one copy is enough.
 *
 * Whichever comes first stays.  Within SENT_WINDOW of it the other is taken for the same if Message-ID
 * and body are (sent_mark.h): a delivery is then done, an APPEND gets the UID of what is there. */
#pragma once

#include "base/time.h"
#include "role/mailbox/sent_mark.h"
#include "store/store.h"

struct arena;

#define SENT_WINDOW (10 * MINUTE)
/* What the queue says for the folder of that use. */
#define SENT_FOLDER "\\Sent"

/* The folder for what was sent: by its use, else by its name, else "Sent", which is made. */
SUSPENDS bool sent_folder(struct store *s, struct arena *a, struct str *ret, struct err *e);
/* Is this it?  As it was some seconds ago. */
SUSPENDS bool sent_is_folder(struct store *s, struct str folder);

/* Who looks and then files holds this, so that nobody files in between. */
SUSPENDS bool sent_lock(struct err *e);
void sent_unlock(void);

/* Is such a letter there that came within SENT_WINDOW of `when` (seconds UTC)? */
SUSPENDS bool sent_find(struct store *s, struct str folder, const struct sent_mark *m, int64_t when,
			uint32_t *ret_validity, uint32_t *ret_uid);
/* The same for a delivery: all of the letter, and its base name, which says when it came. */
SUSPENDS bool sent_is_filed(struct store *s, const struct store_letter *l);
