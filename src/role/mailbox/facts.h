/* facts.h — what SORT, THREAD and SEARCH SUBJECT compare, of all letters of a folder, in memory.
 *
 * Made out of the summaries when first asked for, continued when letters came, shared by
 * all sessions, and forgotten when other folders are asked for.  What is here of a letter never changes. */
#pragma once

#include "store/box.h"
#include "wire/imap_sort.h"

enum {
	FACTS_TABLES_MAX = 4,            /* folders that are remembered */
	FACTS_BYTES_MAX = 1 << 30,       /* of one folder */
};

struct facts_row {
	uint32_t uid;
	bool is_known;                   /* else the letter could not be read: all is empty */
	bool has_date;
	int32_t local_day;               /* of the Date field, days since 1970 */
	struct str subject;              /* folded, whole; equal texts of a folder lie at one place */
	struct sort_letter sort;
};

struct facts;

/* All letters that the folder has now.  The rows stay until facts_close(). */
SUSPENDS bool facts_open(struct box *b, struct facts **ret, struct err *e);
void facts_close(struct facts **f);
/* NULL: none. */
const struct facts_row *facts_find(const struct facts *f, uint32_t uid);
/* The same for UIDs that ascend mostly one by one; *at begins with 0. */
const struct facts_row *facts_next(const struct facts *f, uint32_t uid, size_t *at);
/* At the end of the process. */
void facts_end(void);
