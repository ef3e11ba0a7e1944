/* utf8.c — well-formed UTF-8; see utf8.h. */
#include "base/utf8.h"

size_t utf8_char(struct str s, uint32_t *ret)
{
	/* the least code point of each length: anything below is overlong */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	int c = str_at(s, 0);
	size_t n = c < 0 ? 0 : c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	uint32_t v;

	if (n == 0 || s.n < n)
		return 0;
	v = n == 1 ? (uint32_t)c : (uint32_t)c & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		int d = str_at(s, i);

		if ((d & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (uint32_t)(d & 0x3f);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 0;
	*ret = v;
	return n;
}

bool utf8_valid(struct str s)
{
	uint32_t cp;

	while (s.n) {
		size_t n = utf8_char(s, &cp);

		if (n == 0)
			return false;
		s = str_from(s, n);
	}
	return true;
}

bool str_is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) >= 0x80)
			return false;
	return true;
}
