/* dkim_signature.c — see dkim_signature.h.
 *
 * A table says which tags there are, in which of the three fields they may not be absent, and which function reads
 * them.  What a table row refuses carries its place. */
#include "wire/dkim_signature.h"

#include "base/buf.h"
#include "wire/address.h"
#include "wire/dkim_tags.h"
#include "wire/text.h"

enum {
	TIME_DIGITS_MAX = 12,            /* RFC 6376 §3.5 */
	PLACE_MAX = 60,          /* octets of it that are shown */
};

enum {
	IN_DKIM = 1 << DKIM_SIGNATURE,
	IN_MESSAGE = 1 << DKIM_ARC_MESSAGE,
	IN_SEAL = 1 << DKIM_ARC_SEAL,
	IN_SIGNED = IN_DKIM | IN_MESSAGE,
	IN_ARC = IN_MESSAGE | IN_SEAL,
	IN_ALL = IN_DKIM | IN_ARC,
};

static const char *const canons[] = { [DKIM_SIMPLE] = "simple", [DKIM_RELAXED] = "relaxed" };
static const struct str algorithms[] = {
	[DKIM_UNKNOWN] = S("unknown"), [DKIM_RSA_SHA1] = S("rsa-sha1"), [DKIM_RSA_SHA256] = S("rsa-sha256"),
	[DKIM_ED25519_SHA256] = S("ed25519-sha256"),
};

const char *dkim_canon_name(enum dkim_canon c)
{
	return (unsigned)c < ARRAY_LEN(canons) ? canons[c] : "?";
}

const char *dkim_algorithm_name(enum dkim_algorithm g)
{
	return (unsigned)g < ARRAY_LEN(algorithms) ? algorithms[g].p : "?";
}

bool dkim_domain_fold(struct str domain, struct arena *a, struct str *ret)
{
	return str_at(domain, 0) != '[' && address_domain_fold(domain, a, ret);
}

/* ---- the tags -------------------------------------------------------------------------------------- */

struct reading {
	struct dkim_signature *s;
	struct arena *a;
	struct str v;            /* the value of the tag */
	struct str raw;
	struct err *e;
};

static bool refuse(const struct reading *r, enum fault fault, const char *what)
{
	char mem[4 * PLACE_MAX];
	struct buf b = buf_over(mem, sizeof(mem));

	if (r->a->full)
		return fail(r->e, FAULT_TEMP, "no memory");
	buf_add_printable(&b, r->v, PLACE_MAX);
	return fail(r->e, fault, "%s \"" STR_FMT "\"", what, STR_ARG(buf_str(&b)));
}

/* base64, with white space wherever it was folded. */
static bool read_base64(struct reading *r, struct str *ret_text, struct str *ret)
{
	*ret_text = dkim_unfolded(r->v, r->a);
	return ret_text->p && base64_decode(*ret_text, r->a, ret);
}

static bool read_v(struct reading *r)
{
	return str_eq(r->v, S("1")) || refuse(r, FAULT_PERM, "a version that is not 1:");
}

static bool read_a(struct reading *r)
{
	r->s->algorithm_text = r->v;
	for (size_t i = DKIM_RSA_SHA1; i < ARRAY_LEN(algorithms); i++)
		if (str_eq_nocase(r->v, algorithms[i]))
			r->s->algorithm = (enum dkim_algorithm)i;
	return r->s->algorithm != DKIM_UNKNOWN || refuse(r, FAULT_PERM, "an unknown algorithm");
}

static bool read_b(struct reading *r)
{
	r->s->b_raw = r->raw;
	if (r->v.n > DKIM_B_MAX * 2 || !read_base64(r, &r->s->b_text, &r->s->b) || r->s->b.n > DKIM_B_MAX)
		return refuse(r, FAULT_PEER, "b= is no signature in base64:");
	return r->s->b.n > 0 || refuse(r, FAULT_PEER, "b= is empty:");
}

static bool read_bh(struct reading *r)
{
	struct str text;

	return (r->v.n <= DKIM_B_MAX && read_base64(r, &text, &r->s->bh)) ||
	       refuse(r, FAULT_PEER, "bh= is no hash in base64:");
}

static bool canon_read(struct str word, enum dkim_canon *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(canons); i++)
		if (str_eq_nocase(word, str_from_z(canons[i]))) {
			*ret = (enum dkim_canon)i;
			return true;
		}
	return false;
}

