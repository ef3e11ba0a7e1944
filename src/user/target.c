/* target.c — one target of an alias after the other; see target.h. */
#include "user/target.h"

#include "base/buf.h"
#include "user/domain_name.h"

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Past white space, commas and comments that stand where an item begins. */
static void skip_gaps(struct str *in)
{
	for (;;) {
		while (is_space(str_at(*in, 0)) || str_at(*in, 0) == ',')
			*in = str_from(*in, 1);
		if (str_at(*in, 0) != '#')
			return;
		*in = str_from(*in, str_find(*in, '\n'));
	}
}

/* What a quoted string holds; *in stands behind its closing quote then. */
static bool take_quoted(struct str *in, struct arena *a, struct str *ret, struct err *e)
{
	size_t n = 0, end = 1;
	char *p;

	while (end < in->n && in->p[end] != '"')
		end += in->p[end] == '\\' ? 2 : 1;
	if (end >= in->n)
		return fail(e, FAULT_PERM, "a quote is not closed");
	p = arena_alloc(a, end, 1);
	if (!p)
		return fail(e, FAULT_TEMP, "the list is too long");
	for (size_t i = 1; i < end; i++) {
		if (in->p[i] == '\\')
			i++;
		p[n++] = in->p[i];
	}
	*in = str_from(*in, end + 1);
	*ret = str_of(p, n);
	return true;
}

/* Words for an SMTP reply: one line, no control bytes, not too long, no half character. */
static struct str public_text(struct str s, struct arena *a)
{
	struct str kept = str_trim(s);
	size_t n = kept.n;
	char *p;

	if (n > TARGET_TEXT_MAX) {
		n = TARGET_TEXT_MAX;
		while (n > 0 && (str_at(kept, n) & 0xc0) == 0x80)
			n--;
	}
	p = arena_alloc(a, n, 1);
	if (!p)
		return (struct str){ 0 };
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)kept.p[i] < ' ' || kept.p[i] == 127 ? ' ' : kept.p[i];
	return str_trim(str_of(p, n));
}

static bool check_local(struct str local, struct err *e)
{
	if (local.n == 0)
		return fail(e, FAULT_PERM, "there is nothing before the \"@\"");
	if (local.n > TARGET_LOCAL_MAX)
		return fail(e, FAULT_PERM, "the part before the \"@\" is longer than %d bytes",
			    TARGET_LOCAL_MAX);
	for (size_t i = 0; i < local.n; i++)
		if (str_at(local, i) < ' ' || str_at(local, i) == 127)
			return fail(e, FAULT_PERM, "the address has a control character");
	return true;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]"   RFC 5321 §4.1.3, by its characters */
static bool is_literal(struct str s)
{
	if (str_at(s, 0) != '[' || !str_ends(s, S("]")) || s.n < 3 || s.n > TARGET_LITERAL_MAX)
		return false;
	for (size_t i = 1; i + 1 < s.n; i++)
		if (!ascii_is_alnum(str_at(s, i)) && !strchr(":.-", s.p[i]))
			return false;
	return !str_has(s, '\0');
}

static bool make_address(struct str local, struct str domain, bool has_domain, struct arena *a,
			 struct target *ret, struct err *e)
{
	struct target t = { .kind = TARGET_ADDRESS };

	if (!check_local(local, e))
		return false;
	if (is_literal(domain))
		t.domain = arena_str(a, domain);
	else if (has_domain && !domain_fold(domain, a, &t.domain, e))
		return false;
	t.local = arena_str(a, local);
	if (a->full)
		return fail(e, FAULT_TEMP, "the list is too long");
	*ret = t;
	return true;
}

