/* append_parts.c — the letters of an APPEND or REPLACE, part by part; see append_parts.h. */
#include "role/mailbox/append_parts.h"

#include "base/fd.h"
#include "fiber/fiber.h"
#include "role/mailbox/cmd_append.h"
#include "role/mailbox/sent.h"
#include "store/quota.h"
#include "wire/binary_letter.h"
#include "wire/imap_url.h"
#include "wire/lf.h"

#include <errno.h>
#include <stdlib.h>

enum {
	PIECE = 64 * 1024,               /* octets that are written before others run */
	URL_TOLD_MAX = 300,              /* octets of a URL that a reply repeats */
};

/* Octets of letters that the URLs of one command may have read: a short command must not cause any amount of work. */
#define URLS_OCTETS_MAX (UINT64_C(1) << 30)

/* -- room ------------------------------------------------------------------ */

/* Would so many more octets fit?  What a REPLACE takes away counts (RFC 8508 §3.4). */
SUSPENDS static struct imap_reply room_check(struct imap_session *s, uint64_t more, struct err *e)
{
	struct appending *p = &s->append;
	uint64_t octets = p->octets + more, letters = p->letters + 1;

	if (more > IMAP_APPEND_MAX - p->letter_octets)
		return reply_of(IMAP_REPLY_TOO_BIG);
	if (p->replaces && octets <= p->replaced_octets)
		return reply_of(IMAP_REPLY_NONE);
	if (!quota_check(s->store, octets - p->replaced_octets, letters - !!p->replaces, e))
		return reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	return reply_of(IMAP_REPLY_NONE);
}

/* -- octets ---------------------------------------------------------------- */

SUSPENDS static bool bytes_write(struct appending *p, struct str bytes, struct err *e)
{
	if (p->is_sent)
		sent_reader_feed(&p->sent, bytes);
	return append_bytes(p->to, bytes, e);
}

SUSPENDS bool append_octets(struct imap_session *s, struct str octets, struct err *e)
{
	struct appending *p = &s->append;

	p->octets += octets.n;
	p->letter_octets += octets.n;
	if (!p->is_gathered)
		return bytes_write(p, octets, e);
	buf_add(&p->gathered, octets);
	return !p->gathered.full || fail_sys(e, FAULT_TEMP, ENOMEM, "no memory for a letter");
}

void append_part_end(struct imap_session *s)
{
	s->append.parts++;
}

/* -- a part of another letter ---------------------------------------------- */

/* RFC 4469 §4.1: with the URL, if a response code can hold it. */
static struct imap_reply bad_url(struct imap_session *s, struct str url)
{
	struct imap_reply r = reply_of(IMAP_REPLY_BAD_URL);

	r.code = S("BADURL /");
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] >= 0x7f || url.p[i] == ']' || url.p[i] == '\\')
			return r;
	if (url.n && url.n <= URL_TOLD_MAX)
		r.code = arena_printf(s->a, "BADURL " STR_FMT, STR_ARG(url));
	return r;
}

/* The letter that a URL means, read in a thread. */
struct source {
	const struct imap_url *url;
	int fd;
	struct buf letter, fields;       /* with CRLF */
	struct arena a;
	struct str octets;               /* what the URL names of it */
	bool ok;
};

static void source_end(struct source *x)
{
	fd_end(&x->fd);
	buf_end(&x->letter);
	buf_end(&x->fields);
	arena_end(&x->a);
}

static bool source_read(struct source *x)
{
	struct err ignored;
	char *bytes;
	size_t n;

	if (!fd_slurp(x->fd, IMAP_APPEND_MAX, &bytes, &n, &ignored))
		return false;
	lf_restore(str_of(bytes, n), &x->letter);
	free(bytes);
	return !x->letter.full;
}

static bool source_section(struct source *x)
{
	const struct mime_part *root = mime_parse(buf_str(&x->letter), &x->a);
	const struct imap_url *u = x->url;
	struct mime_range range;

	if (!root || !section_find(root, &u->section, &range))
		return false;
	x->octets = mime_bytes(buf_str(&x->letter), &range);
	if (u->section.what == SECTION_FIELDS || u->section.what == SECTION_FIELDS_NOT) {
		section_fields_add(x->octets, &u->section, &x->fields);
		x->fields.n -= !!x->fields.n;    /* its last line end is that of a letter at rest */
		buf_add(&x->fields, S("\r\n"));
		x->octets = buf_str(&x->fields);
	}
	if (u->has_partial)
		x->octets = str_sub(x->octets, u->offset < x->octets.n ? (size_t)u->offset : x->octets.n,
				    u->length < x->octets.n ? (size_t)u->length : x->octets.n);
	return !x->fields.full;
}