static bool read_c(struct reading *r)
{
	struct str body, header = str_cut(r->v, '/', &body);

	if (!canon_read(header, &r->s->header) || (str_has(r->v, '/') && !canon_read(body, &r->s->body)))
		return refuse(r, FAULT_PERM, "an unknown canonicalisation");
	return true;
}

static bool read_d(struct reading *r)
{
	return dkim_domain_fold(r->v, r->a, &r->s->domain) || refuse(r, FAULT_PERM, "d= is no domain:");
}

static bool read_s(struct reading *r)
{
	return dkim_domain_fold(r->v, r->a, &r->s->selector) || refuse(r, FAULT_PERM, "s= is no selector:");
}

/* hdr-name *([FWS] ":" [FWS] hdr-name).  A name that is empty names no field; such lists are met, and what they sign
 * is not in doubt. */
static bool read_h(struct reading *r)
{
	struct str list = r->v, name;
	size_t n = 0;

	r->s->names = r->v;
	while (dkim_word_next(&list, &name)) {
		for (size_t i = 0; i < name.n; i++)
			if (str_at(name, i) <= ' ' || str_at(name, i) > '~')
				return refuse(r, FAULT_PEER, "h= names a field that cannot be:");
		if (++n > DKIM_NAMES_MAX)
			return refuse(r, FAULT_PERM, "h= has more than 500 names:");
	}
	return true;
}

/* dkim-quoted-printable (RFC 6376 §2.11): "=" and two digits; white space means nothing. */
static bool quoted_decode(struct str s, struct arena *a, struct str *ret)
{
	char *p = arena_alloc(a, s.n, 1);
	size_t n = 0;

	for (size_t i = 0; p && i < s.n; i++) {
		int c = str_at(s, i), high, low;

		if (is_dkim_space(c))
			continue;
		if (c == '=') {
			high = ascii_hex(str_at(s, i + 1));
			low = ascii_hex(str_at(s, i + 2));
			if (high < 0 || low < 0)
				return false;
			c = high * 16 + low;
			i += 2;
		}
		p[n++] = (char)c;
	}
	*ret = str_of(p, n);
	return p != NULL;
}

/* [ Local-part ] "@" domain-name, checked against d= when that is known. */
static bool read_i(struct reading *r)
{
	struct str id;

	if (!quoted_decode(r->v, r->a, &id) || !str_has(id, '@'))
		return refuse(r, FAULT_PEER, "i= is no address:");
	r->s->identity = id;
	return true;
}

static bool read_instance(struct reading *r)
{
	uint64_t n;

	if (!str_u64(r->v, &n) || n < 1 || n > ARC_SETS_MAX)
		return refuse(r, FAULT_PERM, "i= is no instance from 1 to 50:");
	r->s->instance = (unsigned)n;
	return true;
}

static bool read_l(struct reading *r)
{
	uint64_t n = UINT64_MAX;

	for (size_t i = 0; i < r->v.n; i++)
		if (!ascii_is_digit(str_at(r->v, i)))
			return refuse(r, FAULT_PEER, "l= is no number:");
	if (r->v.n == 0 || r->v.n > 76)
		return refuse(r, FAULT_PEER, "l= is no number:");
	/* up to 76 digits are no error (§3.5), and more than any letter has */
	str_u64(r->v, &n);
	r->s->has_length = true;
	r->s->length = n;
	return true;
}

static bool read_seconds(struct reading *r, int64_t *ret)
{
	uint64_t n;

	if (r->v.n > TIME_DIGITS_MAX || !str_u64(r->v, &n))
		return refuse(r, FAULT_PEER, "no time:");
	*ret = (int64_t)n;
	return true;
}

static bool read_t(struct reading *r)
{
	return read_seconds(r, &r->s->time);
}

static bool read_x(struct reading *r)
{
	return read_seconds(r, &r->s->expiry);
}

static bool read_q(struct reading *r)
{
	return dkim_words_have(r->v, S("dns/txt")) || refuse(r, FAULT_PERM, "an unknown way to ask for the key:");
}

/* RFC 8617 §4.1.3: a seal has no h=. */
static bool read_none(struct reading *r)
{
	return refuse(r, FAULT_PERM, "a tag that a seal cannot have:");
}

