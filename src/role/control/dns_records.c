/* dns_records.c — waxwing dns records: what the owner of a domain has to publish. */
#include "role/control/control.h"
#include "role/control/dns_facts.h"
#include "wire/address.h"

enum { OUT_MAX = 4 << 20 };

static const struct {
	struct str word;
	enum publish_format format;
} formats[] = {
	{ S("bind"), PUBLISH_BIND }, { S("plain"), PUBLISH_PLAIN }, { S("json"), PUBLISH_JSON }, { S("nsupdate"), PUBLISH_NSUPDATE },
};

bool dns_domains(struct command *c, struct str typed, struct str **ret, size_t *ret_n, int *ret_exit)
{
	struct dns_name name;
	struct str *all = dns_facts_domains(c->a, ret_n);

	if (str_ends(typed, S(".")))
		typed.n--;
	if (typed.n) {
		*ret_n = 1;
		all = ARENA_NEW(c->a, struct str);
	}
	if (!all || *ret_n == 0) {
		*ret_exit = complain(c, EXIT_NO, S("no domain stands in the configuration: say which"));
		return false;
	}
	*ret = all;
	if (!typed.n || (address_domain_fold(typed, c->a, all) && dns_name_read(*all, &name) && dns_name_is_host(&name) &&
			 str_has(*all, '.')))
		return true;
	*ret_exit = complain(c, EXIT_USAGE, arena_printf(c->a, "\"" STR_FMT "\" is no domain", STR_ARG(str_head(typed, 100))));
	return false;
}

static bool read_args(struct command *c, struct str *domain, enum publish_format *format)
{
	size_t at = c->n_args && !str_starts(c->args[0].text, S("--")) ? 1 : 0;

	*domain = at ? c->args[0].text : S("");
	*format = c->is_json ? PUBLISH_JSON : PUBLISH_BIND;
	if (c->n_args == at)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (c->n_args == at + 2 && str_eq(c->args[at].text, S("--format")) && str_eq(c->args[at + 1].text, formats[i].word)) {
			*format = formats[i].format;
			return true;
		}
	return false;
}

/* Those of the server stand with the first domain. */
static void drop_host_records(struct publish_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!publish_is_of_host(l->p[i].kind))
			l->p[n++] = l->p[i];
	l->n = n;
}

SUSPENDS static bool print_domain(struct command *c, struct str domain, bool is_first, enum publish_format format, struct buf *b,
				  struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct publish_facts f;
	struct publish_list list;

	(void)c;
	if (!dns_facts(domain, &a, &f, e) || !publish_wishes(&f, &a, &list, e))
		return false;
	if (!is_first)
		drop_host_records(&list);
	publish_print(&f, &list, format, b);
	return true;
}

int run_dns_records(struct command *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(OUT_MAX);
	enum publish_format format;
	struct str typed, *domains;
	size_t n;
	int exit_code;
	struct err e;

	if (!read_args(c, &typed, &format))
		return complain(c, EXIT_USAGE, S("usage: waxwing dns records [DOMAIN] [--format bind|plain|json|nsupdate]"));
	if (!dns_domains(c, typed, &domains, &n, &exit_code))
		return exit_code;
	if (format == PUBLISH_JSON && !typed.n)
		buf_add_char(&b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(&b, format == PUBLISH_JSON ? ',' : '\n');
		if (!print_domain(c, domains[i], i == 0, format, &b, &e))
			return complain_err(c, &e);
	}
	if (format == PUBLISH_JSON)
		buf_add(&b, typed.n ? S("\n") : S("]\n"));
	say(c, buf_str(&b));
	return EXIT_DONE;
}
