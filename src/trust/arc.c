/* arc.c — see arc.h. */
#include "trust/arc.h"

#include "wire/cfws.h"
#include "wire/dkim_tags.h"

const char *arc_result_name(enum arc_result r)
{
	static const char *const names[] = {
		[ARC_NONE] = "none", [ARC_PASS] = "pass", [ARC_FAIL] = "fail", [ARC_TEMPERROR] = "temperror",
	};

	return (unsigned)r < ARRAY_LEN(names) ? names[r] : "?";
}

/* Returns false, so that a failing path is one line. */
static bool end(struct arc *r, enum arc_result result, struct str reason)
{
	r->result = result;
	r->reason = reason;
	return false;
}

static bool end_at(struct arc *r, enum arc_result result, size_t instance, const char *what)
{
	return end(r, result, arena_printf(r->letter->arena, "i=%zu: %s", instance, what));
}

/* ---- the sets -------------------------------------------------------------------------------------- */

static struct str value_of(const struct dkim_field *f)
{
	return str_from(f->text, str_find(f->text, ':') + 1);
}

static bool number_read(struct str s, unsigned *ret)
{
	uint64_t n;

	if (!str_u64(s, &n) || n < 1 || n > ARC_SETS_MAX)
		return false;
	*ret = (unsigned)n;
	return true;
}

/* instance = [CFWS] "i" [CFWS] "=" [CFWS] 1*2DIGIT [CFWS] ";"   §4.1.1; *ret_rest is what stands behind it */
static bool results_instance(struct str value, unsigned *ret, struct str *ret_rest)
{
	struct str s = value, digits;

	cfws_skip(&s);
	if (ascii_lower(str_at(s, 0)) != 'i')
		return false;
	s = str_from(s, 1);
	cfws_skip(&s);
	if (str_at(s, 0) != '=')
		return false;
	s = str_from(s, 1);
	cfws_skip(&s);
	for (digits = (struct str){ s.p, 0 }; ascii_is_digit(str_at(s, digits.n));)
		digits.n++;
	s = str_from(s, digits.n);
	cfws_skip(&s);
	*ret_rest = str_from(s, 1);
	return str_at(s, 0) == ';' && number_read(digits, ret);
}

static bool tagged_instance(struct str value, unsigned *ret, struct str *ret_rest)
{
	struct dkim_tags tags;
	const struct dkim_tag *i;
	struct err e;

	*ret_rest = (struct str){ 0 };
	i = dkim_tags_parse(value, &tags, &e) ? dkim_tags_find(&tags, S("i")) : NULL;
	return i && number_read(i->value, ret);
}

/* The three kinds of fields, and where a set keeps each. */
static const struct kind {
	struct str name;
	bool (*instance)(struct str value, unsigned *ret, struct str *ret_rest);
	size_t at;
} kinds[] = {
	{ S("ARC-Authentication-Results"), results_instance, offsetof(struct arc_set, results) },
	{ S("ARC-Message-Signature"), tagged_instance, offsetof(struct arc_set, message) },
	{ S("ARC-Seal"), tagged_instance, offsetof(struct arc_set, seal) },
};

static const struct dkim_field **place_of(struct arc_set *set, const struct kind *kind)
{
	return (const struct dkim_field **)(void *)((char *)set + kind->at);
}

/* All fields of a kind go to their sets. */
static bool collect(struct arc *r, const struct kind *kind)
{
	const struct dkim_letter *l = r->letter;
	const struct dkim_field *f = dkim_letter_find(l, kind->name), **place;
	unsigned i;
	struct str rest;

	for (size_t n = 0; f; f = f->up ? &l->fields[f->up - 1] : NULL) {
		if (++n > ARC_SETS_MAX)
			return end(r, ARC_FAIL, S("more than 50 sets"));
		if (!kind->instance(value_of(f), &i, &rest))
			return end(r, ARC_FAIL, arena_printf(l->arena, STR_FMT " without an instance", STR_ARG(kind->name)));
		place = place_of(&r->sets[i - 1], kind);
		if (*place)
			return end_at(r, ARC_FAIL, i, "there are two of a kind");
		*place = f;
		if (rest.n)
			r->sets[i - 1].said = rest;
		r->n = i > r->n ? i : r->n;
	}
	return true;
}

static bool is_complete(struct arc *r)
{
	for (size_t i = 0; i < r->n; i++)
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
			if (!*place_of(&r->sets[i], &kinds[k]))
				return end(r, ARC_FAIL, arena_printf(r->letter->arena, "i=%zu: no " STR_FMT, i + 1,
								     STR_ARG(kinds[k].name)));
	return r->n > 0;
}