/* address = ( local / quoted ) [ "@" domain ] */
static bool parse_address(struct str s, struct arena *a, struct target *ret, struct err *e)
{
	struct str local, domain = { 0 };
	bool has_domain;
	size_t at;

	s = str_trim(s);
	if (str_at(s, 0) == '"') {
		if (!take_quoted(&s, a, &local, e))
			return false;
		has_domain = str_at(s, 0) == '@';
		if (s.n && !has_domain)
			return fail(e, FAULT_PERM,
				    "something stands between a quoted part and its \"@\"");
		return make_address(local, str_from(s, 1), has_domain, a, ret, e);
	}
	if (str_at(s, 0) == '\\')
		s = str_from(s, 1);
	at = str_find(s, '@');
	has_domain = at < s.n;
	local = str_head(s, at);
	domain = str_from(s, at + 1);
	for (size_t i = 0; i < local.n; i++)
		if (is_space(local.p[i]) || strchr("<>()[],;:\\\"", local.p[i]))
			return fail(e, FAULT_PERM, "\"" STR_FMT "\" is no address",
				    STR_ARG(str_head(s, 60)));
	return make_address(local, domain, has_domain, a, ret, e);
}

/* How many bytes a comment "(…)" or "# …" at the begin of s has; 0: there is none that ends. */
static size_t comment_length(struct str s)
{
	size_t depth = 0;

	if (str_at(s, 0) == '#')
		return str_find(s, '\n');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return 0;
}

/* How many bytes a quoted string at the begin of s has; 0: it does not end. */
static size_t quoted_length(struct str s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

/* Copy the item at the begin of `in`, up to its comma, without its comments; gives its length. */
static bool copy_item(struct str in, struct buf *item, size_t *ret_n, struct err *e)
{
	size_t i = 0, n;

	while (i < in.n && in.p[i] != ',') {
		int c = str_at(in, i);

		if (c == '(' || (c == '#' && (i == 0 || is_space(in.p[i - 1])))) {
			n = comment_length(str_from(in, i));
			if (n == 0)
				return fail(e, FAULT_PERM, "a \"(\" is not closed");
		} else if (c == '"') {
			n = quoted_length(str_from(in, i));
			if (n == 0)
				return fail(e, FAULT_PERM, "a quote is not closed");
			buf_add(item, str_sub(in, i, n));
		} else {
			n = 1;
			buf_add_char(item, (char)c);
		}
		i += n;
	}
	if (item->full)
		return fail(e, FAULT_PERM, "an address is longer than %d bytes", TARGET_ITEM_MAX);
	*ret_n = i;
	return true;
}

/* item = address / [ name ] "<" address ">" */
static bool take_address(struct str *in, struct arena *a, struct target *ret, struct err *e)
{
	char mem[TARGET_ITEM_MAX];
	struct buf b = buf_over(mem, sizeof(mem));
	struct str item, inside;
	size_t n, open;

	if (!copy_item(*in, &b, &n, e))
		return false;
	item = str_trim(buf_str(&b));
	if (str_ends(item, S(">"))) {
		open = str_rfind(item, '<');
		inside = str_sub(item, open + 1, item.n - open - 2);
		if (open == item.n || str_find(item, '<') != open)
			return fail(e, FAULT_PERM, "a \">\" without its \"<\"");
		item = inside;
	}
	if (!parse_address(item, a, ret, e))
		return false;
	*in = str_from(*in, n);
	return true;
}

static const struct {
	struct str word;
	enum target_kind kind;
} specials[] = {
	{ S(":blackhole:"), TARGET_BLACKHOLE },
	{ S(":fail:"), TARGET_FAIL },
	{ S(":defer:"), TARGET_DEFER },
	{ S(":include:"), TARGET_INCLUDE },
};

/* item is one item; rest is all that follows it on the list, item included. */
static bool take_special(struct str item, struct str rest, struct arena *a, struct target *ret,
			 bool *ret_takes_all, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
		struct str word = specials[i].word;
		enum target_kind kind = specials[i].kind;

		if (!str_starts_nocase(item, word))
			continue;
		*ret_takes_all = kind == TARGET_FAIL || kind == TARGET_DEFER;
		*ret = (struct target){ .kind = kind };
		if (*ret_takes_all)
			ret->text = public_text(str_from(rest, word.n), a);
		else if (kind == TARGET_INCLUDE)
			ret->text = str_trim(str_from(item, word.n));
		if (kind == TARGET_INCLUDE && ret->text.n == 0)
			return fail(e, FAULT_PERM, "an \":include:\" without a file");
		return true;
	}
	return fail(e, FAULT_PERM,
		    "\"" STR_FMT "\" is not one of :fail: :defer: :blackhole: :include:",
		    STR_ARG(str_head(item, 40)));
}

