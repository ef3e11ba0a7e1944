/* spam_fields.c — see spam_fields.h. */
#include "spam/spam_fields.h"

#include "wire/header.h"

enum { LEVEL_MAX = 50, FOLD_AT = 76 };

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

int64_t spam_score(const struct ipc_signal *p, size_t n)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += p[i].score;
	return sum;
}

static void add_tests(struct buf *b, const struct ipc_signal *p, size_t n)
{
	size_t column = sizeof("\ttests=") - 1;

	buf_add(b, n ? S("tests=") : S("tests=none"));
	for (size_t i = 0; i < n; i++) {
		if (i && column > FOLD_AT - 20) {
			buf_add(b, S(",\r\n\t"));
			column = 8;
		} else if (i) {
			buf_add_char(b, ',');
		}
		buf_add(b, p[i].symbol);
		buf_add_char(b, '=');
		conf_score_print(p[i].score, b);
		column += p[i].symbol.n + 8;
	}
}

void spam_fields_add(struct buf *b, const struct ipc_signal *p, size_t n,
		     const struct conf_threshold *junk)
{
	int64_t score = spam_score(p, n);
	bool is_spam = junk->is_set && score >= junk->score;

	if (is_spam)
		buf_add(b, S("X-Spam-Flag: YES\r\n"));
	buf_add(b, S("X-Spam-Score: "));
	conf_score_print(score, b);
	buf_add(b, S("\r\n"));
	if (score >= 100) {
		buf_add(b, S("X-Spam-Level: "));
		for (int64_t i = 100; i <= score && i <= 100 * LEVEL_MAX; i += 100)
			buf_add_char(b, '*');
		buf_add(b, S("\r\n"));
	}
	buf_add(b, is_spam ? S("X-Spam-Status: Yes, score=") : S("X-Spam-Status: No, score="));
	conf_score_print(score, b);
	if (junk->is_set) {
		buf_add(b, S(" required="));
		conf_score_print(junk->score, b);
	}
	buf_add(b, S("\r\n\t"));
	add_tests(b, p, n);
	buf_add(b, S("\r\n"));
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
