/* http_response.c — one HTTP/1.1 response; see http_response.h. */
#include "wire/http_response.h"

/* Take a line that ends in CRLF; false: none is whole. */
static bool line_take(struct str *in, struct str *ret)
{
	size_t n = str_find_str(*in, S("\r\n"));

	if (n == in->n)
		return false;
	*ret = str_head(*in, n);
	*in = str_from(*in, n + 2);
	return true;
}

/* HTTP-version SP status-code SP [ reason ]   §4 */
static bool status_parse(struct str line, unsigned *ret)
{
	if (!str_starts(line, S("HTTP/1.")) || !ascii_is_digit(str_at(line, 7)) || str_at(line, 8) != ' ')
		return false;
	for (size_t i = 9; i < 12; i++)
		if (!ascii_is_digit(str_at(line, i)))
			return false;
	if (line.n > 12 && line.p[12] != ' ')
		return false;
	*ret = (unsigned)((line.p[9] - '0') * 100 + (line.p[10] - '0') * 10 + line.p[11] - '0');
	return *ret >= 100 && *ret < 600;
}

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(str_at(s, i)) && !str_has(S("!#$%&'*+-.^_`|~"), s.p[i]))
			return false;
	return s.n > 0;
}

static bool is_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((str_at(s, i) < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return true;
}

/* field-name ":" OWS field-value OWS, no folding and no space before the colon   §5 */
static bool field_take(struct str line, struct http_head *h)
{
	struct str value, rest, name = str_cut(line, ':', &value);

	value = str_trim(value);
	if (name.n == line.n || !is_token(name) || !is_value(value))
		return false;
	if (str_eq_nocase(name, S("Content-Type"))) {
		h->content_type = str_trim(str_cut(value, ';', &rest));
	} else if (str_eq_nocase(name, S("Date"))) {
		h->date = value;
	} else if (str_eq_nocase(name, S("Content-Length"))) {
		if (h->has_length)
			return false;
		h->has_length = true;
		return str_u64(value, &h->length);
	} else if (str_eq_nocase(name, S("Transfer-Encoding"))) {
		if (h->is_chunked || !str_eq_nocase(value, S("chunked")))
			return false;
		h->is_chunked = true;
	} else if (str_eq_nocase(name, S("Content-Encoding"))) {
		return str_eq_nocase(value, S("identity"));
	}
	return true;
}

enum http_state http_head_parse(struct str in, struct http_head *ret, size_t *ret_n)
{
	struct http_head h = { 0 };
	struct str rest = str_head(in, HTTP_HEAD_MAX), line;
	size_t fields = 0;

	if (str_find_str(rest, S("\r\n\r\n")) == rest.n)
		return in.n >= HTTP_HEAD_MAX ? HTTP_MALFORMED : HTTP_MORE;
	if (!line_take(&rest, &line) || !status_parse(line, &h.status))
		return HTTP_MALFORMED;
	while (line_take(&rest, &line) && line.n)
		if (++fields > HTTP_FIELDS_MAX || !field_take(line, &h))
			return HTTP_MALFORMED;
	/* both are what smuggling is made of (§6.1) */
	if (h.has_length && h.is_chunked)
		return HTTP_MALFORMED;
	*ret = h;
	*ret_n = (size_t)(rest.p - in.p);
	return HTTP_DONE;
}

/* chunk-size [ chunk-ext ] CRLF: at most eight digits */
static bool size_parse(struct str line, uint64_t *ret)
{
	size_t i = 0;

	*ret = 0;
	for (; i < 8 && ascii_hex(str_at(line, i)) >= 0; i++)
		*ret = *ret * 16 + (uint64_t)ascii_hex(str_at(line, i));
	return i > 0 && (i == line.n || line.p[i] == ';' || line.p[i] == ' ') && is_value(line);
}

enum http_state http_chunks_parse(struct str in, char *to, size_t *ret_n)
{
	size_t n = 0;

	for (;;) {
		struct str line;
		uint64_t size;

		if (!line_take(&in, &line))
			return HTTP_MORE;
		if (!size_parse(line, &size))
			return HTTP_MALFORMED;
		if (size == 0) {
			/* trailers are passed over */
			while (line_take(&in, &line))
				if (!line.n) {
					*ret_n = n;
					return HTTP_DONE;
				}
			return HTTP_MORE;
		}
		if (in.n < size + 2)
			return HTTP_MORE;
		if (in.p[size] != '\r' || in.p[size + 1] != '\n')
			return HTTP_MALFORMED;
		memcpy(to + n, in.p, (size_t)size);
		n += (size_t)size;
		in = str_from(in, (size_t)size + 2);
	}
}
