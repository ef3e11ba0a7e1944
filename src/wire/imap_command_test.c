/* imap_command_test.c — commands of the RFCs and what they mean; commands that are none, and where. */
#include "wire/imap_command_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct printer printer;

/* A text without the octets of letters, as imap_frame.c leaves them out. */
struct cut_text {
	char mem[8192];
	struct buf b;
	struct imap_stream streams[8];
	size_t n;
};

static struct imap_text cut(struct cut_text *t, struct str in)
{
	t->b = buf_over(t->mem, sizeof(t->mem));
	t->n = 0;
	while (in.n) {
		size_t at = str_find(in, '@');

		buf_add(&t->b, str_head(in, at));
		if (at < in.n) {
			struct str seen = buf_str(&t->b), digits = str_from(seen, str_rfind(seen, '{') + 1);
			uint64_t size = 0;

			digits = str_head(digits, str_find(digits, '}'));
			if (str_ends(digits, S("+")))
				digits.n--;
			assert_true(str_u64(digits, &size));
			t->streams[t->n++] = (struct imap_stream){ t->b.n, size, str_at(seen, str_rfind(seen, '{') - 1) == '~' };
		}
		in = str_from(in, at + 1);
	}
	return (struct imap_text){ .bytes = buf_str(&t->b), .streams = t->streams, .n_streams = t->n };
}

struct row {
	struct str in;           /* "@": here are the octets of a letter */
	const char *out;         /* the canonical form; NULL: it is refused */
	size_t at;               /* there */
	const char *expected;
};

/* In a block of its own, so that one byte too far is seen. */
static bool parse(struct str in, unsigned flags, struct arena *a, struct imap_command *c, struct imap_fault *why)
{
	static struct cut_text t;
	struct imap_text text = cut(&t, in);
	char *p = arena_alloc(a, text.bytes.n, 1);

	if (text.bytes.n)
		memcpy(p, text.bytes.p, text.bytes.n);
	text.bytes.p = p;
	return imap_command_parse(&text, flags, a, c, why);
}

static void check(const struct row *rows, size_t n, unsigned flags)
{
	for (size_t i = 0; i < n; i++) {
		AUTO(arena_end) struct arena a = { .limit = 1 << 24 };
		AUTO(buf_end) struct buf b = buf_on_heap(1 << 16);
		struct imap_command c;
		struct imap_fault why;
		bool ok = parse(rows[i].in, flags, &a, &c, &why);

		if (ok != (rows[i].out != NULL))
			fail_msg(STR_FMT ": %s at %zu, expected %s", STR_ARG(rows[i].in), ok ? "taken" : "refused", why.at, why.expected);
		if (!ok) {
			if (why.at != rows[i].at || (rows[i].expected && strcmp(rows[i].expected, why.expected)))
				fail_msg(STR_FMT ": at %zu, expected %s", STR_ARG(rows[i].in), why.at, why.expected);
			continue;
		}
		printer.b = &b;
		printer.utf8 = flags & IMAP_COMMAND_UTF8;
		print_command(&printer, &c);
		if (!str_eq(buf_str(&b), str_from_z(rows[i].out)))
			fail_msg(STR_FMT "\n gave " STR_FMT "\n not  %s", STR_ARG(rows[i].in), STR_ARG(buf_str(&b)), rows[i].out);
	}
}
#define CHECK(rows, flags) check(rows, ARRAY_LEN(rows), flags)

static void test_any_state(void **state)
{
	static const struct row rows[] = {
		{ S("abcd CAPABILITY"), "abcd CAPABILITY", 0, NULL }, { S("A1 noop"), "A1 NOOP", 0, NULL },
		{ S("A023 LOGOUT"), "A023 LOGOUT", 0, NULL }, { S("a002 STARTTLS"), "a002 STARTTLS", 0, NULL },
		{ S("a NOOP "), NULL, 6, "the end of the line" }, { S("a NOOP x"), NULL, 6, "the end of the line" },
		{ S(""), NULL, 0, "a tag" }, { S(" NOOP"), NULL, 0, "a tag" }, { S("a"), NULL, 1, "a space" },
		{ S("a "), NULL, 2, "a command" }, { S("a  NOOP"), NULL, 2, "a command" }, { S("+ NOOP"), NULL, 0, "a tag" },
		{ S("a+b NOOP"), NULL, 0, "a tag" }, { S("\"a\" NOOP"), NULL, 0, "a tag" }, { S("* NOOP"), NULL, 0, "a tag" },
		{ S("a\tNOOP"), NULL, 1, "a space" }, { S("a FOO"), NULL, 2, "" }, { S("a UID NOOP"), NULL, 2, "" },
		{ S("a UID"), NULL, 5, "a space" }, { S("a] NOOP"), "a] NOOP", 0, NULL },
		{ S("\xff NOOP"), NULL, 0, "a tag" }, { S("a NOOP\0"), NULL, 6, "the end of the line" },
		/* RFC 2971 §3.1, 3.3 */
		{ S("a023 ID (\"name\" \"sodr\" \"version\" \"19.34\" \"vendor\" \"Pink Floyd Music Limited\")"),
		  "a023 ID (\"name\" \"sodr\" \"version\" \"19.34\" \"vendor\" \"Pink Floyd Music Limited\")", 0, NULL },
		{ S("a042 ID NIL"), "a042 ID ()", 0, NULL }, { S("a ID ()"), "a ID ()", 0, NULL },
		{ S("a ID (\"x\" NIL)"), "a ID (\"x\" NIL)", 0, NULL }, { S("a ID (\"x\")"), NULL, 9, "a space" },
		{ S("a ID"), NULL, 4, "a space" }, { S("a ID (x \"y\")"), NULL, 6, "a string" },
	};

	(void)state;
	CHECK(rows, 0);
}

