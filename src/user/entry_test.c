/* entry_test.c — what entries name, which of them holds, and the files they stand in. */
#include "user/entry_file.h"

#include "base/buf.h"
#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_read(void **state)
{
	static const struct {
		const char *in, *what;   /* NULL: refused */
		enum entry_form form;
	} rows[] = {
		{ "User@Example.ORG", "user@example.org", ENTRY_ADDRESS },
		{ "*@Example.org", "*@example.org", ENTRY_SENDERS },
		{ "@example.org", "*@example.org", ENTRY_SENDERS },
		{ "Example.Org", "example.org", ENTRY_NAME },
		{ "*.example.org", "example.org", ENTRY_NAME },
		{ "top", "top", ENTRY_NAME },
		{ "b\xc3\xbc" "cher.example", "xn--bcher-kva.example", ENTRY_NAME },
		{ "host:MX.example.org", "host:mx.example.org", ENTRY_HOST },
		{ "HOST:*.example.org", "host:example.org", ENTRY_HOST },
		{ "192.0.2.7", "192.0.2.7", ENTRY_NETWORK },
		{ "192.0.2.0/24", "192.0.2.0/24", ENTRY_NETWORK },
		{ "0.0.0.0/0", "0.0.0.0/0", ENTRY_NETWORK },
		{ "2001:DB8::/32", "2001:db8::/32", ENTRY_NETWORK },
		{ "::ffff:192.0.2.7", "192.0.2.7", ENTRY_NETWORK },
		{ "", NULL, 0 },
		{ "*", NULL, 0 },
		{ "a*@example.org", NULL, 0 },
		{ "user@", NULL, 0 },
		{ "ex*mple.org", NULL, 0 },
		{ "192.0.2.7/24", NULL, 0 },             /* bits behind the mask */
		{ "192.0.2.0/33", NULL, 0 },
		{ "192.0.2", NULL, 0 },
		{ "a b@example.org", NULL, 0 },
		{ "ex..ample.org", NULL, 0 },
		{ "^spam@example.org", NULL, 0 },
		{ "!a@example.org", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_end) struct arena a = { 0 };
		char *copy = strdup(rows[i].in);         /* one byte too far is seen */
		struct entry x = { 0 };
		struct err e = { 0 };
		bool ok = entry_read(str_of(copy, strlen(copy)), &a, &x, &e);

		if (ok != (rows[i].what != NULL) || (ok && !str_eq(x.what, str_from_z(rows[i].what))) ||
		    (ok && x.form != rows[i].form))
			fail_msg("\"%s\": %d \"" STR_FMT "\" %d %s", rows[i].in, ok, STR_ARG(x.what), x.form, e.text);
		free(copy);
	}
}

/* '-' in front: a block, '+': an exception. */
static void fill(struct entry_set *s, const char *list, int64_t expires)
{
	struct str rest = str_from_z(list), word;

	while ((word = str_word(&rest)).n) {
		AUTO(arena_end) struct arena a = { 0 };
		struct entry x = { .kind = str_at(word, 0) == '-' ? ENTRY_BLOCK : ENTRY_ALLOW, .expires = expires };
		struct err e = { 0 };

		if (!entry_read(str_from(word, 1), &a, &x, &e))
			fail_msg("\"" STR_FMT "\": %s", STR_ARG(word), e.text);
		assert_true(entry_set_add(s, &x));
	}
}

struct asked {
	const char *peer, *host, *helo, *from, *author, *signer;
	bool is_confirmed;
};

static const char *answer(const struct entry_set *s, const struct asked *q, struct buf *b)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct net_address peer;
	struct str author = str_from_z(q->author), signer = str_from_z(q->signer);
	struct entry_subject raw = {
		.peer = q->peer && net_address_parse(str_from_z(q->peer), &peer) ? &peer : NULL,
		.host = str_from_z(q->host), .is_confirmed = q->is_confirmed, .helo = str_from_z(q->helo),
		.from = str_from_z(q->from), .authors = &author, .n_authors = q->author != NULL,
		.signers = &signer, .n_signers = q->signer != NULL }, folded;
	struct entry_found f = { 0 };

	assert_true(entry_subject_fold(&raw, &a, &folded));
	entry_set_find(s, &folded, 1000, &f);
	buf_clear(b);
	if (f.entry)
		buf_addf(b, "%c" STR_FMT " %s", f.entry->kind == ENTRY_BLOCK ? '-' : '+', STR_ARG(f.entry->what), f.on);
	buf_add_char(b, '\0');
	return b->p;
}

