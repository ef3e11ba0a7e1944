/* advice.c — what can be done about a refusal. */
#include "queue/advice.h"

#include "queue/bounce.h"

struct advice {
	const char *codes, *words, *sentence;
};

static const struct advice rows[] = {
#define ADVICE(codes, words, sentence) { codes, words, sentence },
#include "queue/advice.def"
#undef ADVICE
};

static size_t find_nocase(struct str in, struct str what)
{
	for (size_t i = 0; i + what.n <= in.n; i++)
		if (str_starts_nocase(str_from(in, i), what))
			return i;
	return in.n;
}

/* A short word is one by itself: "rbl" is not in "terrible". */
static bool has_word(struct str text, struct str word)
{
	size_t from = 0;

	while (from < text.n) {
		size_t at = from + find_nocase(str_from(text, from), word);

		if (at >= text.n)
			return false;
		if (word.n > 4 || (!ascii_is_alnum(at ? str_at(text, at - 1) : -1) && !ascii_is_alnum(str_at(text, at + word.n))))
			return true;
		from = at + 1;
	}
	return false;
}

/* "ipv6*ptr": one, and further on the other. */
static bool has_all(struct str text, struct str words)
{
	while (words.n) {
		struct str word = str_cut(words, '*', &words);

		if (!has_word(text, word))
			return false;
		text = str_from(text, find_nocase(text, word) + word.n);
	}
	return true;
}

static bool has_any(struct str text, struct str list)
{
	while (list.n)
		if (has_all(text, str_cut(list, '|', &list)))
			return true;
	return false;
}

static bool is_one_of(struct str code, struct str list)
{
	while (list.n)
		if (str_eq(code, str_cut(list, '|', &list)))
			return true;
	return false;
}

struct str advice_for(struct str text)
{
	struct str code = bounce_status(str_at(text, 0) == '4' ? BOUNCE_DELAYED : BOUNCE_FAILED, text);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (has_any(text, str_from_z(rows[i].words)))
			return str_from_z(rows[i].sentence);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (is_one_of(code, str_from_z(rows[i].codes)))
			return str_from_z(rows[i].sentence);
	return (struct str){ 0 };
}
