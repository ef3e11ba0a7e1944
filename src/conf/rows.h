/* rows.h — the .def files as tables; inside the room conf/ only. */
#pragma once

#include "conf/conf.h"

/* The blocks that hold rows. */
enum conf_section {
	SECTION_TOP,
	SECTION_LISTEN,
	SECTION_DOMAIN,
	SECTION_AUTH,
	SECTION_INBOUND,
	SECTION_OUTBOUND,
	SECTION_JOURNAL,
	SECTION_LOGIN,
	SECTION_BAN,
	SECTION_USER,
	SECTION_SUBMISSION,
	SECTION_DNS,
	SECTION_COUNT,
	SECTION_NONE = SECTION_COUNT,
};

/* KIND_LATER: understood, stored nowhere, warned of: nothing serves it yet. */
enum conf_kind { KIND_ONE, KIND_MANY, KIND_LATER };
/* RELOAD_IMAGE: stands in no file, only in what the roles receive. */
enum conf_reload { RELOAD_LIVE, RELOAD_RESTART, RELOAD_IMAGE };

struct conf_row;

/* The arguments of one directive while they are read. */
struct conf_args {
	struct arena *arena;
	struct conf_notes *notes;
	struct str dir;                  /* where relative paths begin */
	const struct conf_row *row;
	const struct conf_word *word;    /* [0] is the name of the directive */
	size_t n;
	size_t i;                        /* the next to read */
};

struct conf_type {
	const char *syntax;
	const char *choices;             /* "a|b|c", or NULL */
	bool is_word;                    /* a value is one word, so that a list takes many */
	enum conf_section section;       /* the rows inside its block */
	bool (*read)(struct conf_args *args, void *ret);     /* NULL: no words */
	void (*print)(const struct conf_type *t, const void *value, struct buf *b);
};

struct conf_row {
	const char *name;
	enum conf_kind kind;
	const struct conf_type *type;    /* NULL for KIND_LATER */
	size_t offset;                   /* of the field in the struct of its section */
	size_t size;                     /* of one value */
	const char *deflt;               /* as text of the same grammar, or NULL */
	int64_t min;
	int64_t max;
	enum conf_reload reload;
	unsigned roles;                  /* who receives it: bits of roles in rows.c */
	const char *help;
};

struct conf_section_rows {
	const char *name;                /* of the directive that opens it; NULL at the top */
	const struct conf_row *row;
	size_t n;
};

/* A field of KIND_MANY: all of its structs look like this. */
struct conf_list {
	void *p;
	size_t n;
};

extern const struct conf_section_rows conf_sections[SECTION_COUNT];

const struct conf_row *conf_row_find(enum conf_section section, struct str name);
/* 0 if there is no such role. */
unsigned conf_role_bit(struct str role);
/* The bit in `set` at the head of the struct. */
static inline uint64_t conf_row_bit(enum conf_section section, const struct conf_row *row)
{
	return UINT64_C(1) << (row - conf_sections[section].row);
}

#define WORD(name, ...) extern const struct conf_type conf_type_##name;
#define LINE WORD
#define CHOICE WORD
#define BLOCK WORD
#include "conf/types.def"
#undef WORD
#undef LINE
#undef CHOICE
#undef BLOCK