static void test_logging_in(void **state)
{
	static const struct row rows[] = {
		{ S("a001 LOGIN SMITH SESAME"), "a001 LOGIN SMITH SESAME", 0, NULL },
		{ S("A001 LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man"), "A001 LOGIN \"FRED FOOBAR\" \"fat man\"", 0, NULL },
		{ S("A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man"), "A001 LOGIN \"FRED FOOBAR\" \"fat man\"", 0, NULL },
		{ S("a LOGIN \"a\\\"b\\\\\" \"\""), "a LOGIN \"a\\\"b\\\\\" \"\"", 0, NULL },
		{ S("a LOGIN a b c"), NULL, 11, "the end of the line" }, { S("a LOGIN a"), NULL, 9, "a space" },
		{ S("a LOGIN a (b)"), NULL, 10, "a password" }, { S("a LOGIN \"a b"), NULL, 12, "the end of the quoted string" },
		{ S("a LOGIN \"a\\x\" b"), NULL, 11, "\" or \\ behind a backslash" },
		{ S("a LOGIN \"\xc3\xbc\" b"), NULL, 9, NULL }, { S("a LOGIN {2}\r\n\xc3\xbc b"), "a LOGIN {2}\r\n\xc3\xbc b", 0, NULL },
		{ S("a LOGIN {3}\r\nab"), NULL, 8, NULL }, { S("a LOGIN ~{1}\r\na b"), NULL, 9, "a space" },
		{ S("a LOGIN {1} b"), NULL, 11, NULL }, { S("a LOGIN a]b c"), "a LOGIN a]b c", 0, NULL },
		/* RFC 9051 §6.2.2, RFC 4959 §4 */
		{ S("a001 AUTHENTICATE GSSAPI"), "a001 AUTHENTICATE GSSAPI", 0, NULL },
		{ S("C01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q="), "C01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=", 0, NULL },
		{ S("a AUTHENTICATE EXTERNAL ="), "a AUTHENTICATE EXTERNAL =", 0, NULL },
		{ S("a AUTHENTICATE"), NULL, 14, "a space" }, { S("a AUTHENTICATE PLAIN "), NULL, 21, "base64 or =" },
		{ S("a AUTHENTICATE PLAIN a b"), NULL, 22, "the end of the line" },
		/* RFC 5161 §3.1 */
		{ S("t2 ENABLE CONDSTORE X-GOOD-IDEA"), "t2 ENABLE CONDSTORE", 0, NULL },
		{ S("a ENABLE qresync utf8=accept imap4REV2"), "a ENABLE CONDSTORE QRESYNC UTF8=ACCEPT IMAP4rev2", 0, NULL },
		{ S("a ENABLE FOO"), "a ENABLE X", 0, NULL }, { S("a ENABLE"), NULL, 8, "a space" },
		{ S("a ENABLE "), NULL, 9, "a capability" },
	};

	(void)state;
	CHECK(rows, 0);
}

static void test_mailboxes(void **state)
{
	static const struct row rows[] = {
		{ S("A142 SELECT INBOX"), "A142 SELECT INBOX", 0, NULL }, { S("a select inBox"), "a SELECT INBOX", 0, NULL },
		{ S("A932 EXAMINE blurdybloop"), "A932 EXAMINE blurdybloop", 0, NULL },
		{ S("A142 SELECT INBOX (CONDSTORE)"), "A142 SELECT INBOX (CONDSTORE)", 0, NULL },
		/* RFC 7162 §3.2.5 */
		{ S("A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))"),
		  "A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))", 0, NULL },
		{ S("A03 SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541))"),
		  "A03 SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541))", 0, NULL },
		{ S("B04 SELECT INBOX (QRESYNC (67890007 90060115194045000 1:29997 (5000,7500,9000,9990:9999 15000,22500,27000,29970,29973,29976,29979,29982,29985,29988,29991)))"),
		  "B04 SELECT INBOX (QRESYNC (67890007 90060115194045000 1:29997 (5000,7500,9000,9990:9999 15000,22500,27000,29970,29973,29976,29979,29982,29985,29988,29991)))", 0, NULL },
		{ S("a SELECT x (QRESYNC (1 2 (1 2)))"), "a SELECT x (QRESYNC (1 2 (1 2)))", 0, NULL },
		{ S("a SELECT x (QRESYNC (1 2 1:*))"), NULL, 25, "a set of numbers" }, { S("a SELECT x (QRESYNC (1))"), NULL, 22, "a space" },
		{ S("a SELECT x (FOO)"), NULL, 12, NULL }, { S("a SELECT x ()"), NULL, 12, NULL },
		{ S("a SELECT"), NULL, 8, "a space" }, { S("a SELECT x y"), NULL, 11, "(" },
		{ S("A003 CREATE owatagusiam/"), "A003 CREATE owatagusiam/", 0, NULL },
		/* RFC 6154 §5.3 */
		{ S("t2 CREATE MySpecial (USE (\\Drafts \\Sent))"), "t2 CREATE MySpecial (USE (\\Drafts \\Sent))", 0, NULL },
		{ S("t1 CREATE Everything (USE (\\All))"), "t1 CREATE Everything (USE (\\All))", 0, NULL },
		{ S("a CREATE x (USE (\\Foo))"), "a CREATE x (USE (\\Other))", 0, NULL }, { S("a CREATE x (USE ())"), "a CREATE x", 0, NULL },
		{ S("a CREATE x (USE (Sent))"), NULL, 17, NULL }, { S("a CREATE x (FOO)"), NULL, 12, "USE" },
		{ S("A683 DELETE blurdybloop"), "A683 DELETE blurdybloop", 0, NULL },
		{ S("A683 RENAME blurdybloop sarasoop"), "A683 RENAME blurdybloop sarasoop", 0, NULL },
		{ S("a RENAME x"), NULL, 10, "a space" }, { S("a RENAME x y z"), NULL, 12, "the end of the line" },
		{ S("A002 SUBSCRIBE #news.comp.mail.mime"), "A002 SUBSCRIBE #news.comp.mail.mime", 0, NULL },
		{ S("A002 UNSUBSCRIBE \"a b\""), "A002 UNSUBSCRIBE \"a b\"", 0, NULL },
		{ S("A102 NAMESPACE"), "A102 NAMESPACE", 0, NULL },
		{ S("A042 STATUS blurdybloop (UIDNEXT MESSAGES)"), "A042 STATUS blurdybloop (MESSAGES UIDNEXT)", 0, NULL },
		{ S("a STATUS x (recent deleted size unseen HIGHESTMODSEQ appendlimit mailboxid uidvalidity DELETED-STORAGE)"),
		  "a STATUS x (UIDVALIDITY UNSEEN RECENT DELETED SIZE HIGHESTMODSEQ APPENDLIMIT MAILBOXID DELETED-STORAGE)", 0, NULL },
		{ S("a STATUS x ()"), NULL, 12, "a status item" }, { S("a STATUS x (FOO)"), NULL, 12, "a status item" },
		{ S("a STATUS x MESSAGES"), NULL, 11, "(" },
		/* mailbox names, RFC 3501 §5.1.3 */
		{ S("a CREATE ~peter/mail/&U,BTFw-/&ZeVnLIqe-"), "a CREATE ~peter/mail/&U,BTFw-/&ZeVnLIqe-", 0, NULL },
		{ S("a CREATE &-"), "a CREATE &-", 0, NULL }, { S("a CREATE &"), NULL, 9, "" }, { S("a CREATE &Jjo!"), NULL, 9, "" }, { S("a CREATE &U,BTFw-&ZeVnLIqe-"), NULL, 9, "" },
		{ S("a CREATE \"\xc3\xbc\""), NULL, 10, NULL }, { S("a CREATE {2}\r\n\xc3\xbc"), NULL, 9, "" },
		/* G6 */
		{ S("a CREATE &AAA-"), NULL, 9, "" }, { S("a CREATE &AC8-"), NULL, 9, "" }, { S("a CREATE &AC4ALg-"), NULL, 9, "" },
		{ S("a CREATE {3}\r\na\r\n"), NULL, 9, "" }, { S("a CREATE {3}\r\na\0b"), NULL, 14, NULL },
		{ S("a CREATE &2AA-"), NULL, 9, "" }, { S("a CREATE \"a\tb\""), NULL, 9, "" }, { S("a CREATE &AKA-"), "a CREATE &AKA-", 0, NULL },
		{ S("a CREATE &AIU-"), NULL, 9, "" }, { S("a CREATE &ICg-"), NULL, 9, "" },
	};
	static const struct row utf8[] = {
		{ S("a CREATE \"\xc3\xbc&-\""), "a CREATE \"\xc3\xbc&-\"", 0, NULL }, { S("a CREATE &"), "a CREATE &", 0, NULL },
		{ S("a CREATE \"\xc3\""), NULL, 11, "valid UTF-8" }, { S("a CREATE \xc3\xbc"), NULL, 9, "a mailbox" },
		{ S("a CREATE \"a\xc2\x85\""), NULL, 9, "" }, { S("a CREATE {2}\r\n\xff\xff"), NULL, 9, "" },
	};

	(void)state;
	CHECK(rows, 0);
	CHECK(utf8, IMAP_COMMAND_UTF8);
}

