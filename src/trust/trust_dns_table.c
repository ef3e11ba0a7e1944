/* trust_dns_table.c — see trust_dns_table.h. */
#include "trust/trust_dns_table.h"

enum { CNAMES_MAX = 10, STRING_MAX = 255, RDATA_MAX = 65535 };

struct trust_dns_row {
	struct dns_name name;
	uint16_t type;           /* 0: any that has no record */
	enum dns_outcome outcome;
	struct str rdata;
};

/* -- reading ---------------------------------------------------------------- */

static bool add_name(struct buf *b, struct str text)
{
	struct dns_name name;

	if (!dns_name_read(text, &name))
		return false;
	buf_add(b, str_of(name.bytes, name.n));
	return true;
}

static bool add_number(struct buf *b, struct str text)
{
	uint64_t n;

	if (!str_u64(text, &n) || n > UINT16_MAX)
		return false;
	buf_add_char(b, (char)(n >> 8));
	buf_add_char(b, (char)(n & 0xFF));
	return true;
}

static bool add_address(struct buf *b, struct str text, bool is_v4)
{
	uint8_t addr[16];

	if (!dns_address_read(text, addr))
		return false;
	buf_add(b, is_v4 ? str_of(addr + 12, 4) : str_of(addr, 16));
	return true;
}

/* Takes a quoted string off *in. */
static bool add_string(struct buf *b, struct str *in)
{
	char mem[STRING_MAX];
	struct buf s = buf_over(mem, sizeof(mem));
	size_t i = 1;

	for (; i < in->n && in->p[i] != '"'; i++) {
		uint64_t v = (unsigned char)in->p[i];

		if (v == '\\' && str_u64(str_sub(*in, i + 1, 3), &v))
			i += 3;
		else if (v == '\\')
			v = (unsigned char)str_at(*in, ++i);
		buf_add_char(&s, (char)v);
	}
	buf_add_char(b, (char)s.n);
	buf_add(b, buf_str(&s));
	*in = str_trim(str_from(*in, i + 1));
	return !s.full;
}

static bool add_strings(struct buf *b, struct str in)
{
	while (in.n)
		if (str_at(in, 0) != '"' || !add_string(b, &in))
			return false;
	return true;
}

static bool add_srv(struct buf *b, struct str in)
{
	bool ok = add_number(b, str_word(&in)) && add_number(b, str_word(&in)) && add_number(b, str_word(&in));

	return ok && add_name(b, str_trim(in));
}

static bool add_octet(struct buf *b, struct str text)
{
	uint64_t n;

	if (!str_u64(text, &n) || n > UINT8_MAX)
		return false;
	buf_add_char(b, (char)n);
	return true;
}

static bool add_tlsa(struct buf *b, struct str in)
{
	bool ok = add_octet(b, str_word(&in)) && add_octet(b, str_word(&in)) && add_octet(b, str_word(&in));

	for (in = str_trim(in); ok && in.n; in = str_from(in, 2)) {
		int high = ascii_hex(str_at(in, 0)), low = ascii_hex(str_at(in, 1));

		ok = high >= 0 && low >= 0;
		buf_add_char(b, (char)(high * 16 + low));
	}
	return ok;
}

/* The value stands in quotes, and is no string in the record (RFC 8659 §4.1). */
static bool add_caa(struct buf *b, struct str in)
{
	bool ok = add_octet(b, str_word(&in));
	struct str tag = str_word(&in), value = str_trim(in);

	buf_add_char(b, (char)tag.n);
	buf_add(b, tag);
	buf_add(b, str_sub(value, 1, value.n - 2));
	return ok && value.n >= 2 && str_at(value, 0) == '"' && str_ends(value, S("\""));
}

static bool rdata_read(uint16_t type, struct str in, struct arena *a, struct str *ret)
{
	AUTO(buf_end) struct buf b = buf_on_heap(RDATA_MAX);
	bool ok = false;

	switch (type) {
	case DNS_A: case DNS_AAAA: ok = add_address(&b, in, type == DNS_A); break;
	case DNS_PTR: case DNS_CNAME: ok = add_name(&b, in); break;
	case DNS_MX: ok = add_number(&b, str_word(&in)) && add_name(&b, str_trim(in)); break;
	case DNS_TXT: ok = add_strings(&b, in); break;
	case DNS_SRV: ok = add_srv(&b, in); break;
	case DNS_TLSA: ok = add_tlsa(&b, in); break;
	case DNS_CAA: ok = add_caa(&b, in); break;
	}
	*ret = arena_str(a, buf_str(&b));
	return ok && !b.full;
}

