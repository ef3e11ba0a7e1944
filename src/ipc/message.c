/* message.c — one codec for all messages, driven by what dialogues.def says.
 *
 * Little endian, no padding, lengths in front: u32 for str and LIST, one byte for
 * FD (is there one?), whose descriptor travels beside the message. */
#include "ipc/message.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/crc32c.h"

#include <unistd.h>

struct any_list {
	char *p;
	size_t n;
};

#define F(type, name) { #name, TYPE_##type, offsetof(self, name), NULL },
#define FD(name) { #name, TYPE_FD, offsetof(self, name), NULL },
#define LIST(record, name) { #name, TYPE_LIST, offsetof(self, name), record##_shape },
#define SHAPE(struct_name, ...) \
	static const struct ipc_shape *struct_name##_shape(void) \
	{ \
		typedef struct struct_name self; \
		static const struct ipc_field fields[] = { __VA_ARGS__ { NULL, 0, 0, NULL } }; \
		static const struct ipc_shape shape = { sizeof(self), fields }; \
		return &shape; \
	}
#define RECORD(name, fields) SHAPE(name, fields)
#include "ipc/records.def"
#undef RECORD
#define TELL(number, name, from, to, fields) SHAPE(name, IPC_UNPACK fields)
#define CALL(number, name, from, to, fields, answer) \
	SHAPE(name, IPC_UNPACK fields) SHAPE(name##_answer, IPC_UNPACK answer)
#include "ipc/dialogues.def"
#undef TELL
#undef CALL

#define R(role) (1u << ROLE_##role)
#define R_ANY ((1u << ROLE_COUNT) - 1)
static const struct ipc_type types[] = {
#define TELL(number, name, from, to, fields) { number, #name, from, to, name##_shape, NULL },
#define CALL(number, name, from, to, fields, answer) \
	{ number, #name, from, to, name##_shape, name##_answer_shape },
#include "ipc/dialogues.def"
#undef TELL
#undef CALL
};

#define TELL(number, name, from, to, fields) _Static_assert(number < IPC_NUMBER_MAX, #name);
#define CALL(number, name, from, to, fields, answer) _Static_assert(number < IPC_NUMBER_MAX, #name);
#include "ipc/dialogues.def"
#undef TELL
#undef CALL

const struct ipc_type *ipc_type_at(size_t i)
{
	return i < ARRAY_LEN(types) ? &types[i] : NULL;
}

const struct ipc_type *ipc_type_find(uint16_t number)
{
	static const struct ipc_type *by_number[IPC_NUMBER_MAX];

	if (number >= ARRAY_LEN(by_number))
		return NULL;
	if (!by_number[types[0].number])
		for (size_t i = 0; i < ARRAY_LEN(types); i++)
			by_number[types[i].number] = &types[i];
	return by_number[number];
}

static uint32_t dialect_add(uint32_t crc, const struct ipc_shape *shape)
{
	for (const struct ipc_field *f = shape->fields; f->name; f++) {
		crc = crc32c(crc, str_from_z(f->name));
		crc = crc32c(crc, str_of(&f->type, 1));
		if (f->record)
			crc = dialect_add(crc, f->record());
	}
	return crc;
}

uint32_t ipc_dialect(void)
{
	uint32_t crc = crc32c(0, S(WAXWING_VERSION));

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		crc = crc32c(crc, str_of(&types[i].number, sizeof(types[i].number)));
		crc = dialect_add(crc, types[i].question());
		if (types[i].answer)
			crc = dialect_add(crc, types[i].answer());
	}
	return crc;
}

bool ipc_may_say(const struct ipc_type *t, enum ipc_kind kind, enum role from, enum role to)
{
	uint32_t f = 1u << from, o = 1u << to;

	switch (kind) {
	case IPC_TELL:
		return !t->answer && (t->from & f) && (t->to & o);
	case IPC_QUESTION:
		return t->answer && (t->from & f) && (t->to & o);
	case IPC_ANSWER:
	case IPC_FAULT:
		return t->answer && (t->to & f) && (t->from & o);
	}
	return false;
}

static void add_le(struct buf *to, uint64_t v, unsigned n)
{
	char bytes[8];

	for (unsigned i = 0; i < n; i++)
		bytes[i] = (char)(v >> (8 * i));
	buf_add(to, str_of(bytes, n));
}

uint64_t ipc_number_at(const void *v, const struct ipc_field *f)
{
	const char *p = (const char *)v + f->at;

	switch (f->type) {
	case TYPE_u8: return *(const uint8_t *)p;
	case TYPE_u16: return *(const uint16_t *)(const void *)p;
	case TYPE_u32: return *(const uint32_t *)(const void *)p;
	default: return *(const uint64_t *)(const void *)p;
	}
}

static unsigned int_size(unsigned type)
{
	return type == TYPE_u8 ? 1 : type == TYPE_u16 ? 2 : type == TYPE_u32 ? 4 : 8;
}

static bool encode(struct buf *to, const struct ipc_shape *shape, const void *v, int *fds, size_t *n_fds,
		   int depth)
{
	for (const struct ipc_field *f = shape->fields; f->name; f++) {
		const char *p = (const char *)v + f->at;

		if (f->type == TYPE_str) {
			const struct str *s = (const void *)p;

			if (s->n > IPC_LARGE_MAX)
				return false;
			add_le(to, s->n, 4);
			buf_add(to, *s);
		} else if (f->type == TYPE_FD) {
			int fd = *(const int *)(const void *)p;

			add_le(to, fd > 0, 1);   /* 0 is what a designated initialiser leaves out */
			if (fd > 0 && *n_fds == IPC_FDS_MAX)
				return false;
			if (fd > 0)
				fds[(*n_fds)++] = fd;
		} else if (f->type == TYPE_LIST) {
			const struct any_list *l = (const void *)p;

			if (l->n > IPC_LIST_MAX || depth > 1)
				return false;
			add_le(to, l->n, 4);
			for (size_t i = 0; i < l->n; i++)
				if (!encode(to, f->record(), l->p + i * f->record()->size, fds, n_fds, depth + 1))
					return false;
		} else {
			add_le(to, ipc_number_at(v, f), int_size(f->type));
		}
	}
	return !to->full;
}

bool ipc_encode(struct buf *to, const struct ipc_shape *shape, const void *v, int *fds, size_t *n_fds,
		struct err *e)
{
	*n_fds = 0;
	if (!encode(to, shape, v, fds, n_fds, 0))
		return fail(e, FAULT_TEMP, "a message would be too large");
	return true;
}

struct cursor {
	struct str in;
	const int *fds;
	size_t n_fds, next_fd;
	struct arena *a;
	bool bad;
};

static uint64_t take_le(struct cursor *c, unsigned n)
{
	uint64_t v = 0;

	if (c->in.n < n) {
		c->bad = true;
		return 0;
	}
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)str_at(c->in, i) << (8 * i);
	c->in = str_from(c->in, n);
	return v;
}

