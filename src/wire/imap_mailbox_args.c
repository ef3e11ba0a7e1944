/* imap_mailbox_args.c — commands about mailboxes: SELECT, CREATE, LIST, STATUS and their kin
 * (RFC 9051 §6.3, RFC 5258, 5819, 6154, 7162). */
#include "wire/imap_args.h"

bool lex_choice(struct imap_lex *l, const struct lex_choice *choices, size_t n, const char *expected,
		unsigned *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (!lex_try_word(l, choices[i].word))
			continue;
		*ret = choices[i].value;
		return true;
	}
	return lex_fail(l, expected);
}

/* SP known-sequence-set SP known-uid-set within parentheses: seq-match-data */
static bool seq_match(struct imap_lex *l, struct imap_select *ret)
{
	ret->has_matches = true;
	return lex_seqset(l, 0, &ret->match_seqs) && lex_space(l) && lex_seqset(l, 0, &ret->match_uids) &&
	       lex_char(l, ')', ")");
}

/* "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"   RFC 7162 §7 */
static bool qresync(struct imap_lex *l, struct imap_select *ret)
{
	uint64_t validity;

	ret->qresync = ret->condstore = true;
	if (!lex_space(l) || !lex_char(l, '(', "(") || !lex_number(l, "a UIDVALIDITY", UINT32_MAX, &validity) ||
	    !lex_space(l) || !lex_number(l, "a mod-sequence", INT64_MAX, &ret->modseq))
		return false;
	ret->uidvalidity = (uint32_t)validity;
	if (lex_try(l, ' ')) {
		if (lex_peek(l) != '(') {
			ret->has_known_uids = true;
			if (!lex_seqset(l, 0, &ret->known_uids))
				return false;
		}
		if (lex_peek(l) == '(' || lex_try(l, ' ')) {
			if (!lex_char(l, '(', "(") || !seq_match(l, ret))
				return false;
		}
	}
	return lex_char(l, ')', ")");
}

/* select = "SELECT" SP mailbox [SP "(" select-param *(SP select-param) ")"]   RFC 4466 */
bool args_select(struct imap_lex *l, struct imap_command *c)
{
	struct imap_select *s = &c->select;
	struct imap_lex name;

	if (!lex_space(l))
		return false;
	name = *l;
	if (!lex_mailbox(l, &s->mailbox) || !lex_astring(&name, "a mailbox", &s->written))
		return false;
	if (!lex_try(l, ' '))
		return true;
	if (!lex_char(l, '(', "("))
		return false;
	do {
		if (lex_try_word(l, S("CONDSTORE")))
			s->condstore = true;
		else if (s->qresync || !lex_word(l, S("QRESYNC"), "CONDSTORE or QRESYNC") || !qresync(l, s))
			return lex_fail(l, "CONDSTORE or one QRESYNC");
	} while (lex_try(l, ' '));
	return lex_char(l, ')', ")");
}

bool args_mailbox(struct imap_lex *l, struct imap_command *c)
{
	return lex_space(l) && lex_mailbox(l, &c->mailbox.mailbox);
}

/* use-attr = "\All" / "\Archive" / … / use-attr-ext   RFC 6154 §6, RFC 8457 */
static bool special_use(struct imap_lex *l, unsigned *ret)
{
	static const struct lex_choice uses[] = {
		{ S("All"), USE_ALL },     { S("Archive"), USE_ARCHIVE }, { S("Drafts"), USE_DRAFTS },
		{ S("Flagged"), USE_FLAGGED }, { S("Junk"), USE_JUNK },   { S("Sent"), USE_SENT },
		{ S("Trash"), USE_TRASH }, { S("Important"), USE_IMPORTANT },
	};
	struct str word;

	if (!lex_char(l, '\\', "a special use such as \\Sent") || !lex_atom(l, "a special use", &word))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		if (str_eq_nocase(word, uses[i].word)) {
			*ret |= uses[i].value;
			return true;
		}
	}
	*ret |= USE_UNKNOWN;
	return true;
}

/* create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"] */
bool args_create(struct imap_lex *l, struct imap_command *c)
{
	if (!args_mailbox(l, c))
		return false;
	if (!lex_try(l, ' '))
		return true;
	if (!lex_char(l, '(', "(") || !lex_word(l, S("USE"), "USE") || !lex_space(l) || !lex_char(l, '(', "("))
		return false;
	if (lex_peek(l) != ')') {
		do {
			if (!special_use(l, &c->mailbox.use))
				return false;
		} while (lex_try(l, ' '));
	}
	return lex_char(l, ')', ")") && lex_char(l, ')', ")");
}

bool args_rename(struct imap_lex *l, struct imap_command *c)
{
	return lex_space(l) && lex_mailbox(l, &c->rename.from) && lex_space(l) && lex_mailbox(l, &c->rename.to);
}

