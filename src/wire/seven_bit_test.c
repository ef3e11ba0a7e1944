/* seven_bit_test.c — what becomes of a letter on its way to a server that takes 7 bits only. */
#include "wire/seven_bit.h"

#include "wire/decode.h"
#include "wire/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TOP "From: a@example.org\r\n"
#define VERSION "MIME-Version: 1.0\r\n"
#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define OCTETS "Content-Type: application/octet-stream\r\n"
#define CTE "Content-Transfer-Encoding: "
#define MIXED TOP VERSION "Content-Type: multipart/mixed; boundary=b\r\n"
#define SIGNED TOP VERSION "Content-Type: multipart/signed; boundary=b; micalg=sha-256\r\n\r\n"
#define SEVENTY "0123456789012345678901234567890123456789012345678901234567890123456789"

/* RFC 6152 §3, RFC 2045 §6 */
static const struct {
	const char *what;
	struct str in;
	const char *why;         /* NULL: it can be had */
	struct str out;
} rows[] = {
	{ "7 bits already", S(TOP "\r\nx=20 \r\n-\r\n"), NULL, S(TOP "\r\nx=20 \r\n-\r\n") },
	{ "nothing", S(""), NULL, S("") },
	{ "text", S(TOP VERSION TEXT CTE "8bit\r\n\r\n\xc3\xa4=\r\n"), NULL,
	  S(TOP VERSION TEXT CTE "quoted-printable\r\n\r\n=C3=A4=3D\r\n") },
	{ "a label that lies", S(VERSION TEXT CTE "7bit\r\n\r\n\xe4\r\n"), NULL,
	  S(VERSION TEXT CTE "quoted-printable\r\n\r\n=E4\r\n") },
	{ "the field's place and fold", S("content-transfer-encoding:\r\n 8bit\r\n" VERSION TEXT "\r\n\xe4\r\n"), NULL,
	  S(VERSION TEXT CTE "quoted-printable\r\n\r\n=E4\r\n") },
	{ "the field twice", S(VERSION CTE "8bit\r\n" TEXT CTE "8bit\r\n\r\n\xe4\r\n"), NULL,
	  S(VERSION TEXT CTE "quoted-printable\r\n\r\n=E4\r\n") },
	{ "not MIME", S(TOP "\r\n\xe4\r\n"), NULL,
	  S(TOP VERSION "Content-Type: text/plain; charset=unknown-8bit\r\n" CTE "quoted-printable\r\n\r\n=E4\r\n") },
	{ "a type that cannot be read", S(VERSION "Content-Type: huh\r\n\r\n\xe4\r\n"), NULL,
	  S(VERSION "Content-Type: huh\r\n" CTE "quoted-printable\r\n\r\n=E4\r\n") },
	{ "space at the end of lines", S(VERSION TEXT "\r\n\xe4 \r\n \t\r\na \r\n"), NULL,
	  S(VERSION TEXT CTE "quoted-printable\r\n\r\n=E4=20\r\n =09\r\na=20\r\n") },
	{ "bare CR and LF, NUL", S(VERSION TEXT "\r\n\xe4\ra\nb\0c\r\r\n"), NULL,
	  S(VERSION TEXT CTE "quoted-printable\r\n\r\n=E4=0Da=0Ab=00c=0D\r\n") },
	{ "76 columns", S(VERSION TEXT "\r\n" SEVENTY "123\xe4\r\n"), NULL,
	  S(VERSION TEXT CTE "quoted-printable\r\n\r\n" SEVENTY "123=E4\r\n") },
	{ "77 columns", S(VERSION TEXT "\r\n" SEVENTY "1234\xe4\r\n"), NULL,
	  S(VERSION TEXT CTE "quoted-printable\r\n\r\n" SEVENTY "1234=\r\n=E4\r\n") },
	{ "a line of ours is no boundary", S(MIXED "\r\n--b\r\n" TEXT "\r\n\xe4" SEVENTY "12--b\r\n--b--\r\n"), NULL,
	  S(MIXED "\r\n--b\r\n" TEXT CTE "quoted-printable\r\n\r\n=E4" SEVENTY "12=\r\n=2D-b\r\n--b--\r\n") },
	{ "octets", S(VERSION OCTETS CTE "binary\r\n\r\n\xff\r\n"), NULL, S(VERSION OCTETS CTE "base64\r\n\r\n/w0K\r\n") },
	{ "one part of three, and the label around",
	  S(MIXED CTE "8bit\r\n\r\n--b\r\n\r\none \r\n--b\r\n" TEXT CTE "8bit\r\n\r\n\xe4\r\n--b\r\n" CTE "base64\r\n\r\neA==\r\n--b--\r\n"),
	  NULL,
	  S(MIXED CTE "7bit\r\n\r\n--b\r\n\r\none \r\n--b\r\n" TEXT CTE "quoted-printable\r\n\r\n=E4\r\n--b\r\n" CTE
	    "base64\r\n\r\neA==\r\n--b--\r\n") },
	{ "a part without fields", S(MIXED "\r\n--b\r\n\r\n\xe4\r\n--b--\r\n"), NULL,
	  S(MIXED "\r\n--b\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" CTE "quoted-printable\r\n\r\n=E4\r\n--b--\r\n") },
	{ "a letter within", S(VERSION "Content-Type: message/rfc822\r\n" CTE "8bit\r\n\r\n" TOP VERSION TEXT "\r\n\xe4\r\n"), NULL,
	  S(VERSION "Content-Type: message/rfc822\r\n" CTE "7bit\r\n\r\n" TOP VERSION TEXT CTE "quoted-printable\r\n\r\n=E4\r\n") },
	{ "8bit in name only", S(VERSION TEXT CTE "8bit\r\n\r\nx \r\n"), NULL, S(VERSION TEXT CTE "7bit\r\n\r\nx \r\n") },
	{ "7 bits, signed", S(SIGNED "--b\r\n" TEXT CTE "8bit\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n"), NULL,
	  S(SIGNED "--b\r\n" TEXT CTE "8bit\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n") },
	{ "signed", S(SIGNED "--b\r\n" TEXT "\r\n\xe4\r\n--b\r\n\r\ny\r\n--b--\r\n"), "5.6.3 8-bit octets within what is signed", S("") },
	{ "signed, deeper", S(SIGNED "--b\r\nContent-Type: message/rfc822\r\n\r\n" TEXT "\r\n\xe4\r\n--b--\r\n"),
	  "5.6.3 8-bit octets within what is signed", S("") },
	{ "a field", S("Subject: \xe4\r\n\r\nx\r\n"), "5.6.3 8-bit octets in a header or between the parts", S("") },
	{ "a field, and the body", S("Subject: \xe4\r\n\r\n\xe4\r\n"), "5.6.3 8-bit octets in a header or between the parts", S("") },
	{ "a field of a part", S(MIXED "\r\n--b\r\nContent-Description: \xe4\r\n\r\nx\r\n--b--\r\n"),
	  "5.6.3 8-bit octets in a header or between the parts", S("") },
	{ "before the parts", S(MIXED "\r\n\xe4\r\n--b\r\n\r\nx\r\n--b--\r\n"), "5.6.3 8-bit octets in a header or between the parts", S("") },
	{ "behind the parts", S(MIXED "\r\n--b\r\n\r\nx\r\n--b--\r\n\xe4\r\n"), "5.6.3 8-bit octets in a header or between the parts", S("") },
	{ "no parts at all", S(MIXED "\r\n\xe4\r\n"), "5.6.3 8-bit octets in a header or between the parts", S("") },
	{ "a multipart without a boundary", S(VERSION "Content-Type: multipart/mixed\r\n\r\n\xe4\r\n"),
	  "5.6.3 8-bit octets in a header or between the parts", S("") },
	{ "message/partial", S(VERSION "Content-Type: message/partial\r\n\r\n\xe4\r\n"),
	  "5.6.3 8-bit octets in a part that cannot be encoded", S("") },
	{ "encoded already", S(VERSION TEXT CTE "quoted-printable\r\n\r\n\xe4\r\n"),
	  "5.6.3 8-bit octets in a part that cannot be encoded", S("") },
	{ "an encoding nobody knows", S(VERSION TEXT CTE "x-odd\r\n\r\n\xe4\r\n"),
	  "5.6.3 8-bit octets in a part that cannot be encoded", S("") },
};

