/* dkim.h — DKIM keys inside the role `keys`.
 *
 *   dkim.c        the keys, and the file that says what happened to them
 *   dkim_file.c   keys in files of the administrator
 *   dkim_serve.c  what other roles ask about them */
#pragma once

#include "ipc/dkim_say.h"
#include "role/runtime.h"
#include "trust/dkim_entry.h"
#include "trust/dkim_private.h"

struct dkim_row {
	size_t index;                    /* dkim_row_at() */
	struct str domain, selector;     /* owned; A-labels, lower case */
	enum dkim_state state;           /* as it was written: REMOVABLE follows from the time */
	int64_t made, since, seen;
	uint8_t flags;                   /* DKIM_IS_TAKEN_OVER */
	struct dkim_private private;     /* key NULL: it cannot sign */
	char trouble[320];
};

/* The file that holds all we make; a new one is empty.  Takes fd. */
void dkim_book_take(int fd);
/* NULL: there is none of that name. */
struct dkim_row *dkim_find(struct str domain, struct str selector);
/* All of them, in the order in which they came. */
struct dkim_row *dkim_row_at(size_t i);          /* NULL: that was all */
size_t dkim_count(void);
/* What it is by now. */
enum dkim_state dkim_state_of(const struct dkim_row *row);
/* The one that signs for the domain with that algorithm, or NULL. */
struct dkim_row *dkim_in_use(struct str domain, enum dkim_algorithm algorithm);
/* Makes what the domain lacks: with is_first only for algorithms of which it has no key in use (those sign at once),
 * else one of each that waits to be seen.  Durable when it returns true. */
SUSPENDS bool dkim_make(struct str domain, bool is_first, struct str by, struct str reason, struct err *e);
/* FAULT_PERM: that cannot be said of a key in this state. */
bool dkim_mark_row(struct dkim_row *row, enum dkim_mark mark, struct str by, struct str reason, struct err *e);
/* The row of a key that lies in a file; NULL: there are too many. */
struct dkim_row *dkim_row_taken(struct str domain, struct str selector);
/* When its file is read for the first time: it signs from now on, and the one before it does not. */
void dkim_row_takes_over(struct dkim_row *row, enum dkim_algorithm algorithm);
struct str dkim_copy(struct str s);      /* malloc()ed */
/* Why no key can be made or marked; empty: it can. */
struct str dkim_book_trouble(void);

/* dkim_file.c */
void dkim_file_take(struct role_file *f);
/* The row of that line for somebody of the domain, when the parent has sent the file or a moment is over; NULL: there is
 * none, e says why. */
SUSPENDS struct dkim_row *dkim_file_row(uint32_t line, struct str author, struct err *e);
/* Lines may have other numbers now. */
void dkim_files_forget(void);

/* dkim_serve.c */
void dkim_serve(void);
/* Who signs may be others now. */
void dkim_changed(void);
/* For `waxwing status`: what a person must do. */
void dkim_status(struct buf *b);
