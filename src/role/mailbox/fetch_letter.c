/* fetch_letter.c — octets of one letter; see fetch_letter.h.
 *
 * At rest lines end in LF, for IMAP in CRLF: offsets and sizes are those of the CRLF form.  The size
 * is counted in the bytes that were read, so that a literal never promises what it does not hold. */
#include "role/mailbox/fetch_letter.h"

#include "base/fd.h"
#include "wire/decode.h"
#include "wire/imap_print.h"
#include "wire/lf.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	HEADER_FIRST = 16 * 1024,        /* read at once when only the header is wanted */
	INLINE_MAX = 512 * 1024,         /* larger letters are read in a thread */
	RAW_MAX = 1 << 30,
	KEEP_MAX = 1 << 20,              /* of the buffer from letter to letter */
};

struct fetch_reader fetch_reader_begin(void)
{
	return (struct fetch_reader){ .mime = { .limit = MIME_ARENA }, .text = buf_on_heap(IMAP_OUT_MAX),
				      .decoded = buf_on_heap(IMAP_OUT_MAX) };
}

void fetch_reader_end(struct fetch_reader *r)
{
	free(r->raw);
	arena_end(&r->mime);
	buf_end(&r->text);
	buf_end(&r->decoded);
	*r = (struct fetch_reader){ 0 };
}

/* -- reading --------------------------------------------------------------- */

struct reading {
	int fd;
	char *to;
	size_t n, got;
	bool ok;
};

static void reading_run(void *arg)
{
	struct reading *j = arg;

	while (j->got < j->n) {
		ssize_t n = pread(j->fd, j->to + j->got, j->n - j->got, (off_t)j->got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			j->ok = n == 0;
			return;
		}
		j->got += (size_t)n;
	}
	j->ok = true;
}

static bool raw_room(struct fetch_reader *r, size_t n)
{
	char *more;

	if (n <= r->cap && (r->cap <= KEEP_MAX || n > KEEP_MAX / 2))
		return true;
	more = realloc(r->raw, n + 1);
	if (!more)
		return false;
	r->raw = more;
	r->cap = n;
	return true;
}

/* Octets of the header with the empty line; n if it does not end within. */
static size_t header_size(struct str s)
{
	size_t at = 0;

	while (at < s.n) {
		struct str line = str_from(s, at);
		size_t end = str_find(line, '\n');

		if (end == line.n)
			return s.n;
		at += end + 1;
		if (end == 0 || (end == 1 && line.p[0] == '\r'))
			return at;
	}
	return s.n;
}

SUSPENDS static bool read_bytes(struct fetch_reader *r, int fd, size_t n)
{
	struct reading j = { .fd = fd, .n = n };

	if (n > RAW_MAX || !raw_room(r, n))
		return false;
	j.to = r->raw;
	if (n > INLINE_MAX)
		off_loop(reading_run, &j);
	else
		reading_run(&j);
	r->n = j.got;
	return j.ok;
}

SUSPENDS enum fetch_result fetch_read(struct fetch_reader *r, struct box *b, uint32_t uid, bool whole)
{
	struct err e = { 0 };
	AUTO(fd_end) int fd = box_letter_open(b, uid, &e);
	struct stat st;
	size_t n, header;

	if (fd < 0)
		return e.sys == ENOENT ? FETCH_GONE : FETCH_UNREADABLE;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < 0)
		return FETCH_UNREADABLE;
	n = (size_t)st.st_size;
	if (!read_bytes(r, fd, whole || n < HEADER_FIRST ? n : HEADER_FIRST))
		return FETCH_UNREADABLE;
	if (whole)
		return FETCHED;
	header = header_size(str_of(r->raw, r->n));
	if (header == r->n && r->n < n && !read_bytes(r, fd, n))
		return FETCH_UNREADABLE;
	r->n = header_size(str_of(r->raw, r->n));
	return FETCHED;
}

bool fetch_needs_body(const struct imap_fetch *f)
{
	for (size_t i = 0; i < f->n_sections; i++) {
		const struct section *s = &f->sections[i].section;
		bool is_header = s->what == SECTION_HEADER || s->what == SECTION_FIELDS || s->what == SECTION_FIELDS_NOT;

		if (!is_header || s->n_path || f->sections[i].form == FETCH_AS_BINARY ||
		    f->sections[i].form == FETCH_AS_BINARY_SIZE)
			return true;
	}
	return false;
}

/* -- printing -------------------------------------------------------------- */

