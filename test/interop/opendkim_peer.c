/* opendkim_peer.c — libopendkim for test/interop/dkim_test.py and test/bench/trust, which compile it.
 *
 *	opendkim_peer TABLE [KEY DOMAIN SELECTOR]        TABLE: lines NAME TAB TXT
 *
 * Lines on stdin, an answer each:
 *	verify TAB PATH                                  "pass", or "fail" and what libopendkim says
 *	sign TAB PATH TAB OUT TAB H TAB B TAB L          H, B: 0 simple, 1 relaxed; L: octets, or -1
 *	speed TAB PATH TAB N                             microseconds of CPU for one of N verifications */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include <opendkim/dkim.h>

static char *table;

static char *file_read(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	char *p = malloc(64 << 20);

	*n = f && p ? fread(p, 1, (64 << 20) - 1, f) : 0;
	if (p)
		p[*n] = '\0';
	if (f)
		fclose(f);
	return p;
}

/* The key from the table instead of the DNS. */
static DKIM_CBSTAT key_lookup(DKIM *d, DKIM_SIGINFO *sig, u_char *buf, size_t size)
{
	char name[600];
	char *line;

	(void)d;
	snprintf(name, sizeof(name), "\n%s._domainkey.%s\t", dkim_sig_getselector(sig), dkim_sig_getdomain(sig));
	line = strcasestr(table, name);
	if (!line)
		return DKIM_CBSTAT_NOTFOUND;
	line += strlen(name);
	snprintf((char *)buf, size, "%.*s", (int)strcspn(line, "\n"), line);
	return DKIM_CBSTAT_CONTINUE;
}

/* Hand the letter in, field by field. */
static DKIM_STAT feed(DKIM *d, char *p, size_t n)
{
	char *end = memmem(p, n, "\r\n\r\n", 4), *body = end ? end + 4 : p + n;
	DKIM_STAT s;

	while (p < body - 2) {
		char *next = p;

		do
			next = memmem(next, (size_t)(body - next), "\r\n", 2) + 2;
		while (next < body && (*next == ' ' || *next == '\t'));
		s = dkim_header(d, (u_char *)p, (size_t)(next - 2 - p));
		if (s != DKIM_STAT_OK)
			return s;
		p = next;
	}
	return dkim_eoh(d);
}

static DKIM_STAT feed_all(DKIM *d, char *p, size_t n, bool *is_test)
{
	char *end = memmem(p, n, "\r\n\r\n", 4);
	size_t header = end ? (size_t)(end + 4 - p) : n;
	_Bool testing = false;
	DKIM_STAT s = feed(d, p, n);

	if (s == DKIM_STAT_OK && header < n)
		s = dkim_body(d, (u_char *)p + header, n - header);
	if (s == DKIM_STAT_OK)
		s = dkim_eom(d, &testing);
	*is_test = testing;
	return s;
}

static DKIM_STAT verify(DKIM_LIB *lib, char *p, size_t n, char *why, size_t size)
{
	DKIM_STAT s;
	bool is_test;
	DKIM *d = dkim_verify(lib, (const u_char *)"x", NULL, &s);
	DKIM_SIGINFO **sigs;
	int count = 0;

	if (!d)
		return s;
	s = feed_all(d, p, n, &is_test);
	snprintf(why, size, "%s", dkim_getresultstr(s));
	if (dkim_getsiglist(d, &sigs, &count) == DKIM_STAT_OK && count > 0)
		snprintf(why, size, "%s, %s", dkim_getresultstr(s), dkim_sig_geterrorstr(dkim_sig_geterror(sigs[0])));
	dkim_free(d);
	return s;
}

static bool sign(DKIM_LIB *lib, char **args, const char *out, char *p, size_t n, int h, int b, long l)
{
	DKIM_STAT s;
	bool is_test;
	size_t key_n, field_n = 0;
	char *key = file_read(args[0], &key_n);
	u_char *field;
	FILE *f;
	DKIM *d = dkim_sign(lib, (const u_char *)"x", NULL, (dkim_sigkey_t)key, (const u_char *)args[2],
			    (const u_char *)args[1], h, b, DKIM_SIGN_RSASHA256, l, &s);

	if (d)
		s = feed_all(d, p, n, &is_test);
	if (d && s == DKIM_STAT_OK)
		s = dkim_getsighdr_d(d, strlen("DKIM-Signature: "), &field, &field_n);
	f = d && s == DKIM_STAT_OK ? fopen(out, "w") : NULL;
	if (f) {
		fprintf(f, "DKIM-Signature: ");
		for (size_t i = 0; i < field_n; i++)     /* folded with LF alone */
			fprintf(f, field[i] == '\n' && (i == 0 || field[i - 1] != '\r') ? "\r\n" : "%c", field[i]);
		fprintf(f, "\r\n");
		fwrite(p, 1, n, f);
		fclose(f);
	}
	if (d)
		dkim_free(d);
	free(key);
	return f != NULL;
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Words of a line stand between tabs. */
static char *next_word(char **rest)
{
	char *word = strsep(rest, "\t\n");

	return word ? word : "";
}

static long next_number(char **rest)
{
	return strtol(next_word(rest), NULL, 10);
}

int main(int argc, char **argv)
{
	static char line[8192], why[500];
	DKIM_LIB *lib = dkim_init(NULL, NULL);
	unsigned flags = DKIM_LIBFLAGS_NONE;
	size_t n;

	if (argc < 2 || !lib)
		return 2;
	table = file_read(argv[1], &n);
	dkim_set_key_lookup(lib, key_lookup);
	dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof(flags));
	while (fgets(line, sizeof(line), stdin)) {
		char *rest = line, *word = next_word(&rest), *path = next_word(&rest);
		char *p = file_read(path, &n);

		if (strcmp(word, "verify") == 0) {
			puts(verify(lib, p, n, why, sizeof(why)) == DKIM_STAT_OK ? "pass" : why);
		} else if (strcmp(word, "sign") == 0) {
			char *out = next_word(&rest);
			long h = next_number(&rest), b = next_number(&rest), l = next_number(&rest);

			puts(sign(lib, argv + 2, out, p, n, (int)h, (int)b, l) ? "ok" : "no");
		} else {
			long times = next_number(&rest);
			double begin = cpu();

			for (long i = 0; i < times; i++)
				if (verify(lib, p, n, why, sizeof(why)) != DKIM_STAT_OK)
					return 1;
			printf("%.2f\n", (cpu() - begin) / (double)times);
		}
		fflush(stdout);
		free(p);
	}
	dkim_close(lib);
	return 0;
}
