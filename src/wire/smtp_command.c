/* smtp_command.c — one SMTP command line, understood; see smtp_command.h.
 *
 * A table of verbs names the function that reads what follows, a table of
 * parameters the function that reads a value.  Each gives REPLY_NONE if all is
 * well, and else the reply that refuses the line. */
#include "wire/smtp_command.h"

#include "wire/text.h"
#include "base/utf8.h"

struct reader {
	struct str in;           /* what is left of the line */
	unsigned flags;          /* enum smtp_command_flags */
	struct arena *a;
	struct smtp_command *c;
};

static void skip_spaces(struct str *s)
{
	while (str_at(*s, 0) == ' ')
		*s = str_from(*s, 1);
}

static enum reply_id read_nothing(struct reader *r)
{
	return r->in.n ? REPLY_NO_ARGUMENT_ALLOWED : REPLY_NONE;
}

static enum reply_id read_text(struct reader *r)
{
	r->c->arg = r->in;
	return str_is_ascii(r->in) ? REPLY_NONE : REPLY_ARGUMENT_BAD;
}

static enum reply_id read_name(struct reader *r)
{
	r->c->arg = r->in;
	if (r->in.n == 0)
		return REPLY_ARGUMENT_MISSING;
	return str_is_ascii(r->in) ? REPLY_NONE : REPLY_HELO_BAD;
}

/* VRFY and EXPN: String [ SP "SMTPUTF8" ]   RFC 6531 §3.7.4.2 */
static enum reply_id read_who(struct reader *r)
{
	r->c->arg = r->in;
	if (str_ends_nocase(r->in, S(" SMTPUTF8"))) {
		r->c->utf8 = true;
		r->c->arg = str_trim(str_head(r->in, r->in.n - 9));
	}
	if (r->c->arg.n == 0)
		return REPLY_ARGUMENT_MISSING;
	if (str_is_ascii(r->c->arg))
		return REPLY_NONE;
	if (!utf8_valid(r->c->arg))
		return REPLY_ARGUMENT_BAD;
	return r->c->utf8 ? REPLY_NONE : REPLY_UTF8_NEEDED;
}

static enum reply_id param_size(struct reader *r, struct str value)
{
	if (value.n == 0 || value.n > 20)
		return REPLY_PARAMETER_BAD;
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_is_digit(str_at(value, i)))
			return REPLY_PARAMETER_BAD;
	r->c->has_size = true;
	if (!str_u64(value, &r->c->size))
		r->c->size = UINT64_MAX;
	return REPLY_NONE;
}

static enum reply_id param_body(struct reader *r, struct str value)
{
	if (str_eq_nocase(value, S("7BIT")))
		r->c->body = SMTP_BODY_7BIT;
	else if (str_eq_nocase(value, S("8BITMIME")))
		r->c->body = SMTP_BODY_8BITMIME;
	else
		return str_eq_nocase(value, S("BINARYMIME")) ? REPLY_PARAMETER_VALUE : REPLY_PARAMETER_BAD;
	return REPLY_NONE;
}

static enum reply_id param_utf8(struct reader *r, struct str value)
{
	(void)value;
	r->c->utf8 = true;
	return REPLY_NONE;
}

static enum reply_id param_ret(struct reader *r, struct str value)
{
	if (str_eq_nocase(value, S("FULL")))
		r->c->ret = DSN_RET_FULL;
	else if (str_eq_nocase(value, S("HDRS")))
		r->c->ret = DSN_RET_HDRS;
	else
		return REPLY_PARAMETER_BAD;
	return REPLY_NONE;
}

static enum reply_id param_envid(struct reader *r, struct str value)
{
	r->c->has_envid = true;
	if (value.n == 0 || value.n > SMTP_ENVID_MAX || !xtext_decode(value, false, r->a, &r->c->envid))
		return REPLY_PARAMETER_BAD;
	return REPLY_NONE;
}

/* AUTH= "<>" / xtext of a mailbox   RFC 4954 §5 */
static enum reply_id param_auth(struct reader *r, struct str value)
{
	struct smtp_path p;

	r->c->has_auth = true;
	if (!xtext_decode(value, true, r->a, &r->c->auth))
		return REPLY_PARAMETER_BAD;
	if (str_eq(r->c->auth, S("<>")) || address_parse(r->c->auth, PATH_UTF8, r->a, &p))
		return REPLY_NONE;
	return REPLY_PARAMETER_BAD;
}

