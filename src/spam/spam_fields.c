/* spam_fields.c — see spam_fields.h. */
#include "spam/spam_fields.h"

#include "wire/header.h"

enum {
	LEVEL_MAX = 50,
	FOLD_AT = 76,
	TAB = 8,
	LINE_AT = 900,           /* RFC 5322 §2.1.1: a line has at most 998 octets */
	SPAM_RULE_MAX = 64,      /* octets of a rule's name, of a field's */
	SPAM_RULES_MAX = 150,
	SPAM_NOTES_MAX = 16,     /* "autolearn=no" */
	SPAM_FIELDS_MAX = 32,
};

static bool is_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(str_at(s, i)) && !str_has(S("_-."), s.p[i]))
			return false;
	return s.n > 0 && s.n <= SPAM_SYMBOL_MAX;
}

bool spam_signals_are_good(const struct ipc_signal *p, size_t n)
{
	bool ok = n <= SPAM_SIGNALS_MAX;

	for (size_t i = 0; ok && i < n; i++)
		ok = is_word(p[i].symbol) && p[i].score <= SPAM_SCORE_MAX &&
		     p[i].score >= -SPAM_SCORE_MAX;
	return ok;
}

int64_t spam_score(const struct ipc_signal *p, size_t n, const struct spam_scanned *by)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += p[i].score;
	if (by)
		sum += by->score > SPAM_SCORE_MAX    ? SPAM_SCORE_MAX
		       : by->score < -SPAM_SCORE_MAX ? -SPAM_SCORE_MAX
						     : by->score;
	return sum;
}

/* -- a list of words, folded ----------------------------------------------- */

struct words {
	struct buf *b;
	size_t column;
};

/* A comma behind the last one stays where it is; words that do not fit begin a line.  0: it is the first. */
static void word_begin(struct words *w, size_t n, char separator)
{
	bool fits = w->column + n + 1 <= FOLD_AT;

	if (!separator) {
		w->column += n;
		return;
	}
	if (separator == ',')
		buf_add_char(w->b, ',');
	if (!fits)
		buf_add(w->b, S("\r\n\t"));
	else if (separator == ' ')
		buf_add_char(w->b, ' ');
	w->column = (fits ? w->column + 1 : TAB) + n;
}

static void add_signals(struct words *w, const struct ipc_signal *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char mem[32];
		struct buf score = buf_over(mem, sizeof(mem));

		conf_score_print(p[i].score, &score);
		word_begin(w, p[i].symbol.n + 1 + score.n, i ? ',' : '\0');
		buf_add(w->b, p[i].symbol);
		buf_add_char(w->b, '=');
		buf_add(w->b, buf_str(&score));
	}
}

/* -- what the scanner said -------------------------------------------------- */

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str skip_blanks(struct str s)
{
	size_t i = 0;

	while (is_blank(str_at(s, i)))
		i++;
	return str_from(s, i);
}

/* Letters, digits and what stands in "T_RULE=-0.5", "autolearn=ham", "version=4.0.1". */
static size_t word_length(struct str s)
{
	size_t n = 0;

	while (ascii_is_alnum(str_at(s, n)) || (str_at(s, n) > 0 && str_has(S("_-.=+"), s.p[n])))
		n++;
	return n;
}

/* The next rule of a list that goes on behind a comma; false: it is over. */
static bool rule_take(struct str *in, struct str *ret)
{
	size_t n = word_length(*in);

	*ret = str_head(*in, n);
	*in = str_from(*in, n);
	if (n && str_at(*in, 0) == ',')
		*in = skip_blanks(str_from(*in, 1));
	return n > 0;
}

/* "No, score=3.7 required=5.0 tests=A,B autolearn=no": from A on; empty if there are no rules. */
static struct str rules_of(const struct spam_scanned *by)
{
	static const struct str begin = S("tests=");

	for (size_t i = 0; by && i < by->n_fields; i++) {
		struct str value = by->fields[i].value;

		for (size_t at = 0; at < value.n && str_eq_nocase(by->fields[i].name, S("X-Spam-Status")); at++)
			if ((at == 0 || is_blank(str_at(value, at - 1))) && str_starts(str_from(value, at), begin))
				return str_from(value, at + begin.n);
	}
	return S("");
}

static bool is_rule(struct str word)
{
	return word.n <= SPAM_RULE_MAX && !str_eq(word, S("none"));
}

void spam_rules_add(struct buf *b, const struct spam_scanned *by)
{
	struct str in = rules_of(by), word;
	size_t n = 0;

	while (n < SPAM_RULES_MAX && rule_take(&in, &word))
		if (is_rule(word)) {
			buf_add(b, n++ ? S(",") : S(""));
			buf_add(b, word);
		}
}

/* Its rules, and what stands behind them. */
static void add_rules(struct words *w, const struct spam_scanned *by, size_t n)
{
	struct str in = rules_of(by), word;
	size_t most = n + SPAM_RULES_MAX;

	while (n < most && rule_take(&in, &word))
		if (is_rule(word)) {
			word_begin(w, word.n, n++ ? ',' : '\0');
			buf_add(w->b, word);
		}
	if (n == 0)
		buf_add(w->b, S("none"));
	for (size_t i = 0; i < SPAM_NOTES_MAX && (in = skip_blanks(in)).n; i++) {
		size_t length = word_length(in);

		if (length == 0 || length > SPAM_RULE_MAX || !str_has(str_head(in, length), '='))
			break;
		word_begin(w, length, ' ');
		buf_add(w->b, str_head(in, length));
		in = str_from(in, length);
	}
}

