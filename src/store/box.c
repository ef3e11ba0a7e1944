/* box.c — a box as sessions see it: opened, looked at, closed. */
#include "store/box_file.h"


#include <errno.h>
#include <stdio.h>
#include <openssl/sha.h>

SUSPENDS bool box_open(struct store *s, struct str folder, struct box **ret, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct shelf *shelf = shelf_of(s, e);
	struct box *b;

	if (!shelf || !shelf_hold(&held, shelf, e) || !box_get(shelf, folder, &b, e))
		return false;
	b->users++;
	*ret = b;
	return true;
}

void box_close(struct box *b)
{
	if (!b)
		return;
	must(b->users > 0, "a box is closed as often as it was opened");
	b->users--;
	b->left = time_mono();
	shelf_wake(b->shelf);
}

SUSPENDS bool box_sync(struct box *b, bool claim, uint32_t *ret_recent, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };

	if (b->is_gone)
		return fail_sys(e, FAULT_TEMP, ENOENT, "the folder is gone");
	/* who holds the shelf may be looking right now: what it finds counts too */
	if (b->shelf->is_held || watch_pending(b) || (claim && b->n_new)) {
		if (!shelf_hold(&held, b->shelf, e))
			return false;
		watch_poll(b->shelf);
		if (!box_look(b, false, e))
			return false;
		/* one that cannot be moved now stays in new/, and is shown all the same */
		if (claim && b->n_new && !names_follow(b, true, SIZE_MAX, e) && e->fault == FAULT_CANCEL)
			return false;
		if (b->is_gone)
			return fail_sys(e, FAULT_TEMP, ENOENT, "the folder is gone");
	}
	if (ret_recent)
		*ret_recent = b->recent_from;
	if (claim)
		b->recent_from = b->next;
	return true;
}

struct str box_folder(const struct box *b)
{
	return str_from_z(b->folder);
}

uint32_t box_uidvalidity(const struct box *b)
{
	return b->validity;
}

uint32_t box_uidnext(const struct box *b)
{
	return b->next;
}

uint64_t box_modseq(const struct box *b)
{
	return b->modseq;
}

struct str box_id(const struct box *b)
{
	return str_from_z(b->guid);
}

bool box_is_there(const struct box *b)
{
	return !b->is_gone;
}

size_t box_count(const struct box *b)
{
	return b->n;
}

const struct letter *box_letters(const struct box *b)
{
	return b->letters;
}

struct email_id box_email_id(const struct box *b, const struct letter *l)
{
	struct str name = stem_letter(letter_stem(b, l));
	unsigned char hash[SHA256_DIGEST_LENGTH];
	struct email_id id;
	struct buf to = buf_over(id.z, sizeof(id.z));

	SHA256((const unsigned char *)name.p, name.n, hash);
	buf_add_char(&to, 'M');
	buf_add_hex(&to, str_of(hash, 12));
	id.z[25] = '\0';
	return id;
}

static void status_count(const struct box *b, struct box_status *st)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct letter *l = &b->letters[i];

		st->size += l->known & KNOWN_VSIZE ? l->vsize : l->size;
		st->deleted += l->flags & LETTER_DELETED ? 1 : 0;
		st->recent += l->uid >= b->recent_from;
		if (l->flags & LETTER_SEEN)
			continue;
		st->unseen++;
		if (!st->first_unseen_uid)
			st->first_unseen_uid = l->uid;
	}
}

SUSPENDS bool box_status(struct store *s, struct str folder, struct box_status *ret, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct shelf *shelf = shelf_of(s, e);
	struct box_status st = { 0 };
	struct box *b;

	if (!shelf || !shelf_hold(&held, shelf, e) || !box_get(shelf, folder, &b, e))
		return false;
	watch_poll(shelf);
	if (!box_look(b, false, e))
		return false;
	st.messages = (uint32_t)b->n;
	st.uidnext = b->next;
	st.uidvalidity = b->validity;
	st.modseq = b->modseq;
	snprintf(st.id, sizeof(st.id), "%s", b->guid);
	status_count(b, &st);
	b->left = time_mono();
	*ret = st;
	return true;
}
