/* crc32c.c — by the processor's instruction where it has one, else by a table. */
#include "base/crc32c.h"

static uint32_t by_table(uint32_t crc, struct str s)
{
	static uint32_t table[256];

	if (!table[1])
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t v = i;

			for (int k = 0; k < 8; k++)
				v = (v >> 1) ^ (0x82f63b78u & (0u - (v & 1)));
			table[i] = v;
		}
	for (size_t i = 0; i < s.n; i++)
		crc = (crc >> 8) ^ table[(crc ^ (uint32_t)str_at(s, i)) & 255];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, struct str s)
{
	uint64_t word, c = crc;

	while (s.n >= 8) {
		memcpy(&word, s.p, 8);
		c = __builtin_ia32_crc32di(c, word);
		s = str_from(s, 8);
	}
	crc = (uint32_t)c;
	for (size_t i = 0; i < s.n; i++)
		crc = __builtin_ia32_crc32qi(crc, (unsigned char)s.p[i]);
	return crc;
}
#endif

uint32_t crc32c(uint32_t crc, struct str s)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_instruction(~crc, s);
#endif
	return ~by_table(~crc, s);
}
