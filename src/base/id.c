/* id.c — letter ids; see id.h. */
#include "base/id.h"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

struct id_text id_print(uint64_t id)
{
	struct id_text t;

	for (int i = ID_TEXT - 1; i >= 0; i--) {
		t.z[i] = alphabet[id & 31];
		id >>= 5;
	}
	t.z[ID_TEXT] = '\0';
	return t;
}

bool id_parse(struct str s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n != ID_TEXT || str_at(s, 0) > 'f')      /* 13 × 5 = 65 bits: the first letter has four */
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int c = ascii_lower(str_at(s, i));
		const char *at = c ? memchr(alphabet, c, 32) : NULL;

		if (!at)
			return false;
		v = v << 5 | (uint64_t)(at - alphabet);
	}
	*ret = v;
	return true;
}

int64_t id_time(uint64_t id)
{
	return (int64_t)(id >> 22) * 1000 + ID_EPOCH;
}

uint64_t id_at(int64_t time)
{
	return time > ID_EPOCH ? (uint64_t)((time - ID_EPOCH) / 1000) << 22 : 0;
}

uint64_t id_next(uint64_t last, unsigned node, int64_t now)
{
	uint64_t ms = now > ID_EPOCH ? (uint64_t)(now - ID_EPOCH) / 1000 : 0;
	uint64_t fresh = ms << 22 | (uint64_t)(node & 1023) << 12;

	if (last >> 22 < ms)
		return fresh;
	if ((last & 4095) == 4095)
		return ((last >> 22) + 1) << 22 | (uint64_t)(node & 1023) << 12;
	return (last >> 22) << 22 | (uint64_t)(node & 1023) << 12 | ((last & 4095) + 1);
}
