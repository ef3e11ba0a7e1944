/* entry_file.h — blocks and exceptions in text files, ours and Exim's.
 *
 * Ours: an entry (user/entry.h) a line, perhaps "until YYYY-MM-DD", perhaps a comment, which is the
 * reason.  A line without one has that of the comment lines straight above it.
 *
 *	evil.example                       # sells our addresses
 *	198.51.100.0/24 until 2026-12-31   # until they have cleaned up
 *
 * Exim's sender_local_deny_exceptions and host_local_deny_exceptions are address and host lists
 * (specification, chapters 10.2 to 10.6 and 10.19) of which the first line that matches decides, and "!"
 * in front says no.  Names of hosts are compared with the name that PTR gives and that leads back.
 * Lines with "^", look-ups, "@" alone, "+lists" and files are refused; each is a fault.
 *
 * A line that cannot be read is a fault; the rest goes on working. */
#pragma once

#include "user/address_file.h"
#include "user/entry.h"

enum { ENTRY_FILE_MAX = 32 << 20, ENTRY_LINE_MAX = 2048 };

enum entry_file_kind { ENTRY_FILE_BLOCK, ENTRY_FILE_ALLOW, ENTRY_FILE_EXIM_SENDERS, ENTRY_FILE_EXIM_HOSTS, ENTRY_FILE_KINDS };

struct exim_item;

struct entry_file {
	enum entry_file_kind kind;
	struct str name;
	struct entry_set set;
	struct exim_item *items;         /* of a list of Exim, in its order; set.list[i] is what to show of it */
	size_t n_items;
	bool is_open_ended;              /* its last line begins with "!": all others match (specification 10.6) */
	struct line_fault *faults;
	size_t n_faults, n_faults_all;
	unsigned n_lines;
};

/* The text need not stay.  NULL with a sentence only if the file as a whole cannot be taken. */
struct entry_file *entry_file_parse(enum entry_file_kind kind, struct str name, struct str text, struct err *e);
struct entry_file *entry_file_read(enum entry_file_kind kind, struct str name, int fd, struct err *e);
void entry_file_close(struct entry_file *f);
void entry_file_end(struct entry_file **f);

/* As entry_set_find(); f may be NULL. */
void entry_file_find(const struct entry_file *f, const struct entry_subject *subject, int64_t now,
		     struct entry_found *best);

/* "2026-12-31": the end of that day, UTC. */
bool entry_date_parse(struct str s, int64_t *ret);
