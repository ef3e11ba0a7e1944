/* json.c — see json.h. */
#include "wire/json.h"

#include "base/err.h"
#include "base/time.h"
#include "base/utf8.h"

struct json json_to(struct buf *b)
{
	return (struct json){ .to = b };
}

static void quote(struct buf *b, struct str s)
{
	buf_add_char(b, '"');
	while (s.n) {
		uint32_t cp;
		size_t n = utf8_char(s, &cp);
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

void json_time(struct json *j, const char *key, int64_t when)
{
	char mem[40];
	struct buf b = buf_over(mem, sizeof(mem));

	time_add_known(&b, when);
	json_str(j, key, buf_str(&b));
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
