/* box_test.c — boxes and views on a Maildir: letters come, are flagged, copied, moved, expunged, seen. */
#include "store/box_world.h"

/* ---- append ---- */

static void test_append(void **state)
{
	struct buf back = buf_on_heap(1 << 20);
	const struct letter *l;
	struct box *b;
	char path[300];
	struct stat st;

	(void)state;
	assert_int_equal(put("", "a: b\r\n\r\nx\r\n", LETTER_SEEN | LETTER_DRAFT, S("$Work")), 1);
	assert_int_equal(put("", "second\r\n", 0, S("")), 2);
	b = box_at("");
	assert_int_equal(box_count(b), 2);
	assert_int_equal(box_uidnext(b), 3);
	l = box_find(b, 1);
	assert_int_equal(l->flags, LETTER_SEEN | LETTER_DRAFT);
	assert_int_equal(l->keywords, 1);
	assert_true(str_eq(box_keyword(b, 0), S("$Work")));
	assert_int_equal(l->size, 8);
	assert_int_equal(l->vsize, 11);
	assert_int_equal(l->date, 1500000000);
	name_of("Maildir/cur", ",S=8,W=11:2,DSa", path);
	assert_int_equal(fstatat(home, path, &st, 0), 0);
	assert_int_equal(st.st_mtime, 1500000000);
	assert_int_equal(names_in("Maildir/tmp", ""), 0);
	OK(box_letter_read(b, 1, &back, &e));
	assert_true(str_eq(buf_str(&back), S("a: b\r\n\r\nx\r\n")));
	assert_true(box_find(b, 2)->modseq > l->modseq);
	buf_end(&back);
	box_close(b);
}

static void test_multiappend(void **state)
{
	struct append_facts f = { 0 };
	uint32_t validity, first = 0;
	struct append *a;
	struct box *b;

	(void)state;
	OK(append_open(store, S(""), &me, &a, &e));
	for (int i = 0; i < 100; i++) {
		OK(append_letter(a, &f, &e));
		OK(append_bytes(a, S("x\r\n"), &e));
	}
	OK(append_commit(a, &validity, &first, &e));
	append_close(a);
	assert_int_equal(first, 1);
	/* one that is not committed leaves nothing */
	OK(append_open(store, S(""), &me, &a, &e));
	OK(append_letter(a, &f, &e));
	OK(append_bytes(a, S("x\r\n"), &e));
	append_close(a);
	b = box_at("");
	assert_int_equal(box_count(b), 100);
	assert_int_equal(names_in("Maildir/cur", ""), 100);
	assert_int_equal(names_in("Maildir/tmp", ""), 0);
	box_close(b);
}

static void test_append_nowhere(void **state)
{
	struct append *a = NULL;

	(void)state;
	assert_false(append_open(store, S("Nowhere"), &me, &a, &e));
	assert_int_equal(e.sys, ENOENT);
	assert_false(append_open(store, S("../x"), &me, &a, &e));
	assert_int_equal(e.sys, EINVAL);
}

/* ---- what stays over a restart ---- */

static void test_restart(void **state)
{
	uint32_t validity;
	uint64_t modseq;
	struct box *b;
	struct str name;
	char id[33];

	(void)state;
	put("", "1\r\n", 0, S(""));
	put("", "2\r\n", LETTER_FLAGGED, S("work"));
	put("", "3\r\n", 0, S(""));
	b = box_at("");
	validity = box_uidvalidity(b);
	name = box_id(b);
	snprintf(id, sizeof(id), STR_FMT, STR_ARG(name));
	store_flags(b, FLAGS_ADD, LETTER_SEEN, 1, 1);
	OK(box_expunge(b, &(uint32_t){ 3 }, 1, true, &me, &e));
	modseq = box_modseq(b);
	for (int round = 0; round < 3; round++) {
		box_close(b);
		if (round == 1)
			OK(store_settle(store, &e));
		restart();
		/* the third time without its cache */
		if (round == 2) {
			unlinkat(home, "Maildir/waxwing/cache.db", 0);
			unlinkat(home, "Maildir/waxwing/cache.db-wal", 0);
		}
		b = box_at("");
		assert_int_equal(box_uidvalidity(b), validity);
		assert_true(str_eq(box_id(b), str_from_z(id)));
		assert_int_equal(box_uidnext(b), 4);
		assert_int_equal(box_count(b), 2);
		assert_int_equal(box_find(b, 1)->flags, LETTER_SEEN);
		assert_int_equal(box_find(b, 2)->flags, LETTER_FLAGGED);
		assert_int_equal(box_find(b, 2)->keywords, 1);
		assert_true(box_modseq(b) >= modseq);
		modseq = box_modseq(b);
	}
	assert_int_equal(names_in("Maildir/cur", ":2,S"), 1);
	assert_int_equal(names_in("Maildir/waxwing/gone", ""), 1);
	assert_int_equal(put("", "4\r\n", 0, S("")), 4);
	box_close(b);
}

