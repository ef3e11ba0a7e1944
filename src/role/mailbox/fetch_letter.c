/* fetch_letter.c — octets of one letter; see fetch_letter.h.
 *
 * At rest lines end in LF, for IMAP in CRLF: offsets and sizes are those of the CRLF form.  The size
 * is counted in the bytes that were read, so that a literal never promises what it does not hold. */
#include "role/mailbox/fetch_letter.h"

#include "base/fd.h"
#include "base/memory.h"
#include "role/mailbox/summaries.h"
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
	PIECE = 64 * 1024,               /* sent at once */
	RAW_MAX = 1 << 30,
	KEEP_MAX = 1 << 20,              /* of the buffer from letter to letter */
};

struct fetch_reader fetch_reader_begin(const struct imap_fetch *f)
{
	struct fetch_reader r = { .mime = { .limit = MIME_ARENA }, .labels = buf_on_heap(IMAP_OUT_MAX),
				  .text = buf_on_heap(IMAP_OUT_MAX), .decoded = buf_on_heap(IMAP_OUT_MAX) };

	for (size_t i = 0; i < f->n_sections; i++) {
		fetch_section_add(&r.labels, &f->sections[i]);
		buf_add(&r.labels, S(" \0"));
	}
	return r;
}

void fetch_reader_end(struct fetch_reader *r)
{
	free(r->raw);
	arena_end(&r->mime);
	buf_end(&r->labels);
	buf_end(&r->text);
	buf_end(&r->decoded);
	*r = (struct fetch_reader){ 0 };
}

/* -- reading --------------------------------------------------------------- */

struct reading {
	int fd;
	char *to;
	size_t n, got;
	size_t expected;                 /* of the file: a read that ends here needs no second one to see the end */
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
		if (j->got == j->expected)
			break;
	}
	j->ok = true;
}

static bool raw_room(struct fetch_reader *r, size_t n)
{
	char *more;

	if (n <= r->cap && (r->cap <= KEEP_MAX || n > KEEP_MAX / 2))
		return true;
	more = realloc(r->raw, n + 1);
	if (!more) {
		memory_denied();
		return false;
	}
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
	struct reading j = { .fd = fd, .n = n, .expected = n - 1 };

	if (!n || n > RAW_MAX || !raw_room(r, n))
		return false;
	j.to = r->raw;
	if (n > INLINE_MAX)
		off_loop(reading_run, &j);
	else
		reading_run(&j);
	r->n = j.got;
	return j.ok;
}

/* All of it; or of the first `guess` octets no more, if it has a header's end.  One look at the file's size
 * is saved if the guess was right. */
SUSPENDS static bool read_guessed(struct fetch_reader *r, int fd, size_t guess, bool whole)
{
	struct stat st;

	if (!read_bytes(r, fd, guess + 1))
		return false;
	if (r->n <= guess || (!whole && header_size(str_of(r->raw, r->n)) < r->n))
		return true;
	return !fstat(fd, &st) && st.st_size >= 0 && read_bytes(r, fd, (size_t)st.st_size + 1);
}

SUSPENDS enum fetch_result fetch_read(struct fetch_reader *r, struct box *b, uint32_t uid, bool whole)
{
	const struct letter *l = box_find(b, uid);
	size_t guess = l && whole && l->known & KNOWN_SIZE ? l->size : HEADER_FIRST;
	struct err e = { 0 };
	AUTO(fd_end) int fd = box_letter_open(b, uid, &e);

	if (fd < 0)
		return e.sys == ENOENT ? FETCH_GONE : FETCH_UNREADABLE;
	if (!read_guessed(r, fd, guess < RAW_MAX ? guess : RAW_MAX - 1, whole))
		return FETCH_UNREADABLE;
	r->letter = str_of(r->raw, r->n);
	if (!whole)
		r->letter = str_head(r->letter, header_size(r->letter));
	return FETCHED;
}

