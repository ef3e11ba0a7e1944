/* cmd_select.c — SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051 §6.3.2, §6.4.1; RFC 7162 §3.1.8, §3.2.5). */
#include "role/mailbox/cmd_list.h"
#include "role/mailbox/imap_cmds.h"
#include "role/mailbox/imap_updates.h"
#include "role/mailbox/vanished.h"

#include "wire/imap_print.h"

/* Sequence number of the first letter without \Seen, 0: none. */
static size_t first_unseen(const struct view *v)
{
	const struct letter *l = box_letters(v->box);
	size_t n = box_count(v->box) < v->n ? box_count(v->box) : v->n;

	for (size_t i = 0; i < n; i++)
		if (!(l[i].flags & LETTER_SEEN))
			return i + 1;
	return 0;
}

static void tell_box(struct imap_session *s)
{
	const struct box *b = s->sel.box;
	bool is_rev2 = s->enabled & ENABLE_REV2;
	size_t unseen = first_unseen(&s->sel.view);
	struct str id = box_id(b);

	add_known_flags(s, &s->out);
	add_exists(s, &s->out);
	if (unseen && !is_rev2)
		buf_addf(&s->out, "* OK [UNSEEN %zu] the first that was not read\r\n", unseen);
	buf_addf(&s->out, "* OK [UIDVALIDITY %u] UIDs are valid\r\n", box_uidvalidity(b));
	buf_addf(&s->out, "* OK [UIDNEXT %u] the next UID\r\n", box_uidnext(b));
	buf_addf(&s->out, "* OK [HIGHESTMODSEQ %llu] the highest\r\n", (unsigned long long)box_modseq(b));
	buf_addf(&s->out, "* OK [MAILBOXID (" STR_FMT ")] its name for ever\r\n", STR_ARG(id));
}

/* RFC 9051 §6.3.2; INBOX in other letters is another name for it (§6.3.9.7, §8). */
SUSPENDS static bool tell_name(struct imap_session *s, struct str folder, struct err *e)
{
	struct str written = s->c.select.written;

	if (!(s->enabled & ENABLE_REV2))
		return true;
	return list_folder(s, folder, folder.n || str_eq(written, S("INBOX")) ? S("") : written, e);
}

/* The largest UID that has the sequence number which the client remembers: it knows of all that went up to there
 * (RFC 7162 §3.2.5.2). */
static uint32_t matched_uid(struct imap_session *s)
{
	struct imap_select *q = &s->c.select;
	struct seq_walk seqs = { 0 }, uids = { 0 };
	uint32_t seq, uid, most = 0;

	if (!q->has_matches)
		return 0;
	seqset_resolve(&q->match_seqs, 0);
	seqset_resolve(&q->match_uids, 0);
	while (seqset_next(&q->match_seqs, &seqs, &seq) && seq <= s->sel.view.n &&
	       seqset_next(&q->match_uids, &uids, &uid))
		if (view_uid(&s->sel.view, seq) == uid)
			most = uid;
	return most;
}

/* What changed since the client was here last (RFC 7162 §3.2.5). */
SUSPENDS static bool resync(struct imap_session *s, struct err *e)
{
	struct imap_select *q = &s->c.select;
	const struct view *v = &s->sel.view;
	struct seqset all = { .ranges = &(struct seq_range){ 1, SEQ_STAR }, .n = 1 };
	struct seqset *known = q->has_known_uids ? &q->known_uids : &all, rest;
	uint32_t matched = matched_uid(s);

	if (!q->qresync || q->uidvalidity != box_uidvalidity(s->sel.box))
		return true;
	seqset_resolve(known, box_uidnext(s->sel.box) - 1);
	if (!seqset_union(known, &(struct seqset){ 0 }, s->a, &rest))
		return fail(e, FAULT_TEMP, "out of memory");
	if (matched)
		seqset_clip(&rest, matched + 1, UINT32_MAX);
	if (!vanished_add(s, &rest, q->modseq, e))
		return false;
	for (size_t i = 0; i < v->n; i++) {
		const struct letter *l = box_find(s->sel.box, v->uids[i]);

		if (!l || l->modseq <= q->modseq || !seqset_has(known, l->uid))
			continue;
		add_flags_answer(s, &s->out, (uint32_t)i + 1, l, true);
		if (!out_breathe(s, e))
			return false;
	}
	return true;
}

SUSPENDS static bool open_folder(struct imap_session *s, struct str folder, bool is_read_only, struct err *e)
{
	struct imap_selected sel = { .is_read_only = is_read_only };

	if (!box_open(s->store, folder, &sel.box, e))
		return false;
	if (!box_sync(sel.box, !is_read_only, &sel.recent_from, e) || !view_init(&sel.view, sel.box, e)) {
		box_close(sel.box);
		return false;
	}
	s->sel = sel;
	return true;
}

SUSPENDS static struct imap_reply select_folder(struct imap_session *s, bool is_read_only, struct err *e)
{
	const struct imap_select *q = &s->c.select;
	struct str folder;

	if (q->qresync && !(s->enabled & ENABLE_QRESYNC))
		return (struct imap_reply){ .id = IMAP_REPLY_WRONG_STATE, .text = S("ENABLE QRESYNC first") };
	/* whatever comes: the present one is closed (RFC 9051 §6.3.2) */
	if (s->sel.box)
		imap_reply_add(&s->out, S("*"), &(struct imap_reply){ .id = IMAP_REPLY_CLOSED });
	folder_close(s);
	if (!folder_of_name(s, q->mailbox, &folder))
		return reply_of(IMAP_REPLY_NO_MAILBOX);
	if (q->condstore)
		use_condstore(s);
	if (!open_folder(s, folder, is_read_only, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	tell_box(s);
	if (!tell_name(s, folder, e) || !resync(s, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	return reply_of(is_read_only ? IMAP_REPLY_READ_ONLY : IMAP_REPLY_READ_WRITE);
}

SUSPENDS struct imap_reply imap_cmd_select(struct imap_session *s, struct err *e)
{
	return select_folder(s, false, e);
}

SUSPENDS struct imap_reply imap_cmd_examine(struct imap_session *s, struct err *e)
{
	return select_folder(s, true, e);
}

SUSPENDS struct imap_reply imap_cmd_close(struct imap_session *s, struct err *e)
{
	struct imap_reply r = reply_of(IMAP_REPLY_DONE);

	if (!s->sel.is_read_only && !box_expunge(s->sel.box, NULL, 0, false, &s->by, e))
		r = reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	folder_close(s);
	return r;
}

SUSPENDS struct imap_reply imap_cmd_unselect(struct imap_session *s, struct err *e)
{
	(void)e;
	folder_close(s);
	return reply_of(IMAP_REPLY_DONE);
}
