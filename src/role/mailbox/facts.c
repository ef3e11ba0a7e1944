/* facts.c — the facts of a folder's letters; see facts.h. */
#include "role/mailbox/facts.h"

#include "base/map.h"
#include "fiber/fiber.h"
#include "role/mailbox/summaries.h"
#include "wire/fold.h"

#include <stdlib.h>

enum { TEXT_MAX = 4096 };                /* octets of a folded text that count in an order */

struct facts {
	char id[33];                     /* MAILBOXID */
	uint32_t validity;
	unsigned users;
	uint64_t used;                   /* when, by `clock` */
	bool is_loading;
	struct wait loaded;
	struct arena a;                  /* rows and texts: nothing moves */
	struct facts_row **rows;         /* by UID */
	size_t n, cap;
	struct str *texts;               /* by hash; open addressing */
	size_t texts_n, texts_cap;
	uint32_t last;                   /* UID up to which the folder was read */
};

static struct facts *tables[FACTS_TABLES_MAX];
static uint64_t clock;

static void facts_free(struct facts *f)
{
	arena_end(&f->a);
	free(f->rows);
	free(f->texts);
	free(f);
}

void facts_close(struct facts **f)
{
	if (!*f)
		return;
	(*f)->users--;
	*f = NULL;
}

void facts_end(void)
{
	for (size_t i = 0; i < FACTS_TABLES_MAX; i++)
		if (tables[i] && !tables[i]->users) {
			facts_free(tables[i]);
			tables[i] = NULL;
		}
}

