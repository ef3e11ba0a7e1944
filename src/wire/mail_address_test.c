/* mail_address_test.c — addresses of header fields; rows F2 and F7 of attacks.md. */
#include "wire/mail_address.h"

#include "base/buf.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* name|route|mailbox|domain, "{" group, "}" its end; separated by blanks */
static void list_add(struct buf *b, const struct mail_address *m)
{
	for (; m; m = m->next) {
		if (m->kind == MAIL_GROUP_END)
			buf_add(b, S("}"));
		else if (m->kind == MAIL_GROUP_BEGIN)
			buf_addf(b, "{" STR_FMT, STR_ARG(m->mailbox));
		else
			buf_addf(b, STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT "%s", STR_ARG(m->name), STR_ARG(m->route),
				 STR_ARG(m->mailbox), STR_ARG(m->domain), m->is_broken ? "!" : "");
		if (m->next)
			buf_add_char(b, ' ');
	}
}

static const struct { struct str in, out; } rows[] = {
	/* RFC 5322 Appendix A */
	{ S("John Doe <jdoe@machine.example>"), S("John Doe||jdoe|machine.example") },
	{ S("\"Joe Q. Public\" <john.q.public@example.com>"), S("Joe Q. Public||john.q.public|example.com") },
	{ S("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
	  S("Mary Smith||mary|x.test ||jdoe|example.org Who?||one|y.test") },
	{ S("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
	  S("||boss|nil.test Giant; \"Big\" Box||sysservices|example.net") },
	{ S("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"),
	  S("{A Group Ed Jones||c|a.test ||joe|where.test John||jdoe|one.test }") },
	{ S("Undisclosed recipients:;"), S("{Undisclosed recipients }") },
	{ S("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"), S("Pete||pete|silly.test") },
	{ S("A Group(Some people)\r\n :Chris Jones <c@(Chris's host.)public.example>,\r\n joe@example.org,\r\n"
	    " John <jdoe@one.test> (my dear friend); (the end of the group)"),
	  S("{A Group Chris Jones||c|public.example ||joe|example.org John||jdoe|one.test }") },
	{ S("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"), S("{Hidden recipients }") },
	{ S("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example"),
	  S("Mary Smith|@node.test|mary|example.net ||jdoe|test.example") },
	{ S("John Doe <jdoe@machine(comment).  example>"), S("John Doe||jdoe|machine.example") },
	/* a comment names who has no display name */
	{ S("jd@example.org (John Doe)"), S("John Doe||jd|example.org") },
	{ S("<jd@example.org> (John (J.) Doe)"), S("John (J.) Doe||jd|example.org") },
	{ S("<@a.test,@b.test:c@d.test>"), S("|@a.test,@b.test|c|d.test") },
	{ S("\"a b\"@c.test"), S("||a b|c.test") },
	{ S("a@[192.0.2.1]"), S("||a|[192.0.2.1]") },
	{ S("\"\" <a@b>"), S("||a|b") },
	{ S("=?utf-8?q?J=C3=B6rg?= X <j@x>"), S("=?utf-8?q?J=C3=B6rg?= X||j|x") },
	{ S("J\xc3\xb6rg <j\xc3\xb6@x>"), S("J\xc3\xb6rg||j\xc3\xb6|x") },
	/* what is written without quotes, though it should have them */
	{ S("me@work <me@home>"), S("me@work||me|home") },
	{ S("a.b@c (x), J. R. Doe <j@d>"), S("x||a.b|c J. R. Doe||j|d") },
	{ S("Jane Doe jd@example.org"), S("Jane Doe||jd|example.org!") },
	/* no address */
	{ S("root"), S("||root|!") },
	{ S("Jane Doe"), S("Jane Doe|||!") },
	{ S("\"Jane\""), S("Jane|||!") },
	{ S("Jane <>"), S("Jane|||!") },
	{ S("a@"), S("||a|!") },
	{ S("@b"), S("|||b!") },
	{ S("<a@b"), S("||a|b") },
	{ S("a@b c@d, e@f"), S("||a|b ||e|f") },
	{ S("a b@c d <e@f> g, h@i"), S("a b@c d||e|f ||h|i") },
	/* F7 */
	{ S(""), S("") },
	{ S(" \r\n "), S("") },
	{ S("<>"), S("") },
	{ S(",,;,"), S("") },
	{ S("a:;"), S("{a }") },
	{ S("a:"), S("{a }") },
	{ S("a:b:c;"), S("{a ||b|! }") },
	{ S("(a\\"), S("") },
	{ S("\"a\\"), S("a\\|||!") },
	{ S("a@[1.2"), S("||a|[1.2") },
	{ S("\"a\" <b@c"), S("a||b|c") },
	{ S(">"), S("||>|!") },
};

static void test_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		AUTO(buf_end) struct buf got = buf_on_heap(4096);
		struct mail_address *list = NULL;
		char *exact = malloc(rows[i].in.n + !rows[i].in.n);
		size_t n = 0;

		memcpy(exact, rows[i].in.p, rows[i].in.n);
		mail_address_parse(str_of(exact, rows[i].in.n), &a, &list, &n);
		list_add(&got, list);
		if (!str_eq(buf_str(&got), rows[i].out))
			fail_msg("row %zu: " STR_FMT, i, STR_ARG(buf_str(&got)));
		free(exact);
	}
}

static void test_f2_many(void **state)
{
	static const struct { struct str one; size_t times, count; } many[] = {
		{ S("a@b,"), MAIL_ADDRESS_MAX, MAIL_ADDRESS_MAX },
		{ S("a@b,"), 500000, MAIL_ADDRESS_MAX },
		{ S("a:"), 500000, 3 },
		{ S("a:b;"), 500000, MAIL_ADDRESS_MAX },
		{ S("("), 100000, 0 },
		{ S("\""), 100001, 0 },
		{ S("<"), 500000, 1 },
		{ S("a "), 500000, 1 },
		{ S("\"\"<"), 200000, 1 },
		{ S("@"), 500000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		AUTO(arena_end) struct arena a = { .limit = 16 << 20 };
		AUTO(buf_end) struct buf in = buf_on_heap(4 << 20);
		struct mail_address *list = NULL;
		int64_t begin = time_mono();
		size_t n = 0, seen = 0;

		for (size_t k = 0; k < many[i].times; k++)
			buf_add(&in, many[i].one);
		mail_address_parse(buf_str(&in), &a, &list, &n);
		for (; list; list = list->next)
			seen++;
		assert_int_equal(seen, n);
		if (n != many[i].count || time_mono() - begin > 5 * SECOND)
			fail_msg("row %zu: %zu", i, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_f2_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
