/* dkim_sign.c — see dkim_sign.h. */
#include "trust/dkim_sign.h"

#include "wire/text.h"

enum { LINE = 76, FIELD_MAX = 64 << 10 };

/* What is signed if it is there (RFC 6376 §5.4.1), and what is over-signed.  Not here: what mailing lists and
 * servers on the way add or change (Sender, List-…, Received, Return-Path). */
static const struct row {
	struct str name;
	bool is_over;
	bool is_arc;             /* only in ARC: whose signature is passed on */
} rows[] = {
	{ S("From"), true, false },
	{ S("Reply-To"), true, false },
	{ S("To"), true, false },
	{ S("Cc"), true, false },
	{ S("Subject"), true, false },
	{ S("Date"), true, false },
	{ S("MIME-Version"), true, false },
	{ S("Content-Type"), true, false },
	{ S("Content-Transfer-Encoding"), true, false },
	{ S("Message-ID"), true, false },
	{ S("In-Reply-To"), false, false },
	{ S("References"), false, false },
	{ S("Resent-From"), false, false },
	{ S("Resent-To"), false, false },
	{ S("Resent-Cc"), false, false },
	{ S("Resent-Date"), false, false },
	{ S("Resent-Message-ID"), false, false },
	{ S("DKIM-Signature"), false, true },
};

/* ---- the field ------------------------------------------------------------------------------------- */

/* One word behind what stands there, on a new line if it does not fit on this one. */
static void word_add(struct buf *b, size_t *column, struct str word)
{
	if (*column + word.n > LINE) {
		buf_add(b, S("\r\n\t"));
		*column = 8;
	}
	buf_add(b, word);
	*column += word.n;
}

static size_t count(const struct dkim_letter *l, struct str name)
{
	size_t n = 0;

	for (const struct dkim_field *f = dkim_letter_find(l, name); f && n < DKIM_SIGN_FIELDS_MAX;
	     f = f->up ? &l->fields[f->up - 1] : NULL)
		n++;
	return n;
}

/* Each name with the colon in front of it. */
static void names_add(struct buf *b, const struct dkim_signing *g)
{
	size_t column = 8 + 2;
	char mem[64];
	bool is_first = true;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = count(g->letter, rows[i].name) + rows[i].is_over;

		for (; n && (!rows[i].is_arc || g->instance); n--) {
			struct buf word = buf_over(mem, sizeof(mem));

			if (!is_first)
				buf_add_char(&word, ':');
			buf_add(&word, rows[i].name);
			word_add(b, &column, buf_str(&word));
			is_first = false;
		}
	}
}

static void head_add(struct buf *b, const struct dkim_signing *g)
{
	const struct dkim_wish *w = &g->wish;

	if (g->instance)
		buf_addf(b, "ARC-Message-Signature: i=%u;", g->instance);
	else
		buf_add(b, S("DKIM-Signature: v=1;"));
	buf_addf(b, " a=%s; c=relaxed/relaxed;\r\n\td=" STR_FMT "; s=" STR_FMT ";\r\n\tt=%lld;",
		 dkim_algorithm_name(w->algorithm), STR_ARG(w->domain), STR_ARG(w->selector), (long long)w->time);
	if (w->expiry >= 0 && !g->instance)
		buf_addf(b, " x=%lld;", (long long)w->expiry);
	buf_add(b, S("\r\n\th="));
	names_add(b, g);
	buf_add(b, S(";\r\n\tbh="));
	base64_add(b, str_of(g->body->hash, DKIM_HASH));
	buf_add(b, S(";\r\n\tb="));
}

/* base64 in lines that no server has to fold. */
static void signed_add(struct buf *b, struct str field, struct str signature)
{
	AUTO(buf_end) struct buf text = buf_on_heap(2 * DKIM_B_MAX);
	size_t first = LINE - 8 - 2;

	base64_add(&text, signature);
	buf_add(b, field);
	buf_add(b, str_head(buf_str(&text), first));
	for (struct str rest = str_from(buf_str(&text), first); rest.n; rest = str_from(rest, LINE - 8)) {
		buf_add(b, S("\r\n\t"));
		buf_add(b, str_head(rest, LINE - 8));
	}
	buf_add(b, S("\r\n"));
	b->full = b->full || text.full;
}

