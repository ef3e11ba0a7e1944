/* dkim_key.c — see dkim_key.h. */
#include "wire/dkim_key.h"

#include "wire/dkim_tags.h"
#include "wire/text.h"

static struct str value_of(const struct dkim_tags *t, struct str name, struct str otherwise)
{
	const struct dkim_tag *tag = dkim_tags_find(t, name);

	return tag ? tag->value : otherwise;
}

/* v= comes first if it is there at all, and says DKIM1. */
static bool version_check(const struct dkim_tags *t, struct err *e)
{
	const struct dkim_tag *v = dkim_tags_find(t, S("v"));

	if (!v || (v == &t->p[0] && str_eq(v->value, S("DKIM1"))))
		return true;
	return fail(e, FAULT_PEER, "the record does not begin with v=DKIM1");
}

static bool key_decode(struct str text, struct arena *a, struct str *ret, struct err *e)
{
	struct str plain = dkim_unfolded(text, a);

	if (plain.p && base64_decode(plain, a, ret))
		return true;
	return a->full ? fail(e, FAULT_TEMP, "no memory") : fail(e, FAULT_PEER, "p= is no base64");
}

bool dkim_key_parse(struct str record, struct arena *a, struct dkim_key *ret, struct err *e)
{
	struct dkim_tags t;
	const struct dkim_tag *p;
	struct str kind, services, flags;

	if (record.n > DKIM_RECORD_MAX)
		return fail(e, FAULT_PEER, "the record has more than %d octets", DKIM_RECORD_MAX);
	if (!dkim_tags_parse(record, &t, e) || !version_check(&t, e))
		return false;
	p = dkim_tags_find(&t, S("p"));
	if (!p)
		return fail(e, FAULT_PEER, "p= is missing");
	*ret = (struct dkim_key){ 0 };
	kind = value_of(&t, S("k"), S("rsa"));
	ret->kind = str_eq_nocase(kind, S("rsa")) ? DKIM_KEY_RSA :
		    str_eq_nocase(kind, S("ed25519")) ? DKIM_KEY_ED25519 : DKIM_KEY_OTHER;
	ret->has_sha256 = dkim_words_have(value_of(&t, S("h"), S("sha256")), S("sha256"));
	services = value_of(&t, S("s"), S("*"));
	ret->is_for_mail = dkim_words_have(services, S("*")) || dkim_words_have(services, S("email"));
	flags = value_of(&t, S("t"), S(""));
	ret->is_testing = dkim_words_have(flags, S("y"));
	ret->is_strict = dkim_words_have(flags, S("s"));
	return key_decode(p->value, a, &ret->key, e);
}
