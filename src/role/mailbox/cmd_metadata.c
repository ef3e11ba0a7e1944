/* cmd_metadata.c — GETMETADATA, SETMETADATA (RFC 5464).
 *
 * /private and /shared are kept alike: nobody else sees this account's mailboxes.  What would be
 * shared between all users of the server (/shared without a mailbox) is not the user's to set. */
#include "role/mailbox/imap_cmds.h"
#include "store/metadata.h"
#include "store/notices.h"
#include "wire/imap_print.h"

#include <errno.h>

enum { READ_ARENA_MAX = 8 * METADATA_FILE_MAX };

static bool place_of(struct imap_session *s, struct str mailbox, struct metadata_place *ret)
{
	*ret = (struct metadata_place){ .is_account = !mailbox.n };
	return ret->is_account || folder_of_name(s, mailbox, &ret->folder);
}

static bool is_under(struct str name, struct str above)
{
	return str_starts_nocase(name, above) && (name.n == above.n || str_at(name, above.n) == '/');
}

/* RFC 5464 §6 */
static bool is_known_prefix(struct str name)
{
	return is_under(name, S("/private")) || is_under(name, S("/shared"));
}

static struct imap_reply bad_entry(void)
{
	return (struct imap_reply){ .id = IMAP_REPLY_SYNTAX, .text = S("an entry begins with /private or /shared") };
}

/* Is the entry asked for, by that name and depth? */
static bool fits(struct str entry, struct str asked, uint32_t depth)
{
	if (str_eq_nocase(entry, asked))
		return true;
	if (!depth || !is_under(entry, asked))
		return false;
	return depth > 1 || !str_has(str_from(entry, asked.n + 1), '/');
}

static void add_value(struct buf *b, struct str value)
{
	if (!str_has(value, '\0')) {
		imap_add_string(b, value);
		return;
	}
	buf_addf(b, "~{%zu}\r\n", value.n);      /* literal8 */
	buf_add(b, value);
}

/* The answer to GETMETADATA, as it grows. */
struct answer {
	struct imap_session *s;
	const struct imap_getmetadata *q;
	bool is_begun;
	size_t longest;          /* of those over MAXSIZE */
};

static void add_entry(struct answer *x, struct str name, struct str value, bool is_none)
{
	struct buf *b = &x->s->out;

	if (x->is_begun) {
		buf_add_char(b, ' ');
	} else {
		buf_add(b, S("* METADATA "));
		if (x->q->mailbox.n)
			imap_add_mailbox(b, x->q->mailbox, session_is_utf8(x->s));
		else
			buf_add(b, S("\"\""));
		buf_add(b, S(" ("));
	}
	x->is_begun = true;
	imap_add_astring(b, name);
	buf_add_char(b, ' ');
	if (is_none)
		buf_add(b, S("NIL"));
	else
		add_value(b, value);
}

/* Those of one name; what is not there is NIL if nothing below it was asked for. */
static void add_asked(struct answer *x, const struct metadata_entry *all, size_t n, struct str asked)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (!fits(all[i].name, asked, x->q->depth))
			continue;
		found = true;
		if (x->q->has_maxsize && all[i].value.n > x->q->maxsize)
			x->longest = all[i].value.n > x->longest ? all[i].value.n : x->longest;
		else
			add_entry(x, all[i].name, all[i].value, false);
	}
	if (!found && !x->q->depth)
		add_entry(x, asked, (struct str){ 0 }, true);
}

SUSPENDS struct imap_reply imap_cmd_getmetadata(struct imap_session *s, struct err *e)
{
	const struct imap_getmetadata *q = &s->c.getmetadata;
	AUTO(arena_end) struct arena a = { .limit = READ_ARENA_MAX };
	struct answer x = { .s = s, .q = q };
	struct metadata_place at;
	struct metadata_entry *all;
	size_t n;

	for (size_t i = 0; i < q->n; i++)
		if (!is_known_prefix(q->entries[i]))
			return bad_entry();
	if (!place_of(s, q->mailbox, &at))
		return reply_of(IMAP_REPLY_NO_MAILBOX);
	if (!metadata_read(s->store, &at, &a, &all, &n, e))
		return reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
	for (size_t i = 0; i < q->n; i++)
		add_asked(&x, all, n, q->entries[i]);
	if (!x.is_begun && !x.longest)
		add_entry(&x, q->entries[0], (struct str){ 0 }, true);
	if (x.is_begun)
		buf_add(&s->out, S(")\r\n"));
	if (!out_breathe(s, e))
		return reply_broken();
	if (x.longest)
		return (struct imap_reply){ .id = IMAP_REPLY_DONE,
					    .code = arena_printf(s->a, "METADATA LONGENTRIES %zu", x.longest) };
	return reply_of(IMAP_REPLY_DONE);
}

/* Other sessions may want to hear of it (RFC 5465 §5.6). */
static void add_notice(struct imap_session *s, const struct metadata_place *at, const struct metadata_entry *changes,
		       size_t n)
{
	AUTO(buf_end) struct buf names = buf_on_heap(METADATA_FILE_MAX);

	for (size_t i = 0; i < n; i++) {
		buf_add(&names, i ? S("\n") : S(""));
		buf_add(&names, changes[i].name);
	}
	notice_add(s->store, &(struct notice){ .kind = at->is_account ? NOTICE_ACCOUNT_METADATA : NOTICE_METADATA,
					       .by = &s->by, .folder = at->folder, .other = buf_str(&names) });
}

SUSPENDS struct imap_reply imap_cmd_setmetadata(struct imap_session *s, struct err *e)
{
	const struct imap_pairs *q = &s->c.pairs;
	struct metadata_entry *changes = ARENA_ARRAY(s->a, struct metadata_entry, q->n);
	struct metadata_place at;

	if (!changes)
		return reply_of(IMAP_REPLY_TOO_COMPLEX);
	for (size_t i = 0; i < q->n; i++) {
		if (!is_known_prefix(q->pairs[i].name))
			return bad_entry();
		if (!q->mailbox.n && is_under(q->pairs[i].name, S("/shared")))
			return reply_of(IMAP_REPLY_NO_PERMISSION);
		changes[i] = (struct metadata_entry){ .name = q->pairs[i].name, .value = q->pairs[i].value,
						      .is_none = q->pairs[i].is_nil };
	}
	if (!place_of(s, q->mailbox, &at))
		return reply_of(IMAP_REPLY_NO_MAILBOX);
	if (metadata_change(s->store, &at, changes, q->n, e)) {
		add_notice(s, &at, changes, q->n);
		return reply_of(IMAP_REPLY_DONE);
	}
	if (e->sys == EMSGSIZE)
		return reply_of(IMAP_REPLY_METADATA_LONG);
	return e->sys == EMLINK ? reply_of(IMAP_REPLY_METADATA_LIMIT) : reply_of_err(s, e, IMAP_REPLY_NO_MAILBOX);
}
