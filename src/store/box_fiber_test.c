/* box_fiber_test.c — many sessions on one folder at once, with store_tend() behind them: each is
 * told everything, in sequence numbers that are right, and what they leave is what lies on disk. */
#include "base/arena.h"
#include "base/rnd.h"
#include "fiber/fiber.h"
#include "store/folder.h"
#include "store/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SESSIONS = 8, ROUNDS = 60 };

static char home_path[64];
static int home;
static struct store *store;
static int failures;
static unsigned alive;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* A test that leaves a fiber by longjmp would hurt the others: failures are counted. */
#define CHECK(fact) \
	do { \
		if (!(fact)) { \
			failures++; \
			printf("# line %d: %s: %s\n", __LINE__, #fact, e.text); \
		} \
	} while (0)

struct session {
	struct by by;
	struct view v;
	struct box *b;
	uint32_t *told;                  /* what its client believes: UIDs by sequence number */
	size_t n_told;
	unsigned seed;
};

/* What the client makes of the untagged answers. */
SUSPENDS static void tell(struct session *s)
{
	uint32_t seq, uid;
	struct err e = { 0 };

	CHECK(view_follow(&s->v, &s->by, &e));
	while ((seq = view_next_expunged(&s->v, &uid))) {
		CHECK(seq <= s->n_told && s->told[seq - 1] == uid);
		memmove(s->told + seq - 1, s->told + seq, (s->n_told - seq) * sizeof(*s->told));
		s->n_told--;
	}
	if (view_take_new(&s->v, &e)) {
		s->told = realloc(s->told, s->v.n * sizeof(*s->told));
		while (s->n_told < s->v.n) {
			s->told[s->n_told] = view_uid(&s->v, (uint32_t)s->n_told + 1);
			CHECK(!s->n_told || s->told[s->n_told] > s->told[s->n_told - 1]);
			s->n_told++;
		}
	}
	while ((seq = view_next_touched(&s->v, &uid)))
		CHECK(s->told[seq - 1] == uid);
	CHECK(s->n_told == s->v.n);
}

SUSPENDS static void do_append(struct session *s)
{
	struct append_facts f = { .flags = LETTER_SEEN, .keywords = { S("k") }, .n_keywords = rnd_below(2) };
	uint32_t validity, first;
	struct append *a = NULL;
	struct err e = { 0 };

	CHECK(append_open(store, S(""), &s->by, &a, &e));
	for (uint32_t i = 0; a && i <= rnd_below(3); i++) {
		CHECK(append_letter(a, &f, &e));
		CHECK(append_bytes(a, S("a: b\r\n\r\nc\r\n"), &e));
	}
	CHECK(a && append_commit(a, &validity, &first, &e));
	append_close(a);
}

/* Some of the UIDs the client knows. */
static size_t some_uids(struct session *s, uint32_t *to, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_told && n < most; i++)
		if (!rnd_below(3))
			to[n++] = s->told[i];
	return n;
}

SUSPENDS static void do_one(struct session *s)
{
	struct flags_change c = { .how = (enum flags_how)rnd_below(3), .flags = (uint8_t)rnd_below(32) };
	AUTO(arena_end) struct arena a = { 0 };
	struct copied done;
	uint32_t uids[40];
	size_t n = some_uids(s, uids, 40);
	struct err e = { 0 };

	switch (rnd_below(6)) {
	case 0:
	case 1:
		do_append(s);
		break;
	case 2:
		CHECK(box_store(s->b, uids, n, &c, &s->by, NULL, NULL, &e));
		break;
	case 3:
		CHECK(box_expunge(s->b, uids, n / 4, true, &s->by, &e));
		break;
	case 4:
		CHECK(box_copy(s->b, uids, n / 3, rnd_below(2) ? S("") : S("Other"), rnd_below(2), &s->by, &a, &done,
			       &e));
		break;
	default:
		CHECK(box_sync(s->b, rnd_below(2), NULL, &e));
	}
}

static void session(void *arg)           /* SUSPENDS */
{
	struct session *s = arg;
	struct err e = { 0 };

	CHECK(box_open(store, S(""), &s->b, &e));
	CHECK(view_init(&s->v, s->b, &e));
	s->n_told = s->v.n;
	s->told = malloc((s->n_told + 1) * sizeof(*s->told));
	for (size_t i = 0; i < s->n_told; i++)
		s->told[i] = view_uid(&s->v, (uint32_t)i + 1);
	for (int i = 0; i < ROUNDS; i++) {
		do_one(s);
		if (rnd_below(3))
			tell(s);
	}
	alive--;
	/* all have done what they do: now everybody knows the same */
	while (alive && fiber_sleep(MILLISECOND, &e))
		continue;
	tell(s);
	CHECK(s->v.n == box_count(s->b));
	for (size_t i = 0; i < s->v.n; i++)
		CHECK(s->told[i] == box_letters(s->b)[i].uid);
	view_end(&s->v);
	box_close(s->b);
	free(s->told);
}

