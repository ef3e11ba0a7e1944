/* dkim.c — `dkim own|off|keys PATH selector NAME [domain DOMAIN] [t=y] [t=s]`: with which keys our letters are signed. */
#include "conf/types.h"

static bool read_keys(struct conf_args *args, struct conf_dkim *d)
{
	if (!conf_read_path(args, &d->path))
		return false;
	if (!conf_args_literal(args, "selector"))
		return conf_error(args->notes, args->word[args->i - 1].pos, "\"selector NAME\" is missing behind the path");
	/* a selector is labels, as a domain is (RFC 6376 §3.1), and may be one of them */
	if (!conf_read_domain(args, &d->selector))
		return false;
	return !conf_args_literal(args, "domain") || conf_read_domain(args, &d->domain);
}

bool conf_read_dkim(struct conf_args *args, void *ret)
{
	struct conf_dkim d = { .pos = args->word[0].pos };
	unsigned kind;

	if (!conf_choice(args, "own|off|keys", &kind))
		return false;
	d.kind = (enum conf_dkim_kind)kind;
	if (d.kind == CONF_DKIM_KEYS && !read_keys(args, &d))
		return false;
	while (d.kind != CONF_DKIM_OFF) {
		if (conf_args_literal(args, "t=y"))
			d.is_testing = true;
		else if (conf_args_literal(args, "t=s"))
			d.is_strict = true;
		else
			break;
	}
	*(struct conf_dkim *)ret = d;
	return true;
}

const struct conf_dkim *conf_dkim_at(const struct conf *c, size_t number)
{
	if (number < c->dkim.n)
		return &c->dkim.p[number];
	number -= c->dkim.n;
	for (size_t i = 0; i < c->domains.n; i++) {
		if (number < c->domains.p[i].dkim.n)
			return &c->domains.p[i].dkim.p[number];
		number -= c->domains.p[i].dkim.n;
	}
	return NULL;
}

void conf_print_dkim(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_dkim *d = value;

	(void)t;
	buf_add(b, d->kind == CONF_DKIM_OWN ? S("own") : d->kind == CONF_DKIM_OFF ? S("off") : S("keys "));
	if (d->kind == CONF_DKIM_KEYS) {
		conf_word_print(b, d->path);
		buf_add(b, S(" selector "));
		conf_word_print(b, d->selector);
	}
	if (d->domain.n) {
		buf_add(b, S(" domain "));
		conf_word_print(b, d->domain);
	}
	buf_add(b, d->is_testing ? S(" t=y") : S(""));
	buf_add(b, d->is_strict ? S(" t=s") : S(""));
}
