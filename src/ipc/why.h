/* why.h — why it was decided so: the structs of why.def, as bytes, log line, sentence and JSON.
 *
 *	why_log(&(struct why_rcpt_refused){ .head = h, .peer = p, .rcpt = r, .why = w }.head);
 *
 * A record's kind says which struct it is.  Records are kept as frames (in a letter's journal
 * record and in the files why/DATE):
 *
 *   magic "WXWY", length u32, CRC-32C u32 of the bytes, the bytes: fields as in messages */
#pragma once

#include "base/buf.h"
#include "ipc/message.h"

struct json;

enum { WHY_RECORD_MAX = 16 * 1024, WHY_FRAME_HEAD = 12 };

#define F(type, name) ipc_##type name;
#define WHY(number, name, level, event, fields, sentence)
#include "ipc/why.def"
#undef WHY
struct why {
	WHY_HEAD
};
#define WHY(number, name, level, event, fields, sentence) \
	struct why_##name { \
		union { \
			struct why head; \
			struct { \
				WHY_HEAD \
			}; \
		}; \
		IPC_UNPACK fields \
	};
#include "ipc/why.def"
#undef WHY
#undef F

enum why_kind {
#define WHY(number, name, level, event, fields, sentence) WHY_##name = number,
#include "ipc/why.def"
#undef WHY
};

struct why_type {
	uint16_t kind;
	uint8_t level;                   /* enum log_level */
	const char *name, *event, *sentence;
	const struct ipc_shape *(*shape)(void);
};
/* NULL if there is none. */
const struct why_type *why_type(uint16_t kind);

/* One record's bytes, without a frame.  false: it is too long, or of no kind. */
bool why_encode(struct buf *to, const struct why *w, struct err *e);
/* Exactly one record; slices point into `in`, the struct is in the arena. */
bool why_decode(struct str in, struct arena *a, const struct why **ret, struct err *e);
/* Which letter the record is about, without decoding it; 0: none. */
uint64_t why_letter(struct str record);

/* Is it about that account, address or client: does one of the fields that say whom it is about hold it, in
 * whatever letter case? */
bool why_is_about(const struct why *w, struct str whom);

/* Append a frame around the bytes; what does not fit is left out whole. */
void why_frame(struct buf *to, struct str record);
static inline size_t why_frame_size(struct str record)
{
	return WHY_FRAME_HEAD + record.n;
}
/* Take the next good frame off *in and give its record; damage is stepped over, as is a frame
 * that is not all there.  False: none follows. */
bool why_next(struct str *in, struct str *ret);

void why_log(const struct why *w);
/* "the recipient … was refused …" */
void why_add_sentence(struct buf *to, const struct why *w);
/* An object with all fields. */
void why_add_json(struct json *j, const struct why *w);
