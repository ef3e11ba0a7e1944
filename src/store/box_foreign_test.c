/* box_foreign_test.c — what other programs and another server did to a Maildir: their letters, renames,
 * uidlists, and caches that were deleted. */
#include "store/box_world.h"

/* ---- other programs ---- */

static void test_foreign(void **state)
{
	char path[300], to[320];
	struct box *b;
	uint32_t recent;

	(void)state;
	for (int i = 0; i < 4; i++)
		put("", "x\r\n", 0, S(""));
	b = box_at("");
	/* new letters, in the order of their names */
	file_at("Maildir/new/1900000002.b.h", "second\n");
	file_at("Maildir/new/1900000001.a.h", "first\n");
	file_at("Maildir/cur/1900000000.c.h:2,FS", "zeroth\n");
	look(b);
	assert_int_equal(box_count(b), 7);
	assert_int_equal(box_find(b, 5)->flags, LETTER_FLAGGED | LETTER_SEEN);
	OK(box_learn(b, (uint32_t[]){ 6, 7 }, 2, KNOWN_ALL, &e));
	assert_int_equal(box_find(b, 6)->vsize, 7);
	assert_int_equal(box_find(b, 7)->size, 7);
	/* claimed, without other flags */
	OK(box_sync(b, true, &recent, &e));
	assert_int_equal(recent, 1);
	assert_int_equal(names_in("Maildir/new", ""), 0);
	assert_int_equal(names_in("Maildir/cur", "1900000001.a.h:2,"), 1);
	OK(box_sync(b, true, &recent, &e));
	assert_int_equal(recent, 8);
	/* flags changed, a letter removed, one moved away */
	assert_int_equal(renameat(home, "Maildir/cur/1900000001.a.h:2,", home, "Maildir/cur/1900000001.a.h:2,RSa"), 0);
	assert_int_equal(unlinkat(home, "Maildir/cur/1900000000.c.h:2,FS", 0), 0);
	name_of("Maildir/cur", "Q1.", path);
	snprintf(to, sizeof(to), "Maildir/elsewhere");
	assert_int_equal(renameat(home, path, home, to), 0);
	look(b);
	assert_int_equal(box_count(b), 5);
	assert_int_equal(box_find(b, 6)->flags, LETTER_ANSWERED | LETTER_SEEN);
	assert_null(box_find(b, 5));
	assert_null(box_find(b, 1));
	/* what comes back is a new letter */
	assert_int_equal(renameat(home, to, home, path), 0);
	look(b);
	assert_int_equal(box_count(b), 6);
	assert_null(box_find(b, 1));
	assert_non_null(box_find(b, 8));
	box_close(b);
	restart();
	b = box_at("");
	assert_null(box_find(b, 1));
	assert_non_null(box_find(b, 8));
	assert_int_equal(box_count(b), 6);
	box_close(b);
}

/* Another program renames a letter whose flags of ours wait to be written. */
static void test_foreign_and_own(void **state)
{
	struct box *b;

	(void)state;
	put("", "x\r\n", 0, S(""));
	b = box_at("");
	file_at("Maildir/cur/1900000000.c.h:2,", "x\n");
	look(b);
	store_flags(b, FLAGS_ADD, LETTER_SEEN, 2, 2);
	assert_int_equal(renameat(home, "Maildir/cur/1900000000.c.h:2,", home, "Maildir/cur/1900000000.c.h:2,F"), 0);
	OK(store_settle(store, &e));
	assert_int_equal(box_find(b, 2)->flags, LETTER_SEEN | LETTER_FLAGGED);
	assert_int_equal(names_in("Maildir/cur", "1900000000.c.h:2,FS"), 1);
	/* and one removes it */
	store_flags(b, FLAGS_ADD, LETTER_ANSWERED, 2, 2);
	unlinkat(home, "Maildir/cur/1900000000.c.h:2,FS", 0);
	OK(store_settle(store, &e));
	assert_int_equal(box_count(b), 1);
	box_close(b);
}

/* A folder, or all of it, is taken away under a session. */
static void test_taken_away(void **state)
{
	struct box *b;
	char path[80];

	(void)state;
	put("", "x\r\n", 0, S(""));
	b = box_at("");
	OK(box_sync(b, false, NULL, &e));
	snprintf(path, sizeof(path), "%s/Maildir", home_path);
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_false(box_sync(b, false, NULL, &e));
	assert_int_equal(e.sys, ENOENT);
	assert_false(box_is_there(b));
	assert_false(box_expunge(b, NULL, 0, true, &me, &e));
	box_close(b);
	/* and made anew */
	assert_int_equal(put("", "x\r\n", 0, S("")), 1);
}