static bool convert(struct str in, const struct view *v, struct buf *ret, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	char *copy = malloc(in.n + !in.n);
	struct seven_bit s;
	bool ok;

	assert_non_null(copy);
	memcpy(copy, in.p, in.n);
	ok = seven_bit_init(&s, str_of(copy, in.n), v, &a, e);
	while (ok) {
		AUTO(buf_end) struct buf piece = buf_on_heap(SEVEN_BIT_ROOM);

		if (!seven_bit_next(&s, &piece))
			break;
		buf_add(ret, buf_str(&piece));
	}
	free(copy);
	return ok;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
		struct err e = { 0 };
		bool ok = convert(rows[i].in, NULL, &b, &e);

		if (ok ? rows[i].why != NULL : !rows[i].why || strcmp(e.text, rows[i].why) != 0)
			fail_msg("%s: %s", rows[i].what, ok ? "could be had" : e.text);
		if (!ok)
			assert_int_equal(e.fault, FAULT_PERM);
		if (ok && !str_eq(buf_str(&b), rows[i].out))
			fail_msg("%s: " STR_FMT, rows[i].what, STR_ARG(buf_str(&b)));
	}
}

/* The recipient's view: what is cut may hold anything. */
static void test_view(void **state)
{
	static const struct {
		struct str prefix;
		struct cut cuts[2];
		size_t n_cuts;
		const char *why;
		struct str out;
	} views[] = {
		{ S("R: 1\r\n"), { { 0, 6 }, { 80, 6 } }, 2, NULL, S("R: 1\r\n" TEXT VERSION CTE "quoted-printable\r\n\r\n=E4\r\n") },
		{ S("R: \xe4\r\n"), { { 0, 6 } }, 1, "5.6.3 8-bit octets in the header", S("") },
		{ S(""), { { 80, 6 } }, 1, "5.6.3 8-bit octets in a header or between the parts", S("") },
		{ S(""), { { 0, 6 }, { 30, 3 } }, 2, "5.6.3 a cut through a field", S("") },
		{ S(""), { { 0, 6 }, { 88, 1 } }, 2, "5.6.3 a cut outside the header", S("") },
		{ S(""), { { 0, 500 } }, 1, "5.6.0 the view does not fit the letter", S("") },
	};
	static const struct str letter = S("X: \xe4\r\n" CTE "8bit\r\n" TEXT "Y: \xe4\r\n\r\n\xe4\r\n");

	(void)state;
	for (size_t i = 0; i < sizeof(views) / sizeof(*views); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
		struct view v = { views[i].prefix, (struct cut *)views[i].cuts, views[i].n_cuts };
		struct err e = { 0 };
		bool ok = convert(letter, &v, &b, &e);

		if (ok ? views[i].why != NULL : !views[i].why || strcmp(e.text, views[i].why) != 0)
			fail_msg("%zu: %s", i, ok ? "could be had" : e.text);
		if (ok && !str_eq(buf_str(&b), views[i].out))
			fail_msg("%zu: " STR_FMT, i, STR_ARG(buf_str(&b)));
	}
}