void fetch_take(struct fetch_reader *r, struct str header)
{
	r->letter = header;
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

bool fetch_fits_kept_header(const struct imap_fetch *f)
{
	for (size_t i = 0; i < f->n_sections; i++) {
		const struct section *s = &f->sections[i].section;

		if (s->what != SECTION_FIELDS)
			return false;
		for (size_t k = 0; k < s->n_names; k++)
			if (kept_header_lacks(s->names[k]))
				return false;
	}
	return f->n_sections && !fetch_needs_body(f);
}

/* -- printing -------------------------------------------------------------- */

static size_t crlf_size(struct str s)
{
	size_t n = s.n;

	for (const char *p = s.p, *end = p + s.n; s.n && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n += p == s.p || p[-1] != '\r';
	return n;
}

/* Which octets of the CRLF form are wanted. */
struct wanted {
	uint64_t from, to;
	uint64_t at;                     /* how far we are */
	bool has_nul;
};

static struct wanted wanted_of(const struct fetch_section *f, uint64_t size)
{
	struct wanted w = { .to = size };

	if (f->has_partial) {
		w.from = f->offset < size ? f->offset : size;
		w.to = size - w.from > f->length ? w.from + f->length : size;
	}
	return w;
}

/* The part of a piece that is wanted.  No string may hold a NUL: it becomes 0x80, as with other servers. */
static void piece_add(struct wanted *w, struct str piece, struct buf *out)
{
	uint64_t from = w->from > w->at ? w->from - w->at : 0, room = w->to > w->at ? w->to - w->at : 0;
	struct str s = from < piece.n ? str_from(str_head(piece, room), (size_t)from) : S("");
	size_t start = out->n;

	buf_add(out, s);
	w->at += piece.n;
	for (size_t i = start; w->has_nul && i < out->n; i++)
		if (out->p[i] == '\0')
			out->p[i] = (char)0x80;
}

static void size_add(struct buf *out, uint64_t n)
{
	buf_add_char(out, '{');
	buf_add_u64(out, n);
	buf_add(out, S("}\r\n"));
}

/* What is short and wanted whole is copied line by line into its place. */
static void short_add(struct buf *out, struct str rest, size_t size)
{
	char *to = buf_room(out, size);
	int prev = -1;

	for (size_t i = 0; to && i < rest.n; prev = '\n') {
		struct str s = str_from(rest, i);
		size_t n = str_find(s, '\n');

		if (n)
			memcpy(to, s.p, n);
		to += n;
		i += n + 1;
		if (n == s.n)
			break;
		if ((n ? s.p[n - 1] : prev) != '\r')
			*to++ = '\r';
		*to++ = '\n';
	}
}

/* At rest → a literal in CRLF form; of BINARY a literal8 if there is a NUL. */
SUSPENDS static bool range_send(struct imap_session *s, const struct fetch_section *f, struct str rest, struct err *e)
{
	struct wanted w = wanted_of(f, crlf_size(rest));
	int prev = -1;

	w.has_nul = rest.n && memchr(rest.p, '\0', rest.n);
	if (w.has_nul && f->form == FETCH_AS_BINARY) {
		buf_add_char(&s->out, '~');
		w.has_nul = false;
	}
	size_add(&s->out, w.to - w.from);
	if (!w.has_nul && !f->has_partial && w.to < PIECE) {
		short_add(&s->out, rest, (size_t)w.to);
		return true;
	}
	while (rest.n && w.at < w.to) {
		struct str line = str_head(rest, PIECE);
		size_t n = str_find(line, '\n');

		piece_add(&w, str_head(line, n), &s->out);
		prev = n ? str_at(line, n - 1) : prev;
		if (n < line.n)
			piece_add(&w, prev == '\r' ? S("\n") : S("\r\n"), &s->out);
		rest = str_from(rest, n < line.n ? n + 1 : n);
		prev = n < line.n ? '\n' : prev;
		if (s->out.n >= PIECE && !out_breathe(s, e))
			return false;
	}
	return true;
}

/* Octets as they are. */
SUSPENDS static bool octets_send(struct imap_session *s, struct str octets, struct err *e)
{
	size_add(&s->out, octets.n);
	while (octets.n) {
		struct str piece = str_head(octets, PIECE);

		buf_add(&s->out, piece);
		octets = str_from(octets, piece.n);
		if (s->out.n >= PIECE && !out_breathe(s, e))
			return false;
	}
	return true;
}

SUSPENDS static bool body_send(struct fetch_reader *r, const struct fetch_section *f, struct imap_session *s, struct err *e)
{
	enum section_what what = f->section.what;
	struct str letter = r->letter, bytes = letter;
	struct mime_range range;

	if (r->root && !section_find(r->root, &f->section, &range)) {
		buf_add(&s->out, S("NIL"));
		return true;
	}
	if (r->root)
		bytes = mime_bytes(letter, &range);
	if (what == SECTION_FIELDS || what == SECTION_FIELDS_NOT) {
		buf_clear(&r->text);
		section_fields_add(bytes, &f->section, &r->text);
		bytes = buf_str(&r->text);
	}
	return range_send(s, f, bytes, e);
}

struct decoding {
	enum mime_encoding encoding;
	struct str in;
	struct buf *out;
};

static void decoding_run(void *arg)
{
	struct decoding *j = arg;

	decode_all(j->encoding, j->in, j->out);
}

/* A large part in a thread. */
SUSPENDS static void decode(enum mime_encoding encoding, struct str in, struct buf *out)
{
	struct decoding j = { encoding, in, out };

	if (in.n > INLINE_MAX)
		off_loop(decoding_run, &j);
	else
		decoding_run(&j);
}

/* The decoded octets of a part; what is not encoded stays at rest in *ret_rest. */
SUSPENDS static bool decode_part(struct fetch_reader *r, const struct fetch_section *f, bool *ret_found, struct str *ret_rest)
{
	struct str letter = r->letter;
	const struct mime_part *part = NULL;
	struct mime_range range;

	*ret_found = section_find(r->root, &f->section, &range);
	if (!*ret_found || !section_binary(r->root, &f->section, &part))
		return false;
	*ret_rest = mime_bytes(letter, &range);
	if (!part)
		return false;
	buf_clear(&r->decoded);
	buf_clear(&r->text);
	if (part->encoding == MIME_QUOTED_PRINTABLE) {
		lf_restore(*ret_rest, &r->text);         /* its line ends are text */
		*ret_rest = buf_str(&r->text);
	}
	decode(part->encoding, *ret_rest, &r->decoded);
	return true;
}

SUSPENDS static bool binary_send(struct fetch_reader *r, const struct fetch_section *f, struct imap_session *s,
				 struct err *e)
{
	bool is_found, is_size = f->form == FETCH_AS_BINARY_SIZE, is_decoded;
	struct str rest = S(""), octets;

	is_decoded = decode_part(r, f, &is_found, &rest);
	octets = buf_str(&r->decoded);
	if (!is_found) {
		buf_add(&s->out, is_size ? S("0") : S("NIL"));
		return true;
	}
	if (is_size) {
		buf_add_u64(&s->out, is_decoded ? octets.n : crlf_size(rest));
		return true;
	}
	if (!is_decoded)
		return range_send(s, f, rest, e);
	if (f->has_partial)
		octets = str_sub(octets, f->offset, f->length);
	if (octets.n && memchr(octets.p, '\0', octets.n))
		buf_add_char(&s->out, '~');
	return octets_send(s, octets, e);
}

static bool is_binary(const struct fetch_section *f)
{
	return f->form == FETCH_AS_BINARY || f->form == FETCH_AS_BINARY_SIZE;
}

/* BODY[] alone needs none, and what is of the header neither: then that is all of the letter that is here. */
static bool needs_tree(const struct imap_fetch *f)
{
	if (!fetch_needs_body(f))
		return false;
	for (size_t i = 0; i < f->n_sections; i++)
		if (f->sections[i].section.what != SECTION_ALL || f->sections[i].section.n_path || is_binary(&f->sections[i]))
			return true;
	return false;
}

enum fetch_result fetch_sections_begin(struct fetch_reader *r, const struct imap_fetch *f)
{
	const struct mime_part *part;

	r->root = NULL;
	if (!needs_tree(f))
		return FETCHED;
	arena_rewind(&r->mime, (struct arena_mark){ 0 });
	r->mime.full = false;
	r->root = mime_parse(r->letter, &r->mime);
	if (!r->root)
		return FETCH_UNREADABLE;
	for (size_t i = 0; i < f->n_sections; i++)
		if (is_binary(&f->sections[i]) && !section_binary(r->root, &f->sections[i].section, &part))
			return FETCH_UNKNOWN_CTE;
	return FETCHED;
}

SUSPENDS bool fetch_sections_send(struct fetch_reader *r, const struct imap_fetch *f, char before,
				  struct imap_session *s, struct err *e)
{
	struct str labels = buf_str(&r->labels);

	for (size_t i = 0; i < f->n_sections; i++) {
		const struct fetch_section *x = &f->sections[i];

		buf_add_char(&s->out, i ? ' ' : before);
		buf_add(&s->out, str_cut(labels, '\0', &labels));
		if (is_binary(x) ? !binary_send(r, x, s, e) : !body_send(r, x, s, e))
			return false;
		if (r->text.full || r->decoded.full || r->labels.full)
			return fail(e, FAULT_TEMP, "a part is too large");
	}
	return true;
}
