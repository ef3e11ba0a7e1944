/* imap_structure_test.c — ENVELOPE, BODY, BODYSTRUCTURE and strings; row G13 of attacks.md. */
#include "wire/imap_structure.h"

#include "wire/imap_envelope.h"
#include "wire/imap_string.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_strings(void **state)
{
	static const struct { struct str in, out; } rows[] = {
		{ S("a b"), S("\"a b\"") },
		{ S(""), S("\"\"") },
		{ S("a\"b\\c"), S("\"a\\\"b\\\\c\"") },
		{ S("a\r\nb"), S("{4}\r\na\r\nb") },
		{ S("\xe4"), S("{1}\r\n\xe4") },
		{ S("a\0b"), S("{5}\r\na\xef\xbf\xbd" "b") },
		/* G13: what is kept cannot end the string it stands in */
		{ S("x\") {3}"), S("\"x\\\") {3}\"") },
		{ S("x\r\n* BYE"), S("{8}\r\nx\r\n* BYE") },
	};
	static const struct { struct str in, out; } fields[] = {
		{ S(" a"), S("\"a\"") },
		{ S(" a\r\n b\n\t c \r\n"), S("\"a b c\"") },
		{ S("a\tb"), S("\"a b\"") },
		{ S("a\rb"), S("\"a b\"") },
		{ S("a \n \n b"), S("\"a b\"") },
		{ S(""), S("\"\"") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(100);

		imap_add_string(&b, rows[i].in);
		if (!str_eq(buf_str(&b), rows[i].out))
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(buf_str(&b)));
	}
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(100);

		imap_add_field(&b, fields[i].in);
		if (!str_eq(buf_str(&b), fields[i].out))
			fail_msg("field %zu: " STR_FMT, i, STR_ARG(buf_str(&b)));
	}
	for (int more = 0; more < 2; more++) {
		AUTO(buf_end) struct buf in = buf_on_heap(10000), out = buf_on_heap(10000);

		for (int i = 0; i < IMAP_QUOTED_MAX + more; i++)
			buf_add_char(&in, 'x');
		imap_add_string(&out, buf_str(&in));
		assert_int_equal(out.p[0], more ? '{' : '"');
	}
}

/* The example of RFC 9051 §8, without the octets of the text. */
#define EXAMPLE \
	"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n" \
	"From: Terry Gray <gray@cac.washington.edu>\r\n" \
	"Subject: IMAP4rev2 WG mtg summary and minutes\r\n" \
	"To: imap@cac.washington.edu\r\n" \
	"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n" \
	"Message-Id: <B27397-0100000@cac.washington.edu>\r\n" \
	"MIME-Version: 1.0\r\n" \
	"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\nx\r\n"

#define BOTH(env) env " " env " " env

static const struct { const char *what; struct str in, envelope; } envelopes[] = {
	{ "RFC 9051 §8", S(EXAMPLE),
	  S("(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" "
	    BOTH("((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))")
	    " ((NIL NIL \"imap\" \"cac.washington.edu\"))"
	    " ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\"))"
	    " NIL NIL \"<B27397-0100000@cac.washington.edu>\")") },
	{ "nothing", S(""), S("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)") },
	{ "empty fields", S("Date:\nSubject: \nFrom:\nTo: \nIn-Reply-To:\nMessage-ID:\n"),
	  S("(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")") },
	{ "sender and reply-to of their own", S("From: a@b\nSender: c@d\nReply-To: e@f\n"),
	  S("(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) ((NIL NIL \"e\" \"f\")) NIL NIL NIL NIL NIL)") },
	{ "empty ones default to From", S("From: a@b\nSender: \nReply-To: <>\n"),
	  S("(NIL NIL " BOTH("((NIL NIL \"a\" \"b\"))") " NIL NIL NIL NIL NIL)") },
	{ "a group", S("To: x y: a@b;, c@d\n"),
	  S("(NIL NIL NIL NIL NIL ((NIL NIL \"x y\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)(NIL NIL \"c\" \"d\"))"
	    " NIL NIL NIL NIL)") },
	{ "no host is no group", S("To: root\n"), S("(NIL NIL NIL NIL NIL ((NIL NIL \"root\" \"\")) NIL NIL NIL NIL)") },
	{ "doubled fields", S("To: a@b\nSubject: 1\nTO: c@d\nSubject: 2\n"),
	  S("(NIL \"2\" NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)") },
	{ "8-bit", S("Subject: \xc3\xa4\n"), S("(NIL {2}\r\n\xc3\xa4 NIL NIL NIL NIL NIL NIL NIL NIL)") },
	{ "G13", S("Subject: x\"\r\n ) {10}\nTo: \"a\\\" NIL\"@b\n"),
	  S("(NIL \"x\\\" ) {10}\" NIL NIL NIL ((NIL NIL \"a\\\" NIL\" \"b\")) NIL NIL NIL NIL)") },
};

static void test_envelope(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(envelopes); i++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
		AUTO(buf_end) struct buf b = buf_on_heap(4096);

		imap_envelope_add(&b, mime_parse(envelopes[i].in, &a));
		if (!str_eq(buf_str(&b), envelopes[i].envelope))
			fail_msg("%s: " STR_FMT, envelopes[i].what, STR_ARG(buf_str(&b)));
	}
}

