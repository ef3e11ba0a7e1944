/* maildir_dir.h — the directories of a Maildir++, opened with suspicion.
 *
 * Its owner may have put anything there: a symlink, a fifo, another's
 * directory.  Each step is by descriptor, follows no link, and must find a real
 * directory that is ours. */
#pragma once

#include "store/store.h"

#include <stddef.h>
#include <sys/types.h>

struct folder {
	char name[STORE_FOLDER_MAX + 1];         /* "" for INBOX */
	int tmp, new, cur;
	dev_t dev;                               /* which tmp/ this is */
	ino_t ino;
};

#define FOLDER_NONE ((struct folder){ .tmp = -1, .new = -1, .cur = -1 })

/* Open the folder of the Maildir `root` below `home`; what is missing is made, and synced into
 * its parents, if `make`.  Without it a missing folder is sys = ENOENT. */
bool folder_open(int home, const char *root, struct str name, bool make, struct folder *ret,
		 struct err *e);
/* Is its own directory there, whatever it lacks? */
bool folder_is_begun(int home, const char *root, struct str name);
void folder_end(struct folder *f);
/* Does the path still lead to the directories we hold? */
bool folder_is_there(int home, const char *root, const struct folder *f);

/* Open one real directory of ours. */
bool dir_open_at(int parent, const char *name, int *ret, struct err *e);
/* Call `each` for every name except those that begin with a dot (with `dots`: only those,
 * without "." and ".."); it stops when false comes back. */
struct dir_visit {
	bool (*each)(struct dir_visit *v, struct str name);
	unsigned char type;              /* DT_REG …, of the name given now */
};
bool dir_visit(int dir, bool dots, struct dir_visit *v, struct err *e);

/* Call `each` for INBOX and all folders of the Maildir that can be opened; none if there is no Maildir. */
struct folder_visit {
	void (*each)(struct folder_visit *v, const struct folder *f);
};
bool folders_visit(int home, const char *root, struct folder_visit *v, struct err *e);
