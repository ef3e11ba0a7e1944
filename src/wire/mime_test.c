/* mime_test.c — the tree of parts; rows F1, F3, F6 and F9 of attacks.md. */
#include "wire/mime.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A tree in one line: type/subtype size[ in CRLF form]:lines, children in parentheses. */
static void tree_add(struct buf *b, const struct mime_part *p)
{
	buf_addf(b, STR_FMT "/" STR_FMT " %zu:%zu", STR_ARG(p->type), STR_ARG(p->subtype), p->body.crlf_n, p->body.lines);
	if (p->child)
		buf_add(b, S(" ("));
	for (const struct mime_part *c = p->child; c; c = c->next) {
		tree_add(b, c);
		if (c->next)
			buf_add(b, S(", "));
	}
	if (p->child)
		buf_add(b, S(")"));
}

#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b "\n\n"

static const struct { const char *what; struct str in, tree; } rows[] = {
	{ "nothing", S(""), S("text/plain 0:0") },
	{ "an empty line", S("\n"), S("text/plain 0:0") },
	{ "a header alone", S("Content-Type: text/html"), S("text/html 0:0") },
	{ "LF counts as CRLF", S("A: b\n\na\nb"), S("text/plain 4:1") },
	{ "CRLF counts once", S("A: b\r\n\r\na\r\nb\r\n"), S("text/plain 6:2") },
	{ "CR CR LF is no empty line", S("A: b\n\r\r\nb\n\nc\n"), S("text/plain 3:1") },
	{ "a blank line of spaces continues a field", S("A: b\n \nContent-Type: text/html\n\nx"), S("text/html 1:0") },
	/* RFC 2046 §5.1.1: the line end before a boundary belongs to it; preamble and epilogue are no parts */
	{ "two parts", S(MIXED("a") "pre\n--a\n\nx\n--a\nContent-Type: text/html\n\ny\n\n--a--\nepi\n"),
	  S("multipart/mixed 64:11 (text/plain 1:0, text/html 3:1)") },
	{ "no last boundary", S(MIXED("a") "--a\n\nx\n"), S("multipart/mixed 10:3 (text/plain 3:1)") },
	{ "no boundary at all", S(MIXED("a") "x\n"), S("multipart/mixed 3:1") },
	{ "no boundary parameter", S("Content-Type: multipart/mixed\n\n--a\n\nx\n--a--\n"), S("multipart/mixed 17:4") },
	{ "an empty part", S(MIXED("a") "--a\n--a\n\n--a--"), S("multipart/mixed 17:3 (text/plain 0:0, text/plain 0:0)") },
	{ "white space behind a boundary", S(MIXED("a") "--a \t\n\nx\n--a-- \n"), S("multipart/mixed 20:4 (text/plain 1:0)") },
	{ "behind the last boundary nothing begins", S(MIXED("a") "--a\n\nx\n--a--\n--a\n\ny\n--a--\n"),
	  S("multipart/mixed 34:8 (text/plain 1:0)") },
	{ "an inner multipart is not closed",
	  S(MIXED("o") "--o\n" MIXED("i") "--i\n\nx\n--o\n\ny\n--o--\n"),
	  S("multipart/mixed 77:10 (multipart/mixed 8:2 (text/plain 1:0), text/plain 1:0)") },
	/* F6 */
	{ "F6 the inner boundary begins with the outer",
	  S(MIXED("a") "--a\n" MIXED("ab") "--ab\n\nx\n--ab--\n--a--\n"),
	  S("multipart/mixed 77:8 (multipart/mixed 17:3 (text/plain 1:0))") },
	{ "F6 the outer boundary begins with the inner",
	  S(MIXED("ab") "--ab\n" MIXED("a") "--a\n\nx\n--ab\n\ny\n--ab--\n"),
	  S("multipart/mixed 80:10 (multipart/mixed 8:2 (text/plain 1:0), text/plain 1:0)") },
	{ "F6 both are the same", S(MIXED("a") "--a\n" MIXED("a") "--a\n\nx\n--a--\n--a\n\nz\n--a--\n"),
	  S("multipart/mixed 84:11 (multipart/mixed 15:3 (text/plain 1:0), text/plain 1:0)") },
	{ "F6 a boundary that ends in --", S(MIXED("a--") "--a--\n\nx\n--a----\n"),
	  S("multipart/mixed 21:4 (text/plain 1:0)") },
	{ "F6 an empty boundary", S(MIXED("\"\"") "--\n\nx\n----\n"), S("multipart/mixed 15:4 (text/plain 1:0)") },
	{ "a message", S("Content-Type: message/rfc822\n\nContent-Type: text/html\n\nhi\n"),
	  S("message/rfc822 31:3 (text/html 4:1)") },
	{ "an empty message", S("Content-Type: message/rfc822\n\n"), S("message/rfc822 0:0 (text/plain 0:0)") },
	{ "a message in another", S("Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nA: b\n\nhi\n"),
	  S("message/rfc822 44:5 (message/rfc822 12:3 (text/plain 4:1))") },
	{ "message/global", S("Content-Type: message/global\n\nA: b\n\nhi\n"), S("message/global 12:3 (text/plain 4:1)") },
	{ "message/global may be encoded, RFC 6532 §3.7",
	  S("Content-Type: message/global\nContent-Transfer-Encoding: base64\n\nQTo=\n"), S("message/global 6:1") },
	{ "a part without an empty line", S(MIXED("a") "--a\nContent-Type: text/html\n--a--\n"),
	  S("multipart/mixed 37:3 (text/html 0:0)") },
	{ "a message with nothing behind its header", S(MIXED("a") "--a\nContent-Type: message/rfc822\n\nA: b\n\n--a--\n"),
	  S("multipart/mixed 52:6 (message/rfc822 8:2 (text/plain 0:0))") },
	{ "a boundary is the last thing there is", S(MIXED("a") "--a\n\nx\n--a"), S("multipart/mixed 13:3 (text/plain 1:0)") },
	{ "and has a line end", S(MIXED("a") "--a\n\nx\n--a\n"), S("multipart/mixed 15:4 (text/plain 1:0, text/plain 0:0)") },
	/* RFC 2046 §5.1.5 */
	{ "a digest", S("Content-Type: multipart/digest; boundary=a\n\n--a\n\nA: b\n\nx\n--a\nContent-Type: text/plain\n\ny\n--a--\n"),
	  S("multipart/digest 61:10 (message/rfc822 9:2 (text/plain 1:0), text/plain 1:0)") },
	/* RFC 2045 §5.2 */
	{ "a type that cannot be read", S("Content-Type: text\n\nx"), S("text/plain 1:0") },
	{ "a type without parts around \"/\"", S("Content-Type: /html\n\nx"), S("text/plain 1:0") },
	{ "comments in a type", S("Content-Type: (a) text (b(c)) / html (d) ; charset=x\n\nx"), S("text/html 1:0") },
	/* F9 */
	{ "F9 the first Content-Type counts", S("Content-Type: text/html\nContent-Type: " "multipart/mixed; boundary=a\n\n--a\n"),
	  S("text/html 5:1") },
	{ "F9 the first boundary counts", S("Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--b\n\nx\n--a\n\ny\n"),
	  S("multipart/mixed 20:6 (text/plain 3:1)") },
	{ "F9 space before the colon", S("Content-Type : text/html\n\nx"), S("text/html 1:0") },
	{ "F9 a NUL is part of a name", S("Content-Type\0: text/html\n\nx"), S("text/plain 1:0") },
	{ "a line that is no field", S("From x@y\nno field\n with more\nContent-Type: text/html\n\nx"), S("text/html 1:0") },
};

