/* dmarc_from.c — whom a letter is from (RFC 7489 §6.6.1); see dmarc.h.
 *
 * Programs differ in what they show of a header that is not well-formed.  So all that any of them might take for a
 * From counts, and only what all of them read the same way has a domain. */
#include "trust/dmarc.h"

#include "wire/address.h"
#include "wire/header.h"
#include "wire/mail_address.h"

const char *dmarc_from_why(enum dmarc_from f)
{
	static const char *const why[] = {
		[DMARC_FROM_ONE] = "one author",
		[DMARC_FROM_NONE] = "the letter has no From",
		[DMARC_FROM_FIELDS] = "the letter has more than one From, or a line that looks like one",
		[DMARC_FROM_DOMAINS] = "the addresses in From are of several domains",
		[DMARC_FROM_BROKEN] = "something in From is no address with a domain",
	};

	return (unsigned)f < ARRAY_LEN(why) ? why[f] : "?";
}

static struct str skip_space(struct str s)
{
	while (str_at(s, 0) == ' ' || str_at(s, 0) == '\t')
		s = str_from(s, 1);
	return s;
}

/* "From:", "From :", " From:" on top, and "From" alone, which a folded colon may follow. */
static bool looks_like_from(struct str line)
{
	struct str rest = skip_space(line);

	if (!str_starts_nocase(rest, S("from")))
		return false;
	rest = skip_space(str_from(rest, 4));
	return str_at(rest, 0) == ':' || rest.n == 0 || str_at(rest, 0) == '\r';
}

/* Lines of the header that some program may read as From.  Folded lines belong to the field above them. */
static size_t count_from(struct str header)
{
	size_t count = 0;

	for (bool is_first = true; header.n; is_first = false) {
		struct str line = str_cut(header, '\n', &header);
		bool is_folded = str_at(line, 0) == ' ' || str_at(line, 0) == '\t';

		if (line.n == 0 || str_eq(line, S("\r")))
			break;
		if (is_first || !is_folded)
			count += looks_like_from(line);
	}
	return count;
}

static enum dmarc_from add_domain(const struct mail_address *m, struct arena *a, struct str *domain)
{
	struct str folded;

	if (m->is_broken || m->has_rest || m->route.n || !address_domain_fold(m->domain, a, &folded))
		return DMARC_FROM_BROKEN;
	if (domain->n && !str_eq(*domain, folded))
		return DMARC_FROM_DOMAINS;
	*domain = folded;
	return DMARC_FROM_ONE;
}

static enum dmarc_from domain_of(struct str value, struct arena *a, struct str *ret)
{
	struct mail_address *first = NULL;
	struct str domain = { 0 };
	size_t count = 0;

	mail_address_parse(value, a, &first, &count);
	for (const struct mail_address *m = first; m; m = m->next) {
		enum dmarc_from f = m->kind == MAIL_MAILBOX ? add_domain(m, a, &domain) : DMARC_FROM_ONE;

		if (f != DMARC_FROM_ONE)
			return f;
	}
	if (!domain.n || a->full || count >= MAIL_ADDRESS_MAX)
		return DMARC_FROM_BROKEN;
	*ret = domain;
	return DMARC_FROM_ONE;
}

enum dmarc_from dmarc_from_read(struct str header, struct arena *a, struct str *ret)
{
	size_t count = count_from(header);
	struct header h = header_of(header);
	struct field f;

	if (count != 1)
		return count ? DMARC_FROM_FIELDS : DMARC_FROM_NONE;
	h.is_lenient = true;
	while (header_next(&h, &f))
		if (str_eq_nocase(f.name, S("From")))
			return domain_of(f.value, a, ret);
	return DMARC_FROM_BROKEN;
}
