/* address_file.h — the operator's own files of domains and addresses, as Exim reads them.
 *
 * Two kinds share one syntax (Exim's lsearch, specification 9.3): a line begins
 * with a key, which ends at a colon or white space or stands in double quotes;
 * what follows is its value, and lines that begin with white space continue it.
 * Empty lines and lines beginning with "#" are ignored, even in the middle of
 * an item.  Of equal keys the first holds.  Keys compare without ASCII case.
 *
 * A snapshot is never changed: a new one replaces it when the file changes.
 * A line that cannot be read is a line_fault; the rest goes on working. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"

enum {
	ADDRESS_FILE_MAX = 64 << 20,     /* bytes of one file */
	ADDRESS_KEY_MAX = 1024,
	ADDRESS_VALUE_MAX = 256 << 10,
	LINE_FAULTS_MAX = 100,           /* told one by one; more are counted */
};

enum address_file_kind {
	ADDRESS_FILE_USERS,      /* virtual.users, /etc/aliases: key and targets */
	ADDRESS_FILE_DOMAINS,    /* virtual.domains: "example.com", "*.example.net" */
};

struct line_fault {
	unsigned line;           /* from 1 */
	char text[160];
};

struct address_line {
	struct str key;          /* folded */
	struct str value;        /* its lines, joined by LF; points into the snapshot */
	unsigned line;           /* where it begins, from 1 */
	struct str file;         /* the name of the file it stands in */
	const char *broken;      /* what is wrong with its targets, or NULL: mail for it waits */
};

struct address_file {
	struct arena arena;
	struct str name;         /* as in the configuration, for people */
	struct map lines;        /* folded key → struct address_line */
	struct line_fault *faults;
	size_t n_faults;         /* those in `faults` */
	size_t n_faults_all;
	unsigned n_lines;
};

/* A snapshot of the text, which need not stay.  NULL with a sentence only if the file as a
 * whole cannot be taken (too big, no memory).  May take a second: meant for a thread. */
struct address_file *address_file_parse(enum address_file_kind kind, struct str name,
					struct str text, struct err *e);
/* The same from a descriptor that the parent opened. */
struct address_file *address_file_read(enum address_file_kind kind, struct str name, int fd,
				       struct err *e);
void address_file_close(struct address_file *f);
/* For AUTO. */
void address_file_end(struct address_file **f);

/* The line of a folded key, or NULL; f may be NULL. */
const struct address_line *address_file_find(const struct address_file *f, struct str key);

/* The line of a virtual.domains that makes this folded domain ours, or NULL.  "example.com" is
 * itself only; "*.example.net" is itself and all below (partial-lsearch, specification 9.7). */
const struct address_line *address_file_find_domain(const struct address_file *f,
						    struct str domain);