static void source_run(void *arg)
{
	struct source *x = arg;

	x->ok = source_read(x) && source_section(x);
}

/* The letter's file, -1: there is none. */
SUSPENDS static int source_open(struct imap_session *s, const struct imap_url *u, struct err *e)
{
	struct str name = str_eq_nocase(u->mailbox, S("INBOX")) ? S("INBOX") : u->mailbox, folder;
	struct box *b = s->sel.box;
	int fd = -1;

	if (name.n && (!folder_of_name(s, name, &folder) || !box_open(s->store, folder, &b, e)))
		return -1;
	if (b && (!u->uidvalidity || u->uidvalidity == box_uidvalidity(b)) && box_find(b, u->uid))
		fd = box_letter_open(b, u->uid, e);
	if (name.n)
		box_close(b);
	return fd;
}

SUSPENDS static struct imap_reply url_copy(struct imap_session *s, struct str text, struct err *e)
{
	AUTO(source_end) struct source x = { .fd = -1, .letter = buf_on_heap(2 * (size_t)IMAP_APPEND_MAX),
					     .fields = buf_on_heap(IMAP_APPEND_MAX), .a = { .limit = MIME_ARENA } };
	struct imap_url url;
	struct imap_reply r;

	x.url = &url;
	if (!imap_url_parse(text, s->a, &url))
		return bad_url(s, text);
	x.fd = source_open(s, &url, e);
	if (x.fd >= 0)
		off_loop(source_run, &x);
	if (!x.ok)
		return e->fault == FAULT_CANCEL || s->io.is_broken ? reply_broken() : bad_url(s, text);
	s->append.copied += x.letter.n;
	if (s->append.copied > URLS_OCTETS_MAX)
		return reply_of(IMAP_REPLY_LIMIT);
	r = room_check(s, x.octets.n, e);
	if (!r.id && !r.close && !append_octets(s, x.octets, e))
		r = reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	append_part_end(s);
	return r;
}

/* -- a letter -------------------------------------------------------------- */

SUSPENDS static struct imap_reply letter_open(struct imap_session *s, const struct append_letter *l, struct err *e)
{
	struct append_facts f = { .flags = l->flags.system & LETTER_SYSTEM, .date = l->has_date ? l->date : 0 };
	struct appending *p = &s->append;
	struct str folder;

	if (!l->is_catenate && !l->parts[0].size)
		return (struct imap_reply){ .id = IMAP_REPLY_SYNTAX, .text = S("a letter has at least one octet") };
	if (l->flags.n > KEYWORDS_MAX)
		return reply_of(IMAP_REPLY_KEYWORD_LIMIT);
	if (!folder_of_name(s, s->c.append.mailbox, &folder))
		return reply_of(IMAP_REPLY_NAME_BAD);
	if (!p->to && !append_open(s->store, folder, &s->by, &p->to, e))
		return reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	for (; f.n_keywords < l->flags.n; f.n_keywords++)
		f.keywords[f.n_keywords] = l->flags.keywords[f.n_keywords];
	if (!append_letter(p->to, &f, e))
		return reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	if (s->c.append.n_letters == 1 && !p->replaces && !p->is_sent && sent_is_folder(s->store, folder)) {
		p->is_sent = true;
		sent_reader_begin(&p->sent);
	}
	p->is_open = true;
	p->is_gathered = l->is_catenate || l->parts[0].is_literal8;
	p->is_binary = false;
	p->parts = 0;
	p->letter_octets = 0;
	if (p->is_gathered)
		p->gathered = buf_on_heap(IMAP_APPEND_MAX);
	return reply_of(IMAP_REPLY_NONE);
}

struct encoding {
	struct str in;
	struct arena a;
	struct buf out;
	enum binary_result result;
};

/* In a thread. */
static void encoding_run(void *arg)
{
	struct encoding *x = arg;

	x->result = binary_letter_encode(x->in, &x->a, &x->out);
}

static void encoding_end(struct encoding *x)
{
	arena_end(&x->a);
	buf_end(&x->out);
}

SUSPENDS static bool write_all(struct imap_session *s, struct str octets, struct err *e)
{
	while (octets.n) {
		struct str piece = str_head(octets, PIECE);

		if (!bytes_write(&s->append, piece, e))
			return false;
		octets = str_from(octets, piece.n);
		breathe();
	}
	return true;
}

