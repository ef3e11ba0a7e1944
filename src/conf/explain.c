/* explain.c — the rows as text for people: `config explain`, the man page, the sample. */
#include "conf/rows.h"

#include "base/err.h"

enum { TEXT_WIDTH = 76 };

static const char *section_name(enum conf_section s)
{
	return conf_sections[s].name;
}

/* "auto|COUNT" of a type; "{ … }" for what is only a block. */
static const char *syntax_of(const struct conf_row *row)
{
	return row->type ? row->type->syntax : "WORD ...";
}

/* A list of words may be continued on its line. */
static const char *more_of(const struct conf_row *row)
{
	return row->kind == KIND_MANY && row->type->is_word ? " ..." : "";
}

static bool is_block(const struct conf_row *row)
{
	return row->type && row->type->section != SECTION_NONE;
}

static bool is_shown(const struct conf_row *row)
{
	return row->reload != RELOAD_IMAGE;
}

/* Sentences, one or more lines each: a sentence begins a line, as mdoc asks. */
static void add_wrapped(struct buf *b, struct str text, const char *prefix, bool break_sentences)
{
	size_t column = 0;

	for (struct str w = str_word(&text); w.n; w = str_word(&text)) {
		if (column && column + 1 + w.n > TEXT_WIDTH) {
			buf_add_char(b, '\n');
			column = 0;
		}
		buf_add(b, column ? S(" ") : str_from_z(prefix));
		buf_add(b, w);
		column += w.n + 1;
		if (break_sentences && str_ends(w, S("."))) {
			buf_add_char(b, '\n');
			column = 0;
		}
	}
	if (column)
		buf_add_char(b, '\n');
}

/* explain */

static void explain_row(enum conf_section section, const struct conf_row *row, struct buf *b)
{
	const char *in = section_name(section), *syntax = syntax_of(row);

	buf_addf(b, "%s%s%s%s%s\n", row->name, syntax[0] ? " " : "", syntax, more_of(row),
		 is_block(row) ? " { ... }" : "");
	add_wrapped(b, str_from_z(row->help), "    ", false);
	buf_addf(b, in ? "    stands in the block of %s\n" : "    stands outside all blocks%s\n",
		 in ? in : "");
	if (row->kind == KIND_LATER) {
		buf_add(b, S("    not yet served\n"));
		return;
	}
	if (row->kind == KIND_MANY)
		buf_add(b, S("    may stand several times\n"));
	if (row->deflt)
		buf_addf(b, "    default: %s\n", row->deflt);
	if (is_block(row) && row->kind == KIND_ONE)
		return;
	buf_add(b, row->reload == RELOAD_RESTART ? S("    a change needs a restart\n")
						 : S("    a reload applies a change\n"));
}

bool conf_explain(struct str name, struct buf *b, struct err *e)
{
	struct conf_guess g = conf_guess_of(name);
	bool found = false;

	for (unsigned s = 0; s < SECTION_COUNT; s++) {
		for (size_t i = 0; i < conf_sections[s].n; i++) {
			const struct conf_row *row = &conf_sections[s].row[i];

			if (!is_shown(row))
				continue;
			conf_guess_offer(&g, str_from_z(row->name));
			if (!str_eq(name, str_from_z(row->name)))
				continue;
			if (found)
				buf_add_char(b, '\n');
			explain_row(s, row, b);
			found = true;
		}
	}
	if (!found)
		return fail(e, FAULT_PERM, "there is no directive \"" STR_FMT "\"%s",
			    STR_ARG(str_head(name, 64)), conf_guess_text(&g));
	return true;
}

/* the man page */