static void test_list(void **state)
{
	static const struct row rows[] = {
		{ S("A101 LIST \"\" \"\""), "A101 LIST \"\" \"\"", 0, NULL }, { S("A202 LIST ~/Mail/ %"), "A202 LIST ~/Mail/ \"%\"", 0, NULL },
		{ S("a LIST \"\" *"), "a LIST \"\" \"*\"", 0, NULL }, { S("A002 LSUB \"#news.\" \"comp.mail.*\""), "A002 LSUB #news. \"comp.mail.*\"", 0, NULL },
		{ S("a LIST \"\" INBOX%]"), "a LIST \"\" \"INBOX%]\"", 0, NULL },
		/* RFC 5258 §5 */
		{ S("A02 LIST (SUBSCRIBED) \"\" \"*\""), "A02 LIST (SUBSCRIBED) \"\" (\"*\")", 0, NULL },
		{ S("A03 LIST () \"\" \"%\" RETURN (CHILDREN)"), "A03 LIST () \"\" (\"%\") RETURN (CHILDREN)", 0, NULL },
		{ S("A04 LIST (REMOTE) \"\" \"%\" RETURN (CHILDREN)"), "A04 LIST (REMOTE) \"\" (\"%\") RETURN (CHILDREN)", 0, NULL },
		{ S("A05 LIST (REMOTE SUBSCRIBED) \"\" \"*\""), "A05 LIST (SUBSCRIBED REMOTE) \"\" (\"*\")", 0, NULL },
		{ S("A06 LIST (REMOTE) \"\" \"*\" RETURN (SUBSCRIBED)"), "A06 LIST (REMOTE) \"\" (\"*\") RETURN (SUBSCRIBED)", 0, NULL },
		{ S("BBB LIST \"\" (\"INBOX\" \"Drafts\" \"Sent/%\")"), "BBB LIST () \"\" (INBOX Drafts \"Sent/%\")", 0, NULL },
		{ S("C03 LIST (RECURSIVEMATCH SUBSCRIBED) \"\" \"%\""), "C03 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"%\")", 0, NULL },
		{ S("a LIST (RECURSIVEMATCH) \"\" \"%\""), NULL, 22, "an option beside RECURSIVEMATCH" },
		{ S("a LIST (RECURSIVEMATCH REMOTE) \"\" \"%\""), NULL, 29, "an option beside RECURSIVEMATCH" },
		/* RFC 5819 §3, RFC 6154 §5.2 */
		{ S("A01 LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))"), "A01 LIST () \"\" (\"%\") RETURN (STATUS (MESSAGES UNSEEN))", 0, NULL },
		{ S("A02 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (STATUS (MESSAGES))"),
		  "A02 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"%\") RETURN (STATUS (MESSAGES))", 0, NULL },
		{ S("t1 LIST (SPECIAL-USE) \"\" \"%\" RETURN (SPECIAL-USE STATUS (SIZE) CHILDREN)"),
		  "t1 LIST (SPECIAL-USE) \"\" (\"%\") RETURN (CHILDREN SPECIAL-USE STATUS (SIZE))", 0, NULL },
		{ S("a LIST (FOO) \"\" *"), NULL, 8, "a selection option" }, { S("a LIST \"\" * RETURN (FOO)"), NULL, 20, "a return option" },
		{ S("a LIST \"\" ()"), NULL, 11, "a pattern" }, { S("a LIST \"\""), NULL, 9, "a space" },
		{ S("a LIST \"\" * FOO"), NULL, 12, "RETURN" }, { S("a LIST \"\" &x"), "a LIST \"\" &-x", 0, NULL },
	};

	(void)state;
	CHECK(rows, 0);
}

