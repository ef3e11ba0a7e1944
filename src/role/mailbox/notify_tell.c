/* notify_tell.c — news of other folders as STATUS, LIST and METADATA (RFC 5465 §5); see notify.h. */
#include "role/mailbox/notify_inside.h"

#include "store/folder.h"
#include "wire/imap_print.h"

#include <stdlib.h>

static void told_forget(struct notify *n, struct str folder)
{
	free(map_remove(&n->told, folder));
}

/* ---- letters ---- */

static void add_numbers(struct imap_session *s, struct str folder, unsigned items, const struct told *t)
{
	const struct { unsigned item; const char *name; uint64_t value; } all[] = {
		{ STATUS_MESSAGES, "MESSAGES", t->messages },       { STATUS_UIDNEXT, "UIDNEXT", t->uidnext },
		{ STATUS_UIDVALIDITY, "UIDVALIDITY", t->uidvalidity }, { STATUS_UNSEEN, "UNSEEN", t->unseen },
		{ STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ", t->modseq },
	};
	const char *between = "";

	buf_add(&s->out, S("* STATUS "));
	add_folder_name(s, &s->out, folder);
	buf_add(&s->out, S(" ("));
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (items & all[i].item) {
			buf_addf(&s->out, "%s%s %llu", between, all[i].name, (unsigned long long)all[i].value);
			between = " ";
		}
	buf_add(&s->out, S(")\r\n"));
}

/* What is there now; *ret_was is what was known, NULL: nothing.  False: there is no such folder. */
SUSPENDS static bool look(struct imap_session *s, struct str folder, struct told *ret, struct told *ret_was,
			  bool *ret_had, struct err *e)
{
	struct box_status st;
	struct told *t;

	if (!box_status(s->store, folder, &st, e))
		return false;
	*ret = (struct told){ st.messages, st.unseen, st.uidnext, st.uidvalidity, st.modseq };
	t = map_get(&s->notify->told, folder);
	*ret_had = t;
	*ret_was = t ? *t : *ret;
	if (!t) {
		t = calloc(1, sizeof(*t));
		must(t, "out of memory for a folder");
		map_put(&s->notify->told, folder, t);
	}
	*t = *ret;
	return true;
}

SUSPENDS bool notify_status(struct imap_session *s, struct str folder, unsigned events, struct err *e)
{
	struct told now, was;
	bool had;

	if (!look(s, folder, &now, &was, &had, e))
		return false;
	add_numbers(s, folder, (events & NOTIFY_MESSAGE_NEW ? STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY : 0) |
			       (events & NOTIFY_FLAG_CHANGE ? STATUS_UIDVALIDITY | STATUS_HIGHESTMODSEQ : 0), &now);
	return true;
}

/* RFC 5465 §5.1 – §5.3 */
static unsigned items_of(const struct imap_session *s, const struct told *now, const struct told *was, bool had,
			 unsigned events)
{
	bool has_modseq = s->enabled & ENABLE_CONDSTORE;
	unsigned items = 0;

	if (!had || now->messages != was->messages || now->uidnext != was->uidnext ||
	    now->uidvalidity != was->uidvalidity)
		items = STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY;
	if (events & NOTIFY_FLAG_CHANGE && (!had || now->unseen != was->unseen))
		items |= STATUS_UNSEEN | STATUS_UIDVALIDITY;
	if (has_modseq && (items || (events & NOTIFY_FLAG_CHANGE && now->modseq != was->modseq)))
		items |= STATUS_HIGHESTMODSEQ | STATUS_UIDVALIDITY;
	return items;
}

SUSPENDS static bool tell_letters(struct imap_session *s, const struct notice *x, struct err *e)
{
	unsigned events = notify_events(s, x->folder) & NOTIFY_OF_MESSAGES, items;
	struct err why = { 0 };
	struct told now, was;
	bool had;

	if (s->sel.box && str_eq(box_folder(s->sel.box), x->folder)) {
		told_forget(s->notify, x->folder);
		return true;
	}
	if (!events)
		return true;
	if (!look(s, x->folder, &now, &was, &had, &why)) {
		told_forget(s->notify, x->folder);
		*e = why;
		return why.fault != FAULT_CANCEL;        /* it is gone, or cannot be read now */
	}
	items = items_of(s, &now, &was, had, events);
	if (items && x->by != &s->by)
		add_numbers(s, x->folder, items, &now);
	return true;
}

/* ---- names ---- */

static const struct folder_row *row_find(const struct folder_row *rows, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(rows[i].name, name))
			return &rows[i];
	return NULL;
}