static struct str kept(struct arena *a, const struct buf *b)
{
	return b->full ? S("") : arena_str(a, buf_str(b));
}

/* ---- DKIM ------------------------------------------------------------------------------------------ */

bool dkim_signing_init(struct dkim_signing *g, struct dkim_letter *l, const struct dkim_wish *w)
{
	*g = (struct dkim_signing){ .letter = l, .wish = *w, .body = dkim_letter_hash(l, DKIM_RELAXED, UINT64_MAX) };
	return g->body != NULL;
}

bool dkim_signing_hash(struct dkim_signing *g, uint8_t ret[DKIM_HASH])
{
	AUTO(buf_end) struct buf field = buf_on_heap(FIELD_MAX), input = buf_on_heap(g->letter->header.n * 2 + FIELD_MAX);
	struct str names;

	if (!dkim_letter_over(g->letter))
		return false;
	head_add(&field, g);
	g->field = kept(g->letter->arena, &field);
	names = str_from(g->field, str_find_str(g->field, S("h=")) + 2);
	dkim_letter_fields_add(&input, g->letter, str_head(names, str_find(names, ';')), DKIM_RELAXED, NULL);
	dkim_field_add(&input, DKIM_RELAXED, g->field, false);
	return g->field.n && !input.full && dkim_sha256(buf_str(&input), ret);
}

void dkim_signing_add(struct buf *b, const struct dkim_signing *g, struct str signature)
{
	signed_add(b, g->field, signature);
}

/* ---- ARC ------------------------------------------------------------------------------------------- */

bool arc_sealing_init(struct arc_sealing *g, struct dkim_letter *l, const struct dkim_wish *w, const struct arc *chain)
{
	*g = (struct arc_sealing){ .chain = chain };
	if (chain->n >= ARC_SETS_MAX || !dkim_signing_init(&g->message, l, w))
		return false;
	g->message.instance = (unsigned)chain->n + 1;
	return true;
}

bool arc_sealing_hash(struct arc_sealing *g, struct str results, uint8_t ret[DKIM_HASH])
{
	if (g->chain->result != (g->chain->n ? ARC_PASS : ARC_NONE))
		return false;
	g->results = arena_printf(g->message.letter->arena, "ARC-Authentication-Results: i=%u; " STR_FMT "\r\n",
				  g->message.instance, STR_ARG(results));
	return g->results.n && dkim_signing_hash(&g->message, ret);
}

bool arc_sealing_seal(struct arc_sealing *g, struct str signature, uint8_t ret[DKIM_HASH])
{
	AUTO(buf_end) struct buf b = buf_on_heap(g->message.letter->header.n * 2 + 3 * FIELD_MAX);
	struct arena *a = g->message.letter->arena;
	const struct dkim_wish *w = &g->message.wish;

	dkim_signing_add(&b, &g->message, signature);
	g->signed_message = kept(a, &b);
	g->seal = arena_printf(a, "ARC-Seal: i=%u; a=%s; cv=%s;\r\n\td=" STR_FMT "; s=" STR_FMT ";\r\n\tt=%lld;\r\n\tb=",
			       g->message.instance, dkim_algorithm_name(w->algorithm), g->chain->n ? "pass" : "none",
			       STR_ARG(w->domain), STR_ARG(w->selector), (long long)w->time);
	buf_clear(&b);
	arc_sets_add(&b, g->chain, g->chain->n);
	dkim_field_add(&b, DKIM_RELAXED, g->results, true);
	dkim_field_add(&b, DKIM_RELAXED, g->signed_message, true);
	dkim_field_add(&b, DKIM_RELAXED, g->seal, false);
	return g->signed_message.n && g->seal.n && !b.full && dkim_sha256(buf_str(&b), ret);
}

void arc_sealing_add(struct buf *b, const struct arc_sealing *g, struct str signature)
{
	signed_add(b, g->seal, signature);
	buf_add(b, g->signed_message);
	buf_add(b, g->results);
}