/* Index of the first row whose UID is not below. */
static size_t place_of(const struct facts *f, uint32_t uid)
{
	size_t from = 0, n = f->n;

	while (n) {
		size_t half = n / 2;

		if (f->rows[from + half]->uid < uid) {
			from += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return from;
}

const struct facts_row *facts_next(const struct facts *f, uint32_t uid, size_t *at)
{
	if (*at >= f->n || f->rows[*at]->uid != uid)
		*at = place_of(f, uid);
	return *at < f->n && f->rows[*at]->uid == uid ? f->rows[(*at)++] : NULL;
}

const struct facts_row *facts_find(const struct facts *f, uint32_t uid)
{
	return facts_next(f, uid, &(size_t){ f->n });
}

/* ---- equal texts ---- */

static bool texts_grow(struct facts *f)
{
	size_t cap = f->texts_cap ? f->texts_cap * 2 : 1024;
	struct str *was = f->texts, *now = calloc(cap, sizeof(*now));

	if (!now)
		return false;
	for (size_t i = 0; i < f->texts_cap; i++) {
		size_t at = (size_t)hash_keyed(was[i]) & (cap - 1);

		if (!was[i].n)
			continue;
		while (now[at].n)
			at = (at + 1) & (cap - 1);
		now[at] = was[i];
	}
	free(was);
	f->texts = now;
	f->texts_cap = cap;
	return true;
}

/* The text as it lies in the arena; people and subjects come again and again. */
static struct str text_keep(struct facts *f, struct str text)
{
	size_t at;

	if (!text.n)
		return text;
	if (f->texts_n * 2 >= f->texts_cap && !texts_grow(f))
		return arena_str(&f->a, text);
	at = (size_t)hash_keyed(text) & (f->texts_cap - 1);
	for (; f->texts[at].n; at = (at + 1) & (f->texts_cap - 1))
		if (str_eq(f->texts[at], text))
			return f->texts[at];
	f->texts[at] = arena_str(&f->a, text);
	f->texts_n++;
	return f->texts[at];
}

/* ---- one letter ---- */

static struct str fold(struct facts *f, struct str text, struct buf *room)
{
	buf_clear(room);
	fold_add(room, text);
	f->a.full |= room->full;         /* its limit is beyond all of a summary: there was no memory */
	return text_keep(f, buf_str(room));
}

static struct facts_row *row_make(struct facts *f, const struct letter *l, const struct letter_summary *s)
{
	AUTO(buf_end) struct buf room = buf_on_heap(SUMMARY_REFERENCES_MAX * FOLD_GROWTH_MAX * 1024);
	struct facts_row *r = ARENA_NEW(&f->a, struct facts_row);
	uint64_t *refs = ARENA_ARRAY(&f->a, uint64_t, s->n_references + 1);
	struct sort_letter *k;

	if (!r || !refs)
		return NULL;
	memcpy(refs, s->references, s->n_references * sizeof(*refs));
	*r = (struct facts_row){ .uid = l->uid, .is_known = true, .has_date = s->has_date,
				 .local_day = s->date.local_day, .subject = fold(f, s->subject, &room) };
	k = &r->sort;
	*k = (struct sort_letter){ .arrival = l->date, .sent = s->has_date ? s->date.utc : l->date,
				   .size = s->crlf_size > UINT32_MAX ? UINT32_MAX : (uint32_t)s->crlf_size,
				   .is_reply = s->is_reply, .n_references = (uint32_t)s->n_references,
				   .references = refs, .id = s->message_id_hash };
	k->texts[SORT_TEXT_SUBJECT] = fold(f, str_head(s->base_subject, TEXT_MAX), &room);
	k->texts[SORT_TEXT_FROM] = fold(f, str_head(s->from, TEXT_MAX), &room);
	k->texts[SORT_TEXT_TO] = fold(f, str_head(s->to, TEXT_MAX), &room);
	k->texts[SORT_TEXT_CC] = fold(f, str_head(s->cc, TEXT_MAX), &room);
	return f->a.full ? NULL : r;
}

static struct facts_row *row_unknown(struct facts *f, const struct letter *l)
{
	struct facts_row *r = ARENA_NEW(&f->a, struct facts_row);

	if (r)
		*r = (struct facts_row){ .uid = l->uid, .sort = { .arrival = l->date, .sent = l->date,
								   .size = l->vsize } };
	return r;
}

static bool row_add(struct facts *f, const struct letter *l, struct str summary, struct arena *a)
{
	struct letter_summary s;
	struct facts_row *r;

	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 1024;
		struct facts_row **more = reallocarray(f->rows, cap, sizeof(struct facts_row *));

		if (!more)
			return false;
		f->rows = more;
		f->cap = cap;
	}
	r = summary.n && summary_parse(summary, a, &s) ? row_make(f, l, &s) : row_unknown(f, l);
	if (r)
		f->rows[f->n++] = r;
	return r;
}

/* ---- all letters ---- */

/* The next of those that are not here yet; *ret_n is 0 at the end. */
SUSPENDS static bool load_some(struct facts *f, struct box *b, size_t *ret_n, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = FACTS_BYTES_MAX };
	uint32_t uids[SUMMARIES_AT_ONCE];
	struct summaries got;
	size_t from = box_find_from(b, f->last + 1), n = 0;

	for (; n < SUMMARIES_AT_ONCE && from + n < box_count(b); n++)
		uids[n] = box_letters(b)[from + n].uid;
	*ret_n = n;
	if (!n)
		return true;
	if (!box_learn(b, uids, n, KNOWN_DATE, e) || !summaries_get(b, KEPT(FACTS), uids, n, &a, &got, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct letter *l = box_find(b, uids[i]);

		if (l && !row_add(f, l, got.kept[KEPT_FACTS][i], &a)) {
			f->a.full = true;        /* half a batch is in: it is made anew */
			return fail(e, FAULT_TEMP, "no memory for the facts of all letters");
		}
	}
	f->last = uids[n - 1];
	return fiber_check(e);
}

SUSPENDS static bool load(struct facts *f, struct box *b, struct err *e)
{
	size_t n = 1;
	bool ok = true;

	while (f->is_loading)
		if (!wait_on(&f->loaded, "facts of a folder", e))
			return false;
	f->is_loading = true;
	while (ok && n)
		ok = load_some(f, b, &n, e);
	f->is_loading = false;
	wait_wake_all(&f->loaded);
	return ok;
}

/* Another folder of that name, or mostly letters that are gone, or not all of what was said of them. */
static bool is_stale(const struct facts *f, const struct box *b)
{
	return f->a.full || f->validity != box_uidvalidity(b) || f->n > 2 * box_count(b) + 1000;
}

/* Its place: where it is, a free one, or the one not used for longest. */
static size_t place_for(const struct box *b)
{
	size_t best = FACTS_TABLES_MAX;

	for (size_t i = 0; i < FACTS_TABLES_MAX; i++) {
		if (tables[i] && str_eq(str_from_z(tables[i]->id), box_id(b)) &&
		    (!is_stale(tables[i], b) || tables[i]->users))
			return i;
		if (tables[i] && tables[i]->users)
			continue;
		if (best == FACTS_TABLES_MAX || !tables[i] || (tables[best] && tables[i]->used < tables[best]->used))
			best = i;
	}
	return best;
}

static struct facts *table_for(const struct box *b)
{
	size_t i = place_for(b);
	struct str id = box_id(b);

	if (i == FACTS_TABLES_MAX)
		return NULL;
	if (tables[i] && str_eq(str_from_z(tables[i]->id), id) && tables[i]->validity == box_uidvalidity(b) &&
	    (tables[i]->users || !is_stale(tables[i], b)))
		return tables[i];
	if (tables[i] && tables[i]->users)
		return NULL;
	if (tables[i])
		facts_free(tables[i]);
	tables[i] = calloc(1, sizeof(*tables[i]));
	if (!tables[i])
		return NULL;
	tables[i]->a.limit = FACTS_BYTES_MAX;
	tables[i]->validity = box_uidvalidity(b);
	memcpy(tables[i]->id, id.p, id.n < sizeof(tables[i]->id) ? id.n : sizeof(tables[i]->id) - 1);
	return tables[i];
}

SUSPENDS bool facts_open(struct box *b, struct facts **ret, struct err *e)
{
	struct facts *f = table_for(b);

	if (!f)
		return fail(e, FAULT_TEMP, "too many folders are searched at once");
	f->users++;
	f->used = ++clock;
	if (!load(f, b, e)) {
		facts_close(&f);
		return false;
	}
	*ret = f;
	return true;
}
