/* cmd_list.c — LIST and LSUB (RFC 9051 §6.3.9, RFC 3501 §6.3.9, RFC 5258, 5819, 6154). */
#include "role/mailbox/cmd_list.h"

#include "role/mailbox/cmd_status.h"
#include "role/mailbox/imap_cmds.h"
#include "store/folder.h"
#include "wire/imap_list.h"
#include "wire/imap_print.h"
#include "wire/imap_utf7.h"

#define SEPARATOR '.'

enum { PATTERNS_AT_ONCE = 16 };          /* tried before others run: each may cost 100 us */

/* The folders, and for each whether it fits a pattern and what lies below. */
struct listing {
	struct folder_row *rows;
	size_t n;
	struct str *patterns;            /* with the reference before them */
	size_t n_patterns;
	size_t tried;                    /* since others ran */
};

SUSPENDS static void others_run(struct listing *l)
{
	l->tried += l->n_patterns;
	if (l->tried < PATTERNS_AT_ONCE)
		return;
	l->tried = 0;
	breathe();
}

static bool is_below(struct str name, struct str above)
{
	if (!above.n)
		return str_starts_nocase(name, S("INBOX."));
	return name.n > above.n && str_starts(name, above) && name.p[above.n] == SEPARATOR;
}

/* A name that is only subscribed is nobody's child. */
static void mark_children(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct folder_row *r = &l->rows[i];

		r->has_children = false;
		for (size_t k = i + 1; k < l->n && !r->has_children; k++) {
			bool below = is_below(l->rows[k].name, r->name);

			if (!below && r->name.n)
				break;           /* rows are sorted; those below INBOX may be anywhere */
			r->has_children = below && l->rows[k].exists;
		}
	}
}

SUSPENDS static bool listing_make(struct imap_session *s, struct listing *l, struct err *e)
{
	const struct imap_list *q = &s->c.list;

	l->n_patterns = q->n_patterns;
	l->patterns = ARENA_ARRAY(s->a, struct str, q->n_patterns + 1);
	for (size_t i = 0; l->patterns && i < q->n_patterns; i++)
		l->patterns[i] = arena_printf(s->a, STR_FMT STR_FMT, STR_ARG(q->reference), STR_ARG(q->patterns[i]));
	if (!l->patterns || s->a->full)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!folder_list(s->store, s->a, &l->rows, &l->n, e))
		return false;
	mark_children(l);
	return true;
}

static bool row_fits(struct imap_session *s, const struct listing *l, const struct folder_row *r)
{
	struct arena_mark mark = arena_mark(s->a);
	struct str name = r->name;
	bool fits = false;

	if (!name.n)
		name = S("INBOX");
	else if (!imap_utf7_decode(r->name, s->a, &name))
		name = r->name;
	for (size_t i = 0; i < l->n_patterns && !fits; i++)
		fits = imap_list_fits(l->patterns[i], name, SEPARATOR, !r->name.n);
	arena_rewind(s->a, mark);
	return fits;
}

static bool row_is_chosen(const struct folder_row *r, unsigned flags)
{
	if (flags & LIST_SELECT_SUBSCRIBED && !r->is_subscribed)
		return false;
	if (flags & LIST_SELECT_SPECIAL_USE && r->use == FOLDER_PLAIN)
		return false;
	/* what is only subscribed and was never there */
	return flags & LIST_SELECT_SUBSCRIBED || r->exists || r->has_children;
}

/* Is a folder below it chosen?  Rows are sorted: those below follow; of INBOX they may be anywhere. */
static bool chosen_below(const struct listing *l, size_t i, unsigned flags)
{
	struct str above = l->rows[i].name;

	for (size_t k = i + 1; k < l->n; k++) {
		if (is_below(l->rows[k].name, above)) {
			if (row_is_chosen(&l->rows[k], flags))
				return true;
		} else if (above.n) {
			return false;
		}
	}
	return false;
}

static void add_attributes(struct buf *b, const struct imap_list *q, bool is_rev2, const struct folder_row *r)
{
	size_t from = b->n;

	if (!r->exists)
		buf_add(b, q->is_extended || is_rev2 ? S("\\NonExistent ") : S("\\Noselect "));
	if (!q->is_extended || q->flags & LIST_RETURN_CHILDREN)
		buf_add(b, r->has_children ? S("\\HasChildren ") : S("\\HasNoChildren "));
	if (r->is_subscribed && q->flags & (LIST_RETURN_SUBSCRIBED | LIST_SELECT_SUBSCRIBED))
		buf_add(b, S("\\Subscribed "));
	if (r->use && (!q->is_extended || q->flags & (LIST_RETURN_SPECIAL_USE | LIST_SELECT_SPECIAL_USE))) {
		buf_add(b, folder_use_name(r->use));
		buf_add_char(b, ' ');
	}
	if (b->n > from)
		b->n--;
}

