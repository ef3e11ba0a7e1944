/* mtasts.c — MTA-STS records and policies; see mtasts.h. */
#include "trust/mtasts.h"

#include "base/attr.h"

static const struct str modes[] = {
	[MTASTS_NONE] = S("none"), [MTASTS_TESTING] = S("testing"), [MTASTS_ENFORCE] = S("enforce"),
};

const char *mtasts_mode_name(enum mtasts_mode mode)
{
	return (unsigned)mode < ARRAY_LEN(modes) ? modes[mode].p : "?";
}

static bool is_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(str_at(s, i)))
			return false;
	return s.n > 0 && s.n <= MTASTS_ID_MAX;
}

/* sts-text-record = sts-version 1*(sts-field-delim sts-field) [sts-field-delim]
 * sts-version = "v=STSv1", sts-id = "id=" 1*32(ALPHA / DIGIT)   RFC 8461 §3.1 */
static bool record_parse(struct str text, struct str *ret_id)
{
	struct str rest, field, id = { 0 };

	for (str_cut(text, ';', &rest); rest.n;) {
		field = str_trim(str_cut(rest, ';', &rest));
		if (str_starts(field, S("id="))) {
			if (id.n)
				return false;
			id = str_from(field, 3);
			if (!is_id(id))
				return false;
		}
	}
	*ret_id = id;
	return id.n > 0;
}

/* "v=STSv1" and the delimiter, which white space may precede. */
static bool is_ours(struct str text)
{
	struct str rest;

	return str_eq(str_trim(str_cut(text, ';', &rest)), S("v=STSv1")) && str_starts(text, S("v=STSv1")) &&
	       str_has(text, ';');
}

enum mtasts_record mtasts_record_parse(const struct str *texts, size_t n, struct str *ret_id)
{
	const struct str *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!is_ours(texts[i]))
			continue;
		if (found)
			return MTASTS_RECORD_NONE;
		found = &texts[i];
	}
	return found && record_parse(*found, ret_id) ? MTASTS_RECORD_FOUND : MTASTS_RECORD_NONE;
}

/* A host name, perhaps behind "*.". */
static bool is_pattern(struct str s)
{
	size_t label = 0;

	if (str_starts(s, S("*.")))
		s = str_from(s, 2);
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (c == '.' ? label == 0 : !ascii_is_alnum(c) && c != '-' && c != '_')
			return false;
		label = c == '.' ? 0 : label + 1;
	}
	return label > 0 && s.n <= 253;
}

struct seen {
	bool version, mode, max_age;
};

/* The first of each counts (§3.2); what we do not know is passed over. */
static bool field_take(struct str name, struct str value, struct mtasts_policy *p, struct seen *seen)
{
	uint64_t n;

	if (str_eq(name, S("version")) && !seen->version) {
		seen->version = true;
		return str_eq(value, S("STSv1"));
	}
	if (str_eq(name, S("max_age")) && !seen->max_age) {
		seen->max_age = true;
		if (!str_u64(value, &n) || value.n > 10)
			return false;
		p->max_age = n > MTASTS_AGE_MAX ? MTASTS_AGE_MAX : (uint32_t)n;
	}
	if (str_eq(name, S("mode")) && !seen->mode) {
		seen->mode = true;
		for (size_t i = 0; i < ARRAY_LEN(modes); i++)
			if (str_eq(value, modes[i])) {
				p->mode = (enum mtasts_mode)i;
				return true;
			}
		return false;
	}
	if (str_eq(name, S("mx"))) {
		if (!is_pattern(value) || p->n_mx == MTASTS_MX_MAX)
			return false;
		p->mx[p->n_mx++] = value;
	}
	return true;
}

static struct str trim_space(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_from(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool mtasts_policy_parse(struct str text, struct mtasts_policy *ret)
{
	struct seen seen = { 0 };
	struct str rest = text, line, value, name;

	*ret = (struct mtasts_policy){ 0 };
	if (text.n > MTASTS_POLICY_MAX)
		return false;
	while (rest.n) {
		line = str_cut(rest, '\n', &rest);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (trim_space(line).n == 0)
			continue;
		if (!str_has(line, ':'))
			return false;
		name = trim_space(str_cut(line, ':', &value));
		if (!field_take(name, trim_space(value), ret, &seen))
			return false;
	}
	return seen.version && seen.mode && seen.max_age && (ret->n_mx || ret->mode == MTASTS_NONE);
}

bool mtasts_policy_has(const struct mtasts_policy *p, struct str host)
{
	struct str parent, label;

	if (str_ends(host, S(".")))
		host.n--;
	label = str_cut(host, '.', &parent);
	for (size_t i = 0; i < p->n_mx; i++) {
		bool is_wild = str_starts(p->mx[i], S("*."));

		if (is_wild ? label.n && str_eq_nocase(str_from(p->mx[i], 2), parent) : str_eq_nocase(p->mx[i], host))
			return true;
	}
	return false;
}
