/* sign.c — signatures and seals; see sign.h.
 *
 * `keys` says once with which keys a domain signs, and when that has changed; `sign` reads the letter.  Both may be
 * killed at any moment: they are asked again, for as long as a new one needs to start. */
#include "role/queue/sign.h"

#include "base/fd.h"
#include "base/map.h"
#include "ipc/relay_say.h"
#include "wire/dkim_signature.h"

#include <stdlib.h>

enum { TRIES = 60, KNOWN_MAX = 4096 };
#define PAUSE (50 * MILLISECOND)
#define WITHIN_ONE (60 * SECOND)

/* The keys of a domain; malloc()ed as one. */
struct known {
	size_t n;
	struct ipc_dkim_use *keys;
	struct arena a;
};

static struct map known;                 /* domain → struct known */
static uint64_t generation;              /* of what is known */

void sign_forget(void)
{
	struct str key;
	void *value;

	for (size_t i = 0; map_next(&known, &i, &key, &value);) {
		struct known *k = value;

		arena_end(&k->a);
		free(k);
	}
	map_end(&known);
	known = (struct map){ 0 };
	generation++;
}

static void hear_changed(struct link *l, void *tell)
{
	(void)l, (void)tell;
	sign_forget();
	unsigned_retry();
}

void sign_open(void)
{
	ipc_hear(IPC_keys_dkim_changed, hear_changed);
}

/* -- in whose names -------------------------------------------------------- */

void sign_names_add(struct sign_names *s, struct str domain)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->domain[i], domain))
			return;
	if (domain.n && s->n < SIGN_DOMAINS_MAX)
		s->domain[s->n++] = domain;
}

struct str sign_names_print(const struct sign_names *s, struct arena *a)
{
	struct str all = S("");

	for (size_t i = 0; i < s->n; i++)
		all = arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(all), i ? " " : "", STR_ARG(s->domain[i]));
	return all;
}

struct sign_names sign_names_parse(struct str facts)
{
	struct sign_names s = { 0 };

	while (facts.n)
		sign_names_add(&s, str_cut(facts, ' ', &facts));
	return s;
}

struct str field_skip(struct str header)
{
	do
		(void)str_cut(header, '\n', &header);
	while (str_at(header, 0) == '\t' || str_at(header, 0) == ' ');
	return header;
}

struct sign_names sign_names_of(struct str prefix, struct arena *a, struct str *ret_rest)
{
	struct str name = S("DKIM-Signature:");
	struct sign_names s = { 0 };
	struct dkim_signature x;
	struct err e;

	while (str_starts(prefix, name)) {
		struct str rest = field_skip(prefix);

		if (dkim_signature_parse(str_sub(prefix, name.n, prefix.n - rest.n - name.n), DKIM_SIGNATURE, a, &x, &e))
			sign_names_add(&s, arena_str(a, x.domain));
		prefix = rest;
	}
	*ret_rest = prefix;
	return s;
}

SUSPENDS bool sign_name_at(struct str domain, struct str *ret, struct arena *a, struct err *e)
{
	struct ipc_text one = { domain };
	struct user_signers_answer r;

	if (!user_signers(link_to(ROLE_USER), &(struct user_signers){ .domains = { &one, 1 } }, &r, a, e))
		return fail_in(e, "in whose name it is signed");
	*ret = r.signers.n ? r.signers.p[0].text : S("");
	return true;
}

/* -- with which keys ------------------------------------------------------- */

static const struct known *know(struct str domain, const struct keys_dkim_use_answer *r)
{
	struct known *k = calloc(1, sizeof(*k));

	must(k, "out of memory for the keys of a domain");
	k->a = (struct arena){ .limit = 65536, .block = 1024 };
	k->keys = ARENA_ARRAY(&k->a, struct ipc_dkim_use, r->keys.n + 1);
	must(k->keys, "out of memory for the keys of a domain");
	for (; k->n < r->keys.n; k->n++) {
		k->keys[k->n] = r->keys.p[k->n];
		k->keys[k->n].domain = arena_str(&k->a, r->keys.p[k->n].domain);
		k->keys[k->n].selector = arena_str(&k->a, r->keys.p[k->n].selector);
	}
	if (known.n >= KNOWN_MAX)
		sign_forget();
	/* nobody's name is a key of the map, too */
	map_put(&known, domain.n ? domain : S("."), k);
	return k;
}

SUSPENDS static const struct known *keys_of(struct str domain, struct arena *a, struct err *e)
{
	const struct known *k = map_get(&known, domain.n ? domain : S("."));
	struct keys_dkim_use_answer r;
	uint64_t before;

	for (int tries = 0; !k; tries++) {
		before = generation;
		if (keys_dkim_use(link_to(ROLE_KEYS), &(struct keys_dkim_use){ .domain = domain }, &r, a, e)) {
			if (before == generation && !map_get(&known, domain.n ? domain : S(".")))
				return know(domain, &r);
			k = map_get(&known, domain.n ? domain : S("."));         /* or it has changed meanwhile: again */
		} else if (!link_is_away(e) || tries >= TRIES || !fiber_sleep(PAUSE, e)) {
			return NULL;
		}
	}
	return k;
}

