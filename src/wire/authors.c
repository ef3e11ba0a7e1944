/* authors.c — From, Sender and Reply-To; see authors.h. */
#include "wire/authors.h"

#include "wire/header.h"
#include "wire/mail_address.h"

enum { FIELD_MEMORY = 256 * 1024 };

struct reading {
	struct arena *a;
	struct str *list;
	size_t n, bytes;
};

static void take(struct reading *r, const struct mail_address *m)
{
	struct str s;

	if (m->kind != MAIL_MAILBOX || r->n == AUTHORS_MAX || (!m->domain.n && !str_has(m->mailbox, '@')))
		return;
	if (r->bytes + m->mailbox.n + m->domain.n + 1 > AUTHORS_BYTES_MAX)
		return;
	/* what is no address by any grammar stands in `mailbox` as it came */
	s = m->domain.n ? arena_printf(r->a, STR_FMT "@" STR_FMT, STR_ARG(m->mailbox), STR_ARG(m->domain)) :
	    arena_str(r->a, m->mailbox);
	r->list[r->n++] = s;
	r->bytes += s.n;
}

static void take_field(struct reading *r, struct str value)
{
	AUTO(arena_end) struct arena scratch = { .limit = FIELD_MEMORY };
	struct mail_address *list = NULL;
	size_t count = 0;

	mail_address_parse(value, &scratch, &list, &count);     /* what does not fit is left out */
	for (; list; list = list->next)
		take(r, list);
}

bool authors_read(struct str letter, struct arena *a, struct str **ret, size_t *ret_n)
{
	struct reading r = { .a = a, .list = ARENA_ARRAY(a, struct str, AUTHORS_MAX) };
	struct header h = header_of(letter);
	struct field f;

	while (r.list && header_next(&h, &f))
		if (str_eq_nocase(f.name, S("From")) || str_eq_nocase(f.name, S("Sender")) ||
		    str_eq_nocase(f.name, S("Reply-To")))
			take_field(&r, f.value);
	*ret = r.list;
	*ret_n = r.n;
	return r.list && !a->full;
}
