/* auth_tool.c — DKIM and ARC of many letters, for tests that compare with vectors and with other programs.
 *
 *	auth_tool verify TABLE [PIECE]   a line on stdin each letter: PATH TAB NOW (seconds) [TAB AUTHOR]
 *	                                 out, a line a signature:  PATH dkim NAME RESULT BITS REASON
 *	                                                  and one:  PATH arc SETS RESULT - REASON
 *	auth_tool sign TABLE KEY DOMAIN SELECTOR NOW     PATH TAB PATH on stdin: the second becomes the first, signed
 *	auth_tool seal TABLE KEY DOMAIN SELECTOR NOW     the same, with an ARC set
 *	auth_tool input TABLE PATH N     what the Nth signature signs, as it is hashed; then its body
 *	auth_tool speed TABLE PATH N     verify it N times; how fast, and how much memory more
 *	auth_tool rate KEY N             sign N hashes as `keys` does; how fast
 *	auth_tool all TABLE PATH N IP HELO ADDRESS       the same for all that trust/auth.h checks
 *
 * TABLE is a DNS as in trust/trust_dns_table.h.  Lines of letters may end in LF.  The body is handed in in pieces of
 * PIECE octets.  A test program: it is not installed. */
#include "base/fd.h"
#include "base/time.h"
#include "fiber/private_key.h"
#include "trust/auth.h"
#include "trust/dkim_crypto.h"
#include "trust/dkim_private.h"
#include "trust/dkim_sign.h"
#include "trust/psl.h"
#include "trust/trust_dns_table.h"
#include "wire/lf.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX = 256 << 20 };

static bool file_read(const char *path, struct buf *to)
{
	AUTO(fd_end) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *p;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	if (st.st_size == 0)
		return true;
	p = buf_room(to, (size_t)st.st_size);
	return p && read(fd, p, (size_t)st.st_size) == st.st_size;
}

static bool letter_read(const char *path, struct buf *to)
{
	AUTO(buf_end) struct buf raw = buf_on_heap(FILE_MAX);

	if (!file_read(path, &raw))
		return false;
	lf_restore(buf_str(&raw), to);
	return !to->full;
}

struct job {
	struct trust_dns_table table;
	struct dkim_keyring ring;
	size_t piece;
	struct str letter;
	int64_t now;
	struct str author;
};

struct done {
	struct arena a;
	struct dkim_letter l;
	struct dkim d;
	struct arc r;
};

static void done_end(struct done *o)
{
	dkim_letter_end(&o->l);
	arena_end(&o->a);
}

static bool run(struct job *j, struct done *o)
{
	struct trust_dns dns = trust_dns_of_table(&j->table);
	size_t header = dkim_header_size(j->letter);
	struct str body = str_from(j->letter, header), piece;
	struct err e;

	*o = (struct done){ .a = { .limit = DKIM_ARENA } };
	if (!dkim_letter_init(&o->l, str_head(j->letter, header), &o->a))
		return false;
	o->l.ring = &j->ring;
	dkim_init(&o->d, &o->l, j->author);
	arc_init(&o->r, &o->l);
	while (body.n) {
		piece = str_head(body, j->piece);
		dkim_letter_body(&o->l, piece);
		body = str_from(body, piece.n);
	}
	return dkim_check(&o->d, &dns, j->now, &e) && arc_check(&o->r, &dns, j->now, &e);
}

static void print_field(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		putchar(s.p[i] == '\t' || s.p[i] == '\n' ? ' ' : s.p[i]);
}

static void result_print(struct str path, const struct done *o)
{
	for (size_t i = 0; i < o->d.n; i++) {
		const struct dkim_checked *c = &o->d.p[i];

		printf(STR_FMT "\tdkim\t" STR_FMT "._domainkey." STR_FMT "\t%s\t%u\t", STR_ARG(path),
		       STR_ARG(c->signature.selector), STR_ARG(c->signature.domain),
		       dkim_result_name(c->outcome.result), c->outcome.bits);
		print_field(c->outcome.reason);
		putchar('\n');
	}
	printf(STR_FMT "\tarc\t%zu\t%s\t-\t", STR_ARG(path), o->r.n, arc_result_name(o->r.result));
	print_field(o->r.reason);
	putchar('\n');
}

