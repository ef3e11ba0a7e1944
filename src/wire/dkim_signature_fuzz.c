/* dkim_signature_fuzz.c — any bytes are a signature, a seal, a key record, a letter to canonicalise, or none; pieces of
 * any size give the same body. */
#include "base/err.h"
#include "wire/dkim_canon.h"
#include "wire/dkim_key.h"
#include "wire/dkim_tags.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool is_inside(struct str part, struct str all)
{
	return part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n);
}

static void tags_try(struct str all)
{
	struct dkim_tags t;
	struct err e;

	if (!dkim_tags_parse(all, &t, &e))
		return;
	for (size_t i = 0; i < t.n; i++)
		must(t.p[i].name.n && is_inside(t.p[i].name, all) && is_inside(t.p[i].raw, all) &&
		     is_inside(t.p[i].value, t.p[i].raw) && dkim_tags_find(&t, t.p[i].name) == &t.p[i], "a tag inside");
}

static void signature_try(struct str all, enum dkim_kind kind)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
	struct dkim_signature s;
	struct err e = { 0 };

	if (!dkim_signature_parse(all, kind, &a, &s, &e)) {
		must(e.fault != FAULT_NONE && e.text[0], "a reason");
		return;
	}
	must(s.b.n && s.b.n <= DKIM_B_MAX && is_inside(s.b_raw, all) && s.domain.n && s.selector.n, "a signature");
	dkim_field_add_without(&b, s.header, all, s.b_raw);
}

static void body_add(struct buf *b, enum dkim_canon canon, struct str in, size_t piece)
{
	struct dkim_body c = { .canon = canon };
	struct str part, run;

	for (; in.n; in = str_from(in, piece)) {
		part = str_head(in, piece);
		while (dkim_body_next(&c, &part, &run))
			buf_add(b, run);
	}
	while (dkim_body_last(&c, &run))
		buf_add(b, run);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(buf_end) struct buf whole = buf_on_heap(1 << 20), pieces = buf_on_heap(1 << 20);
	struct str all = str_of(p, n);
	struct dkim_key key;
	struct err e;

	tags_try(all);
	for (int kind = DKIM_SIGNATURE; kind <= DKIM_ARC_SEAL; kind++)
		signature_try(all, (enum dkim_kind)kind);
	dkim_key_parse(all, &a, &key, &e);
	for (int canon = DKIM_SIMPLE; canon <= DKIM_RELAXED; canon++) {
		buf_clear(&whole);
		buf_clear(&pieces);
		body_add(&whole, (enum dkim_canon)canon, all, n + 1);
		body_add(&pieces, (enum dkim_canon)canon, all, 1 + n % 37);
		must(str_eq(buf_str(&whole), buf_str(&pieces)), "pieces change nothing");
		must(whole.n == 0 || str_ends(buf_str(&whole), S("\r\n")), "a line end");
	}
	return 0;
}
