/* dkim_serve.c — what other roles ask about DKIM keys. */
#include "role/keys/dkim.h"

#include "base/rnd.h"
#include "wire/dkim_signature.h"

enum { KEYS_AT_ONCE = 48, USES_MAX = 16, HASHES_MAX = 16 };      /* 48 of 1 KiB each, in a message of 64 */
#define RETIRE_WITHIN MINUTE             /* a letter under way has been told of the key of before */

static uint64_t first_number;    /* begins anywhere: a number of the process before names nothing */

/* -- the lines of the configuration ---------------------------------------- */

/* The lines that hold for a domain, and the number of the first. */
static const struct conf_dkims *lines_of(struct str domain, uint32_t *ret_number)
{
	const struct conf *c = conf_now();
	uint32_t number = (uint32_t)c->dkim.n;

	for (size_t i = 0; i < c->domains.n; i++) {
		const struct conf_domain *d = &c->domains.p[i];
		bool is_it = str_eq(d->name, domain);

		for (size_t k = 0; k < d->alias_domains.n && !is_it; k++)
			is_it = str_eq(d->alias_domains.p[k].text, domain);
		*ret_number = number;
		if (is_it && d->dkim.n)
			return &d->dkim;
		number += (uint32_t)d->dkim.n;
	}
	*ret_number = 0;
	return &c->dkim;
}

/* The line that says what a record of ours shall say; NULL: none. */
static const struct conf_dkim *line_of(const struct dkim_row *row)
{
	uint32_t number;
	const struct conf_dkims *lines = lines_of(row->domain, &number);

	for (size_t i = 0; i < lines->n; i++)
		if (lines->p[i].kind == CONF_DKIM_OWN ? !(row->flags & DKIM_IS_TAKEN_OVER) :
							str_eq(lines->p[i].selector, row->selector))
			return &lines->p[i];
	return NULL;
}

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
	const struct conf_dkim *line = line_of(row);
	unsigned flags = row->flags;

	if (line)
		flags |= (line->is_testing ? DKIM_IS_TESTING : 0u) | (line->is_strict ? DKIM_IS_STRICT : 0u);
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
	if (row->private.key && dkim_private_record(&row->private, ret->flags & DKIM_IS_TESTING, ret->flags & DKIM_IS_STRICT,
						    &record, &e))
		ret->record = arena_str(a, buf_str(&record));
}

/* -- who signs ------------------------------------------------------------- */

struct uses {
	struct dkim_row *row[USES_MAX];
	size_t n;
};

static void use(struct uses *u, struct dkim_row *row)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->row[i] == row)
			return;
	if (u->n < USES_MAX)
		u->row[u->n++] = row;
}

static bool can_sign(const struct dkim_row *row)
{
	return row && row->state == DKIM_IN_USE && row->private.key;
}

/* Files that a line names.  *ret_any: there is such a key, and it is not retired. */
SUSPENDS static void use_files(const struct conf_dkims *lines, uint32_t number, bool fixed, struct str domain, struct uses *u,
			       bool *ret_any, struct err *e)
{
	size_t n = lines->n;

	for (size_t i = 0; i < n; i++) {
		const struct conf_dkim *line = conf_dkim_at(conf_now(), number + i);
		struct dkim_row *row;

		if (!line || line->kind != CONF_DKIM_KEYS || (line->domain.n > 0) != fixed || (!fixed && !domain.n))
			continue;
		row = dkim_file_row(number + (uint32_t)i, domain, e);
		if (can_sign(row))
			use(u, row);
		else if (row && row->trouble[0])
			fail(e, FAULT_TEMP, "%s", row->trouble);
		*ret_any |= row && (row->state == DKIM_IN_USE || !row->made);
	}
}

/* One that signs for everybody is this domain's own? */
static bool is_fixed(const struct uses *u, struct str domain)
{
	for (size_t i = 0; i < u->n; i++)
		if (str_eq(u->row[i]->domain, domain))
			return true;
	return false;
}

/* The keys that sign for a domain.  False: it must be signed for it, and cannot be now. */
SUSPENDS static bool find_uses(struct str domain, struct uses *u, struct err *e)
{
	uint32_t number;
	const struct conf_dkims *lines = lines_of(domain, &number);
	bool is_off = lines->n && lines->p[0].kind == CONF_DKIM_OFF, has_own = !lines->n;
	bool has_fixed = false, has_files = false;
	size_t before;

	for (size_t i = 0; i < lines->n; i++)
		has_own |= lines->p[i].kind == CONF_DKIM_OWN || lines->p[i].domain.n;
	use_files(&conf_now()->dkim, 0, true, domain, u, &has_fixed, e);
	if (has_fixed && !u->n)
		return false;
	if (!domain.n || is_off)
		return true;
	before = u->n;
	use_files(lines_of(domain, &number), number, false, domain, u, &has_files, e);
	if (has_files)
		return u->n > before;
	if (has_own && !is_fixed(u, domain) && !dkim_make(domain, true, S("server"), S("the first pair"), e))
		return false;
	for (size_t i = 0; i < dkim_count(); i++)
		if (can_sign(dkim_row_at(i)) && !(dkim_row_at(i)->flags & DKIM_IS_TAKEN_OVER) &&
		    str_eq(dkim_row_at(i)->domain, domain))
			use(u, dkim_row_at(i));
	return true;
}

