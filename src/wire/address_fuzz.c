/* address_fuzz.c — what parses is printed and parses to the same. */
#include "base/err.h"
#include "wire/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	AUTO(buf_end) struct buf b = buf_on_heap(4096);
	struct str all = str_of(p, n), in = str_from(all, 1), s, folded, again;
	unsigned flags = (unsigned)str_at(all, 0) & 7;
	struct smtp_path got, back;

	if (!smtp_path_parse(&in, flags, &a, &got))
		return 0;
	must(in.p >= all.p && in.p + in.n == all.p + all.n, "the rest lies in the input");
	for (size_t i = 0; i < got.text.n; i++)
		must(str_at(got.text, i) >= ' ' && str_at(got.text, i) != 0x7f, "no control character passes");
	if (got.is_null)
		return 0;
	buf_add_char(&b, '<');
	smtp_path_add(&b, got.local, got.domain);
	buf_add_char(&b, '>');
	s = buf_str(&b);
	must(smtp_path_parse(&s, flags, &a, &back) && s.n == 0, "what is printed parses");
	must(str_eq(got.local, back.local) && str_eq(got.domain, back.domain), "and means the same");
	if (got.domain.n && address_domain_fold(got.domain, &a, &folded))
		must(address_domain_fold(folded, &a, &again) && str_eq(folded, again), "folding twice changes nothing");
	return 0;
}
