/* box_guard.c — letters whose delivery the journal may do again.
 *
 * Until the journal says `safe`, a restart looks for a delivered letter under its base name in its folder and
 * delivers it anew if it is not there.  So it is made safe before a session moves, expunges or
 * renames it (decisions §1).  The list is what was delivered through this store and neither
 * synced through it nor told to be safe since. */
#include "store/box_file.h"

#include <errno.h>
#include <stdlib.h>

enum { UNSAFE_MAX = 100000 };

/* FOLDER NUL BASE */
static struct str unsafe_key(struct str folder, struct str base, struct buf *b)
{
	buf_clear(b);
	buf_add(b, folder);
	buf_add_char(b, '\0');
	buf_add(b, base);
	return buf_str(b);
}

void store_guard(struct store *s, store_guard_fn *guard, void *arg)
{
	struct err ignored;
	struct shelf *shelf = shelf_of(s, &ignored);

	if (!shelf)
		return;
	shelf->guard = guard;
	shelf->guard_arg = arg;
}

void shelf_delivered(struct shelf *s, struct str folder, struct str base)
{
	char room[STORE_FOLDER_MAX + STORE_BASE_MAX + 2];
	struct buf b = buf_over(room, sizeof(room));
	struct str key = unsafe_key(folder, base, &b);
	struct box *box = map_get(&s->boxes, folder);

	s->used = time_mono();
	if (s->guard && s->unsafe.n < UNSAFE_MAX)
		map_put(&s->unsafe, key, s);
	if (!box)
		return;
	box->look_new = box->look_cur = true;
	if (box->users && s->inotify < 0) {
		s->has_news = true;
		shelf_wake(s);
	}
}

void store_is_safe(struct store *s, struct str folder, struct str base)
{
	char room[STORE_FOLDER_MAX + STORE_BASE_MAX + 2];
	struct buf b = buf_over(room, sizeof(room));
	struct maildir *m = maildir_of(s);

	if (m && m->shelf)
		map_remove(&m->shelf->unsafe, unsafe_key(folder, base, &b));
}

SUSPENDS bool box_guard(struct box *b, const uint32_t *uids, size_t n, struct err *e)
{
	char room[STORE_FOLDER_MAX + STORE_NAME_MAX + 2];
	struct buf key = buf_over(room, sizeof(room));
	struct shelf *s = b->shelf;

	for (size_t i = 0; i < n && s->unsafe.n; i++) {
		const struct letter *l = box_find(b, uids[i]);
		char base[STORE_NAME_MAX + 1];
		struct str stem;

		if (!l)
			continue;
		stem = letter_stem(b, l);
		stem = str_head(stem, str_find(stem, ','));
		if (!map_get(&s->unsafe, unsafe_key(str_from_z(b->folder), stem, &key)))
			continue;
		memcpy(base, stem.p, stem.n);
		stem.p = base;
		if (!s->guard(s->guard_arg, str_from_z(b->folder), stem, e))
			return fail_in(e, "make the letter safe");
		map_remove(&s->unsafe, unsafe_key(str_from_z(b->folder), stem, &key));
	}
	return true;
}
