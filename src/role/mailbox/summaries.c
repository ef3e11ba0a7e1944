/* summaries.c — summaries of letters as bytes; see summaries.h.
 *
 * Layout, in the machine's byte order: struct fixed, then n_references × 8 octets, then the texts.
 * It is a cache of this machine: another layout has another version. */
#include "role/mailbox/summaries.h"

#include "base/buf.h"
#include "base/fd.h"
#include "fiber/fiber.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	READ_AT_ONCE = 32,               /* letters in one trip to a thread */
	LETTER_MAX = 1 << 30,
	SUMMARY_MAX = 4 << 20,
};

struct fixed {
	uint64_t message_id_hash, header_n, size, crlf_size;
	int64_t utc;
	int32_t zone, local_day;
	uint32_t n_references;
	uint8_t is_reply, has_date, unused[2];
	uint32_t lengths[SUMMARY_TEXTS];
	uint32_t unused2;
};

static const size_t offsets[SUMMARY_TEXTS] = {
	[SUMMARY_ENVELOPE] = offsetof(struct letter_summary, envelope),
	[SUMMARY_BODY] = offsetof(struct letter_summary, body),
	[SUMMARY_BODYSTRUCTURE] = offsetof(struct letter_summary, bodystructure),
	[SUMMARY_PREVIEW] = offsetof(struct letter_summary, preview),
	[SUMMARY_SUBJECT] = offsetof(struct letter_summary, subject),
	[SUMMARY_BASE_SUBJECT] = offsetof(struct letter_summary, base_subject),
	[SUMMARY_FROM] = offsetof(struct letter_summary, from),
	[SUMMARY_TO] = offsetof(struct letter_summary, to),
	[SUMMARY_CC] = offsetof(struct letter_summary, cc),
	[SUMMARY_DISPLAY_FROM] = offsetof(struct letter_summary, display_from),
	[SUMMARY_DISPLAY_TO] = offsetof(struct letter_summary, display_to),
	[SUMMARY_MESSAGE_ID] = offsetof(struct letter_summary, message_id),
	[SUMMARY_IN_REPLY_TO] = offsetof(struct letter_summary, in_reply_to),
};

/* -- bytes ----------------------------------------------------------------- */

static struct str *text_of(struct letter_summary *s, size_t i)
{
	return (struct str *)(void *)((char *)s + offsets[i]);
}

void summary_print(const struct letter_summary *from, struct buf *b)
{
	struct letter_summary s = *from;
	struct fixed f = { .message_id_hash = s.message_id_hash, .header_n = s.header_n, .size = s.size,
			   .crlf_size = s.crlf_size, .utc = s.date.utc, .zone = s.date.zone,
			   .local_day = s.date.local_day, .n_references = (uint32_t)s.n_references,
			   .is_reply = s.is_reply, .has_date = s.has_date };

	for (size_t i = 0; i < SUMMARY_TEXTS; i++)
		f.lengths[i] = (uint32_t)text_of(&s, i)->n;
	buf_add(b, str_of(&f, sizeof(f)));
	buf_add(b, str_of(s.references, s.n_references * sizeof(*s.references)));
	for (size_t i = 0; i < SUMMARY_TEXTS; i++)
		buf_add(b, *text_of(&s, i));
}

/* False: shorter or longer than it says. */
static bool fixed_read(struct str summary, struct fixed *ret, size_t *ret_texts)
{
	uint64_t n;

	if (summary.n < sizeof(*ret))
		return false;
	memcpy(ret, summary.p, sizeof(*ret));
	n = sizeof(*ret) + (uint64_t)ret->n_references * sizeof(uint64_t);
	*ret_texts = (size_t)n;
	for (size_t i = 0; i < SUMMARY_TEXTS; i++)
		n += ret->lengths[i];
	return n == summary.n;
}

struct str summary_text(struct str summary, enum summary_text t)
{
	struct fixed f;
	size_t at;

	if (!fixed_read(summary, &f, &at))
		return (struct str){ 0 };
	for (size_t i = 0; i < t; i++)
		at += f.lengths[i];
	return str_sub(summary, at, f.lengths[t]);
}

bool summary_parse(struct str summary, struct arena *a, struct letter_summary *ret)
{
	struct letter_summary s = { 0 };
	struct fixed f;
	size_t at;

	if (!fixed_read(summary, &f, &at))
		return false;
	s.references = ARENA_ARRAY(a, uint64_t, f.n_references ? f.n_references : 1);
	if (!s.references)
		return false;
	s.n_references = f.n_references;
	if (s.n_references)
		memcpy(s.references, summary.p + sizeof(f), s.n_references * sizeof(*s.references));
	s.message_id_hash = f.message_id_hash;
	s.header_n = f.header_n;
	s.size = f.size;
	s.crlf_size = f.crlf_size;
	s.date = (struct mail_date){ .utc = f.utc, .zone = f.zone, .local_day = f.local_day };
	s.is_reply = f.is_reply;
	s.has_date = f.has_date;
	for (size_t i = 0; i < SUMMARY_TEXTS; i++) {
		*text_of(&s, i) = str_sub(summary, at, f.lengths[i]);
		at += f.lengths[i];
	}
	*ret = s;
	return true;
}

