/* letter_summary.h — all that the store remembers of a letter, so that listing, sorting and
 * threading a folder never opens a file. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "wire/mail_date.h"
#include "wire/mime.h"

enum {
	SUMMARY_REFERENCES_MAX = 1000,
	SUMMARY_STRUCTURE_MAX = 2 << 20,         /* octets of bodystructure; a letter with more is one opaque
						  * part */
};

struct letter_summary {
	struct str envelope;             /* as IMAP prints them, parentheses included */
	struct str body;
	struct str bodystructure;
	struct str preview;              /* UTF-8, at most 200 characters */
	struct str subject;              /* decoded */
	struct str base_subject;         /* RFC 5256 §2.1, its case as written */
	bool is_reply;                   /* something was taken off the subject */
	struct str from, to, cc;         /* mailbox of the first address, for SORT */
	struct str display_from, display_to;     /* decoded name, else mailbox@host (RFC 5957) */
	struct str message_id;           /* without < > */
	struct str in_reply_to;          /* the first id of it */
	uint64_t message_id_hash;        /* 0: none */
	uint64_t *references;            /* thread_id_hash of each, oldest first; of In-Reply-To's first if
					  * there is no References (RFC 5256 §3, REFERENCES step 1) */
	size_t n_references;
	bool has_date;
	struct mail_date date;           /* if has_date */
	uint64_t header_n;               /* octets of the header at rest, with the empty line */
	uint64_t size, crlf_size;        /* octets of the letter at rest, and as IMAP counts them */
};

/* What is made only if it is wanted; else it is empty. */
enum summary_more { SUMMARY_BODY = 1, SUMMARY_PREVIEW = 2 };

/* All of *ret lies in `ret_arena`; `scratch` is rewound.  False if an arena is full;
 * with MIME_ARENA for scratch only ret_arena can be. */
bool letter_summary_read(struct str letter, struct arena *scratch, struct arena *ret_arena, unsigned more,
			 struct letter_summary *ret);