/* "auto|COUNT" as mdoc: capitals are arguments, other words stand as they are. */
static void man_syntax(struct buf *b, struct str syntax)
{
	static const struct {
		char mark;
		struct str mdoc;
	} marks[] = {
		{ '|', { " |", 2 } }, { '[', { " Oo", 3 } }, { ']', { " Oc", 3 } },
		{ ':', { " : Ns", 5 } }, { ' ', { "", 0 } },
	};
	size_t n;

	for (; syntax.n; syntax = str_from(syntax, n)) {
		for (size_t i = 0; i < ARRAY_LEN(marks); i++)
			if (syntax.p[0] == marks[i].mark)
				buf_add(b, marks[i].mdoc);
		for (n = 0; n < syntax.n && !str_has(S(" |[]:"), syntax.p[n]); n++)
			;
		if (n)
			buf_addf(b, " %s " STR_FMT,
				 syntax.p[0] >= 'A' && syntax.p[0] <= 'Z' ? "Ar" : "Cm",
				 STR_ARG(str_head(syntax, n)));
		else
			n = 1;
	}
}

static void man_row(const struct conf_row *row, struct buf *b)
{
	buf_addf(b, ".It Ic %s", row->name);
	man_syntax(b, str_from_z(syntax_of(row)));
	buf_add(b, str_from_z(more_of(row)));
	if (is_block(row))
		buf_add(b, S(" Brq ..."));
	buf_add_char(b, '\n');
	add_wrapped(b, str_from_z(row->help), "", true);
	if (row->kind == KIND_LATER)
		buf_add(b, S("Not yet served.\n"));
	if (row->kind == KIND_MANY)
		buf_add(b, S("May stand several times.\n"));
	if (row->deflt)
		buf_addf(b, "Default:\n.Li %s .\n", row->deflt);
	if (row->kind != KIND_LATER && row->reload == RELOAD_RESTART && !is_block(row))
		buf_add(b, S("A change needs a restart.\n"));
}

void conf_print_man(struct buf *b)
{
	for (unsigned s = 0; s < SECTION_COUNT; s++) {
		if (section_name(s))
			buf_addf(b, ".Ss Inside the block of %s\n", section_name(s));
		else
			buf_add(b, S(".Ss Outside all blocks\n"));
		buf_add(b, S(".Bl -tag -width Ds\n"));
		for (size_t i = 0; i < conf_sections[s].n; i++)
			if (is_shown(&conf_sections[s].row[i]))
				man_row(&conf_sections[s].row[i], b);
		buf_add(b, S(".El\n"));
	}
}

/* the sample */

static const char sample_head[] =
	"# waxwing.conf - the configuration of waxwing(8), see waxwing.conf(5)\n"
	"#\n"
	"# These five lines are a complete configuration.  Change the names, then:\n"
	"#     waxwing config check && waxwing user passwd you@example.org\n"
	"hostname  mail.example.org\n"
	"contact   postmaster@example.org\n"
	"domain    example.org\n"
	"user      you@example.org\n"
	"storage   /var/lib/waxwing\n"
	"\n"
	"# RoundCube and other programs of this machine that send to port 25 and cannot log in: take the # away.\n"
	"# (What calls sendmail needs no line: it may send as the user that runs it, and as root by any address.)\n"
	"#submission {\n"
	"#    network 127.0.0.0/8 ::1 as any\n"
	"#}\n"
	"\n"
	"# All directives, with their defaults.  Take the # away from what you change.\n";

/* `#name value`; inside a block that is itself commented out `#    name value`. */
static void sample_section(enum conf_section section, const char *line, const char *help,
			   struct buf *b)
{
	for (size_t i = 0; i < conf_sections[section].n; i++) {
		const struct conf_row *row = &conf_sections[section].row[i];
		const char *words = row->deflt ? row->deflt : syntax_of(row);

		if (!is_shown(row) || row->kind == KIND_LATER)
			continue;
		if (section == SECTION_TOP)
			buf_add_char(b, '\n');
		add_wrapped(b, str_from_z(row->help), help, false);
		buf_addf(b, "%s%s%s%s%s\n", line, row->name, words[0] ? " " : "", words,
			 is_block(row) ? " {" : "");
		if (!is_block(row))
			continue;
		sample_section(row->type->section, "#    ", "#    # ", b);
		buf_addf(b, "%s}\n", line);
	}
}

void conf_print_sample(struct buf *b)
{
	buf_add(b, str_from_z(sample_head));
	sample_section(SECTION_TOP, "#", "# ", b);
}
