/* search_answer.c — tells what was found; see search_answer.h. */
#include "role/mailbox/search_answer.h"

#include "wire/imap_print.h"

#include <stdlib.h>

enum { NUMBERS_AT_ONCE = 4096 };

static uint32_t number_of(const struct imap_session *s, uint32_t place)
{
	return s->c.is_uid ? s->sel.view.uids[place] : place + 1;
}

bool search_begin(struct imap_session *s, struct imap_reply *ret_why)
{
	if (!s->c.search.charset_is_known) {
		*ret_why = reply_of(IMAP_REPLY_BAD_CHARSET);
		return false;
	}
	/* RFC 6855 §3: there is only one left */
	if (s->c.verb == IMAP_SEARCH && s->c.search.charset.n && s->enabled & ENABLE_UTF8 && !(s->enabled & ENABLE_REV2)) {
		*ret_why = (struct imap_reply){ .id = IMAP_REPLY_SYNTAX, .text = S("no CHARSET with UTF8=ACCEPT") };
		return false;
	}
	if (s->c.search.has_modseq)
		use_condstore(s);
	return true;
}

/* ---- which of them ---- */

/* [*from, *to) is what PARTIAL names. */
static void partial_range(const struct imap_partial *p, size_t n, size_t *from, size_t *to)
{
	size_t first = p->first - 1 < n ? p->first - 1 : n, last = p->last < n ? p->last : n;

	*from = p->is_from_end ? n - last : first;
	*to = p->is_from_end ? n - first : last;
}

/* Does it belong to what is saved (RFC 5182 §2.4, RFC 9394 §3.2) and whose MODSEQ counts (RFC 4731 §3.2)?  With MIN, MAX or
 * PARTIAL, and neither ALL nor COUNT, only those. */
static bool is_named(const struct imap_session *s, const struct found *f, size_t i)
{
	unsigned returns = s->c.search.returns;
	size_t from = 0, to = 0;

	if (!(returns & (SEARCH_RETURN_MIN | SEARCH_RETURN_MAX | SEARCH_RETURN_PARTIAL)) ||
	    returns & (SEARCH_RETURN_ALL | SEARCH_RETURN_COUNT))
		return true;
	if (returns & SEARCH_RETURN_PARTIAL)
		partial_range(&s->c.search.partial, f->n, &from, &to);
	return (i >= from && i < to) || (i == 0 && returns & SEARCH_RETURN_MIN) ||
	       (i + 1 == f->n && returns & SEARCH_RETURN_MAX);
}

/* ---- "$" ---- */

void search_forget(struct imap_session *s)
{
	if (!(s->c.search.returns & SEARCH_RETURN_SAVE))
		return;
	free(s->saved.uids);
	s->saved = (struct imap_saved){ 0 };
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool save(struct imap_session *s, const struct found *f)
{
	uint32_t *uids = reallocarray(NULL, f->n + 1, sizeof(*uids));
	size_t n = 0;

	if (!uids)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (is_named(s, f, i))
			uids[n++] = s->sel.view.uids[f->places[i]];
	if (f->is_sorted)
		qsort(uids, n, sizeof(*uids), by_uid);
	free(s->saved.uids);
	s->saved = (struct imap_saved){ .uids = uids, .n = n };
	return true;
}

/* ---- MODSEQ ---- */

static uint64_t modseq_at(const struct imap_session *s, uint32_t place)
{
	const struct letter *l = box_find(s->sel.box, s->sel.view.uids[place]);

	return l ? l->modseq : 0;
}

/* RFC 7162 §3.1.10: of all that are told. */
static uint64_t modseq_of(const struct imap_session *s, const struct found *f)
{
	uint64_t most = 0;

	for (size_t i = 0; i < f->n; i++) {
		uint64_t m = is_named(s, f, i) ? modseq_at(s, f->places[i]) : 0;

		most = m > most ? m : most;
	}
	return most;
}

/* ---- words ---- */

SUSPENDS static bool plain_answer(struct imap_session *s, const struct found *f, struct err *e)
{
	buf_add(&s->out, f->is_sorted ? S("* SORT") : S("* SEARCH"));
	for (size_t i = 0; i < f->n; i++) {
		buf_add_char(&s->out, ' ');
		buf_add_u64(&s->out, number_of(s, f->places[i]));
		if (i % NUMBERS_AT_ONCE == NUMBERS_AT_ONCE - 1 && !out_breathe(s, e))
			return false;
	}
	if (s->c.search.has_modseq && f->n)
		buf_addf(&s->out, " (MODSEQ %llu)", (unsigned long long)modseq_of(s, f));
	buf_add(&s->out, S("\r\n"));
	return out_breathe(s, e);
}

/* A set; of a sorted result in its order: ranges go upwards only (RFC 5267 §3.2). */
static void add_set(struct imap_session *s, const struct found *f, size_t from, size_t to)
{
	struct seq_print print = { .b = &s->out };

	for (size_t i = from; i < to; i++)
		seq_print(&print, number_of(s, f->places[i]));
	seq_print_end(&print);
}

static void add_partial(struct imap_session *s, const struct found *f)
{
	const struct imap_partial *p = &s->c.search.partial;
	size_t from, to;

	partial_range(p, f->n, &from, &to);
	buf_addf(&s->out, p->is_from_end ? " PARTIAL (-%u:-%u " : " PARTIAL (%u:%u ", p->first, p->last);
	if (from < to)
		add_set(s, f, from, to);
	else
		buf_add(&s->out, S("NIL"));
	buf_add_char(&s->out, ')');
}

SUSPENDS static bool extended_answer(struct imap_session *s, const struct found *f, struct err *e)
{
	unsigned returns = s->c.search.returns ? s->c.search.returns : SEARCH_RETURN_ALL;

	if (returns == SEARCH_RETURN_SAVE)
		return true;
	buf_add(&s->out, S("* ESEARCH (TAG "));
	imap_add_string(&s->out, s->c.tag);
	buf_add_char(&s->out, ')');
	if (s->c.is_uid)
		buf_add(&s->out, S(" UID"));
	if (f->n && returns & SEARCH_RETURN_MIN)
		buf_addf(&s->out, " MIN %u", number_of(s, f->places[0]));
	if (f->n && returns & SEARCH_RETURN_MAX)
		buf_addf(&s->out, " MAX %u", number_of(s, f->places[f->n - 1]));
	if (f->n && returns & SEARCH_RETURN_ALL) {
		buf_add(&s->out, S(" ALL "));
		add_set(s, f, 0, f->n);
	}
	if (returns & SEARCH_RETURN_COUNT)
		buf_addf(&s->out, " COUNT %zu", f->n);
	if (returns & SEARCH_RETURN_PARTIAL)
		add_partial(s, f);
	if (s->c.search.has_modseq && f->n)
		buf_addf(&s->out, " MODSEQ %llu", (unsigned long long)modseq_of(s, f));
	buf_add(&s->out, S("\r\n"));
	return out_breathe(s, e);
}

SUSPENDS bool search_answer(struct imap_session *s, const struct found *f, struct err *e)
{
	/* RFC 9051 §6.4.4: IMAP4rev2 knows ESEARCH only */
	bool is_extended = s->c.search.has_return || (s->enabled & ENABLE_REV2 && !f->is_sorted);

	if (s->c.search.returns & SEARCH_RETURN_SAVE && !save(s, f))
		return fail(e, FAULT_TEMP, "out of memory");
	return is_extended ? extended_answer(s, f, e) : plain_answer(s, f, e);
}
