/* imap_command_fixture.h — commands in one canonical form, for imap_command_test.c and
 * imap_command_fuzz.c: what parses is printed, and parses to the same. */
#pragma once

#include "base/err.h"
#include "wire/imap_command.h"
#include "wire/imap_print.h"

struct printer {
	struct buf *b;
	bool utf8;
	struct imap_stream streams[IMAP_STREAMS_MAX];
	size_t n_streams;
};

static void print_words(struct printer *p, const char *const *words, size_t n, unsigned bits)
{
	bool is_begun = false;

	for (size_t i = 0; i < n; i++) {
		if (!(bits & 1U << i) || !words[i])
			continue;
		buf_addf(p->b, "%s%s", is_begun ? " " : "", words[i]);
		is_begun = true;
	}
}

static void print_mailbox(struct printer *p, struct str name)
{
	buf_add_char(p->b, ' ');
	imap_add_mailbox(p->b, name, p->utf8);
}

static void print_set(struct printer *p, const struct seqset *set)
{
	buf_add_char(p->b, ' ');
	seqset_add(p->b, set);
}

static void print_pairs(struct printer *p, const struct imap_pairs *x)
{
	for (size_t i = 0; i < x->n; i++) {
		buf_add(p->b, i ? S(" ") : S(""));
		imap_add_string(p->b, x->pairs[i].name);
		buf_add_char(p->b, ' ');
		if (x->pairs[i].is_nil)
			buf_add(p->b, S("NIL"));
		else
			imap_add_string(p->b, x->pairs[i].value);
	}
}

static void print_status_items(struct printer *p, unsigned items)
{
	static const char *const words[] = { "MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "RECENT", "DELETED", "SIZE",
					     "HIGHESTMODSEQ", "APPENDLIMIT", "MAILBOXID", "DELETED-STORAGE" };

	buf_add_char(p->b, '(');
	print_words(p, words, ARRAY_LEN(words), items);
	buf_add_char(p->b, ')');
}

static void print_select(struct printer *p, const struct imap_select *s)
{
	print_mailbox(p, s->mailbox);
	if (s->condstore && !s->qresync)
		buf_add(p->b, S(" (CONDSTORE)"));
	if (!s->qresync)
		return;
	buf_addf(p->b, " (QRESYNC (%u %llu", s->uidvalidity, (unsigned long long)s->modseq);
	if (s->has_known_uids)
		print_set(p, &s->known_uids);
	if (s->has_matches) {
		buf_add(p->b, S(" ("));
		seqset_add(p->b, &s->match_seqs);
		print_set(p, &s->match_uids);
		buf_add_char(p->b, ')');
	}
	buf_add(p->b, S("))"));
}

static void print_list(struct printer *p, const struct imap_list *l)
{
	static const char *const select[] = { "SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE" };
	static const char *const returns[] = { NULL, NULL, NULL, NULL, "SUBSCRIBED", "CHILDREN", "SPECIAL-USE" };

	if (l->is_extended) {
		buf_add(p->b, S(" ("));
		print_words(p, select, ARRAY_LEN(select), l->flags);
		buf_add_char(p->b, ')');
	}
	print_mailbox(p, l->reference);
	buf_add(p->b, l->is_extended ? S(" (") : S(" "));
	for (size_t i = 0; i < l->n_patterns; i++) {
		buf_add(p->b, i ? S(" ") : S(""));
		imap_add_mailbox(p->b, l->patterns[i], p->utf8);
	}
	buf_add(p->b, l->is_extended ? S(")") : S(""));
	if (!(l->flags & ~0xfU))
		return;
	buf_add(p->b, S(" RETURN ("));
	print_words(p, returns, ARRAY_LEN(returns), l->flags);
	if (l->flags & LIST_RETURN_STATUS) {
		buf_add(p->b, l->flags & 0x70 ? S(" STATUS ") : S("STATUS "));
		print_status_items(p, l->status);
	}
	buf_add_char(p->b, ')');
}

static void print_part(struct printer *p, const struct append_part *part)
{
	if (part->is_url) {
		imap_add_astring(p->b, part->url);
		return;
	}
	buf_addf(p->b, "%s{%llu}\r\n", part->is_literal8 ? "~" : "", (unsigned long long)part->size);
	p->streams[p->n_streams++] = (struct imap_stream){ p->b->n, part->size, part->is_literal8 };
}

