/* dkim_prove.c — see dkim_prove.h. */
#include "trust/dkim_prove.h"

#include "base/time.h"
#include "trust/dkim_crypto.h"

const char *dkim_result_name(enum dkim_result r)
{
	static const char *const names[] = {
		[DKIM_NONE] = "none", [DKIM_PASS] = "pass", [DKIM_FAIL] = "fail", [DKIM_POLICY] = "policy",
		[DKIM_NEUTRAL] = "neutral", [DKIM_TEMPERROR] = "temperror", [DKIM_PERMERROR] = "permerror",
	};

	return (unsigned)r < ARRAY_LEN(names) ? names[r] : "?";
}

static struct dkim_outcome outcome(enum dkim_result result, struct str reason)
{
	return (struct dkim_outcome){ .result = result, .reason = reason };
}

struct dkim_outcome dkim_outcome_of(const struct err *why, struct arena *a)
{
	enum dkim_result r = why->fault == FAULT_TEMP ? DKIM_TEMPERROR :
			     why->fault == FAULT_PEER ? DKIM_NEUTRAL : DKIM_PERMERROR;

	return outcome(r, arena_str(a, str_from_z(why->text)));
}

/* ---- without asking -------------------------------------------------------------------------------- */

static bool is_in_time(const struct dkim_signature *s, int64_t now, struct dkim_outcome *ret)
{
	int64_t seconds = now / SECOND;

	if (s->expiry >= 0 && s->expiry + DKIM_SKEW < seconds)
		*ret = outcome(DKIM_POLICY, S("the signature has expired"));
	else if (s->time > seconds + DKIM_SKEW)
		*ret = outcome(DKIM_POLICY, S("the signature is from the future"));
	else
		return true;
	return false;
}

bool dkim_is_worth_it(const struct dkim_signature *s, int64_t now, struct dkim_outcome *ret)
{
	if (s->algorithm == DKIM_RSA_SHA1) {
		*ret = outcome(DKIM_PERMERROR, S("rsa-sha1 is not believed"));
		return false;
	}
	return is_in_time(s, now, ret);
}

/* ---- with the key ---------------------------------------------------------------------------------- */

/* bh= and l= against the body. */
static bool is_body(const struct dkim_signature *s, const struct dkim_hash *body, struct arena *a,
		    struct dkim_outcome *ret)
{
	if (s->has_length && s->length > body->size)
		*ret = outcome(DKIM_PERMERROR,
			       arena_printf(a, "l=%llu, and the body has %llu octets", (unsigned long long)s->length,
					    (unsigned long long)body->size));
	else if (!str_eq(s->bh, str_of(body->hash, DKIM_HASH)))
		*ret = outcome(DKIM_FAIL, S("the body was changed"));
	else
		return true;
	return false;
}

/* i=@sub.example.net although the key says t=s (RFC 6376 §3.6.1). */
static bool is_below(const struct dkim_signature *s)
{
	struct str domain = str_from(s->identity, str_rfind(s->identity, '@') + 1);

	return s->identity.n && !str_eq_nocase(domain, s->domain);
}

static const char *key_objection(const struct dkim_signature *s, const struct dkim_key *k)
{
	if (!k->key.n)
		return "the key is revoked";
	if (!k->is_for_mail)
		return "the key is not for mail";
	if (!k->has_sha256)
		return "the key is not for sha256";
	if (k->kind != (s->algorithm == DKIM_ED25519_SHA256 ? DKIM_KEY_ED25519 : DKIM_KEY_RSA))
		return "the key is not of the kind that a= says";
	if (k->is_strict && is_below(s))
		return "the key is for its own domain alone, i= is below it";
	return NULL;
}

/* What is to be proved, and with what. */
struct proof {
	const struct dkim_signature *s;
	const struct dkim_hash *body;
	struct str input;
	struct dkim_keyring *ring;       /* may be NULL */
	struct arena *a;
};

static struct dkim_outcome try_key(const struct proof *p, const struct dkim_public *public)
{
	struct dkim_outcome o;
	uint8_t hash[DKIM_HASH];

