/* dkim.c — see dkim.h. */
#include "trust/dkim.h"

static bool is_in(struct str domain, struct str parent)
{
	return str_ends_nocase(domain, parent) &&
	       (domain.n == parent.n || domain.p[domain.n - parent.n - 1] == '.');
}

bool dkim_is_related(struct str a, struct str b)
{
	return a.n && b.n && (is_in(a, b) || is_in(b, a));
}

/* The topmost signatures, in the letter's order: what the last hops added is nearest to us. */
static size_t topmost(const struct dkim_letter *l, const struct dkim_field **ret, size_t *ret_all)
{
	const struct dkim_field *lowest = dkim_letter_find(l, S("DKIM-Signature"));
	size_t all = 0, i, n;

	for (const struct dkim_field *f = lowest; f; f = f->up ? &l->fields[f->up - 1] : NULL)
		all++;
	n = all < DKIM_LOOKED_AT ? all : DKIM_LOOKED_AT;
	i = all;
	for (const struct dkim_field *f = lowest; f; f = f->up ? &l->fields[f->up - 1] : NULL)
		if (--i < n)
			ret[i] = f;
	*ret_all = all;
	return n;
}

static struct str value_of(const struct dkim_field *f)
{
	return str_from(f->text, str_find(f->text, ':') + 1);
}

static void take(struct dkim *d, const struct dkim_field *f, const struct dkim_signature *s, const struct err *why)
{
	struct dkim_checked *c = &d->p[d->n++];

	*c = (struct dkim_checked){ .signature = *s, .field = f };
	if (why->fault) {
		c->outcome = dkim_outcome_of(why, d->letter->arena);
		return;
	}
	/* nobody needs the hash of what is not believed anyway */
	if (s->algorithm != DKIM_RSA_SHA1)
		c->body = dkim_letter_hash(d->letter, s->body, s->has_length ? s->length : UINT64_MAX);
}

void dkim_init(struct dkim *d, struct dkim_letter *l, struct str author)
{
	const struct dkim_field *fields[DKIM_LOOKED_AT];
	bool is_taken[DKIM_LOOKED_AT] = { 0 };
	size_t all, n = topmost(l, fields, &all);

	*d = (struct dkim){ .letter = l };
	for (int related = author.n > 0; related >= 0; related--)
		for (size_t i = 0; i < n && d->n < DKIM_SIGNATURES_MAX; i++) {
			struct arena_mark m = arena_mark(l->arena);
			struct dkim_signature s;
			struct err why = { 0 };

			if (is_taken[i])
				continue;
			dkim_signature_parse(value_of(fields[i]), DKIM_SIGNATURE, l->arena, &s, &why);
			is_taken[i] = !related || dkim_is_related(s.domain, author);
			if (is_taken[i])
				take(d, fields[i], &s, &why);
			else
				arena_rewind(l->arena, m);
		}
	d->n_ignored = all - d->n;
}

/* A part of the body that is not signed (RFC 6376 §8.2). */
static void distrust(struct dkim *d, struct dkim_checked *c)
{
	if (!c->signature.has_length || !c->outcome.is_proved || c->body->size <= c->signature.length)
		return;
	c->n_unsigned = c->body->size - c->signature.length;
	c->outcome.result = DKIM_POLICY;
	c->outcome.reason = arena_printf(d->letter->arena, "l= leaves %llu octets of the body unsigned",
					 (unsigned long long)c->n_unsigned);
}

SUSPENDS static bool check(struct dkim *d, struct dkim_checked *c, const struct trust_dns *dns, int64_t now,
			   struct err *e)
{
	AUTO(buf_end) struct buf input = buf_on_heap(d->letter->header.n + 1024);

	if (!dkim_is_worth_it(&c->signature, now, &c->outcome))
		return true;
	must(c->body, "what is worth it has a hash of the body");
	dkim_letter_input(&input, d->letter, &c->signature, c->field);
	if (!dkim_prove(d->letter, &c->signature, &input, c->body, dns, &c->outcome, e)) {
		c->outcome = (struct dkim_outcome){ 0 };
		return false;
	}
	distrust(d, c);
	return true;
}

SUSPENDS bool dkim_check(struct dkim *d, const struct trust_dns *dns, int64_t now, struct err *e)
{
	bool is_hashed = dkim_letter_over(d->letter);

	for (size_t i = 0; i < d->n; i++) {
		struct dkim_checked *c = &d->p[i];

		if (c->outcome.result != DKIM_NONE)
			continue;
		if (!is_hashed)
			c->outcome = (struct dkim_outcome){ .result = DKIM_TEMPERROR, .reason = S("no memory") };
		else if (!check(d, c, dns, now, e))
			return false;
	}
	return true;
}

const struct dkim_checked *dkim_best(const struct dkim *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->p[i].outcome.result == DKIM_PASS)
			return &d->p[i];
	return d->n ? &d->p[0] : NULL;
}
