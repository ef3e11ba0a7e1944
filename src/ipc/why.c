/* why.c — printing and keeping why-records; see why.h. */
#include "ipc/why.h"

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/id.h"
#include "base/log.h"
#include "base/time.h"
#include "wire/json.h"

#include <stdlib.h>

enum { LETTER_AT = 2 + 8 };      /* kind u16 and time i64 stand before the letter */

#define MAGIC S("WXWY")

#define F(type, name) { #name, TYPE_##type, offsetof(self, name), NULL },
#define WHY(number, name, level, event, fields, sentence) \
	static const struct ipc_shape *name##_shape(void) \
	{ \
		typedef struct why_##name self; \
		static const struct ipc_field all[] = { WHY_HEAD IPC_UNPACK fields { NULL, 0, 0, NULL } }; \
		static const struct ipc_shape shape = { sizeof(self), all }; \
		return &shape; \
	}
#include "ipc/why.def"
#undef WHY
enum {
	N_HEAD_FIELDS = 0
#undef F
#define F(type, name) +1
	WHY_HEAD
};
#undef F

static const struct why_type types[] = {
#define WHY(number, name, level, event, fields, sentence) \
	[number] = { number, LOG_##level, #name, event, sentence, name##_shape },
#include "ipc/why.def"
#undef WHY
};

const struct why_type *why_type(uint16_t kind)
{
	return kind < ARRAY_LEN(types) && types[kind].kind ? &types[kind] : NULL;
}

/* -- bytes ----------------------------------------------------------------- */

bool why_encode(struct buf *to, const struct why *w, struct err *e)
{
	const struct why_type *t = why_type(w->kind);
	size_t n_fds, start = to->n;

	if (!t)
		return fail(e, FAULT_PERM, "there is no why-record of kind %u", w->kind);
	if (!ipc_encode(to, t->shape(), w, NULL, &n_fds, e))
		return false;
	return to->n - start <= WHY_RECORD_MAX ? true : fail(e, FAULT_PERM, "a why-record is too long");
}

static uint64_t number_at(struct str s, size_t at, size_t n)
{
	uint64_t v = 0;

	for (size_t i = n; i-- > 0 && at + n <= s.n;)
		v = v << 8 | (uint64_t)str_at(s, at + i);
	return v;
}

bool why_decode(struct str in, struct arena *a, const struct why **ret, struct err *e)
{
	const struct why_type *t = why_type((uint16_t)number_at(in, 0, 2));
	struct why *w = t ? arena_alloc(a, 1, t->shape()->size) : NULL;

	if (!w)
		return fail(e, FAULT_PERM, "a why-record of a kind we do not know");
	if (!ipc_decode(in, t->shape(), w, NULL, 0, a, e))
		return false;
	*ret = w;
	return true;
}

uint64_t why_letter(struct str record)
{
	return number_at(record, LETTER_AT, 8);
}

bool why_is_about(const struct why *w, struct str whom)
{
	static const struct str names[] = { S("peer"), S("account"), S("rcpt"), S("from"), S("targets"), S("client") };
	const struct why_type *t = why_type(w->kind);

	for (const struct ipc_field *f = t ? t->shape()->fields : NULL; f && f->name; f++) {
		const struct str *value = (const void *)((const char *)w + f->at);

		if (f->type != TYPE_str || !str_eq_nocase(*value, whom))
			continue;
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (str_eq(names[i], str_from_z(f->name)))
				return true;
	}
	return false;
}

static void add_number(struct buf *to, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		buf_add_char(to, (char)(v >> (8 * i)));
}

void why_frame(struct buf *to, struct str record)
{
	if (to->full || record.n > WHY_RECORD_MAX || why_frame_size(record) > to->limit - to->n)
		return;
	buf_add(to, MAGIC);
	add_number(to, (uint32_t)record.n);
	add_number(to, crc32c(0, record));
	buf_add(to, record);
}

bool why_next(struct str *in, struct str *ret)
{
	for (;; *in = str_from(*in, 1)) {
		struct str record;
		uint64_t n;

		*in = str_from(*in, str_find_str(*in, MAGIC));
		if (in->n < WHY_FRAME_HEAD)
			return false;
		n = number_at(*in, 4, 4);
		record = str_sub(*in, WHY_FRAME_HEAD, n);
		if (n > WHY_RECORD_MAX || record.n < n || crc32c(0, record) != number_at(*in, 8, 4))
			continue;
		*in = str_from(*in, WHY_FRAME_HEAD + n);
		*ret = record;
		return true;
	}
}

/* -- words ----------------------------------------------------------------- */

static void add_value(struct buf *to, const struct ipc_field *f, const void *w)
{
	if (f->type == TYPE_str)
		buf_add_printable(to, *(const struct str *)(const void *)((const char *)w + f->at), LOG_VALUE_MAX);
	else if (f->type == TYPE_i64)
		buf_addf(to, "%lld", (long long)ipc_number_at(w, f));
	else
		buf_add_u64(to, ipc_number_at(w, f));
}

static void add_key(struct buf *to, struct str key)
{
	buf_add(to, to->n ? S(" ") : S(""));
	for (size_t i = 0; i < key.n; i++)
		buf_add_char(to, str_at(key, i) == '_' ? '-' : (char)str_at(key, i));
	buf_add_char(to, '=');
}

static void add_text(struct buf *to, const char *key, struct str value)
{
	if (!value.n)
		return;
	buf_addf(to, " %s=\"", key);
	buf_add_printable(to, value, LOG_VALUE_MAX);
	buf_add_char(to, '"');
}

void why_log(const struct why *w)
{
	static char line[LOG_LINE_MAX];          /* too big for a fiber's stack */
	const struct why_type *t = why_type(w->kind);
	struct buf b = buf_over(line, sizeof(line));

	if (!t || !*t->event)
		return;
	if (w->letter)
		buf_addf(&b, "msg=%s", ID_Z(w->letter));
	for (const struct ipc_field *f = t->shape()->fields + N_HEAD_FIELDS; f->name; f++) {
		add_key(&b, str_from_z(f->name));
		buf_add(&b, f->type == TYPE_str ? S("\"") : S(""));
		add_value(&b, f, w);
		buf_add(&b, f->type == TYPE_str ? S("\"") : S(""));
	}
	if (w->code)
		buf_addf(&b, " reply=\"%u%s" STR_FMT "\"", w->code, w->enhanced.n ? " " : "", STR_ARG(w->enhanced));
	if (w->role == ROLE_USER && w->session)          /* of login, whose lines name it */
		buf_addf(&b, " session=%llx", (unsigned long long)w->session);
	add_text(&b, "rule", w->rule);
	add_text(&b, "label", w->label);
	add_text(&b, "next", w->nearest);
	log_event((enum log_level)t->level, t->event, STR_FMT, STR_ARG(buf_str(&b)));
}

static const struct ipc_field *field_of(const struct why_type *t, struct str name)
{
	const struct ipc_field *f = t->shape()->fields;

	while (f->name && !str_eq(str_from_z(f->name), name))
		f++;
	return f->name ? f : NULL;
}

void why_add_sentence(struct buf *to, const struct why *w)
{
	const struct why_type *t = why_type(w->kind);
	struct str rest = t ? str_from_z(t->sentence) : S("");

	while (rest.n) {
		buf_add(to, str_cut(rest, '{', &rest));
		if (rest.n) {
			const struct ipc_field *f = field_of(t, str_cut(rest, '}', &rest));

			must(f, "a sentence in why.def names a field that is not there");
			add_value(to, f, w);
		}
	}
	if (w->code)
		buf_addf(to, " [%u%s" STR_FMT "]", w->code, w->enhanced.n ? " " : "", STR_ARG(w->enhanced));
	if (w->nearest.n) {
		buf_add(to, S("; to change it: "));
		buf_add_printable(to, w->nearest, LOG_VALUE_MAX);
	}
}

void why_add_json(struct json *j, const struct why *w)
{
	const struct why_type *t = why_type(w->kind);
	char mem[32];
	struct buf when = buf_over(mem, sizeof(mem));

	if (!t)
		return;
	json_object(j, NULL);
	time_add_rfc3339(&when, w->time);
	json_str(j, "when", buf_str(&when));
	json_str(j, "what", str_from_z(t->name));
	json_str(j, "msg", w->letter ? str_from_z(ID_Z(w->letter)) : S(""));
	json_str(j, "role", str_from_z(w->role < ROLE_COUNT ? role_name((enum role)w->role) : ""));
	for (const struct ipc_field *f = t->shape()->fields; f->name; f++) {
		bool said = f->at == offsetof(struct why, kind) || f->at == offsetof(struct why, time) ||
			    f->at == offsetof(struct why, letter) || f->at == offsetof(struct why, role);

		if (f->type == TYPE_str)
			json_str(j, f->name, *(const struct str *)(const void *)((const char *)w + f->at));
		else if (!said)
			json_int(j, f->name, (int64_t)ipc_number_at(w, f));
	}
	json_end_object(j);
}
