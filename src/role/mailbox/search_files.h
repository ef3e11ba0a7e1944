/* search_files.h — keys of SEARCH for which letters are read. */
#pragma once

#include "role/mailbox/places.h"
#include "store/box.h"
#include "wire/imap_search.h"
#include "wire/letter_search.h"

/* Of these places those stay whose letters fit `key`: SEARCH_HEADER, SEARCH_BODY or SEARCH_TEXT.  A letter
 * that is gone fits nothing. */
SUSPENDS bool search_files(struct box *b, const struct search_key *key, const uint32_t *uids, struct places *p,
			   struct err *e);