static void test_tree(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
		AUTO(buf_end) struct buf got = buf_on_heap(4096);
		char *exact = malloc(rows[i].in.n + !rows[i].in.n);
		const struct mime_part *root;

		assert_non_null(exact);
		memcpy(exact, rows[i].in.p, rows[i].in.n);
		root = mime_parse(str_of(exact, rows[i].in.n), &a);
		assert_non_null(root);
		tree_add(&got, root);
		if (!str_eq(buf_str(&got), rows[i].tree))
			fail_msg("%s: " STR_FMT, rows[i].what, STR_ARG(buf_str(&got)));
		assert_int_equal(root->header.n + root->body.n, rows[i].in.n);
		free(exact);
	}
}

static size_t count(const struct mime_part *root, unsigned *ret_depth)
{
	size_t n = 0;

	*ret_depth = 0;
	for (const struct mime_part *p = root; p; p = mime_next(p), n++)
		*ret_depth = p->depth > *ret_depth ? p->depth : *ret_depth;
	return n;
}

static void test_f1_depth(void **state)
{
	static const struct str nest[] = {
		S("Content-Type: message/rfc822\n\n"),
		S("Content-Type: multipart/mixed; boundary=a\n\n--a\n"),
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(nest); k++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
		AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
		const struct mime_part *p;
		unsigned depth;

		for (int i = 0; i < 10000; i++)
			buf_add(&b, nest[k]);
		p = mime_parse(buf_str(&b), &a);
		assert_non_null(p);
		count(p, &depth);
		assert_int_equal(depth, MIME_DEPTH_MAX);
		while (p->child)
			p = p->child;
		assert_true(p->is_cut && mime_is(p, S("application"), S("octet-stream")));
		/* a level less is no limit */
		buf_clear(&b);
		for (int i = 0; i < MIME_DEPTH_MAX - 1; i++)
			buf_add(&b, nest[k]);
		for (p = mime_parse(buf_str(&b), &a); p; p = mime_next(p))
			assert_false(p->is_cut);
	}
}

