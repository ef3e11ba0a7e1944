/* imap_search.c — what SEARCH, SORT and THREAD ask; see imap_search.h. */
#include "wire/imap_search.h"

#include "wire/imap_args.h"
#include "wire/imap_print.h"

enum { ALL_STARS = SEQSET_STAR | SEQSET_SAVED };

struct program {
	struct imap_lex *l;
	struct imap_search *search;
	unsigned depth;
};

static bool read_key(struct program *p, struct search_key *ret);

/* What follows the name of a key. */
static bool no_value(struct imap_lex *l, struct search_key *k)
{
	(void)l;
	(void)k;
	return true;
}

static bool text_value(struct imap_lex *l, struct search_key *k)
{
	return lex_space(l) && lex_astring(l, "a string", &k->text);
}

static bool keyword_value(struct imap_lex *l, struct search_key *k)
{
	return lex_space(l) && lex_atom(l, "a keyword", &k->text);
}

static bool header_value(struct imap_lex *l, struct search_key *k)
{
	return lex_space(l) && lex_astring(l, "a field's name", &k->name) && text_value(l, k);
}

static bool date_value(struct imap_lex *l, struct search_key *k)
{
	return lex_space(l) && lex_date(l, &k->day);
}

static bool number_value(struct imap_lex *l, struct search_key *k)
{
	return lex_space(l) && lex_number(l, "a number", INT64_MAX, &k->number);
}

static bool seconds_value(struct imap_lex *l, struct search_key *k)
{
	if (!lex_space(l) || !lex_number(l, "a number of seconds", UINT32_MAX, &k->number))
		return false;
	return k->number > 0 || lex_fail(l, "seconds over 0");
}

static bool set_value(struct imap_lex *l, struct search_key *k)
{
	return lex_space(l) && lex_seqset(l, ALL_STARS, &k->set);
}

/* search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer   RFC 7162 §7 */
static bool modseq_value(struct imap_lex *l, struct search_key *k)
{
	static const struct lex_choice types[] = { { S("priv"), 0 }, { S("shared"), 0 }, { S("all"), 0 } };
	struct str entry;
	unsigned type;

	if (!lex_space(l))
		return false;
	if (lex_peek(l) == '"' && (!lex_string(l, "an entry", &entry) || !lex_space(l) ||
				   !lex_choice(l, types, ARRAY_LEN(types), "priv, shared or all", &type) || !lex_space(l)))
		return false;
	return lex_number(l, "a mod-sequence", INT64_MAX, &k->number);
}

/* objectid = 1*255(ALPHA / DIGIT / "_" / "-")   RFC 8474 §7 */
static bool id_value(struct imap_lex *l, struct search_key *k)
{
	if (!lex_space(l) || !lex_astring(l, "an object's id", &k->text))
		return false;
	for (size_t i = 0; i < k->text.n; i++)
		if (!ascii_is_alnum(str_at(k->text, i)) && k->text.p[i] != '_' && k->text.p[i] != '-')
			return lex_fail(l, "an object's id");
	return (k->text.n > 0 && k->text.n <= 255) || lex_fail(l, "an object's id");
}

