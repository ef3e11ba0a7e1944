/* syntax.c — reads the grammar of the configuration.
 *
 * One pass, byte by byte, with the position of each.  After an error the rest of
 * the line is still read (a block that opens there must be closed), but the
 * directive is dropped and no second error of the line is told.  What several
 * files share (variables, limits, the scratch for words) stands in struct reading. */
#include "conf/syntax.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

struct variable {
	struct str name;
	struct str value;
};

struct reading {
	struct arena *arena;
	struct conf_notes *notes;
	const struct conf_includes *includes;
	struct variable variable[CONF_VARIABLES_MAX];
	size_t variables;
	size_t files;
	size_t file_max;
	struct conf_word word[CONF_WORDS_MAX];   /* of the directive being read */
	size_t words;
	char text[CONF_WORD_MAX];                /* of the word being read */
	bool stop;                               /* going on makes no sense */
};

struct input {
	struct reading *r;
	struct str text;
	size_t i;
	struct conf_pos pos;     /* of byte i */
	size_t include_depth;
	bool is_bad;             /* the line has had its error */
};

static void read_file(struct reading *r, struct str name, struct str text, size_t depth,
		      size_t include_depth, struct directive ***tail);

PRINTF_LIKE(3, 4)
static void line_error(struct input *in, struct conf_pos pos, const char *fmt, ...);

static void line_error(struct input *in, struct conf_pos pos, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	if (in->is_bad)
		return;
	in->is_bad = true;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	conf_error(in->r->notes, pos, "%s", what);
	if (conf_notes_full(in->r->notes))
		in->r->stop = true;
}

static int peek(const struct input *in)
{
	return str_at(in->text, in->i);
}

static void step(struct input *in)
{
	int c = peek(in);

	in->i++;
	if (c == '\n') {
		in->pos.line++;
		in->pos.column = 1;
	} else if ((peek(in) & 0xc0) != 0x80) {
		in->pos.column++;        /* bytes inside a UTF-8 character do not count */
	}
}

/* Is there a line end here (behind a backslash: at = 1)?  Gives its length or 0. */
static size_t newline_at(const struct input *in, size_t at)
{
	if (str_at(in->text, in->i + at) == '\n')
		return 1;
	return str_starts(str_from(in->text, in->i + at), S("\r\n")) ? 2 : 0;
}

static void steps(struct input *in, size_t n)
{
	while (n--)
		step(in);
}

/* Spaces, joined lines and a comment; stops at a word, a brace, a line end or the end. */
static void skip_space(struct input *in)
{
	for (;;) {
		int c = peek(in);

		if (c == ' ' || c == '\t')
			step(in);
		else if (c == '\\' && newline_at(in, 1))
			steps(in, 1 + newline_at(in, 1));
		else if (c == '#')
			while (peek(in) >= 0 && peek(in) != '\n')
				step(in);
		else
			return;
	}
}

static bool ends_word(const struct input *in)
{
	int c = peek(in);

	return c < 0 || c == ' ' || c == '\t' || c == '{' || c == '}' || newline_at(in, 0) ||
	       (c == '\\' && newline_at(in, 1));
}

static bool is_name(int c)
{
	return ascii_is_alnum(c) || c == '_' || c == '-';
}

static const struct variable *variable_find(const struct reading *r, struct str name)
{
	for (size_t i = 0; i < r->variables; i++)
		if (str_eq(r->variable[i].name, name))
			return &r->variable[i];
	return NULL;
}

/* $(NAME), of which "$(" is known to stand here. */
static void read_variable(struct input *in, struct buf *word)
{
	struct conf_pos pos = in->pos;
	size_t begin = in->i + 2;
	const struct variable *v;
	struct str name;

	steps(in, 2);
	while (is_name(peek(in)))
		step(in);
	name = str_sub(in->text, begin, in->i - begin);
	if (name.n == 0 || peek(in) != ')') {
		line_error(in, pos, "\"$(\" begins the use of a name: $(NAME)");
		return;
	}
	step(in);
	v = variable_find(in->r, name);
	if (v) {
		buf_add(word, v->value);
		return;
	}
	struct conf_guess g = conf_guess_of(name);

	for (size_t i = 0; i < in->r->variables; i++)
		conf_guess_offer(&g, in->r->variable[i].name);
	line_error(in, pos, "no \"set\" gives \"" STR_FMT "\" a value%s",
		   STR_ARG(str_head(name, 64)), conf_guess_text(&g));
}

static void read_char(struct input *in, struct buf *word)
{
	int c = peek(in);

	if ((c < 0x20 && c != '\t') || c == 0x7f)
		line_error(in, in->pos, "a byte 0x%02x has no place here", (unsigned)c);
	else
		buf_add_char(word, (char)c);
	step(in);
}