static void test_append(void **state)
{
	static const struct row rows[] = {
		{ S("A003 APPEND saved-messages (\\Seen) {326}\r\n@"), "A003 APPEND saved-messages (\\Seen) {326}\r\n", 0, NULL },
		{ S("a APPEND INBOX {310+}\r\n@"), "a APPEND INBOX {310}\r\n", 0, NULL },
		{ S("a APPEND {5}\r\nINBOX {310}\r\n@"), "a APPEND INBOX {310}\r\n", 0, NULL },
		{ S("a APPEND x (\\Seen $Forwarded \\seen $forwarded) \" 7-Feb-1994 21:52:25 -0800\" ~{310}\r\n@"),
		  "a APPEND x (\\Seen $Forwarded) \" 7-Feb-1994 21:52:25 -0800\" ~{310}\r\n", 0, NULL },
		{ S("a APPEND x () {310}\r\n@"), "a APPEND x {310}\r\n", 0, NULL },
		/* RFC 3502 §3 */
		{ S("A003 APPEND saved-messages (\\Seen) {329}\r\n@ (\\Seen) \" 7-Feb-1994 22:43:04 -0800\" {295}\r\n@"),
		  "A003 APPEND saved-messages (\\Seen) {329}\r\n (\\Seen) \" 7-Feb-1994 22:43:04 -0800\" {295}\r\n", 0, NULL },
		/* RFC 4469 §3 */
		{ S("A003 APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (URL \"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER\" TEXT {42}\r\n@ URL \"/Drafts;UIDVALIDITY=385759045/;UID=30\" TEXT {44}\r\n@)"),
		  "A003 APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (URL /Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER TEXT {42}\r\n URL /Drafts;UIDVALIDITY=385759045/;UID=30 TEXT {44}\r\n)", 0, NULL },
		/* RFC 6855 §4 */
		{ S("a APPEND x UTF8 (~{310}\r\n@)"), "a APPEND x UTF8 (~{310}\r\n)", 0, NULL },
		{ S("a APPEND x UTF8 ({310}\r\n@)"), NULL, 24, "a literal8 in UTF8" },
		{ S("a APPEND x UTF8 (~{310}\r\n@"), NULL, 25, ")" }, { S("a APPEND x {310}\r\n@ "), NULL, 19, "a literal" },
		{ S("a APPEND x {3}\r\nabc"), NULL, 11, "a letter" }, { S("a APPEND x"), NULL, 10, "a space" },
		{ S("a APPEND x (\\Recent) {3}\r\n@"), NULL, 12, NULL }, { S("a APPEND x \"foo\""), NULL, 11, NULL },
		{ S("a APPEND x (\\Seen {3}\r\n@"), NULL, 18, "a flag" },
		{ S("a APPEND x \"31-Feb-1994 21:52:25 -0800\" {3}\r\n@"), NULL, 11, NULL },
		{ S("a APPEND x CATENATE ()"), NULL, 21, "TEXT or URL" },
		{ S("a APPEND x CATENATE (URL {3}\r\nabc)"), "a APPEND x CATENATE (URL abc)", 0, NULL },
		{ S("a NOOP {3}\r\n@"), NULL, 6, "the end of the line" },
		/* RFC 8508 §3.4 */
		{ S("R1 REPLACE 4 Drafts (\\Seen \\Draft) {312}\r\n@"), "R1 REPLACE 4 Drafts (\\Seen \\Draft) {312}\r\n", 0, NULL },
		{ S("R1 UID REPLACE * Drafts {312}\r\n@"), "R1 UID REPLACE * Drafts {312}\r\n", 0, NULL },
		{ S("a REPLACE 1:2 x {3}\r\n@"), NULL, 13, "one number" }, { S("a REPLACE 1 x {3}\r\n@ {3}\r\n@"), NULL, 19, "the end of the line" },
	};

	(void)state;
	CHECK(rows, 0);
}