/* `key` is how it begins; `not`: it is within a NOT. */
static const struct row {
	struct str word;
	struct search_key key;
	bool (*value)(struct imap_lex *l, struct search_key *k);
	bool not;
} rows[] = {
	{ S("ALL"), { .what = SEARCH_ALL }, no_value, false },
	{ S("ANSWERED"), { .what = SEARCH_FLAG, .flag = FLAG_ANSWERED }, no_value, false },
	{ S("DELETED"), { .what = SEARCH_FLAG, .flag = FLAG_DELETED }, no_value, false },
	{ S("DRAFT"), { .what = SEARCH_FLAG, .flag = FLAG_DRAFT }, no_value, false },
	{ S("FLAGGED"), { .what = SEARCH_FLAG, .flag = FLAG_FLAGGED }, no_value, false },
	{ S("RECENT"), { .what = SEARCH_FLAG, .flag = FLAG_RECENT }, no_value, false },
	{ S("SEEN"), { .what = SEARCH_FLAG, .flag = FLAG_SEEN }, no_value, false },
	{ S("UNANSWERED"), { .what = SEARCH_FLAG, .flag = FLAG_ANSWERED }, no_value, true },
	{ S("UNDELETED"), { .what = SEARCH_FLAG, .flag = FLAG_DELETED }, no_value, true },
	{ S("UNDRAFT"), { .what = SEARCH_FLAG, .flag = FLAG_DRAFT }, no_value, true },
	{ S("UNFLAGGED"), { .what = SEARCH_FLAG, .flag = FLAG_FLAGGED }, no_value, true },
	{ S("UNSEEN"), { .what = SEARCH_FLAG, .flag = FLAG_SEEN }, no_value, true },
	{ S("OLD"), { .what = SEARCH_FLAG, .flag = FLAG_RECENT }, no_value, true },
	{ S("KEYWORD"), { .what = SEARCH_KEYWORD }, keyword_value, false },
	{ S("UNKEYWORD"), { .what = SEARCH_KEYWORD }, keyword_value, true },
	{ S("BCC"), { .what = SEARCH_HEADER, .name = S("Bcc") }, text_value, false },
	{ S("CC"), { .what = SEARCH_HEADER, .name = S("Cc") }, text_value, false },
	{ S("FROM"), { .what = SEARCH_HEADER, .name = S("From") }, text_value, false },
	{ S("SUBJECT"), { .what = SEARCH_HEADER, .name = S("Subject") }, text_value, false },
	{ S("TO"), { .what = SEARCH_HEADER, .name = S("To") }, text_value, false },
	{ S("HEADER"), { .what = SEARCH_HEADER }, header_value, false },
	{ S("BODY"), { .what = SEARCH_BODY }, text_value, false },
	{ S("TEXT"), { .what = SEARCH_TEXT }, text_value, false },
	{ S("BEFORE"), { .what = SEARCH_BEFORE, .date = SEARCH_DATE_INTERNAL }, date_value, false },
	{ S("ON"), { .what = SEARCH_ON, .date = SEARCH_DATE_INTERNAL }, date_value, false },
	{ S("SINCE"), { .what = SEARCH_SINCE, .date = SEARCH_DATE_INTERNAL }, date_value, false },
	{ S("SENTBEFORE"), { .what = SEARCH_BEFORE, .date = SEARCH_DATE_SENT }, date_value, false },
	{ S("SENTON"), { .what = SEARCH_ON, .date = SEARCH_DATE_SENT }, date_value, false },
	{ S("SENTSINCE"), { .what = SEARCH_SINCE, .date = SEARCH_DATE_SENT }, date_value, false },
	{ S("SAVEDBEFORE"), { .what = SEARCH_BEFORE, .date = SEARCH_DATE_SAVED }, date_value, false },
	{ S("SAVEDON"), { .what = SEARCH_ON, .date = SEARCH_DATE_SAVED }, date_value, false },
	{ S("SAVEDSINCE"), { .what = SEARCH_SINCE, .date = SEARCH_DATE_SAVED }, date_value, false },
	{ S("SAVEDATESUPPORTED"), { .what = SEARCH_SAVEDATE_SUPPORTED }, no_value, false },
	{ S("LARGER"), { .what = SEARCH_LARGER }, number_value, false },
	{ S("SMALLER"), { .what = SEARCH_SMALLER }, number_value, false },
	{ S("OLDER"), { .what = SEARCH_OLDER }, seconds_value, false },
	{ S("YOUNGER"), { .what = SEARCH_YOUNGER }, seconds_value, false },
	{ S("MODSEQ"), { .what = SEARCH_MODSEQ }, modseq_value, false },
	{ S("UID"), { .what = SEARCH_UID }, set_value, false },
	{ S("EMAILID"), { .what = SEARCH_EMAILID }, id_value, false },
	{ S("THREADID"), { .what = SEARCH_THREADID }, id_value, false },
};

/* One key more, behind the last. */
static struct search_key *kid_add(struct program *p, struct search_key *parent, struct search_key **last)
{
	struct search_key *k = NULL;

