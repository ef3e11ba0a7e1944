/* types.c — types of options whose words belong together, and the table of all types. */
#include "conf/types.h"

#include "base/time.h"

#define PROTOCOLS "smtp|submission|imap|pop3|sieve|http|https"

static const struct conf_word *name_word(const struct conf_args *args)
{
	return &args->word[0];
}

/* One of a few words. */

struct str conf_choice_name(const char *choices, unsigned i)
{
	struct str rest = str_from_z(choices), name = { 0 };

	for (unsigned k = 0; k <= i; k++)
		name = str_cut(rest, '|', &rest);
	return name;
}

bool conf_choice(struct conf_args *args, const char *choices, unsigned *ret)
{
	struct str rest = str_from_z(choices), name;
	const struct conf_word *w;
	struct conf_guess g;
	unsigned i = 0;

	if (!conf_args_take(args, &w))
		return false;
	g = conf_guess_of(w->text);
	for (; rest.n; i++) {
		name = str_cut(rest, '|', &rest);
		if (str_eq(name, w->text)) {
			*ret = i;
			return true;
		}
		conf_guess_offer(&g, name);
	}
	return conf_error(args->notes, w->pos, "\"" STR_FMT "\" is not one of %s%s",
			  STR_ARG(str_head(w->text, 128)), choices, conf_guess_text(&g));
}

bool conf_read_choice(struct conf_args *args, void *ret)
{
	return conf_choice(args, args->row->type->choices, ret);
}

void conf_print_choice(const struct conf_type *t, const void *value, struct buf *b)
{
	buf_add(b, conf_choice_name(t->choices, *(const unsigned *)value));
}

/* Limits. */

static bool expect_literal(struct conf_args *args, const char *literal)
{
	if (conf_args_literal(args, literal))
		return true;
	return conf_error(args->notes, args->word[args->i < args->n ? args->i : args->n - 1].pos,
			  "\"%s\" is missing here: %s %s", literal, args->row->name,
			  args->row->type->syntax);
}

static bool rate_parse(struct conf_args *args, struct conf_rate *ret)
{
	return conf_count_in(args, 1, UINT32_MAX, &ret->n) && expect_literal(args, "per") &&
	       conf_duration_in(args, SECOND, 7 * DAY, &ret->per);
}

static void rate_print(const struct conf_rate *r, struct buf *b)
{
	buf_add_u64(b, r->n);
	buf_add(b, S(" per "));
	conf_duration_print(r->per, b);
}

bool conf_read_rate(struct conf_args *args, void *ret)
{
	struct conf_rate r = { 0 };

	if (!conf_args_literal(args, "off") && !rate_parse(args, &r))
		return false;
	*(struct conf_rate *)ret = r;
	return true;
}

void conf_print_rate(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_rate *r = value;

	(void)t;
	if (r->n)
		rate_print(r, b);
	else
		buf_add(b, S("off"));
}

bool conf_read_per_client(struct conf_args *args, void *ret)
{
	struct conf_per_client c = { 0 };

	if (!conf_args_literal(args, "off")) {
		if (!conf_count_in(args, 1, 100000, &c.connections) ||
		    !expect_literal(args, "connections"))
			return false;
		if (args->i < args->n && !rate_parse(args, &c.opened))
			return false;
	}
	*(struct conf_per_client *)ret = c;
	return true;
}

void conf_print_per_client(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_per_client *c = value;

	(void)t;
	if (c->connections == 0) {
		buf_add(b, S("off"));
		return;
	}
	buf_add_u64(b, c->connections);
	buf_add(b, S(" connections"));
	if (c->opened.n) {
		buf_add_char(b, ' ');
		rate_print(&c->opened, b);
	}
}

bool conf_read_durations(struct conf_args *args, void *ret)
{
	struct conf_durations d = { 0 };

	do {
		if (d.n == CONF_DURATIONS_MAX)
			return conf_error(args->notes, args->word[args->i].pos,
					  "more than %d durations", CONF_DURATIONS_MAX);
		if (!conf_duration_in(args, args->row->min, args->row->max, &d.p[d.n++]))
			return false;
		if (d.n > 1 && d.p[d.n - 1] < d.p[d.n - 2])
			return conf_error(args->notes, args->word[args->i - 1].pos,
					  "each is at least as long as the one before");
	} while (args->i < args->n);
	*(struct conf_durations *)ret = d;
	return true;
}

void conf_print_durations(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_durations *d = value;

	(void)t;
	for (size_t i = 0; i < d->n; i++) {
		buf_add(b, i ? S(" ") : S(""));
		conf_duration_print(d->p[i], b);
	}
}

