/* entry_file.c — text files of blocks and exceptions; see entry_file.h. */
#include "user/entry_file.h"

#include "base/fd.h"
#include "base/time.h"
#include "user/exim_item.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

PRINTF_LIKE(2, 3)
static void note_fault(struct entry_file *f, const char *fmt, ...)
{
	struct line_fault *fault;
	va_list ap;

	f->n_faults_all++;
	if (!f->faults)
		f->faults = ARENA_ARRAY(&f->set.a, struct line_fault, LINE_FAULTS_MAX);
	if (!f->faults || f->n_faults == LINE_FAULTS_MAX)
		return;
	fault = &f->faults[f->n_faults++];
	fault->line = f->n_lines;
	va_start(ap, fmt);
	vsnprintf(fault->text, sizeof(fault->text), fmt, ap);
	va_end(ap);
}

bool entry_date_parse(struct str s, int64_t *ret)
{
	struct str rest = s, y = str_cut(rest, '-', &rest), m = str_cut(rest, '-', &rest);
	struct time_parts t = { .hour = 23, .minute = 59, .second = 59 }, back;
	uint64_t year, month, day;
	int64_t us;

	if (y.n != 4 || m.n != 2 || rest.n != 2 || !str_u64(y, &year) || !str_u64(m, &month) || !str_u64(rest, &day) ||
	    year < 1970)
		return false;
	t.year = (int)year;
	t.month = (int)month;
	t.day = (int)day;
	if (month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	us = time_join(&t);
	back = time_split(us);
	*ret = us;
	return back.day == t.day && back.month == t.month;
}

static bool is_exim(const struct entry_file *f)
{
	return f->kind == ENTRY_FILE_EXIM_SENDERS || f->kind == ENTRY_FILE_EXIM_HOSTS;
}

/* Where the comment begins: a local part may hold "#" (Exim's specification, 10.2). */
static size_t find_comment(const struct entry_file *f, struct str line)
{
	for (size_t i = 0; i < line.n; i++) {
		int before = i ? str_at(line, i - 1) : ' ';

		if (line.p[i] == '#' && (f->kind == ENTRY_FILE_EXIM_HOSTS || before == ' ' || before == '\t'))
			return i;
	}
	return line.n;
}

/* "until DATE", or nothing. */
static bool read_until(struct str rest, int64_t *ret, struct err *e)
{
	struct str word = str_word(&rest), date = str_word(&rest);

	*ret = 0;
	if (!word.n)
		return true;
	if (!str_eq(word, S("until")) || str_word(&rest).n)
		return fail(e, FAULT_PERM, "only \"until YYYY-MM-DD\" or a \"#\" may stand behind it");
	return entry_date_parse(date, ret) || fail(e, FAULT_PERM, "\"" STR_FMT "\" is no date like 2026-12-31",
						   STR_ARG(str_head(date, 30)));
}

static bool add_ours(struct entry_file *f, struct entry *x, struct str line, struct arena *a, struct err *e)
{
	x->kind = f->kind == ENTRY_FILE_BLOCK ? ENTRY_BLOCK : ENTRY_ALLOW;
	return entry_read(str_word(&line), a, x, e) && read_until(line, &x->expires, e) &&
	       (entry_set_add(&f->set, x) || fail(e, FAULT_TEMP, "out of memory for an entry"));
}

static bool add_exim(struct entry_file *f, struct entry *x, struct str line, struct err *e)
{
	bool is_hosts = f->kind == ENTRY_FILE_EXIM_HOSTS;
	struct exim_item item;

	x->kind = ENTRY_ALLOW;
	x->form = ENTRY_EXIM;
	x->what = line;
	if (!exim_item_read(line, is_hosts, &f->set.a, &item, e))
		return false;
	if (!entry_set_add(&f->set, x))
		return fail(e, FAULT_TEMP, "out of memory for an entry");
	f->items[f->n_items++] = item;
	f->set.n_host += is_hosts && item.needs_name;
	f->is_open_ended = item.is_negated;
	return true;
}

static void take_line(struct entry_file *f, struct str raw, struct str *heading)
{
	AUTO(arena_end) struct arena a = { .limit = 16 * ENTRY_LINE_MAX };
	size_t hash = find_comment(f, raw);
	struct str line = str_trim(str_head(raw, hash)), comment = str_trim(str_from(raw, hash + 1));
	struct entry x = { .file = f->name, .line = f->n_lines, .by = f->name };
	struct err e = { 0 };
	bool ok;

	if (!line.n) {
		*heading = comment;
		return;
	}
	x.reason = comment.n ? comment : *heading;
	if (raw.n > ENTRY_LINE_MAX)
		ok = fail(&e, FAULT_PERM, "the line is too long");
	else
		ok = is_exim(f) ? add_exim(f, &x, line, &e) : add_ours(f, &x, line, &a, &e);
	if (!ok)
		note_fault(f, "%s", e.text);
}

static size_t count_lines(struct str text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

static void parse_lines(struct entry_file *f, struct str text)
{
	struct str heading = S("");

	if (str_starts(text, S("\xef\xbb\xbf")))
		text = str_from(text, 3);
	while (text.n && !f->set.a.full) {
		struct str raw = str_cut(text, '\n', &text);

		f->n_lines++;
		if (str_has(raw, '\0'))
			note_fault(f, "the line has a NUL byte");
		else
			take_line(f, str_trim(raw), &heading);
	}
	if (f->is_open_ended)
		note_fault(f, "the last line begins with \"!\": as in Exim, all that no line names is exempt");
}

struct entry_file *entry_file_parse(enum entry_file_kind kind, struct str name, struct str text, struct err *e)
{
	AUTO(entry_file_end) struct entry_file *f = NULL;
	struct entry_file *done;

	if (text.n > ENTRY_FILE_MAX) {
		fail(e, FAULT_PERM, STR_FMT ": the file is larger than %d bytes", STR_ARG(name), ENTRY_FILE_MAX);
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	if (f) {
		f->kind = kind;
		f->set.a.limit = 8 * text.n + count_lines(text) * 1024 + (1 << 20);
		f->set.a.block = text.n > 65536 ? 1 << 20 : 0;
		f->name = arena_str(&f->set.a, name);
		if (is_exim(f))
			f->items = ARENA_ARRAY(&f->set.a, struct exim_item, count_lines(text));
		if (!f->set.a.full)
			parse_lines(f, text);
	}
	if (!f || f->set.a.full) {
		fail(e, FAULT_TEMP, STR_FMT ": not enough memory for the file", STR_ARG(name));
		return NULL;
	}
	done = f;
	f = NULL;
	return done;
}

struct entry_file *entry_file_read(enum entry_file_kind kind, struct str name, int fd, struct err *e)
{
	struct entry_file *f;
	char *p = NULL;
	size_t n = 0;

	if (!fd_slurp(fd, ENTRY_FILE_MAX, &p, &n, e)) {
		fail_in(e, STR_FMT, STR_ARG(name));
		return NULL;
	}
	f = entry_file_parse(kind, name, str_of(p, n), e);
	free(p);
	return f;
}

void entry_file_close(struct entry_file *f)
{
	if (!f)
		return;
	entry_set_end(&f->set);
	free(f);
}

void entry_file_end(struct entry_file **f)
{
	entry_file_close(*f);
}

void entry_file_find(const struct entry_file *f, const struct entry_subject *q, int64_t now, struct entry_found *best)
{
	if (!f)
		return;
	if (!is_exim(f)) {
		entry_set_find(&f->set, q, now, best);
		return;
	}
	for (size_t i = 0; i < f->n_items; i++) {
		const struct exim_item *item = &f->items[i];

		if (!exim_item_matches(item, q))
			continue;
		if (!item->is_negated)
			entry_offer(best, f->set.list[i], item->weight, item->on, exim_item_subject(item, q));
		return;
	}
	if (f->is_open_ended && f->n_items)
		entry_offer(best, f->set.list[f->n_items - 1], 0, f->items[0].on, exim_item_subject(&f->items[0], q));
}