static void print_append(struct printer *p, const struct imap_append *a)
{
	print_mailbox(p, a->mailbox);
	for (size_t i = 0; i < a->n_letters; i++) {
		const struct append_letter *l = &a->letters[i];

		if (l->flags.system || l->flags.n) {
			buf_add(p->b, S(" ("));
			flag_list_add(p->b, &l->flags);
			buf_add_char(p->b, ')');
		}
		if (l->has_date) {
			buf_add_char(p->b, ' ');
			imap_add_date_time(p->b, l->date, l->zone);
		}
		buf_add(p->b, l->is_utf8 ? S(" UTF8 (") : l->is_catenate ? S(" CATENATE (") : S(" "));
		for (size_t k = 0; k < l->n_parts; k++) {
			if (l->is_catenate)
				buf_addf(p->b, "%s%s ", k ? " " : "", l->parts[k].is_url ? "URL" : "TEXT");
			print_part(p, &l->parts[k]);
		}
		buf_add(p->b, l->is_utf8 || l->is_catenate ? S(")") : S(""));
	}
}

static void print_section(struct printer *p, const struct fetch_section *s)
{
	AUTO(buf_end) struct buf name = buf_on_heap(1 << 20);
	struct str t;

	fetch_section_add(&name, s);
	t = buf_str(&name);
	if (s->peek && (s->form == FETCH_AS_BODY || s->form == FETCH_AS_BINARY)) {
		buf_add(p->b, str_head(t, str_find(t, '[')));
		buf_add(p->b, S(".PEEK"));
		t = str_from(t, str_find(t, '['));
	}
	buf_add(p->b, s->has_partial ? str_head(t, t.n - 1) : t);
	if (s->has_partial)
		buf_addf(p->b, ".%u>", s->length);
}

static void print_fetch_items(struct printer *p, const struct imap_fetch *f)
{
	static const char *const words[] = { "UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY",
					     "BODYSTRUCTURE", "MODSEQ", "EMAILID", "THREADID", "SAVEDATE", "PREVIEW",
					     NULL };
	bool is_begun = f->items != 0;

	buf_add_char(p->b, '(');
	print_words(p, words, ARRAY_LEN(words), f->items);
	if (f->items & FETCH_PREVIEW_LAZY)
		buf_add(p->b, S(" (LAZY)"));
	for (size_t i = 0; i < f->n_sections; i++) {
		buf_add(p->b, is_begun ? S(" ") : S(""));
		print_section(p, &f->sections[i]);
		is_begun = true;
	}
	buf_add_char(p->b, ')');
}

static void print_partial(struct printer *p, const struct imap_partial *x)
{
	const char *sign = x->is_from_end ? "-" : "";

	buf_addf(p->b, "PARTIAL %s%u:%s%u", sign, x->first, sign, x->last);
}

static void print_fetch(struct printer *p, const struct imap_fetch *f)
{
	print_set(p, &f->set);
	buf_add_char(p->b, ' ');
	print_fetch_items(p, f);
	if (f->has_changedsince)
		buf_addf(p->b, " (CHANGEDSINCE %llu%s", (unsigned long long)f->changedsince, f->vanished ? " VANISHED" : "");
	if (f->has_partial) {
		buf_add(p->b, f->has_changedsince ? S(" ") : S(" ("));
		print_partial(p, &f->partial);
	}
	buf_add(p->b, f->has_changedsince || f->has_partial ? S(")") : S(""));
}

