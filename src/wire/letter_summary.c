/* letter_summary.c — what the store remembers of a letter; see letter_summary.h. */
#include "wire/letter_summary.h"

#include "wire/imap_envelope.h"
#include "wire/imap_structure.h"
#include "wire/mail_address.h"
#include "wire/mime_header.h"
#include "wire/preview.h"
#include "wire/thread_subject.h"

enum {
	TEXT_MAX = 64 << 20,             /* octets of envelope and structures: no letter has more … */
	TEXT_LIKELY = 4000,              /* … and most have less than this */
	DECODED_MAX = 8 << 10,           /* octets of a subject or a name */
};

struct reading {
	struct str letter;
	const struct mime_part *root;
	struct arena *scratch, *a;
	struct letter_summary *s;
	unsigned more;
};

static struct str decoded(struct reading *r, struct str raw)
{
	AUTO(buf_end) struct buf b = buf_on_heap(DECODED_MAX);

	mime_header_decode(raw, &b);
	return arena_str(r->a, buf_str(&b));
}

struct ends {
	size_t envelope, body, extended;
};

/* Envelope and structures, one after the other. */
static struct ends texts_print(struct buf *b, const struct mime_part *root, unsigned more)
{
	struct ends e;

	imap_envelope_add(b, root);
	e.envelope = b->n;
	if (more & SUMMARY_BODY)
		imap_structure_add(b, root, false);
	e.body = b->n;
	imap_structure_add(b, root, true);
	e.extended = b->n;
	return e;
}

static bool texts_read(struct reading *r)
{
	AUTO(buf_end) struct buf b = buf_on_heap(TEXT_MAX);
	struct ends e;
	struct str all;

	(void)buf_room(&b, TEXT_LIKELY);
	buf_clear(&b);
	e = texts_print(&b, r->root, r->more);
	if (b.full || e.extended - e.body > SUMMARY_STRUCTURE_MAX) {
		r->root = mime_parse_parts(r->letter, 1, r->scratch);
		if (!r->root)
			return false;
		buf_clear(&b);
		e = texts_print(&b, r->root, r->more);
	}
	if (r->more & SUMMARY_PREVIEW)
		preview_add(&b, r->letter, r->root);
	all = arena_str(r->a, buf_str(&b));
	if (b.full || all.n != b.n)
		return false;
	r->s->envelope = str_head(all, e.envelope);
	r->s->body = str_sub(all, e.envelope, e.body - e.envelope);
	r->s->bodystructure = str_sub(all, e.body, e.extended - e.body);
	r->s->preview = str_from(all, e.extended);
	return true;
}

/* The first address of a field: its mailbox, and how it is shown (RFC 5256 §3, RFC 5957 §3). */
static void first_address(struct reading *r, enum mime_letter_field f, struct str *ret, struct str *ret_shown)
{
	struct mail_address *list = NULL;
	struct arena_mark m = arena_mark(r->scratch);
	size_t count = MAIL_ADDRESS_MAX - 1;     /* so that one is read */

	mail_address_parse(mime_field(r->root, f), r->scratch, &list, &count);
	if (list) {
		*ret = arena_str(r->a, list->mailbox);
		if (ret_shown && list->name.n)
			*ret_shown = decoded(r, list->name);
		if (ret_shown && !ret_shown->n && list->domain.n)
			*ret_shown = arena_printf(r->a, STR_FMT "@" STR_FMT, STR_ARG(list->mailbox), STR_ARG(list->domain));
		else if (ret_shown && !ret_shown->n)
			*ret_shown = *ret;
	}
	arena_rewind(r->scratch, m);
}

/* The ids of References, or the first of In-Reply-To if there are none. */
static bool references_read(struct reading *r)
{
	struct str raw = mime_field(r->root, LETTER_REFERENCES), id;
	struct arena_mark m = arena_mark(r->scratch);
	uint64_t *ids = ARENA_ARRAY(r->scratch, uint64_t, SUMMARY_REFERENCES_MAX);
	size_t n = 0, all = 0;

	if (!ids)
		return false;
	/* a ring: of too many, the last count */
	while ((id = thread_id_next(&raw, r->scratch)).n)
		ids[all++ % SUMMARY_REFERENCES_MAX] = thread_id_hash(id);
	if (all == 0 && r->s->in_reply_to.n)
		ids[all++] = thread_id_hash(r->s->in_reply_to);
	n = all < SUMMARY_REFERENCES_MAX ? all : SUMMARY_REFERENCES_MAX;
	r->s->references = ARENA_ARRAY(r->a, uint64_t, n);
	if (!r->s->references)
		return false;
	for (size_t i = 0; i < n; i++)
		r->s->references[i] = ids[(all - n + i) % SUMMARY_REFERENCES_MAX];
	r->s->n_references = n;
	arena_rewind(r->scratch, m);
	return true;
}

bool letter_summary_read(struct str letter, struct arena *scratch, struct arena *ret_arena, unsigned more,
			 struct letter_summary *ret)
{
	struct letter_summary s = { 0 };
	struct arena_mark m = arena_mark(scratch);
	struct reading r = { .letter = letter, .scratch = scratch, .a = ret_arena, .s = &s,
			     .more = more };
	struct str ids;
	bool ok;

	r.root = mime_parse(letter, scratch);
	if (!r.root || !texts_read(&r))
		return false;
	s.subject = decoded(&r, mime_field(r.root, LETTER_SUBJECT));
	s.base_subject = thread_base_subject(s.subject, ret_arena, &s.is_reply);
	first_address(&r, LETTER_FROM, &s.from, &s.display_from);
	first_address(&r, LETTER_TO, &s.to, &s.display_to);
	first_address(&r, LETTER_CC, &s.cc, NULL);
	ids = mime_field(r.root, LETTER_MESSAGE_ID);
	s.message_id = thread_id_next(&ids, ret_arena);
	s.message_id_hash = s.message_id.n ? thread_id_hash(s.message_id) : 0;
	ids = mime_field(r.root, LETTER_IN_REPLY_TO);
	s.in_reply_to = thread_id_next(&ids, ret_arena);
	s.has_date = mail_date_parse(mime_field(r.root, LETTER_DATE), &s.date);
	s.header_n = r.root->header.n;
	s.size = letter.n;
	s.crlf_size = r.root->header.crlf_n + r.root->body.crlf_n;
	ok = references_read(&r) && !ret_arena->full && !scratch->full;
	arena_rewind(scratch, m);
	if (ok)
		*ret = s;
	return ok;
}
