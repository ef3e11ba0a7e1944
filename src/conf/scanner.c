/* scanner.c — `scanner spamd ADDRESS`: who is asked about letters besides us. */
#include "base/time.h"
#include "conf/types.h"

enum {
	PATH_CHARS_MAX = 107, /* of a unix socket, without its NUL */
	USER_CHARS_MAX = 64,
	AT_ONCE_MAX = 64,
	SIZE_LEAST = 1024,
	SIZE_MOST = 64 << 20,
	/* spamc's; spam is short, and time and memory of SpamAssassin grow with the letter */
	SIZE_DEFAULT = 512 << 10,
	AT_ONCE_DEFAULT = 4, /* spamd has five children unless it is told otherwise */
};
#define WITHIN_DEFAULT (20 * SECOND)
#define WITHIN_MOST (2 * MINUTE) /* the client waits for its 250 */

#define ADDRESS_WANTED "an address like 127.0.0.1:783 or [::1]:783, or the /PATH of a unix socket"

static bool read_path(struct conf_args *args, const struct conf_word *w, struct conf_scanner *v)
{
	bool ok = w->text.n <= PATH_CHARS_MAX;

	for (size_t i = 0; i < w->text.n; i++)
		ok &= str_at(w->text, i) > ' ' && str_at(w->text, i) != 0x7f;
	if (!ok)
		return conf_error(args->notes, w->pos,
				  "the path of a unix socket has at most %d octets, and no spaces",
				  PATH_CHARS_MAX);
	v->path = w->text;
	return true;
}

static bool read_address(struct conf_args *args, struct conf_scanner *v)
{
	const struct conf_word *w;
	struct str host;
	bool has_brackets;
	uint64_t port;
	size_t colon;

	if (!conf_args_take(args, &w))
		return false;
	if (str_at(w->text, 0) == '/')
		return read_path(args, w, v);
	colon = str_rfind(w->text, ':');
	host = str_head(w->text, colon);
	has_brackets = str_starts(host, S("[")) && str_ends(host, S("]"));
	if (has_brackets)
		host = str_sub(host, 1, host.n - 2);
	if (!str_u64(str_from(w->text, colon + 1), &port) || port == 0 || port > UINT16_MAX ||
	    !conf_ip_parse(host, v->addr, &v->is_v4) || v->is_v4 == has_brackets)
		return conf_word_error(args, w, ADDRESS_WANTED);
	v->port = (uint16_t)port;
	return true;
}

/* It stands in a line of the question. */
static bool read_user(struct conf_args *args, struct str *ret)
{
	const struct conf_word *w;
	bool ok;

	if (!conf_args_take(args, &w))
		return false;
	ok = w->text.n > 0 && w->text.n <= USER_CHARS_MAX && w->text.p[0] != '-';
	for (size_t i = 0; ok && i < w->text.n; i++)
		ok = ascii_is_alnum(str_at(w->text, i)) || str_has(S("_-.@+"), w->text.p[i]);
	if (!ok)
		return conf_word_error(args, w, "the name of a user of spamd");
	*ret = w->text;
	return true;
}

static bool read_option(struct conf_args *args, struct conf_scanner *v)
{
	unsigned word;

	if (!conf_choice(args, "user|max-size|within|at-once", &word))
		return false;
	if (word == 0)
		return read_user(args, &v->user);
	if (word == 1)
		return conf_size_in(args, SIZE_LEAST, SIZE_MOST, &v->max_size);
	if (word == 2)
		return conf_duration_in(args, SECOND, WITHIN_MOST, &v->within);
	return conf_count_in(args, 1, AT_ONCE_MAX, &v->at_once);
}

bool conf_read_scanner(struct conf_args *args, void *ret)
{
	struct conf_scanner v = { .max_size = SIZE_DEFAULT, .within = WITHIN_DEFAULT, .at_once = AT_ONCE_DEFAULT };
	unsigned kind;

	if (!conf_choice(args, "spamd|off", &kind))
		return false;
	v.is_set = kind == 0;
	if (v.is_set && !read_address(args, &v))
		return false;
	while (v.is_set && args->i < args->n)
		if (!read_option(args, &v))
			return false;
	*(struct conf_scanner *)ret = v;
	return true;
}

void conf_scanner_print_address(const struct conf_scanner *s, struct buf *b)
{
	if (s->path.n) {
		buf_add(b, s->path);
		return;
	}
	buf_add(b, s->is_v4 ? S("") : S("["));
	conf_ip_print(s->addr, s->is_v4, b);
	buf_addf(b, s->is_v4 ? ":%u" : "]:%u", s->port);
}

void conf_print_scanner(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_scanner *v = value;

	(void)t;
	if (!v->is_set) {
		buf_add(b, S("off"));
		return;
	}
	buf_add(b, S("spamd "));
	if (v->path.n)
		conf_word_print(b, v->path);
	else
		conf_scanner_print_address(v, b);
	if (v->user.n) {
		buf_add(b, S(" user "));
		conf_word_print(b, v->user);
	}
	if (v->max_size != SIZE_DEFAULT) {
		buf_add(b, S(" max-size "));
		conf_size_print(v->max_size, b);
	}
	if (v->within != WITHIN_DEFAULT) {
		buf_add(b, S(" within "));
		conf_duration_print(v->within, b);
	}
	if (v->at_once != AT_ONCE_DEFAULT)
		buf_addf(b, " at-once %u", v->at_once);
}