static void print_search(struct printer *p, enum imap_verb verb, const struct imap_search *s)
{
	static const char *const returns[] = { "MIN", "MAX", "ALL", "COUNT", "SAVE" };
	static const char *const sorts[] = { "ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO" };
	static const char *const threads[] = { "", " ORDEREDSUBJECT", " REFERENCES", " REFS" };

	if (s->has_return) {
		buf_add(p->b, S(" RETURN ("));
		print_words(p, returns, ARRAY_LEN(returns), s->returns);
		if (s->returns & SEARCH_RETURN_PARTIAL) {
			buf_add(p->b, s->returns & 0x1f ? S(" ") : S(""));
			print_partial(p, &s->partial);
		}
		buf_add_char(p->b, ')');
	}
	for (size_t i = 0; i < s->n_sort; i++)
		buf_addf(p->b, "%s%s%s", i ? " " : " (", s->sort[i].reverse ? "REVERSE " : "", sorts[s->sort[i].by]);
	buf_add(p->b, verb == IMAP_SORT ? S(")") : str_from_z(threads[s->thread]));
	if (verb == IMAP_SEARCH && s->charset.p)
		buf_add(p->b, S(" CHARSET"));
	if (s->charset.p) {
		buf_add_char(p->b, ' ');
		imap_add_astring(p->b, s->charset);
	}
	buf_add_char(p->b, ' ');
	imap_search_add(p->b, s->root);
}

static void print_store(struct printer *p, const struct imap_store *s)
{
	print_set(p, &s->set);
	if (s->has_unchangedsince)
		buf_addf(p->b, " (UNCHANGEDSINCE %llu)", (unsigned long long)s->unchangedsince);
	buf_addf(p->b, " %sFLAGS%s (", s->how == IMAP_STORE_ADD ? "+" : s->how == IMAP_STORE_REMOVE ? "-" : "",
		 s->silent ? ".SILENT" : "");
	flag_list_add(p->b, &s->flags);
	buf_add_char(p->b, ')');
}

static void print_notify(struct printer *p, const struct imap_notify *n)
{
	static const char *const filters[] = { "selected", "selected-delayed", "inboxes", "personal", "subscribed", "subtree",
					       "mailboxes" };
	static const char *const events[] = { "MessageNew", "MessageExpunge", "FlagChange", "MailboxName", "SubscriptionChange",
					      "MailboxMetadataChange", "ServerMetadataChange", "AnnotationChange", "Other" };

	buf_add(p->b, n->is_none ? S(" NONE") : n->status ? S(" SET STATUS") : S(" SET"));
	for (size_t i = 0; i < n->n; i++) {
		const struct notify_group *g = &n->groups[i];

		buf_addf(p->b, " (%s", filters[g->filter]);
		for (size_t k = 0; k < g->n_mailboxes; k++) {
			buf_add(p->b, k ? S(" ") : S(" ("));
			imap_add_mailbox(p->b, g->mailboxes[k], p->utf8);
		}
		buf_add(p->b, g->n_mailboxes ? S(") ") : S(" "));
		buf_add(p->b, g->events ? S("(") : S("NONE"));
		if (g->events & NOTIFY_MESSAGE_NEW)
			buf_add(p->b, S("MessageNew"));
		if (g->fetch) {
			buf_add_char(p->b, ' ');
			print_fetch_items(p, g->fetch);
		}
		if (g->events & NOTIFY_MESSAGE_NEW && g->events & ~1U)
			buf_add_char(p->b, ' ');
		print_words(p, events, ARRAY_LEN(events), g->events & ~1U);
		buf_add(p->b, g->events ? S("))") : S(")"));
	}
}

static void print_getmetadata(struct printer *p, const struct imap_getmetadata *g)
{
	buf_addf(p->b, " (DEPTH %s", g->depth == METADATA_DEPTH_INFINITY ? "infinity" : g->depth ? "1" : "0");
	if (g->has_maxsize)
		buf_addf(p->b, " MAXSIZE %u", g->maxsize);
	buf_add_char(p->b, ')');
	print_mailbox(p, g->mailbox);
	for (size_t i = 0; i < g->n; i++) {
		buf_add(p->b, i ? S(" ") : S(" ("));
		imap_add_astring(p->b, g->entries[i]);
	}
	buf_add_char(p->b, ')');
}

static void print_quota(struct printer *p, enum imap_verb verb, const struct imap_quota *q)
{
	buf_add_char(p->b, ' ');
	imap_add_astring(p->b, q->root);
	if (verb == IMAP_GETQUOTA)
		return;
	buf_add(p->b, S(" ("));
	for (size_t i = 0; i < q->n; i++)
		buf_addf(p->b, "%s" STR_FMT " %llu", i ? " " : "", STR_ARG(q->limits[i].resource),
			 (unsigned long long)q->limits[i].limit);
	buf_add_char(p->b, ')');
}