	if (p->search->n_keys < IMAP_SEARCH_KEYS_MAX)
		k = ARENA_NEW(p->l->a, struct search_key);
	if (!k) {
		lex_refuse(p->l, IMAP_REPLY_TOO_COMPLEX);
		return NULL;
	}
	p->search->n_keys++;
	if (*last)
		(*last)->next = k;
	else
		parent->kids = k;
	*last = k;
	return k;
}

/* n keys, each behind a space but the first; n 0: as many as there are. */
static bool read_kids(struct program *p, size_t n, struct search_key *parent)
{
	struct search_key *last = NULL;

	for (size_t i = 0; n == 0 || i < n; i++) {
		if (i && n == 0 && lex_peek(p->l) != ' ')
			break;
		if ((i && !lex_space(p->l)) || !kid_add(p, parent, &last) || !read_key(p, last))
			return false;
	}
	return true;
}

/* "NEW" is (RECENT UNSEEN). */
static bool new_key(struct program *p, struct search_key *ret)
{
	struct search_key *last = NULL, *not, *inner = NULL;

	ret->what = SEARCH_AND;
	if (!kid_add(p, ret, &last))
		return false;
	*last = (struct search_key){ .what = SEARCH_FLAG, .flag = FLAG_RECENT };
	not = kid_add(p, ret, &last);
	if (!not)
		return false;
	not->what = SEARCH_NOT;
	if (!kid_add(p, not, &inner))
		return false;
	*inner = (struct search_key){ .what = SEARCH_FLAG, .flag = FLAG_SEEN };
	return true;
}

static bool row_key(struct program *p, const struct row *row, struct search_key *ret)
{
	struct search_key *inner = NULL, *k = ret;

	if (row->not) {
		ret->what = SEARCH_NOT;
		k = kid_add(p, ret, &inner);
		if (!k)
			return false;
	}
	*k = row->key;
	p->search->has_modseq |= k->what == SEARCH_MODSEQ;
	return row->value(p->l, k);
}

static bool word_key(struct program *p, struct search_key *ret)
{
	if (lex_try_word(p->l, S("NOT"))) {
		ret->what = SEARCH_NOT;
		return lex_space(p->l) && read_kids(p, 1, ret);
	}
	if (lex_try_word(p->l, S("OR"))) {
		ret->what = SEARCH_OR;
		return lex_space(p->l) && read_kids(p, 2, ret);
	}
	if (lex_try_word(p->l, S("NEW")))
		return new_key(p, ret);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (lex_try_word(p->l, rows[i].word))
			return row_key(p, &rows[i], ret);
	return lex_fail(p->l, "a search key");
}

/* search-key = … / sequence-set / "(" search-key *(SP search-key) ")" */
static bool read_key(struct program *p, struct search_key *ret)
{
	int c = lex_peek(p->l);
	bool ok;

	if (p->depth >= IMAP_SEARCH_DEPTH_MAX)
		return lex_refuse(p->l, IMAP_REPLY_TOO_COMPLEX);
	if (ascii_is_digit(c) || c == '*' || c == '$') {
		ret->what = SEARCH_SEQ;
		return lex_seqset(p->l, ALL_STARS, &ret->set);
	}
	p->depth++;
	if (lex_try(p->l, '(')) {
		ret->what = SEARCH_AND;
		ok = read_kids(p, 0, ret) && lex_char(p->l, ')', "a space or )");
	} else {
		ok = word_key(p, ret);
	}
	p->depth--;
	return ok;
}

static bool end_number(struct imap_lex *l, bool *is_minus, uint32_t *ret)
{
	uint64_t v;

	*is_minus = lex_try(l, '-');
	if (!lex_number(l, "a number", UINT32_MAX, &v))
		return false;
	*ret = (uint32_t)v;
	return v > 0 || lex_fail(l, "a number over 0");
}