/* "(" status-att *(SP status-att) ")" */
bool lex_status_items(struct imap_lex *l, unsigned *ret)
{
	static const struct lex_choice items[] = {
		{ S("MESSAGES"), STATUS_MESSAGES },       { S("UIDNEXT"), STATUS_UIDNEXT },
		{ S("UIDVALIDITY"), STATUS_UIDVALIDITY }, { S("UNSEEN"), STATUS_UNSEEN },
		{ S("RECENT"), STATUS_RECENT },           { S("DELETED"), STATUS_DELETED },
		{ S("SIZE"), STATUS_SIZE },               { S("HIGHESTMODSEQ"), STATUS_HIGHESTMODSEQ },
		{ S("APPENDLIMIT"), STATUS_APPENDLIMIT }, { S("MAILBOXID"), STATUS_MAILBOXID },
		{ S("DELETED-STORAGE"), STATUS_DELETED_STORAGE },
	};
	unsigned item = 0;

	if (!lex_char(l, '(', "("))
		return false;
	do {
		if (!lex_choice(l, items, ARRAY_LEN(items), "a status item", &item))
			return false;
		*ret |= item;
	} while (lex_try(l, ' '));
	return lex_char(l, ')', ")");
}

bool args_status(struct imap_lex *l, struct imap_command *c)
{
	return lex_space(l) && lex_mailbox(l, &c->status.mailbox) && lex_space(l) &&
	       lex_status_items(l, &c->status.items);
}

/* list-select-opts = "(" [list-select-option …] ")"   RFC 5258 §6; RECURSIVEMATCH never alone (§3) */
static bool list_select(struct imap_lex *l, struct imap_list *ret)
{
	static const struct lex_choice options[] = {
		{ S("SUBSCRIBED"), LIST_SELECT_SUBSCRIBED },
		{ S("REMOTE"), LIST_SELECT_REMOTE },
		{ S("RECURSIVEMATCH"), LIST_SELECT_RECURSIVE },
		{ S("SPECIAL-USE"), LIST_SELECT_SPECIAL_USE },
	};
	unsigned option = 0;

	ret->is_extended = true;
	if (lex_peek(l) != ')') {
		do {
			if (!lex_choice(l, options, ARRAY_LEN(options), "a selection option", &option))
				return false;
			ret->flags |= option;
		} while (lex_try(l, ' '));
	}
	if (ret->flags & LIST_SELECT_RECURSIVE && !(ret->flags & (LIST_SELECT_SUBSCRIBED | LIST_SELECT_SPECIAL_USE)))
		return lex_fail(l, "an option beside RECURSIVEMATCH");
	return lex_char(l, ')', ")") && lex_space(l);
}

/* list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")" */
static bool list_return(struct imap_lex *l, struct imap_list *ret)
{
	static const struct lex_choice options[] = {
		{ S("SUBSCRIBED"), LIST_RETURN_SUBSCRIBED },
		{ S("CHILDREN"), LIST_RETURN_CHILDREN },
		{ S("SPECIAL-USE"), LIST_RETURN_SPECIAL_USE },
		{ S("STATUS"), LIST_RETURN_STATUS },
	};
	unsigned option = 0;

	ret->is_extended = true;
	if (!lex_word(l, S("RETURN"), "RETURN") || !lex_space(l) || !lex_char(l, '(', "("))
		return false;
	if (lex_peek(l) != ')') {
		do {
			if (!lex_choice(l, options, ARRAY_LEN(options), "a return option", &option))
				return false;
			ret->flags |= option;
			if (option == LIST_RETURN_STATUS && (!lex_space(l) || !lex_status_items(l, &ret->status)))
				return false;
		} while (lex_try(l, ' '));
	}
	return lex_char(l, ')', ")");
}

/* mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")" */
static bool patterns(struct imap_lex *l, struct imap_list *ret)
{
	struct str *p = NULL;
	bool in_list = lex_try(l, '(');

	ret->is_extended |= in_list;
	do {
		if (!lex_room(l, &p, ret->n_patterns, sizeof(*p), IMAP_LIST_PATTERNS_MAX) ||
		    !lex_pattern(l, &p[ret->n_patterns]))
			return false;
		ret->n_patterns++;
	} while (in_list && lex_try(l, ' '));
	ret->patterns = p;
	return !in_list || lex_char(l, ')', "a pattern or )");
}

/* list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts] */
bool args_list(struct imap_lex *l, struct imap_command *c)
{
	if (!lex_space(l) || (lex_try(l, '(') && !list_select(l, &c->list)))
		return false;
	if (!lex_pattern(l, &c->list.reference) || !lex_space(l) || !patterns(l, &c->list))
		return false;
	return !lex_try(l, ' ') || list_return(l, &c->list);
}

/* lsub = "LSUB" SP mailbox SP list-mailbox */
bool args_lsub(struct imap_lex *l, struct imap_command *c)
{
	struct str *pattern = ARENA_NEW(l->a, struct str);

	if (!pattern)
		return lex_refuse(l, IMAP_REPLY_TOO_COMPLEX);
	c->list.patterns = pattern;
	c->list.n_patterns = 1;
	return lex_space(l) && lex_pattern(l, &c->list.reference) && lex_space(l) && lex_pattern(l, pattern);
}
