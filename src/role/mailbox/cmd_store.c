/* cmd_store.c — STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3). */
#include "role/mailbox/imap_cmds.h"
#include "role/mailbox/imap_updates.h"

#include <errno.h>

/* Keywords as bits of the folder; one that is new is made, unless it is only to be removed. */
SUSPENDS static struct imap_reply keywords_of(struct imap_session *s, const struct imap_store *q, uint32_t *ret,
					      struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < q->flags.n; i++) {
		struct str name = q->flags.keywords[i];
		int found = box_keyword_find(s->sel.box, name);
		unsigned bit = (unsigned)found;

		if (found < 0 && q->how == IMAP_STORE_REMOVE)
			continue;
		if (found < 0 && !box_keyword_make(s->sel.box, name, &bit, e))
			return e->sys == ENOSPC ? reply_of(IMAP_REPLY_KEYWORD_LIMIT) :
						  reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
		*ret |= UINT32_C(1) << bit;
	}
	return reply_of(IMAP_REPLY_NONE);
}

/* Those that were not stored to, as the client names them. */
static struct str failed_set(struct imap_session *s, const uint32_t *failed, size_t n)
{
	AUTO(buf_end) struct buf b = buf_on_heap(IMAP_ARENA_MAX);
	struct seq_print print = { .b = &b };

	buf_add(&b, S("MODIFIED "));
	for (size_t i = 0; i < n; i++)
		seq_print(&print, s->c.is_uid ? failed[i] : view_seq(&s->sel.view, failed[i]));
	seq_print_end(&print);
	return b.full ? S("") : arena_str(s->a, buf_str(&b));
}

/* With .SILENT a session that follows MODSEQ learns that, and nothing else. */
static void add_modseq(struct imap_session *s, const struct letter *l)
{
	buf_addf(&s->out, "* %u FETCH (UID %u MODSEQ (%llu))\r\n", view_seq(&s->sel.view, l->uid), l->uid,
		 (unsigned long long)l->modseq);
}

SUSPENDS static bool tell_stored(struct imap_session *s, const uint32_t *uids, size_t n, const uint32_t *failed,
				 size_t n_failed, struct err *e)
{
	const struct imap_store *q = &s->c.store;

	if (q->silent && !(s->enabled & ENABLE_CONDSTORE))
		return true;
	for (size_t i = 0, f = 0; i < n; i++) {
		const struct letter *l = box_find(s->sel.box, uids[i]);

		if (f < n_failed && failed[f] == uids[i]) {
			f++;
			continue;
		}
		if (!l)
			continue;
		if (q->silent)
			add_modseq(s, l);
		else
			add_flags_answer(s, &s->out, view_seq(&s->sel.view, l->uid), l, false);
		if (!out_breathe(s, e))
			return false;
	}
	return true;
}

static bool some_gone(const struct imap_session *s, const uint32_t *uids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!box_find(s->sel.box, uids[i]))
			return true;
	return false;
}

/* The change, and its answers. */
SUSPENDS static struct imap_reply store(struct imap_session *s, const uint32_t *uids, size_t n,
					const struct flags_change *change, struct err *e)
{
	uint32_t *failed = ARENA_ARRAY(s->a, uint32_t, n ? n : 1);
	bool has_gone = some_gone(s, uids, n);
	size_t n_failed = 0;

	if (!failed)
		return reply_of(IMAP_REPLY_LIMIT);
	if (!box_store(s->sel.box, uids, n, change, &s->by, failed, &n_failed, e) ||
	    !view_follow(&s->sel.view, &s->by, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	tell_keywords(s);
	if (!tell_stored(s, uids, n, failed, n_failed, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	if (n_failed) {
		struct str code = failed_set(s, failed, n_failed);

		return code.n ? (struct imap_reply){ .id = IMAP_REPLY_DONE, .code = code } : reply_of(IMAP_REPLY_UNAVAILABLE);
	}
	/* RFC 2180 §4.2 */
	return reply_of(has_gone && !s->c.is_uid ? IMAP_REPLY_EXPUNGED : IMAP_REPLY_DONE);
}

SUSPENDS struct imap_reply imap_cmd_store(struct imap_session *s, struct err *e)
{
	static const enum flags_how hows[] = { [IMAP_STORE_SET] = FLAGS_SET, [IMAP_STORE_ADD] = FLAGS_ADD,
					       [IMAP_STORE_REMOVE] = FLAGS_REMOVE };
	struct imap_store *q = &s->c.store;
	struct flags_change change = { .how = hows[q->how], .flags = q->flags.system & LETTER_SYSTEM,
				       .has_unchanged_since = q->has_unchangedsince,
				       .unchanged_since = q->unchangedsince };
	struct imap_reply r;
	uint32_t *uids;
	size_t n;

	if (s->sel.is_read_only)
		return reply_of(IMAP_REPLY_NOT_WRITABLE);
	if (q->has_unchangedsince)
		use_condstore(s);
	if (!uids_of_set(s, &q->set, s->c.is_uid, &uids, &n, &r))
		return r;
	r = keywords_of(s, q, &change.keywords, e);
	return r.id || r.close ? r : store(s, uids, n, &change, e);
}
