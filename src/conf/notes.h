/* notes.h — what a reader of the configuration has to say to the person who wrote it.
 *
 * Errors and warnings are collected, each as one line "file:line:column: what",
 * so that one look shows all of them; after CONF_ERRORS_MAX errors the reading ends. */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/str.h"

enum { CONF_ERRORS_MAX = 20, CONF_WARNINGS_MAX = 20 };

struct conf_pos {
	struct str file;
	uint32_t line;           /* from 1; 0: no place in a file */
	uint32_t column;         /* from 1, in characters */
};

struct conf_note {
	struct str text;         /* in the arena, without newline */
	bool is_error;
};

struct conf_notes {
	struct arena *arena;     /* where the texts live */
	struct conf_note note[CONF_ERRORS_MAX + CONF_WARNINGS_MAX];
	size_t n;
	size_t errors;
	size_t warnings;
};

/* Returns false, so that a failing path is one line. */
PRINTF_LIKE(3, 4) bool conf_error(struct conf_notes *notes, struct conf_pos pos,
				  const char *fmt, ...);
PRINTF_LIKE(3, 4) void conf_warn(struct conf_notes *notes, struct conf_pos pos,
				 const char *fmt, ...);
static inline bool conf_notes_full(const struct conf_notes *notes)
{
	return notes->errors >= CONF_ERRORS_MAX;
}

/* "did you mean": offer all that would have been right, then ask for the text,
 * which is empty or `, did you mean "x"?` and lives inside the guess. */
struct conf_guess {
	struct str word;
	struct str best;
	size_t distance;
	char text[96];
};
struct conf_guess conf_guess_of(struct str word);
void conf_guess_offer(struct conf_guess *g, struct str candidate);
const char *conf_guess_text(struct conf_guess *g);