/* -- reading letters ------------------------------------------------------- */

struct reading {
	int fds[READ_AT_ONCE];
	size_t which[READ_AT_ONCE];      /* index into the caller's list */
	struct str made[READ_AT_ONCE][SUMMARY_KINDS];
	size_t n;
	struct arena scratch;            /* of `made` */
};

static bool read_whole(int fd, struct str *ret)
{
	struct stat st;
	struct err e;
	char *p;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > LETTER_MAX)
		return false;
	p = malloc((size_t)st.st_size + 1);
	if (!p || !fd_pread_all(fd, p, (size_t)st.st_size, 0, &e)) {
		free(p);
		return false;
	}
	*ret = str_of(p, (size_t)st.st_size);
	return true;
}

static struct reading *reading_new(void)
{
	struct reading *r = calloc(1, sizeof(*r));

	if (r)
		r->scratch.limit = READ_AT_ONCE * (size_t)SUMMARY_MAX;
	return r;
}

static uint32_t version_of(enum summary_kind kind)
{
	return (uint32_t)kind << 16 | SUMMARY_VERSION;
}

static void summary_make(struct reading *r, size_t i)
{
	AUTO(arena_end) struct arena scratch = { .limit = MIME_ARENA }, result = { .limit = MIME_ARENA };
	AUTO(buf_end) struct buf b = buf_on_heap(SUMMARY_MAX);
	struct letter_summary s;
	struct str letter;

	if (!read_whole(r->fds[i], &letter))
		return;
	if (letter_summary_read(letter, &scratch, &result, &s)) {
		struct str header = str_head(letter, s.header_n);

		summary_print(&s, &b);
		r->made[i][KEPT_ALL] = b.full ? S("") : arena_str(&r->scratch, buf_str(&b));
		r->made[i][KEPT_ENVELOPE] = arena_str(&r->scratch, s.envelope);
		r->made[i][KEPT_BODYSTRUCTURE] = arena_str(&r->scratch, s.bodystructure);
		r->made[i][KEPT_HEADER] = header.n && header.n <= KEPT_HEADER_MAX ? arena_str(&r->scratch, header) :
										    KEPT_TOO_LONG;
	}
	free((char *)(uintptr_t)letter.p);
}

static void reading_run(void *arg)
{
	struct reading *r = arg;

	for (size_t i = 0; i < r->n; i++)
		summary_make(r, i);
}

static void reading_forget(struct reading *r)
{
	for (size_t i = 0; i < r->n; i++)
		fd_end(&r->fds[i]);
	memset(r->made, 0, sizeof(r->made));
	arena_end(&r->scratch);
	r->n = 0;
}

static void reading_free(struct reading **r)
{
	if (*r)
		reading_forget(*r);
	free(*r);
}

SUSPENDS static bool read_some(struct box *b, struct reading *r, enum summary_kind kind, const uint32_t *uids,
			       struct arena *a, struct str *ret, struct err *e)
{
	off_loop(reading_run, r);
	for (size_t i = 0; i < r->n; i++) {
		for (unsigned k = 0; k < SUMMARY_KINDS && r->made[i][KEPT_ALL].n; k++)
			box_summary_put(b, version_of((enum summary_kind)k), uids[r->which[i]], r->made[i][k]);
		ret[r->which[i]] = arena_str(a, r->made[i][kind]);
	}
	reading_forget(r);
	return !a->full || fail(e, FAULT_TEMP, "no memory for summaries");
}

SUSPENDS bool summary_kind_get(struct box *b, enum summary_kind kind, const uint32_t *uids, size_t n,
			       struct arena *a, struct str *ret, struct err *e)
{
	AUTO(reading_free) struct reading *r = NULL;

	must(n <= SUMMARIES_AT_ONCE, "summaries are asked for in batches");
	if (!box_summaries(b, version_of(kind), uids, n, a, ret, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct err none;
		int fd = ret[i].n ? -1 : box_letter_open(b, uids[i], &none);

		if (fd < 0)
			continue;
		if (!r && !(r = reading_new())) {
			fd_end(&fd);
			return fail(e, FAULT_TEMP, "out of memory");
		}
		r->fds[r->n] = fd;
		r->which[r->n++] = i;
		if (r->n == READ_AT_ONCE && !read_some(b, r, kind, uids, a, ret, e))
			return false;
	}
	return !r || !r->n || read_some(b, r, kind, uids, a, ret, e);
}

SUSPENDS bool summaries_get(struct box *b, const uint32_t *uids, size_t n, struct arena *a,
			    struct str *ret, struct err *e)
{
	return summary_kind_get(b, KEPT_ALL, uids, n, a, ret, e);
}