/* NOTIFY = "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" )   RFC 3461 §4.1 */
static enum reply_id param_notify(struct reader *r, struct str value)
{
	static const struct { struct str name; unsigned bit; } words[] = {
		{ S("SUCCESS"), DSN_NOTIFY_SUCCESS },
		{ S("FAILURE"), DSN_NOTIFY_FAILURE },
		{ S("DELAY"), DSN_NOTIFY_DELAY },
		{ S("NEVER"), DSN_NOTIFY_NEVER },
	};
	unsigned set = 0;

	for (;;) {
		bool more = str_has(value, ',');
		struct str word = str_cut(value, ',', &value);
		unsigned bit = 0;

		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (str_eq_nocase(word, words[i].name))
				bit = words[i].bit;
		if (bit == 0)
			return REPLY_PARAMETER_BAD;
		set |= bit;
		if (!more)
			break;
	}
	if (set & DSN_NOTIFY_NEVER && set != DSN_NOTIFY_NEVER)
		return REPLY_PARAMETER_BAD;
	r->c->notify = set;
	return REPLY_NONE;
}

/* ORCPT = addr-type ";" xtext / "utf-8;" utf-8-enc-addr   RFC 3461 §4.2, RFC 6533 §3 */
static enum reply_id param_orcpt(struct reader *r, struct str value)
{
	struct str text, type = str_cut(value, ';', &text);

	r->c->has_orcpt = true;
	if (value.n > SMTP_ORCPT_MAX || type.n == 0 || text.n == 0)
		return REPLY_PARAMETER_BAD;
	for (size_t i = 0; i < type.n; i++)
		if (!ascii_is_alnum(str_at(type, i)) && type.p[i] != '-')
			return REPLY_PARAMETER_BAD;
	r->c->orcpt_type = arena_str(r->a, type);
	if (!(str_eq_nocase(type, S("utf-8")) ? unitext_decode : xtext_decode)(text, r->flags & SMTP_COMMAND_UTF8, r->a,
									       &r->c->orcpt))
		return REPLY_PARAMETER_BAD;
	return REPLY_NONE;
}

static const struct param {
	struct str name;
	enum smtp_verb verb;
	bool has_value;
	enum reply_id (*read)(struct reader *r, struct str value);
} params[] = {
	{ S("SIZE"), SMTP_MAIL, true, param_size },
	{ S("BODY"), SMTP_MAIL, true, param_body },
	{ S("SMTPUTF8"), SMTP_MAIL, false, param_utf8 },
	{ S("RET"), SMTP_MAIL, true, param_ret },
	{ S("ENVID"), SMTP_MAIL, true, param_envid },
	{ S("AUTH"), SMTP_MAIL, true, param_auth },
	{ S("NOTIFY"), SMTP_RCPT, true, param_notify },
	{ S("ORCPT"), SMTP_RCPT, true, param_orcpt },
};

/* esmtp-param = esmtp-keyword ["=" esmtp-value]   RFC 5321 §4.1.2 */
static enum reply_id read_param(struct reader *r, struct str word, unsigned *seen)
{
	bool has_value = str_has(word, '=');
	struct str value, name = str_cut(word, '=', &value);

	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alnum(str_at(name, i)) && (name.p[i] != '-' || i == 0))
			return REPLY_ARGUMENT_BAD;
	if (name.n == 0)
		return REPLY_ARGUMENT_BAD;
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		if (params[i].verb != r->c->verb || !str_eq_nocase(name, params[i].name))
			continue;
		if (*seen & 1U << i)
			return REPLY_PARAMETER_TWICE;
		*seen |= 1U << i;
		return has_value == params[i].has_value ? params[i].read(r, value) : REPLY_PARAMETER_BAD;
	}
	return REPLY_PARAMETER_UNKNOWN;
}

static enum reply_id read_params(struct reader *r)
{
	unsigned seen = 0;

	if (r->in.n && r->in.p[0] != ' ')
		return REPLY_PATH_SYNTAX;
	for (unsigned n = 0;; n++) {
		enum reply_id why;

		skip_spaces(&r->in);
		if (r->in.n == 0)
			return REPLY_NONE;
		if (n == SMTP_PARAMS_MAX)
			return REPLY_ARGUMENT_BAD;
		why = read_param(r, str_cut(r->in, ' ', &r->in), &seen);
		if (why)
			return why;
	}
}

