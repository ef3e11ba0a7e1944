/* words.c — types of options that are one word: numbers, names, addresses, networks. */
#include "conf/types.h"

#include "base/time.h"

#include <arpa/inet.h>

enum { DOMAIN_MAX = 253, LABEL_MAX = 63, LOCAL_MAX = 64, LOGIN_MAX = 32, PATH_BYTES_MAX = 4095 };

bool conf_args_take(struct conf_args *args, const struct conf_word **ret)
{
	if (args->i == args->n)
		return conf_error(args->notes, args->word[args->n - 1].pos,
				  "behind this belongs more: %s %s", args->row->name,
				  args->row->type->syntax);
	*ret = &args->word[args->i++];
	return true;
}

bool conf_args_literal(struct conf_args *args, const char *literal)
{
	if (args->i == args->n || !str_eq(args->word[args->i].text, str_from_z(literal)))
		return false;
	args->i++;
	return true;
}

bool conf_word_error(struct conf_args *args, const struct conf_word *w, const char *what)
{
	return conf_error(args->notes, w->pos, "\"" STR_FMT "\" is not %s",
			  STR_ARG(str_head(w->text, 128)), what);
}

/* Numbers with a unit. */

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit duration_units[] = {
	{ "w", 7 * (uint64_t)DAY }, { "d", (uint64_t)DAY }, { "h", (uint64_t)HOUR },
	{ "m", (uint64_t)MINUTE }, { "s", (uint64_t)SECOND }, { NULL, 0 },
};
static const struct unit size_units[] = {
	{ "G", 1 << 30 }, { "M", 1 << 20 }, { "K", 1 << 10 }, { "", 1 }, { NULL, 0 },
};
static const struct unit count_units[] = { { "", 1 }, { NULL, 0 } };

static bool unit_parse(struct str s, const struct unit *u, uint64_t *ret)
{
	size_t digits = 0;
	uint64_t n;

	while (ascii_is_digit(str_at(s, digits)))
		digits++;
	if (!str_u64(str_head(s, digits), &n))
		return false;
	for (; u->name; u++)
		if (str_eq(str_from(s, digits), str_from_z(u->name)))
			return !__builtin_mul_overflow(n, u->factor, ret) && *ret <= INT64_MAX;
	return false;
}

static void unit_print(uint64_t v, const struct unit *u, struct buf *b)
{
	while (u[1].name && (v == 0 || v % u->factor))
		u++;
	buf_add_u64(b, v / u->factor);
	buf_add(b, str_from_z(u->name));
}

static bool unit_read(struct conf_args *args, const struct unit *units, const char *what,
		      int64_t min, int64_t max, uint64_t *ret)
{
	const struct conf_word *w;
	struct buf limit = { 0 };
	char mem[32];
	uint64_t v;

	if (!conf_args_take(args, &w))
		return false;
	if (!unit_parse(w->text, units, &v))
		return conf_word_error(args, w, what);
	if (v >= (uint64_t)min && v <= (uint64_t)max) {
		*ret = v;
		return true;
	}
	limit = buf_over(mem, sizeof(mem));
	unit_print((uint64_t)(v < (uint64_t)min ? min : max), units, &limit);
	return conf_error(args->notes, w->pos, "%s is at %s " STR_FMT, args->row->name,
			  v < (uint64_t)min ? "least" : "most", STR_ARG(buf_str(&limit)));
}

bool conf_duration_in(struct conf_args *args, int64_t min, int64_t max, int64_t *ret)
{
	uint64_t v;

	if (!unit_read(args, duration_units, "a duration like 30s, 5m, 1h or 4d", min, max, &v))
		return false;
	*ret = (int64_t)v;
	return true;
}

void conf_duration_print(int64_t v, struct buf *b)
{
	unit_print((uint64_t)v, duration_units, b);
}