static void read_string(struct input *in, struct buf *word)
{
	struct conf_pos pos = in->pos;

	step(in);
	while (peek(in) != '"') {
		int next = str_at(in->text, in->i + 1);

		if (peek(in) < 0 || newline_at(in, 0)) {
			line_error(in, pos, "the string has no end on its line");
			return;
		}
		if (peek(in) == '$' && next == '(') {
			read_variable(in, word);
			continue;
		}
		if (peek(in) == '\\') {
			if (next != '"' && next != '\\' && next != '$') {
				line_error(in, in->pos,
					   "in a string a backslash stands before \" \\ or $ only");
				step(in);
				continue;
			}
			step(in);
		}
		read_char(in, word);
	}
	step(in);
	if (!ends_word(in))
		line_error(in, in->pos, "a space belongs behind a string");
}

static void read_bare(struct input *in, struct buf *word)
{
	while (!ends_word(in)) {
		if (peek(in) == '$' && str_at(in->text, in->i + 1) == '(') {
			read_variable(in, word);
		} else if (peek(in) == '"') {
			line_error(in, in->pos, "a string begins with its quote: "
						"put the whole word between quotes");
			step(in);
		} else if (peek(in) == '\\') {
			line_error(in, in->pos,
				   "a backslash stands at the end of a line or in a string");
			step(in);
		} else {
			read_char(in, word);
		}
	}
}

static void read_word(struct input *in)
{
	struct reading *r = in->r;
	struct conf_word w = { .pos = in->pos };
	struct buf b = buf_over(r->text, sizeof(r->text));

	if (peek(in) == '"')
		read_string(in, &b);
	else
		read_bare(in, &b);
	if (b.full)
		line_error(in, w.pos, "the word is longer than %d bytes", CONF_WORD_MAX);
	if (r->words == CONF_WORDS_MAX) {
		line_error(in, w.pos, "more than %d words in one directive", CONF_WORDS_MAX);
		return;
	}
	w.text = arena_str(r->arena, buf_str(&b));
	r->word[r->words++] = w;
}

/* Words up to a brace or the end of the line, which is left. */
static void read_words(struct input *in)
{
	in->r->words = 0;
	for (;;) {
		skip_space(in);
		if (peek(in) < 0 || peek(in) == '{' || peek(in) == '}' || newline_at(in, 0))
			return;
		read_word(in);
	}
}

static void expect_newline(struct input *in, const char *after)
{
	skip_space(in);
	if (newline_at(in, 0))
		steps(in, newline_at(in, 0));
	else if (peek(in) >= 0)
		line_error(in, in->pos, "a new line belongs behind %s", after);
}

static void set_variable(struct input *in, const struct conf_word *w, size_t n)
{
	struct reading *r = in->r;

	if (n != 3) {
		line_error(in, w[0].pos, "\"set\" wants a name and one value: set NAME value");
		return;
	}
	for (size_t i = 0; i < w[1].text.n; i++)
		if (!is_name(str_at(w[1].text, i))) {
			line_error(in, w[1].pos,
				   "a name has letters, digits, \"-\" and \"_\" only");
			return;
		}
	if (w[1].text.n == 0 || variable_find(r, w[1].text)) {
		line_error(in, w[1].pos, "\"" STR_FMT "\" is set already",
			   STR_ARG(str_head(w[1].text, 64)));
		return;
	}
	if (r->variables == CONF_VARIABLES_MAX) {
		line_error(in, w[0].pos, "more than %d names are set", CONF_VARIABLES_MAX);
		return;
	}
	r->variable[r->variables++] = (struct variable){ w[1].text, w[2].text };
}

static void include(struct input *in, const struct conf_word *w, size_t n, size_t depth,
		    struct directive ***tail)
{
	struct reading *r = in->r;
	struct str glob, name, text;
	struct err e = { 0 };
	size_t i = 0;

	if (n != 2) {
		line_error(in, w[0].pos, "\"include\" wants one file or glob");
		return;
	}
	if (!r->includes || !r->includes->file) {
		line_error(in, w[0].pos, "\"include\" has no place here");
		return;
	}
	if (in->include_depth == CONF_INCLUDE_DEPTH_MAX) {
		line_error(in, w[0].pos, "files include each other more than %d deep",
			   CONF_INCLUDE_DEPTH_MAX);
		r->stop = true;
		return;
	}
	struct conf_pos pos = w[0].pos;  /* w is overwritten by the file's own words */

	glob = w[1].text;
	for (; !r->stop && r->includes->file(r->includes->arg, glob, i, &name, &text, &e); i++) {
		if (r->files++ == CONF_INCLUDE_FILES_MAX) {
			line_error(in, pos, "more than %d files are included",
				   CONF_INCLUDE_FILES_MAX);
			r->stop = true;
			return;
		}
		read_file(r, arena_str(r->arena, name), text, depth, in->include_depth + 1, tail);
	}
	if (e.fault != FAULT_NONE)
		line_error(in, pos, "include " STR_FMT ": %s", STR_ARG(str_head(glob, 64)), e.text);
	else if (i == 0 && !r->stop && !str_has(glob, '*') && !str_has(glob, '?') &&
		 !str_has(glob, '['))
		line_error(in, pos, "there is no file " STR_FMT, STR_ARG(str_head(glob, 128)));
}

static struct directive *directive_add(struct reading *r, struct directive ***tail)
{
	struct directive *d = ARENA_NEW(r->arena, struct directive);

