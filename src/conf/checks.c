/* checks.c — `check …`: what strangers are looked at for, and what follows; `junk at N`, `reject at
 * N`. */
#include "conf/types.h"

enum { LABEL_CHARS_MAX = 64, PUBLIC_TEXT_MAX = 400, ZONE_MAX = 180, SCORE_MAX = 1000 };

/* Names of checks and of what they find, in the order of enum conf_check_kind. */
#define KINDS "rdns|helo|helo-self|sender-domain|dnsbl|dnswl|from|spf|dkim|dmarc|arc|header-address"
#define ACTIONS "off|reject|defer|score|tag|pass|obey"
static const char *const when_names[CONF_WHENS] = { "softfail", "neutral", "none", "permerror" };

/* What else may stand behind a check of a letter. */
static const uint8_t whens[CONF_CHECK_KINDS] = {
	[CONF_CHECK_SPF] = 1 << CONF_WHEN_SOFTFAIL | 1 << CONF_WHEN_NEUTRAL | 1 << CONF_WHEN_NONE |
			   1 << CONF_WHEN_PERMERROR,
	[CONF_CHECK_DKIM] = 1 << CONF_WHEN_NONE,
	[CONF_CHECK_DMARC] = 1 << CONF_WHEN_NONE | 1 << CONF_WHEN_PERMERROR,
	[CONF_CHECK_ARC] = 1 << CONF_WHEN_NONE,
};

struct str conf_check_name(enum conf_check_kind kind)
{
	return conf_choice_name(KINDS, kind);
}

struct str conf_when_name(enum conf_when when)
{
	return str_from_z(when_names[when]);
}

static bool is_list(const struct conf_check *v)
{
	return v->kind == CONF_CHECK_DNSBL || v->kind == CONF_CHECK_DNSWL;
}

/* Can it end undecided?  A list that does not answer counts for nothing; a greeting is judged
 * without asking. */
static bool can_wait(const struct conf_check *v)
{
	return v->kind == CONF_CHECK_RDNS || v->kind == CONF_CHECK_SENDER_DOMAIN || v->kind >= CONF_CHECK_SPF;
}

/* -- numbers --------------------------------------------------------------- */

/* "6", "-2.5": in hundredths. */
static bool score_parse(struct str s, int32_t *ret)
{
	bool is_minus = str_at(s, 0) == '-';
	struct str rest = str_from(s, is_minus), whole = str_cut(rest, '.', &rest);
	bool has_dot = str_has(s, '.');
	uint64_t n, cents = 0;

	if (!str_u64(whole, &n) || n > SCORE_MAX ||
	    (has_dot && (rest.n > 2 || !str_u64(rest, &cents))))
		return false;
	n = n * 100 + (rest.n == 1 ? cents * 10 : cents);
	*ret = is_minus ? -(int32_t)n : (int32_t)n;
	return true;
}

void conf_score_print(int64_t score, struct buf *b)
{
	uint64_t n = (uint64_t)(score < 0 ? -score : score);

	if (score < 0)
		buf_add_char(b, '-');
	buf_add_u64(b, n / 100);
	if (n % 100)
		buf_addf(b, n % 10 ? ".%02u" : ".%u", (unsigned)(n % 10 ? n % 100 : n % 100 / 10));
}

static bool read_score(struct conf_args *args, int32_t *ret)
{
	const struct conf_word *w;

	return conf_args_take(args, &w) &&
	       (score_parse(w->text, ret) ||
		conf_word_error(args, w, "a score from -1000 to 1000, like 6 or -2.5"));
}

bool conf_read_threshold(struct conf_args *args, void *ret)
{
	struct conf_threshold v = { 0 };
	const struct conf_word *w;

	if (!conf_args_literal(args, "off")) {
		if (!conf_args_literal(args, "at"))
			return conf_args_take(args, &w) &&
			       conf_word_error(args, w, "\"at\" and a score, or off");
		v.is_set = true;
		if (!read_score(args, &v.score))
			return false;
	}
	*(struct conf_threshold *)ret = v;
	return true;
}

