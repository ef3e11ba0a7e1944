/* spamc.c — see spamc.h. */
#include "wire/spamc.h"

#include "wire/header.h"

void spamc_question_add(struct buf *b, uint64_t length, struct str user)
{
	buf_add(b, S("HEADERS SPAMC/1.5\r\nContent-length: "));
	buf_add_u64(b, length);
	if (user.n)
		buf_addf(b, "\r\nUser: " STR_FMT, STR_ARG(user));
	buf_add(b, S("\r\n\r\n"));
}

bool spamc_user_is_good(struct str user)
{
	for (size_t i = 0; i < user.n; i++)
		if (!ascii_is_alnum(str_at(user, i)) && !str_has(S("_-.@+"), user.p[i]))
			return false;
	return user.n > 0 && user.n <= SPAMC_USER_MAX && user.p[0] != '-';
}

/* -- the head -------------------------------------------------------------- */

struct head {
	bool has_length, has_verdict;
	uint64_t length;
};

/* A line that ends in CRLF; false: none is whole. */
static bool line_take(struct str *in, struct str *ret)
{
	size_t n = str_find_str(*in, S("\r\n"));

	if (n == in->n)
		return false;
	*ret = str_head(*in, n);
	*in = str_from(*in, n + 2);
	return true;
}

static bool digits_take(struct str *in, struct str *ret)
{
	size_t n = 0;

	while (ascii_is_digit(str_at(*in, n)))
		n++;
	*ret = str_head(*in, n);
	*in = str_from(*in, n);
	return n > 0;
}

static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) < ' ' || str_at(s, i) == 0x7f)
			return false;
	return true;
}

/* "SPAMD/" 1*DIGIT "." 1*DIGIT SP 1*3DIGIT [ SP reason ] */
static bool status_parse(struct str line, struct spamc_answer *ret)
{
	struct str in = str_from(line, 6), part;
	uint64_t code;

	if (!str_starts(line, S("SPAMD/")) || !is_printable(line) || !digits_take(&in, &part) || str_at(in, 0) != '.')
		return false;
	in = str_from(in, 1);
	if (!digits_take(&in, &part) || str_at(in, 0) != ' ')
		return false;
	in = str_from(in, 1);
	if (!digits_take(&in, &part) || part.n > 3 || !str_u64(part, &code) || (in.n && in.p[0] != ' '))
		return false;
	ret->code = (unsigned)code;
	ret->reason = str_trim(in);
	return true;
}

/* [ "-" ] 1*DIGIT [ "." 1*DIGIT ], to hundredths: what stands behind them is left out */
static bool score_parse(struct str in, int64_t *ret)
{
	bool is_minus = str_at(in, 0) == '-';
	struct str whole, part = { 0 };
	uint64_t n;
	int64_t v;

	in = str_from(in, is_minus);
	if (!digits_take(&in, &whole) || whole.n > 6 || !str_u64(whole, &n))
		return false;
	if (in.n && (in.p[0] != '.' || (in = str_from(in, 1), !digits_take(&in, &part)) || in.n))
		return false;
	v = (int64_t)n * 100;
	v += part.n > 0 ? 10 * (part.p[0] - '0') : 0;
	v += part.n > 1 ? part.p[1] - '0' : 0;
	*ret = is_minus ? -v : v;
	return v <= SPAMC_SCORE_MAX;
}

/* ( "True" / "Yes" / "False" / "No" ) ";" score "/" score */
static bool verdict_parse(struct str value, struct spamc_answer *ret)
{
	struct str score, required, word = str_trim(str_cut(value, ';', &score));

	score = str_trim(str_cut(score, '/', &required));
	ret->is_spam = str_eq_nocase(word, S("True")) || str_eq_nocase(word, S("Yes"));
	return (ret->is_spam || str_eq_nocase(word, S("False")) || str_eq_nocase(word, S("No"))) &&
	       score_parse(score, &ret->score) && score_parse(str_trim(required), &ret->required);
}

