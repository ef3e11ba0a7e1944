/* dkim_entry_fuzz.c — a line about a key; what can be read can be written, and is the same then. */
#include "trust/dkim_entry.h"

#include "base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(buf_end) struct buf line = buf_on_heap(2 * DKIM_ENTRY_MAX), again = buf_on_heap(2 * DKIM_ENTRY_MAX);
	struct dkim_entry x, y;
	struct err e;

	/* no fuzzer finds a checksum */
	buf_add(&line, str_of(p, n));
	buf_add_char(&line, ' ');
	if (!line.full)
		buf_addf(&line, "%08x", crc32c(0, buf_str(&line)));
	dkim_entry_parse(str_of(p, n), &a, &y, &e);
	if (!dkim_entry_parse(buf_str(&line), &a, &x, &e))
		return 0;
	must(dkim_entry_print(&x, &again, &e), "what was read can be written");
	must(dkim_entry_parse(str_head(buf_str(&again), again.n - 1), &a, &y, &e), "and read again");
	must(x.id == y.id && x.time == y.time && x.event == y.event && str_eq(x.domain, y.domain) &&
	     str_eq(x.selector, y.selector) && str_eq(x.by, y.by) && str_eq(x.reason, y.reason) && str_eq(x.key, y.key),
	     "it is the same");
	return 0;
}
