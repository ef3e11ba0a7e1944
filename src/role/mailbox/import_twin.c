/* import_twin.c — letters that lie in the folder already and did not come by an import: is one of them the
 * letter that comes?  Only one of the same size is read. */
#include "role/mailbox/import.h"

#include <stdlib.h>
#include <unistd.h>

static int by_size(const void *a, const void *b)
{
	const struct import_twin *x = a, *y = b;

	return x->size != y->size ? (x->size < y->size ? -1 : 1) : (x->uid > y->uid) - (x->uid < y->uid);
}

SUSPENDS bool import_twins_load(struct import *im, struct err *e)
{
	size_t n = box_count(im->box);
	uint32_t *uids = reallocarray(NULL, n + 1, sizeof(*uids));
	bool ok = uids || fail(e, FAULT_TEMP, "out of memory");

	for (size_t i = 0; ok && i < n; i++)
		uids[i] = box_letters(im->box)[i].uid;
	ok = ok && box_learn(im->box, uids, n, KNOWN_SIZE, e);
	free(uids);
	n = box_count(im->box);
	im->twins = ok ? reallocarray(NULL, n + 1, sizeof(*im->twins)) : NULL;
	if (!im->twins)
		return ok ? fail(e, FAULT_TEMP, "out of memory") : false;
	for (size_t i = 0; i < n; i++) {
		const struct letter *l = &box_letters(im->box)[i];
		char name[STORE_NAME_MAX + 1];

		if (!imported_key(str_of(name, box_letter_name(im->box, l, name))).n)
			im->twins[im->n_twins++] = (struct import_twin){ .uid = l->uid, .size = l->size };
	}
	qsort(im->twins, im->n_twins, sizeof(*im->twins), by_size);
	return true;
}

/* One that went meanwhile is no twin. */
SUSPENDS static bool twin_hash(struct import *im, struct import_twin *t, struct err *e)
{
	struct import_plain s = { 0 };
	struct import_digest d = { 0 };
	int fd = box_letter_open(im->box, t->uid, e);
	bool ok;

	t->is_hashed = true;
	t->is_taken = fd < 0;
	if (fd < 0)
		return true;
	ok = import_plain_init(&s, fd, e) && import_digest(im, &s.from, &d, e);
	import_plain_end(&s);
	close(fd);
	memcpy(t->digest, d.sha256, sizeof(t->digest));
	return ok;
}

SUSPENDS bool import_twin_take(struct import *im, uint64_t size, const unsigned char digest[32], bool *ret, struct err *e)
{
	size_t at = 0, end = im->n_twins;

	while (at < end) {
		size_t mid = at + (end - at) / 2;

		if (im->twins[mid].size < size)
			at = mid + 1;
		else
			end = mid;
	}
	for (; at < im->n_twins && im->twins[at].size == size; at++) {
		struct import_twin *t = &im->twins[at];

		if (!t->is_hashed && !twin_hash(im, t, e))
			return false;
		if (t->is_taken || memcmp(t->digest, digest, sizeof(t->digest)) != 0)
			continue;
		t->is_taken = *ret = true;
		return true;
	}
	return true;
}
