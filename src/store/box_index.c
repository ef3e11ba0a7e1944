/* box_index.c — the letters of a box in memory: by place, by UID, by name. */
#include "store/box_file.h"

#include <stdlib.h>

enum { INDEX_MIN = 64 };

/* Makes *p hold at least n things; false without memory. */
static bool grow(void **p, size_t *cap, size_t n, size_t size)
{
	size_t want = *cap ? *cap : 16;
	void *more;

	if (n <= *cap)
		return true;
	while (want < n)
		want *= 2;
	more = reallocarray(*p, want, size);
	if (!more)
		return false;
	*p = more;
	*cap = want;
	return true;
}

size_t box_find_from(const struct box *b, uint32_t uid)
{
	size_t from = 0, n = b->n;

	while (n) {
		size_t half = n / 2;

		if (b->letters[from + half].uid < uid) {
			from += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return from;
}

size_t box_place(const struct box *b, uint32_t uid)
{
	size_t i = box_find_from(b, uid);

	return i < b->n && b->letters[i].uid == uid ? i : b->n;
}

/* Without gaps it lies where its number says. */
const struct letter *box_find(const struct box *b, uint32_t uid)
{
	size_t i = b->n ? uid - b->letters[0].uid : 0;

	if (i < b->n && b->letters[i].uid == uid)
		return &b->letters[i];
	i = box_place(b, uid);

	return i < b->n ? &b->letters[i] : NULL;
}

struct str letter_stem(const struct box *b, const struct letter *l)
{
	struct str name = str_of(b->names + l->name, l->name_n);

	return l->state & STATE_ODD ? str_head(name, str_find(name, ':')) : name;
}

size_t box_letter_name(const struct box *b, const struct letter *l, char to[static STORE_NAME_MAX + 1])
{
	struct str stem = str_head(letter_stem(b, l), STORE_NAME_MAX - INFO_MAX);
	size_t n = stem.n;

	memcpy(to, stem.p, n);
	if (!(l->state & STATE_IN_NEW) || l->flags || l->keywords)
		n += file_info_print(l->flags, l->keywords, to + n);
	to[n] = '\0';
	return n;
}

int letter_file(const struct box *b, const struct letter *l, char to[static STORE_NAME_MAX + 1])
{
	size_t n = l->name_n;

	memcpy(to, b->names + l->name, n);
	if (!(l->state & (STATE_ODD | STATE_BARE | STATE_IN_NEW)) && n + INFO_MAX <= STORE_NAME_MAX)
		n += file_info_print(l->disk_flags, l->disk_keywords, to + n);
	to[n] = '\0';
	return l->state & STATE_IN_NEW ? b->dir.new : b->dir.cur;
}

/* ---- by name ---- */

static uint64_t hash_of(const struct box *b, struct str stem)
{
	return siphash13(b->shelf->key, stem);
}

const struct letter *box_by_stem(const struct box *b, struct str stem)
{
	uint64_t hash = hash_of(b, stem);
	size_t mask = b->index_cap - 1;

	if (!b->index_cap)
		return NULL;
	for (size_t i = (size_t)hash & mask; b->index[i]; i = (i + 1) & mask) {
		const struct letter *l;

		if (b->index[i] >> 32 != hash >> 32)
			continue;
		/* of a letter that is gone its UID is not found */
		l = box_find(b, (uint32_t)b->index[i]);
		if (l && str_eq(letter_stem(b, l), stem))
			return l;
	}
	return NULL;
}

static void index_put(struct box *b, const struct letter *l)
{
	uint64_t hash = hash_of(b, letter_stem(b, l));
	size_t mask = b->index_cap - 1, i = (size_t)hash & mask;

	while (b->index[i])
		i = (i + 1) & mask;
	b->index[i] = (hash >> 32 << 32) | l->uid;
	b->index_used++;
}

bool box_index_make(struct box *b, struct err *e)
{
	size_t cap = INDEX_MIN;
	uint64_t *index;

	while (cap < (b->n + 1) * 2)
		cap *= 2;
	index = calloc(cap, sizeof(*index));
	if (!index)
		return fail(e, FAULT_TEMP, "out of memory");
	free(b->index);
	b->index = index;
	b->index_cap = cap;
	b->index_used = 0;
	/* of two lines with one name the later is found: the earlier letter went before it came */
	for (size_t i = b->n; i > 0; i--)
		index_put(b, &b->letters[i - 1]);
	return true;
}

/* Without memory for a larger one there is no index until the next look. */
void box_index_add(struct box *b, const struct letter *l)
{
	struct err ignored;

	if (!b->index_cap)
		return;
	if ((b->index_used + 1) * 4 < b->index_cap * 3) {
		index_put(b, l);
	} else if (!box_index_make(b, &ignored)) {
		free(b->index);
		b->index = NULL;
		b->index_cap = b->index_used = 0;
	}
}

/* ---- added ---- */

bool box_names_add(struct box *b, struct str name, uint32_t *ret, struct err *e)
{
	if (b->names_n + name.n > UINT32_MAX)
		return fail(e, FAULT_TEMP, "the names of this folder's letters are too long");
	if (!grow((void **)&b->names, &b->names_cap, b->names_n + name.n, 1))
		return fail(e, FAULT_TEMP, "out of memory");
	*ret = (uint32_t)b->names_n;
	memcpy(b->names + b->names_n, name.p, name.n);
	b->names_n += name.n;
	return true;
}

struct letter *box_add(struct box *b, uint32_t uid, struct str name, struct err *e)
{
	struct letter l = { .uid = uid, .name_n = (uint16_t)name.n };

	must(!b->n || b->letters[b->n - 1].uid < uid, "UIDs ascend");
	must(name.n && name.n <= STORE_NAME_MAX, "a letter's name has its length checked");
	if (!grow((void **)&b->letters, &b->cap, b->n + 1, sizeof(l))) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	if (!box_names_add(b, name, &l.name, e))
		return NULL;
	b->letters[b->n] = l;
	return &b->letters[b->n++];
}

/* An odd name is kept whole; one that is longer than we could make it, too. */
bool letter_set_file(struct box *b, struct letter *l, struct str name, bool in_new, struct err *e)
{
	struct file_name f = file_name_parse(name);
	bool odd = !in_new && (f.is_odd || (f.has_info && f.stem.n + INFO_MAX > STORE_NAME_MAX));
	struct str was = str_of(b->names + l->name, l->name_n), keep = odd ? name : f.stem;

	if (!str_eq(was, keep)) {
		if (!box_names_add(b, keep, &l->name, e))
			return false;
		l->name_n = (uint16_t)keep.n;
	}
	b->n_new += in_new;
	b->n_new -= l->state & STATE_IN_NEW && b->n_new;
	l->state &= (uint8_t)~(STATE_IN_NEW | STATE_ODD | STATE_BARE | STATE_ABSENT);
	l->state |= (uint8_t)((in_new ? STATE_IN_NEW : 0) | (odd ? STATE_ODD : 0) |
			      (!in_new && !odd && !f.has_info ? STATE_BARE : 0));
	l->disk_flags = f.flags;
	l->disk_keywords = f.keywords;
	if (f.has_size) {
		l->size = f.size;
		l->known |= KNOWN_SIZE;
	}
	if (f.has_vsize) {
		l->vsize = f.vsize;
		l->known |= KNOWN_VSIZE;
	}
	return true;
}