/* partial-range = nz-number ":" nz-number / MINUS nz-number ":" MINUS nz-number   RFC 9394 §5 */
bool lex_partial(struct imap_lex *l, struct imap_partial *ret)
{
	struct imap_partial p;
	bool is_from_end;

	if (!end_number(l, &p.is_from_end, &p.first) || !lex_char(l, ':', ":") ||
	    !end_number(l, &is_from_end, &p.last))
		return false;
	if (p.is_from_end != is_from_end)
		return lex_fail(l, "both ends of one sign");
	if (p.first > p.last) {
		uint32_t first = p.last;

		p.last = p.first;
		p.first = first;
	}
	*ret = p;
	return true;
}

/* search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")", behind its SP */
static bool read_return(struct imap_lex *l, struct imap_search *ret)
{
	static const struct lex_choice options[] = {
		{ S("MIN"), SEARCH_RETURN_MIN },     { S("MAX"), SEARCH_RETURN_MAX },
		{ S("ALL"), SEARCH_RETURN_ALL },     { S("COUNT"), SEARCH_RETURN_COUNT },
		{ S("SAVE"), SEARCH_RETURN_SAVE },   { S("PARTIAL"), SEARCH_RETURN_PARTIAL },
	};
	unsigned option = 0;

	if (!lex_try_word(l, S("RETURN")))
		return true;
	ret->has_return = true;
	if (!lex_space(l) || !lex_char(l, '(', "("))
		return false;
	if (lex_peek(l) != ')') {
		do {
			if (!lex_choice(l, options, ARRAY_LEN(options), "MIN, MAX, ALL, COUNT, SAVE or PARTIAL", &option))
				return false;
			if (option == SEARCH_RETURN_PARTIAL) {
				/* not twice, not beside ALL: RFC 9394 §3.1 */
				if (ret->returns & SEARCH_RETURN_PARTIAL || !lex_space(l) || !lex_partial(l, &ret->partial))
					return lex_fail(l, "one PARTIAL");
			}
			ret->returns |= option;
		} while (lex_try(l, ' '));
	}
	if (ret->returns & SEARCH_RETURN_PARTIAL && ret->returns & SEARCH_RETURN_ALL)
		return lex_fail(l, "ALL or PARTIAL, not both");
	return lex_char(l, ')', ")") && lex_space(l);
}

static bool read_charset(struct imap_lex *l, struct imap_search *ret)
{
	if (!lex_astring(l, "a character set", &ret->charset))
		return false;
	ret->charset_is_known = str_eq_nocase(ret->charset, S("UTF-8")) || str_eq_nocase(ret->charset, S("US-ASCII"));
	return lex_space(l);
}

static bool read_keys(struct imap_lex *l, struct imap_search *ret)
{
	struct program p = { .l = l, .search = ret };

	ret->root = ARENA_NEW(l->a, struct search_key);
	if (!ret->root)
		return lex_refuse(l, IMAP_REPLY_TOO_COMPLEX);
	ret->root->what = SEARCH_AND;
	return read_kids(&p, 0, ret->root);
}

/* search = "SEARCH" [search-return-opts] SP ["CHARSET" SP charset SP] search-key *(SP search-key) */
bool args_search(struct imap_lex *l, struct imap_command *c)
{
	struct imap_search *s = &c->search;

	s->charset_is_known = true;
	if (!lex_space(l) || !read_return(l, s))
		return false;
	if (lex_try_word(l, S("CHARSET")) && (!lex_space(l) || !read_charset(l, s)))
		return false;
	return read_keys(l, s);
}

static const struct lex_choice sorts[] = {
	{ S("ARRIVAL"), SORT_ARRIVAL }, { S("CC"), SORT_CC },
	{ S("DATE"), SORT_DATE },       { S("FROM"), SORT_FROM },
	{ S("SIZE"), SORT_SIZE },       { S("SUBJECT"), SORT_SUBJECT },
	{ S("TO"), SORT_TO },           { S("DISPLAYFROM"), SORT_DISPLAYFROM },
	{ S("DISPLAYTO"), SORT_DISPLAYTO },
};

/* sort = "SORT" [search-return-opts] SP "(" ["REVERSE" SP] sort-key … ")" SP charset 1*(SP search-key)
 * RFC 5256 §5, RFC 5267 §3.1 */
