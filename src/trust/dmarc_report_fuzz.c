/* dmarc_report_fuzz.c — any bytes are a report within the limits, or are refused with a sentence; unpacked before, as
 * role/scan does. */
#include "base/attr.h"
#include "trust/dmarc_report.h"
#include "wire/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(const struct dmarc_report *x)
{
	must(x->org.n && x->id.n && x->domain.n && x->n_rows <= DMARC_REPORT_ROWS_MAX, "what a report needs");
	for (size_t i = 0; i < x->n_rows; i++) {
		const struct dmarc_report_row *row = &x->rows[i];

		must(row->count <= DMARC_REPORT_COUNT_MAX && row->disposition < DMARC_DISPOSITIONS, "numbers in their limits");
		must(row->header_from.n <= DMARC_REPORT_TEXT_MAX && row->dkim_selector.n <= DMARC_REPORT_TEXT_MAX, "texts, too");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = DMARC_REPORT_ARENA };
	struct dmarc_reader *r = dmarc_reader_open(&a);
	struct dmarc_report x;
	struct str piece;
	struct unpack u;
	struct err e = { 0 };
	bool ok = unpack_open(&u, str_of(p, n), &e);

	while (ok && (ok = unpack_next(&u, &piece, &e)) && piece.n)
		ok = dmarc_reader_feed(r, piece, &e);
	if (ok && dmarc_reader_finish(r, &x, &e))
		check(&x);
	else
		must(e.text[0], "a sentence");
	unpack_end(&u);
	dmarc_reader_close(r);
	return 0;
}
