/* dmarc_record.c — see dmarc_record.h. */
#include "wire/dmarc_record.h"

#include "base/attr.h"

enum { PCT_ALL = 100, PCT_DIGITS = 3 };

static const struct str policies[] = {
	[DMARC_POLICY_NONE] = S("none"), [DMARC_POLICY_QUARANTINE] = S("quarantine"), [DMARC_POLICY_REJECT] = S("reject"),
};

const char *dmarc_policy_name(enum dmarc_policy p)
{
	return (unsigned)p < ARRAY_LEN(policies) ? policies[p].p : "?";
}

/* Takes "name = value" off *in; false at the end.  What has no "=" has an empty name. */
static bool tag_next(struct str *in, struct str *ret_name, struct str *ret_value)
{
	struct str tag;

	if (!in->n)
		return false;
	tag = str_cut(*in, ';', in);
	*ret_name = (struct str){ 0 };
	*ret_value = (struct str){ 0 };
	if (str_has(tag, '=')) {
		*ret_name = str_trim(str_cut(tag, '=', &tag));
		*ret_value = str_trim(tag);
	}
	return true;
}

bool dmarc_record_is(struct str text)
{
	struct str name, value;

	return tag_next(&text, &name, &value) && str_eq_nocase(name, S("v")) && str_eq(value, S("DMARC1"));
}

static bool policy_read(struct str s, enum dmarc_policy *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(policies); i++)
		if (str_eq_nocase(s, policies[i])) {
			*ret = (enum dmarc_policy)i;
			return true;
		}
	return false;
}

/* URI without what delimits it here (RFC 3986 §3): a scheme, and something of it. */
static bool is_uri(struct str s)
{
	size_t colon = str_find(s, ':');

	if (!ascii_is_alpha(str_at(s, 0)) || colon + 1 >= s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (c <= ' ' || c > 126 || (i < colon && !ascii_is_alnum(c) && !str_has(S("+-."), (char)c)))
			return false;
	}
	return true;
}

bool dmarc_uri_next(struct str *in, struct str *ret)
{
	while (in->n) {
		struct str size, uri = str_cut(str_trim(str_cut(*in, ',', in)), '!', &size);

		if (is_uri(uri)) {
			*ret = uri;
			return true;
		}
	}
	return false;
}

/* Which tags were there, so that one that stands twice is seen. */
struct seen {
	bool p, sp, has_bad_p, has_bad_sp, adkim, aspf, pct, rua, ruf;
};

static bool is_first(bool *seen)
{
	bool was = *seen;

	*seen = true;
	return !was;
}

static void pct_read(struct str s, struct dmarc_record *r)
{
	uint64_t n;

	if (s.n <= PCT_DIGITS && str_u64(s, &n) && n <= PCT_ALL)
		r->pct = (unsigned)n;
}

/* What counts most may stand only once; of all else the first counts. */
static void tag_take(struct str name, struct str value, struct seen *seen, struct dmarc_record *r)
{
	if (str_eq_nocase(name, S("p")))
		seen->has_bad_p |= !is_first(&seen->p) || !policy_read(value, &r->p);
	else if (str_eq_nocase(name, S("sp")))
		seen->has_bad_sp |= !is_first(&seen->sp) || !policy_read(value, &r->sp);
	else if (str_eq_nocase(name, S("adkim")) && is_first(&seen->adkim))
		r->is_dkim_strict = str_eq_nocase(value, S("s"));
	else if (str_eq_nocase(name, S("aspf")) && is_first(&seen->aspf))
		r->is_spf_strict = str_eq_nocase(value, S("s"));
	else if (str_eq_nocase(name, S("pct")) && is_first(&seen->pct))
		pct_read(value, r);
	else if (str_eq_nocase(name, S("rua")) && is_first(&seen->rua))
		r->rua = value;
	else if (str_eq_nocase(name, S("ruf")) && is_first(&seen->ruf))
		r->ruf = value;
}

/* §6.6.3, 6: without a valid policy a record still asks for reports if it says to whom. */
static void settle(const struct seen *seen, struct dmarc_record *r)
{
	struct str rua = r->rua, uri;

	r->has_sp = seen->sp;
	if (!seen->sp)
		r->sp = r->p;
	r->is_usable = true;
	if (seen->p && !seen->has_bad_p && !seen->has_bad_sp)
		return;
	r->problem = !seen->p ? "the record has no p=" : seen->has_bad_p ? "its p= is not valid" : "its sp= is not valid";
	r->is_usable = dmarc_uri_next(&rua, &uri);
	r->p = r->sp = DMARC_POLICY_NONE;
}

void dmarc_record_read(struct str text, struct dmarc_record *ret)
{
	struct dmarc_record r = { .pct = PCT_ALL };
	struct str in = str_head(text, DMARC_RECORD_MAX), name, value;
	struct seen seen = { 0 };

	for (size_t n = 0; n < DMARC_TAGS_MAX && tag_next(&in, &name, &value); n++)
		tag_take(name, value, &seen, &r);
	settle(&seen, &r);
	*ret = r;
}