bool conf_read_retry(struct conf_args *args, void *ret)
{
	struct conf_retry r = { 0 };
	const struct conf_word *first = &args->word[args->i < args->n ? args->i : 0];

	while (args->i < args->n && ascii_is_digit(str_at(args->word[args->i].text, 0))) {
		if (r.n == CONF_RETRY_MAX)
			return conf_error(args->notes, args->word[args->i].pos,
					  "more than %d waits", CONF_RETRY_MAX);
		if (!conf_duration_in(args, SECOND, 7 * DAY, &r.delay[r.n++]))
			return false;
	}
	if (r.n == 0)
		return conf_error(args->notes, first->pos, "the first wait is missing: retry %s",
				  args->row->type->syntax);
	if (!expect_literal(args, "give-up") ||
	    !conf_duration_in(args, MINUTE, 100 * DAY, &r.give_up))
		return false;
	if (conf_args_literal(args, "warn") && !conf_duration_in(args, MINUTE, 100 * DAY, &r.warn))
		return false;
	if (r.warn >= r.give_up || r.delay[0] >= r.give_up)
		return conf_error(args->notes, first->pos, "%s comes after giving up",
				  r.warn >= r.give_up ? "the warning" : "the second try");
	*(struct conf_retry *)ret = r;
	return true;
}

void conf_print_retry(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_retry *r = value;

	(void)t;
	for (size_t i = 0; i < r->n; i++) {
		conf_duration_print(r->delay[i], b);
		buf_add_char(b, ' ');
	}
	buf_add(b, S("give-up "));
	conf_duration_print(r->give_up, b);
	if (r->warn) {
		buf_add(b, S(" warn "));
		conf_duration_print(r->warn, b);
	}
}

/* Files. */

bool conf_read_file(struct conf_args *args, void *ret)
{
	struct conf_name f = { .pos = name_word(args)->pos };

	if (!expect_literal(args, "file") || !conf_read_path(args, &f.text))
		return false;
	*(struct conf_name *)ret = f;
	return true;
}

void conf_print_file(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_name *f = value;

	if (f->text.n == 0)
		return;
	buf_add(b, S("file "));
	conf_print_str(t, &f->text, b);
}

bool conf_read_aliases(struct conf_args *args, void *ret)
{
	struct conf_aliases f = { .pos = name_word(args)->pos };

	if (!conf_args_literal(args, "off")) {
		if (!expect_literal(args, "file") || !conf_read_path(args, &f.path))
			return false;
		if (conf_args_literal(args, "as") && !conf_read_login(args, &f.as_user))
			return false;
	}
	*(struct conf_aliases *)ret = f;
	return true;
}

void conf_print_aliases(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_aliases *f = value;

	if (f->path.n == 0) {
		buf_add(b, S("off"));
		return;
	}
	buf_add(b, S("file "));
	conf_print_str(t, &f->path, b);
	if (f->as_user.n) {
		buf_add(b, S(" as "));
		conf_word_print(b, f->as_user);
	}
}

bool conf_read_tls(struct conf_args *args, void *ret)
{
	struct conf_tls t = { .pos = name_word(args)->pos };

	if (!expect_literal(args, "certificate") || !conf_read_path(args, &t.certificate) ||
	    !expect_literal(args, "key") || !conf_read_path(args, &t.key))
		return false;
	*(struct conf_tls *)ret = t;
	return true;
}

void conf_print_tls(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_tls *v = value;

	(void)t;
	buf_add(b, S("certificate "));
	conf_word_print(b, v->certificate);
	buf_add(b, S(" key "));
	conf_word_print(b, v->key);
}

bool conf_read_backend(struct conf_args *args, void *ret)
{
	struct conf_backend v = { .pos = name_word(args)->pos };
	unsigned kind;

	if (!conf_choice(args, "internal|pam", &kind))
		return false;
	v.kind = (enum conf_backend_kind)kind;
	if (v.kind == CONF_BACKEND_PAM && !conf_read_login(args, &v.service))
		return false;
	*(struct conf_backend *)ret = v;
	return true;
}

void conf_print_backend(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_backend *v = value;

	(void)t;
	buf_add(b, v->kind == CONF_BACKEND_PAM ? S("pam ") : S("internal"));
	buf_add(b, v->service);
}

/* The words in front of a block. */

const char *conf_proto_name(enum conf_proto proto)
{
	static const char *const name[] = { "smtp",  "submission", "imap", "pop3",
					    "sieve", "http",	   "https" };

	return name[proto];
}

/* "*:25", "192.0.2.1:25", "[2001:db8::1]:25" */
static bool read_endpoint(struct conf_args *args, struct conf_listen *ret)
{
	const struct conf_word *w;
	struct str addr, port;
	struct buf b = buf_over((char[64]){ 0 }, 64);
	uint8_t ip[16];
	uint64_t n;
	bool is_v4;
	size_t colon;

	if (!conf_args_take(args, &w))
		return false;
	colon = str_rfind(w->text, ':');
	addr = str_head(w->text, colon);
	port = str_from(w->text, colon + 1);
	if (!str_u64(port, &n) || n == 0 || n > UINT16_MAX)
		return conf_word_error(args, w, "ADDRESS:PORT, like *:25 or [2001:db8::1]:25");
	ret->port = (uint16_t)n;
	ret->addr = S("*");
	if (str_eq(addr, S("*")))
		return true;
	bool has_brackets = str_starts(addr, S("[")) && str_ends(addr, S("]")) && addr.n > 2;

	if (has_brackets)
		addr = str_sub(addr, 1, addr.n - 2);
	if (!conf_ip_parse(addr, ip, &is_v4) || is_v4 == has_brackets)
		return conf_word_error(args, w, "ADDRESS:PORT, like *:25 or [2001:db8::1]:25");
	conf_ip_print(ip, is_v4, &b);
	ret->addr = arena_str(args->arena, buf_str(&b));
	return true;
}

