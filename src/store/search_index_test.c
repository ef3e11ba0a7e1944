/* search_index_test.c — the search index leaves out no letter that has the text, whatever became of the
 * letters and of its file: each answer is compared with reading every letter. */
#include "store/search_index.h"

#include "base/arena.h"
#include "store/box_file.h"
#include "store/search_block.h"
#include "store/search_build.h"
#include "wire/fold.h"
#include "wire/letter_search.h"
#include "wire/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SMALL = 600, LARGE = 20, LARGE_OCTETS = 70000, KILLS = 5, FLIPS = 25 };

static char home_path[64];
static int home;
static struct store *store;
static struct box *box;
static struct err e;
static uint64_t seed = 88172645463325252u;
static size_t n_made;

#define OK(call) \
	do { \
		e = (struct err){ 0 }; \
		if (!(call)) \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

static const char *const words[] = {
	"meeting", "Gr\xc3\xb6\xc3\x9f" "e", "na\xc3\xafve", "\xd0\xb6\xd1\x83\xd1\x80\xd0\xbd\xd0\xb0\xd0\xbb",
	"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "invoice", "ku", "a", "quartz", "Ordner", "\xc3\xa9t\xc3\xa9", "1998",
	"\xed\x95\x9c\xea\xb5\xad", "lantern", "pi\xc3\xb1" "ata", "zebra", "\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82",
	"harbour", "velvet", "ox",
};

/* xorshift64: the same letters each time */
static unsigned below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

static const char *word(void)
{
	return words[below(sizeof(words) / sizeof(*words))];
}

/* ---- letters ---- */

static void add_base64(struct buf *b, struct str s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t v = 0;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (uint32_t)(str_at(s, i + k) < 0 ? 0 : str_at(s, i + k));
		for (size_t k = 0; k < 4; k++)
			buf_add_char(b, k > s.n - i ? '=' : digits[v >> (18 - 6 * k) & 63]);
		if (i % 54 == 51)
			buf_add_char(b, '\n');
	}
}

static void add_quoted(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (c > 126 || c == '=' || c < ' ')
			buf_addf(b, "=%02X", (unsigned)c);
		else
			buf_add_char(b, (char)c);
		if (i % 20 == 19)
			buf_add(b, S("=\n"));
	}
}

static void add_text(struct buf *b, size_t octets)
{
	size_t end = b->n + octets;

	while (b->n < end) {
		buf_addf(b, "%s%s", word(), below(8) ? " " : "\n");
		if (!below(6))
			buf_addf(b, "w%u ", below(3000));
	}
}

static void add_part(struct buf *b, size_t octets)
{
	AUTO(buf_end) struct buf text = buf_on_heap(1 << 20);

	add_text(&text, octets);
	switch (below(4)) {
	case 0:
		buf_add(b, S("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"));
		add_base64(b, buf_str(&text));
		break;
	case 1:
		buf_add(b, S("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"));
		add_quoted(b, buf_str(&text));
		break;
	case 2:
		buf_addf(b, "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\nGr\xf6\xdf" "e\n");
		buf_add(b, buf_str(&text));
		break;
	default:
		buf_add(b, S("Content-Type: text/plain; charset=utf-8\n\n"));
		buf_add(b, buf_str(&text));
	}
	buf_add_char(b, '\n');
}

static void add_letter(struct buf *b, size_t octets)
{
	AUTO(buf_end) struct buf subject = buf_on_heap(1 << 20);

	add_text(&subject, 20);
	buf_addf(b, "From: %s <a%u@example.org>\n", word(), below(50));
	buf_add(b, S("Subject: =?utf-8?B?"));
	add_base64(b, str_head(buf_str(&subject), 40));
	buf_add(b, S("?=\n"));
	if (below(3)) {
		add_part(b, octets);
		return;
	}
	buf_add(b, S("Content-Type: multipart/mixed; boundary=b\n\n--b\n"));
	add_part(b, octets / 2);
	buf_addf(b, "\n--b\nContent-Type: message/rfc822\n\nSubject: %s\n", word());
	add_part(b, octets / 2);
	buf_add(b, S("\n--b--\n"));
}

/* As another program puts it there. */
static void put_letter(size_t octets)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
	char path[120];
	int fd;

	add_letter(&b, octets);
	snprintf(path, sizeof(path), "Maildir/new/%zu.M%zuP1.mail.example.org", 1700000000 + n_made, n_made);
	n_made++;
	fd = openat(home, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, b.p, b.n), (ssize_t)b.n);
	close(fd);
}

/* ---- what is compared ---- */

static bool letter_has(struct searcher *s, uint32_t uid)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	AUTO(fd_end) int fd = box_letter_open(box, uid, &e);
	const struct mime_part *root;
	char *bytes;
	size_t n;
	bool has;

	assert_true(fd >= 0);
	OK(fd_slurp(fd, 1 << 20, &bytes, &n, &e));
	root = mime_parse(str_of(bytes, n), &a);
	assert_non_null(root);
	has = search_header(s, str_of(bytes, n)) || search_body(s, str_of(bytes, n), root);
	free(bytes);
	return has;
}

