/* pop3_command.c — one POP3 command line, understood; see pop3_command.h. */
#include "wire/pop3_command.h"

#include "base/err.h"
#include "base/utf8.h"

static const struct pop3_reply_row replies[POP3_REPLY_COUNT] = {
	[POP3_REPLY_NONE] = { "NONE", true, "", "" },
#define POP3_REPLY(name, ok, code, text) [POP3_REPLY_##name] = { #name, ok, code, text },
#include "wire/pop3_reply.def"
#undef POP3_REPLY
};

const struct pop3_reply_row *pop3_reply_row(enum pop3_reply_id id)
{
	must((unsigned)id < POP3_REPLY_COUNT, "a reply is a row of pop3_reply.def");
	return &replies[id];
}

void pop3_reply_add(struct buf *b, enum pop3_reply_id id, struct str text)
{
	const struct pop3_reply_row *row = pop3_reply_row(id);
	struct str code = str_from_z(row->code);

	if (id == POP3_REPLY_NONE)
		return;
	text = str_head(text.n ? text : str_from_z(row->text), POP3_REPLY_MAX - 32);
	buf_add(b, row->ok ? S("+OK ") : S("-ERR "));
	if (code.n) {
		buf_add_char(b, '[');
		buf_add(b, code);
		buf_add(b, S("] "));
	}
	for (size_t i = 0; i < text.n; i++)
		buf_add_char(b, str_at(text, i) >= ' ' && str_at(text, i) < 0x7f ? text.p[i] : '?');
	buf_add(b, S("\r\n"));
}

static enum pop3_reply_id read_none(struct str in, struct pop3_command *c)
{
	(void)c;
	return in.n ? POP3_REPLY_NO_ARGUMENT_ALLOWED : POP3_REPLY_NONE;
}

/* A user's name, which may have spaces; or a password, of which each octet counts (RFC 1939 §7). */
static enum pop3_reply_id read_text(struct str in, struct pop3_command *c)
{
	c->arg = in;
	if (in.n == 0)
		return POP3_REPLY_ARGUMENT_MISSING;
	return utf8_valid(in) ? POP3_REPLY_NONE : POP3_REPLY_ARGUMENT_BAD;
}

static enum pop3_reply_id read_any(struct str in, struct pop3_command *c)
{
	c->arg = in;
	return str_is_ascii(in) ? POP3_REPLY_NONE : POP3_REPLY_ARGUMENT_BAD;
}

/* auth = "AUTH" [SP mechanism [SP (initial-response / "=")]]   RFC 5034 §4 */
static enum pop3_reply_id read_auth(struct str in, struct pop3_command *c)
{
	c->mechanism = str_cut(in, ' ', &c->arg);
	for (size_t i = 0; i < c->mechanism.n; i++)
		if (!ascii_is_alnum(str_at(c->mechanism, i)) && c->mechanism.p[i] != '-' && c->mechanism.p[i] != '_')
			return POP3_REPLY_ARGUMENT_BAD;
	for (size_t i = 0; i < c->arg.n; i++)
		if (!ascii_is_alnum(str_at(c->arg, i)) && !str_has(S("+/="), c->arg.p[i]))
			return POP3_REPLY_ARGUMENT_BAD;
	if (c->mechanism.n == 0 || str_ends(in, S(" ")))
		return in.n ? POP3_REPLY_ARGUMENT_BAD : POP3_REPLY_NONE;
	return POP3_REPLY_NONE;
}

static bool is_number(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_digit(str_at(s, i)))
			return false;
	return s.n > 0;
}

/* A letter's number; one too large is understood, there is just no such letter. */
static enum pop3_reply_id read_number(struct str in, struct pop3_command *c)
{
	uint64_t v;

	if (in.n == 0)
		return POP3_REPLY_ARGUMENT_MISSING;
	if (!is_number(in))
		return POP3_REPLY_ARGUMENT_BAD;
	c->has_number = true;
	c->number = str_u64(in, &v) && v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
	return c->number ? POP3_REPLY_NONE : POP3_REPLY_NO_LETTER;
}

static enum pop3_reply_id read_maybe_number(struct str in, struct pop3_command *c)
{
	return in.n ? read_number(in, c) : POP3_REPLY_NONE;
}

static enum pop3_reply_id read_top(struct str in, struct pop3_command *c)
{
	struct str lines, number = str_cut(in, ' ', &lines);

