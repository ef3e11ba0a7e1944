/* signing.c — one letter's signatures.
 *
 * The view is read once: its header is kept, its body is hashed as it goes by.  Then the hashes go to `keys`, all in one
 * question, and what comes back stands in the fields.  A seal (RFC 8617) needs two questions, for it signs the
 * signature before it. */
#include "role/sign/signing.h"

#include "trust/dkim_sign.h"
#include "wire/auth_results.h"
#include "wire/letter.h"

#include <stdlib.h>

enum {
	HEADER_MAX = 4 << 20,
	SIGNATURES_MAX = 16,             /* of one letter: two for each domain in From */
	FIELDS_ROOM = 64 << 10,
	KEYS_TRIES = 40,
};
#define KEYS_PAUSE (50 * MILLISECOND)    /* a role that died is back within moments */

struct signing {
	const struct sign_letter *q;
	struct arena a;
	struct view view;
	struct letter_reader reader;
	char *block;
	struct buf head;                 /* all of the header, and how the body begins */
	size_t head_size;
	struct dkim_letter letter;
	struct dkim_signing each[SIGNATURES_MAX];
	size_t n;
	struct arc chain;
	struct arc_sealing sealing;
};

static void signing_close(struct signing **s)
{
	if (!*s)
		return;
	dkim_letter_end(&(*s)->letter);
	buf_end(&(*s)->head);
	free((*s)->block);
	arena_end(&(*s)->a);
	free(*s);
}

static bool no_memory(struct err *e)
{
	return fail(e, FAULT_TEMP, "no memory for a signature");
}

/* -- the letter ------------------------------------------------------------ */

static bool open_view(struct signing *s, struct err *e)
{
	const struct sign_letter *q = s->q;
	struct letter_src src = q->letter > 0 ? letter_in_file(q->letter, 0, q->size) : letter_in_memory(q->bytes);

	s->view = (struct view){ .prefix = q->prefix, .cuts = ARENA_ARRAY(&s->a, struct cut, q->cuts.n ? q->cuts.n : 1) };
	s->block = malloc(LETTER_BLOCK);
	if (!s->view.cuts || !s->block)
		return no_memory(e);
	for (; s->view.n_cuts < q->cuts.n; s->view.n_cuts++)
		s->view.cuts[s->view.n_cuts] = (struct cut){ q->cuts.p[s->view.n_cuts].at, q->cuts.p[s->view.n_cuts].n };
	return letter_reader_init(&s->reader, &src, &s->view, s->block, e);
}

/* Until its empty line has come. */
static bool read_header(struct signing *s, struct err *e)
{
	struct str piece, end = S("\r\n\r\n");
	size_t from = 0;

	s->head = buf_on_heap(HEADER_MAX);
	do {
		if (!letter_reader_next(&s->reader, &piece, e))
			return false;
		from = s->head.n > end.n ? s->head.n - end.n : 0;
		buf_add(&s->head, piece);
		if (s->head.full)
			return fail(e, FAULT_PERM, "the header is longer than %d MiB", HEADER_MAX >> 20);
	} while (piece.n && str_find_str(str_from(buf_str(&s->head), from), end) + from == s->head.n);
	s->head_size = dkim_header_size(buf_str(&s->head));
	return dkim_letter_init(&s->letter, str_head(buf_str(&s->head), s->head_size), &s->a) || no_memory(e);
}

SUSPENDS static bool read_body(struct signing *s, struct err *e)
{
	struct str piece = str_from(buf_str(&s->head), s->head_size);

	do {
		dkim_letter_body(&s->letter, piece);
		breathe();
		if (!letter_reader_next(&s->reader, &piece, e))
			return false;
	} while (piece.n);
	return true;
}

static struct dkim_wish wish_of(const struct sign_letter *q, const struct ipc_dkim_use *key)
{
	return (struct dkim_wish){ .domain = key->domain, .selector = key->selector,
				   .algorithm = (enum dkim_algorithm)key->algorithm, .time = q->time, .expiry = q->expiry };
}

/* -- keys ------------------------------------------------------------------ */

SUSPENDS static bool ask_keys(const struct ipc_dkim_hash *hashes, size_t n, struct keys_dkim_sign_answer *ret, struct arena *a,
			      struct err *e)
{
	struct keys_dkim_sign q = { .hashes = { (struct ipc_dkim_hash *)(uintptr_t)hashes, n } };

	for (int tries = 0;; tries++) {
		if (keys_dkim_sign(link_to(ROLE_KEYS), &q, ret, a, e))
			return ret->signatures.n == n || fail(e, FAULT_TEMP, "keys gave too few signatures");
		if (!link_is_away(e) || tries == KEYS_TRIES || !fiber_sleep(KEYS_PAUSE, e))
			return fail_in(e, "keys");
	}
}

/* -- DKIM ------------------------------------------------------------------ */

