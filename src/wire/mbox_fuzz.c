/* mbox_fuzz.c — a file read in pieces is the file read at once; what was read and is written again reads as
 * the same letters. */
#include "base/err.h"
#include "wire/mbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { OUT_MAX = 1 << 23 };

/* As an owner does that can look anywhere in the file. */
static void look_behind(struct mbox *m, struct str in, const char *at)
{
	struct str left = str_from(in, (size_t)(at - in.p));

	if (m->length <= left.n && mbox_may_end(str_sub(left, (size_t)m->length, MBOX_AFTER)))
		m->verbatim = m->length;
}

/* All letters, each behind a line with its facts. */
static bool read_all(struct str in, size_t step, struct buf *out)
{
	struct mbox m = { 0 };
	struct str window = str_head(in, step), text;

	for (;;) {
		bool is_last = window.p + window.n == in.p + in.n;

		switch (mbox_next(&m, &window, is_last, &text)) {
		case MBOX_MORE:
			must(!is_last && window.n < MBOX_WINDOW, "more is asked for where there is more");
			window = str_head(str_from(in, (size_t)(window.p - in.p)), window.n + step);
			break;
		case MBOX_FROM:
			buf_addf(out, "\n== %lld\n", (long long)m.date);
			break;
		case MBOX_BODY:
			look_behind(&m, in, window.p);
			break;
		case MBOX_DONE:
			buf_addf(out, "\n-- %u " STR_FMT, m.flags, STR_ARG(str_of(m.keywords, m.keywords_n)));
			break;
		case MBOX_TEXT:
			must(text.n > 0, "text is not empty");
			buf_add(out, text);
			break;
		case MBOX_END:
			must(m.keywords_n < sizeof(m.keywords), "the keywords have room");
			return true;
		case MBOX_BAD:
			return false;
		}
	}
}

/* The letters of `in` as another mbox. */
static void write_all(struct str in, struct buf *out)
{
	AUTO(buf_end) struct buf letter = buf_on_heap(OUT_MAX);
	struct mbox m = { 0 };
	struct mbox_out o;
	struct str all = in, text, rest;

	for (;;)
		switch (mbox_next(&m, &in, true, &text)) {
		case MBOX_FROM:
			buf_clear(&letter);
			break;
		case MBOX_TEXT:
			buf_add(&letter, text);
			break;
		case MBOX_DONE:
			rest = buf_str(&letter);
			if (str_at(rest, 0) == ' ' || str_at(rest, 0) == '\t')
				break;   /* its first line would continue our fields */
			mbox_begin(&o, &(struct mbox_facts){ .date = m.date, .flags = m.flags,
							     .keywords = str_of(m.keywords, m.keywords_n) }, out);
			mbox_add(&o, &rest, true, out);
			break;
		case MBOX_BODY:
			look_behind(&m, all, in.p);
			break;
		case MBOX_MORE:
		case MBOX_END:
		case MBOX_BAD:
			return;
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(buf_end) struct buf whole = buf_on_heap(OUT_MAX), parts = buf_on_heap(OUT_MAX);
	AUTO(buf_end) struct buf once = buf_on_heap(OUT_MAX), again = buf_on_heap(OUT_MAX);
	struct str in = str_from(str_of(p, n), 1);
	size_t step = n ? 1 + p[0] : 1;

	must(read_all(in, in.n + 1, &whole) == read_all(in, step, &parts), "pieces make no difference");
	must(str_eq(buf_str(&whole), buf_str(&parts)), "pieces give the same letters");
	write_all(in, &once);
	write_all(buf_str(&once), &again);
	must(str_eq(buf_str(&once), buf_str(&again)), "what was written reads as it was");
	return 0;
}
