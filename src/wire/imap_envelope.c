/* imap_envelope.c — ENVELOPE; see imap_envelope.h. */
#include "wire/imap_envelope.h"

#include "wire/imap_string.h"
#include "wire/mail_address.h"

enum { ADDRESS_ARENA = 8 << 20 };

static struct str or_nil(struct str s)
{
	return s.n ? s : (struct str){ 0 };
}

/* (name route mailbox host); a group begins with its name and no host, and ends with four NILs. */
static void add_address(struct buf *b, const struct mail_address *m)
{
	static const struct str empty = S("");
	bool is_box = m->kind == MAIL_MAILBOX;

	buf_add_char(b, '(');
	imap_add_nstring(b, or_nil(m->name));
	buf_add_char(b, ' ');
	imap_add_field(b, or_nil(m->route));
	buf_add_char(b, ' ');
	/* what is no address must not look like a group: "" is not NIL */
	imap_add_nstring(b, m->kind == MAIL_GROUP_END ? or_nil(empty) : m->mailbox.n ? m->mailbox : empty);
	buf_add_char(b, ' ');
	imap_add_nstring(b, !is_box ? or_nil(empty) : m->domain.n ? m->domain : empty);
	buf_add_char(b, ')');
}

/* False if there is no address in it. */
static bool add_list(struct buf *b, const struct mime_value *v)
{
	AUTO(arena_end) struct arena a = { .limit = ADDRESS_ARENA };
	struct mail_address *list = NULL, **tail = &list;
	size_t count = 0;

	for (; v && v->raw.p; v = v->more)
		tail = mail_address_parse(v->raw, &a, tail, &count);
	if (!list)
		return false;
	buf_add_char(b, '(');
	for (; list; list = list->next)
		add_address(b, list);
	buf_add_char(b, ')');
	return true;
}

/* An address field, or else the one that stands for it. */
static void add_addresses(struct buf *b, const struct mime_part *letter, enum mime_letter_field f, bool or_from)
{
	buf_add_char(b, ' ');
	if (add_list(b, &letter->fields[f]))
		return;
	if (!or_from || !add_list(b, &letter->fields[LETTER_FROM]))
		buf_add(b, S("NIL"));
}

void imap_envelope_add(struct buf *b, const struct mime_part *letter)
{
	buf_add_char(b, '(');
	imap_add_field(b, mime_field(letter, LETTER_DATE));
	buf_add_char(b, ' ');
	imap_add_field(b, mime_field(letter, LETTER_SUBJECT));
	add_addresses(b, letter, LETTER_FROM, false);
	add_addresses(b, letter, LETTER_SENDER, true);
	add_addresses(b, letter, LETTER_REPLY_TO, true);
	add_addresses(b, letter, LETTER_TO, false);
	add_addresses(b, letter, LETTER_CC, false);
	add_addresses(b, letter, LETTER_BCC, false);
	buf_add_char(b, ' ');
	imap_add_field(b, mime_field(letter, LETTER_IN_REPLY_TO));
	buf_add_char(b, ' ');
	imap_add_field(b, mime_field(letter, LETTER_MESSAGE_ID));
	buf_add_char(b, ')');
}
