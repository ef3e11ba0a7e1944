/* senders.c — who may send, and by which addresses: `user NAME { }`, `may-send-as`, `network`. */
#include "conf/types.h"

#include "base/time.h"

/* "off" is a choice too: it has a time and no number. */
bool conf_read_limit(struct conf_args *args, void *ret)
{
	struct conf_rate r = { 0 };

	if (!conf_read_rate(args, &r))
		return false;
	if (!r.n)
		r.per = SECOND;
	*(struct conf_rate *)ret = r;
	return true;
}

void conf_print_limit(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_rate *r = value;

	if (r->per)
		conf_print_rate(t, r, b);
}

/* "*@example.org" keeps its form. */
static bool read_domain_sender(struct conf_args *args, struct str *ret)
{
	struct conf_word word[2] = { args->word[0], args->word[args->i] };
	struct conf_args one = *args;
	struct str domain;

	word[1].text = str_from(word[1].text, 2);
	one.word = word;
	one.n = 2;
	one.i = 1;
	if (!conf_read_domain(&one, &domain))
		return false;
	args->i++;
	*ret = arena_printf(args->arena, "*@" STR_FMT, STR_ARG(domain));
	return true;
}

bool conf_read_sender(struct conf_args *args, void *ret)
{
	struct conf_sender s = { .kind = CONF_SENDER_ADDRESS };
	bool ok = true;

	if (conf_args_literal(args, "own"))
		s.kind = CONF_SENDER_OWN;
	else if (conf_args_literal(args, "any"))
		s.kind = CONF_SENDER_ANY;
	else if (args->i < args->n && str_starts(args->word[args->i].text, S("*@")))
		ok = (s.kind = CONF_SENDER_DOMAIN, read_domain_sender(args, &s.text));
	else
		ok = conf_read_address(args, &s.text);
	if (ok)
		*(struct conf_sender *)ret = s;
	return ok;
}

void conf_print_sender(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_sender *s = value;

	(void)t;
	if (s->text.n)
		conf_word_print(b, s->text);
	else
		buf_add(b, s->kind == CONF_SENDER_ANY ? S("any") : S("own"));
}

/* -- networks -------------------------------------------------------------- */

enum { WORDS_MAX = 1000 };

static bool is_word(const struct conf_args *args, const char *word)
{
	return args->i < args->n && str_eq(args->word[args->i].text, str_from_z(word));
}

bool conf_read_network(struct conf_args *args, void *ret)
{
	struct conf_network v = { .pos = args->word[0].pos };

	v.nets.p = ARENA_ARRAY(args->arena, struct conf_net, args->n);
	v.senders.p = ARENA_ARRAY(args->arena, struct conf_sender, args->n);
	if (!v.nets.p || !v.senders.p || args->n > WORDS_MAX)
		return conf_error(args->notes, v.pos, "too many words");
	do {
		if (!conf_read_net(args, &v.nets.p[v.nets.n]))
			return false;
		v.nets.n++;
	} while (args->i < args->n && !is_word(args, "as"));
	if (!conf_args_literal(args, "as"))
		return conf_error(args->notes, v.pos, "\"as\" is missing: by which addresses may they send?");
	do {
		if (!conf_read_sender(args, &v.senders.p[v.senders.n]))
			return false;
		v.senders.n++;
	} while (args->i < args->n && !is_word(args, "limit"));
	if (conf_args_literal(args, "limit") && !conf_read_limit(args, &v.limit))
		return false;
	*(struct conf_network *)ret = v;
	return true;
}

void conf_print_network(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_network *v = value;

	for (size_t i = 0; i < v->nets.n; i++) {
		conf_print_net(t, &v->nets.p[i], b);
		buf_add_char(b, ' ');
	}
	buf_add(b, S("as"));
	for (size_t i = 0; i < v->senders.n; i++) {
		buf_add_char(b, ' ');
		conf_print_sender(t, &v->senders.p[i], b);
	}
	if (v->limit.per) {
		buf_add(b, S(" limit "));
		conf_print_limit(t, &v->limit, b);
	}
}

const struct conf_network *conf_network_of(const struct conf_networks *networks, const uint8_t addr[16])
{
	for (size_t i = 0; i < networks->n; i++)
		if (conf_nets_has(&networks->p[i].nets, addr))
			return &networks->p[i];
	return NULL;
}

/* -- users ----------------------------------------------------------------- */

/* name@domain, or the name of a Linux account. */
bool conf_read_user_block(struct conf_args *args, void *ret)
{
	struct conf_user *u = ret;
	bool is_login = args->i < args->n && !str_has(args->word[args->i].text, '@');

	u->pos = args->word[args->i < args->n ? args->i : 0].pos;
	return is_login ? conf_read_login(args, &u->name) : conf_read_address(args, &u->name);
}

void conf_print_user_block(const struct conf_type *t, const void *value, struct buf *b)
{
	conf_print_str(t, &((const struct conf_user *)value)->name, b);
}
