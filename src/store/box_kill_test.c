/* box_kill_test.c — a process is killed while it works on a folder, again and again; each time its
 * ledger of what was done is compared with what another process finds.
 *
 * Nothing that was answered is taken back: no UID is lost, changed or given twice, no expunged or
 * moved letter comes back, flags stay, MODSEQ only grows.  The one verb that was under way may have
 * happened or not. */
#include "base/arena.h"
#include "base/rnd.h"
#include "store/box.h"
#include "store/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { KILLS = 12, UIDS_MAX = 20000, LINES_EACH = 15 };

static char home_path[64];
static int home;
static struct err e;

/* One line of the ledger: what is about to happen, or has. */
struct line {
	char what;                       /* a append, s store, x expunge, m move; capital: done */
	uint8_t flags;
	uint32_t uid, to;
	uint64_t modseq;
};

/* What must be found. */
static struct {
	bool is_there, is_open;          /* open: a verb that was not answered touched it */
	uint8_t flags;
} inbox[UIDS_MAX], other[UIDS_MAX];
static uint32_t last_uid, last_other;
static uint64_t last_modseq;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* ---- the process that is killed ---- */

static void note(int ledger, struct line l)
{
	if (write(ledger, &l, sizeof(l)) != sizeof(l))
		_exit(1);
}

static void append_one(struct store *s, int ledger)
{
	struct append_facts f = { .flags = (uint8_t)rnd_below(32) };
	uint32_t validity, uid;
	struct append *a;

	note(ledger, (struct line){ 'a', f.flags, 0, 0, 0 });
	if (!append_open(s, S(""), NULL, &a, &e) || !append_letter(a, &f, &e) ||
	    !append_bytes(a, S("a: b\r\n\r\nbody\r\n"), &e) || !append_commit(a, &validity, &uid, &e))
		_exit(2);
	append_close(a);
	note(ledger, (struct line){ 'A', f.flags, uid, 0, 0 });
}

static void touch_one(struct store *s, struct box *b, int ledger)
{
	struct arena a = { 0 };
	uint32_t uid = box_letters(b)[rnd_below((uint32_t)box_count(b))].uid;
	struct flags_change c = { .how = FLAGS_SET, .flags = (uint8_t)rnd_below(32) };
	struct line l = { "sssxm"[rnd_below(5)], c.flags, uid, 0, 0 };
	struct copied done = { 0 };
	bool ok;

	note(ledger, l);
	if (l.what == 's')
		ok = box_store(b, &uid, 1, &c, NULL, NULL, NULL, &e);
	else if (l.what == 'x')
		ok = box_expunge(b, &uid, 1, true, NULL, &e);
	else
		ok = box_copy(b, &uid, 1, S("Other"), true, NULL, &a, &done, &e);
	if (!ok)
		_exit(3);
	l.what = (char)(l.what - 32);
	l.to = done.first;
	l.modseq = box_modseq(b);
	note(ledger, l);
	if (!rnd_below(8))
		(void)store_settle(s, &e);
	arena_end(&a);
}

static void work(int ledger)
{
	struct store *s;
	struct box *b;

	if (!maildir_open(home, S("Maildir"), &s, &e) || !box_open(s, S(""), &b, &e))
		_exit(4);
	for (;;) {
		append_one(s, ledger);
		append_one(s, ledger);
		touch_one(s, b, ledger);
	}
}

/* ---- the one that looks ---- */

static void take(const struct line *l)
{
	assert_true(l->uid < UIDS_MAX && l->to < UIDS_MAX);
	if (l->what == 's' || l->what == 'x' || l->what == 'm')
		inbox[l->uid].is_open = true;
	if (l->what == 'A') {
		if (l->uid <= last_uid)
			fail_msg("UID %u after %u", l->uid, last_uid);
		last_uid = l->uid;
		inbox[l->uid].is_there = true;
		inbox[l->uid].flags = l->flags;
	}
	if (l->what == 'S')
		inbox[l->uid].flags = l->flags;
	if (l->what == 'X' || l->what == 'M')
		inbox[l->uid].is_there = false;
	if (l->what == 'M') {
		if (l->to <= last_other)
			fail_msg("UID %u after %u in the other folder", l->to, last_other);
		last_other = l->to;
		other[l->to].is_there = true;
		other[l->to].flags = inbox[l->uid].flags;
	}
	if (l->what < 'a')
		inbox[l->uid].is_open = false;
	if (l->modseq && l->modseq < last_modseq)
		fail_msg("MODSEQ fell");
	last_modseq = l->modseq ? l->modseq : last_modseq;
}