static size_t crlf_size(struct str s)
{
	size_t n = s.n;

	for (const char *p = s.p, *end = p + s.n; s.n && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n += p == s.p || p[-1] != '\r';
	return n;
}

static struct str partial_of(struct str s, const struct fetch_section *f)
{
	return f->has_partial ? str_sub(s, f->offset, f->length) : s;
}

static void literal_add(struct buf *out, struct str s)
{
	buf_add_char(out, '{');
	buf_add_u64(out, s.n);
	buf_add(out, S("}\r\n"));
	buf_add(out, s);
}

/* A letter with NUL goes as it is where that is allowed (literal8), else NUL becomes 0x80 as other servers
 * have it: no string may hold one. */
static void text_literal_add(struct buf *out, struct str s)
{
	size_t from;

	literal_add(out, s);
	if (out->full || !s.n || !memchr(s.p, '\0', s.n))
		return;
	from = out->n - s.n;
	for (size_t i = from; i < out->n; i++)
		if (out->p[i] == '\0')
			out->p[i] = (char)0x80;
}

/* At rest → literal in CRLF form. */
static void range_add(struct fetch_reader *r, const struct fetch_section *f, struct str rest, struct buf *out)
{
	if (!f->has_partial && !(rest.n && memchr(rest.p, '\0', rest.n))) {
		buf_add_char(out, '{');
		buf_add_u64(out, crlf_size(rest));
		buf_add(out, S("}\r\n"));
		lf_restore(rest, out);
		return;
	}
	buf_clear(&r->text);
	lf_restore(rest, &r->text);
	text_literal_add(out, partial_of(buf_str(&r->text), f));
}

static void body_add(struct fetch_reader *r, const struct fetch_section *f, struct str letter,
		     const struct mime_part *root, struct buf *out)
{
	enum section_what what = f->section.what;
	struct mime_range range;
	struct str bytes;

	if (root && !section_find(root, &f->section, &range)) {
		buf_add(out, S("NIL"));
		return;
	}
	bytes = root ? mime_bytes(letter, &range) : letter;
	if (what == SECTION_FIELDS || what == SECTION_FIELDS_NOT) {
		buf_clear(&r->decoded);
		section_fields_add(bytes, &f->section, &r->decoded);
		bytes = buf_str(&r->decoded);
	}
	range_add(r, f, bytes, out);
}

static enum fetch_result binary_add(struct fetch_reader *r, const struct fetch_section *f, struct str letter,
				    const struct mime_part *root, struct buf *out)
{
	const struct mime_part *part;
	struct mime_range range;
	struct str s;

	if (!section_binary(root, &f->section, &part))
		return FETCH_UNKNOWN_CTE;
	if (!section_find(root, &f->section, &range)) {
		buf_add(out, f->form == FETCH_AS_BINARY_SIZE ? S("0") : S("NIL"));
		return FETCHED;
	}
	buf_clear(&r->text);
	buf_clear(&r->decoded);
	lf_restore(mime_bytes(letter, &range), &r->text);
	if (part)
		decode_all(part->encoding, buf_str(&r->text), &r->decoded);
	s = partial_of(buf_str(part ? &r->decoded : &r->text), f);
	if (f->form == FETCH_AS_BINARY_SIZE) {
		buf_add_u64(out, s.n);
		return FETCHED;
	}
	if (s.n && memchr(s.p, '\0', s.n))
		buf_add_char(out, '~');
	literal_add(out, s);
	return FETCHED;
}

/* BODY[] alone needs no tree. */
static bool needs_tree(const struct imap_fetch *f)
{
	for (size_t i = 0; i < f->n_sections; i++) {
		const struct fetch_section *s = &f->sections[i];

		if (s->section.what != SECTION_ALL || s->section.n_path || s->form == FETCH_AS_BINARY ||
		    s->form == FETCH_AS_BINARY_SIZE)
			return true;
	}
	return false;
}

enum fetch_result fetch_sections_add(struct fetch_reader *r, const struct imap_fetch *f, struct buf *out)
{
	struct arena_mark m = arena_mark(&r->mime);
	struct str letter = str_of(r->raw, r->n);
	const struct mime_part *root = needs_tree(f) ? mime_parse(letter, &r->mime) : NULL;
	enum fetch_result result = needs_tree(f) && !root ? FETCH_UNREADABLE : FETCHED;

	for (size_t i = 0; result == FETCHED && i < f->n_sections; i++) {
		const struct fetch_section *s = &f->sections[i];

		buf_add_char(out, ' ');
		fetch_section_add(out, s);
		buf_add_char(out, ' ');
		if (s->form == FETCH_AS_BINARY || s->form == FETCH_AS_BINARY_SIZE)
			result = binary_add(r, s, letter, root, out);
		else
			body_add(r, s, letter, root, out);
	}
	arena_rewind(&r->mime, m);
	r->mime.full = false;
	if (r->text.full || r->decoded.full)
		result = FETCH_UNREADABLE;
	return result;
}