static void decode(struct cursor *c, const struct ipc_shape *shape, char *v);

static void decode_list(struct cursor *c, const struct ipc_shape *record, struct any_list *ret)
{
	uint64_t n = take_le(c, 4);

	/* each entry takes at least a byte, so a short message cannot ask for much memory */
	if (c->bad || n > IPC_LIST_MAX || n > c->in.n) {
		c->bad = true;
		return;
	}
	ret->p = arena_alloc(c->a, n ? n : 1, record->size);
	if (!ret->p) {
		c->bad = true;
		return;
	}
	ret->n = n;
	for (size_t i = 0; i < n && !c->bad; i++)
		decode(c, record, ret->p + i * record->size);
}

static void decode(struct cursor *c, const struct ipc_shape *shape, char *v)
{
	for (const struct ipc_field *f = shape->fields; f->name && !c->bad; f++) {
		void *p = v + f->at;
		uint64_t n;

		switch (f->type) {
		case TYPE_u8: *(uint8_t *)p = (uint8_t)take_le(c, 1); break;
		case TYPE_u16: *(uint16_t *)p = (uint16_t)take_le(c, 2); break;
		case TYPE_u32: *(uint32_t *)p = (uint32_t)take_le(c, 4); break;
		case TYPE_u64:
		case TYPE_i64: *(uint64_t *)p = take_le(c, 8); break;
		case TYPE_str:
			n = take_le(c, 4);
			if (n > c->in.n) {
				c->bad = true;
				break;
			}
			*(struct str *)p = str_head(c->in, n);
			c->in = str_from(c->in, n);
			break;
		case TYPE_FD:
			n = take_le(c, 1);
			*(int *)p = -1;
			if (n > 1 || (n == 1 && c->next_fd == c->n_fds))
				c->bad = true;
			else if (n == 1)
				*(int *)p = c->fds[c->next_fd++];
			break;
		default:
			decode_list(c, f->record(), p);
		}
	}
}

bool ipc_decode(struct str in, const struct ipc_shape *shape, void *v, const int *fds, size_t n_fds,
		struct arena *a, struct err *e)
{
	struct cursor c = { .in = in, .fds = fds, .n_fds = n_fds, .a = a };
	char *fresh = arena_alloc(a, 1, shape->size ? shape->size : 1);

	if (!fresh)
		return fail(e, FAULT_TEMP, "no memory for a message");
	decode(&c, shape, fresh);
	if (c.bad || c.in.n || c.next_fd != n_fds)
		return fail(e, FAULT_PEER, "a malformed message");
	memcpy(v, fresh, shape->size);
	return true;
}

void ipc_close_fds(const struct ipc_shape *shape, void *v)
{
	for (const struct ipc_field *f = shape->fields; f->name; f++) {
		int *fd = (int *)(void *)((char *)v + f->at);

		if (f->type == TYPE_FD && *fd > 0) {
			close(*fd);
			*fd = -1;
		}
	}
}

void ipc_print(struct buf *to, const struct ipc_shape *shape, const void *v)
{
	for (const struct ipc_field *f = shape->fields; f->name; f++) {
		const char *p = (const char *)v + f->at;

		buf_addf(to, "%s%s=", f == shape->fields ? "" : " ", f->name);
		if (f->type == TYPE_str) {
			buf_add_char(to, '"');
			if (strcmp(f->name, "password") != 0)
				buf_add_printable(to, *(const struct str *)(const void *)p, 200);
			buf_add_char(to, '"');
		} else if (f->type == TYPE_FD) {
			buf_addf(to, "%d", *(const int *)(const void *)p);
		} else if (f->type == TYPE_LIST) {
			const struct any_list *l = (const void *)p;

			buf_add_char(to, '[');
			for (size_t i = 0; i < l->n; i++) {
				buf_add(to, i ? S("; ") : S(""));
				ipc_print(to, f->record(), l->p + i * f->record()->size);
			}
			buf_add_char(to, ']');
		} else if (f->type == TYPE_i64) {
			buf_addf(to, "%lld", (long long)ipc_number_at(v, f));
		} else {
			buf_add_u64(to, ipc_number_at(v, f));
		}
	}
}
