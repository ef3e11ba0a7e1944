/* syntax.h — from the text of a configuration to a tree of directives.
 *
 *	file      = { directive | NEWLINE }
 *	directive = WORD { WORD | STRING } [ "{" NEWLINE { directive | NEWLINE } "}" ] NEWLINE
 *
 * `#` where a word could begin starts a comment; a backslash at the end joins
 * lines; a STRING knows \" \\ and \$.  `set NAME value` gives $(NAME) a value
 * from there on; `include GLOB` is replaced by the directives of the files. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "conf/notes.h"

enum {
	CONF_FILE_MAX = 1 << 20,
	CONF_IMAGE_MAX = 32 << 20,       /* all files as one text, printed for a role */
	CONF_DEPTH_MAX = 8,              /* blocks inside each other */
	CONF_INCLUDE_DEPTH_MAX = 8,
	CONF_INCLUDE_FILES_MAX = 256,    /* in all */
	CONF_WORDS_MAX = 64,             /* in one directive, its name included */
	CONF_WORD_MAX = 4096,            /* bytes, after $(NAME) */
	CONF_VARIABLES_MAX = 256,
	CONF_MEMORY_MAX = 48 << 20,      /* limit of the arena that reads a file */
	CONF_IMAGE_MEMORY_MAX = 96 << 20,        /* and of one that reads an image */
};

struct conf_word {
	struct str text;
	struct conf_pos pos;
};

struct directive {
	struct conf_word *word;          /* word[0] is its name */
	size_t n;
	bool has_block;
	struct directive *block;         /* the first inside */
	struct directive *next;
};

/* Gives the i-th file that matches the glob (sorted; a relative glob begins at the
 * folder of the configuration file); false with e->fault == FAULT_NONE after the last.
 * Name and text live as long as the reading. */
struct conf_includes {
	bool (*file)(void *arg, struct str glob, size_t i, struct str *ret_name,
		     struct str *ret_text, struct err *e);
	void *arg;
};

/* The tree lives in the arena and refers to nothing else but `file` (a name for
 * the positions).  inc is NULL for an
 * image: then `include` is an error.  false if there
 * were errors; *ret then holds what could be understood. */
bool conf_parse(struct str file, struct str text, const struct conf_includes *inc,
		struct arena *a, struct conf_notes *notes, struct directive **ret);

/* word as it must be written to be read back as the same bytes. */
void conf_word_print(struct buf *b, struct str word);
