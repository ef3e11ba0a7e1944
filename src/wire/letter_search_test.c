/* letter_search_test.c — texts in letters as people read them. */
#include "wire/letter_search.h"

#include "wire/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LETTER \
	"Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= from\r\n afar\r\n" \
	"To: =?ISO-8859-1?Q?J=F6rg?= <j@example.org>\r\n" \
	"To: second@example.org\r\n" \
	"Sender: <user (comment)@ (other) example.org>, \"Ann \\\"B\\\"\" <ann@example.org>\r\n" \
	"X-Address: <user (comment)@ (other) example.org>\r\n" \
	"X-Empty:\r\n" \
	"Content-Type: multipart/mixed; boundary=b\r\n" \
	"\r\n" \
	"preamble\r\n" \
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" \
	"caf=E9 au la=\r\nit\r\n" \
	"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" \
	"aGlkZGVuIHRyZWFzdXJl\r\n" \
	"--b\r\nContent-Type: image/png; name=\"holiday.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" \
	"cGl4ZWxz\r\n" \
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n" \
	"--b--\r\n"

enum where { FIELD, HEADER, BODY };

static const struct { enum where where; struct str name, text; bool found; } rows[] = {
	{ FIELD, S("subject"), S("GR\xc3\x9c\xc3\x9f" "E FROM AFAR"), true },    /* decoded, on one line, any case */
	{ FIELD, S("Subject"), S("=?UTF-8"), false },
	{ FIELD, S("to"), S("j\xc3\xb6rg"), true },
	{ FIELD, S("to"), S("SECOND@"), true },                                  /* every field of that name */
	{ FIELD, S("sender"), S("user@example.org"), true },                     /* as in the envelope */
	{ FIELD, S("sender"), S("Ann \"B\" <ann@"), true },
	{ FIELD, S("sender"), S("(other) example"), true },                      /* and as it is written */
	{ FIELD, S("sender"), S("userexample"), false },
	{ FIELD, S("x-address"), S("user@example.org"), false },                 /* no field of addresses */
	{ FIELD, S("cc"), S(""), false },
	{ FIELD, S("x-empty"), S(""), true },                                    /* §6.4.4: empty is there at all */
	{ FIELD, S("x-empty"), S("a"), false },
	{ HEADER, S(""), S("to: j\xc3\xb6rg"), true },
	{ HEADER, S(""), S("treasure"), false },
	{ BODY, S(""), S("CAF\xc3\x89 AU LAIT"), true },
	{ BODY, S(""), S("Hidden Treasure"), true },
	{ BODY, S(""), S("aGlkZGVu"), false },                                   /* not as it lies there */
	{ BODY, S(""), S("pixels"), false },                                     /* no text */
	{ BODY, S(""), S("holiday.png"), true },
	{ BODY, S(""), S("inner text"), true },
	{ BODY, S(""), S("Subject: inner"), true },
	{ BODY, S(""), S("from afar"), false },                                  /* the letter's own header is not its body */
	{ BODY, S(""), S("absent"), false },
	{ BODY, S(""), S(""), true },
};

static void test_letter(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	const struct mime_part *root = mime_parse(S(LETTER), &a);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(searcher_end) struct searcher s = { 0 };
		bool found;

		assert_true(searcher_init(&s, rows[i].text));
		found = rows[i].where == FIELD ? search_field(&s, S(LETTER), rows[i].name) :
			rows[i].where == HEADER ? search_header(&s, S(LETTER)) : search_body(&s, S(LETTER), root);
		if (found != rows[i].found)
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(rows[i].text));
	}
}

/* A find that lies across two pieces, at every offset, also within a character. */
static void test_pieces(void **state)
{
	AUTO(buf_end) struct buf text = buf_on_heap(1 << 20);
	AUTO(searcher_end) struct searcher s = { 0 };

	(void)state;
	assert_true(searcher_init(&s, S("n\xc3\xa9" "edle")));
	for (size_t before = SEARCH_PIECE - 10; before < SEARCH_PIECE + 10; before++) {
		buf_clear(&text);
		memset(buf_room(&text, before), 'x', before);
		buf_add(&text, S("NE\xcc\x81" "EDLE and more"));
		assert_true(searcher_finds(&s, buf_str(&text)));
		assert_false(searcher_finds(&s, str_head(buf_str(&text), before + 5)));
	}
}

static void test_limits(void **state)
{
	AUTO(searcher_end) struct searcher s = { 0 };
	AUTO(buf_end) struct buf text = buf_on_heap(SEARCH_NEEDLE_MAX + 1);

	(void)state;
	memset(buf_room(&text, SEARCH_NEEDLE_MAX + 1), 'x', SEARCH_NEEDLE_MAX + 1);
	assert_false(searcher_init(&s, buf_str(&text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letter),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