static bool kept(struct box *b, unsigned kind, uint32_t uid, struct arena *a, struct str *ret)
{
	*ret = (struct str){ 0 };
	return box_kept(b, kind, &uid, 1, a, ret, &e);
}

/* A, deleted under a live session: made anew, no error. */
static void test_cache_deleted(void **state)
{
	struct arena a = { 0 };
	struct str s = { 0 };
	struct box *b;

	(void)state;
	put("", "x\r\n", 0, S(""));
	b = box_at("");
	box_keep(b, 7, 1, S("summary"));
	OK(kept(b, 7, 1, &a, &s));
	assert_true(str_eq(s, S("summary")));
	OK(store_settle(store, &e));
	OK(kept(b, 7, 1, &a, &s));
	assert_true(str_eq(s, S("summary")));
	OK(kept(b, 8, 1, &a, &s));
	assert_int_equal(s.n, 0);
	assert_int_equal(unlinkat(home, "Maildir/waxwing/cache.db", 0), 0);
	OK(kept(b, 7, 1, &a, &s));
	assert_int_equal(s.n, 0);
	box_keep(b, 7, 1, S("again"));
	OK(store_settle(store, &e));
	OK(kept(b, 7, 1, &a, &s));
	assert_true(str_eq(s, S("again")));
	/* damage */
	box_close(b);
	store_close(store);
	file_at("Maildir/waxwing/cache.db", "this is no database, not at all, and long enough to be looked at");
	open_store();
	b = box_at("");
	assert_int_equal(box_count(b), 1);
	box_close(b);
	arena_end(&a);
}

/* ---- the uidlist ---- */

/* What lies there, and what becomes of it: the letters a and b lie in cur/. */
static const struct {
	const char *what, *text;
	uint32_t validity;               /* 0: a new one */
	uint32_t uid_a, uid_b, next;
} uidlists[] = {
	{ "whole", "3 V77 N9 G113ce023aa1f026bcd7e000083ecc375\n3 :1.a\n5 :1.b\n", 77, 3, 5, 9 },
	{ "N lags", "3 V77 N2 G113ce023aa1f026bcd7e000083ecc375\n3 :1.a\n5 :1.b\n", 77, 3, 5, 6 },
	{ "version 1", "1 77 9\n3 1.a\n5 1.b\n", 77, 3, 5, 9 },
	{ "fields", "3 V77 N9 Xfoo\n3 W12 S9 :1.a\n5 Zodd :1.b:2,S\n", 77, 3, 5, 9 },
	{ "one missing", "3 V77 N9\n3 :1.a\n", 77, 3, 9, 10 },
	{ "last line cut", "3 V77 N9\n3 :1.a\n5 :1.", 77, 3, 9, 10 },
	{ "a line is damaged", "3 V77 N9\nx\xff :1.a\n5 :1.b\n", 77, 9, 5, 10 },
	{ "order is wrong", "3 V77 N9\n5 :1.b\n3 :1.a\n", 77, 9, 5, 10 },
	{ "one UID twice", "3 V77 N9\n5 :1.b\n5 :1.a\n", 77, 9, 5, 10 },
	{ "a name twice", "3 V77 N9\n3 :1.a\n4 :1.b\n6 :1.a\n", 77, 6, 4, 9 },
	{ "a name with a slash", "3 V77 N9\n3 :../1.a\n5 :1.b\n", 77, 9, 5, 10 },
	{ "no header", "3 :1.a\n5 :1.b\n", 0, 1, 2, 3 },
	{ "header cut", "3 V77 N", 0, 1, 2, 3 },
	{ "validity 0", "3 V0 N9\n3 :1.a\n", 0, 1, 2, 3 },
	{ "validity too big", "3 V4294967296 N9\n", 0, 1, 2, 3 },
	{ "empty", "", 0, 1, 2, 3 },
};