	if (!d)
		return NULL;
	d->n = r->words;
	d->word = ARENA_ARRAY(r->arena, struct conf_word, d->n ? d->n : 1);
	if (!d->word)
		return NULL;
	memcpy(d->word, r->word, d->n * sizeof(*d->word));
	**tail = d;
	*tail = &d->next;
	return d;
}

static void read_lines(struct input *in, size_t depth, const struct conf_pos *opened,
		       struct directive ***tail);

/* The block whose "{" stands here; d may be NULL if the directive is dropped. */
static void read_block(struct input *in, size_t depth, struct directive *d)
{
	struct conf_pos opened = in->pos;
	struct directive *dropped = NULL;
	struct directive **tail = d ? &d->block : &dropped;

	step(in);
	expect_newline(in, "\"{\"");
	if (depth == CONF_DEPTH_MAX) {
		in->is_bad = false;
		line_error(in, opened, "blocks stand more than %d deep", CONF_DEPTH_MAX);
		in->r->stop = true;
		return;
	}
	if (d)
		d->has_block = true;
	read_lines(in, depth + 1, &opened, &tail);
}

/* One directive, whose first word or brace stands here. */
static void read_directive(struct input *in, size_t depth, struct directive ***tail)
{
	struct reading *r = in->r;
	const struct conf_word *w = r->word;
	bool is_block;

	in->is_bad = false;
	read_words(in);
	is_block = peek(in) == '{';
	if (peek(in) == '}')
		line_error(in, in->pos, "\"}\" stands on a line of its own");
	if (is_block && r->words == 0)
		line_error(in, in->pos, "\"{\" belongs behind a directive");
	if (!is_block)
		steps(in, newline_at(in, 0));
	if (in->is_bad || r->words == 0) {
		if (is_block)
			read_block(in, depth, NULL);
		return;
	}
	bool is_set = str_eq(w[0].text, S("set")), is_include = str_eq(w[0].text, S("include"));

	if (is_block && (is_set || is_include)) {
		line_error(in, in->pos, "\"" STR_FMT "\" has no block", STR_ARG(w[0].text));
		read_block(in, depth, NULL);
	} else if (is_set) {
		set_variable(in, w, r->words);
	} else if (is_include) {
		include(in, w, r->words, depth, tail);
	} else {
		struct directive *d = directive_add(r, tail);

		if (is_block)
			read_block(in, depth, d);
	}
}

/* Directives up to the "}" of the block that was opened, or to the end of the file. */
static void read_lines(struct input *in, size_t depth, const struct conf_pos *opened,
		       struct directive ***tail)
{
	while (!in->r->stop && !in->r->arena->full) {
		skip_space(in);
		in->is_bad = false;
		if (peek(in) < 0) {
			if (opened)
				line_error(in, *opened, "the block has no \"}\"");
			return;
		}
		if (peek(in) == '}') {
			if (!opened)
				line_error(in, in->pos, "no block is open here");
			step(in);
			expect_newline(in, "\"}\"");
			if (opened)
				return;
		} else if (newline_at(in, 0)) {
			steps(in, newline_at(in, 0));
		} else {
			read_directive(in, depth, tail);
		}
	}
}

static void read_file(struct reading *r, struct str name, struct str text, size_t depth,
		      size_t include_depth, struct directive ***tail)
{
	struct input in = {
		.r = r, .text = text, .pos = { name, 1, 1 }, .include_depth = include_depth
	};

	if (text.n > r->file_max) {
		conf_error(r->notes, in.pos, "the file is larger than %zu MiB", r->file_max >> 20);
		return;
	}
	if (str_starts(text, S("\xef\xbb\xbf")))
		in.i = 3;        /* the mark that some editors put in front of UTF-8 */
	read_lines(&in, depth, NULL, tail);
}

bool conf_parse(struct str file, struct str text, const struct conf_includes *inc,
		struct arena *a, struct conf_notes *notes, struct directive **ret)
{
	AUTO(arena_end) struct arena own = { 0 };
	struct reading *r = ARENA_NEW(&own, struct reading);
	struct directive *first = NULL, **tail = &first;
	size_t errors = notes->errors;

	if (r) {
		r->arena = a;
		r->notes = notes;
		r->includes = inc;
		r->file_max = inc ? CONF_FILE_MAX : CONF_IMAGE_MAX;
		read_file(r, file, text, 0, 0, &tail);
	}
	if (a->full)
		conf_error(notes, (struct conf_pos){ .file = file }, "%s",
			   "the configuration needs more memory than it may have");
	*ret = first;
	return notes->errors == errors;
}

void conf_word_print(struct buf *b, struct str word)
{
	bool is_bare = word.n > 0 && str_at(word, 0) != '#';

	for (size_t i = 0; i < word.n; i++)
		if (strchr(" \t\"\\${}", word.p[i]))
			is_bare = false;
	if (is_bare) {
		buf_add(b, word);
		return;
	}
	buf_add_char(b, '"');
	for (size_t i = 0; i < word.n; i++) {
		if (strchr("\"\\$", word.p[i]))
			buf_add_char(b, '\\');
		buf_add_char(b, word.p[i]);
	}
	buf_add_char(b, '"');
}
