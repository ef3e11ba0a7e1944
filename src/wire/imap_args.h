/* imap_args.h — what stands behind the verb of each IMAP command; imap_command.c has the table. */
#pragma once

#include "wire/imap_lex.h"

/* Each begins behind the verb, takes its SP and arguments, and fills its part of *c. */
bool args_select(struct imap_lex *l, struct imap_command *c);
bool args_mailbox(struct imap_lex *l, struct imap_command *c);
bool args_create(struct imap_lex *l, struct imap_command *c);
bool args_rename(struct imap_lex *l, struct imap_command *c);
bool args_list(struct imap_lex *l, struct imap_command *c);
bool args_lsub(struct imap_lex *l, struct imap_command *c);
bool args_status(struct imap_lex *l, struct imap_command *c);

bool args_append(struct imap_lex *l, struct imap_command *c);
bool args_replace(struct imap_lex *l, struct imap_command *c);

bool args_fetch(struct imap_lex *l, struct imap_command *c);
bool args_store(struct imap_lex *l, struct imap_command *c);

bool args_search(struct imap_lex *l, struct imap_command *c);
bool args_sort(struct imap_lex *l, struct imap_command *c);
bool args_thread(struct imap_lex *l, struct imap_command *c);

bool args_id(struct imap_lex *l, struct imap_command *c);
bool args_getquota(struct imap_lex *l, struct imap_command *c);
bool args_setquota(struct imap_lex *l, struct imap_command *c);
bool args_getmetadata(struct imap_lex *l, struct imap_command *c);
bool args_setmetadata(struct imap_lex *l, struct imap_command *c);
bool args_notify(struct imap_lex *l, struct imap_command *c);

/* "(MESSAGES UNSEEN)" */
bool lex_status_items(struct imap_lex *l, unsigned *ret);
/* fetch-att *(SP fetch-att), without the parentheses. */
bool lex_fetch_items(struct imap_lex *l, struct imap_fetch *ret);
/* partial-range of RFC 9394: "1:100", "-1:-100" */
bool lex_partial(struct imap_lex *l, struct imap_partial *ret);

/* A word out of a table, and what it means. */
struct lex_choice {
	struct str word;
	unsigned value;
};
bool lex_choice(struct imap_lex *l, const struct lex_choice *choices, size_t n, const char *expected,
		unsigned *ret);
