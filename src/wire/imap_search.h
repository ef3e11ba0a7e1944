/* imap_search.h — what SEARCH, SORT and THREAD ask (RFC 9051 §6.4.4, RFC 5256, 5267, 5957, 9394,
 * 5032, 5182, 7162, 8474, 8514).
 *
 * The program is a tree.  It is pure: whoever runs it decides in which order. */
#pragma once

#include "wire/flags.h"
#include "wire/seqset.h"

enum {
	IMAP_SEARCH_DEPTH_MAX = 50,      /* of NOT, OR and parentheses within each other */
	IMAP_SEARCH_KEYS_MAX = 4096,     /* in one command */
	IMAP_SORT_KEYS_MAX = 20,
};

enum search_what {
	SEARCH_ALL,
	SEARCH_AND,              /* kids; there may be none: then it is ALL */
	SEARCH_OR,               /* two kids */
	SEARCH_NOT,              /* one kid */
	SEARCH_SEQ,              /* set: sequence numbers; may be "$" */
	SEARCH_UID,              /* set */
	SEARCH_FLAG,             /* flag is set; also FLAG_RECENT */
	SEARCH_KEYWORD,          /* text: the keyword is set */
	SEARCH_HEADER,           /* name, text; From, To, Cc, Bcc and Subject too */
	SEARCH_BODY,             /* text */
	SEARCH_TEXT,             /* text */
	SEARCH_BEFORE,           /* date, day */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_LARGER,           /* number: octets */
	SEARCH_SMALLER,
	SEARCH_OLDER,            /* number: seconds, RFC 5032 */
	SEARCH_YOUNGER,
	SEARCH_MODSEQ,           /* number: at least; entry names are read and count for nothing */
	SEARCH_EMAILID,          /* text, RFC 8474 */
	SEARCH_THREADID,
	SEARCH_SAVEDATE_SUPPORTED, /* RFC 8514 */
};

enum search_date {
	SEARCH_DATE_INTERNAL,
	SEARCH_DATE_SENT,        /* the Date field */
	SEARCH_DATE_SAVED,
};

struct search_key {
	enum search_what what;
	enum search_date date;
	int32_t day;             /* days since 1970 */
	unsigned flag;           /* enum flag */
	uint64_t number;
	struct str name;         /* of a header field, as written */
	struct str text;         /* in the command's charset; may be empty: always found, if there is such a field */
	struct seqset set;       /* not resolved yet */
	struct search_key *kids;
	struct search_key *next; /* of the same parent */
};

enum search_return {
	SEARCH_RETURN_MIN = 1 << 0,
	SEARCH_RETURN_MAX = 1 << 1,
	SEARCH_RETURN_ALL = 1 << 2,
	SEARCH_RETURN_COUNT = 1 << 3,
	SEARCH_RETURN_SAVE = 1 << 4,
	SEARCH_RETURN_PARTIAL = 1 << 5,
};

/* "1:100": the first hundred; "-1:-100": the last (RFC 9394).  first ≤ last. */
struct imap_partial {
	uint32_t first, last;
	bool is_from_end;
};

enum sort_by {
	SORT_ARRIVAL,
	SORT_CC,
	SORT_DATE,
	SORT_FROM,
	SORT_SIZE,
	SORT_SUBJECT,
	SORT_TO,
	SORT_DISPLAYFROM,        /* RFC 5957 */
	SORT_DISPLAYTO,
};

struct sort_key {
	enum sort_by by;
	bool reverse;
};

enum thread_by { THREAD_NONE, THREAD_ORDEREDSUBJECT, THREAD_REFERENCES, THREAD_REFS };

struct imap_search {
	bool has_return;                 /* answer with ESEARCH, also if `returns` is 0 (which means ALL) */
	unsigned returns;                /* enum search_return */
	struct imap_partial partial;
	struct str charset;              /* as written; empty: none was named */
	bool charset_is_known;           /* US-ASCII, UTF-8, or none: else answer BAD_CHARSET */
	bool has_modseq;                 /* there is a MODSEQ key: CONDSTORE is wanted */
	struct sort_key sort[IMAP_SORT_KEYS_MAX];        /* SORT */
	size_t n_sort;
	enum thread_by thread;           /* THREAD */
	struct search_key *root;         /* SEARCH_AND */
	size_t n_keys;
};

/* As a command has it: "OR (SEEN) NOT FROM \"x\"".  Parses to the same. */
void imap_search_add(struct buf *b, const struct search_key *root);