static void test_parts_limit(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
	const struct mime_part *root;
	unsigned depth;

	(void)state;
	buf_add(&b, S(MIXED("a")));
	for (int i = 0; i < 2 * MIME_PARTS_MAX; i++)
		buf_add(&b, S("--a\n\nx\n"));
	root = mime_parse(buf_str(&b), &a);
	assert_non_null(root);
	assert_int_equal(count(root, &depth), MIME_PARTS_MAX);
	assert_true(root->is_cut);
	assert_int_equal(root->header.n + root->body.n, b.n);
}

static void test_limits(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4 << 20);
	const struct mime_part *root;

	(void)state;
	/* F3: fields beyond the limit are not looked at, the body is where it is */
	for (int more = 0; more < 2; more++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };

		buf_clear(&b);
		for (int i = 0; i < MIME_FIELDS_MAX - 1 + more; i++)
			buf_add(&b, S("A: b\n"));
		buf_add(&b, S("Content-Type: text/html\n\nx"));
		root = mime_parse(buf_str(&b), &a);
		assert_int_equal(mime_is(root, S("text"), S("html")), !more);
		assert_int_equal(root->body.n, 1);
	}
	/* F6: a boundary at its limit, and one octet more */
	for (int more = 0; more < 2; more++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };

		buf_clear(&b);
		for (int k = 0; k < 2; k++) {
			buf_add(&b, k ? S("\n\n--") : S("Content-Type: multipart/mixed; boundary="));
			for (int i = 0; i < MIME_BOUNDARY_MAX + more; i++)
				buf_add_char(&b, 'b');
		}
		buf_add(&b, S("\n\nx\n"));
		root = mime_parse(buf_str(&b), &a);
		assert_int_equal(root->kind, MIME_MULTIPART);
		assert_int_equal(root->child == NULL, more);
	}
	{
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };

		buf_clear(&b);
		buf_add(&b, S("Subject: "));
		for (int i = 0; i < MIME_FIELD_SIZE_MAX + 9; i++)
			buf_add_char(&b, 'x');
		root = mime_parse(buf_str(&b), &a);
		assert_int_equal(mime_field(root, LETTER_SUBJECT).n, MIME_FIELD_SIZE_MAX);
	}
}

