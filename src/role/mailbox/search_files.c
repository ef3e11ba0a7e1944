/* search_files.c — reads letters for SEARCH, a batch at a time in a thread; see search_files.h.
 *
 * The search index says which need not be read.  Headers come from the cache, where they lie one behind
 * the other; only a very long one is read from its letter. */
#include "role/mailbox/search_files.h"

#include "base/fd.h"
#include "base/memory.h"
#include "fiber/fiber.h"
#include "role/mailbox/summaries.h"
#include "store/search_index.h"
#include "wire/fold.h"
#include "wire/mime.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILES_AT_ONCE = 256,             /* are open */
	OCTETS_AT_ONCE = 1 << 20,        /* of letters; one may be more */
	HEADER_MOST_LIKELY = 16 * 1024,  /* octets: nearly every header fits */
	LETTER_MAX = 1 << 30,
	HEADERS_BYTES = 2 * SUMMARIES_AT_ONCE * KEPT_HEADER_MAX,
};

/* ---- the index ---- */

/* What cannot hold the text goes without being read. */
SUSPENDS static bool narrow_by(struct box *b, struct str text, const uint32_t *uids, struct places *p, struct err *e)
{
	AUTO(buf_end) struct buf folded = buf_on_heap(SEARCH_NEEDLE_MAX);
	uint32_t *left = reallocarray(NULL, p->n + 1, sizeof(*left));
	size_t n = p->n, kept = 0;

	if (!left)
		return fail(e, FAULT_TEMP, "out of memory");
	fold_add(&folded, text);
	if (folded.full) {
		free(left);
		return true;             /* all are read */
	}
	for (size_t i = 0; i < n; i++)
		left[i] = uids[p->p[i]];
	if (!search_index_narrow(b, buf_str(&folded), left, &n, e)) {
		free(left);
		return false;
	}
	for (size_t i = 0; i < p->n && kept < n; i++)
		if (uids[p->p[i]] == left[kept])
			p->p[kept++] = p->p[i];
	p->n = kept;
	free(left);
	return true;
}

/* A field is in the index as "Name: value". */
SUSPENDS static bool narrow(struct box *b, const struct search_key *key, const uint32_t *uids, struct places *p,
			    struct err *e)
{
	AUTO(buf_end) struct buf name = buf_on_heap(SEARCH_NEEDLE_MAX);

	buf_add(&name, key->name);
	buf_add(&name, S(": "));
	if (key->what == SEARCH_HEADER && !name.full && !narrow_by(b, buf_str(&name), uids, p, e))
		return false;
	return narrow_by(b, key->text, uids, p, e);
}

/* ---- letters ---- */

struct looking {
	const struct search_key *key;
	struct searcher s;
	struct buf bytes;                /* one letter, serves one after the other */
	struct arena a;
	int fds[FILES_AT_ONCE];
	uint32_t places[FILES_AT_ONCE];
	bool fits[FILES_AT_ONCE];
	size_t n;
	bool is_short;                   /* no memory for some letter */
};

/* The first `most` octets of the file. */
static bool take_bytes(struct looking *l, int fd, uint64_t most)
{
	struct stat st;
	struct err e;
	char *to;

	buf_clear(&l->bytes);
	if (fstat(fd, &st))
		return false;
	if ((uint64_t)st.st_size < most)
		most = (uint64_t)st.st_size;
	to = buf_room(&l->bytes, (size_t)most);
	l->is_short |= !to;
	return to && fd_pread_all(fd, to, (size_t)most, 0, &e);
}

static bool has_header_end(struct str bytes)
{
	return str_find_str(bytes, S("\n\r\n")) < bytes.n || str_find_str(bytes, S("\n\n")) < bytes.n;
}

static bool header_fits(struct looking *l, int fd)
{
	if (!take_bytes(l, fd, HEADER_MOST_LIKELY))
		return false;
	if (l->bytes.n == HEADER_MOST_LIKELY && !has_header_end(buf_str(&l->bytes)) && !take_bytes(l, fd, LETTER_MAX))
		return false;
	return search_field(&l->s, buf_str(&l->bytes), l->key->name);
}

static bool body_fits(struct looking *l, int fd)
{
	struct arena_mark mark = arena_mark(&l->a);
	const struct mime_part *root;
	bool fits;

	if (!take_bytes(l, fd, LETTER_MAX))
		return false;
	if (l->key->what == SEARCH_TEXT && search_header(&l->s, buf_str(&l->bytes)))
		return true;
	root = mime_parse(buf_str(&l->bytes), &l->a);
	fits = root && search_body(&l->s, buf_str(&l->bytes), root);
	l->is_short |= !root;
	arena_rewind(&l->a, mark);
	return fits;
}

/* In a thread. */
static void look(void *arg)
{
	struct looking *l = arg;

	unsigned denials = memory_denials();

	for (size_t i = 0; i < l->n; i++)
		l->fits[i] = l->key->what == SEARCH_HEADER ? header_fits(l, l->fds[i]) : body_fits(l, l->fds[i]);
	l->is_short |= memory_denials() != denials;
}

static void looking_end(struct looking *l)
{
	for (size_t i = 0; i < l->n; i++)
		fd_end(&l->fds[i]);
	searcher_end(&l->s);
	buf_end(&l->bytes);
	arena_end(&l->a);
}