bool conf_count_in(struct conf_args *args, int64_t min, int64_t max, uint32_t *ret)
{
	uint64_t v;

	if (!unit_read(args, count_units, "a whole number", min, max, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

bool conf_read_duration(struct conf_args *args, void *ret)
{
	return conf_duration_in(args, args->row->min, args->row->max, ret);
}

void conf_print_duration(const struct conf_type *t, const void *value, struct buf *b)
{
	(void)t;
	conf_duration_print(*(const int64_t *)value, b);
}

bool conf_size_in(struct conf_args *args, int64_t min, int64_t max, uint64_t *ret)
{
	return unit_read(args, size_units, "a size like 500, 256K, 50M or 1G", min, max, ret);
}

void conf_size_print(uint64_t v, struct buf *b)
{
	unit_print(v, size_units, b);
}

bool conf_read_size(struct conf_args *args, void *ret)
{
	return conf_size_in(args, args->row->min, args->row->max, ret);
}

void conf_print_size(const struct conf_type *t, const void *value, struct buf *b)
{
	(void)t;
	conf_size_print(*(const uint64_t *)value, b);
}

bool conf_read_count(struct conf_args *args, void *ret)
{
	return conf_count_in(args, args->row->min, args->row->max, ret);
}

void conf_print_count(const struct conf_type *t, const void *value, struct buf *b)
{
	(void)t;
	buf_add_u64(b, *(const uint32_t *)value);
}

bool conf_read_copies(struct conf_args *args, void *ret)
{
	if (!conf_args_literal(args, "auto"))
		return conf_read_count(args, ret);
	*(uint32_t *)ret = 0;
	return true;
}

void conf_print_copies(const struct conf_type *t, const void *value, struct buf *b)
{
	if (*(const uint32_t *)value == 0)
		buf_add(b, S("auto"));
	else
		conf_print_count(t, value, b);
}

/* Text. */

bool conf_path_in(struct conf_args *args, const struct conf_word *w, struct str path, struct str *ret)
{
	if (path.n == 0)
		return conf_word_error(args, w, "a path");
	if (str_at(path, 0) != '/') {
		while (str_starts(path, S("./")))
			path = str_from(path, 2);
		path = path.n == 0 || str_eq(path, S("."))
			       ? args->dir
			       : arena_printf(args->arena, STR_FMT "/" STR_FMT, STR_ARG(args->dir),
					      STR_ARG(path));
	}
	if (path.n > PATH_BYTES_MAX)
		return conf_error(args->notes, w->pos, "the path is longer than %d bytes",
				  PATH_BYTES_MAX);
	*ret = path;
	return true;
}

bool conf_read_path(struct conf_args *args, void *ret)
{
	const struct conf_word *w;

	return conf_args_take(args, &w) && conf_path_in(args, w, w->text, ret);
}

void conf_print_str(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct str *s = value;

	(void)t;
	if (s->n)
		conf_word_print(b, *s);
}

bool conf_read_chars(struct conf_args *args, void *ret)
{
	const struct conf_word *w;

	if (!conf_args_take(args, &w))
		return false;
	for (size_t i = 0; i < w->text.n; i++)
		if (str_at(w->text, i) <= ' ' || str_at(w->text, i) >= 0x7f ||
		    str_has(S("@<>"), w->text.p[i]))
			return conf_word_error(args, w,
					       "a row of printable ASCII characters without @ < >");
	if (w->text.n > (size_t)args->row->max)
		return conf_error(args->notes, w->pos, "%s has at most %d characters",
				  args->row->name, (int)args->row->max);
	*(struct str *)ret = w->text;
	return true;
}

bool conf_read_mark(struct conf_args *args, void *ret)
{
	const struct conf_word *w;
	char *to = ret;

	if (!conf_args_take(args, &w))
		return false;
	*to = 0;
	if (str_eq(w->text, S("off")))
		return true;
	if (w->text.n != 1 || !str_has(S("!#$%&*+-/=?^_~|"), w->text.p[0]))
		return conf_word_error(args, w, "one of ! # $ % & * + - / = ? ^ _ ~ | or off");
	*to = w->text.p[0];
	return true;
}

void conf_print_mark(const struct conf_type *t, const void *value, struct buf *b)
{
	const char *c = value;

	(void)t;
	conf_word_print(b, *c ? str_of(c, 1) : S("off"));
}

/* Letters, digits and hyphens between dots, in lower case.   RFC 5321 §4.1.2 Domain */
static bool domain_parse(struct arena *a, struct str s, struct str *ret)
{
	struct str rest = s, label, lower = arena_str(a, s);
	char *p = (char *)lower.p;

	if (s.n == 0 || s.n > DOMAIN_MAX || lower.n != s.n || str_ends(s, S(".")))
		return false;
	while (rest.n) {
		label = str_cut(rest, '.', &rest);
		if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' ||
		    label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!ascii_is_alnum(str_at(label, i)) && label.p[i] != '-')
				return false;
	}
	for (size_t i = 0; i < lower.n; i++)
		p[i] = (char)ascii_lower(p[i]);
	*ret = lower;
	return true;
}

bool conf_read_domain(struct conf_args *args, void *ret)
{
	const struct conf_word *w;

	if (!conf_args_take(args, &w))
		return false;
	if (!domain_parse(args->arena, w->text, ret))
		return conf_word_error(
			args, w, "a domain (letters, digits, \"-\" and dots; others as xn--…)");
	return true;
}

/* Dot-atom; UTF-8 is allowed.   RFC 5321 §4.1.2, RFC 6531 §3.3 */
static bool is_local_part(struct str s)
{
	if (s.n == 0 || s.n > LOCAL_MAX || s.p[0] == '.' || s.p[s.n - 1] == '.')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (c == '.' && str_at(s, i + 1) == '.')
			return false;
		if (c < 0x80 && !ascii_is_alnum(c) && !str_has(S("!#$%&'*+-/=?^_`{|}~."), (char)c))
			return false;
	}
	return true;
}

bool conf_read_address(struct conf_args *args, void *ret)
{
	const struct conf_word *w;
	struct str local, domain;
	size_t at;

	if (!conf_args_take(args, &w))
		return false;
	at = str_rfind(w->text, '@');
	local = str_head(w->text, at);
	if (!is_local_part(local) || !domain_parse(args->arena, str_from(w->text, at + 1), &domain))
		return conf_word_error(args, w, "an address like name@example.org");
	*(struct str *)ret =
		arena_printf(args->arena, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain));
	return true;
}

