/* buf.c — growing text; see buf.h. */
#include "base/buf.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct buf buf_over(void *mem, size_t size)
{
	return (struct buf){ .p = mem, .cap = size, .limit = size };
}

struct buf buf_on_heap(size_t limit)
{
	return (struct buf){ .limit = limit, .is_heap = true };
}

void buf_end(struct buf *b)
{
	if (b->is_heap)
		free(b->p);
	*b = (struct buf){ 0 };
}

char *buf_room(struct buf *b, size_t n)
{
	char *at;

	if (b->full || n > b->limit - b->n) {
		b->full = true;
		return NULL;
	}
	if (n > b->cap - b->n) {
		size_t want = b->cap < 64 ? 64 : b->cap;
		char *p;

		while (want - b->n < n)
			want = want > b->limit / 2 ? b->limit : want * 2;
		p = b->is_heap ? realloc(b->p, want) : NULL;
		if (!p) {
			if (b->is_heap)
				memory_denied();
			b->full = true;
			return NULL;
		}
		b->p = p;
		b->cap = want;
	}
	at = b->p + b->n;
	b->n += n;
	return at;
}

void buf_add(struct buf *b, struct str s)
{
	char *to;

	if (s.n == 0)
		return;
	to = buf_room(b, s.n);
	if (to)
		memcpy(to, s.p, s.n);
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, str_of(&c, 1));
}

void buf_add_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, str_of(digits + i, sizeof(digits) - i));
}

void buf_add_hex(struct buf *b, struct str bytes)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.n; i++) {
		int c = str_at(bytes, i);

		buf_add_char(b, hex[c >> 4]);
		buf_add_char(b, hex[c & 15]);
	}
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	char small[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->full = true;
	} else if ((size_t)n < sizeof(small)) {
		buf_add(b, str_of(small, (size_t)n));
	} else {
		/* vsnprintf wants room for its NUL, which is not kept */
		char *to = buf_room(b, (size_t)n + 1);

		if (to) {
			va_start(ap, fmt);
			vsnprintf(to, (size_t)n + 1, fmt, ap);
			va_end(ap);
			b->n--;
		}
	}
}

void buf_drop(struct buf *b, size_t n)
{
	if (n > b->n)
		n = b->n;
	b->n -= n;
	if (n && b->n)
		memmove(b->p, b->p + n, b->n);
}

/* C1 controls, zero-width and bidi controls: they change how a line reads. */
static bool is_treacherous(uint32_t cp)
{
	return (cp >= 0x80 && cp < 0xa0) || (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff;
}

void buf_add_printable(struct buf *b, struct str s, size_t max)
{
	size_t start = b->n;

	while (s.n) {
		uint32_t cp = 0;
		size_t n = utf8_char(s, &cp);
		int c = str_at(s, 0);

		if (b->n - start >= max) {
			buf_add(b, S("…"));
			return;
		}
		if (n == 1 && (c < 0x20 || c == 0x7f))
			n = 0;
		if (n == 0 || is_treacherous(cp)) {
			n = n ? n : 1;
			for (size_t i = 0; i < n; i++) {
				buf_add(b, S("\\x"));
				buf_add_hex(b, str_sub(s, i, 1));
			}
		} else {
			if (c == '"' || c == '\\')
				buf_add_char(b, '\\');
			buf_add(b, str_head(s, n));
		}
		s = str_from(s, n);
	}
}