void conf_print_threshold(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_threshold *v = value;

	(void)t;
	buf_add(b, v->is_set ? S("at ") : S("off"));
	if (v->is_set)
		conf_score_print(v->score, b);
}

/* -- answers of lists ------------------------------------------------------ */

static bool ip_parse(struct str s, uint32_t *ret)
{
	uint8_t addr[16];
	bool is_v4;

	if (!conf_ip_parse(s, addr, &is_v4) || !is_v4)
		return false;
	*ret = (uint32_t)addr[12] << 24 | (uint32_t)addr[13] << 16 | (uint32_t)addr[14] << 8 |
	       addr[15];
	return true;
}

static void ip_print(uint32_t ip, struct buf *b)
{
	buf_addf(b, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

/* 127.0.0.2, 127.0.0.2-11, 127.0.1.0/24, 0.0.0.4/0.0.0.4 */
static bool answer_parse(struct str s, struct conf_answer *ret)
{
	struct conf_answer v = { .mask = UINT32_MAX };
	struct str rest, ip = str_cut(s, str_has(s, '/') ? '/' : '-', &rest);
	uint64_t n;

	if (!ip_parse(ip, &v.low))
		return false;
	v.high = v.low;
	if (ip.n == s.n) {
		*ret = v;
		return true;
	}
	if (s.p[ip.n] == '-') {
		if (!str_u64(rest, &n) || n > 255 || n < (v.low & 255))
			return false;
		v.high = (v.low & ~UINT32_C(255)) | (uint32_t)n;
	} else if (str_u64(rest, &n) && n <= 32) {
		v.mask = n ? UINT32_MAX << (32 - n) : 0;
	} else if (!ip_parse(rest, &v.mask)) {
		return false;
	}
	if ((v.low & v.mask) != v.low)
		return false;
	*ret = v;
	return true;
}

static void answer_print(const struct conf_answer *v, struct buf *b)
{
	ip_print(v->low, b);
	if (v->high != v->low) {
		buf_addf(b, "-%u", v->high & 255);
	} else if (v->mask != UINT32_MAX) {
		buf_add_char(b, '/');
		ip_print(v->mask, b);
	}
}

static bool read_answers(struct conf_args *args, struct conf_check *v)
{
	const struct conf_word *w;
	struct conf_answer one;

	if (v->n_answers)
		return conf_error(args->notes, args->word[args->i - 1].pos,
				  "\"answer\" stands here a second time");
	v->answers = ARENA_ARRAY(args->arena, struct conf_answer, args->n);
	if (!v->answers)
		return conf_error(args->notes, v->pos, "too many words");
	do {
		if (!conf_args_take(args, &w))
			return false;
		if (!answer_parse(w->text, &one))
			return conf_word_error(args, w,
					       "an answer like 127.0.0.2, 127.0.0.2-11, "
					       "127.0.1.0/24 or 0.0.0.4/0.0.0.4");
		v->answers[v->n_answers++] = one;
	} while (args->i < args->n && ascii_is_digit(str_at(args->word[args->i].text, 0)));
	return true;
}

/* -- what follows ---------------------------------------------------------- */

static bool is_clause(struct str word)
{
	static const char *const clauses[] = { "fail",     "hit",      "temporary", "answer", "label",
					       "untested", "softfail", "neutral",   "none",   "permerror" };

	for (size_t i = 0; i < ARRAY_LEN(clauses); i++)
		if (str_eq(word, str_from_z(clauses[i])))
			return true;
	return false;
}

/* It is sent to strangers, in a line of SMTP. */
static bool read_text(struct conf_args *args, struct str *ret)
{
	const struct conf_word *w;

	if (!conf_args_take(args, &w))
		return false;
	for (size_t i = 0; i < w->text.n; i++)
		if (str_at(w->text, i) < ' ' || str_at(w->text, i) >= 0x7f)
			return conf_error(args->notes, w->pos,
					  "a text for other servers is ASCII alone");
	if (w->text.n == 0 || w->text.n > PUBLIC_TEXT_MAX)
		return conf_error(args->notes, w->pos,
				  "a text for other servers has 1 to %d letters", PUBLIC_TEXT_MAX);
	*ret = w->text;
	return true;
}

static bool read_outcome(struct conf_args *args, const struct conf_check *v,
			 struct conf_outcome *ret)
{
	struct conf_outcome o = { .is_set = true };
	struct conf_pos pos;
	unsigned action;

	if (ret->is_set)
		return conf_error(args->notes, args->word[args->i - 1].pos,
				  "\"" STR_FMT "\" stands here a second time",
				  STR_ARG(args->word[args->i - 1].text));
	pos = args->word[args->i < args->n ? args->i : args->n - 1].pos;
	if (!conf_choice(args, ACTIONS, &action))
		return false;
	o.action = (enum conf_action)action;
	if (o.action == CONF_PASS && v->kind != CONF_CHECK_DNSWL)
		return conf_error(
			args->notes, pos,
			"\"pass\" is for dnswl: who stands in that list passes the other checks");
	if (o.action == CONF_OBEY && (v->kind != CONF_CHECK_DMARC || ret != &v->found))
		return conf_error(args->notes, pos, "\"obey\" is for dmarc fail: what the domain in From asks for is done");
	if (v->kind == CONF_CHECK_DNSWL && (o.action == CONF_REJECT || o.action == CONF_DEFER))
		return conf_error(
			args->notes, pos,
			"nobody is refused for standing in a white list: pass, score -N or tag");
	if (o.action == CONF_SCORE && !read_score(args, &o.score))
		return false;
	if ((o.action == CONF_REJECT || o.action == CONF_DEFER) && args->i < args->n &&
	    !is_clause(args->word[args->i].text) && !read_text(args, &o.text))
		return false;
	*ret = o;
	return true;
}

static void print_outcome(struct buf *b, struct str clause, const struct conf_outcome *o)
{
	if (!o->is_set)
		return;
	buf_addf(b, " " STR_FMT " ", STR_ARG(clause));
	buf_add(b, conf_choice_name(ACTIONS, o->action));
	if (o->action == CONF_SCORE) {
		buf_add_char(b, ' ');
		conf_score_print(o->score, b);
	}
	if (o->text.n) {
		buf_add_char(b, ' ');
		conf_word_print(b, o->text);
	}
}

/* Stands in the log and in headers. */
static bool read_label(struct conf_args *args, struct str *ret)
{
	const struct conf_word *w;
	bool ok;

	if (!conf_args_take(args, &w))
		return false;
	ok = w->text.n > 0 && w->text.n <= LABEL_CHARS_MAX;
	for (size_t i = 0; ok && i < w->text.n; i++)
		ok = ascii_is_alnum(str_at(w->text, i)) || str_has(S("_-."), w->text.p[i]);
	if (!ok)
		return conf_word_error(
			args, w, "a label: letters, digits, \"_\", \"-\" and \".\", at most 64");
	*ret = w->text;
	return true;
}

/* -- the line -------------------------------------------------------------- */

/* The words that may stand behind it, for a person. */
static void list_clauses(const struct conf_check *v, const char *found, struct buf *b)
{
	buf_addf(b, "\"%s\"", found);
	for (unsigned i = 0; i < CONF_WHENS; i++)
		if (whens[v->kind] & 1U << i)
			buf_addf(b, ", \"%s\"", when_names[i]);
	buf_addf(b, "%s%s and \"label\"", can_wait(v) ? ", \"temporary\"" : "",
		 is_list(v) ? ", \"answer\", \"untested\"" : "");
}

static bool read_clause(struct conf_args *args, struct conf_check *v)
{
	char mem[160];
	struct buf belongs = buf_over(mem, sizeof(mem));
	const char *found = is_list(v) ? "hit" : "fail";
	struct str name = conf_check_name(v->kind);
	const struct conf_word *w;

	if (conf_args_literal(args, found))
		return read_outcome(args, v, &v->found);
	if (can_wait(v) && conf_args_literal(args, "temporary"))
		return read_outcome(args, v, &v->temporary);
	for (unsigned i = 0; i < CONF_WHENS; i++)
		if (whens[v->kind] & 1U << i && conf_args_literal(args, when_names[i]))
			return read_outcome(args, v, &v->when[i]);
	if (is_list(v) && conf_args_literal(args, "answer"))
		return read_answers(args, v);
	if (conf_args_literal(args, "label"))
		return read_label(args, &v->label);
	if (is_list(v) && conf_args_literal(args, "untested")) {
		v->is_untested = true;
		return true;
	}
	if (!conf_args_take(args, &w))
		return false;
	list_clauses(v, found, &belongs);
	return conf_error(args->notes, w->pos, "\"" STR_FMT "\" has no place here: behind check " STR_FMT " belongs " STR_FMT,
			  STR_ARG(str_head(w->text, 128)), STR_ARG(name), STR_ARG(buf_str(&belongs)));
}

/* Does anything follow from it? */
static bool is_complete(const struct conf_check *v)
{
	bool any = v->found.is_set;

	for (unsigned i = 0; i < CONF_WHENS; i++)
		any |= v->when[i].is_set;
	return any;
}

bool conf_read_check(struct conf_args *args, void *ret)
{
	struct conf_check v = { .pos = args->word[0].pos };
	unsigned kind;

	if (!conf_choice(args, KINDS, &kind))
		return false;
	v.kind = (enum conf_check_kind)kind;
	if (is_list(&v)) {
		if (!conf_read_domain(args, &v.zone))
			return false;
		/* in front of it stands an IPv6 address, a letter a label (RFC 5782 §2.4) */
		if (v.zone.n > ZONE_MAX)
			return conf_error(args->notes, v.pos,
					  "the name of a list has at most %d letters", ZONE_MAX);
	}
	while (args->i < args->n)
		if (!read_clause(args, &v))
			return false;
	if (!is_complete(&v))
		return conf_error(
			args->notes, v.pos,
			"what follows is missing: %s reject, defer, score N, tag%s or off",
			is_list(&v) ? "hit" : "fail",
			v.kind == CONF_CHECK_DNSWL ? ", pass" : v.kind == CONF_CHECK_DMARC ? ", obey" : "");
	if (can_wait(&v) && !v.temporary.is_set && (v.found.action == CONF_REJECT || v.found.action == CONF_OBEY))
		v.temporary = (struct conf_outcome){ .is_set = true, .action = CONF_DEFER };
	*(struct conf_check *)ret = v;
	return true;
}

void conf_print_check(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_check *v = value;

	(void)t;
	buf_add(b, conf_check_name(v->kind));
	if (v->zone.n) {
		buf_add_char(b, ' ');
		conf_word_print(b, v->zone);
	}
	for (size_t i = 0; i < v->n_answers; i++) {
		buf_add(b, i ? S(" ") : S(" answer "));
		answer_print(&v->answers[i], b);
	}
	if (v->is_untested)
		buf_add(b, S(" untested"));
	print_outcome(b, is_list(v) ? S("hit") : S("fail"), &v->found);
	for (unsigned i = 0; i < CONF_WHENS; i++)
		print_outcome(b, conf_when_name(i), &v->when[i]);
	print_outcome(b, S("temporary"), &v->temporary);
	if (v->label.n) {
		buf_add(b, S(" label "));
		conf_word_print(b, v->label);
	}
}