static void test_uidlists(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(uidlists); i++) {
		struct box *b;

		b = box_at("");
		box_close(b);
		store_close(store);
		file_at("Maildir/cur/1.a:2,S", "a\n");
		file_at("Maildir/cur/1.b:2,", "b\n");
		file_at("Maildir/dovecot-uidlist", uidlists[i].text);
		open_store();
		for (int again = 0; again < 2; again++) {
			b = box_at("");
			if (uidlists[i].validity ? box_uidvalidity(b) != uidlists[i].validity :
						   box_uidvalidity(b) < 1700000000)
				fail_msg("%s: UIDVALIDITY %u", uidlists[i].what, box_uidvalidity(b));
			if (!box_find(b, uidlists[i].uid_a) || !box_find(b, uidlists[i].uid_b) ||
			    box_uidnext(b) != uidlists[i].next || box_count(b) != 2)
				fail_msg("%s: UIDs %u %u, next %u", uidlists[i].what, box_letters(b)[0].uid,
					 box_letters(b)[1].uid, box_uidnext(b));
			assert_int_equal(box_find(b, uidlists[i].uid_a)->flags, LETTER_SEEN);
			box_close(b);
			restart();
		}
	}
}

/* A crash at each step of a rewrite: R1 and a lock that a dead process left. */
static void test_uidlist_crash(void **state)
{
	struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct box *b;

	(void)state;
	put("", "x\r\n", 0, S(""));
	put("", "y\r\n", 0, S(""));
	store_close(store);
	file_at("Maildir/waxwing.tmp", "3 V1 N1\n1 :half of a uidl");
	file_at("Maildir/dovecot-uidlist.lock", "4711:host");
	assert_int_equal(utimensat(home, "Maildir/dovecot-uidlist.lock", old, 0), 0);
	open_store();
	assert_int_equal(put("", "z\r\n", 0, S("")), 3);
	assert_int_equal(names_in("Maildir", ".lock"), 0);
	b = box_at("");
	assert_int_equal(box_count(b), 3);
	box_close(b);
}

/* Another program appended to the uidlist, or removed it, under us. */
static void test_uidlist_foreign(void **state)
{
	AUTO(fd_end) int fd = -1;
	struct box *b;

	(void)state;
	put("", "x\r\n", 0, S(""));
	b = box_at("");
	fd = openat(home, "Maildir/dovecot-uidlist", O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "7 :1900000000.other.h\n", 22), 22);
	file_at("Maildir/new/1900000000.other.h", "x\n");
	look(b);
	assert_non_null(box_find(b, 7));
	assert_int_equal(put("", "y\r\n", 0, S("")), 8);
	assert_int_equal(unlinkat(home, "Maildir/dovecot-uidlist", 0), 0);
	assert_int_equal(put("", "z\r\n", 0, S("")), 9);
	box_close(b);
	restart();
	b = box_at("");
	assert_int_equal(box_count(b), 4);
	assert_non_null(box_find(b, 7));
	box_close(b);
}

/* ---- Dovecot's own ---- */

static struct str field(struct str *line)
{
	return str_cut(*line, '\t', line);
}

static const struct {
	const char *shown, *folder;
} dovecot_folders[] = {
	{ "R&D", "R&-D" }, { "\xd0\x9f\xd1\x80\xd0\xbe\xd1\x87\xd0\xb5\xd0\xb5", "&BB8EQAQ+BEcENQQ1-" },
	{ "\xd0\x9f\xd1\x80\xd0\xbe\xd1\x87\xd0\xb5\xd0\xb5/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	  "&BB8EQAQ+BEcENQQ1-.&ZeVnLIqe-" },
	{ "Lists/linux-raid", "Lists.linux-raid" }, { "Archive", "Archive" },
	{ "Archive/2024", "Archive.2024" }, { "Drafts", "Drafts" }, { "Sent", "Sent" }, { "INBOX", "" },
};

static const char *folder_shown(struct str shown)
{
	for (size_t i = 0; i < ARRAY_LEN(dovecot_folders); i++)
		if (str_eq(shown, str_from_z(dovecot_folders[i].shown)))
			return dovecot_folders[i].folder;
	fail_msg("no folder " STR_FMT, STR_ARG(shown));
	return NULL;
}

static void flags_print(const struct box *b, const struct letter *l, struct buf *to)
{
	static const char *const names[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };
	static const int order[] = { 1, 2, 3, 0, 4 };

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (l->flags >> order[i] & 1)
			buf_addf(to, "%s%s", to->n ? " " : "", names[order[i]]);
	for (unsigned k = 0; k < KEYWORDS_MAX; k++)
		if (l->keywords >> k & 1) {
			buf_add(to, to->n ? S(" ") : S(""));
			buf_add(to, box_keyword(b, k));
		}
}

static void check_dovecot_letter(struct str line)
{
	struct str mailbox = field(&line), uid = field(&line), guid = field(&line), flags = field(&line),
		   date = field(&line), size = field(&line), vsize = field(&line);
	struct buf shown = buf_over((char[300]){ 0 }, 300);
	uint64_t n = 0, want = 0;
	struct box *b;

	(void)guid;
	b = box_at(folder_shown(mailbox));
	assert_true(str_u64(uid, &n));
	assert_non_null(box_find(b, (uint32_t)n));
	OK(box_learn(b, (uint32_t[]){ (uint32_t)n }, 1, KNOWN_ALL, &e));
	flags_print(b, box_find(b, (uint32_t)n), &shown);
	if (!str_eq(buf_str(&shown), flags))
		fail_msg("uid " STR_FMT ": " STR_FMT " not " STR_FMT, STR_ARG(uid), STR_ARG(buf_str(&shown)),
			 STR_ARG(flags));
	assert_true(str_u64(size, &want) && box_find(b, (uint32_t)n)->size == want);
	assert_true(str_u64(vsize, &want) && box_find(b, (uint32_t)n)->vsize == want);
	{
		struct time_parts t = time_split(box_find(b, (uint32_t)n)->date * SECOND);
		char text[32];

		snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d", t.year, t.month, t.day, t.hour,
			 t.minute, t.second);
		assert_true(str_eq(str_from_z(text), date));
	}
	box_close(b);
}

