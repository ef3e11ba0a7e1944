/* print.c — from struct conf back to text: what a role receives, `config show`,
 * and, by comparing the texts, what a reload changes. */
#include "conf/types.h"

enum { WORDS_PER_LINE = 16, INDENT = 4, DIFF_MAX = 16 << 20 };

struct printer {
	struct buf *b;
	unsigned roles;          /* rows for one of these */
	bool marks_defaults;     /* for a person */
	bool skips_defaults;     /* for a role, which has the same rows */
	int depth;
};

static void print_section(struct printer *p, enum conf_section section, const void *base);

static bool is_visible(const struct printer *p, const struct conf_row *row)
{
	return row->kind != KIND_LATER && row->roles & p->roles &&
	       !(p->marks_defaults && row->reload == RELOAD_IMAGE);
}

static void begin_line(struct printer *p, const struct conf_row *row)
{
	buf_addf(p->b, "%*s%s", p->depth * INDENT, "", row->name);
}

static void end_line(struct printer *p, bool is_set)
{
	buf_add(p->b, p->marks_defaults && !is_set ? S("    # default\n") : S("\n"));
}

/* " {" … "}", or nothing if no row inside is chosen and it may be left out. */
static void print_block(struct printer *p, enum conf_section section, const void *base)
{
	size_t before = p->b->n, inside;

	buf_add(p->b, S(" {\n"));
	inside = p->b->n;
	p->depth++;
	print_section(p, section, base);
	p->depth--;
	if (p->b->n == inside && !p->b->full) {
		p->b->n = before;
		return;
	}
	buf_addf(p->b, "%*s}", p->depth * INDENT, "");
}

static bool has_visible(const struct printer *p, enum conf_section section)
{
	for (size_t i = 0; i < conf_sections[section].n; i++)
		if (is_visible(p, &conf_sections[section].row[i]))
			return true;
	return false;
}

static void print_one(struct printer *p, const struct conf_row *row, const void *field, bool is_set)
{
	size_t before = p->b->n, name_end;

	begin_line(p, row);
	name_end = p->b->n;
	if (row->type->section != SECTION_NONE) {
		if (has_visible(p, row->type->section))
			print_block(p, row->type->section, field);
		is_set = true;   /* the rows inside have their own marks */
	} else {
		buf_add_char(p->b, ' ');
		name_end++;
		row->type->print(row->type, field, p->b);
	}
	if (p->b->n == name_end && !p->b->full)
		p->b->n = before;        /* empty: not chosen */
	else
		end_line(p, is_set);
}

static void print_many(struct printer *p, const struct conf_row *row, const struct conf_list *list,
		       bool is_set)
{
	size_t per_line = row->type->is_word ? WORDS_PER_LINE : 1;

	for (size_t i = 0; i < list->n;) {
		begin_line(p, row);
		for (size_t k = 0; k < per_line && i < list->n; k++, i++) {
			const void *value = (const char *)list->p + i * row->size;

			buf_add_char(p->b, ' ');
			row->type->print(row->type, value, p->b);
			if (row->type->section != SECTION_NONE)
				print_block(p, row->type->section, value);
		}
		end_line(p, is_set);
	}
}

static void print_row(struct printer *p, const struct conf_row *row, const void *base, bool is_set)
{
	const void *field = (const char *)base + row->offset;

	if (row->kind == KIND_MANY)
		print_many(p, row, field, is_set);
	else
		print_one(p, row, field, is_set);
}

static void print_section(struct printer *p, enum conf_section section, const void *base)
{
	const uint64_t *set = base;

	for (size_t i = 0; i < conf_sections[section].n; i++) {
		const struct conf_row *row = &conf_sections[section].row[i];

		bool is_set = *set & conf_row_bit(section, row);

		if (p->skips_defaults && !is_set && row->deflt && row->reload != RELOAD_IMAGE)
			continue;
		if (is_visible(p, row))
			print_row(p, row, base, is_set);
	}
}

bool conf_print_for_role(const struct conf *c, struct str role, struct buf *b)
{
	struct printer p = { .b = b, .roles = conf_role_bit(role), .skips_defaults = true };

	if (p.roles)
		print_section(&p, SECTION_TOP, c);
	return p.roles != 0;
}

void conf_show(const struct conf *c, struct buf *b)
{
	struct printer p = { .b = b, .roles = ~0U, .marks_defaults = true };

	print_section(&p, SECTION_TOP, c);
}

/* Two values are the same if they are written the same. */
static bool row_differs(const struct conf_row *row, const void *old, const void *new)
{
	AUTO(buf_end) struct buf a = buf_on_heap(DIFF_MAX);
	AUTO(buf_end) struct buf b = buf_on_heap(DIFF_MAX);
	struct printer pa = { .b = &a, .roles = ~0U }, pb = { .b = &b, .roles = ~0U };

	print_row(&pa, row, old, true);
	print_row(&pb, row, new, true);
	return a.full || b.full || !str_eq(buf_str(&a), buf_str(&b));
}

static void diff_section(enum conf_section section, const void *old, const void *new,
			 struct buf *live, struct buf *restart)
{
	for (size_t i = 0; i < conf_sections[section].n; i++) {
		const struct conf_row *row = &conf_sections[section].row[i];

		if (row->kind == KIND_LATER || row->reload == RELOAD_IMAGE ||
		    !row_differs(row, old, new))
			continue;
		if (row->kind == KIND_ONE && row->type->section != SECTION_NONE) {
			diff_section(row->type->section, (const char *)old + row->offset,
				     (const char *)new + row->offset, live, restart);
			continue;
		}
		struct buf *names = row->reload == RELOAD_RESTART ? restart : live;

		buf_addf(names, "%s%s%s%s", names->n ? ", " : "",
			 conf_sections[section].name ? conf_sections[section].name : "",
			 conf_sections[section].name ? " " : "", row->name);
	}
}

void conf_diff(const struct conf *old, const struct conf *new, struct buf *live,
	       struct buf *restart)
{
	diff_section(SECTION_TOP, old, new, live, restart);
}