#define NO_ENVELOPE "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

static const struct { const char *what; struct str in, body, extended; } structures[] = {
	{ "RFC 9051 §8", S(EXAMPLE), S("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 3 1)"),
	  S("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 3 1 NIL NIL NIL NIL)") },
	{ "defaults", S("\na\nb\n"), S("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 2)"),
	  S("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 2 NIL NIL NIL NIL)") },
	{ "all there is",
	  S("Content-Type: application/pdf; name=\"a \\\"b\"\nContent-ID: <x>\nContent-Description: two\n words\n"
	    "Content-Transfer-Encoding: BASE64\nContent-MD5: q==\nContent-Disposition: attachment; filename*=utf-8''%41\n"
	    "Content-Language: de, en\nContent-Location: http://x/\n\nQQ==\n"),
	  S("(\"application\" \"pdf\" (\"name\" \"a \\\"b\") \"<x>\" \"two words\" \"BASE64\" 6)"),
	  S("(\"application\" \"pdf\" (\"name\" \"a \\\"b\") \"<x>\" \"two words\" \"BASE64\" 6 \"q==\" "
	    "(\"attachment\" (\"filename*\" \"utf-8''%41\")) (\"de\" \"en\") \"http://x/\")") },
	{ "parts", S("Content-Type: multipart/alternative; boundary=b\nContent-Disposition: inline\n\n--b\n\nx\n--b\nContent-Type: text/html; charset=x\n\n--b--\n"),
	  S("((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0)"
	    "(\"text\" \"html\" (\"charset\" \"x\") NIL NIL \"7bit\" 0 0) \"alternative\")"),
	  S("((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)"
	    "(\"text\" \"html\" (\"charset\" \"x\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"alternative\" "
	    "(\"boundary\" \"b\") (\"inline\" NIL) NIL NIL)") },
	{ "no parts", S("Content-Type: multipart/mixed\n\n"),
	  S("((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")"),
	  S("((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" NIL NIL NIL NIL)") },
	{ "a message", S("Content-Type: message/rfc822\n\nContent-Type: image/png\n\nhi\n"),
	  S("(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 31 " NO_ENVELOPE " (\"image\" \"png\" NIL NIL NIL \"7bit\" 4) 3)"),
	  S("(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 31 " NO_ENVELOPE
	    " (\"image\" \"png\" NIL NIL NIL \"7bit\" 4 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)") },
	{ "G13", S("Content-Type: a/b; x=\"\\\") {3}\"; y=\xe4\n\n"),
	  S("(\"a\" \"b\" (\"x\" \"\\\") {3}\" \"y\" {1}\r\n\xe4) NIL NIL \"7bit\" 0)"),
	  S("(\"a\" \"b\" (\"x\" \"\\\") {3}\" \"y\" {1}\r\n\xe4) NIL NIL \"7bit\" 0 NIL NIL NIL NIL)") },
};

static void test_structure(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(structures); i++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
		AUTO(buf_end) struct buf b = buf_on_heap(4096), x = buf_on_heap(4096);
		const struct mime_part *root = mime_parse(structures[i].in, &a);

		imap_structure_add(&b, root, false);
		imap_structure_add(&x, root, true);
		if (!str_eq(buf_str(&b), structures[i].body) || !str_eq(buf_str(&x), structures[i].extended))
			fail_msg("%s: " STR_FMT " " STR_FMT, structures[i].what, STR_ARG(buf_str(&b)), STR_ARG(buf_str(&x)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_structure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
