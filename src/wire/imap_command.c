/* imap_command.c — one IMAP command, understood; see imap_command.h.
 *
 * A table says which function reads what stands behind a verb.  They lie in imap_mailbox_args.c,
 * imap_append_args.c, imap_fetch.c, imap_search.c and imap_extra_args.c, and are made of the words of
 * imap_lex.h. */
#include "wire/imap_command.h"

#include "base/err.h"
#include "wire/imap_args.h"

static bool args_none(struct imap_lex *l, struct imap_command *c)
{
	(void)l;
	(void)c;
	return true;
}

/* login = "LOGIN" SP userid SP password */
static bool args_login(struct imap_lex *l, struct imap_command *c)
{
	return lex_space(l) && lex_astring(l, "a user name", &c->login.user) && lex_space(l) &&
	       lex_astring(l, "a password", &c->login.password);
}

static bool is_base64_char(int c)
{
	return ascii_is_alnum(c) || c == '+' || c == '/' || c == '=';
}

/* authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]; initial-resp = base64 / "=" */
static bool args_authenticate(struct imap_lex *l, struct imap_command *c)
{
	size_t begin;

	if (!lex_space(l) || !lex_atom(l, "a mechanism", &c->authenticate.mechanism))
		return false;
	if (!lex_try(l, ' '))
		return true;
	for (begin = l->i; is_base64_char(lex_peek(l)); l->i++)
		;
	if (l->i == begin)
		return lex_fail(l, "base64 or =");
	c->authenticate.has_initial = true;
	c->authenticate.initial = str_sub(l->in, begin, l->i - begin);
	return true;
}

/* enable = "ENABLE" 1*(SP capability); what is not known is passed over (RFC 5161 §3.1). */
static bool args_enable(struct imap_lex *l, struct imap_command *c)
{
	static const struct lex_choice known[] = {
		{ S("CONDSTORE"), ENABLE_CONDSTORE },
		{ S("QRESYNC"), ENABLE_QRESYNC | ENABLE_CONDSTORE },
		{ S("UTF8=ACCEPT"), ENABLE_UTF8 },
		{ S("IMAP4rev2"), ENABLE_REV2 },
	};
	struct str word;

	if (!lex_space(l))
		return false;
	do {
		if (!lex_atom(l, "a capability", &word))
			return false;
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			if (str_eq_nocase(word, known[i].word))
				c->enable |= known[i].value;
	} while (lex_try(l, ' '));
	return true;
}

/* compress = "COMPRESS" SP algorithm */
static bool args_compress(struct imap_lex *l, struct imap_command *c)
{
	(void)c;
	return lex_space(l) && lex_word(l, S("DEFLATE"), "DEFLATE");
}

/* UID EXPUNGE has a set, RFC 4315 §2.1. */
static bool args_expunge(struct imap_lex *l, struct imap_command *c)
{
	if (!c->is_uid)
		return true;
	return lex_space(l) && lex_seqset(l, SEQSET_STAR | SEQSET_SAVED, &c->copy.set);
}

static bool args_copy(struct imap_lex *l, struct imap_command *c)
{
	return lex_space(l) && lex_seqset(l, SEQSET_STAR | SEQSET_SAVED, &c->copy.set) && lex_space(l) &&
	       lex_mailbox(l, &c->copy.mailbox);
}

static const struct verb {
	const char *name;
	unsigned states;
} verbs[IMAP_VERB_COUNT] = {
	[IMAP_UNKNOWN] = { "?", 0 },
	[IMAP_FOREIGN] = { "?", 0 },
#define IMAP_VERB(name, states) [IMAP_##name] = { #name, states },
#include "wire/imap_verb.def"
#undef IMAP_VERB
};

