/* flags.c — system flags and keywords; see flags.h. */
#include "wire/flags.h"

static const struct {
	struct str name;
	enum flag flag;
} flags[] = {
	{ S("\\Seen"), FLAG_SEEN },     { S("\\Answered"), FLAG_ANSWERED },
	{ S("\\Flagged"), FLAG_FLAGGED }, { S("\\Deleted"), FLAG_DELETED },
	{ S("\\Draft"), FLAG_DRAFT },   { S("\\Recent"), FLAG_RECENT },
};

unsigned flag_parse(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (str_eq_nocase(name, flags[i].name))
			return flags[i].flag;
	return 0;
}

struct str flag_name(enum flag f)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].flag == f)
			return flags[i].name;
	return S("");
}

/* atom = 1*ATOM-CHAR   RFC 9051 §9 */
bool flag_keyword_is_valid(struct str name)
{
	if (name.n == 0 || name.n > FLAG_KEYWORD_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		int c = str_at(name, i);

		if (c <= ' ' || c >= 0x7f || str_has(S("(){%*\"\\]"), (char)c))
			return false;
	}
	return true;
}

void flag_list_add(struct buf *b, const struct flag_list *l)
{
	bool is_begun = false;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (!(l->system & flags[i].flag))
			continue;
		if (is_begun)
			buf_add_char(b, ' ');
		buf_add(b, flags[i].name);
		is_begun = true;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (is_begun)
			buf_add_char(b, ' ');
		buf_add(b, l->keywords[i]);
		is_begun = true;
	}
}
