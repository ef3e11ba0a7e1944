/* dot_fuzz.c — DATA and BDAT in pieces against a plain reading of the whole.
 *
 * Byte 0: bit 0 normalize, bit 1 BDAT; byte 1 seeds the sizes of the pieces. */
#include "base/err.h"
#include "wire/dot.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Line by line over the whole input; gives where the end is. */
static size_t reference(struct str s, bool dots, struct dot *d, struct buf *out)
{
	size_t start = 0;
	bool after_bare = false;

	for (size_t i = 0; i < s.n; i++) {
		bool is_crlf = s.p[i] == '\n' && i > start && s.p[i - 1] == '\r', lone;
		bool is_mended = d->normalize && (s.p[i] == '\n' || (s.p[i] == '\r' && str_at(s, i + 1) != '\n'));
		struct str line = str_sub(s, start, i - start - is_crlf);

		if (s.p[i] == '\0')
			d->flags |= DOT_NUL;
		if (!is_crlf && !is_mended) {
			d->flags |= s.p[i] == '\n' ? DOT_BARE_LF : 0;
			continue;
		}
		lone = dots && str_eq(line, S("."));
		if (lone && is_crlf && !after_bare) {
			d->flags |= start >= 3 && s.p[start - 3] == '\r' && s.p[start - 2] == '\r' ? DOT_END_DOUBTFUL : 0;
			return i + 1;
		}
		if (dots && str_at(line, 0) == '.' && !lone)
			line = str_from(line, 1);
		d->flags |= str_has(line, '\r') ? DOT_BARE_CR : 0;
		d->line_longest = line.n > d->line_longest ? line.n : d->line_longest;
		d->header_size += d->in_body ? 0 : line.n + 2;
		d->in_body |= line.n == 0;
		buf_add(out, line);
		buf_add(out, S("\r\n"));
		after_bare = !is_crlf;
		start = i + 1;
	}
	return s.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(buf_end) struct buf whole = buf_on_heap(1 << 22);
	AUTO(buf_end) struct buf want = buf_on_heap(1 << 23);
	AUTO(buf_end) struct buf got = buf_on_heap(1 << 23);
	struct str all = str_of(p, n), in, piece = { 0 };
	bool dots = !(str_at(all, 0) & 2), done = false;
	struct dot d = { .normalize = str_at(all, 0) & 1 }, r = { .normalize = d.normalize };
	unsigned seed = (unsigned)str_at(all, 1);
	size_t end;

	buf_add(&whole, str_from(all, 2));
	buf_add(&whole, dots ? S("\r\n.\r\nQUIT\r\n") : S("\r\n"));
	in = buf_str(&whole);
	end = reference(in, dots, &r, &want);
	while (in.n && !done) {
		size_t take = 1 + (seed >> 3) % 7;
		struct buf out;

		seed = seed * 1103515245 + 12345;
		piece = str_head(in, take);
		out = got;
		must(buf_room(&got, 2 * piece.n + 3), "the buffer grows");
		out = (struct buf){ .p = got.p, .n = out.n, .cap = got.cap, .limit = got.n };
		in = str_from(in, piece.n);
		if (dots)
			done = dot_feed(&d, &piece, &out);
		else
			bdat_feed(&d, piece, &out);
		must(!out.full && (done || !dots || piece.n == 0), "the promised room is enough, all is taken");
		got.n = out.n;
	}
	if (!dots)
		bdat_end(&d, &got);
	must(done == dots && whole.n - in.n - (dots ? piece.n : 0) == end, "the end is where it is");
	must(str_eq(buf_str(&got), buf_str(&want)) && d.size == got.n, "the bytes agree");
	must(d.flags == r.flags && d.line_longest == r.line_longest, "the flags agree");
	must(d.header_size == r.header_size, "the header agrees");
	return 0;
}
