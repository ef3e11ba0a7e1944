/* decode_fuzz.c — what is decoded never grows, and does not depend on how it was cut; what is encoded comes
 * back, and what the strict reader takes the tolerant one reads the same; any charset's text becomes UTF-8 of a
 * bounded size. */
#include "base/err.h"
#include "base/utf8.h"
#include "wire/charset.h"
#include "wire/charset_tables.h"
#include "wire/decode.h"
#include "wire/html_text.h"
#include "wire/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void round_trip(struct str in)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 24 };
	AUTO(buf_end) struct buf text = buf_on_heap(2 * in.n + 8), again = buf_on_heap(in.n), loose = buf_on_heap(in.n);
	struct str back;

	base64_add(&text, in);
	must(!text.full && base64_decode(buf_str(&text), &a, &back) && str_eq(back, in), "base64 comes back");
	decode_all(MIME_BASE64, buf_str(&text), &loose);
	must(!loose.full && str_eq(buf_str(&loose), in), "and mail's reader agrees");
	if (!base64_decode(in, &a, &back))
		return;
	base64_add(&again, back);
	must(!again.full && str_eq(buf_str(&again), in), "what is strict has one spelling");
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static bool is_open;
	struct str all = str_of(p, n), in = str_from(all, 2);
	enum mime_encoding how = str_at(all, 0) & 1 ? MIME_BASE64 : MIME_QUOTED_PRINTABLE;
	const struct charset *c = &charsets[(size_t)(str_at(all, 1) + 1) % charsets_n];
	AUTO(buf_end) struct buf whole = buf_on_heap(n), pieces = buf_on_heap(n), text = buf_on_heap(3 * n);
	AUTO(buf_end) struct buf words = buf_on_heap(3 * n);
	size_t step = 1 + (size_t)(str_at(all, 0) + 1) / 2 % 7;
	struct decode d = { .encoding = how };
	struct err e;

	is_open = is_open || charset_open_all(&e);
	decode_all(how, in, &whole);
	for (struct str left = in; left.n; left = str_from(left, step))
		decode_feed(&d, str_head(left, step), &pieces);
	decode_finish(&d, &pieces);
	must(!whole.full && str_eq(buf_str(&whole), buf_str(&pieces)), "pieces make the same");
	charset_to_utf8(c, buf_str(&whole), &text);
	must(!text.full && utf8_valid(buf_str(&text)), "it is UTF-8 and fits");
	round_trip(in);
	html_text_add(&words, buf_str(&text));
	must(words.n <= text.n && utf8_valid(buf_str(&words)), "words are no longer than what holds them");
	return 0;
}
