/* quota.c — `quota SIZE|off [COUNT letters] [for NAME|DOMAIN]`. */
#include "conf/types.h"

/* An address, a domain, or the name of a Linux account; the last two look alike. */
static bool read_whose(struct conf_args *args, struct str *ret)
{
	struct str word = args->i < args->n ? args->word[args->i].text : S("");

	if (str_has(word, '@'))
		return conf_read_address(args, ret);
	return str_has(word, '_') ? conf_read_login(args, ret) : conf_read_domain(args, ret);
}

bool conf_read_quota(struct conf_args *args, void *ret)
{
	struct conf_quota q = { .pos = args->word[0].pos };

	if (!conf_args_literal(args, "off") && !conf_size_in(args, 1, INT64_MAX, &q.bytes))
		return false;
	if (args->i < args->n && ascii_is_digit(str_at(args->word[args->i].text, 0))) {
		if (!conf_count_in(args, 1, UINT32_MAX, &q.letters))
			return false;
		if (!conf_args_literal(args, "letters"))
			return conf_error(args->notes, args->word[args->i - 1].pos, "\"letters\" is missing behind the number");
	}
	if (conf_args_literal(args, "for") && !read_whose(args, &q.whose))
		return false;
	*(struct conf_quota *)ret = q;
	return true;
}

void conf_print_quota(const struct conf_type *t, const void *value, struct buf *b)
{
	const struct conf_quota *q = value;

	(void)t;
	if (q->bytes)
		conf_size_print(q->bytes, b);
	else
		buf_add(b, S("off"));
	if (q->letters)
		buf_addf(b, " %u letters", q->letters);
	if (q->whose.n) {
		buf_add(b, S(" for "));
		conf_word_print(b, q->whose);
	}
}

const struct conf_quota *conf_quota_of(const struct conf_quotas *quotas, struct str account)
{
	const struct conf_quota *of_all = NULL, *of_domain = NULL;
	struct str domain = str_from(account, str_rfind(account, '@') + 1);

	for (size_t i = 0; i < quotas->n; i++) {
		const struct conf_quota *q = &quotas->p[i];

		if (!q->whose.n)
			of_all = q;
		else if (str_eq_nocase(q->whose, account))
			return q;
		else if (domain.n && str_eq(q->whose, domain))
			of_domain = q;
	}
	return of_domain ? of_domain : of_all;
}
