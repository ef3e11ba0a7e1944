/* address_file.c — lsearch files; see address_file.h. */
#include "user/address_file.h"

#include "base/buf.h"
#include "base/fd.h"
#include "user/domain_name.h"
#include "user/target.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Exim's partial matching does not search for less than two names behind the star. */
enum { PARTIAL_LABELS_MIN = 2 };

/* An item as it is being read. */
struct item {
	struct str key;          /* raw, without quotes; empty: none yet */
	struct str value;        /* of one line: a slice of the file */
	struct buf joined;       /* of several lines */
	unsigned line;
	bool is_open;
	bool is_joined;
};

PRINTF_LIKE(3, 4)
static void note_fault(struct address_file *f, unsigned line, const char *fmt, ...)
{
	struct line_fault *fault;
	va_list ap;

	f->n_faults_all++;
	if (f->n_faults == LINE_FAULTS_MAX)
		return;
	if (!f->faults)
		f->faults = ARENA_ARRAY(&f->arena, struct line_fault, LINE_FAULTS_MAX);
	if (!f->faults)
		return;
	fault = &f->faults[f->n_faults++];
	fault->line = line;
	va_start(ap, fmt);
	vsnprintf(fault->text, sizeof(fault->text), fmt, ap);
	va_end(ap);
}

/* key = quoted-string / 1*( any but ":" and white space ) */
static bool take_key(struct str *in, struct arena *a, struct str *ret)
{
	size_t n = 0, end = 1;
	char *p;

	if (str_at(*in, 0) != '"') {
		while (n < in->n && in->p[n] != ':' && in->p[n] != ' ' && in->p[n] != '\t')
			n++;
		*ret = str_head(*in, n);
		*in = str_from(*in, n);
		return n > 0;
	}
	while (end < in->n && in->p[end] != '"')
		end += in->p[end] == '\\' ? 2 : 1;
	p = end < in->n ? arena_alloc(a, end, 1) : NULL;
	if (!p)
		return false;
	for (size_t i = 1; i < end; i++) {
		if (in->p[i] == '\\')
			i++;
		p[n++] = in->p[i];
	}
	*in = str_from(*in, end + 1);
	*ret = str_of(p, n);
	return n > 0;
}

/* A key in the form in which it is looked up: "local@a-label" without ASCII case. */
static bool fold_key(struct str key, struct arena *a, struct str *ret, struct err *e)
{
	size_t at = str_rfind(key, '@');
	struct str domain, local;

	if (key.n > ADDRESS_KEY_MAX)
		return fail(e, FAULT_PERM, "the key is longer than %d bytes", ADDRESS_KEY_MAX);
	if (at == key.n) {
		*ret = local_fold(key, a);
	} else {
		if (at == 0)
			return fail(e, FAULT_PERM, "nothing stands before the \"@\"");
		if (!domain_fold(str_from(key, at + 1), a, &domain, e))
			return false;
		local = local_fold(str_head(key, at), a);
		*ret = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain));
	}
	return a->full ? fail(e, FAULT_TEMP, "out of memory") : true;
}

static bool fold_domain_key(struct str key, struct arena *a, struct str *ret, struct err *e)
{
	bool is_partial = str_starts(key, S("*."));
	struct str domain;

	if (!domain_fold(str_from(key, is_partial ? 2 : 0), a, &domain, e))
		return false;
	if (is_partial && !str_has(domain, '.'))
		return fail(e, FAULT_PERM, "\"*.\" needs a domain of two or more parts behind it");
	*ret = is_partial ? arena_printf(a, "*." STR_FMT, STR_ARG(domain)) : domain;
	return a->full ? fail(e, FAULT_TEMP, "out of memory") : true;
}

/* Reads the targets once, only to know whether they can be read. */
static void check_targets(struct address_file *f, struct address_line *line)
{
	AUTO(arena_end) struct arena scratch = { .limit = 4 * ADDRESS_VALUE_MAX };
	struct str in = line->value;
	struct target t;
	struct err e = { 0 };
	bool any = true;
	size_t n = 0;

	while (any) {
		if (!target_next(&in, &scratch, &t, &any, &e)) {
			note_fault(f, line->line, "%s", e.text);
			line->broken = str_z(&f->arena, str_from_z(e.text));
			return;
		}
		n += any;
	}
	if (n == 0)
		note_fault(f, line->line, "the key has no targets");
}

static void finish_item(struct address_file *f, enum address_file_kind kind, struct item *it)
{
	struct arena *a = &f->arena;
	struct address_line *line;
	struct str key = { 0 };
	struct err e = { 0 };

	if (!it->is_open)
		return;
	it->is_open = false;
	if (!(kind == ADDRESS_FILE_USERS ? fold_key : fold_domain_key)(it->key, a, &key, &e)) {
		note_fault(f, it->line, "%s", e.text);
		return;
	}
	line = address_file_find(f, key) ? NULL : ARENA_NEW(a, struct address_line);
	if (!line) {
		line = map_get(&f->lines, key);
		if (line)
			note_fault(f, it->line,
				   "\"" STR_FMT "\" stands in line %u already, which holds",
				   STR_ARG(str_head(key, 60)), line->line);
		return;
	}
	*line = (struct address_line){
		.key = key, .line = it->line, .file = f->name,
		.broken = it->is_joined && it->joined.full ? "the value is too long" : NULL,
		.value = it->is_joined ? arena_str(a, buf_str(&it->joined)) : it->value,
	};
	if (line->broken)
		note_fault(f, it->line, "%s", line->broken);
	else if (kind == ADDRESS_FILE_USERS)
		check_targets(f, line);
	map_put(&f->lines, key, line);
}