/* Flags are in force at once; the process dies before the names follow. */
static void test_flags_survive(void **state)
{
	struct box *b;

	(void)state;
	for (int i = 0; i < 5; i++)
		put("", "x\r\n", i == 4 ? LETTER_DRAFT : 0, S(""));
	b = box_at("");
	store_flags(b, FLAGS_ADD, LETTER_SEEN | LETTER_FLAGGED, 1, 4);
	store_flags(b, FLAGS_REMOVE, LETTER_FLAGGED, 2, 2);
	store_flags(b, FLAGS_SET, LETTER_ANSWERED, 5, 5);
	assert_int_equal(names_in("Maildir/cur", "S"), 5);
	box_close(b);
	restart();
	b = box_at("");
	assert_int_equal(box_find(b, 1)->flags, LETTER_SEEN | LETTER_FLAGGED);
	assert_int_equal(box_find(b, 2)->flags, LETTER_SEEN);
	assert_int_equal(box_find(b, 5)->flags, LETTER_ANSWERED);
	assert_int_equal(names_in("Maildir/cur", ":2,FS"), 3);
	assert_int_equal(names_in("Maildir/cur", ":2,S"), 1);
	assert_int_equal(names_in("Maildir/cur", ":2,R"), 1);
	box_close(b);
}