static const struct args {
	bool (*read)(struct imap_lex *l, struct imap_command *c);
	bool may_uid;            /* UID may stand before it */
} args[IMAP_VERB_COUNT] = {
	[IMAP_CAPABILITY] = { args_none, false },     [IMAP_NOOP] = { args_none, false },
	[IMAP_LOGOUT] = { args_none, false },         [IMAP_ID] = { args_id, false },
	[IMAP_STARTTLS] = { args_none, false },       [IMAP_AUTHENTICATE] = { args_authenticate, false },
	[IMAP_LOGIN] = { args_login, false },         [IMAP_ENABLE] = { args_enable, false },
	[IMAP_SELECT] = { args_select, false },       [IMAP_EXAMINE] = { args_select, false },
	[IMAP_CREATE] = { args_create, false },       [IMAP_DELETE] = { args_mailbox, false },
	[IMAP_RENAME] = { args_rename, false },       [IMAP_SUBSCRIBE] = { args_mailbox, false },
	[IMAP_UNSUBSCRIBE] = { args_mailbox, false }, [IMAP_LIST] = { args_list, false },
	[IMAP_LSUB] = { args_lsub, false },           [IMAP_NAMESPACE] = { args_none, false },
	[IMAP_STATUS] = { args_status, false },       [IMAP_APPEND] = { args_append, false },
	[IMAP_IDLE] = { args_none, false },           [IMAP_COMPRESS] = { args_compress, false },
	[IMAP_GETQUOTA] = { args_getquota, false },   [IMAP_GETQUOTAROOT] = { args_mailbox, false },
	[IMAP_SETQUOTA] = { args_setquota, false },   [IMAP_GETMETADATA] = { args_getmetadata, false },
	[IMAP_SETMETADATA] = { args_setmetadata, false }, [IMAP_NOTIFY] = { args_notify, false },
	[IMAP_CLOSE] = { args_none, false },          [IMAP_UNSELECT] = { args_none, false },
	[IMAP_CHECK] = { args_none, false },          [IMAP_EXPUNGE] = { args_expunge, true },
	[IMAP_SEARCH] = { args_search, true },        [IMAP_SORT] = { args_sort, true },
	[IMAP_THREAD] = { args_thread, true },        [IMAP_FETCH] = { args_fetch, true },
	[IMAP_STORE] = { args_store, true },          [IMAP_COPY] = { args_copy, true },
	[IMAP_MOVE] = { args_copy, true },            [IMAP_REPLACE] = { args_replace, true },
};

const char *imap_verb_name(enum imap_verb v)
{
	return (unsigned)v < IMAP_VERB_COUNT ? verbs[v].name : "?";
}

unsigned imap_verb_states(enum imap_verb v)
{
	return (unsigned)v < IMAP_VERB_COUNT ? verbs[v].states : 0;
}