	if (p->body && !is_body(p->s, p->body, p->a, &o))
		return o;
	if (!dkim_sha256(p->input, hash))
		return outcome(DKIM_TEMPERROR, S("no memory"));
	if (!dkim_public_verify(public, hash, p->s->b))
		return outcome(DKIM_FAIL, S("the signature is not right"));
	o = outcome(DKIM_PASS, S(""));
	o.is_proved = true;
	return o;
}

/* What a key record says.  public NULL: it cannot be used, and why; own.bits says how large it is. */
struct record {
	struct dkim_key key;
	const struct dkim_public *public;
	struct dkim_public own;
	const char *no;
	struct err why;
};

static void record_close(struct record *r)
{
	dkim_public_close(&r->own);
}

/* False: it is no key record. */
static bool record_open(const struct proof *p, struct str text, struct record *r, struct err *e)
{
	const struct dkim_public *found = p->ring ? dkim_keyring_find(p->ring, text, &r->key) : NULL;

	if (!found && !dkim_key_parse(text, p->a, &r->key, e))
		return false;
	r->no = key_objection(p->s, &r->key);
	if (r->no)
		return true;
	if (!found && dkim_public_open(&r->key, &r->own, &r->why))
		found = p->ring ? dkim_keyring_keep(p->ring, text, &r->key, &r->own) : &r->own;
	r->public = found;
	return true;
}

static struct dkim_outcome try_record(const struct proof *p, struct str text)
{
	AUTO(record_close) struct record r = { 0 };
	struct dkim_outcome o;
	struct err e = { 0 };

	if (!record_open(p, text, &r, &e)) {
		fail_in(&e, "key record");
		if (e.fault == FAULT_PEER)
			e.fault = FAULT_PERM;
		return dkim_outcome_of(&e, p->a);
	}
	if (r.no) {
		o = outcome(DKIM_PERMERROR, str_from_z(r.no));
	} else if (!r.public) {
		/* a size that is not believed is our choice, all else the record's fault */
		o = dkim_outcome_of(&r.why, p->a);
		if (r.why.fault != FAULT_TEMP)
			o.result = r.why.fault == FAULT_PERM && r.own.bits ? DKIM_POLICY : DKIM_PERMERROR;
	} else {
		o = try_key(p, r.public);
	}
	o.bits = r.public ? r.public->bits : r.own.bits;
	o.is_testing = r.key.is_testing;
	return o;
}

SUSPENDS static bool ask_key(const struct dkim_signature *s, const struct trust_dns *dns, struct arena *a,
		    struct trust_texts *ret, struct err *e)
{
	struct str name = arena_printf(a, STR_FMT "._domainkey." STR_FMT, STR_ARG(s->selector), STR_ARG(s->domain));

	*ret = (struct trust_texts){ .outcome = DNS_TEMP };
	return name.n == 0 || trust_ask_txt(dns, name, a, ret, e);
}

SUSPENDS bool dkim_prove(struct dkim_letter *l, const struct dkim_signature *s, const struct buf *input,
			 const struct dkim_hash *body, const struct trust_dns *dns, struct dkim_outcome *ret, struct err *e)
{
	struct proof proof = { .s = s, .body = body, .input = buf_str(input), .ring = l->ring, .a = l->arena };
	struct trust_texts texts;

	*ret = outcome(DKIM_TEMPERROR, S("no memory"));
	if (input->full)
		return true;
	if (!ask_key(s, dns, l->arena, &texts, e))
		return false;
	if (texts.outcome == DNS_TEMP || texts.outcome == DNS_BOGUS)
		*ret = outcome(DKIM_TEMPERROR, texts.outcome == DNS_TEMP ? S("the key cannot be had now") :
									   S("DNSSEC says the key is forged"));
	else
		*ret = outcome(DKIM_PERMERROR, S("there is no such key"));
	/* several records are an error of the domain; one of them may be the one (§6.1.2) */
	for (size_t i = 0; i < texts.n && i < DKIM_KEYS_MAX && ret->result != DKIM_PASS; i++) {
		struct dkim_outcome o = try_record(&proof, texts.p[i]);

		if (i == 0 || o.result == DKIM_PASS || (ret->bits == 0 && o.bits))
			*ret = o;
	}
	return true;
}