/* How many letters the index leaves to be read; none that has the text may be missing. */
static size_t narrowed(struct str text)
{
	AUTO(searcher_end) struct searcher s = { 0 };
	uint32_t *uids = calloc(box_count(box) + 1, sizeof(*uids));
	size_t n = box_count(box), at = 0, kept = n;

	for (size_t i = 0; i < n; i++)
		uids[i] = box_letters(box)[i].uid;
	assert_true(searcher_init(&s, text));
	OK(search_index_narrow(box, buf_str(&s.needle), uids, &kept, &e));
	for (size_t i = 0; i < n; i++) {
		uint32_t uid = box_letters(box)[i].uid;

		if (at < kept && uids[at] == uid)
			at++;
		else if (letter_has(&s, uid))
			fail_msg("UID %u has \"" STR_FMT "\" and was left out", uid, STR_ARG(text));
	}
	assert_int_equal(at, kept);      /* ascending, and all of them real */
	free(uids);
	return kept;
}

static void check(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char text[120];

		switch (below(5)) {
		case 0:
			snprintf(text, sizeof(text), "%s", word());
			break;
		case 3:
			snprintf(text, sizeof(text), "%.2s", word());
			break;
		case 1:
			snprintf(text, sizeof(text), "%s %s", word(), word());
			break;
		case 2:
			snprintf(text, sizeof(text), "W%u", below(3000));
			break;
		default:
			snprintf(text, sizeof(text), "%s", word() + 1);
		}
		(void)narrowed(str_from_z(text));
	}
}

static size_t covered(bool thorough, size_t *ret_bad)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct search_survey v;
	size_t n;

	OK(shelf_hold(&held, box->shelf, &e));
	OK(search_index_survey(box, thorough, &v, &e));
	n = v.n_covered;
	*ret_bad = v.bad;
	search_survey_end(&v);
	return n;
}

/* ---- */

static void open_all(void)
{
	OK(maildir_open(home, S("Maildir"), &store, &e));
	OK(box_open(store, S(""), &box, &e));
}

static void close_all(void)
{
	box_close(box);
	store_close(store);
}

static void build(void)
{
	assert_true(search_build_wanted(box));
	search_build(box->shelf);
	assert_false(search_build_wanted(box));
}

static int index_file(int flags)
{
	return openat(home, "Maildir/waxwing-search", flags | O_CLOEXEC);
}

static void test_never_wrong(void **state)
{
	size_t bad;

	(void)state;
	open_all();
	assert_int_equal(box_count(box), SMALL + LARGE);
	assert_int_equal(covered(true, &bad), 0);
	check(10);                       /* nothing is indexed: everything is read */
	assert_int_equal(narrowed(S("harbour velvet xyzzy")), SMALL + LARGE);
	build();
	assert_int_equal(covered(true, &bad), block_letters(0) + block_letters(BLOCK_KINDS - 1));
	assert_int_equal(bad, 0);
	/* what nobody has leaves what is not in the index */
	assert_true(narrowed(S("harbour velvet xyzzy")) < SMALL + LARGE - block_letters(0));
	assert_true(narrowed(S("\x01\x02")) < SMALL + LARGE);
	assert_int_equal(narrowed(S("k")), SMALL + LARGE);
	assert_int_equal(narrowed(S("")), SMALL + LARGE);
	check(60);
	close_all();
}

static void test_letters_come_and_go(void **state)
{
	const struct by by = { S("test") };
	const struct flags_change seen = { .how = FLAGS_ADD, .flags = LETTER_SEEN | LETTER_FLAGGED };
	uint32_t *uids, n = 0;
	size_t bad, before;

	(void)state;
	open_all();
	uids = calloc(box_count(box) + 1, sizeof(*uids));
	for (size_t i = 0; i < box_count(box); i += 2)
		uids[n++] = box_letters(box)[i].uid;
	OK(box_store(box, uids, n, &seen, &by, NULL, NULL, &e));
	OK(store_settle(store, &e));     /* their files have other names now */
	check(10);
	OK(box_expunge(box, uids, n, true, &by, &e));
	before = covered(true, &bad);
	check(10);
	for (size_t i = 0; i < SMALL; i++)
		put_letter(300);
	OK(box_sync(box, true, NULL, &e));
	assert_int_equal(box_count(box), SMALL / 2 + LARGE / 2 + SMALL);
	check(10);
	build();
	assert_true(covered(true, &bad) > before + block_letters(0) / 2);
	assert_int_equal(bad, 0);
	check(30);
	free(uids);
	close_all();
}

