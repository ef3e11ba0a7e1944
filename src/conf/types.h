/* types.h — readers and printers of the types in types.def; inside the room conf/ only.
 *
 * A reader takes its words from args, complains where they stand, and writes
 * *ret only on success.  A printer writes words that its reader reads back as
 * the same value; nothing for an empty one. */
#pragma once

#include "conf/rows.h"

/* The next argument; an error if there is none. */
bool conf_args_take(struct conf_args *args, const struct conf_word **ret);
/* Takes the next argument if it is this word. */
bool conf_args_literal(struct conf_args *args, const char *literal);
/* "x" is not WHAT; returns false. */
bool conf_word_error(struct conf_args *args, const struct conf_word *w, const char *what);
/* The next argument must be one of choices "a|b|c"; gives its index. */
bool conf_choice(struct conf_args *args, const char *choices, unsigned *ret);
struct str conf_choice_name(const char *choices, unsigned i);

/* The path in `text`, a part of the word w; a relative one begins at args->dir. */
bool conf_path_in(struct conf_args *args, const struct conf_word *w, struct str text, struct str *ret);
bool conf_duration_in(struct conf_args *args, int64_t min, int64_t max, int64_t *ret);
void conf_duration_print(int64_t v, struct buf *b);
bool conf_count_in(struct conf_args *args, int64_t min, int64_t max, uint32_t *ret);
bool conf_size_in(struct conf_args *args, int64_t min, int64_t max, uint64_t *ret);
void conf_size_print(uint64_t v, struct buf *b);
bool conf_ip_parse(struct str s, uint8_t addr[16], bool *is_v4);
void conf_ip_print(const uint8_t addr[16], bool is_v4, struct buf *b);

#define READER(name) bool conf_read_##name(struct conf_args *args, void *ret);
#define PRINTER(name) \
	void conf_print_##name(const struct conf_type *t, const void *value, struct buf *b);
#define WORD(name, syntax, printer) READER(name)
#define LINE(name, syntax) READER(name) PRINTER(name)
#define CHOICE(name, choices)
#define BLOCK(name, ...)
#include "conf/types.def"
#undef WORD
#undef LINE
#undef CHOICE
#undef BLOCK
PRINTER(count)
PRINTER(copies)
PRINTER(duration)
PRINTER(size)
PRINTER(mark)
PRINTER(str)
PRINTER(net)
PRINTER(sender)
READER(listen)
PRINTER(listen)
READER(domain_block)
PRINTER(domain_block)
READER(user_block)
PRINTER(user_block)
READER(choice)
PRINTER(choice)
#undef READER
#undef PRINTER