static void check_dovecot_status(struct str line)
{
	struct str mailbox = field(&line), text[8];
	struct box_status st;
	uint64_t v[5] = { 0 };

	for (size_t i = 0; i < 8; i++)
		text[i] = field(&line);
	for (size_t i = 0; i < 5; i++)
		assert_true(str_u64(text[i], &v[i]));
	OK(box_status(store, str_from_z(folder_shown(mailbox)), &st, &e));
	assert_int_equal(st.messages, v[0]);
	assert_int_equal(st.recent, v[1]);
	assert_int_equal(st.uidnext, v[2]);
	assert_int_equal(st.uidvalidity, v[3]);
	assert_int_equal(st.unseen, v[4]);
	assert_true(str_u64(text[6], &v[0]) && st.size == v[0]);
	assert_true(str_eq(str_from_z(st.id), text[7]));
}

static void each_line(const char *path, void (*fn)(struct str line))
{
	AUTO(fd_end) int fd = open(path, O_RDONLY);
	struct str rest;
	char *text;

	assert_true(fd >= 0);
	OK(fd_slurp(fd, 1 << 20, &text, &rest.n, &e));
	rest.p = text;
	str_cut(rest, '\n', &rest);
	while (rest.n)
		fn(str_cut(rest, '\n', &rest));
	free(text);
}

static void test_dovecot(void **state)
{
	const char *root = getenv("SOURCE_ROOT");
	char dir[300], path[400], command[800];
	struct folder_row *rows;
	struct arena a = { 0 };
	size_t n, subscribed = 0;
	pid_t pid;
	int status;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/../shared/testdata/maildir-dovecot", root ? root : ".");
	if (access(dir, R_OK))
		skip();
	snprintf(command, sizeof(command), "%s/maildir.tar", dir);
	pid = fork();
	if (!pid) {
		execlp("tar", "tar", "xf", command, "-C", home_path, "--no-same-owner", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (int again = 0; again < 2; again++) {
		snprintf(path, sizeof(path), "%s/expected.tsv", dir);
		each_line(path, check_dovecot_letter);
		snprintf(path, sizeof(path), "%s/status.tsv", dir);
		each_line(path, check_dovecot_status);
		OK(folder_list(store, &a, &rows, &n, &e));
		subscribed = 0;
		/* with "Lists", which is only above another */
		assert_int_equal(n, 10);
		for (size_t i = 0; i < n; i++)
			subscribed += rows[i].is_subscribed;
		assert_int_equal(subscribed, 8);
		OK(store_settle(store, &e));
		restart();
	}
	arena_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_foreign), TEST(test_foreign_and_own), TEST(test_taken_away),
		TEST(test_cache_deleted), TEST(test_uidlists), TEST(test_uidlist_crash),
		TEST(test_uidlist_foreign), TEST(test_dovecot),
	};

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