static bool verify_one(struct job *j, struct str line)
{
	AUTO(buf_end) struct buf letter = buf_on_heap(FILE_MAX);
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(done_end) struct done o = { 0 };
	struct str rest, path = str_cut(line, '\t', &rest), now = str_cut(rest, '\t', &j->author);
	uint64_t seconds;

	if (!letter_read(str_z(&a, path), &letter) || !str_u64(now, &seconds))
		return false;
	j->letter = buf_str(&letter);
	j->now = (int64_t)seconds * SECOND;
	if (!run(j, &o))
		return false;
	result_print(path, &o);
	return true;
}

static int cmd_verify(struct job *j)
{
	static char line[8192];

	while (fgets(line, sizeof(line), stdin))
		if (!verify_one(j, str_trim(str_from_z(line)))) {
			fprintf(stderr, "auth_tool: cannot verify %s", line);
			return 1;
		}
	return 0;
}

/* ---- signing --------------------------------------------------------------------------------------- */

static bool key_sign(struct evp_pkey_st *key, enum dkim_algorithm g, const uint8_t hash[DKIM_HASH], struct buf *ret)
{
	struct err e;

	buf_clear(ret);
	return private_key_sign(key, g == DKIM_RSA_SHA256 ? SIGN_RSA_SHA256 : SIGN_ED25519, str_of(hash, DKIM_HASH), ret, &e);
}

static bool dkim_make(struct job *j, const struct dkim_wish *w, struct evp_pkey_st *key, struct buf *to)
{
	AUTO(done_end) struct done o = { .a = { .limit = DKIM_ARENA } };
	AUTO(buf_end) struct buf signature = buf_on_heap(SIGNATURE_MAX);
	size_t header = dkim_header_size(j->letter);
	uint8_t hash[DKIM_HASH];
	struct dkim_signing g;

	if (!dkim_letter_init(&o.l, str_head(j->letter, header), &o.a) || !dkim_signing_init(&g, &o.l, w))
		return false;
	dkim_letter_body(&o.l, str_from(j->letter, header));
	if (!dkim_signing_hash(&g, hash) || !key_sign(key, w->algorithm, hash, &signature))
		return false;
	dkim_signing_add(to, &g, buf_str(&signature));
	return true;
}

static bool arc_make(struct job *j, const struct dkim_wish *w, struct evp_pkey_st *key, struct buf *to)
{
	AUTO(done_end) struct done o = { .a = { .limit = DKIM_ARENA } };
	AUTO(buf_end) struct buf signature = buf_on_heap(SIGNATURE_MAX);
	struct trust_dns dns = trust_dns_of_table(&j->table);
	size_t header = dkim_header_size(j->letter);
	uint8_t hash[DKIM_HASH];
	struct arc_sealing g;
	struct err e;

	if (!dkim_letter_init(&o.l, str_head(j->letter, header), &o.a))
		return false;
	arc_init(&o.r, &o.l);
	if (!arc_sealing_init(&g, &o.l, w, &o.r))
		return false;
	dkim_letter_body(&o.l, str_from(j->letter, header));
	if (!arc_check(&o.r, &dns, j->now, &e) || !arc_sealing_hash(&g, S("lists.example.org; spf=pass"), hash) ||
	    !key_sign(key, w->algorithm, hash, &signature) || !arc_sealing_seal(&g, buf_str(&signature), hash) ||
	    !key_sign(key, w->algorithm, hash, &signature))
		return false;
	arc_sealing_add(to, &g, buf_str(&signature));
	return true;
}

static bool sign_one(struct job *j, const struct dkim_wish *w, struct evp_pkey_st *key, struct str line, bool is_arc)
{
	AUTO(buf_end) struct buf letter = buf_on_heap(FILE_MAX), field = buf_on_heap(1 << 20);
	AUTO(arena_end) struct arena a = { 0 };
	struct str to, from = str_cut(line, '\t', &to);
	FILE *f;
	bool ok;

	if (!letter_read(str_z(&a, from), &letter))
		return false;
	j->letter = buf_str(&letter);
	if (!(is_arc ? arc_make(j, w, key, &field) : dkim_make(j, w, key, &field)))
		return false;
	f = fopen(str_z(&a, to), "we");
	if (!f)
		return false;
	fwrite(field.p, 1, field.n, f);
	fwrite(letter.p, 1, letter.n, f);
	ok = !ferror(f);
	return fclose(f) == 0 && ok;
}

