/* notes.c — collects errors and warnings, and guesses what was meant. */
#include "conf/notes.h"

#include <stdarg.h>
#include <stdio.h>

enum { NOTE_MAX = 512, GUESS_WORD_MAX = 32, GUESS_DISTANCE_MAX = 2 };

static void note_add(struct conf_notes *notes, bool is_error, struct conf_pos pos, const char *what)
{
	struct conf_note *note = &notes->note[notes->n];

	notes->n++;
	note->is_error = is_error;
	note->text = pos.line ? arena_printf(notes->arena, STR_FMT ":%u:%u: %s", STR_ARG(pos.file),
					     pos.line, pos.column, what)
			      : arena_printf(notes->arena, STR_FMT ": %s", STR_ARG(pos.file), what);
	if (note->text.n == 0)
		note->text = S("the configuration needs more memory than it may have");
}

bool conf_error(struct conf_notes *notes, struct conf_pos pos, const char *fmt, ...)
{
	char what[NOTE_MAX];
	va_list ap;

	if (conf_notes_full(notes))
		return false;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	note_add(notes, true, pos, what);
	notes->errors++;
	return false;
}

void conf_warn(struct conf_notes *notes, struct conf_pos pos, const char *fmt, ...)
{
	char what[NOTE_MAX];
	va_list ap;

	if (notes->warnings >= CONF_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	note_add(notes, false, pos, what);
	notes->warnings++;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Insertions, deletions, replacements and swaps of neighbours that lead from a to b. */
static size_t edit_distance(struct str a, struct str b)
{
	uint8_t row[GUESS_WORD_MAX + 1][GUESS_WORD_MAX + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[0][j] = (uint8_t)j;
	for (size_t i = 1; i <= a.n; i++) {
		row[i][0] = (uint8_t)i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t differs = a.p[i - 1] != b.p[j - 1];
			size_t d = min3(row[i - 1][j] + 1U, row[i][j - 1] + 1U,
					row[i - 1][j - 1] + differs);

			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				d = min3(d, d, row[i - 2][j - 2] + 1U);
			row[i][j] = (uint8_t)d;
		}
	}
	return row[a.n][b.n];
}

struct conf_guess conf_guess_of(struct str word)
{
	return (struct conf_guess){ .word = word, .distance = GUESS_DISTANCE_MAX + 1 };
}

void conf_guess_offer(struct conf_guess *g, struct str candidate)
{
	size_t d;

	if (g->word.n > GUESS_WORD_MAX || candidate.n > GUESS_WORD_MAX)
		return;
	d = edit_distance(g->word, candidate);
	/* a word of two letters is near to every other */
	if (d >= g->distance || d >= candidate.n || d >= g->word.n)
		return;
	g->distance = d;
	g->best = candidate;
}

const char *conf_guess_text(struct conf_guess *g)
{
	g->text[0] = '\0';
	if (g->best.n)
		snprintf(g->text, sizeof(g->text), ", did you mean \"" STR_FMT "\"?",
			 STR_ARG(g->best));
	return g->text;
}
