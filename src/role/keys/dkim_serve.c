/* dkim_serve.c — what other roles ask about DKIM keys. */
#include "role/keys/dkim.h"

#include "wire/dkim_signature.h"

enum { KEYS_AT_ONCE = 48 };              /* of 1 KiB each, in a message of 64 */

static bool is_configured(struct str domain)
{
	const struct conf *c = conf_now();

	for (size_t i = 0; i < c->domains.n; i++) {
		const struct conf_domain *d = &c->domains.p[i];

		if (str_eq(d->name, domain))
			return true;
		for (size_t k = 0; k < d->alias_domains.n; k++)
			if (str_eq(d->alias_domains.p[k].text, domain))
				return true;
	}
	return false;
}

static uint8_t flags_of(const struct dkim_row *row)
{
	unsigned flags = row->flags;

	if (row->private.algorithm == DKIM_RSA_SHA256 && row->private.bits < DKIM_PRIVATE_BITS_WEAK)
		flags |= DKIM_IS_WEAK;
	if (!row->private.key)
		flags |= DKIM_IS_UNREADABLE;
	return (uint8_t)flags;
}

static void tell(const struct dkim_row *row, struct ipc_dkim_key *ret, struct arena *a)
{
	AUTO(buf_end) struct buf record = buf_on_heap(2048);
	struct err e;

	*ret = (struct ipc_dkim_key){ .domain = row->domain, .selector = row->selector, .bits = row->private.bits,
				      .algorithm = row->private.algorithm == DKIM_ED25519_SHA256 ? S("ed25519") : S("rsa"),
				      .state = (uint8_t)dkim_state_of(row), .made = row->made, .since = row->since,
				      .seen = row->seen, .flags = flags_of(row), .trouble = str_from_z(row->trouble) };
	if (row->private.key && dkim_private_record(&row->private, row->flags & DKIM_IS_TESTING, row->flags & DKIM_IS_STRICT,
						    &record, &e))
		ret->record = arena_str(a, buf_str(&record));
}

SUSPENDS static bool serve_list(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct keys_dkim *q = question;
	struct keys_dkim_answer *r = answer;
	size_t skip = q->from;

	(void)l;
	if (q->domain.n && is_configured(q->domain) && !dkim_make(q->domain, true, S("server"), S("first pair"), e))
		return false;
	r->keys.p = ARENA_ARRAY(a, struct ipc_dkim_key, KEYS_AT_ONCE);
	if (!r->keys.p)
		return fail(e, FAULT_TEMP, "no memory for a list of keys");
	for (size_t i = 0; i < dkim_count(); i++) {
		const struct dkim_row *row = dkim_row_at(i);

		if ((q->domain.n && !str_eq(row->domain, q->domain)) || (skip && skip--))
			continue;
		r->more = r->keys.n == KEYS_AT_ONCE;
		if (r->more)
			break;
		tell(row, &r->keys.p[r->keys.n++], a);
	}
	return !a->full || fail(e, FAULT_TEMP, "no memory for a list of keys");
}

SUSPENDS static bool serve_make(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct keys_dkim_make *q = question;
	struct keys_dkim_make_answer *r = answer;
	struct str domain;
	size_t before = dkim_count();
	bool is_first;

	(void)l;
	if (!dkim_domain_fold(q->domain, a, &domain))
		return fail(e, FAULT_PERM, "that is no domain");
	is_first = !dkim_in_use(domain, DKIM_RSA_SHA256) && !dkim_in_use(domain, DKIM_ED25519_SHA256);
	if (!dkim_make(domain, is_first, q->by, q->reason, e))
		return false;
	r->keys.p = ARENA_ARRAY(a, struct ipc_dkim_key, KEYS_AT_ONCE);
	for (size_t i = before; r->keys.p && i < dkim_count() && r->keys.n < KEYS_AT_ONCE; i++)
		if (str_eq(dkim_row_at(i)->domain, domain))
			tell(dkim_row_at(i), &r->keys.p[r->keys.n++], a);
	return !a->full || fail(e, FAULT_TEMP, "no memory for a list of keys");
}

static bool serve_mark(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct keys_dkim_mark *q = question;
	struct keys_dkim_mark_answer *r = answer;
	struct dkim_row *row = dkim_find(q->domain, q->selector);

	(void)l;
	if (!row)
		return fail(e, FAULT_PERM, "there is no key of that domain and selector");
	if (!dkim_mark_row(row, (enum dkim_mark)q->mark, q->by, q->reason, e))
		return false;
	r->keys.p = ARENA_ARRAY(a, struct ipc_dkim_key, 1);
	if (!r->keys.p)
		return fail(e, FAULT_TEMP, "no memory for a key");
	tell(row, &r->keys.p[r->keys.n++], a);
	return true;
}

void dkim_serve(void)
{
	ipc_serve(IPC_keys_dkim, serve_list);
	ipc_serve(IPC_keys_dkim_make, serve_make);
	ipc_serve(IPC_keys_dkim_mark, serve_mark);
}
