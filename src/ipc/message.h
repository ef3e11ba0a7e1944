/* message.h — the structs of dialogues.def and what is known of each message.
 *
 * A str in a decoded message points into the message; lists are in the arena it
 * was decoded with; a descriptor belongs to whoever holds the struct (fd_take()
 * keeps it).  0 and negative numbers mean "no descriptor": standard input is never
 * sent, and a field left out of an initialiser sends nothing. */
#pragma once

#include "base/err.h"
#include "ipc/role_name.h"

struct arena;
struct buf;

typedef uint8_t ipc_u8;
typedef uint16_t ipc_u16;
typedef uint32_t ipc_u32;
typedef uint64_t ipc_u64;
typedef int64_t ipc_i64;
typedef struct str ipc_str;

#define IPC_UNPACK(...) __VA_ARGS__
#define F(type, name) ipc_##type name;
#define FD(name) int name;
#define LIST(record, name) \
	struct { \
		struct record *p; \
		size_t n; \
	} name;
#define RECORD(name, fields) \
	struct name { \
		fields \
	};
#include "ipc/records.def"
#undef RECORD
#define TELL(number, name, from, to, fields) \
	struct name { \
		IPC_UNPACK fields \
	};
#define CALL(number, name, from, to, fields, answer) \
	struct name { \
		IPC_UNPACK fields \
	}; \
	struct name##_answer { \
		IPC_UNPACK answer \
	};
#include "ipc/dialogues.def"
#undef F
#undef FD
#undef LIST
#undef TELL
#undef CALL

enum ipc_number {
#define TELL(number, name, from, to, fields) IPC_##name = number,
#define CALL(number, name, from, to, fields, answer) IPC_##name = number,
#include "ipc/dialogues.def"
#undef TELL
#undef CALL
};

enum ipc_kind { IPC_TELL, IPC_QUESTION, IPC_ANSWER, IPC_FAULT };

enum {
	IPC_MESSAGE_MAX = 64 * 1024,     /* bytes; more is a sealed memfd … */
	IPC_LARGE_MAX = 4 << 20,         /* … up to this */
	IPC_IN_MEMFD = 0x80,             /* in ipc_header.kind: the body is in the last descriptor */
	IPC_FDS_MAX = 4,
	IPC_NUMBER_MAX = 256,            /* numbers of messages are less */
	IPC_LIST_MAX = 4096,             /* entries of one list */
	IPC_HEADER = 16,
};

struct ipc_header {
	uint16_t number;
	uint8_t kind;
	uint8_t n_fds;
	uint32_t n;              /* bytes of the whole message */
	uint64_t call;           /* the caller's number for a question and its answer */
};

enum ipc_field_type { TYPE_u8, TYPE_u16, TYPE_u32, TYPE_u64, TYPE_i64, TYPE_str, TYPE_FD, TYPE_LIST };

struct ipc_field {
	const char *name;
	uint8_t type;            /* enum ipc_field_type */
	uint16_t at;             /* offset in the struct */
	const struct ipc_shape *(*record)(void);
};

struct ipc_shape {
	size_t size;
	const struct ipc_field *fields;  /* ends with a NULL name */
};

struct ipc_type {
	uint16_t number;
	const char *name;
	uint32_t from, to;       /* sets of 1 << enum role */
	const struct ipc_shape *(*question)(void);
	const struct ipc_shape *(*answer)(void);         /* NULL: a TELL */
};

/* A number that differs as soon as two builds would not understand each other. */
uint32_t ipc_dialect(void);

/* NULL if there is none. */
const struct ipc_type *ipc_type_find(uint16_t number);
const struct ipc_type *ipc_type_at(size_t i);
/* May `from` say this to `to`? */
bool ipc_may_say(const struct ipc_type *t, enum ipc_kind kind, enum role from, enum role to);

/* Append the fields of *v; descriptors go to fds (borrowed).  false: too large. */
bool ipc_encode(struct buf *to, const struct ipc_shape *shape, const void *v, int *fds, size_t *n_fds,
		struct err *e);
/* Exact length: every byte and every descriptor is used, or it is refused and *v is untouched; then
 * the descriptors still belong to the caller.  */
bool ipc_decode(struct str in, const struct ipc_shape *shape, void *v, const int *fds, size_t n_fds,
		struct arena *a, struct err *e);
/* The number in a field of the struct v that is one. */
uint64_t ipc_number_at(const void *v, const struct ipc_field *f);
/* Close every descriptor in *v that was not taken. */
void ipc_close_fds(const struct ipc_shape *shape, void *v);
/* name=value …, printable; str fields named "password" are not shown. */
void ipc_print(struct buf *to, const struct ipc_shape *shape, const void *v);