	if (lines.n == 0)
		return POP3_REPLY_ARGUMENT_MISSING;
	if (!is_number(lines))
		return POP3_REPLY_ARGUMENT_BAD;
	if (!str_u64(lines, &c->lines))
		c->lines = UINT64_MAX;
	return read_number(number, c);
}

static const struct verb {
	const char *name;
	unsigned states;
	enum pop3_reply_id (*read)(struct str in, struct pop3_command *c);
} verbs[POP3_VERB_COUNT] = {
	[POP3_UNKNOWN] = { "?", 0, NULL },
	[POP3_FOREIGN] = { "?", 0, NULL },
	[POP3_USER] = { "USER", POP3_IN_CLEAR, read_text },
	[POP3_PASS] = { "PASS", POP3_IN_CLEAR, read_text },
	[POP3_APOP] = { "APOP", POP3_IN_CLEAR, read_text },
	[POP3_AUTH] = { "AUTH", POP3_IN_CLEAR, read_auth },
	[POP3_CAPA] = { "CAPA", POP3_IN_CLEAR | POP3_IN_MAILBOX, read_none },
	[POP3_STLS] = { "STLS", POP3_IN_CLEAR, read_none },
	[POP3_UTF8] = { "UTF8", POP3_IN_CLEAR, read_none },
	[POP3_LANG] = { "LANG", POP3_IN_CLEAR | POP3_IN_MAILBOX, read_any },
	[POP3_STAT] = { "STAT", POP3_IN_MAILBOX, read_none },
	[POP3_LIST] = { "LIST", POP3_IN_MAILBOX, read_maybe_number },
	[POP3_RETR] = { "RETR", POP3_IN_MAILBOX, read_number },
	[POP3_DELE] = { "DELE", POP3_IN_MAILBOX, read_number },
	[POP3_NOOP] = { "NOOP", POP3_IN_MAILBOX, read_none },
	[POP3_RSET] = { "RSET", POP3_IN_MAILBOX, read_none },
	[POP3_TOP] = { "TOP", POP3_IN_MAILBOX, read_top },
	[POP3_UIDL] = { "UIDL", POP3_IN_MAILBOX, read_maybe_number },
	[POP3_QUIT] = { "QUIT", POP3_IN_CLEAR | POP3_IN_MAILBOX, read_none },
};

const char *pop3_verb_name(enum pop3_verb v)
{
	return (unsigned)v < POP3_VERB_COUNT ? verbs[v].name : "?";
}

unsigned pop3_verb_states(enum pop3_verb v)
{
	return (unsigned)v < POP3_VERB_COUNT ? verbs[v].states : 0;
}

static bool is_foreign(struct str line)
{
	static const struct str end[] = { S(" HTTP/1.0"), S(" HTTP/1.1"), S(" HTTP/2.0"), S(" SIP/2.0"), S(" RTSP/1.0") };

	if (str_starts(line, S("\x16\x03")) || str_starts(line, S("SSH-")) || str_starts(line, S("PROXY ")))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(end); i++)
		if (str_ends(line, end[i]))
			return true;
	return false;
}

bool pop3_command_parse(struct str line, struct pop3_command *ret, enum pop3_reply_id *ret_why)
{
	struct str rest, word = str_cut(line, ' ', &rest);

	*ret = (struct pop3_command){ .verb = POP3_UNKNOWN };
	*ret_why = POP3_REPLY_UNKNOWN_COMMAND;
	if (is_foreign(line)) {
		ret->verb = POP3_FOREIGN;
		*ret_why = POP3_REPLY_FOREIGN;
		return false;
	}
	for (size_t v = POP3_FOREIGN + 1; v < POP3_VERB_COUNT; v++)
		if (str_eq_nocase(word, str_from_z(verbs[v].name)))
			ret->verb = (enum pop3_verb)v;
	if (ret->verb == POP3_UNKNOWN)
		return false;
	if (str_has(line, '\0') || str_has(line, '\r') || str_has(line, '\n')) {
		*ret_why = POP3_REPLY_BARE_IN_COMMAND;
		return false;
	}
	/* a space or two at the end of a line harm nobody, except in what is secret */
	while (ret->verb != POP3_PASS && str_ends(rest, S(" ")))
		rest.n--;
	*ret_why = verbs[ret->verb].read(rest, ret);
	return *ret_why == POP3_REPLY_NONE;
}