/* All keys that sign a letter, each once. */
SUSPENDS static bool gather(const struct sign_names *names, struct sign_letter *q, struct arena *a, struct err *e)
{
	size_t most = 16 * (SIGN_DOMAINS_MAX + 1);

	q->keys.n = 0;
	q->keys.p = ARENA_ARRAY(a, struct ipc_dkim_use, most);
	if (!q->keys.p)
		return fail(e, FAULT_TEMP, "no memory for signatures");
	for (size_t i = 0; i < (names->n ? names->n : 1); i++) {
		const struct known *k = keys_of(names->n ? names->domain[i] : S(""), a, e);

		if (!k)
			return false;
		for (size_t j = 0; j < k->n && q->keys.n < most; j++) {
			struct ipc_dkim_use *x = &q->keys.p[q->keys.n];
			bool is_there = false;

			for (size_t m = 0; m < q->keys.n; m++)
				is_there |= q->keys.p[m].number == k->keys[j].number;
			*x = k->keys[j];
			x->domain = arena_str(a, x->domain);
			x->selector = arena_str(a, x->selector);
			q->keys.n += !is_there;
		}
	}
	return !a->full || fail(e, FAULT_TEMP, "no memory for signatures");
}

/* -- asking ---------------------------------------------------------------- */

static bool fill(struct sign_letter *q, const struct sign_view *v, int *copy, struct err *e)
{
	int64_t now = time_now();

	*q = (struct sign_letter){ .id = v->id, .prefix = v->prefix, .cuts = { (struct ipc_cut *)(uintptr_t)v->cuts, v->n_cuts },
				   .size = v->size, .time = now / SECOND,
				   .expiry = (now + conf_now()->dkim_expiry) / SECOND };
	if (v->fd >= 0)
		q->letter = v->fd;
	else if (v->bytes.n <= RELAY_INLINE_MAX)
		q->bytes = v->bytes;
	else if (fd_sealed("letter", v->bytes, copy, e))
		q->letter = *copy;
	else
		return false;
	return true;
}

/* One that died is back within moments. */
SUSPENDS static bool ask(struct sign_letter *q, struct sign_letter_answer *r, struct arena *a, struct err *e)
{
	for (int tries = 0;; tries++) {
		if (sign_letter(link_to(ROLE_SIGN), q, r, a, e))
			return true;
		if (!link_is_away(e) || tries >= TRIES || !fiber_sleep(PAUSE, e))
			return false;
	}
}

SUSPENDS static bool sign_now(const struct sign_view *v, const struct sign_names *names, struct str *ret, struct arena *a,
			      struct err *e)
{
	AUTO(fd_end) int copy = -1;
	struct sign_letter_answer r = { 0 };
	struct sign_letter q;

	if (!fill(&q, v, &copy, e))
		return false;
	for (int tries = 0;; tries++) {
		if (!gather(names, &q, a, e))
			return false;
		if (!q.keys.n)
			break;
		if (ask(&q, &r, a, e))
			break;
		/* another keys has other numbers: they are asked for anew */
		if (e->fault != FAULT_PERM || tries == 2)
			return false;
		sign_forget();
	}
	*ret = r.fields;
	return true;
}

bool sign_view(const struct sign_view *v, const struct sign_names *names, struct str *ret, struct arena *a, struct err *e)
{
	bool ok = false;

	*e = (struct err){ 0 };
	WITHIN(WITHIN_ONE)
		ok = sign_now(v, names, ret, a, e);
	return ok || (e->fault != FAULT_NONE ? false : fail(e, FAULT_TEMP, "it took too long"));
}

SUSPENDS static bool seal_now(const struct sign_view *v, struct str domain, struct sign_letter_answer *r, struct arena *a,
			      struct err *e)
{
	AUTO(fd_end) int copy = -1;
	struct sign_names names = { .domain = { domain }, .n = 1 };
	struct sign_letter q;
	size_t i = 0;

	if (!fill(&q, v, &copy, e) || !gather(&names, &q, a, e))
		return false;
	q.is_seal = true;
	while (i < q.keys.n && q.keys.p[i].algorithm != DKIM_RSA_SHA256)         /* what all who check seals know */
		i++;
	if (i == q.keys.n)
		return fail(e, FAULT_PERM, STR_FMT " has no RSA key", STR_ARG(domain));
	q.keys.p[0] = q.keys.p[i];
	q.keys.n = 1;
	return ask(&q, r, a, e) || (sign_forget(), false);
}

void seal_view(const struct sign_view *v, struct str domain, struct str *ret, struct str *ret_why, struct arena *a)
{
	struct sign_letter_answer r = { 0 };
	struct err e = { 0 };
	bool ok = false;

	*ret = *ret_why = S("");
	if (!sign_name_at(domain, &domain, a, &e) || !domain.n) {
		*ret_why = e.fault ? arena_printf(a, "%s", e.text) : S("no domain of ours");
		return;
	}
	WITHIN(WITHIN_ONE)
		ok = seal_now(v, domain, &r, a, &e) || seal_now(v, domain, &r, a, &e);
	*ret = ok ? r.fields : S("");
	*ret_why = ok ? r.why : arena_printf(a, "%s", e.text);
}
