/* thread_subject.h — what SORT and THREAD compare (RFC 5256 §2.1, §2.2; RFC 5322 §3.6.4). */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum { THREAD_SUBJECT_MAX = 2048 };      /* octets of a subject that count */

/* The base subject of decoded text (mime_header_decode), not folded in case.  *ret_is_reply: it had a
 * "re:", "fwd:" or "(fwd)".  Points into `decoded`, or into the arena if blanks were collapsed. */
struct str thread_base_subject(struct str decoded, struct arena *a, bool *ret_is_reply);

/* The next message id off *raw, normalised: without < >, quotes and comments; empty at the end. */
struct str thread_id_next(struct str *raw, struct arena *a);
/* A number for a message id, the same for ever; never 0.  Case counts. */
uint64_t thread_id_hash(struct str id);
