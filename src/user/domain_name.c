/* domain_name.c — folded domains and local parts; see domain_name.h. */
#include "user/domain_name.h"

#include <idn2.h>
#include <stdlib.h>

static bool is_label_char(int c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) >= 0x80)
			return false;
	return true;
}

static size_t count_dots(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '.';
	return n;
}

static void free_z(char **z)
{
	idn2_free(*z);
}

/* label *("." label), each 1…63 letters, digits, "-" and "_"   RFC 1035 §2.3.1, widened */
static bool check_labels(struct str s, struct err *e)
{
	struct str rest = s;

	if (s.n == 0)
		return fail(e, FAULT_PERM, "the domain is empty");
	if (s.n > DOMAIN_NAME_MAX)
		return fail(e, FAULT_PERM, "the domain is longer than %d bytes", DOMAIN_NAME_MAX);
	if (str_ends(s, S(".")))
		return fail(e, FAULT_PERM, "the domain ends with a dot");
	while (rest.n) {
		struct str label = str_cut(rest, '.', &rest);

		if (label.n == 0 || label.n > DOMAIN_LABEL_MAX)
			return fail(e, FAULT_PERM, "a part of the domain is empty or too long");
		for (size_t i = 0; i < label.n; i++)
			if (!is_label_char(str_at(label, i)))
				return fail(e, FAULT_PERM,
					    "the domain has a character it may not have");
		if (str_at(label, 0) == '-' || str_at(label, label.n - 1) == '-')
			return fail(e, FAULT_PERM,
				    "a part of the domain begins or ends with \"-\"");
	}
	return true;
}

static bool fold_unicode(struct str s, struct arena *a, struct str *ret, struct err *e)
{
	AUTO(free_z) char *out = NULL;
	struct str folded;
	char *z;
	int rc;

	if (s.n > 4 * DOMAIN_NAME_MAX)
		return fail(e, FAULT_PERM, "the domain is longer than %d bytes", DOMAIN_NAME_MAX);
	z = str_z(a, s);
	if (!z)
		return fail(e, FAULT_PERM, "the domain has a NUL or is too long");
	rc = idn2_to_ascii_8z(z, &out, IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES);
	if (rc != IDN2_OK)
		return fail(e, FAULT_PERM, "the domain is no internationalised domain: %s",
			    idn2_strerror(rc));
	folded = str_from_z(out);
	if (count_dots(folded) != count_dots(s))
		return fail(e, FAULT_PERM, "the domain has a character that only looks like a dot");
	if (!check_labels(folded, e))
		return false;
	*ret = arena_str(a, folded);
	return ret->n ? true : fail(e, FAULT_TEMP, "out of memory for a domain");
}

struct str local_fold(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, s.n, 1);

	if (!p)
		return (struct str){ 0 };
	for (size_t i = 0; i < s.n; i++)
		p[i] = (char)ascii_lower(str_at(s, i));
	return str_of(p, s.n);
}

bool domain_fold(struct str s, struct arena *a, struct str *ret, struct err *e)
{
	struct str folded;

	if (!is_ascii(s))
		return fold_unicode(s, a, ret, e);
	if (!check_labels(s, e))
		return false;
	folded = local_fold(s, a);
	if (folded.n != s.n)
		return fail(e, FAULT_TEMP, "out of memory for a domain");
	*ret = folded;
	return true;
}

struct str local_without_tag(struct str s, char mark)
{
	size_t at = mark ? str_find(s, mark) : s.n;

	return at == 0 ? s : str_head(s, at);
}
