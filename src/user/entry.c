/* entry.c — reads what an entry names, keeps sets of them, finds the one that holds; see entry.h. */
#include "user/entry.h"

#include "base/buf.h"
#include "user/domain_name.h"

/* The classes in their order; below each the finer steps, which never reach the next. */
enum {
	WEIGHT_NETWORK = 1000,
	WEIGHT_NAME = 2000,
	WEIGHT_CLIENT = 3000,
	WEIGHT_ADDRESS = 4000,
};
enum { NET_KEY = 17, SET_FIRST = 16 };

/* -- reading --------------------------------------------------------------- */

static bool read_address(struct str what, struct arena *a, struct entry *ret, struct err *e)
{
	size_t at = str_rfind(what, '@');
	struct str local = str_head(what, at), domain;

	if (!domain_fold(str_from(what, at + 1), a, &domain, e))
		return false;
	ret->form = local.n == 0 || str_eq(local, S("*")) ? ENTRY_SENDERS : ENTRY_ADDRESS;
	if (ret->form == ENTRY_ADDRESS && str_has(local, '*'))
		return fail(e, FAULT_PERM, "\"*\" stands for a whole local part only");
	local = ret->form == ENTRY_SENDERS ? S("*") : local_fold(local, a);
	ret->what = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain));
	return true;
}

static bool read_name(struct str what, struct arena *a, struct entry *ret, struct err *e)
{
	struct str domain;

	ret->form = ENTRY_NAME;
	if (str_starts_nocase(what, S("host:"))) {
		ret->form = ENTRY_HOST;
		what = str_from(what, 5);
	}
	if (str_starts(what, S("*.")))
		what = str_from(what, 2);
	if (str_has(what, '*'))
		return fail(e, FAULT_PERM, "\"*\" stands for a whole local part, or as \"*.\" before a domain");
	if (!domain_fold(what, a, &domain, e))
		return false;
	ret->what = ret->form == ENTRY_HOST ? arena_printf(a, "host:" STR_FMT, STR_ARG(domain)) : domain;
	return true;
}

static bool looks_like_network(struct str what)
{
	size_t i = 0;

	if (str_has(what, ':') && !str_starts_nocase(what, S("host:")))
		return true;
	while (i < what.n && (ascii_is_digit(str_at(what, i)) || str_at(what, i) == '.' || str_at(what, i) == '/'))
		i++;
	return i == what.n;
}

static bool read_network(struct str what, struct arena *a, struct entry *ret, struct err *e)
{
	char mem[64];
	struct buf b = buf_over(mem, sizeof(mem));
	unsigned whole = 0;

	ret->form = ENTRY_NETWORK;
	if (!network_parse(what, &ret->net, e))
		return false;
	net_address_print(&ret->net.address, &b);
	whole = ret->net.is_v4 ? 96 : 0;
	if (ret->net.bits < 128)
		buf_addf(&b, "/%u", ret->net.bits - whole);
	ret->what = arena_str(a, buf_str(&b));
	return true;
}

bool entry_read(struct str what, struct arena *a, struct entry *ret, struct err *e)
{
	bool ok;

	if (what.n == 0 || what.n > ENTRY_WHAT_MAX)
		return fail(e, FAULT_PERM, what.n ? "it is longer than %d octets" : "nothing is named", ENTRY_WHAT_MAX);
	if (str_at(what, 0) == '^' || str_at(what, 0) == '!')
		return fail(e, FAULT_PERM, "neither regular expressions nor \"!\" are supported here");
	for (size_t i = 0; i < what.n; i++)
		if (str_at(what, i) <= ' ' || str_at(what, i) == 0x7f)
			return fail(e, FAULT_PERM, "a blank or a control character stands in it");
	if (str_has(what, '@'))
		ok = read_address(what, a, ret, e);
	else if (looks_like_network(what))
		ok = read_network(what, a, ret, e);
	else
		ok = read_name(what, a, ret, e);
	return ok && (!a->full || fail(e, FAULT_TEMP, "out of memory for an entry"));
}

/* -- what is asked about --------------------------------------------------- */

/* As a domain, or if it is none as it stands: what has an odd label in front is still below its domain. */
static struct str fold_name(struct str s, struct arena *a)
{
	struct str ret;
	struct err e;

