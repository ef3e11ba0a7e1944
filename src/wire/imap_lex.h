/* imap_lex.h — the words that IMAP commands are made of (RFC 9051 §9); used by the parsers of commands.
 *
 * A reader over the text of one command.  Each function takes what it names off the text and gives true, or
 * notes the place and what was expected there, and gives false. */
#pragma once

#include "wire/imap_command.h"

struct imap_lex {
	struct str in;           /* the text */
	size_t i;                /* read so far */
	const struct imap_stream *streams;
	size_t n_streams;
	size_t stream;           /* how many were met */
	unsigned flags;          /* enum imap_command_flags */
	bool is_beginning;       /* imap_append_begin() */
	struct append_mark mark;
	struct arena *a;
	struct imap_fault *why;  /* reply is NONE until something fails */
};

/* Both false.  The first failure stays. */
bool lex_fail(struct imap_lex *l, const char *expected);
bool lex_refuse(struct imap_lex *l, enum imap_reply_id reply);

static inline int lex_peek(const struct imap_lex *l)
{
	return str_at(l->in, l->i);
}

/* Is it there?  Takes it only then; notes nothing. */
bool lex_try(struct imap_lex *l, char c);
/* A word in any letter case, followed by no other letter of an atom. */
bool lex_try_word(struct imap_lex *l, struct str word);
bool lex_at_word(const struct imap_lex *l, struct str word);

bool lex_char(struct imap_lex *l, char c, const char *expected);
bool lex_space(struct imap_lex *l);
bool lex_end(struct imap_lex *l);
bool lex_word(struct imap_lex *l, struct str word, const char *expected);

bool lex_atom(struct imap_lex *l, const char *expected, struct str *ret);
bool lex_string(struct imap_lex *l, const char *expected, struct str *ret);
bool lex_astring(struct imap_lex *l, const char *expected, struct str *ret);
/* is_nil: NIL was there, *ret is empty. */
bool lex_nstring(struct imap_lex *l, struct str *ret, bool *is_nil);
bool lex_number(struct imap_lex *l, const char *expected, uint64_t max, uint64_t *ret);
bool lex_seqset(struct imap_lex *l, unsigned flags, struct seqset *ret);
/* date-time with its quotes */
bool lex_date_time(struct imap_lex *l, int64_t *ret_utc, int32_t *ret_zone);
bool lex_date(struct imap_lex *l, int32_t *ret_day);
/* A literal that is not in the text: its index. */
bool lex_stream(struct imap_lex *l, size_t *ret);

/* In UTF-8, "INBOX" in capitals. */
bool lex_mailbox(struct imap_lex *l, struct str *ret);
/* list-mailbox: the same with wildcards; what is no valid modified UTF-7 stays as it is and matches nothing. */
bool lex_pattern(struct imap_lex *l, struct str *ret);
/* flag-list with its parentheses, or (store_form) bare flags up to the end. */
bool lex_flags(struct imap_lex *l, bool store_form, struct flag_list *ret);
/* *base, an array in the arena, gets room for one more than n things. */
bool lex_room(struct imap_lex *l, void *base, size_t n, size_t size, size_t max);
