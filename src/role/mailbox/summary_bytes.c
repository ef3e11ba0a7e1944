/* summary_bytes.c — a letter's facts and header as the cache has them; see summaries.h.
 *
 * Layout of the facts, in the machine's byte order: struct fixed, then n_references × 8 octets, then the
 * texts.  It is a cache of this machine. */
#include "role/mailbox/summaries.h"

#include "base/buf.h"
#include "wire/header.h"

enum { TEXTS = 7, BASE = 1, TEXT_MOST = 4096, APART = UINT16_MAX };

struct fixed {
	uint64_t message_id_hash, crlf_size;
	int64_t utc;
	int32_t local_day;
	uint16_t n_references;
	uint8_t is_reply, has_date;
	uint16_t lengths[TEXTS];
	uint16_t base_at;                /* of the base subject in the subject; APART: it stands behind it */
};

static const size_t offsets[TEXTS] = {
	offsetof(struct letter_summary, subject),
	[BASE] = offsetof(struct letter_summary, base_subject),
	offsetof(struct letter_summary, from),
	offsetof(struct letter_summary, to),
	offsetof(struct letter_summary, cc),
	offsetof(struct letter_summary, display_from),
	offsetof(struct letter_summary, display_to),
};

static struct str *text_of(struct letter_summary *s, size_t i)
{
	return (struct str *)(void *)((char *)s + offsets[i]);
}

/* Mostly the one ends in the other. */
static uint16_t base_place(const struct letter_summary *s)
{
	size_t n = s->base_subject.n, at = s->subject.n - n;

	if (n <= s->subject.n && at < APART && str_eq(str_from(s->subject, at), s->base_subject))
		return (uint16_t)at;
	return APART;
}

void summary_print(const struct letter_summary *from, struct buf *b)
{
	struct letter_summary s = *from;
	struct fixed f = { .message_id_hash = s.message_id_hash, .crlf_size = s.crlf_size, .utc = s.date.utc,
			   .local_day = s.date.local_day, .n_references = (uint16_t)s.n_references,
			   .is_reply = s.is_reply, .has_date = s.has_date };

	_Static_assert(SUMMARY_REFERENCES_MAX <= UINT16_MAX, "their number fits");
	_Static_assert(sizeof(struct fixed) == 48, "no octet of it is left to chance");
	for (size_t i = 0; i < TEXTS; i++) {
		/* the subject is whole: it is searched */
		*text_of(&s, i) = str_head(*text_of(&s, i), i ? TEXT_MOST : APART - 1);
		f.lengths[i] = (uint16_t)text_of(&s, i)->n;
	}
	f.base_at = base_place(&s);
	buf_add(b, str_of(&f, sizeof(f)));
	buf_add(b, str_of(s.references, s.n_references * sizeof(*s.references)));
	for (size_t i = 0; i < TEXTS; i++)
		if (i != BASE || f.base_at == APART)
			buf_add(b, *text_of(&s, i));
}

/* False: shorter or longer than it says. */
static bool fixed_read(struct str facts, struct fixed *ret, size_t *ret_texts)
{
	size_t n;

	if (facts.n < sizeof(*ret))
		return false;
	memcpy(ret, facts.p, sizeof(*ret));
	n = sizeof(*ret) + ret->n_references * sizeof(uint64_t);
	*ret_texts = n;
	for (size_t i = 0; i < TEXTS; i++)
		n += i != BASE || ret->base_at == APART ? ret->lengths[i] : 0;
	return n == facts.n &&
	       (ret->base_at == APART || ret->base_at + ret->lengths[BASE] <= ret->lengths[0]);
}

bool summary_parse(struct str facts, struct arena *a, struct letter_summary *ret)
{
	struct letter_summary s = { 0 };
	struct fixed f;
	size_t at;

	if (!fixed_read(facts, &f, &at))
		return false;
	s.references = ARENA_ARRAY(a, uint64_t, f.n_references ? f.n_references : 1);
	if (!s.references)
		return false;
	s.n_references = f.n_references;
	if (s.n_references)
		memcpy(s.references, facts.p + sizeof(f), s.n_references * sizeof(*s.references));
	s.message_id_hash = f.message_id_hash;
	s.crlf_size = f.crlf_size;
	s.date = (struct mail_date){ .utc = f.utc, .local_day = f.local_day };
	s.is_reply = f.is_reply != 0;
	s.has_date = f.has_date != 0;
	for (size_t i = 0; i < TEXTS; i++) {
		if (i == BASE && f.base_at != APART) {
			s.base_subject = str_sub(s.subject, f.base_at, f.lengths[i]);
			continue;
		}
		*text_of(&s, i) = str_sub(facts, at, f.lengths[i]);
		at += f.lengths[i];
	}
	*ret = s;
	return true;
}

/* -- headers ---------------------------------------------------------------- */

bool kept_header_lacks(struct str field)
{
	static const struct str names[] = { S("Received"), S("DKIM-Signature"), S("Authentication-Results"),
					    S("Received-SPF"), S("DomainKey-Signature"), S("X-Received") };
	static const struct str beginnings[] = { S("ARC-"), S("X-MS-"), S("X-Google-"), S("X-Microsoft-"),
						 S("X-Forefront-"), S("X-Gm-") };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(field, names[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
		if (str_eq_nocase(str_head(field, beginnings[i].n), beginnings[i]))
			return true;
	return false;
}

void kept_header_print(struct str header, struct buf *b)
{
	struct header h = header_of(header);
	struct field f;

	h.is_lenient = true;
	while (header_next(&h, &f)) {
		struct str whole = str_sub(header, f.at, f.n);

		if (kept_header_lacks(f.name))
			continue;
		buf_add(b, whole);
		if (str_at(whole, whole.n - 1) != '\n')
			buf_add_char(b, '\n');
	}
	buf_add_char(b, '\n');
}