static int cmd_sign(struct job *j, char **args, bool is_arc)
{
	static char line[8192];
	AUTO(buf_end) struct buf pem = buf_on_heap(1 << 20);
	AUTO(private_key_end) struct evp_pkey_st *key = NULL;
	struct dkim_wish w = { .domain = str_from_z(args[1]), .selector = str_from_z(args[2]), .expiry = -1 };
	uint64_t now;
	struct err e = { 0 };

	if (!file_read(args[0], &pem) || !private_key_load(buf_str(&pem), &key, &e) || !str_u64(str_from_z(args[3]), &now)) {
		fprintf(stderr, "auth_tool: %s\n", e.text);
		return 1;
	}
	/* an RSA key takes more room */
	w.algorithm = pem.n > 500 ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256;
	w.time = (int64_t)now;
	w.expiry = w.time + 7 * DAY / SECOND;
	j->now = w.time * SECOND;
	while (fgets(line, sizeof(line), stdin))
		if (!sign_one(j, &w, key, str_trim(str_from_z(line)), is_arc)) {
			fprintf(stderr, "auth_tool: cannot sign %s", line);
			return 1;
		}
	return 0;
}

static int cmd_input(struct job *j, const char *path, size_t n)
{
	AUTO(buf_end) struct buf letter = buf_on_heap(FILE_MAX), out = buf_on_heap(FILE_MAX);
	AUTO(done_end) struct done o = { 0 };
	struct dkim_body c = { 0 };
	struct str body, run_of;

	if (!letter_read(path, &letter))
		return 1;
	j->letter = buf_str(&letter);
	if (!run(j, &o) || n >= o.d.n)
		return 1;
	dkim_letter_input(&out, &o.l, &o.d.p[n].signature, o.d.p[n].field);
	buf_add(&out, S("\r\n--\r\n"));
	body = str_from(j->letter, dkim_header_size(j->letter));
	for (c.canon = o.d.p[n].signature.body; dkim_body_next(&c, &body, &run_of);)
		buf_add(&out, run_of);
	while (dkim_body_last(&c, &run_of))
		buf_add(&out, run_of);
	fwrite(out.p, 1, out.n, stdout);
	return 0;
}

/* What this thread has used: others may be at work beside it. */
static int64_t cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * SECOND + t.tv_nsec / 1000;
}

/* KiB of memory: what is in use, or the most since the last reset. */
static long memory_of(const char *name)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 16);
	struct str rest, word;
	char *p = buf_room(&b, 8192);
	AUTO(fd_end) int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = p && fd >= 0 ? read(fd, p, 8192) : -1;
	uint64_t kib = 0;

	rest = str_of(p, n > 0 ? (size_t)n : 0);
	rest = str_from(rest, str_find_str(rest, str_from_z(name)) + strlen(name));
	word = str_word(&rest);
	str_u64(word, &kib);
	return (long)kib;
}

static long memory_begin(void)
{
	AUTO(fd_end) int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "5", 1) != 1)
		return 0;
	return memory_of("VmRSS:");
}

static int cmd_speed(struct job *j, const char *path, size_t times)
{
	AUTO(buf_end) struct buf letter = buf_on_heap(FILE_MAX);
	int64_t begin;
	double seconds;
	long kib;

	if (!letter_read(path, &letter))
		return 1;
	j->letter = buf_str(&letter);
	kib = memory_begin();
	begin = cpu_time();
	for (size_t i = 0; i < times; i++) {
		AUTO(done_end) struct done o = { 0 };

		if (!run(j, &o))
			return 1;
		if (i == 0)
			result_print(S("-"), &o);
	}
	seconds = (double)(cpu_time() - begin) / (double)SECOND;
	printf("%zu\t%.2f us each\t%.0f MB/s\t%ld KiB\n", times, seconds * 1e6 / (double)times,
	       (double)letter.n * (double)times / seconds / 1e6, memory_of("VmHWM:") - kib);
	return 0;
}

static int cmd_rate(const char *path, size_t times)
{
	AUTO(buf_end) struct buf pem = buf_on_heap(FILE_MAX), to = buf_on_heap(DKIM_B_MAX);
	AUTO(dkim_private_close) struct dkim_private key = { 0 };
	uint8_t hash[DKIM_HASH] = { 0 };
	struct err e = { 0 };
	int64_t begin;

	if (!file_read(path, &pem) || !dkim_private_load(buf_str(&pem), &key, &e))
		return 1;
	begin = cpu_time();
	for (size_t i = 0; i < times; i++) {
		buf_clear(&to);
		hash[i % DKIM_HASH]++;
		if (!dkim_private_sign(&key, str_of(hash, sizeof(hash)), &to, &e))
			return 1;
	}
	printf("%.2f us each\n", (double)(cpu_time() - begin) / (double)times);
	return 0;
}