/* `r` is NULL: nothing of that name is left. */
static void add_list(struct imap_session *s, struct str folder, const struct folder_row *r, const struct str *old)
{
	struct buf *b = &s->out;
	size_t from;

	buf_add(b, S("* LIST ("));
	from = b->n;
	if (!r || !r->exists)
		buf_add(b, S("\\NonExistent "));
	if (r)
		buf_add(b, r->has_children ? S("\\HasChildren ") : S("\\HasNoChildren "));
	if (r && r->is_subscribed)
		buf_add(b, S("\\Subscribed "));
	if (r && r->use) {
		buf_add(b, folder_use_name(r->use));
		buf_add_char(b, ' ');
	}
	if (b->n > from)
		b->n--;
	buf_add(b, S(") \".\" "));
	add_folder_name(s, b, folder);
	if (old) {
		buf_add(b, S(" (\"OLDNAME\" ("));
		add_folder_name(s, b, *old);
		buf_add(b, S("))"));
	}
	buf_add(b, S("\r\n"));
}

SUSPENDS static bool tell_name(struct imap_session *s, const struct notice *x, struct err *e)
{
	bool is_renamed = x->kind == NOTICE_RENAMED;
	unsigned event = x->kind == NOTICE_SUBSCRIPTION ? NOTIFY_SUBSCRIPTION_CHANGE : NOTIFY_MAILBOX_NAME;
	struct str above = str_head(x->folder, str_rfind(x->folder, '.'));
	bool is_told = (notify_events(s, x->folder) | (is_renamed ? notify_events(s, x->other) : 0)) & event;
	bool above_is_told = !is_renamed && event == NOTIFY_MAILBOX_NAME && above.n && above.n < x->folder.n &&
			     notify_events(s, above) & event;
	struct folder_row *rows;
	size_t n;

	if (!is_told && !above_is_told)
		return true;
	if (!folder_list(s->store, s->a, &rows, &n, e))
		return e->fault != FAULT_CANCEL;
	if (is_told)
		add_list(s, x->folder, row_find(rows, n, x->folder), is_renamed ? &x->other : NULL);
	if (above_is_told)
		add_list(s, above, row_find(rows, n, above), NULL);
	return true;
}

/* What was known of the folder goes along. */
static void told_rename(struct notify *n, struct str from, struct str to)
{
	struct told *t = map_remove(&n->told, from);

	told_forget(n, to);
	if (t)
		map_put(&n->told, to, t);
}

static void tell_metadata(struct imap_session *s, const struct notice *x)
{
	bool is_account = x->kind == NOTICE_ACCOUNT_METADATA;
	struct str rest = x->other;
	unsigned events = 0;

	if (!is_account)
		events = notify_events(s, x->folder) & NOTIFY_MAILBOX_METADATA;
	for (size_t i = 0; is_account && i < s->notify->c.notify.n; i++)
		events |= s->notify->c.notify.groups[i].events & NOTIFY_SERVER_METADATA;
	if (!events)
		return;
	buf_add(&s->out, S("* METADATA "));
	if (is_account)
		buf_add(&s->out, S("\"\""));
	else
		add_folder_name(s, &s->out, x->folder);
	while (rest.n) {
		buf_add_char(&s->out, ' ');
		imap_add_astring(&s->out, str_cut(rest, '\n', &rest));
	}
	buf_add(&s->out, S("\r\n"));
}

SUSPENDS bool notify_one(struct imap_session *s, const struct notice *x, struct err *e)
{
	bool is_own = x->by == &s->by;

	if (x->kind == NOTICE_RENAMED)
		told_rename(s->notify, x->other, x->folder);
	else if (x->kind == NOTICE_DELETED)
		told_forget(s->notify, x->folder);
	switch (x->kind) {
	case NOTICE_LETTERS:
		return tell_letters(s, x, e);
	case NOTICE_METADATA:
	case NOTICE_ACCOUNT_METADATA:
		if (!is_own)
			tell_metadata(s, x);
		return true;
	case NOTICE_CREATED:
	case NOTICE_DELETED:
	case NOTICE_RENAMED:
	case NOTICE_SUBSCRIPTION:
		break;
	}
	return is_own || tell_name(s, x, e);
}
