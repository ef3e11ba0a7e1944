/* imap_letters.c — names of mailboxes, and which letters a command means; see imap_session.h. */
#include "role/mailbox/imap_session.h"

#include "wire/imap_print.h"
#include "wire/imap_utf7.h"

#include <errno.h>
#include <stdlib.h>

/* -- replies --------------------------------------------------------------- */

static enum imap_reply_id reply_of_sys(int sys, enum imap_reply_id missing)
{
	switch (sys) {
	case ENOENT:
		return missing;
	case ENOSPC:
		return IMAP_REPLY_NO_ROOM;
	case EDQUOT:
		return IMAP_REPLY_OVER_QUOTA;
	case EEXIST:
		return IMAP_REPLY_EXISTS;
	case EINVAL:
		return IMAP_REPLY_NAME_BAD;
	case EPERM:
	case EACCES:
		return IMAP_REPLY_NO_PERMISSION;
	default:
		return IMAP_REPLY_UNAVAILABLE;
	}
}

struct imap_reply reply_of_err(struct imap_session *s, const struct err *e, enum imap_reply_id missing)
{
	enum imap_reply_id id = reply_of_sys(e->sys, missing);

	if (e->fault == FAULT_CANCEL || s->io.is_broken)
		return reply_broken();
	if (id != IMAP_REPLY_UNAVAILABLE)
		return reply_of(id);
	return (struct imap_reply){ .id = id, .text = arena_str(s->a, str_from_z(e->text)) };
}

/* -- names ----------------------------------------------------------------- */

bool folder_of_name(struct imap_session *s, struct str mailbox, struct str *ret)
{
	char room[STORE_FOLDER_MAX + 1];
	struct buf b = buf_over(room, sizeof(room));

	if (str_eq(mailbox, S("INBOX"))) {
		*ret = S("");
		return true;
	}
	if (!mailbox.n || !imap_utf7_add(&b, mailbox) || b.full || str_has(buf_str(&b), '/'))
		return false;
	*ret = arena_str(s->a, buf_str(&b));
	return !s->a->full;
}

void add_folder_name(struct imap_session *s, struct buf *b, struct str folder)
{
	struct str name;

	if (!folder.n)
		imap_add_astring(b, S("INBOX"));
	else if (session_is_utf8(s) && imap_utf7_decode(folder, s->a, &name))
		imap_add_mailbox(b, name, true);
	else
		imap_add_astring(b, folder);
}

/* -- letters --------------------------------------------------------------- */

static struct imap_reply set_seqs(const struct view *v, struct seqset *set, uint32_t *uids, size_t *ret_n)
{
	struct seq_walk w = { 0 };

	if (seqset_last(set) > v->n)
		return reply_of(IMAP_REPLY_BAD_SEQUENCE);
	for (uint32_t seq; seqset_next(set, &w, &seq);)
		uids[(*ret_n)++] = view_uid(v, seq);
	return reply_of(IMAP_REPLY_NONE);
}

/* Both are ascending: one walk. */
static void set_uids(const struct view *v, const struct seqset *set, uint32_t *uids, size_t *ret_n)
{
	for (size_t i = 0, r = 0; i < v->n && r < set->n;) {
		if (v->uids[i] < set->ranges[r].first)
			i++;
		else if (v->uids[i] > set->ranges[r].last)
			r++;
		else
			uids[(*ret_n)++] = v->uids[i++];
	}
}

static void set_saved(const struct imap_session *s, uint32_t *uids, size_t *ret_n)
{
	for (size_t i = 0; i < s->saved.n; i++)
		if (view_seq(&s->sel.view, s->saved.uids[i]))
			uids[(*ret_n)++] = s->saved.uids[i];
}

bool uids_of_set(struct imap_session *s, struct seqset *set, bool is_uid, uint32_t **ret,
		 size_t *ret_n, struct imap_reply *ret_why)
{
	const struct view *v = &s->sel.view;
	uint32_t largest = is_uid ? (v->n ? v->uids[v->n - 1] : 0) : (uint32_t)v->n;

	*ret_why = reply_of(IMAP_REPLY_LIMIT);
	*ret_n = 0;
	*ret = ARENA_ARRAY(s->a, uint32_t, v->n ? v->n : 1);
	if (!*ret)
		return false;
	*ret_why = reply_of(IMAP_REPLY_NONE);
	if (set->is_saved) {
		set_saved(s, *ret, ret_n);
		return true;
	}
	/* ranges with "*" name nothing in an empty folder: "1:*" is no error there */
	seqset_resolve(set, largest);
	if (is_uid)
		set_uids(v, set, *ret, ret_n);
	else
		*ret_why = set_seqs(v, set, *ret, ret_n);
	return !ret_why->id;
}

void folder_close(struct imap_session *s)
{
	if (s->sel.box) {
		view_end(&s->sel.view);
		box_close(s->sel.box);
	}
	free(s->saved.uids);
	s->saved = (struct imap_saved){ 0 };
	s->sel = (struct imap_selected){ 0 };
}

struct imap_reply reply_at_modseq(struct imap_session *s, uint64_t before)
{
	uint64_t now = box_modseq(s->sel.box);

	if (!(s->enabled & ENABLE_CONDSTORE) || now == before)
		return reply_of(IMAP_REPLY_DONE);
	return (struct imap_reply){ .id = IMAP_REPLY_DONE,
				    .code = arena_printf(s->a, "HIGHESTMODSEQ %llu", (unsigned long long)now) };
}

void use_condstore(struct imap_session *s)
{
	if (s->enabled & ENABLE_CONDSTORE)
		return;
	s->enabled |= ENABLE_CONDSTORE;
	if (s->sel.box)          /* RFC 7162 §3.1: the first command that enables it tells where we are */
		buf_addf(&s->out, "* OK [HIGHESTMODSEQ %llu] from here on\r\n",
			 (unsigned long long)box_modseq(s->sel.box));
}

/* -- capabilities ---------------------------------------------------------- */

void add_capabilities(struct buf *b, const struct imap_session *s)
{
	static const char all[] =
#define CAPABILITY(name) " " name
#include "role/mailbox/imap_capability.def"
#undef CAPABILITY
		;

	(void)s;
	buf_add(b, str_from(str_from_z(all), 1));
}
