/* mime_dump.c — what we make of letters, for comparison with another server.
 *
 *	mime_dump FILE…          for each: a line "FILE N", N octets "(ENVELOPE … BODY … BODYSTRUCTURE …)", LF
 *	mime_dump -p FILE…       the same with PREVIEW
 *	mime_dump -s FILE…       the same with all sections of the first parts
 *	mime_dump -b FILE…       base subject and date
 *	mime_dump -t N FILE…     parse and print all of them N times, and say how fast
 *
 * A test program: it is not installed. */
#include "base/fd.h"
#include "base/time.h"
#include "wire/charset.h"
#include "wire/imap_envelope.h"
#include "wire/imap_structure.h"
#include "wire/imap_string.h"
#include "wire/letter_summary.h"
#include "wire/decode.h"
#include "wire/lf.h"
#include "wire/preview.h"
#include "wire/section.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUT_MAX = 64 << 20 };

static bool file_map(const char *path, struct str *ret)
{
	AUTO(fd_end) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	*ret = (struct str){ 0 };
	if (st.st_size == 0)
		return true;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	*ret = str_of(p, (size_t)st.st_size);
	return true;
}

static bool letter_add(struct buf *b, struct str letter)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	struct mime_part *root = mime_parse(letter, &a);

	if (!root)
		return false;
	buf_add(b, S("(ENVELOPE "));
	imap_envelope_add(b, root);
	buf_add(b, S(" BODY "));
	imap_structure_add(b, root, false);
	buf_add(b, S(" BODYSTRUCTURE "));
	imap_structure_add(b, root, true);
	buf_add_char(b, ')');
	return !b->full;
}

static bool preview_print(struct buf *b, struct str letter)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	char mem[PREVIEW_MAX * 4];
	struct buf text = buf_over(mem, sizeof(mem));
	struct mime_part *root = mime_parse(letter, &a);

	if (!root)
		return false;
	preview_add(&text, letter, root);
	imap_add_string(b, buf_str(&text));
	return true;
}

static void section_print(struct buf *b, struct str letter, const struct mime_part *root, const char *name)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(buf_end) struct buf at_rest = buf_on_heap(OUT_MAX), crlf = buf_on_heap(OUT_MAX);
	const struct mime_part *part = NULL;
	bool is_binary = !strncmp(name, "BINARY.PEEK[", 12);
	struct str text = str_from_z(strchr(name, '[') + 1);
	struct mime_range r = { 0 };
	struct section s;
	bool found;

	text.n--;        /* ] */
	if (!section_parse(text, &a, &s))
		return;
	found = section_find(root, &s, &r);
	if (is_binary && !section_binary(root, &s, &part))
		return;
	if (found && (s.what == SECTION_FIELDS || s.what == SECTION_FIELDS_NOT))
		section_fields_add(mime_bytes(letter, &r), &s, &at_rest);
	else
		buf_add(&at_rest, mime_bytes(letter, &r));
	lf_restore(buf_str(&at_rest), &crlf);
	buf_addf(b, "%s\"%s[" STR_FMT "]\" ", b->p[b->n - 1] == '(' ? "" : " ", is_binary ? "BINARY" : "BODY", STR_ARG(text));
	buf_clear(&at_rest);
	if (is_binary && found) {
		decode_all(part ? part->encoding : MIME_BINARY, buf_str(&crlf), &at_rest);
		buf_addf(b, "{%zu}\r\n", at_rest.n);
		buf_add(b, buf_str(&at_rest));
	} else {
		imap_add_nstring(b, found ? buf_str(&crlf) : (struct str){ 0 });
	}
}

/* ("BODY[1]" "…" "BODY[1.MIME]" …): all there is to ask for. */
static bool sections_print(struct buf *b, struct str letter)
{
	static const char *const whats[] = { "", ".MIME", ".HEADER", ".TEXT", ".HEADER.FIELDS (Subject To)" };
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	struct mime_part *root = mime_parse(letter, &a);
	char name[512];

	if (!root)
		return false;
	buf_add_char(b, '(');
	section_print(b, letter, root, "BODY.PEEK[HEADER]");
	section_print(b, letter, root, "BODY.PEEK[TEXT]");
	section_print(b, letter, root, "BODY.PEEK[]");
	for (unsigned i = 1; i < 4; i++)
		for (unsigned k = 0; k < 4; k++)
			for (size_t w = 0; w < ARRAY_LEN(whats); w++) {
				uint32_t path[2] = { i, k };

				if (!mime_part_find(root, path, k ? 2 : 1))
					continue;
				snprintf(name, sizeof(name), k ? "BODY.PEEK[%u.%u%s]" : "BODY.PEEK[%u%.0u%s]", i, k, whats[w]);
				section_print(b, letter, root, name);
				if (!*whats[w] && mime_part_find(root, path, k ? 2 : 1)->kind == MIME_LEAF) {
					snprintf(name, sizeof(name), k ? "BINARY.PEEK[%u.%u]" : "BINARY.PEEK[%u%.0u]", i, k);
					section_print(b, letter, root, name);
				}
			}
	buf_add_char(b, ')');
	return !b->full;
}