static bool row_read(struct str line, struct arena *a, struct trust_dns_row *ret)
{
	struct str name = str_word(&line), type = str_word(&line);

	line = str_trim(line);
	if (!dns_name_read(name, &ret->name))
		return false;
	ret->outcome = str_eq(type, S("TEMP")) ? DNS_TEMP : str_eq(type, S("BOGUS")) ? DNS_BOGUS : DNS_FOUND;
	ret->type = dns_type_read(ret->outcome == DNS_FOUND ? type : line);
	return ret->outcome != DNS_FOUND ? ret->type || !line.n : rdata_read(ret->type, line, a, &ret->rdata);
}

bool trust_dns_table_read(struct str text, struct arena *a, struct trust_dns_table *ret, struct err *e)
{
	struct trust_dns_table t = { 0 };
	size_t lines = 1;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	t.rows = ARENA_ARRAY(a, struct trust_dns_row, lines);
	while (t.rows && text.n) {
		struct str line = str_trim(str_cut(text, '\n', &text));

		if (line.n && line.p[0] != '#' && !row_read(line, a, &t.rows[t.n++]))
			return fail(e, FAULT_PERM, "not a record: " STR_FMT, STR_ARG(line));
	}
	if (!t.rows || a->full)
		return fail(e, FAULT_TEMP, "no memory for the records");
	*ret = t;
	return true;
}

/* -- answering -------------------------------------------------------------- */

/* Is name the other, or below it? */
static bool is_within(const struct dns_name *name, const struct dns_name *top)
{
	struct dns_name rest;
	size_t at = 0;

	while (at < name->n && name->n - at > top->n)
		at += 1 + name->bytes[at];
	if (name->n - at != top->n)
		return false;
	rest.n = top->n;
	memcpy(rest.bytes, name->bytes + at, rest.n);
	return dns_name_eq(&rest, top);
}

static bool name_exists(const struct trust_dns_table *t, const struct dns_name *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (is_within(&t->rows[i].name, name))
			return true;
	return false;
}

/* The wildcard that stands for a name that is not there (RFC 4592), without looking for a closer one. */
static bool wildcard_of(const struct trust_dns_table *t, const struct dns_name *name, struct dns_name *ret)
{
	for (size_t at = name->bytes[0] + 1U; at + 1 < name->n; at += 1 + name->bytes[at]) {
		struct dns_name star = { .n = name->n - at + 2, .bytes = { 1, '*' } };

		memcpy(star.bytes + 2, name->bytes + at, name->n - at);
		if (name_exists(t, &star)) {
			*ret = star;
			return true;
		}
	}
	return false;
}

static void collect(const struct trust_dns_table *t, const struct dns_name *name, uint16_t type, struct arena *a,
		    struct trust_answer *ret)
{
	enum dns_outcome otherwise = DNS_NONE;

	*ret = (struct trust_answer){ .p = ARENA_ARRAY(a, struct str, t->n + 1) };
	for (size_t i = 0; i < t->n; i++) {
		const struct trust_dns_row *row = &t->rows[i];

		if (!dns_name_eq(&row->name, name) || (row->type && row->type != type))
			continue;
		if (row->outcome != DNS_FOUND)
			otherwise = row->outcome;
		else if (ret->p)
			ret->p[ret->n++] = row->rdata;
	}
	ret->outcome = ret->n ? DNS_FOUND : !ret->p ? DNS_TEMP : otherwise;
}

static bool table_ask(void *ctx, struct str text, uint16_t type, struct arena *a, struct trust_answer *ret, struct err *e)
{
	struct trust_dns_table *t = ctx;
	struct trust_answer alias;
	struct dns_name name;

	(void)e;
	t->asked++;
	*ret = (struct trust_answer){ .outcome = DNS_NO_NAME };
	if (!dns_name_read(text, &name))
		return true;
	for (size_t i = 0; i < CNAMES_MAX; i++) {
		collect(t, &name, type, a, ret);
		if (ret->outcome == DNS_FOUND)
			return true;
		if (!name_exists(t, &name)) {
			if (!wildcard_of(t, &name, &name)) {
				*ret = (struct trust_answer){ .outcome = DNS_NO_NAME };
				return true;
			}
			collect(t, &name, type, a, ret);
		}
		collect(t, &name, DNS_CNAME, a, &alias);
		if (ret->outcome != DNS_NONE || alias.outcome != DNS_FOUND || !dns_name_take_plain(&alias.p[0], &name))
			return true;
	}
	*ret = (struct trust_answer){ .outcome = DNS_TEMP };
	return true;
}

struct trust_dns trust_dns_of_table(struct trust_dns_table *t)
{
	return (struct trust_dns){ .ask = table_ask, .ctx = t };
}