	if (str_ends(s, S(".")))
		s.n--;
	return domain_fold(s, a, &ret, &e) ? ret : local_fold(s, a);
}

static struct str fold_address(struct str s, struct arena *a)
{
	size_t at = str_rfind(s, '@');
	struct str local, domain;

	if (at >= s.n)
		return local_fold(s, a);
	local = local_fold(str_head(s, at), a);
	domain = fold_name(str_from(s, at + 1), a);
	return arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain));
}

bool entry_subject_fold(const struct entry_subject *s, struct arena *a, struct entry_subject *ret)
{
	size_t n = s->n_authors < ENTRY_WORDS_MAX ? s->n_authors : ENTRY_WORDS_MAX;
	size_t n_signers = s->n_signers < ENTRY_WORDS_MAX ? s->n_signers : ENTRY_WORDS_MAX;
	struct str *authors = ARENA_ARRAY(a, struct str, n ? n : 1), *signers = ARENA_ARRAY(a, struct str, n_signers + 1);

	for (size_t i = 0; authors && i < n; i++)
		authors[i] = fold_address(s->authors[i], a);
	for (size_t i = 0; signers && i < n_signers; i++)
		signers[i] = fold_name(s->signers[i], a);
	*ret = (struct entry_subject){ .peer = s->peer, .host = fold_name(s->host, a), .is_confirmed = s->is_confirmed,
				       .helo = fold_name(s->helo, a), .from = fold_address(s->from, a),
				       .authors = authors, .n_authors = n, .signers = signers, .n_signers = n_signers };
	return authors && signers && !a->full;
}

/* -- sets ------------------------------------------------------------------ */

static void net_key(const struct net_address *n, unsigned bits, char ret[NET_KEY])
{
	ret[0] = (char)bits;
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits >= 8 * (i + 1) ? 8 : bits > 8 * i ? bits - 8 * i : 0;

		ret[1 + i] = (char)(n->b[i] & (uint8_t)(0xff00U >> keep));
	}
}

void entry_set_end(struct entry_set *s)
{
	map_end(&s->names);
	map_end(&s->nets);
	arena_end(&s->a);
	*s = (struct entry_set){ 0 };
}

static bool list_add(struct entry_set *s, struct entry *e)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : SET_FIRST;
		struct entry **p = ARENA_ARRAY(&s->a, struct entry *, cap);

		if (!p)
			return false;
		if (s->n)
			memcpy(p, s->list, s->n * sizeof(struct entry *));
		s->list = p;
		s->cap = cap;
	}
	s->list[s->n++] = e;
	return true;
}

static void index_add(struct entry_set *s, struct entry *e)
{
	char mem[NET_KEY];
	struct str key = e->what;

	if (e->form == ENTRY_NETWORK) {
		net_key(&e->net.address, e->net.bits, mem);
		key = str_of(mem, NET_KEY);
		s->has_bits[e->net.bits] = true;
		e->next = map_put(&s->nets, key, e);
		return;
	}
	e->next = map_put(&s->names, key, e);
	s->n_host += e->form == ENTRY_NAME || e->form == ENTRY_HOST;
	s->n_letter += e->form == ENTRY_NAME || (e->kind == ENTRY_BLOCK && e->form != ENTRY_HOST);
}

bool entry_set_add(struct entry_set *s, const struct entry *from)
{
	struct entry *e = ARENA_NEW(&s->a, struct entry);

	if (!e)
		return false;
	*e = *from;
	e->what = arena_str(&s->a, from->what);
	e->file = arena_str(&s->a, from->file);
	e->by = arena_str(&s->a, from->by);
	e->reason = arena_str(&s->a, str_head(from->reason, ENTRY_REASON_MAX));
	if (s->a.full || !list_add(s, e))
		return false;
	if (e->form != ENTRY_EXIM)
		index_add(s, e);
	return true;
}

/* -- finding --------------------------------------------------------------- */

unsigned entry_name_weight(struct str name)
{
	unsigned labels = name.n > 0;

	for (size_t i = 0; i < name.n; i++)
		labels += str_at(name, i) == '.';
	return WEIGHT_NAME + 2 * labels;
}

