/* dmarc_meaning.c — see dmarc_meaning.h.  The questions are asked in this order: what passed, is the address ours, whose
 * signature was it. */
#include "trust/dmarc_meaning.h"

enum { TEXT_MAX = 255 };

/* Is it a name of the same house: the domain, above or below it? */
static bool is_of(struct str name, struct str domain)
{
	struct str longer = name.n > domain.n ? name : domain, shorter = name.n > domain.n ? domain : name;

	return shorter.n && str_has(shorter, '.') && str_ends(longer, shorter) &&
	       (longer.n == shorter.n || str_at(longer, longer.n - shorter.n - 1) == '.');
}

static bool is_pass(struct str result)
{
	return str_eq(result, S("pass"));
}

/* A signature of the domain did not pass: is that for want of a key? (RFC 6376 §3.9: PERMFAIL, TEMPFAIL) */
static bool lacks_key(struct str result)
{
	return str_eq(result, S("permerror")) || str_eq(result, S("temperror")) || str_eq(result, S("neutral"));
}

static bool says_passed_on(struct str reason)
{
	return str_eq(reason, S("forwarded")) || str_eq(reason, S("mailing_list")) || str_eq(reason, S("trusted_forwarder"));
}

static enum dmarc_meaning signed_only(const struct dmarc_facts *f)
{
	if (!f->is_our_address)
		return MEANS_FORWARDED;
	return f->spf_domain.n && !is_of(f->spf_domain, f->domain) ? MEANS_RETURN_ELSEWHERE : MEANS_NOT_IN_SPF;
}

static enum dmarc_meaning spf_only(const struct dmarc_facts *f)
{
	if (!is_of(f->dkim_domain, f->domain) || !f->dkim_result.n || str_eq(f->dkim_result, S("none")))
		return MEANS_UNSIGNED;
	return lacks_key(f->dkim_result) ? MEANS_NO_KEY : MEANS_BROKEN_SIGNATURE;
}

static enum dmarc_meaning nothing_passed(const struct dmarc_facts *f)
{
	bool is_our_signature = is_of(f->dkim_domain, f->domain) && f->dkim_result.n && !str_eq(f->dkim_result, S("none"));

	if (is_our_signature && lacks_key(f->dkim_result))
		return MEANS_NO_KEY;
	if (f->is_our_address)
		return is_our_signature ? MEANS_BROKEN_SIGNATURE : MEANS_OURS_UNPROVEN;
	if (is_our_signature || says_passed_on(f->reason))
		return MEANS_CHANGED;
	if ((is_pass(f->dkim_result) && f->dkim_domain.n) || (is_pass(f->spf_result) && f->spf_domain.n))
		return MEANS_SERVICE;
	return MEANS_FORGED;
}

enum dmarc_meaning dmarc_meaning_of(const struct dmarc_facts *f)
{
	if (f->is_dkim_aligned && f->is_spf_aligned)
		return f->is_our_address ? MEANS_WELL : MEANS_ANOTHER_OF_OURS;
	if (f->is_dkim_aligned)
		return signed_only(f);
	return f->is_spf_aligned ? spf_only(f) : nothing_passed(f);
}

static const struct {
	const char *word, *sentence;     /* %d domain, %s selector, %k signer, %m domain of MAIL FROM, %o who it proves to be */
} meanings[DMARC_MEANINGS] = {
	[MEANS_WELL] = { "well", "This server, and all is well." },
	[MEANS_ANOTHER_OF_OURS] = { "another-of-yours", "SPF and a key of yours allow it: another server of yours, a service that sends for "
		"you, or this server under an address it had then." },
	[MEANS_FORWARDED] = { "forwarded", "Forwarded: your signature is whole, and another server passed the letter on.  Nothing to do." },
	[MEANS_NOT_IN_SPF] = { "not-in-spf", "This server, properly signed, but the SPF record of %m does not name this address: add it "
		"(waxwing dns records %d)." },
	[MEANS_RETURN_ELSEWHERE] = { "return-path-elsewhere", "This server, properly signed; the return path is of %m, so that SPF cannot speak "
		"for %d.  Nothing to do." },
	[MEANS_UNSIGNED] = { "unsigned", "SPF allows it, but there is no signature of %d: whoever sends from there should sign, or letters "
		"that are forwarded will be refused." },
	[MEANS_NO_KEY] = { "key-not-published", "It was signed, but the key could not be had: %s._domainkey.%k is not published, or cannot be "
		"read (waxwing dns check %d)." },
	[MEANS_BROKEN_SIGNATURE] = { "broken-signature", "The signature of %k (selector %s) did not fit: the published key is another one, or "
		"something behind the signer changes letters (a scanner, a footer)." },
	[MEANS_CHANGED] = { "changed-on-the-way", "Probably a mailing list or a forwarder that changed the letter: it bore your signature or the "
		"receiver says so.  A few are normal." },
	[MEANS_OURS_UNPROVEN] = { "ours-unproven", "This server, and nothing proved it: publish its SPF record and keys (waxwing dns records %d)." },
	[MEANS_SERVICE] = { "somebody-else", "It proves to be %o, and writes in your name: a service of yours (let it sign as %d), a mailing list, "
		"or a forger with a domain of his own." },
	[MEANS_FORGED] = { "forged", "Nothing proves that it was you: probably a forger, or a machine of yours that sends by itself." },
};

const char *dmarc_meaning_word(enum dmarc_meaning m)
{
	return m < DMARC_MEANINGS ? meanings[m].word : "?";
}

static struct str value_of(char c, const struct dmarc_facts *f)
{
	switch (c) {
	case 'd': return f->domain;
	case 's': return f->dkim_selector.n ? f->dkim_selector : S("?");
	case 'k': return f->dkim_domain.n ? f->dkim_domain : f->domain;
	case 'm': return f->spf_domain.n ? f->spf_domain : f->domain;
	case 'o': return is_pass(f->dkim_result) && f->dkim_domain.n ? f->dkim_domain : f->spf_domain;
	default: return S("");
	}
}

void dmarc_meaning_tell(enum dmarc_meaning m, const struct dmarc_facts *f, struct buf *b)
{
	const char *p = m < DMARC_MEANINGS ? meanings[m].sentence : "";

	for (; *p; p++) {
		if (*p == '%' && p[1])
			buf_add_printable(b, value_of(*++p, f), TEXT_MAX);
		else
			buf_add_char(b, *p);
	}
}
