/* summaries_fuzz.c — facts as a damaged cache may give them, and headers as they may lie in letters: what
 * is read stays within, what is kept of a header has the same fields. */
#include "role/mailbox/summaries.h"

#include "base/buf.h"
#include "wire/section.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void facts(struct str in)
{
	struct arena a = { .limit = 16 << 20 };
	struct buf again = buf_on_heap(1 << 24);
	struct letter_summary s, t;

	if (summary_parse(in, &a, &s)) {
		const struct str texts[] = { s.subject, s.base_subject, s.from, s.to, s.cc, s.display_from,
					     s.display_to };

		for (size_t i = 0; i < ARRAY_LEN(texts); i++)
			if (texts[i].n && (texts[i].p < in.p || texts[i].p + texts[i].n > in.p + in.n))
				abort();
		summary_print(&s, &again);
		if (s.n_references <= SUMMARY_REFERENCES_MAX &&
		    (!summary_parse(buf_str(&again), &a, &t) || !str_eq(s.subject, t.subject)))
			abort();
	}
	buf_end(&again);
	arena_end(&a);
}

static void header(struct str in)
{
	static const struct str names[] = { S("From"), S("Subject"), S("X") };
	const struct section q = { .what = SECTION_FIELDS, .n_names = ARRAY_LEN(names), .names = names };
	struct buf kept = buf_on_heap(1 << 24), want = buf_on_heap(1 << 24), got = buf_on_heap(1 << 24);

	kept_header_print(in, &kept);
	section_fields_add(in, &q, &want);
	section_fields_add(buf_str(&kept), &q, &got);
	if (!str_eq(buf_str(&want), buf_str(&got)))
		abort();
	buf_end(&kept);
	buf_end(&want);
	buf_end(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	facts(str_of(bytes, n));
	header(str_of(bytes, n));
	return 0;
}