static void test_find(void **state)
{
	static const struct {
		const char *list;
		struct asked q;
		const char *found;
	} rows[] = {
		/* each of the things that a block is matched on */
		{ "-evil.example", { .from = "a@Evil.example" }, "-evil.example sender" },
		{ "-evil.example", { .from = "a@x.evil.example" }, "-evil.example sender" },
		{ "-evil.example", { .from = "a@notevil.example" }, "" },
		{ "-evil.example", { .author = "a@x.evil.example" }, "-evil.example author" },
		{ "-evil.example", { .host = "mail.evil.example." }, "-evil.example host name" },
		{ "-evil.example", { .helo = "x_y.evil.example" }, "-evil.example HELO" },
		{ "-host:evil.example", { .helo = "evil.example" }, "-host:evil.example HELO" },
		{ "-host:evil.example", { .from = "a@evil.example", .author = "a@evil.example" }, "" },
		{ "-*@evil.example", { .from = "a@evil.example" }, "-*@evil.example sender" },
		{ "-*@evil.example", { .from = "a@x.evil.example", .helo = "evil.example" }, "" },
		{ "-troll@evil.example", { .author = "Troll@EVIL.example" }, "-troll@evil.example author" },
		{ "-troll@evil.example", { .author = "other@evil.example" }, "" },
		{ "-198.51.100.0/24", { .peer = "198.51.100.77" }, "-198.51.100.0/24 client" },
		{ "-198.51.100.0/24", { .peer = "198.51.101.77" }, "" },
		{ "-2001:db8::/33", { .peer = "2001:db8:7fff::1" }, "-2001:db8::/33 client" },
		{ "-2001:db8::/33", { .peer = "2001:db8:8000::1" }, "" },
		{ "-::/0", { .peer = "192.0.2.1" }, "" },
		{ "-0.0.0.0/0", { .peer = "192.0.2.1" }, "-0.0.0.0/0 client" },
		{ "-0.0.0.0/0", { .peer = "2001:db8::1" }, "" },
		{ "-top", { .from = "a@x.y.top" }, "-top sender" },
		{ "-x.example", { .from = "" }, "" },
		{ "-x.example", { .from = "x.example" }, "" },
		/* what anybody may claim is no ground for an exception (K5) */
		{ "+good.example", { .from = "a@good.example" }, "+good.example sender" },
		{ "+good.example", { .author = "a@good.example" }, "" },
		{ "+good.example", { .helo = "mx.good.example" }, "" },
		/* a signature that passes is nobody else's */
		{ "+good.example", { .signer = "Lists.good.example" }, "+good.example signature" },
		{ "+*@good.example +host:good.example +a@good.example", { .signer = "good.example" }, "" },
		{ "-evil.example", { .signer = "evil.example" }, "-evil.example signature" },
		{ "-evil.example +lists.evil.example", { .signer = "lists.evil.example", .author = "a@evil.example" },
		  "+lists.evil.example signature" },
		{ "+good.example", { .host = "mx.good.example" }, "" },
		{ "+good.example", { .host = "mx.good.example", .is_confirmed = true }, "+good.example host name" },
		{ "+192.0.2.7", { .peer = "192.0.2.7" }, "+192.0.2.7 client" },
		/* the more specific one holds, of equals the exception */
		{ "-example +mail.example", { .from = "a@x.mail.example" }, "+mail.example sender" },
		{ "+example -mail.example", { .from = "a@x.mail.example" }, "-mail.example sender" },
		{ "-mail.example +mail.example", { .from = "a@mail.example" }, "+mail.example sender" },
		{ "+mail.example -mail.example", { .from = "a@mail.example" }, "+mail.example sender" },
		{ "-*@mail.example +mail.example", { .from = "a@mail.example" }, "-*@mail.example sender" },
		{ "-*@mail.example +friend@mail.example", { .from = "friend@mail.example" }, "+friend@mail.example sender" },
		{ "-192.0.2.0/24 +192.0.2.7", { .peer = "192.0.2.7" }, "+192.0.2.7 client" },
		{ "-192.0.2.0/24 +192.0.0.0/16", { .peer = "192.0.2.7" }, "-192.0.2.0/24 client" },
		{ "-192.0.2.0/24 +good.example", { .peer = "192.0.2.7", .from = "a@good.example" }, "+good.example sender" },
		{ "-192.0.2.7 +good.example", { .peer = "192.0.2.7", .from = "a@good.example" }, "-192.0.2.7 client" },
		{ "-192.0.2.7 +a@good.example", { .peer = "192.0.2.7", .from = "a@good.example" }, "+a@good.example sender" },
		{ "+lists.example -troll@evil.example", { .from = "b@lists.example", .author = "troll@evil.example" },
		  "-troll@evil.example author" },
		{ "-evil.example +a@good.example", { .from = "a@good.example", .helo = "evil.example" },
		  "+a@good.example sender" },
	};
	char mem[256];
	struct buf b = buf_over(mem, sizeof(mem));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct entry_set s = { 0 };

		fill(&s, rows[i].list, 0);
		if (strcmp(answer(&s, &rows[i].q, &b), rows[i].found) != 0)
			fail_msg("row %zu (%s): \"%s\", not \"%s\"", i, rows[i].list, b.p, rows[i].found);
		entry_set_end(&s);
	}
}