SUSPENDS static struct imap_reply gathered_write(struct imap_session *s, struct err *e)
{
	AUTO(encoding_end) struct encoding x = { .in = buf_str(&s->append.gathered), .a = { .limit = MIME_ARENA },
						 .out = buf_on_heap(IMAP_OUT_MAX * (size_t)2) };

	if (!x.in.n)
		return (struct imap_reply){ .id = IMAP_REPLY_SYNTAX, .text = S("a letter has at least one octet") };
	if (s->append.is_binary)
		off_loop(encoding_run, &x);
	if (x.result == BINARY_CANNOT)
		return reply_of(IMAP_REPLY_UNKNOWN_CTE);
	if (x.result == BINARY_NO_MEMORY)
		return reply_of(IMAP_REPLY_UNAVAILABLE);
	if (!write_all(s, x.result == BINARY_ENCODED ? buf_str(&x.out) : x.in, e))
		return reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	return reply_of(IMAP_REPLY_NONE);
}

SUSPENDS static struct imap_reply letter_end(struct imap_session *s, struct err *e)
{
	struct appending *p = &s->append;
	struct imap_reply r = reply_of(IMAP_REPLY_NONE);

	if (p->is_gathered)
		r = gathered_write(s, e);
	buf_end(&p->gathered);
	p->gathered = (struct buf){ 0 };
	p->is_open = false;
	p->letters++;
	return r;
}

/* -- the command ----------------------------------------------------------- */

/* Its parts from where we are; is_coming: the last one is a literal that follows. */
SUSPENDS static struct imap_reply letter_parts(struct imap_session *s, const struct append_letter *l, bool is_coming,
					       struct err *e)
{
	struct appending *p = &s->append;
	struct imap_reply r = reply_of(IMAP_REPLY_NONE);

	while (!r.id && !r.close && p->parts < l->n_parts) {
		const struct append_part *part = &l->parts[p->parts];

		if (part->is_url) {
			r = url_copy(s, part->url, e);
			continue;
		}
		must(is_coming && p->parts + 1 == l->n_parts, "a literal was taken when it came");
		p->is_binary |= part->is_literal8;
		return room_check(s, part->size, e);
	}
	return r;
}

SUSPENDS struct imap_reply append_parts(struct imap_session *s, bool is_coming, struct err *e)
{
	const struct imap_append *q = &s->c.append;
	struct appending *p = &s->append;
	struct imap_reply r = reply_of(IMAP_REPLY_NONE);

	must(p->letters >= q->first, "a letter that is parsed once is in");
	while (!r.id && !r.close && p->letters - q->first < q->n_letters) {
		const struct append_letter *l = &q->letters[p->letters - q->first];
		bool is_last = p->letters - q->first + 1 == q->n_letters;

		if (!p->is_open)
			r = letter_open(s, l, e);
		if (!r.id && !r.close)
			r = letter_parts(s, l, is_coming && is_last, e);
		if (r.id || r.close || (is_coming && is_last))
			break;
		r = letter_end(s, e);
	}
	return r;
}

void append_forget(struct imap_session *s)
{
	append_close(s->append.to);
	if (s->append.is_sent)
		sent_reader_end(&s->append.sent);
	buf_end(&s->append.gathered);
	s->append = (struct appending){ 0 };
}

/* One that was sent may have been filed by us: then that is the one, and ours is not kept. */
SUSPENDS static bool commit(struct imap_session *s, uint32_t *ret_validity, uint32_t *ret_first, struct err *e)
{
	struct appending *p = &s->append;
	struct sent_mark m;
	struct str folder;
	bool ok;

	if (!p->is_sent || p->letters != 1 || !sent_reader_mark(&p->sent, &m) ||
	    !folder_of_name(s, s->c.append.mailbox, &folder))
		return append_commit(p->to, ret_validity, ret_first, e);
	if (!sent_lock(e))
		return false;
	ok = sent_find(s->store, folder, &m, time_now() / SECOND, ret_validity, ret_first) ||
	     append_commit(p->to, ret_validity, ret_first, e);
	sent_unlock();
	return ok;
}

SUSPENDS struct imap_reply append_end(struct imap_session *s, uint32_t *ret_uid, struct err *e)
{
	struct imap_reply r = reply_of(IMAP_REPLY_DONE);
	uint32_t validity, first, n = (uint32_t)s->append.letters;

	if (!commit(s, &validity, &first, e))
		return reply_of_err(s, e, IMAP_REPLY_TRY_CREATE);
	if (n == 1)
		r.code = arena_printf(s->a, "APPENDUID %u %u", validity, first);
	else
		r.code = arena_printf(s->a, "APPENDUID %u %u:%u", validity, first, first + n - 1);
	if (ret_uid)
		*ret_uid = first;
	return r;
}
