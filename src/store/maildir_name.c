/* maildir_name.c — the names of letters' files; see maildir_name.h. */
#include "store/maildir_name.h"

#include "base/buf.h"

/* In ASCII order, as the info part has them. */
static const struct {
	char letter;
	uint8_t flag;
} letters[] = {
	{ 'D', LETTER_DRAFT }, { 'F', LETTER_FLAGGED }, { 'P', LETTER_PASSED },
	{ 'R', LETTER_ANSWERED }, { 'S', LETTER_SEEN }, { 'T', LETTER_DELETED },
};

size_t file_info_print(uint8_t flags, uint32_t keywords, char *to)
{
	size_t n = 3;

	memcpy(to, ":2,", 3);
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if (flags & letters[i].flag)
			to[n++] = letters[i].letter;
	for (unsigned i = 0; keywords >> i && i < KEYWORDS_MAX; i++)
		if (keywords >> i & 1)
			to[n++] = (char)('a' + i);
	return n;
}

static void info_parse(struct str info, struct file_name *f)
{
	char canonical[INFO_MAX];
	size_t n;

	f->has_info = str_starts(info, S(":2,"));
	for (size_t i = 3; f->has_info && i < info.n; i++) {
		int c = str_at(info, i);

		if (c >= 'a' && c <= 'z')
			f->keywords |= UINT32_C(1) << (c - 'a');
		for (size_t k = 0; k < ARRAY_LEN(letters); k++)
			if (c == letters[k].letter)
				f->flags |= letters[k].flag;
	}
	n = file_info_print(f->flags, f->keywords, canonical);
	f->is_odd = info.n && !str_eq(info, str_of(canonical, n));
}

static void size_parse(struct str field, char which, bool *has, uint32_t *ret)
{
	uint64_t v;

	if (str_at(field, 0) != which || str_at(field, 1) != '=' ||
	    !str_u64(str_from(field, 2), &v) || v > UINT32_MAX)
		return;
	*has = true;
	*ret = (uint32_t)v;
}

struct file_name file_name_parse(struct str name)
{
	size_t colon = str_find(name, ':');
	struct file_name f = { .stem = str_head(name, colon) };
	struct str fields;

	info_parse(str_from(name, colon), &f);
	str_cut(f.stem, ',', &fields);
	while (fields.n) {
		struct str field = str_cut(fields, ',', &fields);

		size_parse(field, 'S', &f.has_size, &f.size);
		size_parse(field, 'W', &f.has_vsize, &f.vsize);
	}
	return f;
}

struct str stem_letter(struct str stem)
{
	struct str s = str_head(stem, str_find(stem, ','));
	size_t n = s.n;

	while (n && ascii_is_digit(str_at(s, n - 1)))
		n--;
	return n < s.n && n > 2 && str_at(s, n - 1) == 'c' && str_at(s, n - 2) == '-' ?
	       str_head(s, n - 2) : s;
}

bool stem_copy(struct str stem, uint32_t n, struct buf *to)
{
	buf_add(to, stem_letter(stem));
	buf_addf(to, "-c%u", n);
	buf_add(to, str_from(stem, str_find(stem, ',')));
	return !to->full && to->n <= STORE_NAME_MAX - INFO_MAX;
}
