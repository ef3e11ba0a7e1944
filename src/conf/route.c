/* route.c — `route DOMAIN [from DOMAIN] via SERVER …`, `others via SERVER …`: ways out. */
#include "conf/secret.h"
#include "conf/types.h"

enum { PORT_SMTP = 25, PORT_SMTPS = 465, USER_NAME_MAX = 255, SECRET_PATH_MAX = 512 };

#define DEMANDS "opportunistic|encrypt|verify|off"

/* "*", "example.org", "*.example.org" */
static bool read_pattern(struct conf_args *args, struct str *ret)
{
	const struct conf_word *w;
	struct conf_word rest;
	struct conf_args one;

	if (!conf_args_take(args, &w))
		return false;
	*ret = w->text;
	if (str_eq(w->text, S("*")))
		return true;
	rest = *w;
	if (!str_starts(w->text, S("*."))) {
		args->i--;
		return conf_read_domain(args, ret);
	}
	rest.text = str_from(w->text, 2);
	one = (struct conf_args){ args->arena, args->notes, args->dir, args->row, &rest, 1, 0 };
	if (!conf_read_domain(&one, ret))
		return false;
	*ret = arena_printf(args->arena, "*." STR_FMT, STR_ARG(*ret));
	return true;
}

static bool read_host(struct conf_args *args, const struct conf_word *w, struct str host, struct str *ret)
{
	bool has_brackets = str_starts(host, S("[")) && str_ends(host, S("]")) && host.n > 2, is_v4;
	struct buf b = buf_over((char[64]){ 0 }, 64);
	struct conf_word word = { .text = host, .pos = w->pos };
	struct conf_args one = { args->arena, args->notes, args->dir, args->row, &word, 1, 0 };
	uint8_t ip[16];

	if (!has_brackets && str_has(host, ':'))
		return conf_error(args->notes, w->pos, "an IPv6 address stands in brackets: smtp://[2001:db8::1]");
	if (conf_ip_parse(has_brackets ? str_sub(host, 1, host.n - 2) : host, ip, &is_v4)) {
		conf_ip_print(ip, is_v4, &b);
		*ret = arena_str(args->arena, buf_str(&b));
		return true;
	}
	return conf_read_domain(&one, ret);
}

/* smtp://HOST[:PORT], smtps://HOST[:PORT] */
static bool read_server(struct conf_args *args, bool may_be_mx, struct conf_route *r)
{
	const struct conf_word *w;
	struct str rest, port;
	uint64_t n;
	size_t colon;

	if (!conf_args_take(args, &w))
		return false;
	r->is_mx = may_be_mx && str_eq(w->text, S("mx"));
	if (r->is_mx)
		return true;
	r->is_wrapped = str_starts(w->text, S("smtps://"));
	if (!r->is_wrapped && !str_starts(w->text, S("smtp://")))
		return conf_word_error(args, w, may_be_mx ? "mx, smtp://HOST:PORT or smtps://HOST:PORT" :
							    "smtp://HOST:PORT or smtps://HOST:PORT");
	rest = str_from(w->text, r->is_wrapped ? 8 : 7);
	rest = str_ends(rest, S("/")) ? str_head(rest, rest.n - 1) : rest;
	colon = str_rfind(rest, ':');
	if (str_ends(rest, S("]")))
		colon = rest.n;
	r->port = r->is_wrapped ? PORT_SMTPS : PORT_SMTP;
	port = str_from(rest, colon + 1);
	if (colon < rest.n) {
		if (!str_u64(port, &n) || n == 0 || n > UINT16_MAX)
			return conf_word_error(args, w, "a server with a port from 1 to 65535");
		r->port = (uint16_t)n;
	}
	return read_host(args, w, str_head(rest, colon), &r->host);
}

static bool read_user(struct conf_args *args, struct conf_route *r)
{
	const struct conf_word *w;
	struct str path;

	if (!conf_args_take(args, &w))
		return false;
	if (w->text.n == 0 || w->text.n > USER_NAME_MAX)
		return conf_word_error(args, w, "a name to log in with");
	r->user = w->text;
	if (!conf_args_take(args, &w))
		return false;
	if (!conf_secret_path(w->text, &path))
		return conf_word_error(args, w, "secret:PATH, the file that holds the password");
	if (!conf_path_in(args, w, path, &r->secret))
		return false;
	return r->secret.n <= SECRET_PATH_MAX ||
	       conf_error(args->notes, w->pos, "the path of a secret is longer than %d bytes", SECRET_PATH_MAX);
}

static bool is_loopback(struct str host)
{
	return str_starts(host, S("127.")) || str_eq(host, S("::1")) || str_eq(host, S("localhost"));
}

