/* cmd_fetch.c — FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 3516, 7162, 8474, 8514, 8970, 9394).
 *
 * Letters go in batches: what is not known of them yet is learned for the batch, then each is
 * printed from memory and the cache; its file is opened only for its octets.  Other sessions run between
 * batches, so a letter is looked up anew each time. */
#include "role/mailbox/cmd_fetch.h"
#include "role/mailbox/fetch_letter.h"
#include "role/mailbox/imap_cmds.h"
#include "role/mailbox/imap_updates.h"
#include "role/mailbox/summaries.h"
#include "role/mailbox/vanished.h"

#include "base/memory.h"
#include "fiber/fiber.h"
#include "wire/imap_print.h"

/* Items that are said as they are kept. */
static const struct kept_item {
	unsigned item;
	enum summary_kind kind;
	struct str name;
} kept_items[] = {
	{ FETCH_ENVELOPE, KEPT_ENVELOPE, S(" ENVELOPE ") },
	{ FETCH_BODY, KEPT_BODY, S(" BODY ") },
	{ FETCH_BODYSTRUCTURE, KEPT_BODYSTRUCTURE, S(" BODYSTRUCTURE ") },
	{ FETCH_PREVIEW, KEPT_PREVIEW, S(" PREVIEW ") },
};

/* Summaries of a batch are read while the one before it is printed. */
struct ahead {
	struct box *box;
	unsigned kinds;
	const uint32_t *uids;
	size_t n;
	struct arena a;
	struct summaries got;
	bool ok;
	struct err e;
};

struct fetch {
	struct imap_session *s;
	const struct imap_fetch *f;
	struct fetch_reader reader;
	const uint32_t *uids;            /* of the batch */
	size_t n;
	unsigned kinds;                  /* that are read for it */
	struct ahead ahead[2];           /* of this batch and of the next */
	const struct summaries *got;     /* of this one */
	size_t place;                    /* in the view: behind the letter before */
	bool marks_seen;
	bool has_gone;                   /* some letter was no longer there */
	enum fetch_result worst;
};

static void fetch_end(struct fetch *x)
{
	fetch_reader_end(&x->reader);
	arena_end(&x->ahead[0].a);
	arena_end(&x->ahead[1].a);
}

/* -- one letter ------------------------------------------------------------ */

static void add_kept(struct buf *b, unsigned items, const struct summaries *got, size_t i)
{
	for (size_t k = 0; k < ARRAY_LEN(kept_items); k++)
		if (items & kept_items[k].item) {
			buf_add(b, kept_items[k].name);
			buf_add(b, got->kept[kept_items[k].kind][i]);
		}
}

/* Something that is asked for could not be read: it is gone. */
static bool lacks_kept(unsigned items, const struct summaries *got, size_t i)
{
	for (size_t k = 0; k < ARRAY_LEN(kept_items); k++)
		if (items & kept_items[k].item && !got->kept[kept_items[k].kind][i].n)
			return true;
	return false;
}

static void add_number(struct buf *b, struct str what, uint64_t n, struct str behind)
{
	buf_add(b, what);
	buf_add_u64(b, n);
	buf_add(b, behind);
}

static void add_items(struct fetch *x, struct buf *b, const struct letter *l, unsigned items)
{
	if (items & FETCH_UID)
		add_number(b, S(" UID "), l->uid, S(""));
	if (items & FETCH_MODSEQ)
		add_number(b, S(" MODSEQ ("), l->modseq, S(")"));
	if (items & FETCH_FLAGS) {
		buf_add(b, S(" FLAGS "));
		add_flags(x->s, b, l);
	}
	if (items & FETCH_INTERNALDATE) {
		buf_add(b, S(" INTERNALDATE "));
		imap_add_date_time(b, l->date, 0);
	}
	if (items & FETCH_SIZE)
		add_number(b, S(" RFC822.SIZE "), l->vsize, S(""));
	if (items & FETCH_EMAILID) {
		struct email_id id = box_email_id(x->s->sel.box, l);

		buf_add(b, S(" EMAILID ("));
		buf_add(b, str_from_z(id.z));
		buf_add_char(b, ')');
	}
	if (items & FETCH_THREADID)      /* RFC 8474 §5.3: we keep none */
		buf_add(b, S(" THREADID NIL"));
	if (items & FETCH_SAVEDATE) {
		buf_add(b, S(" SAVEDATE "));
		imap_add_date_time(b, l->saved, 0);
	}
}

/* Letters come in the order of the view. */
static uint32_t seq_of(struct fetch *x, uint32_t uid)
{
	const struct view *v = &x->s->sel.view;
	uint32_t seq = x->place < v->n && v->uids[x->place] == uid ? (uint32_t)x->place + 1 : view_seq(v, uid);

	x->place = seq;
	return seq;
}

/* Half an answer: what is not sent yet of it is taken back, behind what is nothing more can be said. */
static void take_back(struct imap_session *s, uint64_t n_sent, size_t start)
{
	if (s->n_sent == n_sent)
		s->out.n = start;
	else
		s->io.is_broken = true;
}