static void test_selected(void **state)
{
	static const struct row rows[] = {
		{ S("a CLOSE"), "a CLOSE", 0, NULL }, { S("a UNSELECT"), "a UNSELECT", 0, NULL }, { S("a CHECK"), "a CHECK", 0, NULL },
		{ S("a IDLE"), "a IDLE", 0, NULL }, { S("A202 EXPUNGE"), "A202 EXPUNGE", 0, NULL },
		{ S("A101 UID EXPUNGE 3000:3002"), "A101 UID EXPUNGE 3000:3002", 0, NULL },
		{ S("a EXPUNGE 1"), NULL, 9, "the end of the line" }, { S("a UID EXPUNGE"), NULL, 13, "a space" },
		{ S("A003 COPY 2:4 MEETING"), "A003 COPY 2:4 MEETING", 0, NULL }, { S("a UID MOVE 42:69 foo"), "a UID MOVE 42:69 foo", 0, NULL },
		{ S("a COPY $ x"), "a COPY $ x", 0, NULL }, { S("a COPY 0 x"), NULL, 7, "a set of numbers" },
		{ S("a COPY 1: x"), NULL, 7, "a set of numbers" }, { S("a COPY 1,,2 x"), NULL, 7, "a set of numbers" },
		{ S("a COPY 4294967296 x"), NULL, 7, "a set of numbers" }, { S("a COPY *:4294967295,1:* x"), "a COPY *:4294967295,1:* x", 0, NULL },
		{ S("A003 STORE 2:4 +FLAGS (\\Deleted)"), "A003 STORE 2:4 +FLAGS (\\Deleted)", 0, NULL },
		{ S("a UID STORE 1 -flags.silent \\Seen \\Draft Foo foo"), "a UID STORE 1 -FLAGS.SILENT (\\Seen \\Draft Foo)", 0, NULL },
		{ S("a STORE 1 FLAGS ()"), "a STORE 1 FLAGS ()", 0, NULL },
		/* RFC 7162 §3.1.3 */
		{ S("a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)"),
		  "a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)", 0, NULL },
		{ S("a STORE 1 (UNCHANGEDSINCE 0) FLAGS (\\Seen)"), "a STORE 1 (UNCHANGEDSINCE 0) FLAGS (\\Seen)", 0, NULL },
		{ S("a STORE 1 FOO \\Seen"), NULL, 10, "FLAGS or FLAGS.SILENT" }, { S("a STORE 1 FLAGS"), NULL, 15, "a space" },
		{ S("a STORE 1 FLAGS \\Recent"), NULL, 16, NULL }, { S("a STORE 1 FLAGS \\Foo"), NULL, 16, NULL },
		{ S("a STORE 1 FLAGS ]"), NULL, 16, "a flag" }, { S("a STORE 1 FLAGS (\\Seen"), NULL, 22, "a flag or )" },
		{ S("a STORE 1 (FOO 1) FLAGS \\Seen"), NULL, 11, "UNCHANGEDSINCE" },
		{ S("a COMPRESS DEFLATE"), "a COMPRESS DEFLATE", 0, NULL }, { S("a COMPRESS LZ4"), NULL, 11, "DEFLATE" },
		/* RFC 9208 §4.1 */
		{ S("G0001 GETQUOTA \"!partition/sda4\""), "G0001 GETQUOTA !partition/sda4", 0, NULL },
		{ S("G0002 GETQUOTAROOT INBOX"), "G0002 GETQUOTAROOT INBOX", 0, NULL },
		{ S("S0000 SETQUOTA \"#user/alice\" (STORAGE 510 MESSAGE 5)"), "S0000 SETQUOTA #user/alice (STORAGE 510 MESSAGE 5)", 0, NULL },
		{ S("a SETQUOTA \"\" ()"), "a SETQUOTA \"\" ()", 0, NULL }, { S("a SETQUOTA x (STORAGE)"), NULL, 21, "a space" },
		/* RFC 5464 §4.2, 4.3 */
		{ S("a GETMETADATA \"\" /shared/comment"), "a GETMETADATA (DEPTH 0) \"\" (/shared/comment)", 0, NULL },
		{ S("a GETMETADATA \"INBOX\" (/shared/comment /private/comment)"), "a GETMETADATA (DEPTH 0) INBOX (/shared/comment /private/comment)", 0, NULL },
		{ S("a GETMETADATA \"INBOX\" (MAXSIZE 1024) (/shared/comment)"), "a GETMETADATA (DEPTH 0 MAXSIZE 1024) INBOX (/shared/comment)", 0, NULL },
		{ S("a GETMETADATA (DEPTH infinity) INBOX /x"), "a GETMETADATA (DEPTH infinity) INBOX (/x)", 0, NULL },
		{ S("a GETMETADATA (DEPTH 2) INBOX /x"), NULL, 21, "0, 1 or infinity" }, { S("a GETMETADATA INBOX x"), NULL, 21, NULL },
		{ S("a GETMETADATA INBOX /x//y"), NULL, 25, NULL }, { S("a GETMETADATA INBOX \"/x*\""), NULL, 25, NULL },
		{ S("a SETMETADATA INBOX (/private/comment {33}\r\nMy new comment across\r\ntwo lines.)"),
		  "a SETMETADATA INBOX (\"/private/comment\" {33}\r\nMy new comment across\r\ntwo lines.)", 0, NULL },
		{ S("a SETMETADATA INBOX (/private/comment NIL)"), "a SETMETADATA INBOX (\"/private/comment\" NIL)", 0, NULL },
		{ S("a SETMETADATA INBOX ()"), NULL, 21, "an entry" },
		/* RFC 5465 §3.1, 5 */
		{ S("a NOTIFY NONE"), "a NOTIFY NONE", 0, NULL },
		{ S("a NOTIFY SET STATUS (selected MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge)"), NULL, 30, "( or NONE" },
		{ S("a NOTIFY SET STATUS (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge)) (subtree Lists (MessageNew))"),
		  "a NOTIFY SET STATUS (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (from to subject)]) MessageExpunge)) (subtree (Lists) (MessageNew))", 0, NULL },
		{ S("a NOTIFY SET (personal NONE) (mailboxes (a b) (Foo MailboxName))"), "a NOTIFY SET (personal NONE) (mailboxes (a b) (MailboxName Other))", 0, NULL },
		{ S("a NOTIFY SET"), NULL, 12, "a space" }, { S("a NOTIFY FOO"), NULL, 9, "SET or NONE" },
	};

	(void)state;
	CHECK(rows, 0);
}

static void test_fetch(void **state)
{
	static const struct row rows[] = {
		{ S("A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])"), "A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])", 0, NULL },
		{ S("a FETCH 1 ALL"), "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)", 0, NULL },
		{ S("a FETCH 1 fast"), "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)", 0, NULL },
		{ S("a UID FETCH 1 FULL"), "a UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)", 0, NULL },
		{ S("a FETCH 1 BODY"), "a FETCH 1 (BODY)", 0, NULL }, { S("a FETCH 1 BODY[]"), "a FETCH 1 (BODY[])", 0, NULL },
		{ S("a FETCH 1 body.peek[]<0.2048>"), "a FETCH 1 (BODY.PEEK[]<0.2048>)", 0, NULL },
		{ S("a FETCH 1 BODY[TEXT]<7.99999999999>"), "a FETCH 1 (BODY[TEXT]<7.4294967295>)", 0, NULL },
		{ S("a FETCH 1 (BODY[1.2.MIME] BODY[1.2.HEADER] BODY[1.2.TEXT] BODY[4.2.2.1])"),
		  "a FETCH 1 (BODY[1.2.MIME] BODY[1.2.HEADER] BODY[1.2.TEXT] BODY[4.2.2.1])", 0, NULL },
		{ S("a FETCH 1 BODY[3.HEADER.FIELDS.NOT (\"X-A\" {2}\r\nTo)]"), "a FETCH 1 (BODY[3.HEADER.FIELDS.NOT (X-A To)])", 0, NULL },
		{ S("a FETCH 1 (BINARY[1.2]<0.5> BINARY.PEEK[] BINARY.SIZE[3])"), "a FETCH 1 (BINARY[1.2]<0.5> BINARY.PEEK[] BINARY.SIZE[3])", 0, NULL },
		{ S("a FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)"), "a FETCH 1 (RFC822.SIZE RFC822 RFC822.HEADER RFC822.TEXT)", 0, NULL },
		{ S("s100 UID FETCH 1:* (FLAGS MODSEQ) (CHANGEDSINCE 12345)"), "s100 UID FETCH 1:* (UID FLAGS MODSEQ) (CHANGEDSINCE 12345)", 0, NULL },
		{ S("s100 UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)"), "s100 UID FETCH 300:500 (UID FLAGS MODSEQ) (CHANGEDSINCE 12345 VANISHED)", 0, NULL },
		{ S("a FETCH 1 FLAGS (VANISHED)"), NULL, 17, "CHANGEDSINCE" }, { S("a UID FETCH 1 FLAGS (VANISHED)"), NULL, 29, "CHANGEDSINCE with VANISHED" },
		{ S("a UID FETCH 1 FLAGS (PARTIAL -1:-30)"), "a UID FETCH 1 (UID FLAGS) (PARTIAL -1:-30)", 0, NULL },
		{ S("a UID FETCH 1 FLAGS (PARTIAL 500:1)"), "a UID FETCH 1 (UID FLAGS) (PARTIAL 1:500)", 0, NULL },
		{ S("a UID FETCH 1 FLAGS (PARTIAL -1:3)"), NULL, 33, "both ends of one sign" }, { S("a UID FETCH 1 FLAGS (PARTIAL 0:3)"), NULL, 30, "a number over 0" },
		{ S("a FETCH 1 (EMAILID THREADID SAVEDATE)"), "a FETCH 1 (EMAILID THREADID SAVEDATE)", 0, NULL },
		{ S("A1 FETCH 1 (RFC822.SIZE PREVIEW)"), "A1 FETCH 1 (RFC822.SIZE PREVIEW)", 0, NULL },
		{ S("F1 FETCH 7 (PREVIEW (LAZY))"), "F1 FETCH 7 (PREVIEW (LAZY))", 0, NULL }, { S("a FETCH 7 PREVIEW (LAZY)"), "a FETCH 7 (PREVIEW (LAZY))", 0, NULL },
		{ S("a FETCH 7 PREVIEW (CHANGEDSINCE 1)"), "a FETCH 7 (MODSEQ PREVIEW) (CHANGEDSINCE 1)", 0, NULL },
		{ S("a FETCH 1 ()"), NULL, 11, "something to fetch" }, { S("a FETCH 1 (ALL)"), NULL, 11, "something to fetch" },
		{ S("a FETCH 1 FLAGS UID"), NULL, 16, "(" }, { S("a FETCH 1 (FLAGS"), NULL, 16, "something to fetch or )" },
		{ S("a FETCH 1 BODY[1"), NULL, 16, "]" }, { S("a FETCH 1 BODY[1.]"), NULL, 17, NULL }, { S("a FETCH 1 BODY[0]"), NULL, 15, "a part's number" },
		{ S("a FETCH 1 BODY[MIME]"), NULL, 19, "a part before MIME" }, { S("a FETCH 1 BODY[FOO]"), NULL, 15, NULL },
		{ S("a FETCH 1 BODY[]<0>"), NULL, 18, "." }, { S("a FETCH 1 BODY[]<0.0>"), NULL, 20, "a length over 0" },
		{ S("a FETCH 1 BODY[HEADER.FIELDS ()]"), NULL, 30, "a field's name" }, { S("a FETCH 1 BODY[HEADER.FIELDS (a:b)]"), NULL, 33, "a field's name" },
		{ S("a FETCH 1 BODY[HEADER.FIELDS ({3}\r\na\r\n)]"), NULL, 38, "a field's name" },
		{ S("a FETCH 1 BINARY[1.TEXT]"), NULL, 19, "a part's number" }, { S("a FETCH 1 BINARY[TEXT]"), NULL, 17, "]" },
		{ S("a FETCH FLAGS"), NULL, 8, "a set of numbers" }, { S("a FETCH 1"), NULL, 9, "a space" },
	};

	(void)state;
	CHECK(rows, 0);
}

