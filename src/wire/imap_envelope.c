/* imap_envelope.c — ENVELOPE; see imap_envelope.h. */
#include "wire/imap_envelope.h"

#include "wire/imap_string.h"
#include "wire/mail_address.h"

enum { ADDRESS_ARENA = 4 << 20 };

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

static void add_or_nil(struct buf *b, const struct mime_part *letter, enum mime_letter_field f)
{
	buf_add_char(b, ' ');
	if (!add_list(b, &letter->fields[f]))
		buf_add(b, S("NIL"));
}

/* An address field, or else what was written at `other` in b. */
static void add_or_copy(struct buf *b, const struct mime_part *letter, enum mime_letter_field f, size_t other, size_t n)
{
	char *to;

	buf_add_char(b, ' ');
	if (add_list(b, &letter->fields[f]))
		return;
	to = buf_room(b, n);
	if (to)
		memcpy(to, b->p + other, n);
}

void imap_envelope_add(struct buf *b, const struct mime_part *letter)
{
	size_t from, n;

	buf_add_char(b, '(');
	imap_add_field(b, mime_field(letter, LETTER_DATE));
	buf_add_char(b, ' ');
	imap_add_field(b, mime_field(letter, LETTER_SUBJECT));
	from = b->n + 1;
	add_or_nil(b, letter, LETTER_FROM);
	n = b->n - from;
	add_or_copy(b, letter, LETTER_SENDER, from, n);
	add_or_copy(b, letter, LETTER_REPLY_TO, from, n);
	add_or_nil(b, letter, LETTER_TO);
	add_or_nil(b, letter, LETTER_CC);
	add_or_nil(b, letter, LETTER_BCC);
	buf_add_char(b, ' ');
	imap_add_field(b, mime_field(letter, LETTER_IN_REPLY_TO));
	buf_add_char(b, ' ');
	imap_add_field(b, mime_field(letter, LETTER_MESSAGE_ID));
	buf_add_char(b, ')');
}