SUSPENDS static bool serve_use(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct keys_dkim_use *q = question;
	struct keys_dkim_use_answer *r = answer;
	struct uses u = { 0 };

	(void)l;
	*e = (struct err){ 0 };
	if (!find_uses(q->domain, &u, e))
		return e->fault ? false : fail(e, FAULT_TEMP, "no key of " STR_FMT " can sign", STR_ARG(q->domain));
	r->keys.p = ARENA_ARRAY(a, struct ipc_dkim_use, USES_MAX);
	if (!r->keys.p)
		return fail(e, FAULT_TEMP, "no memory for a list of keys");
	for (; r->keys.n < u.n; r->keys.n++) {
		const struct dkim_row *row = u.row[r->keys.n];

		r->keys.p[r->keys.n] = (struct ipc_dkim_use){ .number = first_number + row->index, .domain = row->domain,
							      .selector = row->selector,
							      .algorithm = (uint8_t)row->private.algorithm };
	}
	return true;
}

/* A key that was retired a moment ago still signs what is under way. */
static const struct dkim_row *signer(uint64_t number)
{
	const struct dkim_row *row = dkim_row_at((size_t)(number - first_number));

	if (!row || !row->private.key)
		return NULL;
	return row->state == DKIM_IN_USE || (row->state == DKIM_RETIRED && time_now() - row->since < RETIRE_WITHIN) ? row : NULL;
}

static bool serve_sign(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct keys_dkim_sign *q = question;
	struct keys_dkim_sign_answer *r = answer;

	(void)l;
	if (q->hashes.n > HASHES_MAX)
		return fail(e, FAULT_PEER, "more hashes than a letter has signatures");
	r->signatures.p = ARENA_ARRAY(a, struct ipc_text, HASHES_MAX);
	for (size_t i = 0; r->signatures.p && i < q->hashes.n; i++) {
		const struct dkim_row *row = signer(q->hashes.p[i].number);
		struct buf to = buf_over(arena_alloc(a, 1, DKIM_B_MAX), DKIM_B_MAX);

		if (!row)
			return fail(e, FAULT_PERM, "there is no such key");
		if (!to.p)
			return fail(e, FAULT_TEMP, "no memory for a signature");
		if (!dkim_private_sign(&row->private, q->hashes.p[i].hash, &to, e))
			return false;
		r->signatures.p[r->signatures.n++].text = buf_str(&to);
	}
	return r->signatures.p ? true : fail(e, FAULT_TEMP, "no memory for signatures");
}

/* -- for the administrator ------------------------------------------------- */

SUSPENDS static bool serve_list(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct keys_dkim *q = question;
	struct keys_dkim_answer *r = answer;
	struct uses uses = { 0 };
	struct err trouble;
	size_t skip = q->from;

	(void)l;
	if (q->domain.n && is_configured(q->domain))
		find_uses(q->domain, &uses, &trouble);   /* what cannot be used says so in its row */
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
	dkim_changed();
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
	dkim_changed();
	r->keys.p = ARENA_ARRAY(a, struct ipc_dkim_key, 1);
	if (!r->keys.p)
		return fail(e, FAULT_TEMP, "no memory for a key");
	tell(row, &r->keys.p[r->keys.n++], a);
	return true;
}

void dkim_changed(void)
{
	for (struct link *l = link_next(NULL); l; l = link_next(l))
		if (l->peer == ROLE_QUEUE)
			keys_dkim_changed(l, &(struct keys_dkim_changed){ 0 });
}

void dkim_status(struct buf *b)
{
	struct str trouble = dkim_book_trouble();

	if (trouble.n)
		buf_addf(b, "dkim: " STR_FMT "\n", STR_ARG(trouble));
	for (size_t i = 0; i < dkim_count(); i++) {
		const struct dkim_row *row = dkim_row_at(i);

		if (row->trouble[0])
			buf_addf(b, "dkim " STR_FMT "._domainkey." STR_FMT ": %s\n", STR_ARG(row->selector), STR_ARG(row->domain),
				 row->trouble);
	}
}

void dkim_serve(void)
{
	first_number = rnd_u64() >> 1;
	ipc_serve(IPC_keys_dkim, serve_list);
	ipc_serve(IPC_keys_dkim_make, serve_make);
	ipc_serve(IPC_keys_dkim_mark, serve_mark);
	ipc_serve(IPC_keys_dkim_use, serve_use);
	ipc_serve(IPC_keys_dkim_sign, serve_sign);
}