static void tend(void *arg)              /* SUSPENDS */
{
	(void)arg;
	store_tend(store);
}

static void stress(void *arg)            /* SUSPENDS */
{
	AUTO(nursery_end) struct nursery background = { 0 };
	static struct session sessions[SESSIONS];
	struct nursery kids = { 0 };
	struct err e = { 0 };

	(void)arg;
	CHECK(folder_create(store, S("Other"), FOLDER_PLAIN, &e));
	fiber_start(&background, "tend", tend, NULL);
	alive = SESSIONS;
	for (size_t i = 0; i < SESSIONS; i++) {
		sessions[i] = (struct session){ .by = { S("stress") } };
		CHECK(fiber_start(&kids, "session", session, &sessions[i]));
	}
	CHECK(nursery_join(&kids, &e));
}

struct found {
	uint32_t uid, keywords;
	uint8_t flags;
};

static struct found *found;
static size_t n_found;

static void remember(void *arg)          /* SUSPENDS */
{
	struct err e = { 0 };
	struct box *b = NULL;
	bool again = *(bool *)arg;

	CHECK(box_open(store, S(""), &b, &e));
	if (!again) {
		n_found = box_count(b);
		found = calloc(n_found + 1, sizeof(*found));
	}
	CHECK(n_found == box_count(b));
	for (size_t i = 0; i < n_found && i < box_count(b); i++) {
		const struct letter *l = &box_letters(b)[i];

		if (again)
			CHECK(found[i].uid == l->uid && found[i].flags == l->flags && found[i].keywords == l->keywords);
		found[i] = (struct found){ l->uid, l->keywords, l->flags };
	}
	box_close(b);
}

static void test_stress(void **state)
{
	struct err e = { 0 };
	bool again = false;

	(void)state;
	assert_true(maildir_open(home, S("Maildir"), &store, &e));
	loop_run(stress, NULL);
	loop_run(remember, &again);
	/* as after a kill, with the cache and without it */
	again = true;
	for (int i = 0; i < 2; i++) {
		store_close(store);
		if (i)
			unlinkat(home, "Maildir/waxwing/cache.db", 0);
		assert_true(maildir_open(home, S("Maildir"), &store, &e));
		loop_run(remember, &again);
	}
	free(found);
	store_close(store);
	assert_int_equal(failures, 0);
}

/* ---- another program's letter is announced ---- */

static void announce(void *arg)          /* SUSPENDS */
{
	AUTO(nursery_end) struct nursery background = { 0 };
	struct err e = { 0 };
	struct box *b = NULL;
	int64_t *took = arg;
	uint64_t at;
	struct change c;
	int fd;

	CHECK(box_open(store, S(""), &b, &e));
	fiber_start(&background, "tend", tend, NULL);
	CHECK(fiber_sleep(20 * MILLISECOND, &e));
	at = box_changes_end(b);
	fd = openat(home, "Maildir/tmp/1900000000.x.h", O_WRONLY | O_CREAT, 0600);
	CHECK(write(fd, "x\n", 2) == 2);
	close(fd);
	*took = time_mono();
	CHECK(renameat(home, "Maildir/tmp/1900000000.x.h", home, "Maildir/new/1900000000.x.h") == 0);
	WITHIN(5 * SECOND)
		CHECK(wait_on(box_changed(b), "a letter", &e));
	*took = time_mono() - *took;
	CHECK(box_change_next(b, &at, &c) && c.kind == CHANGE_NEW);
	box_close(b);
}

static void test_announced(void **state)
{
	struct err e = { 0 };
	int64_t took = 0;

	(void)state;
	assert_true(maildir_open(home, S("Maildir"), &store, &e));
	loop_run(announce, &took);
	store_close(store);
	assert_int_equal(failures, 0);
	printf("# announced after %lld us\n", (long long)took);
	assert_true(took < SECOND);
}

static int setup(void **state)
{
	(void)state;
	snprintf(home_path, sizeof(home_path), "/tmp/box-fiber-XXXXXX");
	assert_non_null(mkdtemp(home_path));
	home = open(home_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(home);
	nftw(home_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stress, setup, teardown),
		cmocka_unit_test_setup_teardown(test_announced, setup, teardown),
	};

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
