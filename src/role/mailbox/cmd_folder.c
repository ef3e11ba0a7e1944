/* cmd_folder.c — CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 §6.3.4 – §6.3.8; RFC 6154,
 * 8474). */
#include "role/mailbox/imap_cmds.h"
#include "store/folder.h"
#include "store/notices.h"

#include <errno.h>

/* The folder that this session had open is deleted or has another name: it is closed. */
static void close_if_gone(struct imap_session *s)
{
	if (!s->sel.box || box_is_there(s->sel.box))
		return;
	folder_close(s);
	buf_add(&s->out, S("* OK [CLOSED] the mailbox is no more\r\n"));
}

/* For sessions with NOTIFY; before the next wait. */
static void tell(struct imap_session *s, enum notice_kind kind, struct str folder, struct str other)
{
	notice_add(s->store, &(struct notice){ .kind = kind, .by = &s->by, .folder = folder, .other = other });
}

/* RFC 9051 §6.3.4: a separator at the end says that there will be others below. */
static struct str without_separator(struct str name)
{
	return name.n > 1 && (str_ends(name, S(".")) || str_ends(name, S("/"))) ? str_head(name, name.n - 1) : name;
}

static enum folder_use use_of(unsigned use)
{
	static const struct { unsigned bit; enum folder_use use; } uses[] = {
		{ USE_ARCHIVE, FOLDER_ARCHIVE }, { USE_DRAFTS, FOLDER_DRAFTS }, { USE_JUNK, FOLDER_JUNK },
		{ USE_SENT, FOLDER_SENT }, { USE_TRASH, FOLDER_TRASH },
	};

	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		if (uses[i].bit == use)
			return uses[i].use;
	return FOLDER_PLAIN;     /* several, or one that no folder of ours can have */
}

/* Has another folder that use already?  Names that programs use are not counted: an explicit use outranks
 * them. */
SUSPENDS static struct imap_reply use_check(struct imap_session *s, enum folder_use use, struct err *e)
{
	struct folder_row *rows;
	size_t n;

	if (use == FOLDER_PLAIN)
		return reply_of(IMAP_REPLY_USE_ATTR);
	if (!folder_list(s->store, s->a, &rows, &n, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	for (size_t i = 0; i < n; i++)
		if (rows[i].use == use)
			return reply_of(IMAP_REPLY_USE_ATTR);
	return reply_of(IMAP_REPLY_NONE);
}

SUSPENDS struct imap_reply imap_cmd_create(struct imap_session *s, struct err *e)
{
	enum folder_use use = use_of(s->c.mailbox.use);
	struct box_status st;
	struct imap_reply r;
	struct str folder;

	if (!folder_of_name(s, without_separator(s->c.mailbox.mailbox), &folder))
		return reply_of(IMAP_REPLY_NAME_BAD);
	if (!folder.n)
		return reply_of(IMAP_REPLY_EXISTS);
	if (s->c.mailbox.use) {
		r = use_check(s, use, e);
		if (r.id || r.close)
			return r;
	}
	if (!folder_create(s->store, folder, use, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	tell(s, NOTICE_CREATED, folder, S(""));
	if (!box_status(s->store, folder, &st, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	return (struct imap_reply){ .id = IMAP_REPLY_DONE, .code = arena_printf(s->a, "MAILBOXID (%s)", st.id) };
}

SUSPENDS struct imap_reply imap_cmd_delete(struct imap_session *s, struct err *e)
{
	struct str folder;

	if (!folder_of_name(s, s->c.mailbox.mailbox, &folder))
		return reply_of(IMAP_REPLY_NO_MAILBOX);
	if (!folder.n)
		return reply_of(IMAP_REPLY_INBOX_STAYS);
	if (!folder_delete(s->store, folder, s->by.who, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	tell(s, NOTICE_DELETED, folder, S(""));
	close_if_gone(s);
	return reply_of(IMAP_REPLY_DONE);
}

SUSPENDS struct imap_reply imap_cmd_rename(struct imap_session *s, struct err *e)
{
	struct str from, to;

	if (!folder_of_name(s, s->c.rename.from, &from))
		return reply_of(IMAP_REPLY_NO_MAILBOX);
	if (!folder_of_name(s, without_separator(s->c.rename.to), &to))
		return reply_of(IMAP_REPLY_NAME_BAD);
	if (!to.n)
		return reply_of(IMAP_REPLY_EXISTS);
	if (!folder_rename(s->store, from, to, s->by.who, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	tell(s, NOTICE_RENAMED, to, from);
	close_if_gone(s);
	return reply_of(IMAP_REPLY_DONE);
}

SUSPENDS static struct imap_reply subscribe(struct imap_session *s, bool on, struct err *e)
{
	struct str folder;

	if (!folder_of_name(s, s->c.mailbox.mailbox, &folder))
		return reply_of(on ? IMAP_REPLY_NAME_BAD : IMAP_REPLY_NO_MAILBOX);
	if (!folder_subscribe(s->store, folder, on, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	tell(s, NOTICE_SUBSCRIPTION, folder, on ? S("on") : S(""));
	return reply_of(IMAP_REPLY_DONE);
}

SUSPENDS struct imap_reply imap_cmd_subscribe(struct imap_session *s, struct err *e)
{
	return subscribe(s, true, e);
}

SUSPENDS struct imap_reply imap_cmd_unsubscribe(struct imap_session *s, struct err *e)
{
	return subscribe(s, false, e);
}