/* ( "FROM:" / "TO:" ) Path [ SP Mail-parameters ].  A space after the colon is common enough
 * to be let through. */
static enum reply_id read_path(struct reader *r, struct str word, unsigned flags, enum reply_id bad)
{
	if (!str_starts_nocase(r->in, word))
		return REPLY_PATH_SYNTAX;
	r->in = str_from(r->in, word.n);
	skip_spaces(&r->in);
	if (str_at(r->in, 0) != '<' || !str_has(r->in, '>'))
		return REPLY_PATH_SYNTAX;
	return smtp_path_parse(&r->in, flags, r->a, &r->c->path) ? read_params(r) : bad;
}

static enum reply_id read_mail(struct reader *r)
{
	/* whether SMTPUTF8 was asked for is known only behind the path */
	enum reply_id why = read_path(r, S("FROM:"), PATH_NULL | PATH_UTF8, REPLY_ADDRESS_SENDER);

	if (!why && !r->c->utf8 && (r->c->path.is_utf8 || !str_is_ascii(r->c->auth)))
		return REPLY_UTF8_NEEDED;
	return why;
}

static enum reply_id read_rcpt(struct reader *r)
{
	enum reply_id why = read_path(r, S("TO:"), PATH_POSTMASTER | PATH_UTF8, REPLY_ADDRESS_RCPT);

	if (!why && !(r->flags & SMTP_COMMAND_UTF8) && r->c->path.is_utf8)
		return REPLY_UTF8_NEEDED;
	return why;
}

/* bdat-cmd = "BDAT" SP chunk-size [ SP "LAST" ]   RFC 3030 §2 */
static enum reply_id read_bdat(struct reader *r)
{
	struct str size = str_word(&r->in), last = str_word(&r->in);

	r->c->is_last = str_eq_nocase(last, S("LAST"));
	if (!str_u64(size, &r->c->size) || (last.n && !r->c->is_last) || str_word(&r->in).n)
		return REPLY_CHUNK_SIZE_BAD;
	return REPLY_NONE;
}

/* "AUTH" SP sasl-mech [SP initial-response]   RFC 4954 §8 */
static enum reply_id read_auth(struct reader *r)
{
	struct str mechanism = str_word(&r->in);

	r->c->arg = str_word(&r->in);
	if (mechanism.n == 0)
		return REPLY_ARGUMENT_MISSING;
	for (size_t i = 0; i < mechanism.n; i++)
		if (!ascii_is_alnum(str_at(mechanism, i)) && mechanism.p[i] != '-' && mechanism.p[i] != '_')
			return REPLY_ARGUMENT_BAD;
	r->c->mechanism = mechanism;
	return str_word(&r->in).n || mechanism.n > 20 ? REPLY_ARGUMENT_BAD : REPLY_NONE;
}

static enum reply_id read_foreign(struct reader *r)
{
	(void)r;
	return REPLY_FOREIGN;
}

static enum reply_id read_known(struct reader *r)
{
	(void)r;
	return REPLY_NOT_IMPLEMENTED;
}