/* What has expired is not there, also where it stands before one that has not. */
static void test_expiry(void **state)
{
	struct entry_set s = { 0 };
	char mem[256];
	struct buf b = buf_over(mem, sizeof(mem));

	(void)state;
	fill(&s, "+evil.example", 1000);
	assert_string_equal(answer(&s, &(struct asked){ .from = "a@evil.example" }, &b), "");
	fill(&s, "-evil.example", 1001);
	fill(&s, "+evil.example", 999);
	assert_string_equal(answer(&s, &(struct asked){ .from = "a@evil.example" }, &b), "-evil.example sender");
	entry_set_end(&s);
}

static struct entry_file *must_parse(enum entry_file_kind kind, const char *text)
{
	struct err e = { 0 };
	struct entry_file *f = entry_file_parse(kind, S("f"), str_from_z(text), &e);

	if (!f)
		fail_msg("%s", e.text);
	return f;
}

static void test_file(void **state)
{
	AUTO(entry_file_end) struct entry_file *f = must_parse(ENTRY_FILE_BLOCK,
		"\xef\xbb\xbf# heading of no line\n"
		"\n"
		"evil.example   # sells our addresses \r\n"
		"# two lines\n"
		"a#b@hash.example until 2026-12-31\n"
		"198.51.100.0/24 until 2026-13-01 # no such month\n"
		"\t192.0.2.0/24 for ever\n"
		"x@@\n"
		"# a reason for two\n"
		"one.example\n"
		"two.example\n"
		"last.example");
	static const struct {
		const char *what, *reason;
		unsigned line;
		int64_t expires;
	} rows[] = {
		{ "evil.example", "sells our addresses", 3, 0 },
		{ "a#b@hash.example", "two lines", 5, INT64_C(1798761599) * SECOND },
		{ "one.example", "a reason for two", 10, 0 },
		{ "two.example", "a reason for two", 11, 0 },
		{ "last.example", "a reason for two", 12, 0 },
	};

	(void)state;
	assert_int_equal(f->set.n, ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct entry *x = f->set.list[i];

		if (!str_eq(x->what, str_from_z(rows[i].what)) || !str_eq(x->reason, str_from_z(rows[i].reason)) ||
		    x->line != rows[i].line || x->expires != rows[i].expires || x->kind != ENTRY_BLOCK)
			fail_msg("row %zu: " STR_FMT " \"" STR_FMT "\" line %u until %lld", i, STR_ARG(x->what),
				 STR_ARG(x->reason), x->line, (long long)x->expires);
	}
	assert_int_equal(f->n_faults, 3);
	assert_int_equal(f->faults[0].line, 6);
	assert_int_equal(f->faults[2].line, 8);
}

static bool exim_allows(const struct entry_file *f, const struct entry_subject *raw)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct entry_subject q;
	struct entry_found found = { 0 };

	assert_true(entry_subject_fold(raw, &a, &q));
	entry_file_find(f, &q, 0, &found);
	return found.entry;
}

