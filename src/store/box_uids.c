/* box_uids.c — a box and its uidlist.
 *
 * The file has a line for every letter that has a UID, and lines of letters that are
 * gone, until it is written anew.  A damaged line costs its letter the UID, no more: it is found
 * without one and gets the next.  Only a file without a usable header gets a new UIDVALIDITY. */
#include "store/box_file.h"

#include "base/rnd.h"

#include <errno.h>
#include <stdlib.h>

enum { TEXT_MAX = 512 << 20 };

static void guid_make(char to[static 33])
{
	struct buf b = buf_over(to, 33);
	unsigned char bytes[16];

	rnd_bytes(bytes, sizeof(bytes));
	buf_add_hex(&b, str_of(bytes, sizeof(bytes)));
	to[32] = '\0';
}

static bool header_take(struct box *b, const struct uidlist_header *h, struct err *e)
{
	b->validity = h->validity;
	if (b->validity > b->shelf->validity)
		b->shelf->validity = b->validity;
	b->next = h->next;
	if (h->guid.n)
		memcpy(b->guid, h->guid.p, 32);
	else
		guid_make(b->guid);
	b->guid[32] = '\0';
	free(b->header_rest);
	b->header_rest = h->rest.n ? strndup(h->rest.p, h->rest.n) : NULL;
	return b->header_rest || !h->rest.n || fail(e, FAULT_TEMP, "out of memory");
}

static bool line_take(struct box *b, const struct uidlist_line *l, uint32_t *last, struct err *e)
{
	struct letter *new;

	if (l->uid <= *last) {
		b->n_bad_lines++;
		return true;
	}
	*last = l->uid;
	if (l->uid >= b->next && l->uid < UINT32_MAX)
		b->next = l->uid + 1;
	new = box_add(b, l->uid, l->name, e);
	if (!new)
		return false;
	new->state = STATE_ABSENT;
	return true;
}

static bool lines_take(struct box *b, struct str in, const struct uidlist_header *h, struct err *e)
{
	struct uidlist_line l;
	uint32_t last = 0;
	bool bad;

	while (uidlist_line_parse(&in, h, &l, &bad)) {
		if (bad)
			b->n_bad_lines++;
		else if (!line_take(b, &l, &last, e))
			return false;
	}
	return box_index_make(b, e);
}

static bool make_new(struct box *b, struct err *e)
{
	AUTO(uidlist_unlock) struct uidlist_lock lock = UIDLIST_UNLOCKED;
	AUTO(fd_end) int root = -1;

	if (!dir_open_at(b->shelf->m->home, b->shelf->m->root, &root, e) ||
	    !uidlist_lock(b->top, &lock, e))
		return false;
	b->validity = uidvalidity_next(root, b->shelf->validity);
	b->shelf->validity = b->validity;
	b->next = 1;
	guid_make(b->guid);
	return uids_rewrite(b, S(""), e);
}

bool uids_load(struct box *b, struct err *e)
{
	AUTO(text_end) char *text = NULL;
	struct uidlist_header h;
	struct str in;

	if (!uidfile_read(b->top, &text, &in.n, &b->at_uidlist, e))
		return false;
	in.p = text;
	if (!uidlist_header_parse(&in, &h)) {
		b->n_bad_lines += in.n > 0;
		return make_new(b, e);
	}
	return header_take(b, &h, e) && lines_take(b, in, &h, e);
}

bool uids_append(struct box *b, struct str lines, bool later, struct err *e)
{
	if (uidfile_append(b->top, lines, later, &b->at_uidlist, e))
		return true;
	/* gone, or damaged by our own failed write: we know what stood there */
	return e->sys == ESTALE && !stamp_at(b->top, "dovecot-uidlist").ino &&
	       uids_rewrite(b, lines, e);
}

/* Fields we do not know are in the old file, by UID. */
static void lines_print(const struct box *b, struct str old, struct buf *to)
{
	struct uidlist_header h = { .version = 3 };
	struct uidlist_line l = { 0 };
	bool bad = true, more = uidlist_header_parse(&old, &h);

	for (size_t i = 0; i < b->n; i++) {
		const struct letter *k = &b->letters[i];
		struct str ext = { 0 };

		while (more && (bad || l.uid < k->uid))
			more = uidlist_line_parse(&old, &h, &l, &bad);
		if (more && l.uid == k->uid)
			ext = l.ext;
		if (!(k->state & STATE_ABSENT))
			uidlist_line_print(&(struct uidlist_line){ k->uid, ext, letter_stem(b, k) }, to);
	}
}

bool uids_rewrite(struct box *b, struct str more, struct err *e)
{
	struct uidlist_header h = { .validity = b->validity, .next = b->next, .guid = str_from_z(b->guid),
				    .rest = str_from_z(b->header_rest) };
	AUTO(buf_end) struct buf text = buf_on_heap(TEXT_MAX);
	AUTO(text_end) char *old = NULL;
	struct stamp ignored;
	struct err unread;
	size_t n = 0;

	(void)uidfile_read(b->top, &old, &n, &ignored, &unread);
	uidlist_header_print(&h, &text);
	lines_print(b, str_of(old, n), &text);
	buf_add(&text, more);
	if (text.full)
		return fail(e, FAULT_TEMP, "the uidlist would be too long");
	if (!uidfile_write(b->top, buf_str(&text), &b->at_uidlist, e))
		return false;
	b->n_bad_lines = b->n_dead_lines = 0;
	return true;
}
