/* verdict.c — see verdict.h. */
#include "spam/verdict.h"

const struct conf_outcome *finding_outcome(const struct finding *f)
{
	const struct conf_outcome *o = f->state == FINDING_FOUND  ? &f->check->found
				       : f->state == FINDING_TEMP ? &f->check->temporary
				       : f->state == FINDING_OTHER ? &f->check->when[f->when]
								  : NULL;

	return o && o->action != CONF_NOTHING ? o : NULL;
}

static const struct finding *first_with(const struct finding *f, size_t n, enum conf_action action)
{
	for (size_t i = 0; i < n; i++) {
		const struct conf_outcome *o = finding_outcome(&f[i]);

		if (o && o->action == action)
			return &f[i];
	}
	return NULL;
}

struct spam_verdict spam_verdict_of(const struct finding *f, size_t n)
{
	struct spam_verdict v = { .pass = first_with(f, n, CONF_PASS) };

	if (v.pass)
		return v;
	v.refusal = first_with(f, n, CONF_REJECT);
	if (!v.refusal)
		v.refusal = first_with(f, n, CONF_DEFER);
	for (size_t i = 0; i < n; i++) {
		const struct conf_outcome *o = finding_outcome(&f[i]);

		v.score += o && o->action == CONF_SCORE ? o->score : 0;
	}
	return v;
}

void finding_add_symbol(struct buf *b, const struct conf_check *c)
{
	struct str part[2] = { conf_check_name(c->kind), c->zone };

	if (c->label.n) {
		buf_add(b, c->label);
		return;
	}
	for (size_t k = 0; k < ARRAY_LEN(part); k++) {
		if (k && part[k].n)
			buf_add_char(b, '_');
		for (size_t i = 0; i < part[k].n; i++)
			buf_add_char(b, ascii_is_alnum(str_at(part[k], i))
						? (char)ascii_upper(str_at(part[k], i))
						: '_');
	}
}