static void test_search(void **state)
{
	static const struct row rows[] = {
		{ S("A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""),
		  "A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT HEADER From Smith", 0, NULL },
		{ S("A283 SEARCH RETURN () FLAGGED"), "A283 SEARCH RETURN () FLAGGED", 0, NULL },
		{ S("A284 SEARCH TEXT \"string not in mailbox\""), "A284 SEARCH TEXT \"string not in mailbox\"", 0, NULL },
		{ S("A285 SEARCH CHARSET UTF-8 TEXT {12}\r\n\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd\xd0\xbe\xd0\xb2"),
		  "A285 SEARCH CHARSET UTF-8 TEXT {12}\r\n\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd\xd0\xbe\xd0\xb2", 0, NULL },
		{ S("a SEARCH UNSEEN OLD NEW UNKEYWORD $Junk"), "a SEARCH NOT SEEN NOT RECENT (RECENT NOT SEEN) NOT KEYWORD $Junk", 0, NULL },
		{ S("a SEARCH OR (1:3 SEEN) NOT UID 5,7:*"), "a SEARCH OR (1:3 SEEN) NOT UID 5,7:*", 0, NULL },
		{ S("a SEARCH HEADER X-Foo \"\" Larger 5 smaller 99999999999"), "a SEARCH HEADER X-Foo \"\" LARGER 5 SMALLER 99999999999", 0, NULL },
		{ S("a SEARCH SENTBEFORE 01-jan-2020 SENTON \"2-Jan-2020\" SENTSINCE 31-Dec-1969 BEFORE 29-Feb-2000 ON 1-Mar-2000"),
		  "a SEARCH SENTBEFORE 1-Jan-2020 SENTON 2-Jan-2020 SENTSINCE 31-Dec-1969 BEFORE 29-Feb-2000 ON 1-Mar-2000", 0, NULL },
		{ S("a SEARCH BCC a CC b TO c SUBJECT d BODY e"), "a SEARCH HEADER Bcc a HEADER Cc b HEADER To c HEADER Subject d BODY e", 0, NULL },
		{ S("a SEARCH ((ALL))"), "a SEARCH ((ALL))", 0, NULL },
		/* RFC 5182 §2.1, RFC 5032, RFC 8514, RFC 8474, RFC 9394, RFC 7162 */
		{ S("A300 SEARCH RETURN (SAVE) SINCE 1-Jan-2004 NOT FROM \"Smith\""), "A300 SEARCH RETURN (SAVE) SINCE 1-Jan-2004 NOT HEADER From Smith", 0, NULL },
		{ S("F284 UID SEARCH $ SMALLER 4096"), "F284 UID SEARCH $ SMALLER 4096", 0, NULL }, { S("G282 SEARCH OR $ UID $"), "G282 SEARCH OR $ UID $", 0, NULL },
		{ S("a SEARCH UNSEEN YOUNGER 259200 OLDER 1"), "a SEARCH NOT SEEN YOUNGER 259200 OLDER 1", 0, NULL }, { S("a SEARCH OLDER 0"), NULL, 16, NULL },
		{ S("a SEARCH SAVEDBEFORE 1-Jan-2015 SAVEDATESUPPORTED"), "a SEARCH SAVEDBEFORE 1-Jan-2015 SAVEDATESUPPORTED", 0, NULL },
		{ S("27 SEARCH EMAILID M6d99ac3275bb4e THREADID T64b478a75b7ea9"), "27 SEARCH EMAILID M6d99ac3275bb4e THREADID T64b478a75b7ea9", 0, NULL },
		{ S("a SEARCH EMAILID a.b"), NULL, 20, "an object's id" },
		{ S("A01 UID SEARCH RETURN (PARTIAL -1:-100) UNDELETED UNKEYWORD $Junk"), "A01 UID SEARCH RETURN (PARTIAL -1:-100) NOT DELETED NOT KEYWORD $Junk", 0, NULL },
		{ S("a SEARCH RETURN (ALL PARTIAL 1:2) ALL"), NULL, 32, "ALL or PARTIAL, not both" },
		{ S("a SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL"), NULL, 36, "one PARTIAL" },
		{ S("a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338"), "a SEARCH MODSEQ 620162338", 0, NULL },
		{ S("t SEARCH OR NOT MODSEQ 720162338 LARGER 50000"), "t SEARCH OR NOT MODSEQ 720162338 LARGER 50000", 0, NULL },
		/* RFC 5256 §4, RFC 5267, RFC 5957 */
		{ S("A282 SORT (SUBJECT) UTF-8 SINCE 1-Feb-1994"), "A282 SORT (SUBJECT) UTF-8 SINCE 1-Feb-1994", 0, NULL },
		{ S("A283 SORT (SUBJECT REVERSE DATE) UTF-8 ALL"), "A283 SORT (SUBJECT REVERSE DATE) UTF-8 ALL", 0, NULL },
		{ S("a UID SORT RETURN (COUNT) (REVERSE DISPLAYFROM ARRIVAL) US-ASCII ALL"), "a UID SORT RETURN (COUNT) (REVERSE DISPLAYFROM ARRIVAL) US-ASCII ALL", 0, NULL },
		{ S("A284 THREAD ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000"), "A284 THREAD ORDEREDSUBJECT UTF-8 SINCE 5-Mar-2000", 0, NULL },
		{ S("A283 THREAD REFERENCES x ALL"), "A283 THREAD REFERENCES x ALL", 0, NULL }, { S("a THREAD REFS UTF-8 1"), "a THREAD REFS UTF-8 1", 0, NULL },
		{ S("a SORT () UTF-8 ALL"), NULL, 8, "a sort key" }, { S("a SORT (REVERSE) UTF-8 ALL"), NULL, 15, "a space" },
		{ S("a SORT (DATE) ALL"), NULL, 17, "a space" }, { S("a THREAD FOO UTF-8 ALL"), NULL, 9, NULL },
		{ S("a SEARCH"), NULL, 8, "a space" }, { S("a SEARCH "), NULL, 9, "a search key" }, { S("a SEARCH ()"), NULL, 10, "a search key" },
		{ S("a SEARCH FOO"), NULL, 9, "a search key" }, { S("a SEARCH (ALL"), NULL, 13, "a space or )" }, { S("a SEARCH OR ALL"), NULL, 15, "a space" },
		{ S("a SEARCH ON 31-Apr-2000"), NULL, 12, NULL }, { S("a SEARCH ON 1-Foo-2000"), NULL, 12, NULL }, { S("a SEARCH ON \"1-Jan-2000"), NULL, 12, NULL },
		{ S("a SEARCH LARGER 9223372036854775808"), NULL, 16, "a number" }, { S("a SEARCH ALL "), NULL, 13, "a search key" },
	};
	AUTO(arena_end) struct arena a = { 0 };
	struct imap_command c;
	struct imap_fault why;

	(void)state;
	CHECK(rows, 0);
	assert_true(parse(S("a SEARCH CHARSET x MODSEQ 1"), 0, &a, &c, &why) && !c.search.charset_is_known && c.search.has_modseq);
	assert_true(parse(S("a SEARCH ON 1-Jan-1970"), 0, &a, &c, &why) && c.search.root->kids->day == 0 && c.search.charset_is_known);
}

/* "a VERB " and n times the words. */
static struct str many(struct buf *b, const char *begin, size_t n, const char *each, const char *end)
{
	buf_clear(b);
	buf_addf(b, "%s", begin);
	for (size_t i = 0; i < n; i++)
		buf_addf(b, "%s", each);
	buf_addf(b, "%s", end);
	return buf_str(b);
}

static enum imap_reply_id reply_of(struct str in, size_t arena_limit)
{
	AUTO(arena_end) struct arena a = { .limit = arena_limit };
	struct imap_text text = { .bytes = in };
	struct imap_command c;
	struct imap_fault why;

	imap_command_parse(&text, 0, &a, &c, &why);
	return why.reply;
}

static void test_limits_g2_g3_g4(void **state)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
	const size_t big = 1 << 24;

	(void)state;
	assert_int_equal(reply_of(many(&b, "a SEARCH ", 49, "NOT ", "ALL"), big), IMAP_REPLY_NONE);
	assert_int_equal(reply_of(many(&b, "a SEARCH ", 50, "NOT ", "ALL"), big), IMAP_REPLY_TOO_COMPLEX);
	assert_int_equal(reply_of(many(&b, "a SEARCH ", 60000, "(", ""), big), IMAP_REPLY_TOO_COMPLEX);
	assert_int_equal(reply_of(many(&b, "a SEARCH ", 10000, "OR ", ""), big), IMAP_REPLY_TOO_COMPLEX);
	assert_int_equal(reply_of(many(&b, "a SEARCH ALL", 4095, " ALL", ""), big), IMAP_REPLY_NONE);
	assert_int_equal(reply_of(many(&b, "a SEARCH ALL", 4096, " ALL", ""), big), IMAP_REPLY_TOO_COMPLEX);
	assert_int_equal(reply_of(many(&b, "a NOOP ", 60000, "(", ""), big), IMAP_REPLY_SYNTAX);
	assert_int_equal(reply_of(many(&b, "", 60000, "{", ""), big), IMAP_REPLY_SYNTAX);
	assert_int_equal(reply_of(many(&b, "a FETCH 1", 16383, ",1", " FLAGS"), big), IMAP_REPLY_NONE);
	assert_int_equal(reply_of(many(&b, "a FETCH 1", 16384, ",1", " FLAGS"), big), IMAP_REPLY_SYNTAX);
	assert_int_equal(reply_of(many(&b, "a FETCH 1 (RFC822", 63, " RFC822", ")"), big), IMAP_REPLY_NONE);
	assert_int_equal(reply_of(many(&b, "a FETCH 1 (RFC822", 64, " RFC822", ")"), big), IMAP_REPLY_TOO_COMPLEX);
	assert_int_equal(reply_of(many(&b, "a FETCH 1 BODY[1", 50, ".1", "]"), big), IMAP_REPLY_NONE);
	assert_int_equal(reply_of(many(&b, "a FETCH 1 BODY[1", 51, ".1", "]"), big), IMAP_REPLY_TOO_COMPLEX);
	assert_int_equal(reply_of(many(&b, "a STORE 1 FLAGS ", 255, "k", ""), big), IMAP_REPLY_NONE);
	assert_int_equal(reply_of(many(&b, "a STORE 1 FLAGS ", 256, "k", ""), big), IMAP_REPLY_KEYWORD_LONG);
	assert_int_equal(reply_of(many(&b, "a CREATE ", 1024, "k", ""), big), IMAP_REPLY_NONE);
	assert_int_equal(reply_of(many(&b, "a CREATE ", 1025, "k", ""), big), IMAP_REPLY_NAME_BAD);
	assert_int_equal(reply_of(many(&b, "a SORT (DATE", 19, " DATE", ") UTF-8 ALL"), big), IMAP_REPLY_NONE);
	assert_int_equal(reply_of(many(&b, "a SORT (DATE", 20, " DATE", ") UTF-8 ALL"), big), IMAP_REPLY_TOO_COMPLEX);
	assert_int_equal(reply_of(many(&b, "a LIST \"\" (x", 31, " x", ")"), big), IMAP_REPLY_NONE);
	assert_int_equal(reply_of(many(&b, "a LIST \"\" (x", 32, " x", ")"), big), IMAP_REPLY_TOO_COMPLEX);
	assert_int_equal(reply_of(many(&b, "a SEARCH ALL", 1000, " ALL", ""), 4096), IMAP_REPLY_TOO_COMPLEX);
	assert_int_equal(reply_of(S("GET / HTTP/1.1"), big), IMAP_REPLY_FOREIGN);
	assert_int_equal(reply_of(S("\x16\x03\x01"), big), IMAP_REPLY_FOREIGN);
}