static void begin_item(struct address_file *f, struct item *it, struct str raw)
{
	it->line = f->n_lines;
	it->is_joined = false;
	if (!take_key(&raw, &f->arena, &it->key)) {
		note_fault(f, f->n_lines, "the line has no key that can be read");
		return;
	}
	it->is_open = true;
	raw = str_trim(raw);
	if (str_at(raw, 0) == ':')
		raw = str_trim(str_from(raw, 1));
	it->value = raw;
}

static void continue_item(struct address_file *f, struct item *it, struct str raw)
{
	if (!it->is_open) {
		note_fault(f, f->n_lines,
			   "the line continues one that could not be read or is not there");
		return;
	}
	if (!it->is_joined) {
		buf_clear(&it->joined);
		buf_add(&it->joined, it->value);
		it->is_joined = true;
	}
	buf_add_char(&it->joined, '\n');
	buf_add(&it->joined, str_trim(raw));
}

/* Longer than any line may be, or binary: a reason not to read it. */
static const char *line_trouble(struct str raw)
{
	if (raw.n > ADDRESS_VALUE_MAX)
		return "the line is too long";
	if (str_has(raw, '\0'))
		return "the line has a NUL byte";
	return NULL;
}

static void parse_lines(struct address_file *f, enum address_file_kind kind, struct str text)
{
	struct item it = { .joined = buf_on_heap(ADDRESS_VALUE_MAX) };

	if (str_starts(text, S("\xef\xbb\xbf")))
		text = str_from(text, 3);
	while (text.n) {
		struct str raw = str_cut(text, '\n', &text);
		const char *trouble = line_trouble(raw);

		f->n_lines++;
		if (trouble) {
			finish_item(f, kind, &it);
			note_fault(f, f->n_lines, "%s", trouble);
			continue;
		}
		if (str_at(raw, 0) == '#' || str_trim(raw).n == 0)
			continue;
		if (str_at(raw, 0) == ' ' || str_at(raw, 0) == '\t') {
			continue_item(f, &it, raw);
			continue;
		}
		finish_item(f, kind, &it);
		if (str_ends(raw, S("\r")))
			raw.n--;
		begin_item(f, &it, raw);
	}
	finish_item(f, kind, &it);
	buf_end(&it.joined);
}

struct address_file *address_file_parse(enum address_file_kind kind, struct str name,
					struct str text, struct err *e)
{
	AUTO(address_file_end) struct address_file *f = NULL;
	struct address_file *done;
	struct str copy;

	if (text.n > ADDRESS_FILE_MAX) {
		fail(e, FAULT_PERM, STR_FMT ": the file is larger than %d bytes", STR_ARG(name),
		     ADDRESS_FILE_MAX);
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	if (f) {
		f->arena.limit = text.n * 32 + (1 << 20);
		f->name = arena_str(&f->arena, name);
		copy = arena_str(&f->arena, text);
		if (!f->arena.full)
			parse_lines(f, kind, copy);
	}
	if (!f || f->arena.full) {
		fail(e, FAULT_TEMP, STR_FMT ": not enough memory for the file", STR_ARG(name));
		return NULL;
	}
	done = f;
	f = NULL;
	return done;
}

struct address_file *address_file_read(enum address_file_kind kind, struct str name, int fd,
				       struct err *e)
{
	struct address_file *f;
	char *p = NULL;
	size_t n = 0;

	if (!fd_slurp(fd, ADDRESS_FILE_MAX, &p, &n, e)) {
		fail_in(e, STR_FMT, STR_ARG(name));
		return NULL;
	}
	f = address_file_parse(kind, name, str_of(p, n), e);
	free(p);
	return f;
}

void address_file_close(struct address_file *f)
{
	if (!f)
		return;
	map_end(&f->lines);
	arena_end(&f->arena);
	free(f);
}

void address_file_end(struct address_file **f)
{
	address_file_close(*f);
}

const struct address_line *address_file_find(const struct address_file *f, struct str key)
{
	return f ? map_get(&f->lines, key) : NULL;
}

const struct address_line *address_file_find_domain(const struct address_file *f, struct str domain)
{
	const struct address_line *line = address_file_find(f, domain);
	char mem[DOMAIN_NAME_MAX + 2] = "*.";

	for (struct str at = domain; !line && at.n && at.n <= DOMAIN_NAME_MAX; str_cut(at, '.', &at)) {
		size_t dots = 0;

		for (size_t i = 0; i < at.n; i++)
			dots += at.p[i] == '.';
		if (dots + 1 < PARTIAL_LABELS_MIN)
			break;
		memcpy(mem + 2, at.p, at.n);
		line = address_file_find(f, str_of(mem, at.n + 2));
	}
	return line;
}