/* A pipe, a file or a :word:, whose item ends at the next comma. */
static bool take_plain(struct str item, struct str rest, struct arena *a, struct target *ret,
		       bool *ret_takes_all, struct err *e)
{
	*ret_takes_all = false;
	if (str_at(item, 0) == ':')
		return take_special(item, rest, a, ret, ret_takes_all, e);
	if (str_at(item, 0) == '|')
		*ret = (struct target){ .kind = TARGET_PIPE, .text = str_trim(str_from(item, 1)) };
	else
		*ret = (struct target){ .kind = TARGET_FILE, .text = str_trim(item) };
	return ret->text.n ? true : fail(e, FAULT_PERM, "a \"|\" without a command");
}

/* Continued lines are joined by LF; other control bytes have no place in a command or path. */
static bool check_text(const struct target *t, struct err *e)
{
	for (size_t i = 0; i < t->text.n; i++) {
		int c = str_at(t->text, i);

		if (c < ' ' && c != '\n' && c != '\t')
			return fail(e, FAULT_PERM, "a command or path has a control character");
	}
	return true;
}

static bool is_plain(struct str item)
{
	int c = str_at(item, 0);

	return c == '|' || c == '/' || c == ':';
}

bool target_next(struct str *in, struct arena *a, struct target *ret, bool *ret_any, struct err *e)
{
	struct str rest = *in, inside;
	struct target t = { 0 };
	bool takes_all = false;

	skip_gaps(&rest);
	*ret_any = rest.n > 0;
	if (rest.n == 0) {
		*in = rest;
		return true;
	}
	if (is_plain(rest)) {
		struct str item = str_head(rest, str_find(rest, ','));

		if (!take_plain(item, rest, a, &t, &takes_all, e))
			return false;
		rest = str_from(rest, takes_all ? rest.n : item.n);
	} else if (str_at(rest, 0) == '"') {
		struct str after = rest;

		if (!take_quoted(&after, a, &inside, e))
			return false;
		while (is_space(str_at(after, 0)))
			after = str_from(after, 1);
		if (after.n && str_at(after, 0) != ',') {
			if (!take_address(&rest, a, &t, e)) /* "quoted local"@domain, "Name" <…> */
				return false;
		} else {
			if (is_plain(inside) ? !take_plain(inside, inside, a, &t, &takes_all, e)
					     : !parse_address(inside, a, &t, e))
				return false;
			rest = after;
		}
	} else if (!take_address(&rest, a, &t, e)) {
		return false;
	}
	if (!check_text(&t, e))
		return false;
	*in = rest;
	*ret = t;
	return true;
}

struct str target_print(const struct target *t, struct arena *a)
{
	switch (t->kind) {
	case TARGET_PIPE:
		return arena_printf(a, "|" STR_FMT, STR_ARG(t->text));
	case TARGET_FILE:
		return t->text;
	case TARGET_INCLUDE:
		return arena_printf(a, ":include:" STR_FMT, STR_ARG(t->text));
	case TARGET_BLACKHOLE:
		return S(":blackhole:");
	case TARGET_FAIL:
		return arena_printf(a, ":fail: " STR_FMT, STR_ARG(t->text));
	case TARGET_DEFER:
		return arena_printf(a, ":defer: " STR_FMT, STR_ARG(t->text));
	case TARGET_ADDRESS:
		break;
	}
	if (t->domain.n == 0)
		return t->local;
	return arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(t->local), STR_ARG(t->domain));
}
