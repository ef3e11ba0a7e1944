/* sent_mark.h — by what two copies of a sent letter are known for the same: its Message-ID and its body.
 *
 * Programs differ in how they end a letter and in the fields that were added on the way; line ends and
 * empty lines at the end of the body do not count. */
#pragma once

#include "base/buf.h"

enum { SENT_HASH = 32, SENT_ID_MAX = 998, SENT_HEADER_MAX = 256 * 1024 };

struct evp_md_ctx_st;

struct sent_mark {
	char id[SENT_ID_MAX + 1];        /* with its <> */
	uint8_t body[SENT_HASH];
};

/* Fed with a letter's bytes, piece by piece. */
struct sent_reader {
	struct buf header;
	bool is_in_body, is_hopeless;
	size_t line_ends;                /* of the body, not yet counted */
	struct evp_md_ctx_st *hash;
};

void sent_reader_begin(struct sent_reader *r);
void sent_reader_feed(struct sent_reader *r, struct str bytes);
/* False if the letter has no Message-ID. */
bool sent_reader_mark(struct sent_reader *r, struct sent_mark *ret);
void sent_reader_end(struct sent_reader *r);

bool sent_mark_eq(const struct sent_mark *a, const struct sent_mark *b);