bool conf_read_listen(struct conf_args *args, void *ret)
{
	struct conf_listen *l = ret;
	unsigned proto, word;

	l->pos = name_word(args)->pos;
	if (!conf_choice(args, PROTOCOLS, &proto))
		return false;
	if (args->i + 1 == args->n && str_eq(args->word[args->i].text, S("off"))) {
		args->i++;
		l->addr = S("*");
	} else if (!read_endpoint(args, l)) {
		return false;
	}
	l->proto = (enum conf_proto)proto;
	if (l->port == 0)
		return true;
	while (args->i < args->n) {
		if (!conf_choice(args, "auth|starttls|tls|plaintext", &word))
			return false;
		if (word == 0)
			l->auth = true;
		else
			l->tls = (enum conf_listen_tls)word;
	}
	return true;
}

void conf_print_listen(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_listen *l = value;
	bool is_v6 = str_has(l->addr, ':');

	(void)t;
	if (l->port == 0) {
		buf_addf(b, "%s off", conf_proto_name(l->proto));
		return;
	}
	buf_addf(b, is_v6 ? "%s [" STR_FMT "]:%u" : "%s " STR_FMT ":%u", conf_proto_name(l->proto),
		 STR_ARG(l->addr), l->port);
	buf_add(b, l->auth ? S(" auth") : S(""));
	buf_add(b, l->tls == CONF_TLS_STARTTLS ? S(" starttls") : S(""));
	buf_add(b, l->tls == CONF_TLS_WRAPPED ? S(" tls") : S(""));
	buf_add(b, l->tls == CONF_TLS_PLAINTEXT ? S(" plaintext") : S(""));
}

/* A bare address has the port of the DNS. */
static bool read_server(struct conf_args *args, struct conf_server *ret)
{
	struct conf_listen at = { .port = 53 };
	struct str word = args->word[args->i].text;
	uint8_t ip[16];
	bool is_v4;

	if (conf_ip_parse(word, ip, &is_v4)) {
		at.addr = word;
		args->i++;
	} else if (str_at(word, 0) == '*') {
		return conf_word_error(args, &args->word[args->i], "an address");
	} else if (!read_endpoint(args, &at)) {
		return false;
	}
	*ret = (struct conf_server){ at.addr, at.port };
	return true;
}

bool conf_read_resolver(struct conf_args *args, void *ret)
{
	struct conf_resolver v = { 0 };
	unsigned kind;

	if (!conf_choice(args, "recursive|forward|off", &kind))
		return false;
	v.kind = (enum conf_resolver_kind)kind;
	if (v.kind == CONF_RESOLVER_FORWARD) {
		const struct conf_word *w;

		if (args->i == args->n)
			return conf_args_take(args, &w);
		while (args->i < args->n && v.n < CONF_FORWARDERS_MAX)
			if (!read_server(args, &v.server[v.n++]))
				return false;
	}
	*(struct conf_resolver *)ret = v;
	return true;
}

void conf_print_resolver(const struct conf_type *t, const void *value, struct buf *b)
{
	static const char *const kinds[] = { "recursive", "forward", "off" };
	const struct conf_resolver *v = value;

	(void)t;
	buf_add(b, str_from_z(kinds[v->kind]));
	for (size_t i = 0; i < v->n; i++)
		buf_addf(b, str_has(v->server[i].addr, ':') ? " [" STR_FMT "]:%u" : " " STR_FMT ":%u",
			 STR_ARG(v->server[i].addr), v->server[i].port);
}

bool conf_read_domain_block(struct conf_args *args, void *ret)
{
	struct conf_domain *d = ret;

	d->pos = name_word(args)->pos;
	return conf_read_domain(args, &d->name);
}

void conf_print_domain_block(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_domain *d = value;

	conf_print_str(t, &d->name, b);
}

/* The table. */

#define WORD(name, syntax_, printer) \
	const struct conf_type conf_type_##name = { .syntax = syntax_, .is_word = true, \
		.section = SECTION_NONE, .read = conf_read_##name, .print = conf_print_##printer };
#define LINE(name, syntax_) \
	const struct conf_type conf_type_##name = { .syntax = syntax_, .section = SECTION_NONE, \
		.read = conf_read_##name, .print = conf_print_##name };
#define CHOICE(name, choices_) \
	const struct conf_type conf_type_##name = { .syntax = choices_, .choices = choices_, \
		.is_word = true, .section = SECTION_NONE, .read = conf_read_choice, \
		.print = conf_print_choice };
#define BLOCK(name, syntax_, section_, reader, printer) \
	const struct conf_type conf_type_##name = { .syntax = syntax_, .section = section_, \
		.read = reader, .print = printer };
#include "conf/types.def"