static void print_create(struct printer *p, const struct imap_mailbox *m)
{
	static const char *const uses[] = { "\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash",
					    "\\Important", "\\Other" };

	print_mailbox(p, m->mailbox);
	if (!m->use)
		return;
	buf_add(p->b, S(" (USE ("));
	print_words(p, uses, ARRAY_LEN(uses), m->use);
	buf_add(p->b, S("))"));
}

static void print_login(struct printer *p, const struct imap_command *c)
{
	buf_add_char(p->b, ' ');
	if (c->verb == IMAP_AUTHENTICATE) {
		buf_add(p->b, c->authenticate.mechanism);
		buf_add(p->b, c->authenticate.has_initial ? S(" ") : S(""));
		buf_add(p->b, c->authenticate.initial);
		return;
	}
	imap_add_astring(p->b, c->login.user);
	buf_add_char(p->b, ' ');
	imap_add_astring(p->b, c->login.password);
}

static void print_enable(struct printer *p, unsigned enable)
{
	static const char *const words[] = { "CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2", "X" };

	buf_add_char(p->b, ' ');
	print_words(p, words, ARRAY_LEN(words), enable ? enable : 1U << 4);
}

static void print_args(struct printer *p, const struct imap_command *c)
{
	switch (c->verb) {
	case IMAP_LOGIN:
	case IMAP_AUTHENTICATE:
		print_login(p, c);
		return;
	case IMAP_ENABLE:
		print_enable(p, c->enable);
		return;
	case IMAP_SELECT:
	case IMAP_EXAMINE:
		print_select(p, &c->select);
		return;
	case IMAP_CREATE:
	case IMAP_DELETE:
	case IMAP_SUBSCRIBE:
	case IMAP_UNSUBSCRIBE:
	case IMAP_GETQUOTAROOT:
		print_create(p, &c->mailbox);
		return;
	case IMAP_RENAME:
		print_mailbox(p, c->rename.from);
		print_mailbox(p, c->rename.to);
		return;
	case IMAP_LIST:
	case IMAP_LSUB:
		print_list(p, &c->list);
		return;
	case IMAP_STATUS:
		print_mailbox(p, c->status.mailbox);
		buf_add_char(p->b, ' ');
		print_status_items(p, c->status.items);
		return;
	case IMAP_REPLACE:
		print_set(p, &c->append.set);
		print_append(p, &c->append);
		return;
	case IMAP_APPEND:
		print_append(p, &c->append);
		return;
	case IMAP_COMPRESS:
		buf_add(p->b, S(" DEFLATE"));
		return;
	case IMAP_GETQUOTA:
	case IMAP_SETQUOTA:
		print_quota(p, c->verb, &c->quota);
		return;
	case IMAP_ID:
		buf_add(p->b, S(" ("));
		print_pairs(p, &c->pairs);
		buf_add_char(p->b, ')');
		return;
	case IMAP_SETMETADATA:
		print_mailbox(p, c->pairs.mailbox);
		buf_add(p->b, S(" ("));
		print_pairs(p, &c->pairs);
		buf_add_char(p->b, ')');
		return;
	case IMAP_GETMETADATA:
		print_getmetadata(p, &c->getmetadata);
		return;
	case IMAP_NOTIFY:
		print_notify(p, &c->notify);
		return;
	case IMAP_EXPUNGE:
		if (c->is_uid)
			print_set(p, &c->copy.set);
		return;
	case IMAP_SEARCH:
	case IMAP_SORT:
	case IMAP_THREAD:
		print_search(p, c->verb, &c->search);
		return;
	case IMAP_FETCH:
		print_fetch(p, &c->fetch);
		return;
	case IMAP_STORE:
		print_store(p, &c->store);
		return;
	case IMAP_COPY:
	case IMAP_MOVE:
		print_set(p, &c->copy.set);
		print_mailbox(p, c->copy.mailbox);
		return;
	default:
		return;
	}
}

static void print_command(struct printer *p, const struct imap_command *c)
{
	p->n_streams = 0;
	buf_add(p->b, c->tag);
	buf_addf(p->b, " %s%s", c->is_uid ? "UID " : "", imap_verb_name(c->verb));
	print_args(p, c);
}
