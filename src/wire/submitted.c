/* submitted.c — see submitted.h. */
#include "wire/submitted.h"

#include "base/time.h"
#include "wire/address.h"
#include "wire/mail_address.h"

struct reading {
	struct submitted *s;
	struct arena *a;
};

static bool is_blank(struct str value)
{
	return str_trim(value).n == 0;
}

static void cut_field(struct reading *r, struct cut *list, size_t *n, const struct field *f)
{
	if (*n == SUBMITTED_CUTS_MAX)
		r->s->is_too_big = true;
	else
		list[(*n)++] = (struct cut){ f->at, f->n };
}

/* -- From ------------------------------------------------------------------ */

static void add_author(struct reading *r, const struct mail_address *m)
{
	struct buf b = buf_on_heap(LOCAL_MAX * 2 + DOMAIN_MAX * 4);

	if (r->s->n_authors == SUBMITTED_AUTHORS_MAX) {
		r->s->is_too_big = true;
		return;
	}
	if (m->domain.n)
		smtp_path_add(&b, m->mailbox, m->domain);
	else
		buf_add(&b, m->mailbox);
	/* what does not fit is nobody's address */
	r->s->authors[r->s->n_authors++] = b.full || !b.n ? S("?") : arena_str(r->a, buf_str(&b));
	buf_end(&b);
}

/* One name without a domain is completed: nobody elsewhere could answer it. */
static bool is_name_alone(const struct mail_address *m)
{
	if (!m || m->next || m->kind != MAIL_MAILBOX || m->domain.n || !m->mailbox.n)
		return false;
	for (size_t i = 0; i < m->mailbox.n; i++)
		if (!ascii_is_alnum(str_at(m->mailbox, i)) && !str_has(S("._-"), m->mailbox.p[i]))
			return false;
	return true;
}

static void read_from(struct reading *r, const struct field *f)
{
	struct mail_address *first = NULL, **tail = &first;
	size_t count = 0, n_before = r->s->n_authors;

	mail_address_parse(f->value, r->a, tail, &count);
	for (const struct mail_address *m = first; m; m = m->next)
		if (m->kind == MAIL_MAILBOX)
			add_author(r, m);
	if (count >= MAIL_ADDRESS_MAX)
		r->s->is_too_big = true;
	if (r->s->n_authors == n_before) {       /* "<>" */
		cut_field(r, r->s->cuts, &r->s->n_cuts, f);
		return;
	}
	if (!r->s->has_from && is_name_alone(first)) {
		r->s->name = first->mailbox;
		r->s->display = first->name;
		cut_field(r, r->s->cuts, &r->s->n_cuts, f);
	}
	r->s->has_from = true;
}

/* -- the header ------------------------------------------------------------ */

static void read_field(struct reading *r, const struct field *f)
{
	static const struct {
		struct str name;
		size_t has;      /* a bool of struct submitted */
	} needed[] = {
		{ S("From"), offsetof(struct submitted, has_from) },
		{ S("Date"), offsetof(struct submitted, has_date) },
		{ S("Message-ID"), offsetof(struct submitted, has_message_id) },
		{ S("To"), offsetof(struct submitted, has_to) },
		{ S("Cc"), offsetof(struct submitted, has_to) },
	};

	if (str_eq_nocase(f->name, S("Bcc")) || str_eq_nocase(f->name, S("Resent-Bcc"))) {
		cut_field(r, r->s->blind, &r->s->n_blind, f);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!str_eq_nocase(f->name, needed[i].name))
			continue;
		if (is_blank(f->value))
			cut_field(r, r->s->cuts, &r->s->n_cuts, f);
		else if (i == 0)
			read_from(r, f);
		else
			*(bool *)((char *)r->s + needed[i].has) = true;
		return;
	}
}

/* Does the first line begin a header, or end it? */
static bool begins_with_text(struct str letter)
{
	struct header h = header_of(letter);
	struct field f;

	return letter.n && !header_next(&h, &f) && !h.is_over && !str_starts(letter, S("\r\n")) &&
	       !str_starts(letter, S("\n"));
}

/* "From nad Sun Nov 22 …": what a mailbox in one file has between letters.  "From : nad" is a field. */
static void cut_mbox_line(struct reading *r, struct str letter)
{
	struct str line = str_head(letter, str_find(letter, '\n') + 1);

	if (str_starts(line, S("From ")) && str_at(str_trim(str_from(line, 5)), 0) != ':')
		cut_field(r, r->s->cuts, &r->s->n_cuts, &(struct field){ .n = line.n });
}

bool submitted_read(struct str letter, struct arena *a, struct submitted *ret)
{
	struct submitted s = { .authors = ARENA_ARRAY(a, struct str, SUBMITTED_AUTHORS_MAX),
			       .cuts = ARENA_ARRAY(a, struct cut, SUBMITTED_CUTS_MAX),
			       .blind = ARENA_ARRAY(a, struct cut, SUBMITTED_CUTS_MAX) };
	struct reading r = { &s, a };
	struct header h = header_of(letter);
	struct field f;

	if (a->full)
		return false;
	s.has_no_header = begins_with_text(letter);
	h.is_lenient = true;     /* who must not be named is not named behind a broken line either */
	cut_mbox_line(&r, letter);
	while (!s.has_no_header && header_next(&h, &f))
		read_field(&r, &f);
	if (a->full)
		return false;
	*ret = s;
	return true;
}

/* -- what is missing ------------------------------------------------------- */

/* Only what needs no quoting nor encoding of ours. */
static bool is_plain(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alnum(str_at(name, i)) && !str_has(S(" ._-'"), name.p[i]))
			return false;
	return name.n && name.n <= 100;
}

static void add_from(struct buf *b, const struct submitted *s, const struct submitted_facts *f)
{
	buf_add(b, S("From: "));
	if (s->name.n && is_plain(s->display))
		buf_addf(b, "\"" STR_FMT "\" ", STR_ARG(s->display));
	if (s->name.n)
		buf_addf(b, "<" STR_FMT "@" STR_FMT ">\r\n", STR_ARG(s->name), STR_ARG(f->hostname));
	else if (f->from.n)
		buf_addf(b, "<" STR_FMT ">\r\n", STR_ARG(f->from));
	else
		buf_addf(b, "<postmaster@" STR_FMT ">\r\n", STR_ARG(f->hostname));
}

void submitted_add(struct buf *b, const struct submitted *s, const struct submitted_facts *f)
{
	if (!s->has_from || s->name.n)
		add_from(b, s, f);
	if (!s->has_to)
		buf_add(b, S("To: undisclosed-recipients:;\r\n"));
	if (!s->has_date) {
		buf_add(b, S("Date: "));
		time_add_rfc5322(b, f->when);
		buf_add(b, S("\r\n"));
	}
	if (!s->has_message_id)
		buf_addf(b, "Message-ID: <" STR_FMT "@" STR_FMT ">\r\n", STR_ARG(f->id), STR_ARG(f->hostname));
	if (s->has_no_header)
		buf_add(b, S("\r\n"));
}
