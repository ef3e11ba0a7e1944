/* header_sender.c — see header_sender.h. */
#include "trust/header_sender.h"

#include "base/buf.h"
#include "fiber/fiber.h"
#include "trust/sender_domain.h"
#include "wire/address.h"
#include "wire/header.h"
#include "wire/mail_address.h"

enum { FIELD_MEMORY = 256 * 1024, ADDRESSES_MAX = 100, WHY_MAX = 600 };
#define ALL_WITHIN (15 * SECOND)

struct search {
	const struct trust_dns *dns;
	struct arena *a;
	struct header_sender *ret;
	const char *field;
	unsigned addresses, domains;
	bool is_found;           /* one that is good */
	bool is_unsure;          /* one could not be asked for */
};

/* The first that is bad is quoted, as ASCII: it may stand in a reply. */
static void complain(struct search *s, const struct mail_address *m, struct str what)
{
	char mem[WHY_MAX];
	struct buf b = buf_over(mem, sizeof(mem));
	bool has_at = m->domain.n;
	struct str piece = arena_printf(s->a, STR_FMT "%s" STR_FMT, STR_ARG(m->mailbox), has_at ? "@" : "", STR_ARG(m->domain));

	if (s->ret->why.n)
		return;
	buf_addf(&b, "%s: \"", s->field);
	for (size_t i = 0; i < piece.n && i < HEADER_SENDER_QUOTED_MAX; i++)
		buf_add_char(&b, str_at(piece, i) < ' ' || str_at(piece, i) >= 0x7f || str_at(piece, i) == '"' ? '?' : piece.p[i]);
	buf_addf(&b, "%s\": " STR_FMT, piece.n > HEADER_SENDER_QUOTED_MAX ? "..." : "", STR_ARG(str_head(what, 300)));
	s->ret->piece = piece;
	s->ret->why = arena_str(s->a, buf_str(&b));
}

/* Is it written as an address?  *ret is its domain as the DNS has it. */
static bool is_address(struct search *s, const struct mail_address *m, struct str *ret)
{
	const char *wrong = m->is_broken || m->has_rest || m->route.n || !m->mailbox.n || !m->domain.n ? "it is no address"
			    : str_at(m->domain, 0) == '['                       ? "it has no domain"
			    : !address_domain_fold(m->domain, s->a, ret)        ? "its domain is no domain"
										: NULL;

	if (wrong)
		complain(s, m, str_from_z(wrong));
	return !wrong;
}

SUSPENDS static bool look_at(struct search *s, const struct mail_address *m, struct err *e)
{
	struct sender_domain r = { 0 };
	struct str domain;

	if (m->kind != MAIL_MAILBOX || s->addresses++ >= ADDRESSES_MAX || !is_address(s, m, &domain) ||
	    s->domains++ >= HEADER_SENDER_DOMAINS_MAX)
		return true;
	if (!sender_domain_check(s->dns, domain, s->a, &r, e))
		return false;
	s->is_unsure |= r.result == SENDER_DOMAIN_TEMP;
	s->is_found = r.result == SENDER_DOMAIN_GOOD;
	if (s->is_found)
		s->ret->piece = arena_printf(s->a, STR_FMT "@" STR_FMT, STR_ARG(m->mailbox), STR_ARG(domain));
	else
		complain(s, m, r.why);
	return true;
}

SUSPENDS static bool look_in(struct search *s, struct str value, struct err *e)
{
	AUTO(arena_end) struct arena scratch = { .limit = FIELD_MEMORY };
	struct mail_address *list = NULL;
	size_t count = 0;

	mail_address_parse(value, &scratch, &list, &count);     /* what does not fit is left out */
	for (; list && !s->is_found; list = list->next)
		if (!look_at(s, list, e))
			return false;
	return true;
}

SUSPENDS static bool look(struct search *s, struct str head, struct err *e)
{
	static const char *const fields[] = { "From", "Sender", "Reply-To" };

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct header h = header_of(head);
		struct field f;

		s->field = fields[i];
		while (!s->is_found && header_next(&h, &f))
			if (str_eq_nocase(f.name, str_from_z(fields[i])) && !look_in(s, f.value, e))
				return false;
	}
	return true;
}

bool header_sender_check(const struct trust_dns *dns, struct str head, struct arena *a, struct header_sender *ret,
			 struct err *e)
{
	struct header_sender r = { .result = HEADER_SENDER_BAD };
	struct search s = { .dns = dns, .a = a, .ret = &r };
	struct err why = { 0 };
	bool ok = false;

	WITHIN(ALL_WITHIN)
		ok = look(&s, head, &why);
	if (!ok && !trust_is_late(&why, e))
		return false;
	if (s.is_found)
		r = (struct header_sender){ HEADER_SENDER_GOOD, r.piece, S("") };
	else if (!ok || s.is_unsure)
		r.result = HEADER_SENDER_TEMP;
	if (!s.is_found && !r.why.n)
		r.why = ok ? S("there is no address in From, Sender or Reply-To") : S("the domains could not be asked for in time");
	*ret = r;
	return true;
}