/* IP, HELO, MAIL FROM. */
static bool client_read(char **args, struct auth_client *ret)
{
	struct str domain;

	*ret = (struct auth_client){ .is_known = true, .ip = { [10] = 0xff, [11] = 0xff }, .helo = str_from_z(args[1]) };
	ret->local = str_cut(str_from_z(args[2]), '@', &domain);
	ret->domain = domain;
	return inet_pton(AF_INET, args[0], ret->ip + 12) == 1;
}

static bool all_once(const struct auth_means *m, const struct auth_client *c, struct str letter, size_t header, bool tell)
{
	AUTO(arena_end) struct arena a = { .limit = AUTH_ARENA };
	AUTO(auth_end) struct auth x = { 0 };
	struct letter_src src = letter_in_memory(letter);
	struct err e;

	if (!auth_check(m, c, str_head(letter, header), &src, &a, &x, &e))
		return false;
	if (tell)
		printf("spf=%s dkim=%s dmarc=%s iprev=%s\n", spf_result_name(x.mail_from.result),
		       x.dkim.n ? dkim_result_name(x.dkim.p[0].outcome.result) : "none", dmarc_result_name(x.dmarc.result),
		       iprev_result_name(x.iprev.result));
	return true;
}

static int cmd_all(struct job *j, const char *path, size_t times, char **args)
{
	AUTO(buf_end) struct buf letter = buf_on_heap(FILE_MAX);
	struct trust_dns dns = trust_dns_of_table(&j->table);
	struct auth_means m = { .dns = &dns, .suffixes = psl_list_open(), .receiver = S("mx.example.org"), .now = time_now(),
				.ring = &j->ring };
	struct auth_client c;
	int64_t begin;
	size_t header;

	if (!client_read(args, &c) || !letter_read(path, &letter))
		return 1;
	header = dkim_header_size(buf_str(&letter));
	if (!all_once(&m, &c, buf_str(&letter), header, true))
		return 1;
	begin = cpu_time();
	for (size_t i = 0; i < times; i++)
		if (!all_once(&m, &c, buf_str(&letter), header, false))
			return 1;
	printf("%.2f us each\n", (double)(cpu_time() - begin) / (double)times);
	psl_list_close(m.suffixes);
	return 0;
}

static int command(struct job *j, int argc, char **argv)
{
	static char table[4 << 20];
	AUTO(arena_end) struct arena a = { .limit = 64 << 20 };
	struct buf text = buf_over(table, sizeof(table));
	struct err e;

	if (argc == 4 && strcmp(argv[1], "rate") == 0)
		return cmd_rate(argv[2], (size_t)strtoul(argv[3], NULL, 10));
	if (argc < 3 || !file_read(argv[2], &text) || !trust_dns_table_read(buf_str(&text), &a, &j->table, &e)) {
		fprintf(stderr, "usage: auth_tool verify|sign|seal|input|speed TABLE …\n");
		return 2;
	}
	if (argc > 3 && strcmp(argv[1], "verify") == 0)
		j->piece = (size_t)strtoul(argv[3], NULL, 10);
	if (strcmp(argv[1], "verify") == 0 && j->piece)
		return cmd_verify(j);
	if (argc == 7 && (strcmp(argv[1], "sign") == 0 || strcmp(argv[1], "seal") == 0))
		return cmd_sign(j, argv + 3, argv[1][1] == 'e');
	if (argc == 5 && strcmp(argv[1], "input") == 0)
		return cmd_input(j, argv[3], (size_t)strtoul(argv[4], NULL, 10));
	if (argc == 5 && strcmp(argv[1], "speed") == 0)
		return cmd_speed(j, argv[3], (size_t)strtoul(argv[4], NULL, 10));
	if (argc == 8 && strcmp(argv[1], "all") == 0)
		return cmd_all(j, argv[3], (size_t)strtoul(argv[4], NULL, 10), argv + 5);
	return 2;
}

int main(int argc, char **argv)
{
	static struct job j = { .piece = 64 << 10 };
	int ret;

	j.now = time_now();
	ret = command(&j, argc, argv);
	dkim_keyring_end(&j.ring);
	return ret;
}
