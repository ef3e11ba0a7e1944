/* maildir.h — the Maildir engine's own struct, for the files that share it. */
#pragma once

#include "store/engine.h"
#include "store/maildir_dir.h"

#include <pthread.h>

enum {
	OUT_ROOM = 256 * 1024,   /* a letter up to here is written by one call */
	BACK_ROOM = 64 * 1024,
	FOLDERS_OPEN = 4,        /* kept between batches */
};

struct maildir {
	struct store store;
	pthread_mutex_t lock;            /* held by a batch of deliveries: folders, out, back */
	int home;                        /* not ours */
	char root[STORE_NAME_MAX + 1];
	struct folder folders[FOLDERS_OPEN];
	size_t n_folders, next_folder;
	bool needs_tmp;                  /* see put_unnamed() */
	_Atomic bool chain_safe;         /* the directories above the folders were synced by us */
	char out[OUT_ROOM];
	char back[BACK_ROOM];            /* what lies there already */
};

/* The engine's verbs, see engine.h; they open the directories anew, so that a slow disk does not
 * hold up deliveries. */
void maildir_sync(struct store *s, struct store_safe *names, size_t n);
bool maildir_read(struct store *s, struct str folder, struct str base, struct buf *ret,
		  struct err *e);
bool maildir_sweep(struct store *s, int64_t now, size_t *ret_removed, struct err *e);
