/* imap_append_args.c — APPEND and REPLACE (RFC 9051 §6.3.12, RFC 3502, 4469, 8508, 9755).
 *
 *	append       = "APPEND" SP mailbox 1*append-message
 *	append-message = SP [flag-list SP] [date-time SP] append-data
 *	append-data  = literal / literal8 / "UTF8" SP "(" literal8 ")" / "CATENATE" SP "(" cat-part *(SP cat-part) ")"
 *	cat-part     = "TEXT" SP literal / "URL" SP astring
 *
 * The octets of letters are elsewhere: where a literal stood, imap_text names a stream. */
#include "base/err.h"
#include "wire/imap_args.h"

/* imap_append_begin(): the text ends where the letter begins. */
static bool is_at_letter(const struct imap_lex *l)
{
	return l->is_beginning && l->i == l->in.n;
}

static bool letter_part(struct imap_lex *l, struct append_part *ret)
{
	if (!lex_stream(l, &ret->stream))
		return false;
	ret->size = l->streams[ret->stream].size;
	ret->is_literal8 = l->streams[ret->stream].is_literal8;
	return true;
}

static bool catenate(struct imap_lex *l, struct append_letter *ret)
{
	struct append_part *parts = NULL, *p;

	ret->is_catenate = true;
	if (!lex_space(l) || !lex_char(l, '(', "("))
		return false;
	do {
		if (!lex_room(l, &parts, ret->n_parts, sizeof(*parts), IMAP_STREAMS_MAX))
			return false;
		p = &parts[ret->n_parts++];
		*p = (struct append_part){ .is_url = lex_try_word(l, S("URL")) };
		ret->parts = parts;
		if (!p->is_url && !lex_word(l, S("TEXT"), "TEXT or URL"))
			return false;
		if (!lex_space(l) || !(p->is_url ? lex_astring(l, "a URL", &p->url) : letter_part(l, p)))
			return false;
		if (is_at_letter(l))
			return true;
	} while (lex_try(l, ' '));
	return lex_char(l, ')', ")");
}

static bool append_data(struct imap_lex *l, struct append_letter *ret)
{
	struct append_part *part;

	if (lex_try_word(l, S("CATENATE")))
		return catenate(l, ret);
	ret->is_utf8 = lex_try_word(l, S("UTF8"));
	if (ret->is_utf8 && (!lex_space(l) || !lex_char(l, '(', "(")))
		return false;
	part = ARENA_NEW(l->a, struct append_part);
	if (!part)
		return lex_refuse(l, IMAP_REPLY_TOO_COMPLEX);
	if (!letter_part(l, part))
		return false;
	if (ret->is_utf8 && !part->is_literal8)
		return lex_fail(l, "a literal8 in UTF8");
	ret->parts = part;
	ret->n_parts = 1;
	return !ret->is_utf8 || is_at_letter(l) || lex_char(l, ')', ")");
}

static bool append_letter(struct imap_lex *l, struct append_letter *ret)
{
	*ret = (struct append_letter){ 0 };
	if (lex_peek(l) == '(' && (!lex_flags(l, false, &ret->flags) || !lex_space(l)))
		return false;
	if (lex_peek(l) == '"') {
		ret->has_date = true;
		if (!lex_date_time(l, &ret->date, &ret->zone) || !lex_space(l))
			return false;
	}
	return append_data(l, ret);
}

/* To where the mark is; what lies before it was parsed when it came. */
static void pass_to_mark(struct imap_lex *l, struct imap_append *ret)
{
	must(l->mark.at >= l->i && l->mark.at <= l->in.n && l->mark.stream <= l->n_streams, "a mark of another command");
	l->i = l->mark.at;
	l->stream = l->mark.stream;
	ret->first = l->mark.letters;
}

bool args_append(struct imap_lex *l, struct imap_command *c)
{
	struct append_letter *letters = NULL;

	if (!lex_space(l) || !lex_mailbox(l, &c->append.mailbox) || !lex_space(l))
		return false;
	if (l->mark.letters)
		pass_to_mark(l, &c->append);
	do {
		c->append.mark = (struct append_mark){ c->append.first + c->append.n_letters, l->i, l->stream };
		if (!lex_room(l, &letters, c->append.n_letters, sizeof(*letters), IMAP_STREAMS_MAX) ||
		    !append_letter(l, &letters[c->append.n_letters]))
			return false;
		c->append.n_letters++;
		c->append.letters = letters;
	} while (!is_at_letter(l) && lex_try(l, ' '));
	return true;
}

/* replace = "REPLACE" SP seq-number SP mailbox append-message   RFC 8508 §7 */
bool args_replace(struct imap_lex *l, struct imap_command *c)
{
	struct append_letter *letter = ARENA_NEW(l->a, struct append_letter);
	struct seqset *set = &c->append.set;

	if (!letter)
		return lex_refuse(l, IMAP_REPLY_TOO_COMPLEX);
	if (!lex_space(l) || !lex_seqset(l, SEQSET_STAR, set))
		return false;
	if (set->n != 1 || set->ranges[0].first != set->ranges[0].last)
		return lex_fail(l, "one number");
	c->append.letters = letter;
	c->append.n_letters = 1;
	return lex_space(l) && lex_mailbox(l, &c->append.mailbox) && lex_space(l) && append_letter(l, letter);
}