/* "* 3 FETCH" and its items; what cannot be read is taken back. */
SUSPENDS static bool fetch_one(struct fetch *x, size_t i, bool was_seen_now, struct err *e)
{
	struct imap_session *s = x->s;
	struct buf *b = &s->out;
	unsigned items = x->f->items;
	size_t start = b->n, open;
	uint64_t n_sent = s->n_sent;
	unsigned denials = memory_denials();
	bool is_begun;
	const struct letter *l;
	enum fetch_result result = FETCHED;

	if (x->got->kept[KEPT_HEADER] && x->got->kept[KEPT_HEADER][i].n > KEPT_TOO_LONG.n)
		fetch_take(&x->reader, x->got->kept[KEPT_HEADER][i]);
	else if (x->f->n_sections)
		result = fetch_read(&x->reader, s->sel.box, x->uids[i], fetch_needs_body(x->f));
	if (x->f->n_sections && result == FETCHED)
		result = fetch_sections_begin(&x->reader, x->f);
	l = box_find(s->sel.box, x->uids[i]);
	if (!l || result == FETCH_GONE || lacks_kept(items, x->got, i)) {
		x->has_gone = true;
		return true;
	}
	if (result == FETCH_UNREADABLE && memory_denials() != denials)
		return fail(e, FAULT_TEMP, "no memory for a letter");
	if (result != FETCHED) {
		x->worst = result;
		return true;
	}
	if (was_seen_now)
		items |= FETCH_FLAGS | (s->enabled & ENABLE_CONDSTORE ? FETCH_MODSEQ : 0) |
			 (s->enabled & (ENABLE_QRESYNC | ENABLE_REV2) ? FETCH_UID : 0);
	imap_add_untagged(b, seq_of(x, l->uid));
	buf_add(b, S("FETCH "));
	open = b->n;             /* each item puts a blank before itself; the first becomes "(" */
	add_items(x, b, l, items);
	add_kept(b, items, x->got, i);
	is_begun = b->n > open;
	if (is_begun)
		b->p[open] = '(';
	if (x->f->n_sections && !fetch_sections_send(&x->reader, x->f, is_begun ? ' ' : '(', s, e)) {
		take_back(s, n_sent, start);
		return false;
	}
	buf_add(b, S(")\r\n"));
	return true;
}

/* -- a batch --------------------------------------------------------------- */

static unsigned known_of(unsigned items)
{
	return (items & FETCH_INTERNALDATE ? KNOWN_DATE : 0) | (items & FETCH_SIZE ? KNOWN_VSIZE : 0) |
	       (items & FETCH_SAVEDATE ? KNOWN_SAVED : 0);
}

/* RFC 9051 §6.4.5: \Seen where a body is asked for, and the answer says so.  *ret_seen has a bit per
 * letter. */
SUSPENDS static bool mark_seen(struct fetch *x, bool *ret_seen, struct err *e)
{
	const struct flags_change change = { .how = FLAGS_ADD, .flags = LETTER_SEEN };
	uint32_t uids[SUMMARIES_AT_ONCE];
	size_t n = 0;

	for (size_t i = 0; i < x->n; i++) {
		const struct letter *l = box_find(x->s->sel.box, x->uids[i]);

		ret_seen[i] = l && !(l->flags & LETTER_SEEN);
		if (ret_seen[i])
			uids[n++] = x->uids[i];
	}
	return !n || (box_store(x->s->sel.box, uids, n, &change, &x->s->by, NULL, NULL, e) &&
		      view_follow(&x->s->sel.view, &x->s->by, e));
}

static unsigned kinds_of(const struct imap_fetch *f)
{
	unsigned kinds = fetch_fits_kept_header(f) ? KEPT(HEADER) : 0;

	for (size_t k = 0; k < ARRAY_LEN(kept_items); k++)
		if (f->items & kept_items[k].item)
			kinds |= 1u << kept_items[k].kind;
	return kinds;
}

SUSPENDS static bool fetch_batch(struct fetch *x, struct err *e)
{
	struct box *box = x->s->sel.box;
	bool seen[SUMMARIES_AT_ONCE] = { false };
	unsigned known = known_of(x->f->items);

	if (known && !box_learn(box, x->uids, x->n, known, e))
		return false;
	if (x->marks_seen && !mark_seen(x, seen, e))
		return false;
	for (size_t i = 0; i < x->n; i++) {
		if (!fetch_one(x, i, seen[i], e) || !out_breathe(x->s, e))
			return false;
	}
	return true;
}

SUSPENDS static void ahead_fiber(void *arg)
{
	struct ahead *h = arg;

	h->ok = summaries_get(h->box, h->kinds, h->uids, h->n, &h->a, &h->got, &h->e);
}

/* The batch at the front of these. */
static void ahead_set(const struct fetch *x, struct ahead *h, const uint32_t *uids, size_t n)
{
	arena_rewind(&h->a, (struct arena_mark){ 0 });
	*h = (struct ahead){ .box = x->s->sel.box, .kinds = x->kinds, .uids = uids,
			     .n = n < SUMMARIES_AT_ONCE ? n : SUMMARIES_AT_ONCE, .a = h->a, .ok = true };
}

