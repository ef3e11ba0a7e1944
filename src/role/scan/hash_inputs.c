/* hash_inputs.c — the octets whose hashes signatures are about, canonicalised (RFC 6376 §3.4, §3.7, RFC 8617 §5.1.1): for
 * whoever wants to know why one does not pass. */
#include "role/scan/scan.h"

#include "wire/text.h"

#include <stdlib.h>

enum { SHOWN_MAX = 16 << 10, INPUTS_MAX = 2 * (DKIM_SIGNATURES_MAX + 1) + ARC_SETS_MAX };

struct inputs {
	const struct auth *x;
	const struct letter_src *src;
	struct ipc_hash_input *p;
	size_t n;
	struct arena *a;
};

static void add(struct inputs *l, struct str what, struct str octets, uint64_t size, const uint8_t hash[DKIM_HASH])
{
	char mem[64];
	struct buf b = buf_over(mem, sizeof(mem));

	base64_add(&b, str_of((const char *)hash, DKIM_HASH));
	if (l->n < INPUTS_MAX)
		l->p[l->n++] = (struct ipc_hash_input){ what, size, arena_str(l->a, buf_str(&b)),
							arena_str(l->a, str_head(octets, SHOWN_MAX)) };
}

static void add_header(struct inputs *l, struct str what, const struct buf *input)
{
	uint8_t hash[DKIM_HASH];

	if (!input->full && dkim_sha256(buf_str(input), hash))
		add(l, arena_printf(l->a, STR_FMT ", header", STR_ARG(what)), buf_str(input), input->n, hash);
}

/* What of a piece is signed goes into b, as far as it is shown. */
static void show(struct buf *b, struct str run, uint64_t *left)
{
	run = str_head(run, *left < run.n ? (size_t)*left : run.n);
	*left -= run.n;
	buf_add(b, str_head(run, b->limit - b->n));
}

SUSPENDS static bool add_body(struct inputs *l, struct str what, const struct dkim_hash *h, struct err *e)
{
	size_t at = l->x->letter.header.n;
	struct letter_src body = l->src->fd < 0 ? letter_in_memory(str_from(l->src->bytes, at)) :
						  letter_in_file(l->src->fd, l->src->at + (int64_t)at, l->src->size - at);
	AUTO(buf_end) struct buf b = buf_on_heap(SHOWN_MAX);
	struct dkim_body c = { .canon = h->canon };
	char *block = malloc(LETTER_BLOCK);
	uint64_t left = h->limit;
	struct letter_reader r;
	struct str piece, run;
	bool ok = block && letter_reader_init(&r, &body, NULL, block, e);

	while (ok && b.n < b.limit && (ok = letter_reader_next(&r, &piece, e)) && piece.n) {
		while (dkim_body_next(&c, &piece, &run))
			show(&b, run, &left);
		breathe();
	}
	while (ok && b.n < b.limit && dkim_body_last(&c, &run))
		show(&b, run, &left);
	free(block);
	if (ok)
		add(l, arena_printf(l->a, STR_FMT ", body", STR_ARG(what)), buf_str(&b), h->size < h->limit ? h->size : h->limit,
		    h->hash);
	return ok || (block ? false : fail(e, FAULT_TEMP, "no memory for the body"));
}

SUSPENDS static bool add_dkim(struct inputs *l, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < l->x->dkim.n; i++) {
		const struct dkim_checked *c = &l->x->dkim.p[i];
		struct str what = arena_printf(l->a, "dkim header.d=" STR_FMT " header.s=" STR_FMT, STR_ARG(c->signature.domain),
					       STR_ARG(c->signature.selector));

		if (!c->body)
			continue;        /* it cannot be verified */
		buf_clear(b);
		dkim_letter_input(b, l->x->dkim.letter, &c->signature, c->field);
		add_header(l, what, b);
		if (!add_body(l, what, c->body, e))
			return false;
	}
	return true;
}

/* The last one's signature of the letter, then all seals. */
SUSPENDS static bool add_arc(struct inputs *l, struct buf *b, struct err *e)
{
	const struct arc *r = &l->x->arc;
	struct str what = arena_printf(l->a, "arc i=%zu, message", r->n);

	if (r->n && r->body) {
		buf_clear(b);
		dkim_letter_input(b, r->letter, &r->message, r->sets[r->n - 1].message);
		add_header(l, what, b);
		if (!add_body(l, what, r->body, e))
			return false;
	}
	for (size_t i = 1; i <= r->n; i++) {
		buf_clear(b);
		arc_seal_input(b, r, i);
		add_header(l, arena_printf(l->a, "arc i=%zu, seal", i), b);
	}
	return true;
}

SUSPENDS bool hash_inputs_tell(const struct auth *x, const struct letter_src *src, struct scan_auth_answer *r, struct arena *a,
			       struct err *e)
{
	struct inputs l = { .x = x, .src = src, .p = ARENA_ARRAY(a, struct ipc_hash_input, INPUTS_MAX), .a = a };
	AUTO(buf_end) struct buf b = buf_on_heap(x->letter.header.n * 2 + 1024);

	if (!l.p)
		return fail(e, FAULT_TEMP, "no memory for what is hashed");
	if (!add_dkim(&l, &b, e) || !add_arc(&l, &b, e))
		return false;
	r->inputs.p = l.p;
	r->inputs.n = l.n;
	return !a->full || fail(e, FAULT_TEMP, "no memory for what is hashed");
}