/* A chain that failed once has failed; else the first says none and all later ones pass (§5.2 steps 2 and 3). */
static bool are_seals_sound(struct arc *r)
{
	struct err e = { 0 };

	for (size_t i = r->n; i-- > 0;) {
		struct arc_set *set = &r->sets[i];

		if (!dkim_signature_parse(value_of(set->seal), DKIM_ARC_SEAL, r->letter->arena, &set->sealed, &e))
			return end_at(r, e.fault == FAULT_TEMP ? ARC_TEMPERROR : ARC_FAIL, i + 1, e.text);
		if (set->sealed.cv == ARC_CV_FAIL)
			return end_at(r, ARC_FAIL, i + 1, "the chain had failed there already");
		if (set->sealed.cv != (i == 0 ? ARC_CV_NONE : ARC_CV_PASS))
			return end_at(r, ARC_FAIL, i + 1, "cv= cannot be so there");
	}
	return true;
}

static bool read_sets(struct arc *r)
{
	struct err e = { 0 };

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		if (!collect(r, &kinds[k]))
			return false;
	if (!is_complete(r) || !are_seals_sound(r))
		return false;
	if (!dkim_signature_parse(value_of(r->sets[r->n - 1].message), DKIM_ARC_MESSAGE, r->letter->arena, &r->message, &e))
		return end_at(r, e.fault == FAULT_TEMP ? ARC_TEMPERROR : ARC_FAIL, r->n, e.text);
	return true;
}

/* Most letters have nothing of ARC. */
static bool is_there(const struct dkim_letter *l)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		if (dkim_letter_find(l, kinds[k].name))
			return true;
	return false;
}

void arc_init(struct arc *r, struct dkim_letter *l)
{
	*r = (struct arc){ .letter = l };
	if (!is_there(l))
		return;
	r->sets = ARENA_ARRAY(l->arena, struct arc_set, ARC_SETS_MAX);
	if (!r->sets) {
		end(r, ARC_TEMPERROR, S("no memory"));
	} else if (!read_sets(r)) {
		r->n = 0;
	} else if (r->message.algorithm != DKIM_RSA_SHA1) {
		r->body = dkim_letter_hash(l, r->message.body, r->message.has_length ? r->message.length : UINT64_MAX);
		if (!r->body)
			end(r, ARC_TEMPERROR, S("too many hashes of one letter"));
	}
}

/* ---- signatures ------------------------------------------------------------------------------------ */

/* Turns what became of one signature into what becomes of the chain. */
static bool follow(struct arc *r, size_t instance, const struct dkim_outcome *o)
{
	char text[200];
	struct buf b = buf_over(text, sizeof(text) - 1);

	if (o->result == DKIM_PASS)
		return true;
	buf_add(&b, o->reason);
	text[b.n] = '\0';
	return end_at(r, o->result == DKIM_TEMPERROR ? ARC_TEMPERROR : ARC_FAIL, instance, text);
}

static void set_add(struct buf *b, const struct arc_set *set)
{
	dkim_field_add(b, DKIM_RELAXED, set->results->text, true);
	dkim_field_add(b, DKIM_RELAXED, set->message->text, true);
}

void arc_sets_add(struct buf *b, const struct arc *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		set_add(b, &r->sets[i]);
		dkim_field_add(b, DKIM_RELAXED, r->sets[i].seal->text, true);
	}
}

void arc_seal_input(struct buf *b, const struct arc *r, size_t instance)
{
	const struct arc_set *last = &r->sets[instance - 1];

	arc_sets_add(b, r, instance - 1);
	set_add(b, last);
	dkim_field_add_without(b, DKIM_RELAXED, last->seal->text, last->sealed.b_raw);
}

/* The signature of the letter as the last one left it (§5.2 step 4). */
SUSPENDS static bool check_message(struct arc *r, const struct trust_dns *dns, int64_t now, struct buf *input,
				   struct dkim_outcome *ret, struct err *e)
{
	if (!dkim_is_worth_it(&r->message, now, ret))
		return true;
	dkim_letter_input(input, r->letter, &r->message, r->sets[r->n - 1].message);
	if (!dkim_prove(r->letter, &r->message, input, r->body, dns, ret, e))
		return false;
	if (ret->result == DKIM_PASS && r->message.has_length && r->body->size > r->message.length)
		*ret = (struct dkim_outcome){ .result = DKIM_POLICY, .reason = S("l= leaves a part of the body unsigned") };
	return true;
}

SUSPENDS bool arc_check(struct arc *r, const struct trust_dns *dns, int64_t now, struct err *e)
{
	AUTO(buf_end) struct buf input = buf_on_heap(r->letter->header.n * 2 + 1024);
	struct dkim_outcome o;

	if (r->n == 0 || r->result != ARC_NONE)
		return true;
	if (!dkim_letter_over(r->letter)) {
		end(r, ARC_TEMPERROR, S("no memory"));
		return true;
	}
	if (!check_message(r, dns, now, &input, &o, e))
		return false;
	if (!follow(r, r->n, &o))
		return true;
	/* from the last seal to the first (§5.2 step 6) */
	for (size_t i = r->n; i > 0; i--) {
		const struct dkim_signature *s = &r->sets[i - 1].sealed;

		buf_clear(&input);
		arc_seal_input(&input, r, i);
		if (dkim_is_worth_it(s, now, &o) && !dkim_prove(r->letter, s, &input, NULL, dns, &o, e))
			return false;
		if (!follow(r, i, &o))
			return true;
	}
	r->result = ARC_PASS;
	return true;
}
