/* unpack_test.c — gzip and zip as others write them, damaged ones, and bombs (attack K7). */
#include "wire/unpack.h"

#include "base/attr.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROOM = 64 << 20 };

static void put16(struct buf *b, uint32_t v)
{
	buf_add_char(b, (char)v);
	buf_add_char(b, (char)(v >> 8));
}

static void put32(struct buf *b, uint32_t v)
{
	put16(b, v & 0xffff);
	put16(b, v >> 16);
}

/* As zlib's deflate writes it: window 31 is gzip, -15 raw. */
static struct buf pack(struct str s, int window)
{
	struct buf b = buf_on_heap(ROOM);
	z_stream z = { 0 };
	char *to;

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)s.p;
	z.avail_in = (unsigned)s.n;
	z.avail_out = (unsigned)deflateBound(&z, s.n);
	to = buf_room(&b, z.avail_out);
	z.next_out = (unsigned char *)to;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.n = z.total_out;
	deflateEnd(&z);
	return b;
}

struct entry {
	const char *name;
	struct str bytes;
	bool is_stored, has_sizes_behind;        /* general purpose bit 3 */
	uint32_t crc_off, flags, method_off;
};

static void zip_entry(struct buf *zip, struct buf *directory, const struct entry *x)
{
	struct buf packed = x->is_stored ? buf_on_heap(1) : pack(x->bytes, -15);
	struct str data = x->is_stored ? x->bytes : buf_str(&packed), name = str_from_z(x->name);
	uint32_t crc = (uint32_t)crc32(0, (const unsigned char *)x->bytes.p, (unsigned)x->bytes.n) + x->crc_off, at = (uint32_t)zip->n;
	uint32_t method = (x->is_stored ? 0 : 8) + x->method_off, flags = x->flags | (x->has_sizes_behind ? 8 : 0);

	buf_add(zip, S("PK\x03\x04"));
	put16(zip, 20), put16(zip, flags), put16(zip, method), put32(zip, 0);
	put32(zip, x->has_sizes_behind ? 0 : crc);
	put32(zip, x->has_sizes_behind ? 0 : (uint32_t)data.n);
	put32(zip, x->has_sizes_behind ? 0 : (uint32_t)x->bytes.n);
	put16(zip, (uint32_t)name.n), put16(zip, 0);
	buf_add(zip, name), buf_add(zip, data);
	buf_add(directory, S("PK\x01\x02"));
	put16(directory, 20), put16(directory, 20), put16(directory, flags), put16(directory, method), put32(directory, 0);
	put32(directory, crc), put32(directory, (uint32_t)data.n), put32(directory, (uint32_t)x->bytes.n);
	put16(directory, (uint32_t)name.n), put16(directory, 0), put16(directory, 0), put16(directory, 0);
	put16(directory, 0), put32(directory, 0), put32(directory, at);
	buf_add(directory, name);
	buf_end(&packed);
}

static struct buf zip_of(const struct entry *p, size_t n)
{
	struct buf zip = buf_on_heap(ROOM), directory = buf_on_heap(1 << 16);
	uint32_t at;

	for (size_t i = 0; i < n; i++)
		zip_entry(&zip, &directory, &p[i]);
	at = (uint32_t)zip.n;
	buf_add(&zip, buf_str(&directory));
	buf_add(&zip, S("PK\x05\x06"));
	put16(&zip, 0), put16(&zip, 0), put16(&zip, (uint32_t)n), put16(&zip, (uint32_t)n);
	put32(&zip, (uint32_t)directory.n), put32(&zip, at), put16(&zip, 0);
	buf_end(&directory);
	return zip;
}

/* Gives what comes out, or the sentence. */
static bool run(struct str packed, struct buf *ret, struct err *e)
{
	char *exact = malloc(packed.n ? packed.n : 1);
	struct unpack u;
	struct str piece;
	bool ok;

	memcpy(exact, packed.n ? packed.p : "", packed.n);
	*ret = buf_on_heap(ROOM);
	ok = unpack_open(&u, str_of(exact, packed.n), e);
	while (ok && (ok = unpack_next(&u, &piece, e)) && piece.n)
		buf_add(ret, piece);
	unpack_end(&u);
	free(exact);
	return ok;
}

static void expect(struct str packed, struct str wanted)
{
	struct err e = { 0 };
	struct buf got;

	if (!run(packed, &got, &e))
		fail_msg("%s", e.text);
	assert_true(str_eq(buf_str(&got), wanted));
	buf_end(&got);
}