/* What was under way is taken as it is found. */
static void compare(struct box *b)
{
	for (uint32_t uid = 1; uid <= last_uid; uid++) {
		const struct letter *l = box_find(b, uid);

		if (!inbox[uid].is_open && inbox[uid].is_there != (l != NULL))
			fail_msg("UID %u: %s", uid, l ? "came back" : "lost");
		if (l && !inbox[uid].is_open && l->flags != inbox[uid].flags)
			fail_msg("UID %u: flags %x, not %x", uid, l->flags, inbox[uid].flags);
		inbox[uid].is_there = l != NULL;
		inbox[uid].flags = l ? l->flags : 0;
		inbox[uid].is_open = false;
	}
	for (size_t i = 0; i < box_count(b); i++) {
		uint32_t uid = box_letters(b)[i].uid;

		inbox[uid].is_there = true;
		inbox[uid].flags = box_letters(b)[i].flags;
	}
	last_uid = box_uidnext(b) - 1 > last_uid ? box_uidnext(b) - 1 : last_uid;
	if (box_modseq(b) < last_modseq)
		fail_msg("MODSEQ fell over a restart");
	last_modseq = box_modseq(b);
}

static void look(bool without_cache)
{
	struct store *s;
	struct box *b, *o;

	if (without_cache)
		unlinkat(home, "Maildir/waxwing/cache.db", 0);
	assert_true(maildir_open(home, S("Maildir"), &s, &e));
	assert_true(box_open(s, S(""), &b, &e));
	compare(b);
	assert_true(box_open(s, S("Other"), &o, &e));
	for (uint32_t uid = 1; uid <= last_other; uid++)
		if (other[uid].is_there && (!box_find(o, uid) || box_find(o, uid)->flags != other[uid].flags))
			fail_msg("UID %u of the other folder", uid);
	last_other = box_uidnext(o) - 1;
	box_close(o);
	box_close(b);
	store_close(s);
}

/* Somewhere behind its first lines, however slow the machine is; what it has written by then. */
static size_t work_and_die(void)
{
	size_t want = LINES_EACH + rnd_below(8 * LINES_EACH), n = 0;
	int ledger[2], status = 0;
	struct line l;
	pid_t pid;

	assert_int_equal(pipe(ledger), 0);
	assert_int_equal(fcntl(ledger[1], F_SETPIPE_SZ, 1 << 20) > 0, 1);
	pid = fork();
	if (!pid)
		work(ledger[1]);
	close(ledger[1]);
	for (; n < want && read(ledger[0], &l, sizeof(l)) == sizeof(l); n++)
		take(&l);
	usleep(rnd_below(3000));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	for (; read(ledger[0], &l, sizeof(l)) == sizeof(l); n++)
		take(&l);
	close(ledger[0]);
	return n;
}

static void test_kill(void **state)
{
	struct store *s;
	size_t lines = 0;

	(void)state;
	snprintf(home_path, sizeof(home_path), "/tmp/box-kill-XXXXXX");
	assert_non_null(mkdtemp(home_path));
	home = open(home_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(maildir_open(home, S("Maildir"), &s, &e));
	assert_true(folder_create(s, S("Other"), FOLDER_PLAIN, &e));
	store_close(s);
	for (int i = 0; i < KILLS; i++) {
		lines += work_and_die();
		look(i % 3 == 2);
	}
	printf("# %zu lines, %u UIDs\n", lines, last_uid);
	assert_true(lines >= KILLS * LINES_EACH);
	close(home);
	nftw(home_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kill) };

	umask(077);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