static void test_fault_text(void **state)
{
	static const struct { struct str in; const char *out; } rows[] = {
		{ S("a FETCH x FLAGS"), "expected a set of numbers at 8, before \"x FLAGS\"" }, { S("a NOOP"), "" },
		{ S("a LOGIN bob (secret"), "expected a password at 12" }, { S("a  LOGIN bob secret"), "expected a command at 2" },
		{ S("a NOOP {3}"), "expected the end of the line at 6, before \" {3}\"" },
		{ S("a FOO"), "unknown command" }, { S("a NOOP \r\n"), "expected the end of the line at 6, before \" \"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		struct imap_text text = { .bytes = rows[i].in };
		struct imap_command c;
		struct imap_fault why;
		struct str out = S("");

		if (!imap_command_parse(&text, 0, &a, &c, &why))
			out = imap_fault_text(&why, &text, &a);
		if (!str_eq(out, str_from_z(rows[i].out)))
			fail_msg(STR_FMT ": " STR_FMT, STR_ARG(rows[i].in), STR_ARG(out));
	}
}

static void test_append_begin(void **state)
{
	static const struct { struct str in; bool ok; size_t letters; } rows[] = {
		{ S("a APPEND x {310}\r\n@"), true, 1 }, { S("a APPEND x {310}\r\n@ {5}\r\n@"), true, 2 },
		{ S("a APPEND x UTF8 (~{310}\r\n@"), true, 1 }, { S("a APPEND x CATENATE (URL a TEXT {5}\r\n@"), true, 1 },
		{ S("a UID REPLACE 3 x {5}\r\n@"), true, 1 }, { S("a NOOP {5}\r\n@"), false, 0 }, { S("a APPEND x FOO {5}\r\n@"), false, 0 },
		{ S("a APPEND &x {5}\r\n@"), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		static struct cut_text t;
		struct imap_text text = cut(&t, rows[i].in);
		struct imap_command c;
		struct imap_fault why;

		if (imap_append_begin(&text, 0, &a, &c, &why) != rows[i].ok || (rows[i].ok && c.append.n_letters != rows[i].letters))
			fail_msg(STR_FMT ": at %zu, expected %s", STR_ARG(rows[i].in), why.at, why.expected);
	}
}

/* Literal by literal, from mark to mark, the same letters are found as in the whole. */
static void test_append_mark(void **state)
{
	static const struct { struct str in; size_t first; } rows[] = {
		{ S("a APPEND x {310}\r\n@"), 0 }, { S("a APPEND x {310}\r\n@ {5}\r\n@"), 1 },
		{ S("a APPEND x {1}\r\n@ (\\Seen) {2}\r\n@ CATENATE (TEXT {3}\r\n@ URL a TEXT {4}\r\n@"), 2 },
		{ S("a APPEND {1}\r\nx {7}\r\n@ UTF8 (~{8}\r\n@) (k) \"17-Jul-1996 02:44:25 -0700\" {9}\r\n@"), 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		static struct cut_text t;
		struct imap_text whole = cut(&t, rows[i].in), text = whole;
		struct imap_command c, last;
		const struct append_letter *x, *y;
		struct imap_fault why;

		for (size_t n = 1; n <= whole.n_streams; n++) {
			text.bytes = str_head(whole.bytes, whole.streams[n - 1].at);
			text.n_streams = n;
			assert_true(imap_append_begin(&text, 0, &a, &last, &why));
			text.mark = last.append.mark;
		}
		assert_true(imap_append_begin(&whole, 0, &a, &c, &why));
		assert_int_equal(last.append.first, rows[i].first - (last.append.n_letters - 1));
		assert_int_equal(last.append.first + last.append.n_letters, c.append.n_letters);
		assert_true(str_eq(last.append.mailbox, c.append.mailbox));
		x = &last.append.letters[last.append.n_letters - 1];
		y = &c.append.letters[c.append.n_letters - 1];
		assert_true(x->n_parts == y->n_parts && x->flags.n == y->flags.n && x->date == y->date);
		assert_true(x->parts[x->n_parts - 1].stream == y->parts[y->n_parts - 1].stream);
		assert_int_equal(y->parts[y->n_parts - 1].stream, whole.n_streams - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_mark),
		cmocka_unit_test(test_any_state), cmocka_unit_test(test_logging_in), cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_list), cmocka_unit_test(test_append), cmocka_unit_test(test_selected),
		cmocka_unit_test(test_fetch), cmocka_unit_test(test_search), cmocka_unit_test(test_limits_g2_g3_g4),
		cmocka_unit_test(test_fault_text), cmocka_unit_test(test_append_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
