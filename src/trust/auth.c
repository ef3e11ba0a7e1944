/* auth.c — see auth.h. */
#include "trust/auth.h"

#include "fiber/fiber.h"

#include <stdlib.h>

void auth_end(struct auth *x)
{
	dkim_letter_end(&x->letter);
}

/* -- time ------------------------------------------------------------------- */

/* A DNS that knows nothing any more once the time is up: each rule has its own deadline, and there are many rules. */
struct budget {
	const struct trust_dns *dns;
	int64_t until;           /* time_mono() */
};

SUSPENDS static bool budget_ask(void *ctx, struct str name, uint16_t type, struct arena *a, struct trust_answer *ret,
				struct err *e)
{
	const struct budget *b = ctx;
	int64_t left = b->until - time_mono();
	struct err why = { 0 };
	bool ok = false;

	if (left > 0)
		WITHIN(left)
			ok = b->dns->ask(b->dns->ctx, name, type, a, ret, &why);
	if (!ok && left > 0 && !trust_is_late(&why, e))
		return false;
	if (!ok)
		*ret = (struct trust_answer){ .outcome = DNS_TEMP };
	return true;
}

/* -- checks ----------------------------------------------------------------- */

static struct spf_question spf_question_of(const struct auth_means *m, const struct auth_client *c)
{
	struct spf_question q = { .helo = c->helo, .local = c->local, .domain = c->domain, .receiver = m->receiver,
				  .now = m->now };

	memcpy(q.ip, c->ip, sizeof(q.ip));
	return q;
}

SUSPENDS static bool check_sender(const struct auth_means *m, const struct auth_client *c, struct arena *a, struct auth *x,
				  struct err *e)
{
	struct spf_question q = spf_question_of(m, c);

	return !c->is_known || spf_check_mail_from(&q, m->dns, a, &x->mail_from, e);
}

/* What no policy hangs on comes last: it is the first to lack time. */
SUSPENDS static bool check_client(const struct auth_means *m, const struct auth_client *c, struct arena *a, struct auth *x,
				  struct err *e)
{
	struct spf_question q = spf_question_of(m, c);

	return !c->is_known ||
	       (spf_check_helo(&q, m->dns, a, &x->helo, e) && iprev_check(m->dns, c->ip, a, &x->iprev, e));
}

/* The body goes by once, for all signatures. */
SUSPENDS static bool feed_body(const struct letter_src *src, size_t at, struct auth *x, struct err *e)
{
	struct letter_src body = src->fd < 0 ? letter_in_memory(str_from(src->bytes, at)) :
					       letter_in_file(src->fd, src->at + (int64_t)at, src->size - at);
	char *block = malloc(LETTER_BLOCK);
	struct letter_reader r;
	struct str piece = { 0 };
	bool ok = block && letter_reader_init(&r, &body, NULL, block, e);

	while (ok && (ok = letter_reader_next(&r, &piece, e)) && piece.n) {
		dkim_letter_body(&x->letter, piece);
		breathe();
	}
	free(block);
	return ok || (block ? false : fail(e, FAULT_TEMP, "no memory for the body"));
}

SUSPENDS static bool check_signatures(const struct auth_means *m, struct str header, const struct letter_src *src,
				      struct arena *a, struct auth *x, struct err *e)
{
	if (!dkim_letter_init(&x->letter, header, a))
		return fail(e, FAULT_TEMP, "no memory for the header");
	x->letter.ring = m->ring;
	dkim_init(&x->dkim, &x->letter, x->from);
	arc_init(&x->arc, &x->letter);
	return feed_body(src, header.n, x, e) && dkim_check(&x->dkim, m->dns, m->now, e) &&
	       arc_check(&x->arc, m->dns, m->now, e);
}

SUSPENDS static bool check_author(const struct auth_means *m, const struct auth_client *c, struct arena *a, struct auth *x,
				  struct err *e)
{
	struct dmarc_signature signatures[DKIM_SIGNATURES_MAX];
	struct dmarc_question q = { .from = x->from, .spf = c->is_known ? &x->mail_from : NULL, .signatures = signatures,
				    .dice = m->dice };

	for (; q.n_signatures < x->dkim.n; q.n_signatures++) {
		const struct dkim_checked *d = &x->dkim.p[q.n_signatures];

		signatures[q.n_signatures] = (struct dmarc_signature){ .domain = d->signature.domain,
								       .has_passed = d->outcome.result == DKIM_PASS,
								       .is_temporary = d->outcome.result == DKIM_TEMPERROR };
	}
	if (x->from_is != DMARC_FROM_ONE || c->is_handed_on)
		return true;
	if (!dmarc_check(&q, m->dns, m->suffixes, a, &x->dmarc, e))
		return false;
	if (x->dmarc.disposition != DMARC_POLICY_NONE && m->vouchers)
		x->vouched_by = arc_voucher(&x->arc, x->from, m->vouchers, m->suffixes, a);
	if (x->vouched_by.n)
		x->dmarc.disposition = DMARC_POLICY_NONE;
	return true;
}

SUSPENDS bool auth_check(const struct auth_means *m, const struct auth_client *c, struct str head,
			 const struct letter_src *src, struct arena *a, struct auth *ret, struct err *e)
{
	struct str header = str_head(head, dkim_header_size(head));
	struct budget b = { m->dns, time_mono() + AUTH_WITHIN };
	struct trust_dns dns = { budget_ask, &b };
	struct auth_means in_time = *m;

	in_time.dns = &dns;
	m = &in_time;
	*ret = (struct auth){ 0 };
	ret->from_is = dmarc_from_read(header, a, &ret->from);
	return check_sender(m, c, a, ret, e) && check_signatures(m, header, src, a, ret, e) &&
	       check_author(m, c, a, ret, e) && check_client(m, c, a, ret, e);
}
