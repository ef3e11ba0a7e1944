/* imap_extra_args.c — ID, quota, metadata and NOTIFY (RFC 2971, 9208, 5464, 5465). */
#include "wire/imap_args.h"

/* id = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil) */
bool args_id(struct imap_lex *l, struct imap_command *c)
{
	struct imap_pair *pairs = NULL;
	struct imap_pairs *ret = &c->pairs;

	if (!lex_space(l))
		return false;
	if (lex_try_word(l, S("NIL")))
		return true;
	if (!lex_char(l, '(', "( or NIL"))
		return false;
	if (lex_peek(l) != ')') {
		do {
			struct imap_pair *p;

			if (!lex_room(l, &pairs, ret->n, sizeof(*pairs), IMAP_ID_MAX))
				return false;
			p = &pairs[ret->n++];
			if (!lex_string(l, "a string", &p->name) || !lex_space(l) || !lex_nstring(l, &p->value, &p->is_nil))
				return false;
		} while (lex_try(l, ' '));
	}
	ret->pairs = pairs;
	return lex_char(l, ')', "a string or )");
}

bool args_getquota(struct imap_lex *l, struct imap_command *c)
{
	return lex_space(l) && lex_astring(l, "a quota root", &c->quota.root);
}

/* setquota = "SETQUOTA" SP quota-root-name SP "(" [resource SP number64 …] ")" */
bool args_setquota(struct imap_lex *l, struct imap_command *c)
{
	struct imap_quota_limit *limits = NULL;
	struct imap_quota *q = &c->quota;

	if (!args_getquota(l, c) || !lex_space(l) || !lex_char(l, '(', "("))
		return false;
	if (lex_peek(l) != ')') {
		do {
			if (!lex_room(l, &limits, q->n, sizeof(*limits), IMAP_QUOTA_LIMITS_MAX) ||
			    !lex_atom(l, "a resource", &limits[q->n].resource) || !lex_space(l) ||
			    !lex_number(l, "a limit", INT64_MAX, &limits[q->n].limit))
				return false;
			q->n++;
		} while (lex_try(l, ' '));
	}
	q->limits = limits;
	return lex_char(l, ')', "a resource or )");
}

/* entry = astring: begins with "/", and has neither "//", a final "/", wildcards nor control
 * characters (RFC 5464 §3.2). */
static bool entry(struct imap_lex *l, struct str *ret)
{
	if (!lex_astring(l, "an entry", ret))
		return false;
	if (str_at(*ret, 0) != '/' || str_at(*ret, ret->n - 1) == '/')
		return lex_fail(l, "an entry such as /private/comment");
	for (size_t i = 0; i < ret->n; i++) {
		int c = str_at(*ret, i);

		if (c < ' ' || c > 0x7e || c == '*' || c == '%' || (c == '/' && str_at(*ret, i + 1) == '/'))
			return lex_fail(l, "an entry such as /private/comment");
	}
	return true;
}

/* getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")", behind its "(" */
static bool metadata_options(struct imap_lex *l, struct imap_getmetadata *ret)
{
	static const struct lex_choice depths[] = {
		{ S("0"), 0 }, { S("1"), 1 }, { S("infinity"), METADATA_DEPTH_INFINITY },
	};
	uint64_t maxsize;

	do {
		if (lex_try_word(l, S("MAXSIZE"))) {
			ret->has_maxsize = true;
			if (!lex_space(l) || !lex_number(l, "a number of octets", UINT32_MAX, &maxsize))
				return false;
			ret->maxsize = (uint32_t)maxsize;
		} else if (!lex_word(l, S("DEPTH"), "MAXSIZE or DEPTH") || !lex_space(l) ||
			   !lex_choice(l, depths, ARRAY_LEN(depths), "0, 1 or infinity", &ret->depth)) {
			return false;
		}
	} while (lex_try(l, ' '));
	return lex_char(l, ')', ")");
}

static bool is_at_options(const struct imap_lex *l)
{
	struct imap_lex inner = *l;

	inner.i++;
	return lex_peek(l) == '(' && (lex_at_word(&inner, S("MAXSIZE")) || lex_at_word(&inner, S("DEPTH")));
}

/* getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries; the RFC's examples have
 * the options behind the mailbox (errata 3868), so both are read. */
bool args_getmetadata(struct imap_lex *l, struct imap_command *c)
{
	struct imap_getmetadata *g = &c->getmetadata;
	struct str *entries = NULL;
	bool in_list;

	if (!lex_space(l) || (lex_try(l, '(') && !(metadata_options(l, g) && lex_space(l))))
		return false;
	if (!lex_mailbox(l, &g->mailbox) || !lex_space(l))
		return false;
	if (is_at_options(l)) {
		l->i++;
		if (!metadata_options(l, g) || !lex_space(l))
			return false;
	}
	in_list = lex_try(l, '(');
	do {
		if (!lex_room(l, &entries, g->n, sizeof(*entries), IMAP_ENTRIES_MAX) || !entry(l, &entries[g->n]))
			return false;
		g->n++;
	} while (in_list && lex_try(l, ' '));
	g->entries = entries;
	return !in_list || lex_char(l, ')', "an entry or )");
}