static bool read_options(struct conf_args *args, struct conf_route *r)
{
	unsigned i;

	while (args->i < args->n) {
		if (conf_args_literal(args, "user")) {
			if (r->is_mx)
				return conf_error(args->notes, args->word[args->i - 1].pos,
						  "a password is for one server, not for those that the DNS names");
			if (!read_user(args, r))
				return false;
			continue;
		}
		if (conf_args_literal(args, "require-tls")) {
			r->tls = CONF_TLS_VERIFY;
		} else if (conf_args_literal(args, "tls")) {
			if (!conf_choice(args, DEMANDS, &i))
				return false;
			r->tls = (enum conf_demand)i;
		} else {
			return true;             /* what it is, the reader of the line asks */
		}
		r->has_tls = true;
	}
	return true;
}

/* What goes with what. */
static bool judge(struct conf_args *args, struct conf_route *r)
{
	if (!r->has_tls && (r->user.n || r->is_wrapped) && !is_loopback(r->host))
		r->tls = CONF_TLS_VERIFY;
	else if (!r->has_tls && r->is_wrapped)
		r->tls = CONF_TLS_ENCRYPT;
	if (r->is_wrapped && (r->tls == CONF_TLS_IF_OFFERED || r->tls == CONF_TLS_NEVER))
		return conf_error(args->notes, r->pos, "smtps is always encrypted: \"tls encrypt\" or \"tls verify\"");
	if (r->user.n && r->tls != CONF_TLS_VERIFY && !is_loopback(r->host))
		return conf_error(args->notes, r->pos, "a password is only sent by TLS to a server with a right certificate");
	return true;
}

static bool read_way(struct conf_args *args, bool may_be_mx, struct conf_route *r)
{
	if (!conf_args_literal(args, "via"))
		return conf_error(args->notes, args->word[args->i < args->n ? args->i : args->n - 1].pos,
				  "\"via\" is missing here: %s %s", args->row->name, args->row->type->syntax);
	return read_server(args, may_be_mx, r) && read_options(args, r) && judge(args, r);
}

bool conf_read_route(struct conf_args *args, void *ret)
{
	struct conf_route r = { .pos = args->word[0].pos };

	if (!read_pattern(args, &r.destination))
		return false;
	if (conf_args_literal(args, "from") && !read_pattern(args, &r.from))
		return false;
	if (!read_way(args, true, &r))
		return false;
	*(struct conf_route *)ret = r;
	return true;
}

bool conf_read_via(struct conf_args *args, void *ret)
{
	struct conf_route r = { .pos = args->word[0].pos };

	if (!read_way(args, false, &r))
		return false;
	*(struct conf_route *)ret = r;
	return true;
}

void conf_print_via(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_route *r = value;
	char mem[SECRET_PATH_MAX + 16];
	struct buf path = buf_over(mem, sizeof(mem));

	(void)t;
	if (r->host.n == 0 && !r->is_mx)
		return;
	buf_add(b, S("via "));
	if (r->is_mx)
		buf_add(b, S("mx"));
	else
		buf_addf(b, str_has(r->host, ':') ? "%s://[" STR_FMT "]:%u" : "%s://" STR_FMT ":%u",
			 r->is_wrapped ? "smtps" : "smtp", STR_ARG(r->host), r->port);
	if (r->user.n) {
		buf_add(b, S(" user "));
		conf_word_print(b, r->user);
		buf_add(&path, S("secret:"));
		buf_add(&path, r->secret);
		buf_add_char(b, ' ');
		conf_word_print(b, buf_str(&path));
	}
	if (r->has_tls) {
		buf_add(b, S(" tls "));
		buf_add(b, conf_choice_name(DEMANDS, r->tls));
	}
}

void conf_print_route(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_route *r = value;

	conf_word_print(b, r->destination);
	if (r->from.n) {
		buf_add(b, S(" from "));
		conf_word_print(b, r->from);
	}
	buf_add_char(b, ' ');
	conf_print_via(t, value, b);
}

const struct conf_route *conf_route_at(const struct conf *c, size_t number)
{
	size_t i = number - 1;

	if (number == 0)
		return NULL;
	if (i < c->outbound.routes.n)
		return &c->outbound.routes.p[i];
	i -= c->outbound.routes.n;
	return i < c->domains.n && c->domains.p[i].others.host.n ? &c->domains.p[i].others : NULL;
}

bool conf_is_satellite(const struct conf *c)
{
	if (c->domains.n || c->domain_files.n)
		return false;
	for (size_t i = 0; i < c->outbound.routes.n; i++) {
		const struct conf_route *r = &c->outbound.routes.p[i];

		if (str_eq(r->destination, S("*")) && !r->from.n && !r->is_mx)
			return true;
	}
	return false;
}

size_t conf_others_number(const struct conf *c, size_t i)
{
	return 1 + c->outbound.routes.n + i;
}