static bool read_cv(struct reading *r)
{
	static const struct str words[] = {
		[ARC_CV_NONE] = S("none"), [ARC_CV_FAIL] = S("fail"), [ARC_CV_PASS] = S("pass"),
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq_nocase(r->v, words[i])) {
			r->s->cv = (enum arc_cv)i;
			return true;
		}
	return refuse(r, FAULT_PEER, "cv= says");
}

/* d=, s= and a= first: they are told even when another tag is wrong. */
static const struct row {
	struct str name;
	unsigned in;             /* fields that may have it; elsewhere it means nothing */
	unsigned needed;         /* fields that must have it */
	bool (*read)(struct reading *r);
} rows[] = {
	{ S("d"), IN_ALL, IN_ALL, read_d },
	{ S("s"), IN_ALL, IN_ALL, read_s },
	{ S("a"), IN_ALL, IN_ALL, read_a },
	{ S("v"), IN_DKIM, IN_DKIM, read_v },
	{ S("i"), IN_DKIM, 0, read_i },
	{ S("i"), IN_ARC, IN_ARC, read_instance },
	{ S("b"), IN_ALL, IN_ALL, read_b },
	{ S("bh"), IN_SIGNED, IN_SIGNED, read_bh },
	{ S("c"), IN_SIGNED, 0, read_c },
	{ S("h"), IN_SIGNED, IN_SIGNED, read_h },
	{ S("h"), IN_SEAL, 0, read_none },
	{ S("l"), IN_SIGNED, 0, read_l },
	{ S("q"), IN_SIGNED, 0, read_q },
	{ S("t"), IN_ALL, 0, read_t },
	{ S("x"), IN_SIGNED, 0, read_x },
	{ S("cv"), IN_SEAL, IN_SEAL, read_cv },
};

/* ---- what tags say together ------------------------------------------------------------------------ */

/* The domain of i= is d= or below it (§3.5). */
static bool identity_check(struct reading *r)
{
	struct dkim_signature *s = r->s;
	struct str domain = str_from(s->identity, str_rfind(s->identity, '@') + 1);

	if (!s->identity.n) {
		char *p = arena_alloc(r->a, s->domain.n + 1, 1);

		if (!p)
			return fail(r->e, FAULT_TEMP, "no memory");
		p[0] = '@';
		memcpy(p + 1, s->domain.p, s->domain.n);
		s->identity = str_of(p, s->domain.n + 1);
		return true;
	}
	r->v = s->identity;
	if (!dkim_domain_fold(domain, r->a, &domain))
		return refuse(r, FAULT_PEER, "i= is no address:");
	if (!str_ends(domain, s->domain) ||
	    (domain.n > s->domain.n && domain.p[domain.n - s->domain.n - 1] != '.'))
		return refuse(r, FAULT_PERM, "i= is not of the domain that signs:");
	return true;
}

static bool together(struct reading *r, enum dkim_kind kind)
{
	struct dkim_signature *s = r->s;

	if (kind == DKIM_SIGNATURE && !identity_check(r))
		return false;
	if (s->time >= 0 && s->expiry >= 0 && s->expiry <= s->time)
		return fail(r->e, FAULT_PERM, "x= is not after t=");
	if (kind == DKIM_SIGNATURE && !dkim_words_have(s->names, S("From")))
		return fail(r->e, FAULT_PERM, "From is not among the signed fields");
	if (kind == DKIM_ARC_MESSAGE && dkim_words_have(s->names, S("ARC-Seal")))
		return fail(r->e, FAULT_PERM, "ARC-Seal is among the signed fields");
	return true;
}

bool dkim_signature_parse(struct str value, enum dkim_kind kind, struct arena *a, struct dkim_signature *ret,
			  struct err *e)
{
	struct dkim_tags tags;
	struct reading r = { .s = ret, .a = a, .e = e };

	*ret = (struct dkim_signature){ .time = -1, .expiry = -1 };
	if (!dkim_tags_parse(value, &tags, e))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		const struct dkim_tag *tag = row->in & 1U << kind ? dkim_tags_find(&tags, row->name) : NULL;

		if (!tag && row->needed & 1U << kind)
			return fail(e, FAULT_PERM, STR_FMT "= is missing", STR_ARG(row->name));
		r.v = tag ? tag->value : S("");
		r.raw = tag ? tag->raw : S("");
		if (tag && !row->read(&r))
			return false;
	}
	return together(&r, kind);
}