/* setmetadata = "SETMETADATA" SP mailbox SP "(" entry SP value *(SP entry SP value) ")" */
bool args_setmetadata(struct imap_lex *l, struct imap_command *c)
{
	struct imap_pair *pairs = NULL;
	struct imap_pairs *ret = &c->pairs;

	if (!lex_space(l) || !lex_mailbox(l, &ret->mailbox) || !lex_space(l) || !lex_char(l, '(', "("))
		return false;
	do {
		struct imap_pair *p;

		if (!lex_room(l, &pairs, ret->n, sizeof(*pairs), IMAP_ENTRIES_MAX))
			return false;
		p = &pairs[ret->n++];
		if (!entry(l, &p->name) || !lex_space(l) || !lex_nstring(l, &p->value, &p->is_nil))
			return false;
	} while (lex_try(l, ' '));
	ret->pairs = pairs;
	return lex_char(l, ')', "an entry or )");
}

/* one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" */
static bool mailboxes(struct imap_lex *l, struct notify_group *ret)
{
	struct str *names = NULL;
	bool in_list;

	if (!lex_space(l))
		return false;
	in_list = lex_try(l, '(');
	do {
		if (!lex_room(l, &names, ret->n_mailboxes, sizeof(*names), IMAP_MAILBOXES_MAX) ||
		    !lex_mailbox(l, &names[ret->n_mailboxes]))
			return false;
		ret->n_mailboxes++;
	} while (in_list && lex_try(l, ' '));
	ret->mailboxes = names;
	return !in_list || lex_char(l, ')', "a mailbox or )");
}

/* "MessageNew" [SP "(" fetch-att *(SP fetch-att) ")"], behind the word */
static bool message_new(struct imap_lex *l, struct notify_group *ret)
{
	struct imap_fetch *fetch;

	if (str_at(l->in, l->i) != ' ' || str_at(l->in, l->i + 1) != '(')
		return true;
	l->i += 2;
	fetch = ARENA_NEW(l->a, struct imap_fetch);
	if (!fetch)
		return lex_refuse(l, IMAP_REPLY_TOO_COMPLEX);
	ret->fetch = fetch;
	return lex_fetch_items(l, fetch) && lex_char(l, ')', "something to fetch or )");
}

static bool event(struct imap_lex *l, struct notify_group *ret)
{
	static const struct lex_choice events[] = {
		{ S("MessageNew"), NOTIFY_MESSAGE_NEW },
		{ S("MessageExpunge"), NOTIFY_MESSAGE_EXPUNGE },
		{ S("FlagChange"), NOTIFY_FLAG_CHANGE },
		{ S("AnnotationChange"), NOTIFY_ANNOTATION_CHANGE },
		{ S("MailboxName"), NOTIFY_MAILBOX_NAME },
		{ S("SubscriptionChange"), NOTIFY_SUBSCRIPTION_CHANGE },
		{ S("MailboxMetadataChange"), NOTIFY_MAILBOX_METADATA },
		{ S("ServerMetadataChange"), NOTIFY_SERVER_METADATA },
	};
	unsigned bit = NOTIFY_UNKNOWN_EVENT;
	struct str word;

	if (!lex_atom(l, "an event", &word))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (str_eq_nocase(word, events[i].word))
			bit = events[i].value;
	ret->events |= bit;
	return bit != NOTIFY_MESSAGE_NEW || message_new(l, ret);
}

/* event-group = "(" filter-mailboxes SP events ")"; events = "(" event *(SP event) ")" / "NONE" */
static bool group(struct imap_lex *l, struct notify_group *ret)
{
	static const struct lex_choice filters[] = {
		{ S("selected"), NOTIFY_SELECTED },     { S("selected-delayed"), NOTIFY_SELECTED_DELAYED },
		{ S("inboxes"), NOTIFY_INBOXES },       { S("personal"), NOTIFY_PERSONAL },
		{ S("subscribed"), NOTIFY_SUBSCRIBED }, { S("subtree"), NOTIFY_SUBTREE },
		{ S("mailboxes"), NOTIFY_MAILBOXES },
	};
	unsigned filter = 0;

	*ret = (struct notify_group){ 0 };
	if (!lex_char(l, '(', "(") ||
	    !lex_choice(l, filters, ARRAY_LEN(filters), "selected, personal, subtree or the like", &filter))
		return false;
	ret->filter = (enum notify_filter)filter;
	if (ret->filter >= NOTIFY_SUBTREE && !mailboxes(l, ret))
		return false;
	if (!lex_space(l))
		return false;
	if (lex_try_word(l, S("NONE")))
		return lex_char(l, ')', ")");
	if (!lex_char(l, '(', "( or NONE"))
		return false;
	do {
		if (!event(l, ret))
			return false;
	} while (lex_try(l, ' '));
	return lex_char(l, ')', "an event or )") && lex_char(l, ')', ")");
}

/* notify = "NOTIFY" SP ("SET" [SP "STATUS"] SP event-group *(SP event-group) / "NONE") */
bool args_notify(struct imap_lex *l, struct imap_command *c)
{
	struct notify_group *groups = NULL;
	struct imap_notify *n = &c->notify;

	if (!lex_space(l))
		return false;
	n->is_none = lex_try_word(l, S("NONE"));
	if (n->is_none)
		return true;
	if (!lex_word(l, S("SET"), "SET or NONE") || !lex_space(l))
		return false;
	n->status = lex_try_word(l, S("STATUS"));
	if (n->status && !lex_space(l))
		return false;
	do {
		if (!lex_room(l, &groups, n->n, sizeof(*groups), IMAP_MAILBOXES_MAX) || !group(l, &groups[n->n]))
			return false;
		n->n++;
	} while (lex_try(l, ' '));
	n->groups = groups;
	return true;
}