/* (subject seconds), NIL without a date */
static bool facts_print(struct buf *b, struct str letter)
{
	AUTO(arena_end) struct arena scratch = { .limit = MIME_ARENA }, kept = { .limit = MIME_ARENA };
	struct letter_summary s;

	if (!letter_summary_read(letter, &scratch, &kept, SUMMARY_BODY | SUMMARY_PREVIEW, &s))
		return false;
	buf_add_char(b, '(');
	imap_add_string(b, s.base_subject);
	if (s.has_date)
		buf_addf(b, " %lld)", (long long)s.date.utc);
	else
		buf_add(b, S(" NIL)"));
	return !b->full;
}

static bool summary_read(struct buf *b, struct str letter)
{
	AUTO(arena_end) struct arena scratch = { .limit = MIME_ARENA }, kept = { .limit = MIME_ARENA };
	struct letter_summary s;

	(void)b;
	return letter_summary_read(letter, &scratch, &kept, SUMMARY_BODY | SUMMARY_PREVIEW, &s);
}

static void say_speed(const char *what, int64_t begin, size_t letters, uint64_t bytes)
{
	double seconds = (double)(time_mono() - begin) / 1e6;

	printf("%-10s %9.0f letters/s %7.1f MB/s\n", what, (double)letters / seconds, (double)bytes / seconds / 1e6);
}

static int measure(size_t times, char **files, size_t n)
{
	static bool (*const work[])(struct buf *, struct str) = { letter_add, preview_print, summary_read };
	static const char *const names[] = { "print", "preview", "summary" };
	AUTO(buf_end) struct buf out = buf_on_heap(OUT_MAX);
	struct str *letters = calloc(n ? n : 1, sizeof(*letters));
	uint64_t bytes = 0, parts = 0;
	int64_t begin;

	for (size_t i = 0; letters && i < n; i++)
		if (file_map(files[i], &letters[i]))
			bytes += letters[i].n;
	begin = time_mono();
	for (size_t i = 0; letters && i < times * n; i++) {
		AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };

		for (struct mime_part *p = mime_parse(letters[i % n], &a); p; p = mime_next(p))
			parts++;
	}
	say_speed("parse", begin, times * n, times * bytes);
	for (size_t k = 0; letters && k < ARRAY_LEN(work); k++) {
		begin = time_mono();
		for (size_t i = 0; i < times * n; i++) {
			buf_clear(&out);
			if (!work[k](&out, letters[i % n]))
				return 1;
		}
		say_speed(names[k], begin, times * n, times * bytes);
	}
	printf("%zu letters, mean %llu octets, %llu parts\n", n, (unsigned long long)(n ? bytes / n : 0),
	       (unsigned long long)(times ? parts / times : 0));
	free(letters);
	return 0;
}

int main(int argc, char **argv)
{
	AUTO(buf_end) struct buf out = buf_on_heap(OUT_MAX);
	bool (*print)(struct buf *, struct str) = letter_add;
	bool has_option = argc > 1 && argv[1][0] == '-';
	struct err e;
	struct str s;

	if (!charset_open_all(&e))
		fprintf(stderr, "%s\n", e.text);
	if (argc > 3 && !strcmp(argv[1], "-t"))
		return measure((size_t)strtoul(argv[2], NULL, 10), argv + 3, (size_t)argc - 3);
	if (has_option)
		print = argv[1][1] == 'p' ? preview_print : argv[1][1] == 's' ? sections_print : facts_print;
	for (int i = 1 + has_option; i < argc; i++) {
		if (!file_map(argv[i], &s))
			return perror(argv[i]), 1;
		buf_clear(&out);
		if (!print(&out, s))
			return fprintf(stderr, "%s: too big\n", argv[i]), 1;
		printf("%s %zu\n", argv[i], out.n);
		fwrite(out.p, 1, out.n, stdout);
		putchar('\n');
		if (s.n)
			munmap((void *)(uintptr_t)s.p, s.n);
	}
	charset_close_all();
	return 0;
}