/* name ":" value, no folding; names that are unknown do not matter */
static bool line_parse(struct str line, struct head *h, struct spamc_answer *ret)
{
	struct str value, name = str_cut(line, ':', &value);

	value = str_trim(value);
	if (name.n == line.n || name.n == 0 || str_has(name, ' ') || !is_printable(line))
		return false;
	if (str_eq_nocase(name, S("Content-length"))) {
		if (h->has_length)
			return false;
		h->has_length = true;
		return str_u64(value, &h->length);
	}
	if (str_eq_nocase(name, S("Spam"))) {
		if (h->has_verdict)
			return false;
		h->has_verdict = true;
		return verdict_parse(value, ret);
	}
	return true;
}

static enum spamc_state malformed(const char **ret_why, const char *why)
{
	*ret_why = why;
	return SPAMC_MALFORMED;
}

/* The head is not all there, or never will be. */
static enum spamc_state half_a_head(struct str in, bool is_end, const char **ret_why)
{
	if (in.n >= SPAMC_HEAD_MAX)
		return malformed(ret_why, "the head of the answer is too long");
	return is_end ? malformed(ret_why, "the answer ends in its head") : SPAMC_MORE;
}

/* What the head promised. */
static enum spamc_state body_parse(struct str body, bool is_end, const struct head *h, struct spamc_answer *ret,
				   const char **ret_why)
{
	if (!h->has_length || !h->has_verdict)
		return malformed(ret_why, h->has_length ? "the answer has no verdict" : "the answer has no Content-length");
	if (body.n > h->length)
		return malformed(ret_why, "the answer is longer than its Content-length");
	if (body.n < h->length)
		return is_end ? malformed(ret_why, "the answer is shorter than its Content-length") : SPAMC_MORE;
	ret->header = body;
	return SPAMC_DONE;
}

enum spamc_state spamc_answer_parse(struct str in, bool is_end, struct spamc_answer *ret, const char **ret_why)
{
	struct str rest = str_head(in, SPAMC_HEAD_MAX), line;
	struct spamc_answer r = { 0 };
	struct head h = { 0 };
	enum spamc_state state;

	if (!str_starts(in, str_head(S("SPAMD/"), in.n)))
		return malformed(ret_why, "what answers is no spamd");
	if (!line_take(&rest, &line))
		return half_a_head(in, is_end, ret_why);
	if (!status_parse(line, &r))
		return malformed(ret_why, "the first line of the answer is malformed");
	if (r.code) {
		*ret = r;
		return SPAMC_DONE;
	}
	for (;;) {
		if (!line_take(&rest, &line))
			return half_a_head(in, is_end, ret_why);
		if (line.n == 0)
			break;
		if (!line_parse(line, &h, &r))
			return malformed(ret_why, "a line in the head of the answer is malformed");
	}
	state = body_parse(str_from(in, (size_t)(rest.p - in.p)), is_end, &h, &r, ret_why);
	if (state == SPAMC_DONE)
		*ret = r;
	return state;
}

/* -- the fields ------------------------------------------------------------ */

static bool is_field_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(str_at(s, i)) && s.p[i] != '-')
			return false;
	return str_starts_nocase(s, S("X-Spam-")) && s.n > 7 && s.n <= SPAMC_NAME_MAX;
}

static bool has_field(const struct spamc_field *p, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq_nocase(p[i].name, name))
			return true;
	return false;
}

bool spamc_fields_read(struct str header, struct arena *a, struct spamc_field **ret, size_t *ret_n)
{
	struct spamc_field *p = ARENA_ARRAY(a, struct spamc_field, SPAMC_FIELDS_MAX);
	/* a line of the letter that is no field hides none of the scanner's */
	struct header h = header_of(header);
	size_t n = 0, all = 0;
	struct field f;

	h.is_lenient = true;
	while (p && n < SPAMC_FIELDS_MAX && header_next(&h, &f)) {
		if (!is_field_name(f.name) || f.value.n > SPAMC_VALUE_MAX || f.value.n > SPAMC_VALUES_MAX - all ||
		    has_field(p, n, f.name))
			continue;
		all += f.value.n;
		p[n++] = (struct spamc_field){ f.name, f.value };
	}
	*ret = p;
	*ret_n = n;
	return p;
}
