/* dkim_letter.c — see dkim_letter.h. */
#include "trust/dkim_letter.h"

#include "base/map.h"
#include "wire/dkim_tags.h"
#include "wire/header.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

enum { NAME_HASHED = 64 };       /* octets of a name that choose its slot */

struct dkim_name {
	struct str name;
	uint32_t last;           /* its lowest field, + 1 */
	uint32_t next;           /* the one to take next, in this round, + 1 */
	unsigned round;
};

/* ---- fields by name -------------------------------------------------------------------------------- */

static struct dkim_name *name_find(const struct dkim_letter *l, struct str name, size_t *ret_slot)
{
	char lower[NAME_HASHED];
	struct str head = str_head(name, sizeof(lower));
	size_t i;

	for (i = 0; i < head.n; i++)
		lower[i] = (char)ascii_lower(str_at(head, i));
	i = hash_keyed(str_of(lower, head.n)) & (l->n_slots - 1);
	while (l->slots[i] && !str_eq_nocase(l->names[l->slots[i] - 1].name, name))
		i = (i + 1) & (l->n_slots - 1);
	*ret_slot = i;
	return l->slots[i] ? &l->names[l->slots[i] - 1] : NULL;
}

static void field_note(struct dkim_letter *l, const struct field *f)
{
	struct dkim_field *to = &l->fields[l->n_fields++];
	size_t slot;
	struct dkim_name *name = name_find(l, f->name, &slot);

	if (!name) {
		name = &l->names[l->n_names++];
		*name = (struct dkim_name){ .name = f->name };
		l->slots[slot] = (uint32_t)l->n_names;
	}
	*to = (struct dkim_field){ .name = f->name, .text = str_sub(l->header, f->at, f->n), .up = name->last,
				   .group = (uint32_t)(name - l->names) };
	name->last = (uint32_t)l->n_fields;
}

static struct header header_begin(struct str header)
{
	struct header h = header_of(header);

	h.is_lenient = true;
	return h;
}

bool dkim_letter_init(struct dkim_letter *l, struct str header, struct arena *a)
{
	struct header h = header_begin(header);
	struct field f;
	size_t n = 0;

	*l = (struct dkim_letter){ .header = header, .arena = a };
	while (header_next(&h, &f))
		n++;
	for (l->n_slots = 16; l->n_slots < n * 2;)
		l->n_slots *= 2;
	l->fields = ARENA_ARRAY(a, struct dkim_field, n + 1);
	l->names = ARENA_ARRAY(a, struct dkim_name, n + 1);
	l->slots = ARENA_ARRAY(a, uint32_t, l->n_slots);
	if (!l->fields || !l->names || !l->slots)
		return false;
	for (h = header_begin(header); header_next(&h, &f);)
		field_note(l, &f);
	return true;
}

size_t dkim_header_size(struct str letter)
{
	size_t i;

	if (str_starts(letter, S("\r\n")))
		return 2;
	i = str_find_str(letter, S("\r\n\r\n"));
	return i < letter.n ? i + 4 : letter.n;
}

const struct dkim_field *dkim_letter_find(const struct dkim_letter *l, struct str name)
{
	size_t slot;
	const struct dkim_name *found = name_find(l, name, &slot);

	return found ? &l->fields[found->last - 1] : NULL;
}

void dkim_letter_fields_add(struct buf *b, struct dkim_letter *l, struct str names, enum dkim_canon canon,
			    const struct dkim_field *self)
{
	struct str word;
	size_t slot;

	l->round++;
	while (dkim_word_next(&names, &word)) {
		struct dkim_name *name = name_find(l, word, &slot);

		if (!name)
			continue;
		if (name->round != l->round) {
			name->round = l->round;
			name->next = name->last;
		}
		if (name->next && &l->fields[name->next - 1] == self)
			name->next = self->up;
		if (!name->next)
			continue;
		dkim_field_add(b, canon, l->fields[name->next - 1].text, true);
		name->next = l->fields[name->next - 1].up;
	}
}

void dkim_letter_input(struct buf *b, struct dkim_letter *l, const struct dkim_signature *s,
		       const struct dkim_field *self)
{
	dkim_letter_fields_add(b, l, s->names, s->header, self);
	dkim_field_add_without(b, s->header, self->text, s->b_raw);
}

/* ---- hashes of the body ---------------------------------------------------------------------------- */

/* Looked up once for the process: EVP_sha256() is looked up for each hash anew. */
static const EVP_MD *sha256(void)
{
	static EVP_MD *md;

	if (!md) {
		/* a confined role may not open files */
		OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	}
	return md;
}

struct dkim_hash *dkim_letter_hash(struct dkim_letter *l, enum dkim_canon canon, uint64_t limit)
{
	struct dkim_hash *h;

	for (size_t i = 0; i < l->n_hashes; i++)
		if (l->hashes[i].canon == canon && l->hashes[i].limit == limit)
			return &l->hashes[i];
	if (l->n_hashes == DKIM_BODIES_MAX)
		return NULL;
	h = &l->hashes[l->n_hashes++];
	*h = (struct dkim_hash){ .canon = canon, .limit = limit, .body = { .canon = canon } };
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex2(h->ctx, sha256(), NULL) <= 0)
		l->is_broken = true;
	return h;
}

static void hash_run(struct dkim_letter *l, struct dkim_hash *h, struct str run)
{
	uint64_t room = h->limit > h->size ? h->limit - h->size : 0;
	size_t n = run.n < room ? run.n : (size_t)room;

	h->size += run.n;
	if (n && !l->is_broken && EVP_DigestUpdate(h->ctx, run.p, n) <= 0)
		l->is_broken = true;
}

void dkim_letter_body(struct dkim_letter *l, struct str piece)
{
	for (size_t i = 0; i < l->n_hashes; i++) {
		struct str in = piece, run;

		while (dkim_body_next(&l->hashes[i].body, &in, &run))
			hash_run(l, &l->hashes[i], run);
	}
}

bool dkim_letter_over(struct dkim_letter *l)
{
	struct str run;

	for (size_t i = 0; i < l->n_hashes && !l->is_over; i++) {
		struct dkim_hash *h = &l->hashes[i];

		while (dkim_body_last(&h->body, &run))
			hash_run(l, h, run);
		if (!l->is_broken && EVP_DigestFinal_ex(h->ctx, h->hash, NULL) <= 0)
			l->is_broken = true;
	}
	l->is_over = true;
	if (l->is_broken)
		ERR_clear_error();
	return !l->is_broken;
}

void dkim_letter_end(struct dkim_letter *l)
{
	for (size_t i = 0; i < l->n_hashes; i++)
		EVP_MD_CTX_free(l->hashes[i].ctx);
	l->n_hashes = 0;
}

bool dkim_sha256(struct str bytes, uint8_t ret[DKIM_HASH])
{
	return EVP_Digest(bytes.n ? bytes.p : "", bytes.n, ret, NULL, sha256(), NULL) > 0;
}