/* "* LIST (…) "." name", without its end */
static void add_row(struct imap_session *s, const struct imap_list *q, const struct folder_row *r)
{
	struct buf *b = &s->out;

	buf_add(b, S("* LIST ("));
	add_attributes(b, q, s->enabled & ENABLE_REV2, r);
	buf_add(b, S(") \".\" "));
	add_folder_name(s, b, r->name);
}

/* RFC 5258 §6: the criteria that something below it fulfils */
static void add_child_info(struct buf *b, unsigned flags)
{
	buf_add(b, S(" (\"CHILDINFO\" ("));
	if (flags & LIST_SELECT_SUBSCRIBED)
		buf_add(b, S("\"SUBSCRIBED\""));
	if (flags & LIST_SELECT_SPECIAL_USE)
		buf_add(b, flags & LIST_SELECT_SUBSCRIBED ? S(" \"SPECIAL-USE\"") : S("\"SPECIAL-USE\""));
	buf_add(b, S("))"));
}

SUSPENDS bool list_folder(struct imap_session *s, struct str folder, struct str old_name, struct err *e)
{
	static const struct imap_list q = {
		.is_extended = true,
		.flags = LIST_RETURN_CHILDREN | LIST_RETURN_SUBSCRIBED | LIST_RETURN_SPECIAL_USE,
	};
	struct listing l = { 0 };

	if (!folder_list(s->store, s->a, &l.rows, &l.n, e))
		return false;
	mark_children(&l);
	for (size_t i = 0; i < l.n; i++) {
		if (!str_eq(l.rows[i].name, folder))
			continue;
		add_row(s, &q, &l.rows[i]);
		if (old_name.n) {
			buf_add(&s->out, S(" (\"OLDNAME\" ("));
			imap_add_astring(&s->out, old_name);
			buf_add(&s->out, S("))"));
		}
		buf_add(&s->out, S("\r\n"));
	}
	return true;
}

SUSPENDS static bool list_row(struct imap_session *s, const struct listing *l, size_t i, struct err *e)
{
	const struct imap_list *q = &s->c.list;
	const struct folder_row *r = &l->rows[i];
	struct err why = { 0 };
	bool below = q->flags & LIST_SELECT_RECURSIVE && chosen_below(l, i, q->flags);

	if ((!row_is_chosen(r, q->flags) && !below) || !row_fits(s, l, r))
		return true;
	add_row(s, q, r);
	if (below)
		add_child_info(&s->out, q->flags);
	buf_add(&s->out, S("\r\n"));
	/* RFC 5819 §2: without a STATUS if it cannot be had */
	if (q->flags & LIST_RETURN_STATUS && r->exists && !add_status(s, r->name, q->status, &why) &&
	    (why.fault == FAULT_CANCEL || s->io.is_broken)) {
		*e = why;
		return false;
	}
	return out_breathe(s, e);
}

SUSPENDS struct imap_reply imap_cmd_list(struct imap_session *s, struct err *e)
{
	const struct imap_list *q = &s->c.list;
	struct listing l = { 0 };

	/* RFC 9051 §6.3.9: an empty pattern asks for the separator */
	if (!q->is_extended && q->n_patterns == 1 && !q->patterns[0].n) {
		buf_add(&s->out, S("* LIST (\\Noselect) \".\" \"\"\r\n"));
		return reply_of(IMAP_REPLY_DONE);
	}
	if (q->flags & LIST_RETURN_STATUS && q->status & STATUS_HIGHESTMODSEQ)
		use_condstore(s);
	if (!listing_make(s, &l, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	for (size_t i = 0; i < l.n; i++) {
		if (!list_row(s, &l, i, e))
			return reply_broken();
		others_run(&l);
	}
	return reply_of(IMAP_REPLY_DONE);
}

/* RFC 3501 §6.3.9: a name that is not subscribed but has subscribed ones below it stands for them, with
 * \Noselect, where "%" ends the pattern. */
SUSPENDS struct imap_reply imap_cmd_lsub(struct imap_session *s, struct err *e)
{
	struct listing l = { 0 };
	bool wants_parents = str_ends(s->c.list.patterns[0], S("%"));

	if (!listing_make(s, &l, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	for (size_t i = 0; i < l.n; i++) {
		const struct folder_row *r = &l.rows[i];

		others_run(&l);
		if ((!r->is_subscribed && !(wants_parents && chosen_below(&l, i, LIST_SELECT_SUBSCRIBED))) ||
		    !row_fits(s, &l, r))
			continue;
		buf_add(&s->out, r->is_subscribed ? S("* LSUB () \".\" ") : S("* LSUB (\\Noselect) \".\" "));
		add_folder_name(s, &s->out, r->name);
		buf_add(&s->out, S("\r\n"));
		if (!out_breathe(s, e))
			return reply_broken();
	}
	return reply_of(IMAP_REPLY_DONE);
}