static void test_unchanged_since(void **state)
{
	struct flags_change c = { .how = FLAGS_ADD, .flags = LETTER_SEEN, .has_unchanged_since = true };
	uint32_t failed[3];
	size_t n = 0;
	struct box *b;

	(void)state;
	for (int i = 0; i < 3; i++)
		put("", "x\r\n", 0, S(""));
	b = box_at("");
	c.unchanged_since = box_modseq(b);
	store_flags(b, FLAGS_ADD, LETTER_FLAGGED, 2, 2);
	OK(box_store(b, (uint32_t[]){ 1, 2, 3 }, 3, &c, &me, failed, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(failed[0], 2);
	assert_int_equal(box_find(b, 2)->flags, LETTER_FLAGGED);
	assert_int_equal(box_find(b, 3)->flags, LETTER_SEEN);
	box_close(b);
}

/* ---- copy, move, expunge ---- */

static void test_copy_move(void **state)
{
	struct arena a = { 0 };
	struct copied done;
	struct box *b, *to;
	struct stat st;
	char path[300];

	(void)state;
	OK(folder_create(store, S("Other"), FOLDER_PLAIN, &e));
	for (int i = 0; i < 4; i++)
		put("", "x\r\n", LETTER_SEEN, i == 1 ? S("blue") : S("red"));
	put("Other", "y\r\n", 0, S("blue"));
	b = box_at("");
	OK(box_copy(b, (uint32_t[]){ 2, 3, 9 }, 3, S("Other"), false, &me, &a, &done, &e));
	assert_int_equal(done.n, 2);
	assert_int_equal(done.first, 2);
	assert_int_equal(done.uids[1], 3);
	to = box_at("Other");
	assert_int_equal(done.validity, box_uidvalidity(to));
	assert_int_equal(box_count(to), 3);
	/* keywords by name, not by letter */
	assert_int_equal(box_find(to, 2)->keywords, 1 << box_keyword_find(to, S("BLUE")));
	assert_int_equal(box_find(to, 3)->keywords, 1 << box_keyword_find(to, S("red")));
	assert_int_equal(box_find(to, 2)->date, 1500000000);
	assert_string_equal(box_email_id(b, box_find(b, 2)).z, box_email_id(to, box_find(to, 2)).z);
	assert_string_not_equal(box_email_id(b, box_find(b, 2)).z, box_email_id(b, box_find(b, 1)).z);
	name_of("Maildir/.Other/cur", "-c2,", path);
	assert_int_equal(fstatat(home, path, &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	OK(box_copy(b, (uint32_t[]){ 1, 2 }, 2, S("Other"), true, &me, &a, &done, &e));
	assert_int_equal(box_count(b), 2);
	assert_int_equal(box_count(to), 5);
	assert_int_equal(names_in("Maildir/cur", ""), 2);
	/* to and fro: never an old UID */
	OK(box_copy(to, (uint32_t[]){ 4, 5 }, 2, S(""), true, &me, &a, &done, &e));
	assert_int_equal(done.first, 5);
	OK(box_copy(b, (uint32_t[]){ 5 }, 1, S(""), false, &me, &a, &done, &e));
	assert_int_equal(done.first, 7);
	assert_int_equal(box_count(b), 5);
	box_close(b);
	box_close(to);
	restart();
	b = box_at("");
	assert_int_equal(box_count(b), 5);
	assert_int_equal(box_uidnext(b), 8);
	box_close(b);
	arena_end(&a);
}

static void test_expunge(void **state)
{
	struct uid_range *gone;
	struct arena a = { 0 };
	uint64_t before;
	struct box *b;
	bool all;
	size_t n;

	(void)state;
	for (int i = 0; i < 6; i++)
		put("", "x\r\n", 0, S(""));
	b = box_at("");
	before = box_modseq(b);
	store_flags(b, FLAGS_ADD, LETTER_DELETED, 2, 4);
	OK(box_expunge(b, (uint32_t[]){ 1, 2, 3 }, 3, false, &me, &e));
	assert_int_equal(box_count(b), 4);
	OK(box_expunge(b, NULL, 0, false, &me, &e));
	OK(box_expunge(b, (uint32_t[]){ 6 }, 1, true, &me, &e));
	assert_int_equal(box_count(b), 2);
	assert_int_equal(names_in("Maildir/waxwing/gone", ""), 4);
	assert_true(box_expunged(b, before, &a, &gone, &n, &all));
	assert_false(all);
	assert_int_equal(n, 2);
	assert_int_equal(gone[0].first, 2);
	assert_int_equal(gone[0].last, 4);
	assert_int_equal(gone[1].first, 6);
	box_close(b);
	/* the same after a restart with the cache; without it nothing is known */
	OK(store_settle(store, &e));
	restart();
	b = box_at("");
	assert_true(box_expunged(b, before, &a, &gone, &n, &all));
	assert_int_equal(n, 2);
	assert_false(all);
	box_close(b);
	store_close(store);
	unlinkat(home, "Maildir/waxwing/cache.db", 0);
	unlinkat(home, "Maildir/waxwing/cache.db-wal", 0);
	open_store();
	b = box_at("");
	assert_true(box_expunged(b, before, &a, &gone, &n, &all));
	assert_true(all);
	box_close(b);
	arena_end(&a);
}

/* ---- keywords ---- */

static void test_keywords(void **state)
{
	struct flags_change c = { .how = FLAGS_SET };
	struct box *b;
	unsigned bit;
	char name[16];

	(void)state;
	put("", "x\r\n", 0, S(""));
	b = box_at("");
	for (unsigned i = 0; i < KEYWORDS_MAX; i++) {
		snprintf(name, sizeof(name), "key%u", i);
		OK(box_keyword_make(b, str_from_z(name), &bit, &e));
		assert_int_equal(bit, i);
		c.keywords |= UINT32_C(1) << i;
	}
	OK(box_store(b, (uint32_t[]){ 1 }, 1, &c, &me, NULL, NULL, &e));
	assert_false(box_keyword_room(b));
	assert_false(box_keyword_make(b, S("more"), &bit, &e));
	assert_int_equal(e.sys, ENOSPC);
	OK(box_keyword_make(b, S("KEY3"), &bit, &e));
	assert_int_equal(bit, 3);
	/* nobody bears key7 any more: its place is taken */
	c.keywords &= ~(UINT32_C(1) << 7);
	OK(box_store(b, (uint32_t[]){ 1 }, 1, &c, &me, NULL, NULL, &e));
	OK(store_settle(store, &e));
	OK(box_keyword_make(b, S("more"), &bit, &e));
	assert_int_equal(bit, 7);
	assert_false(box_keyword_make(b, S("\\Odd"), &bit, &e));
	assert_int_equal(e.sys, EINVAL);
	box_close(b);
	restart();
	b = box_at("");
	assert_true(str_eq(box_keyword(b, 7), S("more")));
	assert_int_equal(box_find(b, 1)->keywords, c.keywords);
	box_close(b);
}

/* ---- views ---- */

/* Two sessions; what each is told, in order. */
static void told(struct view *v, const struct by *silent, const char *expected)
{
	struct buf b = buf_over((char[300]){ 0 }, 300);
	uint32_t seq, uid;

	OK(view_follow(v, silent, &e));
	while ((seq = view_next_expunged(v, &uid)))
		buf_addf(&b, "-%u ", seq);
	if (view_take_new(v, &e))
		buf_addf(&b, "=%zu ", v->n);
	while ((seq = view_next_touched(v, &uid)))
		buf_addf(&b, "f%u ", seq);
	if (!str_eq(buf_str(&b), str_from_z(expected)))
		fail_msg("told \"" STR_FMT "\", not \"%s\"", STR_ARG(buf_str(&b)), expected);
}

static void test_views(void **state)
{
	static const struct by other = { { "other", 5 } };
	struct view v, w;
	struct box *b;

	(void)state;
	for (int i = 0; i < 6; i++)
		put("", "x\r\n", 0, S(""));
	b = box_at("");
	OK(view_init(&v, b, &e));
	OK(view_init(&w, b, &e));
	assert_int_equal(v.n, 6);
	store_flags(b, FLAGS_ADD, LETTER_SEEN, 2, 3);
	told(&v, &me, "");
	told(&w, NULL, "f2 f3 ");
	OK(box_expunge(b, (uint32_t[]){ 1, 2, 5 }, 3, true, &other, &e));
	put("", "y\r\n", 0, S(""));
	store_flags(b, FLAGS_ADD, LETTER_FLAGGED, 3, 7);
	/* not told yet: numbers stay */
	OK(view_follow(&w, NULL, &e));
	assert_int_equal(view_seq(&w, 3), 3);
	assert_int_equal(view_uid(&w, 6), 6);
	assert_int_equal(view_uid(&w, 7), 0);
	/* of the new one the client knows nothing yet */
	told(&w, NULL, "-5 -2 -1 =4 f1 f2 f3 ");
	told(&v, &me, "-5 -2 -1 =4 ");
	assert_int_equal(view_seq(&v, 7), 4);
	/* more than the log holds */
	for (int i = 0; i < 5000; i++)
		store_flags(b, i % 2 ? FLAGS_ADD : FLAGS_REMOVE, LETTER_DRAFT | LETTER_ANSWERED, 4, 4);
	OK(box_expunge(b, (uint32_t[]){ 3 }, 1, true, &other, &e));
	told(&w, NULL, "-1 f1 f2 f3 ");
	view_end(&v);
	view_end(&w);
	box_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_append), TEST(test_multiappend), TEST(test_append_nowhere),
		TEST(test_restart), TEST(test_flags_survive), TEST(test_unchanged_since),
		TEST(test_copy_move), TEST(test_expunge), TEST(test_keywords), TEST(test_views),
	};

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