SUSPENDS static bool sign(struct signing *s, struct buf *to, struct err *e)
{
	struct ipc_dkim_hash hashes[SIGNATURES_MAX];
	uint8_t hash[SIGNATURES_MAX][DKIM_HASH];
	struct keys_dkim_sign_answer signatures;

	for (size_t i = 0; i < s->n; i++) {
		if (!dkim_signing_hash(&s->each[i], hash[i]))
			return no_memory(e);
		hashes[i] = (struct ipc_dkim_hash){ s->q->keys.p[i].number, str_of(hash[i], DKIM_HASH) };
	}
	if (!ask_keys(hashes, s->n, &signatures, &s->a, e))
		return false;
	for (size_t i = 0; i < s->n; i++)
		dkim_signing_add(to, &s->each[i], signatures.signatures.p[i].text);
	return true;
}

static bool begin_signatures(struct signing *s, struct err *e)
{
	for (; s->n < s->q->keys.n; s->n++) {
		struct dkim_wish wish = wish_of(s->q, &s->q->keys.p[s->n]);

		if (s->n == SIGNATURES_MAX)
			return fail(e, FAULT_PERM, "more than %d signatures", SIGNATURES_MAX);
		if (!dkim_signing_init(&s->each[s->n], &s->letter, &wish))
			return no_memory(e);
	}
	return true;
}

/* -- ARC ------------------------------------------------------------------- */

/* What we found out about the letter when it came, as our own field in the prefix says. */
static struct str results_in(struct str prefix)
{
	struct str name = S("Authentication-Results:"), value;
	size_t end;

	while (prefix.n && !str_starts_nocase(prefix, name))
		(void)str_cut(prefix, '\n', &prefix);
	value = str_from(prefix, name.n);
	for (end = 0; end < value.n; end++)
		if (str_at(value, end) == '\n' && str_at(value, end + 1) != ' ' && str_at(value, end + 1) != '\t')
			break;
	value = str_head(value, end);
	while (str_at(value, 0) == ' ')
		value = str_from(value, 1);
	while (value.n && (str_ends(value, S("\r")) || str_ends(value, S("\n")) || str_ends(value, S(" "))))
		value.n--;
	return value;
}

static bool says_pass(struct str results, struct arena *a)
{
	struct auth_results r;

	if (!auth_results_parse(results, a, &r))
		return false;
	for (const struct auth_method *m = r.methods; m; m = m->next)
		if (str_eq_nocase(m->name, S("arc")))
			return str_eq_nocase(m->result, S("pass"));
	return false;
}

/* True: there is something to seal.  The chain was verified when the letter came (`scan`); nothing of it is asked here. */
static bool begin_seal(struct signing *s, struct str results, struct str *ret_why)
{
	struct dkim_wish wish = wish_of(s->q, &s->q->keys.p[0]);

	arc_init(&s->chain, &s->letter);
	if (!results.n)
		*ret_why = S("nothing was found out about it");
	else if (s->chain.result != ARC_NONE || (s->chain.n && !says_pass(results, &s->a)))
		*ret_why = S("the chain of seals on it is broken");
	else if (s->chain.n == ARC_SETS_MAX)
		*ret_why = S("it has as many seals as a letter may have");
	if (ret_why->n)
		return false;
	s->chain.result = s->chain.n ? ARC_PASS : ARC_NONE;
	if (!arc_sealing_init(&s->sealing, &s->letter, &wish, &s->chain))
		*ret_why = S("no memory for a seal");
	return !ret_why->n;
}

SUSPENDS static bool seal(struct signing *s, struct str results, struct buf *to, struct err *e)
{
	struct keys_dkim_sign_answer signature;
	uint8_t hash[DKIM_HASH];
	struct ipc_dkim_hash h = { s->q->keys.p[0].number, str_of(hash, DKIM_HASH) };

	if (!arc_sealing_hash(&s->sealing, results, hash))
		return no_memory(e);
	if (!ask_keys(&h, 1, &signature, &s->a, e))
		return false;
	if (!arc_sealing_seal(&s->sealing, signature.signatures.p[0].text, hash))
		return no_memory(e);
	if (!ask_keys(&h, 1, &signature, &s->a, e))
		return false;
	arc_sealing_add(to, &s->sealing, signature.signatures.p[0].text);
	return true;
}

/* -- both ------------------------------------------------------------------ */

SUSPENDS static bool run(struct signing *s, struct sign_letter_answer *r, struct arena *a, struct err *e)
{
	AUTO(buf_end) struct buf to = buf_on_heap(FIELDS_ROOM);
	struct str results = s->q->is_seal ? results_in(s->q->prefix) : S("");

	if (!open_view(s, e) || !read_header(s, e))
		return false;
	if (s->q->is_seal ? !begin_seal(s, results, &r->why) : !begin_signatures(s, e))
		return r->why.n > 0;
	if (!read_body(s, e) || !(s->q->is_seal ? seal(s, results, &to, e) : sign(s, &to, e)))
		return false;
	r->fields = arena_str(a, buf_str(&to));
	return (!to.full && r->fields.n) || no_memory(e);
}

bool signing_run(const struct sign_letter *q, struct sign_letter_answer *r, struct arena *a, struct err *e)
{
	AUTO(signing_close) struct signing *s = calloc(1, sizeof(*s));

	if (!s)
		return no_memory(e);
	*s = (struct signing){ .q = q, .a = { .limit = 2 * DKIM_ARENA } };
	if (!q->keys.n)
		return fail(e, FAULT_PERM, "no key is named");
	return run(s, r, a, e);
}