/* Those that fit go to the front of p, behind the *kept that are there. */
SUSPENDS static bool look_at_batch(struct looking *l, struct places *p, size_t *kept, struct err *e)
{
	off_loop(look, l);
	for (size_t i = 0; i < l->n; i++) {
		if (l->fits[i])
			p->p[(*kept)++] = l->places[i];
		fd_end(&l->fds[i]);
	}
	l->n = 0;
	if (l->is_short)
		return fail(e, FAULT_TEMP, "no memory for a letter");
	return fiber_check(e);
}

static size_t octets_of(const struct box *b, uint32_t uid)
{
	const struct letter *l = box_find(b, uid);

	return l ? l->size : 0;
}

SUSPENDS static bool search_letters(struct box *b, const struct search_key *key, const uint32_t *uids, struct places *p,
			   struct err *e)
{
	AUTO(looking_end) struct looking l = { .key = key, .bytes = buf_on_heap(LETTER_MAX), .a = { .limit = MIME_ARENA } };
	size_t kept = 0, octets = 0;

	if (!searcher_init(&l.s, key->text))
		return fail(e, FAULT_PERM, "the text to be searched is too long");
	for (size_t i = 0; i < p->n; i++) {
		struct err why = { 0 };
		int fd = box_letter_open(b, uids[p->p[i]], &why);

		if (fd < 0 && why.fault == FAULT_CANCEL) {
			*e = why;
			return false;
		}
		if (fd < 0)
			continue;
		l.fds[l.n] = fd;
		l.places[l.n++] = p->p[i];
		octets += octets_of(b, uids[p->p[i]]);
		if (l.n < FILES_AT_ONCE && octets < OCTETS_AT_ONCE)
			continue;
		octets = 0;
		if (!look_at_batch(&l, p, &kept, e))
			return false;
	}
	if (l.n && !look_at_batch(&l, p, &kept, e))
		return false;
	p->n = kept;
	return true;
}

/* ---- headers out of the cache ---- */

struct headers_look {
	const struct search_key *key;
	struct searcher s;
	struct arena a;
	uint32_t uids[SUMMARIES_AT_ONCE];
	const struct str *headers;
	bool fits[SUMMARIES_AT_ONCE];
	size_t n;
	bool is_short;                   /* no memory for some header */
};

static void headers_end(struct headers_look *h)
{
	searcher_end(&h->s);
	arena_end(&h->a);
}

/* In a thread. */
static void look_at_headers(void *arg)
{
	struct headers_look *h = arg;

	unsigned denials = memory_denials();

	for (size_t i = 0; i < h->n; i++)
		h->fits[i] = search_field(&h->s, h->headers[i], h->key->name);
	h->is_short = memory_denials() != denials;
}

/* A letter whose header is not kept. */
static bool is_left(const struct headers_look *h, size_t i)
{
	return !h->headers[i].n || str_eq(h->headers[i], KEPT_TOO_LONG);
}

/* One batch of the places from `from`: those that fit go to *kept, those to be read to *left. */
SUSPENDS static bool headers_batch(struct box *b, struct headers_look *h, const uint32_t *uids, const struct places *p,
				   size_t from, struct places *kept, struct places *left, struct err *e)
{
	struct arena_mark mark = arena_mark(&h->a);
	struct summaries got;

	for (h->n = 0; h->n < SUMMARIES_AT_ONCE && from + h->n < p->n; h->n++)
		h->uids[h->n] = uids[p->p[from + h->n]];
	if (!summaries_get(b, KEPT(HEADER), h->uids, h->n, &h->a, &got, e))
		return false;
	h->headers = got.kept[KEPT_HEADER];
	off_loop(look_at_headers, h);
	if (h->is_short)
		return fail(e, FAULT_TEMP, "no memory for a header");
	for (size_t i = 0; i < h->n; i++) {
		if (is_left(h, i))
			left->p[left->n++] = p->p[from + i];
		else if (h->fits[i])
			kept->p[kept->n++] = p->p[from + i];
	}
	arena_rewind(&h->a, mark);
	return fiber_check(e);
}

SUSPENDS static bool search_headers(struct box *b, struct headers_look *h, const uint32_t *uids, struct places *p,
				    struct err *e)
{
	AUTO(places_end) struct places left = { 0 };
	struct places kept = { .p = p->p };      /* in place: it never overtakes */

	if (!places_copy(p, &left, e))
		return false;
	left.n = 0;
	for (size_t i = 0; i < p->n; i += SUMMARIES_AT_ONCE)
		if (!headers_batch(b, h, uids, p, i, &kept, &left, e))
			return false;
	p->n = kept.n;
	if (left.n && !search_letters(b, h->key, uids, &left, e))
		return false;
	places_merge(p, &left);
	return true;
}

SUSPENDS bool search_files(struct box *b, const struct search_key *key, const uint32_t *uids, struct places *p,
			   struct err *e)
{
	struct headers_look *h;
	bool ok;

	if (!narrow(b, key, uids, p, e))
		return false;
	if (key->what != SEARCH_HEADER || kept_header_lacks(key->name))
		return search_letters(b, key, uids, p, e);
	h = calloc(1, sizeof(*h));
	if (!h)
		return fail(e, FAULT_TEMP, "out of memory");
	h->key = key;
	h->a.limit = HEADERS_BYTES;
	ok = searcher_init(&h->s, key->text) ? search_headers(b, h, uids, p, e) :
					      fail(e, FAULT_PERM, "the text to be searched is too long");
	headers_end(h);
	free(h);
	return ok;
}
