/* imap_utf7_fuzz.c — what decodes has no other spelling; what is UTF-8 comes back. */
#include "base/err.h"
#include "base/utf8.h"
#include "wire/imap_utf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 24 };
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 24);
	struct str in = str_of(p, n), got;

	if (imap_utf7_decode(in, &a, &got)) {
		must(utf8_valid(got), "it gives UTF-8");
		must(imap_utf7_add(&b, got) && str_eq(buf_str(&b), in), "and has one spelling");
	}
	buf_clear(&b);
	if (!imap_utf7_add(&b, in))
		return 0;
	must(str_is_ascii(buf_str(&b)), "it is ASCII");
	if (imap_utf7_decode(buf_str(&b), &a, &got))
		must(str_eq(got, in), "it comes back");
	return 0;
}