/* A uidlist out of a backup: the same UIDs, other letters. */
static void test_other_letters(void **state)
{
	char *text, *was = NULL;
	size_t n = 0, lines = 0, bad;
	FILE *f;
	int fd;

	(void)state;
	fd = openat(home, "Maildir/dovecot-uidlist", O_RDONLY | O_CLOEXEC);
	OK(fd >= 0 && fd_slurp(fd, 1 << 20, &text, &n, &e));
	close(fd);
	fd = openat(home, "Maildir/dovecot-uidlist", O_WRONLY | O_TRUNC | O_CLOEXEC);
	f = fdopen(fd, "w");
	assert_non_null(f);
	/* each name goes to the line before it */
	for (struct str in = str_of(text, n), line; in.n;) {
		char *colon;

		line = str_cut(in, '\n', &in);
		if (lines++ == 0) {
			fprintf(f, STR_FMT "\n", STR_ARG(line));
			continue;
		}
		colon = memchr(line.p, ':', line.n);
		assert_non_null(colon);
		if (was)
			fprintf(f, "%s" STR_FMT "\n", was, STR_ARG(str_from(line, (size_t)(colon - line.p))));
		free(was);
		was = strndup(line.p, (size_t)(colon - line.p));
	}
	free(was);
	fclose(f);
	free(text);
	open_all();
	assert_true(covered(true, &bad) < 16);
	check(30);
	build();
	assert_true(covered(true, &bad) >= block_letters(0));
	check(30);
	close_all();
}

static void test_damage(void **state)
{
	struct stat st;
	size_t bad;
	int fd;

	(void)state;
	open_all();
	for (size_t i = 0; i < FLIPS; i++) {
		static unsigned char octets[BLOCK_PAGE];
		size_t n = i % 2 ? 1 : BLOCK_PAGE;       /* a bit anywhere in a head, or a page's worth lost */
		off_t at;

		fd = index_file(O_RDWR);
		assert_true(fd >= 0 && !fstat(fd, &st) && st.st_size >= BLOCK_OCTETS);
		at = (off_t)below((unsigned)(st.st_size / BLOCK_OCTETS)) * BLOCK_OCTETS;
		at += n == 1 ? below(6000) : BLOCK_HEAD + below(BLOCK_TABLE - BLOCK_PAGE);
		if (n == 1) {
			assert_int_equal(pread(fd, octets, 1, at), 1);
			octets[0] ^= (unsigned char)(1u << below(8));
		}
		assert_int_equal(pwrite(fd, octets, n, at), (ssize_t)n);
		octets[0] = 0;
		close(fd);
		check(3);
	}
	(void)covered(true, &bad);
	assert_true(bad > 0);
	/* a search that reads all pages of a damaged block has it made anew */
	box->search_is_damaged = true;
	build();
	assert_true(covered(true, &bad) >= block_letters(0));
	assert_int_equal(bad, 0);
	for (int i = 0; i < 5; i++) {
		fd = index_file(O_RDWR);
		assert_int_equal(ftruncate(fd, below(2 * BLOCK_OCTETS)), 0);
		close(fd);
		check(3);
	}
	assert_int_equal(unlinkat(home, "Maildir/waxwing-search", 0), 0);
	check(3);
	/* not a file */
	assert_int_equal(mkdirat(home, "Maildir/waxwing-search", 0700), 0);
	check(3);
	box->search_is_damaged = true;
	build();
	assert_int_equal(unlinkat(home, "Maildir/waxwing-search", AT_REMOVEDIR), 0);
	close_all();
}

static void test_kill(void **state)
{
	size_t bad;

	(void)state;
	for (unsigned i = 0; i < KILLS; i++) {
		pid_t child = fork();

		if (!child) {
			/* the same blocks over and over */
			open_all();
			for (;;) {
				box->search_from = 0;
				(void)index_file(O_WRONLY | O_TRUNC);
				search_build(box->shelf);
			}
		}
		usleep(200000 + below(400000));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		open_all();
		(void)covered(true, &bad);
		check(6);
		close_all();
	}
	(void)unlinkat(home, "Maildir/waxwing-search", 0);
	open_all();
	build();
	assert_true(covered(true, &bad) >= block_letters(0));
	check(20);
	close_all();
}

/* ---- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int group_begin(void **state)
{
	(void)state;
	snprintf(home_path, sizeof(home_path), "/tmp/search-index-test.XXXXXX");
	assert_non_null(mkdtemp(home_path));
	home = open(home_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(home, "Maildir", 0700);
	mkdirat(home, "Maildir/tmp", 0700);
	mkdirat(home, "Maildir/new", 0700);
	mkdirat(home, "Maildir/cur", 0700);
	for (size_t i = 0; i < SMALL + LARGE; i++)
		put_letter(i % (SMALL / LARGE + 1) ? 300 : LARGE_OCTETS);
	return 0;
}

static int group_end(void **state)
{
	(void)state;
	close(home);
	return nftw(home_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_wrong), cmocka_unit_test(test_letters_come_and_go),
		cmocka_unit_test(test_other_letters), cmocka_unit_test(test_damage),
		cmocka_unit_test(test_kill),
	};

	return cmocka_run_group_tests(tests, group_begin, group_end);
}