static void test_fields(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	struct str in = S("From: a\nFROM: b\nSubject: x\n y\r\nsubject: z\nContent-ID: <1>\nContent-Id: <2>\n"
			  "Content-Transfer-Encoding: Base64 (really)\n\n");
	const struct mime_part *p = mime_parse(in, &a);

	(void)state;
	/* all addresses count, of the others the last, of Content-* the first */
	assert_true(str_eq(mime_field(p, LETTER_FROM), S(" a")));
	assert_true(str_eq(p->fields[LETTER_FROM].more->raw, S(" b")));
	assert_true(str_eq(mime_field(p, LETTER_SUBJECT), S(" z")));
	assert_null(mime_field(p, LETTER_TO).p);
	assert_true(str_eq(p->content[CONTENT_ID], S(" <1>")));
	assert_true(p->encoding == MIME_BASE64 && str_eq(p->encoding_text, S("Base64")));
	assert_false(p->is_ambiguous);
}

static void test_f9_ambiguous(void **state)
{
	static const struct { struct str in; bool is_ambiguous; enum mime_encoding encoding; } amb[] = {
		{ S("Content-Type: text/html\nContent-Type: text/html\n"), true, MIME_7BIT },
		{ S("Content-Type: multipart/mixed; boundary=a; boundary=b\n"), true, MIME_7BIT },
		{ S("Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 8bit\n"), true, MIME_BASE64 },
		{ S("Content-Transfer-Encoding: base64 foo\n"), true, MIME_7BIT },
		{ S("Content-Transfer-Encoding: base64;\n"), true, MIME_BASE64 },
		{ S("Content-Transfer-Encoding: (x) base64 (y)\n"), false, MIME_BASE64 },
		{ S("Content-Transfer-Encoding: \n"), false, MIME_7BIT },
		{ S("Content-Transfer-Encoding: x-uuencode\n"), false, MIME_UNKNOWN },
		{ S("Content-Type: text/html\n"), false, MIME_7BIT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(amb); i++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
		const struct mime_part *p = mime_parse(amb[i].in, &a);

		if (p->is_ambiguous != amb[i].is_ambiguous || p->encoding != amb[i].encoding)
			fail_msg("row %zu", i);
	}
}

static void test_full_arena(void **state)
{
	struct str in = S(MIXED("a") "--a\nContent-Type: text/plain; a=b; c=d\n\nx\n--a--\n");
	bool done = false;

	(void)state;
	for (size_t limit = 16; !done; limit += 16) {
		AUTO(arena_end) struct arena a = { .limit = limit };

		done = mime_parse_parts(in, MIME_PARTS_MAX, &a) != NULL;
		assert_true(done == !a.full);
	}
}

/* F4: as many parts and parameters as there may be are more than the arena holds. */
static void test_f4_opaque(void **state)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	AUTO(buf_end) struct buf b = buf_on_heap(64 << 20);
	const struct mime_part *root;

	(void)state;
	buf_add(&b, S(MIXED("a")));
	for (int i = 0; i < MIME_PARTS_MAX; i++) {
		buf_add(&b, S("--a\nContent-Type: a/b"));
		for (int k = 0; k < MIME_PARAMS_MAX; k++)
			buf_add(&b, S(";a=b"));
		buf_add(&b, S("\n\n"));
	}
	root = mime_parse(buf_str(&b), &a);
	assert_non_null(root);
	assert_true(root->is_cut && root->kind == MIME_LEAF && !a.full);
	assert_int_equal(root->header.n + root->body.n, b.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_f1_depth),
		cmocka_unit_test(test_parts_limit),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_f9_ambiguous),
		cmocka_unit_test(test_full_arena),
		cmocka_unit_test(test_f4_opaque),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