/* Compared with exim 4.96 -be '${if match_address{ADDRESS}{/file}{yes}{no}}'. */
static void test_exim_senders(void **state)
{
	AUTO(entry_file_end) struct entry_file *f = must_parse(ENTRY_FILE_EXIM_SENDERS,
		"# friends\n"
		"friend@example.org   # old friend\n"
		"!spam@friends.example\n"
		"*@friends.example\n"
		"*news@lists.example\n"
		"whole.example\n"
		"*.sub.example\n"
		"*tail.example\n"
		"a#b@hash.example\n"
		"caSe@Case.Example\n"
		"*@*.deep.example\n");
	static const struct {
		const char *from;
		bool allows;
	} rows[] = {
		{ "friend@example.org", true }, { "FRIEND@Example.ORG", true }, { "other@example.org", false },
		{ "spam@friends.example", false }, { "a@friends.example", true }, { "xnews@lists.example", true },
		{ "x@lists.example", false }, { "any@whole.example", true }, { "any@b.whole.example", false },
		{ "a@x.sub.example", true }, { "a@sub.example", false }, { "a@dogtail.example", true },
		{ "a#b@hash.example", true }, { "case@case.example", true }, { "q@very.deep.example", true },
		{ "q@deep.example", false }, { "", false },
	};

	(void)state;
	assert_int_equal(f->n_faults_all, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (exim_allows(f, &(struct entry_subject){ .from = str_from_z(rows[i].from) }) != rows[i].allows)
			fail_msg("%s", rows[i].from);
}

/* Addresses compared with exim 4.96 -be '${if match_ip{ADDRESS}{/file}{yes}{no}}'. */
static void test_exim_hosts(void **state)
{
	AUTO(entry_file_end) struct entry_file *f = must_parse(ENTRY_FILE_EXIM_HOSTS,
		"192.0.2.7 # one\n"
		"10.11.42.44/24\n"
		"!2001:db8::7\n"
		"2001:db8::/32\n"
		"*.friend.example# no blank before it\n"
		"mx.example\n");
	static const struct {
		const char *peer, *host;
		bool is_confirmed, allows;
	} rows[] = {
		{ "192.0.2.7", "", false, true }, { "192.0.2.8", "", false, false }, { "10.11.42.1", "", false, true },
		{ "10.11.43.1", "", false, false }, { "2001:db8::7", "", false, false }, { "2001:db8::8", "", false, true },
		{ "192.0.2.9", "a.friend.example", true, true }, { "192.0.2.9", "a.friend.example", false, false },
		{ "192.0.2.9", "friend.example", true, false }, { "192.0.2.9", "mx.example", true, true },
		{ "192.0.2.9", "x.mx.example", true, false },
	};

	(void)state;
	assert_int_equal(f->n_faults_all, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_address peer;

		assert_true(net_address_parse(str_from_z(rows[i].peer), &peer));
		if (exim_allows(f, &(struct entry_subject){ .peer = &peer, .host = str_from_z(rows[i].host),
							    .is_confirmed = rows[i].is_confirmed }) != rows[i].allows)
			fail_msg("%s %s", rows[i].peer, rows[i].host);
	}
}

static void test_exim_refused(void **state)
{
	AUTO(entry_file_end) struct entry_file *f = must_parse(ENTRY_FILE_EXIM_SENDERS,
		"^spam.*@example.org\n"
		"+named\n"
		"/etc/more\n"
		"@@lsearch;/etc/x\n"
		"x@lsearch;/etc/domains\n"
		"*@*x*.example\n"
		"two words@example.org\n"
		"good@example.org\n");
	AUTO(entry_file_end) struct entry_file *open = must_parse(ENTRY_FILE_EXIM_SENDERS, "!a@b.example\n");

	(void)state;
	assert_int_equal(f->n_faults, 7);
	assert_non_null(strstr(f->faults[0].text, "regular expressions"));
	assert_int_equal(f->set.n, 1);
	assert_true(exim_allows(f, &(struct entry_subject){ .from = S("good@example.org") }));
	assert_false(exim_allows(f, &(struct entry_subject){ .from = S("spam1@example.org") }));
	/* as Exim has it: a list that ends with "!" matches all the others, and that is worth a word */
	assert_true(exim_allows(open, &(struct entry_subject){ .from = S("z@z.example") }));
	assert_false(exim_allows(open, &(struct entry_subject){ .from = S("a@b.example") }));
	assert_int_equal(open->n_faults, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_exim_senders),
		cmocka_unit_test(test_exim_hosts),
		cmocka_unit_test(test_exim_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