/* Nothing but printable ASCII: no octet of it ends a line, or means anything in a terminal. */
static void add_printable(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (i % LINE_AT == LINE_AT - 1)
			buf_add(b, S("\r\n\t"));
		buf_add_char(b, c == '\t' ? ' ' : c < ' ' || c > '~' ? '?' : (char)c);
	}
}

static bool says_the_sum(struct str name)
{
	static const char *const names[] = { "Flag", "Score", "Bar", "Level", "Status" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(str_from(name, 7), str_from_z(names[i])))
			return true;
	return false;
}

static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(str_at(s, i)) && s.p[i] != '-')
			return false;
	return str_starts_nocase(s, S("X-Spam-")) && s.n > 7 && s.n <= SPAM_RULE_MAX;
}

/* Folded where it was. */
static void add_field(struct buf *b, const struct ipc_spam_field *f)
{
	struct str rest = f->value, line;

	buf_add(b, f->name);
	buf_add_char(b, ':');
	for (bool is_first = true; rest.n; is_first = false) {
		line = str_trim(str_cut(rest, '\n', &rest));
		if (line.n == 0)
			continue;
		buf_add(b, is_first ? S(" ") : S("\r\n\t"));
		add_printable(b, line);
	}
	buf_add(b, S("\r\n"));
}

/* -- the fields ------------------------------------------------------------- */

static void add_signs(struct buf *b, const char *name, char sign, int64_t score)
{
	buf_addf(b, "%s: ", name);
	for (int64_t i = 100; i <= score && i <= 100 * LEVEL_MAX; i += 100)
		buf_add_char(b, sign);
	buf_add(b, S("\r\n"));
}

static void add_status(struct buf *b, int64_t score, bool is_spam, const struct spam_scanned *by,
		       const struct conf_threshold *junk)
{
	buf_add(b, is_spam ? S("X-Spam-Status: Yes, score=") : S("X-Spam-Status: No, score="));
	conf_score_print(score, b);
	if (junk->is_set || by) {
		buf_add(b, S(" required="));
		conf_score_print(junk->is_set ? junk->score : by->required, b);
	}
	buf_add(b, S("\r\n\ttests="));
}

void spam_fields_add(struct buf *b, const struct ipc_signal *p, size_t n, const struct spam_scanned *by,
		     const struct conf_threshold *junk)
{
	int64_t score = spam_score(p, n, by);
	bool is_spam = junk->is_set ? score >= junk->score : by && by->is_spam;
	struct words w = { b, TAB + sizeof("tests=") - 1 };

	if (is_spam)
		buf_add(b, S("X-Spam-Flag: YES\r\n"));
	buf_add(b, S("X-Spam-Score: "));
	conf_score_print(score, b);
	buf_add(b, S("\r\n"));
	if (score > -100 && score < 100)
		buf_add(b, S("X-Spam-Bar: /\r\n"));
	else
		add_signs(b, "X-Spam-Bar", score < 0 ? '-' : '+', score < 0 ? -score : score);
	if (score >= 100)
		add_signs(b, "X-Spam-Level", '*', score);
	add_status(b, score, is_spam, by, junk);
	add_signals(&w, p, n);
	add_rules(&w, by, n);
	buf_add(b, S("\r\n"));
	for (size_t i = 0; by && i < by->n_fields && i < SPAM_FIELDS_MAX; i++)
		if (is_name(by->fields[i].name) && !says_the_sum(by->fields[i].name))
			add_field(b, &by->fields[i]);
}

enum verdict spam_verdict_at(int64_t score, const struct conf_threshold *reject, const struct conf_threshold *junk)
{
	return reject->is_set && score >= reject->score ? VERDICT_REFUSE
	       : junk->is_set && score >= junk->score	? VERDICT_JUNK
							: VERDICT_ACCEPT;
}

void spam_refusal_add(struct buf *b, int64_t score, const struct conf_threshold *reject)
{
	buf_add(b, S("its score is "));
	conf_score_print(score, b);
	buf_add(b, S(", reject at "));
	conf_score_print(reject->score, b);
}

bool spam_fields_find(struct str head, struct arena *a, struct cut **ret, size_t *ret_n)
{
	struct cut *cuts = NULL;
	struct header h = header_of(head);
	struct field f;
	size_t n = 0, cap = 0;

	h.is_lenient = true; /* a client may see fields behind a broken line */
	while (header_next(&h, &f)) {
		if (!str_starts_nocase(f.name, S("X-Spam-")))
			continue;
		if (n == cap) {
			struct cut *more = ARENA_ARRAY(a, struct cut, cap = cap ? 2 * cap : 8);

			if (!more)
				return false;
			if (n)
				memcpy(more, cuts, n * sizeof(*more));
			cuts = more;
		}
		cuts[n++] = (struct cut){ f.at, f.n };
	}
	*ret = cuts;
	*ret_n = n;
	return true;
}
