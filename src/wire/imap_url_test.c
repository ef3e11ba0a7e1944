/* imap_url_test.c — which URLs name a letter; forms of RFC 4469 and RFC 5092 §9. */
#include "wire/imap_url.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
	const char *url;
	const char *mailbox;             /* NULL: the URL is refused */
	uint32_t validity, uid;
	const char *section;
	uint64_t offset, length;         /* length 0: no partial */
} rows[] = {
	{ "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER", "Drafts", 385759045, 20, "HEADER", 0, 0 },
	{ "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME", "Drafts", 385759045, 20, "1.MIME", 0, 0 },
	{ "/Drafts;uidvalidity=385759045/;uid=30", "Drafts", 385759045, 30, "", 0, 0 },
	{ "/INBOX/;uid=7/;section=text", "INBOX", 0, 7, "TEXT", 0, 0 },
	{ "INBOX/;uid=7", "INBOX", 0, 7, "", 0, 0 },
	{ ";UID=7/;SECTION=1.2", "", 0, 7, "1.2", 0, 0 },
	{ "/gray%20council%C3%A4/;UID=20", "gray council\xc3\xa4", 0, 20, "", 0, 0 },
	{ "/x/;UID=20/;SECTION=HEADER.FIELDS%20(From%20To)", "x", 0, 20, "HEADER.FIELDS (From To)", 0, 0 },
	{ "/x/;UID=20/;PARTIAL=10.200", "x", 0, 20, "", 10, 200 },
	{ "/x/;UID=20/;PARTIAL=10", "x", 0, 20, "", 10, UINT64_MAX },
	{ "/x/;UID=4294967295/;SECTION=1/;PARTIAL=9223372036854775807.1", "x", 0, UINT32_MAX, "1", INT64_MAX, 1 },
	{ "/a/b/;UID=1", "a/b", 0, 1, "", 0, 0 },
	/* none */
	{ .url = "" }, { .url = "/" }, { .url = "/x" }, { .url = "/x/" }, { .url = "/x;UID=1" },
	{ .url = "//host/x/;UID=1" }, { .url = "/x/;UID=1/;UID=1" }, { .url = "imap://host/x/;UID=20" }, { .url = "imap://a@b/;UID=20" },
	{ .url = "/;UID=20" }, { .url = "/x/;UID=" }, { .url = "/x/;UID=0" }, { .url = "/x/;UID=4294967296" },
	{ .url = "/x/;UID=-1" }, { .url = "/x/;UID=1x" }, { .url = "/x/;UID=1/" }, { .url = "/x;UIDVALIDITY=/;UID=1" },
	{ .url = "/x;UIDVALIDITY=0/;UID=1" }, { .url = "/x;UIDVALIDITY=1x/;UID=1" }, { .url = "/x;FOO=1/;UID=1" },
	{ .url = "/x/;UID=1/;SECTION=" }, { .url = "/x/;UID=1/;SECTION=0" }, { .url = "/x/;UID=1/;SECTION=odd" },
	{ .url = "/x/;UID=1/;PARTIAL=" }, { .url = "/x/;UID=1/;PARTIAL=1." }, { .url = "/x/;UID=1/;PARTIAL=1.0" },
	{ .url = "/x/;UID=1/;PARTIAL=1.2.3" }, { .url = "/x/;UID=1/;PARTIAL=1/;SECTION=1" },
	{ .url = "/x/;UID=1;URLAUTH=anonymous" }, { .url = "/x%/;UID=1" }, { .url = "/x%4/;UID=1" },
	{ .url = "/x%00/;UID=1" }, { .url = "/x%FF/;UID=1" }, { .url = "/x y/;UID=1" }, { .url = "/x\xc3\xa4/;UID=1" },
	{ .url = "/x\r\n/;UID=1" },
};

static void test_urls(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { .limit = 1 << 16 };
		AUTO(buf_end) struct buf section = buf_on_heap(1000);
		struct str url = str_from_z(rows[i].url);
		struct imap_url u;
		char *copy = malloc(url.n + !url.n);
		bool ok;

		assert_non_null(copy);
		memcpy(copy, url.p, url.n);
		ok = imap_url_parse(str_of(copy, url.n), &a, &u);
		if (ok != (rows[i].mailbox != NULL))
			fail_msg("%s: %d", rows[i].url, ok);
		if (ok) {
			section_add(&section, &u.section);
			if (!str_eq(u.mailbox, str_from_z(rows[i].mailbox)) || u.uidvalidity != rows[i].validity ||
			    u.uid != rows[i].uid || !str_eq_nocase(buf_str(&section), str_from_z(rows[i].section)) ||
			    u.has_partial != (rows[i].length != 0) || u.offset != rows[i].offset ||
			    u.length != rows[i].length)
				fail_msg("%s", rows[i].url);
		}
		free(copy);
	}
}

static void test_limit(void **state)
{
	(void)state;
	for (size_t more = 0; more < 2; more++) {
		AUTO(arena_end) struct arena a = { .limit = 1 << 16 };
		AUTO(buf_end) struct buf b = buf_on_heap(2 * IMAP_URL_MAX);
		struct imap_url u;

		while (b.n < IMAP_URL_MAX - 7 + more)
			buf_add_char(&b, 'x');
		buf_add(&b, S("/;UID=1"));
		assert_int_equal(imap_url_parse(buf_str(&b), &a, &u), !more);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_limit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
