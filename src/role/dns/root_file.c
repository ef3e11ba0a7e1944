/* root_file.c — see root_file.h. */
#include "role/dns/root_file.h"

bool root_line_take(struct str *text, struct str *ret)
{
	while (text->n) {
		struct str line = str_cut(*text, '\n', text), comment;

		line = str_trim(str_cut(line, ';', &comment));
		if (line.n) {
			*ret = line;
			return true;
		}
	}
	return false;
}

/* The word that says the type, behind the name and what may stand between; the rest is its data. */
static struct str take_type(struct str *line)
{
	struct str word;
	uint64_t ttl;

	str_word(line);
	do
		word = str_word(line);
	while (str_eq_nocase(word, S("IN")) || str_u64(word, &ttl));
	return word;
}

bool root_line_is_key(struct str line)
{
	struct str type = take_type(&line);

	return (str_eq_nocase(type, S("DNSKEY")) || str_eq_nocase(type, S("DS"))) && line.n > 0;
}

bool root_line_address(struct str line, struct str *ret)
{
	struct str type = take_type(&line), address = str_word(&line);

	if ((!str_eq_nocase(type, S("A")) && !str_eq_nocase(type, S("AAAA"))) || address.n == 0)
		return false;
	*ret = address;
	return true;
}