bool conf_read_login(struct conf_args *args, void *ret)
{
	const struct conf_word *w;
	bool is_good;

	if (!conf_args_take(args, &w))
		return false;
	is_good = w->text.n > 0 && w->text.n <= LOGIN_MAX;
	for (size_t i = 0; i < w->text.n && is_good; i++) {
		int c = str_at(w->text, i);

		is_good = (c >= 'a' && c <= 'z') || c == '_' ||
			  (i > 0 && (ascii_is_digit(c) || c == '.' || c == '-'));
	}
	if (!is_good)
		return conf_word_error(args, w, "the name of a system user");
	*(struct str *)ret = w->text;
	return true;
}

/* Networks. */

bool conf_ip_parse(struct str s, uint8_t addr[16], bool *is_v4)
{
	char z[INET6_ADDRSTRLEN];

	if (s.n == 0 || s.n >= sizeof(z))
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	memcpy(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0", 16);
	*is_v4 = inet_pton(AF_INET, z, addr + 12) == 1;
	return *is_v4 || inet_pton(AF_INET6, z, addr) == 1;
}

static bool net_is_v4(const uint8_t addr[16])
{
	return memcmp(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

void conf_ip_print(const uint8_t addr[16], bool is_v4, struct buf *b)
{
	char z[INET6_ADDRSTRLEN];

	inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? addr + 12 : addr, z, sizeof(z));
	buf_add(b, str_from_z(z));
}

static void net_cut(struct conf_net *net)
{
	for (size_t bit = net->bits; bit < 128; bit++)
		net->addr[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
}

void conf_print_net(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_net *net = value;
	bool is_v4 = net_is_v4(net->addr) && net->bits >= 96;

	(void)t;
	conf_ip_print(net->addr, is_v4, b);
	if (net->bits < 128)
		buf_addf(b, "/%d", is_v4 ? net->bits - 96 : net->bits);
}

bool conf_read_net(struct conf_args *args, void *ret)
{
	const struct conf_word *w;
	struct conf_net net = { .bits = 128 }, cut;
	struct str addr, bits;
	uint64_t n;
	bool is_v4;

	if (!conf_args_take(args, &w))
		return false;
	addr = str_cut(w->text, '/', &bits);
	if (!conf_ip_parse(addr, net.addr, &is_v4))
		return conf_word_error(
			args, w, "an IP address or network like 192.0.2.0/24 or 2001:db8::/32");
	if (addr.n < w->text.n) {
		if (!str_u64(bits, &n) || n > (is_v4 ? 32 : 128))
			return conf_word_error(args, w, is_v4 ? "a network: behind / stands 0 to 32"
							 : "a network: behind / stands 0 to 128");
		net.bits = (uint8_t)(n + (is_v4 ? 96 : 0));
	}
	cut = net;
	net_cut(&cut);
	if (memcmp(&cut, &net, sizeof(cut)) != 0) {
		char mem[64];
		struct buf b = buf_over(mem, sizeof(mem));

		conf_print_net(NULL, &cut, &b);
		return conf_error(args->notes, w->pos,
				  "\"" STR_FMT
				  "\" is one address, not a network, did you mean \"" STR_FMT "\"?",
				  STR_ARG(w->text), STR_ARG(buf_str(&b)));
	}
	*(struct conf_net *)ret = net;
	return true;
}

bool conf_read_ip(struct conf_args *args, void *ret)
{
	struct conf_net ip = { .bits = 128 };
	const struct conf_word *w;
	bool is_v4;

	if (!conf_args_take(args, &w))
		return false;
	if (!conf_ip_parse(w->text, ip.addr, &is_v4))
		return conf_word_error(args, w, "an IP address");
	*(struct conf_net *)ret = ip;
	return true;
}

bool conf_nets_has(const struct conf_nets *nets, const uint8_t addr[16])
{
	for (size_t i = 0; i < nets->n; i++) {
		struct conf_net net = { .bits = nets->p[i].bits };

		memcpy(net.addr, addr, 16);
		net_cut(&net);
		if (memcmp(net.addr, nets->p[i].addr, 16) == 0)
			return true;
	}
	return false;
}