static void expect_no(struct str packed, const char *word)
{
	struct err e = { 0 };
	struct buf got;

	if (run(packed, &got, &e))
		fail_msg("not refused: %s", word);
	if (!strstr(e.text, word))
		fail_msg("\"%s\" says nothing of \"%s\"", e.text, word);
	buf_end(&got);
}

static struct str text(void)
{
	static char mem[100000];
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(mem); i++) {
		x = x * 1664525 + 1013904223;
		mem[i] = (char)('a' + (x >> 24) % 26);
	}
	return str_of(mem, sizeof(mem));
}

static void test_good(void **state)
{
	struct entry one = { .name = "r.xml", .bytes = text() }, behind = { .name = "r.xml", .bytes = text(), .has_sizes_behind = true };
	struct entry stored = { .name = "../../etc/passwd", .bytes = text(), .is_stored = true };
	struct entry two[] = { { .name = "dir/", .bytes = S(""), .is_stored = true }, { .name = "dir/r.xml", .bytes = text() } };
	struct buf gz = pack(text(), 31), zips[] = { zip_of(&one, 1), zip_of(&behind, 1), zip_of(&stored, 1), zip_of(two, 2) };

	(void)state;
	expect(text(), text());
	expect(S(""), S(""));
	expect(buf_str(&gz), text());
	buf_add(&gz, S("\r\n"));                         /* as mimecast's end */
	expect(buf_str(&gz), text());
	buf_end(&gz);
	for (size_t i = 0; i < ARRAY_LEN(zips); i++) {
		expect(buf_str(&zips[i]), text());
		buf_end(&zips[i]);
	}
}

/* Each cut of an archive is refused or whole, never part of it without a word. */
static void test_cut(void **state)
{
	struct entry one = { .name = "r.xml", .bytes = str_head(text(), 3000) };
	struct buf packed[] = { zip_of(&one, 1), pack(one.bytes, 31) };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(packed); k++) {
		for (size_t n = 4; n < packed[k].n; n++) {
			struct err e = { 0 };
			struct buf got;

			if (run(str_head(buf_str(&packed[k]), n), &got, &e))
				fail_msg("cut at %zu: not refused", n);
			buf_end(&got);
		}
		buf_end(&packed[k]);
	}
}

static void test_broken(void **state)
{
	struct entry rows[] = {
		{ .name = "r", .bytes = S("x"), .crc_off = 1 }, { .name = "r", .bytes = S("x"), .flags = 1 },
		{ .name = "r", .bytes = S("x"), .method_off = 4 }, { .name = "d/", .bytes = S(""), .is_stored = true },
	};
	const char *words[] = { "check sum", "encrypted", "nobody uses", "no file" };
	struct buf gz = pack(text(), 31);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf zip = zip_of(&rows[i], 1);

		expect_no(buf_str(&zip), words[i]);
		buf_end(&zip);
	}
	gz.p[gz.n / 2] ^= 0x55;
	expect_no(buf_str(&gz), "damaged");
	buf_end(&gz);
	expect_no(S("PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "empty");
}

static void test_bombs_K7(void **state)
{
	size_t n = UNPACK_SIZE_MAX + 1;
	char *zeros = calloc(1, n);
	struct entry small = { .name = "r", .bytes = str_of(zeros, 8 << 20) }, big = { .name = "r", .bytes = str_of(zeros, n) };
	struct buf gz = pack(str_of(zeros, 8 << 20), 31), zip = zip_of(&small, 1), huge = zip_of(&big, 1);
	struct buf noise = buf_on_heap(ROOM);
	uint64_t x = 1;

	(void)state;
	expect_no(buf_str(&gz), "bomb");
	expect_no(buf_str(&zip), "bomb");
	expect_no(buf_str(&huge), "25 MiB");
	buf_end(&gz), buf_end(&zip), buf_end(&huge);
	/* what grows by less is told by its size: one octet in thirty-two is noise */
	for (size_t i = 0; i < n; i += 32) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		zeros[i] = (char)(x >> 56);
	}
	gz = pack(str_of(zeros, n), 31);
	expect_no(buf_str(&gz), "25 MiB");
	buf_end(&gz);
	buf_add(&noise, S("\x1f\x8b\x08"));
	memset(buf_room(&noise, UNPACK_PACKED_MAX), 'x', UNPACK_PACKED_MAX);
	expect_no(buf_str(&noise), "10 MiB");
	buf_end(&noise);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_cut), cmocka_unit_test(test_broken), cmocka_unit_test(test_bombs_K7),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
