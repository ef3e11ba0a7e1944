/* export.h — the letters of a folder go elsewhere. */
#pragma once

#include "store/box.h"

struct export {
	struct box *box;
	const bool *stop;                /* nobody waits for the outcome any more */
	uint32_t *uids;                  /* those that were there at first */
	size_t n, at;
	uint64_t octets;
};

/* NULL with *e: there is no such folder. */
SUSPENDS struct export *export_open(struct store *s, struct str folder, const bool *stop, struct err *e);
void export_close(struct export *x);
/* As a file dovecot-keywords; empty: the folder has none. */
struct str export_keywords(const struct export *x, struct arena *a);

struct exported {
	int fd;                          /* for reading, the caller's; -1: that was the last */
	bool is_new;                     /* belongs into new/ */
	int64_t date;
	char name[STORE_NAME_MAX + 1];
};
/* One that is gone meanwhile is passed over. */
SUSPENDS bool export_next(struct export *x, struct exported *ret, struct err *e);
/* The rest of them as an mbox, synced. */
typedef void export_progress_fn(void *arg, uint64_t octets);
SUSPENDS bool export_letters(struct export *x, int fd, export_progress_fn *progress, void *arg, uint64_t *ret_letters,
			     uint64_t *ret_octets, struct err *e);
