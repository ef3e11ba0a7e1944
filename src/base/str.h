/* str.h — a slice of bytes: where it begins and how long it is.
 *
 * A str owns nothing and is never NUL-terminated.  It is passed by value.
 * { NULL, 0 } is the empty slice.  Bytes are read through str_at(), which
 * gives 0…255, or -1 past the end, so that the end needs no branch of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define S(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_FMT "%.*s"
#define STR_ARG(s) ((s).n > 2147483647 ? 2147483647 : (int)(s).n), ((s).n ? (s).p : "")

static inline struct str str_of(const void *p, size_t n)
{
	return (struct str){ p, n };
}

/* The bytes of a NUL-terminated string; NULL is empty. */
static inline struct str str_from_z(const char *z)
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

static inline int str_at(struct str s, size_t i)
{
	return i < s.n ? (unsigned char)s.p[i] : -1;
}

/* The part that begins at byte i; i past the end gives the empty slice at the end. */
static inline struct str str_from(struct str s, size_t i)
{
	if (i > s.n)
		i = s.n;
	return (struct str){ s.p ? s.p + i : NULL, s.n - i };
}

/* The first n bytes, or all of it. */
static inline struct str str_head(struct str s, size_t n)
{
	return (struct str){ s.p, n < s.n ? n : s.n };
}

static inline struct str str_sub(struct str s, size_t from, size_t n)
{
	return str_head(str_from(s, from), n);
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII letters only, as the mail RFCs compare. */
static inline int ascii_lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static inline int ascii_upper(int c)
{
	return c >= 'a' && c <= 'z' ? c - 32 : c;
}

static inline bool ascii_is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_is_alnum(int c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

/* 0…15, or -1. */
static inline int ascii_hex(int c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool str_eq_nocase(struct str a, struct str b);
/* <0, 0, >0 by bytes, then by length. */
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_ends_nocase(struct str s, struct str suffix);

/* Index of the first (last) such byte, or s.n if there is none. */
size_t str_find(struct str s, char c);
size_t str_rfind(struct str s, char c);
/* Index of the first occurrence of what, or s.n. */
size_t str_find_str(struct str s, struct str what);

static inline bool str_has(struct str s, char c)
{
	return str_find(s, c) < s.n;
}

/* Split s at the first sep: "k=v" gives "k" and leaves "v" in *rest.
 * Without a sep the whole of s is returned and *rest is empty. */
struct str str_cut(struct str s, char sep, struct str *rest);

/* Without SP, TAB, CR and LF at both ends. */
struct str str_trim(struct str s);

/* Take the next word (separated by SP and TAB) off *s; empty at the end. */
struct str str_word(struct str *s);

/* All of s as a decimal number; false if empty, not digits only, or too big. */
bool str_u64(struct str s, uint64_t *ret);

/* Do two secrets agree?  The time taken depends on the lengths alone. */
bool str_eq_secret(struct str a, struct str b);
