/* json.c — see json.h. */
#include "wire/json.h"

#include "base/err.h"

struct json json_to(struct buf *b)
{
	return (struct json){ .to = b };
}

/* Length of the well-formed UTF-8 character (RFC 3629 §4), or 0. */
static size_t char_len(struct str s)
{
	int c = str_at(s, 0);
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((str_at(s, i) & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && str_at(s, 1) < 0xa0) || (c == 0xed && str_at(s, 1) > 0x9f) ||
	    (c == 0xf0 && str_at(s, 1) < 0x90) || (c == 0xf4 && str_at(s, 1) > 0x8f))
		return 0;
	return n;
}

static void quote(struct buf *b, struct str s)
{
	buf_add_char(b, '"');
	while (s.n) {
		size_t n = char_len(s);
		int c = str_at(s, 0);

		if (n == 0)
			buf_add(b, S("\xef\xbf\xbd"));
		else if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c == '\n')
			buf_add(b, S("\\n"));
		else if (c < 0x20)
			buf_addf(b, "\\u%04x", (unsigned)c);
		else
			buf_add(b, str_head(s, n));
		s = str_from(s, n ? n : 1);
	}
	buf_add_char(b, '"');
}

static void value(struct json *j, const char *key)
{
	if (j->has_value >> j->depth & 1)
		buf_add_char(j->to, ',');
	j->has_value |= 1u << j->depth;
	if (key) {
		quote(j->to, str_from_z(key));
		buf_add_char(j->to, ':');
	}
}

static void open_with(struct json *j, const char *key, char c)
{
	value(j, key);
	buf_add_char(j->to, c);
	must(++j->depth < JSON_DEPTH_MAX, "JSON too deep");
	j->has_value &= ~(1u << j->depth);
}

void json_object(struct json *j, const char *key)
{
	open_with(j, key, '{');
}

void json_array(struct json *j, const char *key)
{
	open_with(j, key, '[');
}

void json_end_object(struct json *j)
{
	j->depth--;
	buf_add_char(j->to, '}');
}

void json_end_array(struct json *j)
{
	j->depth--;
	buf_add_char(j->to, ']');
}

void json_str(struct json *j, const char *key, struct str s)
{
	value(j, key);
	quote(j->to, s);
}

void json_int(struct json *j, const char *key, int64_t v)
{
	value(j, key);
	buf_addf(j->to, "%lld", (long long)v);
}

void json_bool(struct json *j, const char *key, bool v)
{
	value(j, key);
	buf_add(j->to, v ? S("true") : S("false"));
}