/* When this comes back the next batch is there, too. */
SUSPENDS static bool fetch_and_read_ahead(struct fetch *x, struct ahead *next, const uint32_t *uids, size_t n,
					  struct err *e)
{
	AUTO(nursery_end) struct nursery kids = { 0 };

	ahead_set(x, next, uids, n);
	if (next->n && next->kinds && !fiber_start(&kids, "ahead", ahead_fiber, next))
		ahead_fiber(next);
	return fetch_batch(x, e) && nursery_join(&kids, e);
}

SUSPENDS static bool fetch_all(struct fetch *x, const uint32_t *uids, size_t n, struct err *e)
{
	struct ahead *now = &x->ahead[0], *next = &x->ahead[1];

	ahead_set(x, now, uids, n);
	if (now->n && now->kinds)
		ahead_fiber(now);
	while (now->n) {
		struct ahead *was = now;

		if (!now->ok) {
			*e = now->e;
			return false;
		}
		x->uids = now->uids;
		x->n = now->n;
		x->got = &now->got;
		uids += now->n;
		n -= now->n;
		if (!fetch_and_read_ahead(x, next, uids, n, e))
			return false;
		now = next;
		next = was;
	}
	return true;
}

static struct fetch fetch_begin(struct imap_session *s, const struct imap_fetch *f)
{
	return (struct fetch){ .s = s, .f = f, .kinds = kinds_of(f), .reader = fetch_reader_begin(f),
			       .ahead = { { .a = { .limit = IMAP_ARENA_MAX } },
					  { .a = { .limit = IMAP_ARENA_MAX } } } };
}

SUSPENDS bool fetch_tell(struct imap_session *s, const struct imap_fetch *f, const uint32_t *uids, size_t n,
			 struct err *e)
{
	AUTO(fetch_end) struct fetch x = fetch_begin(s, f);

	return fetch_all(&x, uids, n, e);
}

/* -- the command ----------------------------------------------------------- */

/* Only so many from either end (RFC 9394 §3.3). */
static size_t keep_partial(const struct imap_partial *p, uint32_t *uids, size_t n)
{
	size_t first = p->first - 1 < n ? p->first - 1 : n, last = p->last < n ? p->last : n;

	memmove(uids, uids + (p->is_from_end ? n - last : first), (last - first) * sizeof(*uids));
	return last - first;
}

/* Only those that changed (RFC 7162 §3.1.4.1). */
static size_t keep_changed(const struct imap_session *s, uint64_t since, uint32_t *uids, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct letter *l = box_find(s->sel.box, uids[i]);

		if (l && l->modseq > since)
			uids[kept++] = uids[i];
	}
	return kept;
}

static struct imap_reply result_of(const struct fetch *x)
{
	if (x->worst == FETCH_UNKNOWN_CTE)
		return reply_of(IMAP_REPLY_UNKNOWN_CTE);
	if (x->worst == FETCH_UNREADABLE)
		return reply_of(IMAP_REPLY_CORRUPTION);
	return reply_of(x->has_gone && !x->s->c.is_uid ? IMAP_REPLY_ALL_GONE : IMAP_REPLY_DONE);
}

/* VANISHED asks for the UIDs of the set that are no more; false: *ret is the reply. */
static bool tell_vanished(struct imap_session *s, struct imap_reply *ret, struct err *e)
{
	const struct imap_fetch *f = &s->c.fetch;
	bool ok = s->enabled & ENABLE_QRESYNC && s->c.is_uid;

	if (!ok)
		*ret = (struct imap_reply){ .id = IMAP_REPLY_WRONG_STATE, .text = S("ENABLE QRESYNC first") };
	else if (!vanished_add(s, &f->set, f->changedsince, e))
		*ret = reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	else
		return true;
	return false;
}

SUSPENDS struct imap_reply imap_cmd_fetch(struct imap_session *s, struct err *e)
{
	AUTO(fetch_end) struct fetch x = fetch_begin(s, &s->c.fetch);
	struct imap_reply r;
	uint32_t *uids;
	size_t n;

	if (s->c.fetch.has_changedsince || s->c.fetch.items & FETCH_MODSEQ)
		use_condstore(s);
	if (!uids_of_set(s, &s->c.fetch.set, s->c.is_uid, &uids, &n, &r))
		return r;
	if (x.f->vanished && !tell_vanished(s, &r, e))
		return r;
	if (x.f->has_partial)
		n = keep_partial(&x.f->partial, uids, n);
	if (x.f->has_changedsince)
		n = keep_changed(s, x.f->changedsince, uids, n);
	x.marks_seen = !s->sel.is_read_only && imap_fetch_marks_seen(x.f);
	if (!fetch_all(&x, uids, n, e))
		return reply_of_err(s, e, IMAP_REPLY_EXPUNGED);
	return result_of(&x);
}