enum { MANY = 100000 };          /* octets: several pieces */

static int octet(int i)
{
	return (int)((uint32_t)i * (uint32_t)i / 7 & 0xff);
}

static void round_trip(struct str type, enum mime_encoding encoding)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	AUTO(buf_end) struct buf in = buf_on_heap(1 << 20);
	AUTO(buf_end) struct buf out = buf_on_heap(1 << 20);
	AUTO(buf_end) struct buf back = buf_on_heap(1 << 20);
	const struct mime_part *p;
	struct str rest, line;
	struct err e = { 0 };

	buf_add(&in, S(MIXED "\r\n--b\r\n"));
	buf_add(&in, type);
	buf_add(&in, S("\r\n"));
	for (int i = 0; i < MANY; i++)
		buf_add_char(&in, (char)octet(i));
	buf_add(&in, S("\r\n--b--\r\n"));
	assert_true(convert(buf_str(&in), NULL, &out, &e));
	p = mime_parse(buf_str(&out), &a)->child;
	assert_int_equal(p->encoding, encoding);
	decode_all(p->encoding, mime_bytes(buf_str(&out), &p->body), &back);
	assert_int_equal(back.n, MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal((unsigned char)back.p[i], octet(i));
	for (rest = buf_str(&out); rest.n;) {
		line = str_cut(rest, '\n', &rest);
		assert_true(line.n <= 76 + 1);
		for (size_t i = 0; i < line.n; i++)
			assert_true(str_at(line, i) < 128);
	}
}

static void test_octets(void **state)
{
	(void)state;
	round_trip(S(TEXT), MIME_QUOTED_PRINTABLE);
	round_trip(S(OCTETS), MIME_BASE64);
}

static void test_limit(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = 100 };
	struct seven_bit s;
	struct err e = { 0 };

	(void)state;
	assert_false(seven_bit_init(&s, S("\r\n\xe4\r\n"), NULL, &a, &e));
	assert_int_equal(e.fault, FAULT_TEMP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_view),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_limit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