static const struct verb {
	struct str name;
	enum smtp_verb verb;
	enum reply_id (*read)(struct reader *r);
} verbs[] = {
	{ S("EHLO"), SMTP_EHLO, read_name },
	{ S("HELO"), SMTP_HELO, read_name },
	{ S("MAIL"), SMTP_MAIL, read_mail },
	{ S("RCPT"), SMTP_RCPT, read_rcpt },
	{ S("DATA"), SMTP_DATA, read_nothing },
	{ S("BDAT"), SMTP_BDAT, read_bdat },
	{ S("RSET"), SMTP_RSET, read_nothing },
	{ S("NOOP"), SMTP_NOOP, read_text },
	{ S("QUIT"), SMTP_QUIT, read_nothing },
	{ S("VRFY"), SMTP_VRFY, read_who },
	{ S("EXPN"), SMTP_EXPN, read_who },
	{ S("HELP"), SMTP_HELP, read_text },
	{ S("STARTTLS"), SMTP_STARTTLS, read_nothing },
	{ S("AUTH"), SMTP_AUTH, read_auth },
	/* known to old RFCs or to Postfix; we will not */
	{ S("SEND"), SMTP_UNKNOWN, read_known },
	{ S("SOML"), SMTP_UNKNOWN, read_known },
	{ S("SAML"), SMTP_UNKNOWN, read_known },
	{ S("TURN"), SMTP_UNKNOWN, read_known },
	{ S("ETRN"), SMTP_UNKNOWN, read_known },
	{ S("ATRN"), SMTP_UNKNOWN, read_known },
	{ S("XCLIENT"), SMTP_UNKNOWN, read_known },
	{ S("XFORWARD"), SMTP_UNKNOWN, read_known },
	/* HTTP, HTTP/2, SIP, RTSP, haproxy: a browser or a load balancer is at the other end */
	{ S("GET"), SMTP_FOREIGN, read_foreign },
	{ S("POST"), SMTP_FOREIGN, read_foreign },
	{ S("HEAD"), SMTP_FOREIGN, read_foreign },
	{ S("PUT"), SMTP_FOREIGN, read_foreign },
	{ S("DELETE"), SMTP_FOREIGN, read_foreign },
	{ S("PATCH"), SMTP_FOREIGN, read_foreign },
	{ S("OPTIONS"), SMTP_FOREIGN, read_foreign },
	{ S("CONNECT"), SMTP_FOREIGN, read_foreign },
	{ S("TRACE"), SMTP_FOREIGN, read_foreign },
	{ S("PROPFIND"), SMTP_FOREIGN, read_foreign },
	{ S("PRI"), SMTP_FOREIGN, read_foreign },
	{ S("INVITE"), SMTP_FOREIGN, read_foreign },
	{ S("REGISTER"), SMTP_FOREIGN, read_foreign },
	{ S("DESCRIBE"), SMTP_FOREIGN, read_foreign },
	{ S("PROXY"), SMTP_FOREIGN, read_foreign },
	{ S("HTTP/1.1"), SMTP_FOREIGN, read_foreign },
};

/* No command begins with a control byte: 0x16 is a TLS handshake, others are binary too. */
static bool is_binary(struct str line)
{
	int c = str_at(line, 0);

	return c >= 0 && (c < 0x20 || c >= 0x7f) && c != '\t';
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) < 0x20 || str_at(s, i) == 0x7f)
			return true;
	return false;
}

static enum reply_id read_line(struct reader *r, struct str line)
{
	struct str name;

	if (is_binary(line) || str_starts(line, S("SSH-"))) {
		r->c->verb = SMTP_FOREIGN;
		return REPLY_FOREIGN;
	}
	while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
		line.n--;                /* RFC 5321 §4.1.1 */
	name = str_cut(line, ' ', &r->in);
	skip_spaces(&r->in);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (!str_eq_nocase(name, verbs[i].name))
			continue;
		r->c->verb = verbs[i].verb;
		if (line.n + 2 > (r->c->verb == SMTP_AUTH ? SMTP_AUTH_LINE_MAX : SMTP_LINE_MAX))
			return REPLY_LINE_TOO_LONG;
		return has_control(r->in) && verbs[i].verb != SMTP_FOREIGN ? REPLY_CONTROL_BYTES :
									     verbs[i].read(r);
	}
	return REPLY_UNKNOWN_COMMAND;
}

bool smtp_command_parse(struct str line, unsigned flags, struct arena *a, struct smtp_command *ret,
			enum reply_id *ret_why)
{
	struct smtp_command c = { 0 };
	struct reader r = { .flags = flags, .a = a, .c = &c };
	enum reply_id why = read_line(&r, line);

	if (a->full)
		why = REPLY_NO_RESOURCES;
	if (why) {
		*ret = (struct smtp_command){ .verb = c.verb };
		*ret_why = why;
		return false;
	}
	*ret = c;
	return true;
}

const char *smtp_verb_name(enum smtp_verb v)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (verbs[i].verb == v && v > SMTP_FOREIGN)
			return verbs[i].name.p;
	return "?";
}

bool helo_is_valid(struct str name, struct str extra, bool strict)
{
	unsigned char addr[16];
	char plain[SMTP_HELO_MAX];
	size_t n;

	if (name.n == 0 || name.n > SMTP_HELO_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		int c = str_at(name, i);

		if (c <= ' ' || c >= 0x7f)
			return false;
		plain[i] = str_has(extra, (char)c) ? 'x' : c == '_' ? '?' : (char)c;
	}
	return !strict || address_literal_parse(name, addr, &n) || domain_is_valid(str_of(plain, name.n));
}