unsigned entry_weight(const struct entry *e)
{
	switch (e->form) {
	case ENTRY_ADDRESS: return WEIGHT_ADDRESS;
	case ENTRY_SENDERS: return entry_name_weight(str_from(e->what, 2)) + 1;
	case ENTRY_NAME: return entry_name_weight(e->what);
	case ENTRY_HOST: return entry_name_weight(str_from(e->what, 5));
	case ENTRY_NETWORK: return e->net.bits == 128 ? WEIGHT_CLIENT : WEIGHT_NETWORK + e->net.bits;
	case ENTRY_EXIM: break;
	}
	return 0;
}

void entry_offer(struct entry_found *best, const struct entry *e, unsigned weight, const char *on, struct str subject)
{
	if (best->entry && (weight < best->weight || (weight == best->weight && best->entry->kind == ENTRY_ALLOW)))
		return;
	if (best->entry && weight == best->weight && e->kind != ENTRY_ALLOW)
		return;
	*best = (struct entry_found){ e, weight, on, subject };
}

/* What is being looked for, and who may answer. */
struct looking {
	const struct entry_set *s;
	int64_t now;
	struct entry_found *best;
	const char *on;
	struct str subject;
	bool blocks_only;
};

static void take(const struct looking *l, const struct entry *e)
{
	for (; e; e = e->next)
		if ((!e->expires || e->expires > l->now) && (e->kind == ENTRY_BLOCK || !l->blocks_only))
			entry_offer(l->best, e, entry_weight(e), l->on, l->subject);
}

static void find_network(const struct looking *l, const struct net_address *peer)
{
	char key[NET_KEY];

	for (unsigned bits = 0; bits <= 128; bits++) {
		const struct entry *e;

		if (!l->s->has_bits[bits])
			continue;
		net_key(peer, bits, key);
		e = map_get(&l->s->nets, str_of(key, NET_KEY));
		/* ::/0 holds no address of IPv4 */
		if (e && network_has(&e->net, peer))
			take(l, e);
	}
}

/* The name and all that it is below. */
static void find_name(const struct looking *l, struct str name, bool is_host)
{
	char mem[5 + ENTRY_WHAT_MAX] = "host:";

	for (struct str at = name; at.n; str_cut(at, '.', &at)) {
		if (at.n > ENTRY_WHAT_MAX)
			continue;
		take(l, map_get(&l->s->names, at));
		if (!is_host)
			continue;
		memcpy(mem + 5, at.p, at.n);
		take(l, map_get(&l->s->names, str_of(mem, at.n + 5)));
	}
}

static void find_address(const struct looking *l, struct str address)
{
	size_t at = str_rfind(address, '@');
	struct str domain = str_from(address, at + 1);
	char mem[2 + ENTRY_WHAT_MAX] = "*@";

	if (!address.n || at >= address.n)
		return;
	take(l, map_get(&l->s->names, address));
	if (domain.n <= ENTRY_WHAT_MAX) {
		memcpy(mem + 2, domain.p, domain.n);
		take(l, map_get(&l->s->names, str_of(mem, domain.n + 2)));
	}
	find_name(l, domain, false);
}

void entry_set_find(const struct entry_set *s, const struct entry_subject *q, int64_t now, struct entry_found *best)
{
	struct looking l = { .s = s, .now = now, .best = best };

	if (q->peer) {
		l.on = "client";
		find_network(&l, q->peer);
	}
	l.on = "host name";
	l.subject = q->host;
	l.blocks_only = !q->is_confirmed;
	find_name(&l, q->host, true);
	l.on = "HELO";
	l.subject = q->helo;
	l.blocks_only = true;
	find_name(&l, q->helo, true);
	l.on = "sender";
	l.subject = q->from;
	l.blocks_only = false;
	find_address(&l, q->from);
	l.on = "author";
	l.blocks_only = true;
	for (size_t i = 0; i < q->n_authors; i++) {
		l.subject = q->authors[i];
		find_address(&l, q->authors[i]);
	}
	l.on = ENTRY_ON_SIGNATURE;
	l.blocks_only = false;
	for (size_t i = 0; i < q->n_signers; i++) {
		l.subject = q->signers[i];
		find_name(&l, q->signers[i], false);
	}
}