bool args_sort(struct imap_lex *l, struct imap_command *c)
{
	struct imap_search *s = &c->search;
	unsigned by = 0;

	if (!lex_space(l) || !read_return(l, s) || !lex_char(l, '(', "("))
		return false;
	do {
		bool reverse = lex_try_word(l, S("REVERSE"));

		if (s->n_sort == IMAP_SORT_KEYS_MAX)
			return lex_refuse(l, IMAP_REPLY_TOO_COMPLEX);
		if ((reverse && !lex_space(l)) || !lex_choice(l, sorts, ARRAY_LEN(sorts), "a sort key", &by))
			return false;
		s->sort[s->n_sort++] = (struct sort_key){ (enum sort_by)by, reverse };
	} while (lex_try(l, ' '));
	return lex_char(l, ')', ")") && lex_space(l) && read_charset(l, s) && read_keys(l, s);
}

/* thread = "THREAD" SP thread-alg SP charset 1*(SP search-key)   RFC 5256 §5 */
bool args_thread(struct imap_lex *l, struct imap_command *c)
{
	static const struct lex_choice ways[] = {
		{ S("ORDEREDSUBJECT"), THREAD_ORDEREDSUBJECT },
		{ S("REFERENCES"), THREAD_REFERENCES },
		{ S("REFS"), THREAD_REFS },
	};
	unsigned by = THREAD_NONE;

	if (!lex_space(l) || !lex_choice(l, ways, ARRAY_LEN(ways), "ORDEREDSUBJECT, REFERENCES or REFS", &by))
		return false;
	c->search.thread = (enum thread_by)by;
	return lex_space(l) && read_charset(l, &c->search) && read_keys(l, &c->search);
}

static const struct row *row_of(const struct search_key *k)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct search_key *r = &rows[i].key;

		if (!rows[i].not && r->what == k->what && r->date == k->date && r->flag == k->flag &&
		    (r->what != SEARCH_HEADER || r->name.n == 0))
			return &rows[i];
	}
	return NULL;
}

static void value_add(struct buf *b, const struct search_key *k)
{
	switch (k->what) {
	case SEARCH_HEADER:
		buf_add_char(b, ' ');
		imap_add_astring(b, k->name);
		__attribute__((fallthrough));
	case SEARCH_BODY:
	case SEARCH_TEXT:
	case SEARCH_KEYWORD:
	case SEARCH_EMAILID:
	case SEARCH_THREADID:
		buf_add_char(b, ' ');
		imap_add_astring(b, k->text);
		return;
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		buf_add_char(b, ' ');
		imap_add_date(b, k->day);
		return;
	case SEARCH_UID:
		buf_add_char(b, ' ');
		seqset_add(b, &k->set);
		return;
	case SEARCH_LARGER:
	case SEARCH_SMALLER:
	case SEARCH_OLDER:
	case SEARCH_YOUNGER:
	case SEARCH_MODSEQ:
		buf_add_char(b, ' ');
		buf_add_u64(b, k->number);
		return;
	default:
		return;
	}
}

static void key_add(struct buf *b, const struct search_key *k);

static void kids_add(struct buf *b, const struct search_key *k)
{
	for (const struct search_key *kid = k->kids; kid; kid = kid->next) {
		if (kid != k->kids)
			buf_add_char(b, ' ');
		key_add(b, kid);
	}
}

static void key_add(struct buf *b, const struct search_key *k)
{
	const struct row *row;

	switch (k->what) {
	case SEARCH_AND:
		buf_add_char(b, '(');
		kids_add(b, k);
		buf_add_char(b, ')');
		return;
	case SEARCH_OR:
		buf_add(b, S("OR "));
		kids_add(b, k);
		return;
	case SEARCH_NOT:
		buf_add(b, S("NOT "));
		kids_add(b, k);
		return;
	case SEARCH_SEQ:
		seqset_add(b, &k->set);
		return;
	default:
		row = row_of(k);
		if (row)
			buf_add(b, row->word);
		value_add(b, k);
	}
}

void imap_search_add(struct buf *b, const struct search_key *root)
{
	kids_add(b, root);
}