/* Another protocol's first line. */
static bool is_foreign(struct str text)
{
	static const struct str begin[] = { S("\x16\x03"), S("SSH-"), S("PROXY TCP"), S("PROXY UNKNOWN") };
	static const struct str end[] = { S(" HTTP/1.0"), S(" HTTP/1.1"), S(" HTTP/2.0"), S(" SIP/2.0"), S(" RTSP/1.0") };

	for (size_t i = 0; i < ARRAY_LEN(begin); i++)
		if (str_starts(text, begin[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(end); i++)
		if (str_ends(text, end[i]))
			return true;
	return false;
}

static enum imap_verb verb_find(struct str word)
{
	for (size_t v = IMAP_FOREIGN + 1; v < IMAP_VERB_COUNT; v++)
		if (str_eq_nocase(word, str_from_z(verbs[v].name)))
			return (enum imap_verb)v;
	return IMAP_UNKNOWN;
}

/* tag = 1*<any ASTRING-CHAR except "+"> */
static bool read_tag(struct imap_lex *l, struct imap_command *c)
{
	struct str tag;

	if (!lex_astring(l, "a tag", &tag))
		return false;
	if (l->in.p[0] == '"' || l->in.p[0] == '{' || str_has(tag, '+') || tag.n > IMAP_TAG_MAX) {
		l->i = 0;
		return lex_fail(l, "a tag");
	}
	c->tag = tag;
	return true;
}

static bool read_verb(struct imap_lex *l, struct imap_command *c)
{
	size_t begin = l->i;
	struct str word;

	if (!lex_atom(l, "a command", &word))
		return false;
	if (str_eq_nocase(word, S("UID"))) {
		c->is_uid = true;
		if (!lex_space(l) || !lex_atom(l, "a command behind UID", &word))
			return false;
	}
	c->verb = verb_find(word);
	if (c->verb != IMAP_UNKNOWN && (!c->is_uid || args[c->verb].may_uid))
		return true;
	c->verb = IMAP_UNKNOWN;
	l->i = begin;
	return lex_refuse(l, IMAP_REPLY_UNKNOWN_COMMAND);
}

static bool parse(struct imap_lex *l, struct imap_command *c)
{
	if (is_foreign(l->in)) {
		c->verb = IMAP_FOREIGN;
		return lex_refuse(l, IMAP_REPLY_FOREIGN);
	}
	if (!read_tag(l, c) || !lex_space(l) || !read_verb(l, c))
		return false;
	if (l->is_beginning && c->verb != IMAP_APPEND && c->verb != IMAP_REPLACE)
		return lex_fail(l, "APPEND or REPLACE");
	if (!args[c->verb].read(l, c) || !lex_end(l))
		return false;
	return l->stream == l->n_streams || lex_fail(l, "no letter");
}

static bool command_parse(const struct imap_text *text, unsigned flags, bool is_beginning, struct arena *a,
			  struct imap_command *ret, struct imap_fault *why)
{
	struct imap_lex l = { .in = text->bytes, .streams = text->streams, .n_streams = text->n_streams,
			      .flags = flags, .is_beginning = is_beginning, .mark = text->mark, .a = a, .why = why };
	bool ok;

	*why = (struct imap_fault){ .expected = "" };
	*ret = (struct imap_command){ .tag = S("*") };
	ok = parse(&l, ret);
	if (a->full) {
		*why = (struct imap_fault){ IMAP_REPLY_TOO_COMPLEX, l.i, "" };
		return false;
	}
	must(ok == (why->reply == IMAP_REPLY_NONE), "who fails says why");
	return ok;
}

bool imap_command_parse(const struct imap_text *text, unsigned flags, struct arena *a,
			struct imap_command *ret, struct imap_fault *why)
{
	return command_parse(text, flags, false, a, ret, why);
}

bool imap_append_begin(const struct imap_text *text, unsigned flags, struct arena *a,
		       struct imap_command *ret, struct imap_fault *why)
{
	return command_parse(text, flags, true, a, ret, why);
}

/* What LOGIN and AUTHENTICATE say is not repeated. */
static bool is_secret(struct str text)
{
	struct str verb;

	str_word(&text);
	verb = str_word(&text);
	return str_eq_nocase(verb, S("LOGIN")) || str_eq_nocase(verb, S("AUTHENTICATE"));
}

struct str imap_fault_text(const struct imap_fault *f, const struct imap_text *text, struct arena *a)
{
	struct str near = str_sub(text->bytes, f->at, 20);
	struct str expected = str_from_z(f->expected);
	size_t n = 0;

	if (expected.n == 0)
		return str_from_z(imap_reply_row(f->reply)->text);
	while (str_at(near, n) >= ' ' && str_at(near, n) < 0x7f)
		n++;
	near.n = n;
	if (near.n == 0 || is_secret(text->bytes))
		return arena_printf(a, "expected " STR_FMT " at %zu", STR_ARG(expected), f->at);
	/* in quotes: a line that ends in {3} is taken for a literal by some clients */
	return arena_printf(a, "expected " STR_FMT " at %zu, before \"" STR_FMT "\"", STR_ARG(expected), f->at, STR_ARG(near));
}
