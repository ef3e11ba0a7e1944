/* thread_subject.c — what SORT and THREAD compare; see thread_subject.h. */
#include "wire/thread_subject.h"

#include "base/map.h"
#include "wire/cfws.h"

/* subj-blob = "[" *BLOBCHAR "]" *WSP; gives its length, 0 if there is none. */
static size_t blob_length(struct str s)
{
	size_t n = 1;

	if (str_at(s, 0) != '[')
		return 0;
	while (n < s.n && s.p[n] != '[' && s.p[n] != ']')
		n++;
	if (str_at(s, n) != ']')
		return 0;
	n++;
	while (str_at(s, n) == ' ')
		n++;
	return n;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static size_t refwd_length(struct str s)
{
	size_t n;

	if (str_starts_nocase(s, S("re")))
		n = 2;
	else if (str_starts_nocase(s, S("fwd")))
		n = 3;
	else if (str_starts_nocase(s, S("fw")))
		n = 2;
	else
		return 0;
	while (str_at(s, n) == ' ')
		n++;
	n += blob_length(str_from(s, n));
	return str_at(s, n) == ':' ? n + 1 : 0;
}

/* subj-leader = (*subj-blob subj-refwd) / WSP */
static size_t leader_length(struct str s)
{
	size_t n = 0, blob, refwd;

	if (str_at(s, 0) == ' ')
		return 1;
	while ((blob = blob_length(str_from(s, n))))
		n += blob;
	refwd = refwd_length(str_from(s, n));
	return refwd ? n + refwd : 0;
}

/* Step 1: blanks as one space; the decoded text has no other white space. */
static struct str squeeze(struct str s, struct arena *a)
{
	char *p;
	size_t n = 0;

	if (str_find_str(s, S("  ")) == s.n)
		return s;
	p = arena_alloc(a, s.n, 1);
	if (!p)
		return (struct str){ 0 };
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ' || str_at(s, i + 1) != ' ')
			p[n++] = s.p[i];
	return str_of(p, n);
}

/* Steps 2 to 5. */
static struct str strip(struct str s, bool *is_reply)
{
	size_t n;

	for (;;) {
		if (str_ends_nocase(s, S("(fwd)"))) {
			s.n -= 5;
			*is_reply = true;
		} else if (s.n && s.p[s.n - 1] == ' ') {
			s.n--;
		} else {
			break;
		}
	}
	for (;;) {
		if ((n = leader_length(s))) {
			*is_reply |= s.p[0] != ' ';
			s = str_from(s, n);
		} else if ((n = blob_length(s)) && n < s.n) {
			s = str_from(s, n);
		} else {
			return s;
		}
	}
}

struct str thread_base_subject(struct str decoded, struct arena *a, bool *ret_is_reply)
{
	struct str s = squeeze(str_head(decoded, THREAD_SUBJECT_MAX), a);

	*ret_is_reply = false;
	for (;;) {
		s = strip(s, ret_is_reply);
		if (!str_starts_nocase(s, S("[fwd:")) || !str_ends(s, S("]")))
			return s;
		s = str_sub(s, 5, s.n - 6);
		*ret_is_reply = true;
	}
}

struct str thread_id_next(struct str *raw, struct arena *a)
{
	while (raw->n) {
		struct str in;
		size_t begin, end, n = 0;
		char *p;

		cfws_find(raw, '<');
		*raw = str_from(*raw, 1);
		end = str_find(*raw, '>');
		if (end == raw->n)
			break;
		in = str_head(*raw, end);
		/* "<a <b@c>": what was not closed is none */
		begin = str_rfind(in, '<');
		in = str_from(in, begin < in.n ? begin + 1 : 0);
		*raw = str_from(*raw, end + 1);
		p = arena_alloc(a, in.n, 1);
		if (!p)
			break;
		for (size_t i = 0; i < in.n; i++)
			if (!is_cfws_space(str_at(in, i)) && in.p[i] != '"' && in.p[i] != '\\')
				p[n++] = in.p[i];
		if (n)
			return str_of(p, n);
	}
	*raw = str_from(*raw, raw->n);
	return (struct str){ 0 };
}

uint64_t thread_id_hash(struct str id)
{
	/* the numbers are kept on disk, so the key is no secret: who makes two ids collide only joins
	 * two conversations */
	static const uint64_t key[2] = { UINT64_C(0x7761787769676e67), UINT64_C(0x7468726561642121) };
	uint64_t h = siphash13(key, id);

	return h ? h : 1;
}
