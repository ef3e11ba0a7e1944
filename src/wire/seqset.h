/* seqset.h — sets of sequence numbers or UIDs: "2,4:7,9,12:*" (RFC 9051 §9 sequence-set).
 *
 * A set is its ranges; nothing is ever expanded.  As it is parsed, "*" stands as 0 and ranges
 * lie in any order; seqset_resolve() puts in the largest number and makes it *normal*:
 * ascending, disjoint, not adjacent.  All other functions want a normal set. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum { SEQSET_RANGES_MAX = 16384 };

struct seq_range {
	uint32_t first, last;    /* both belong to it; SEQ_STAR before seqset_resolve() */
};
#define SEQ_STAR UINT32_C(0)

struct seqset {
	struct seq_range *ranges;
	size_t n;
	bool is_saved;           /* "$": the result of the last SEARCH RETURN (SAVE), RFC 5182 */
};

enum seqset_flags {
	SEQSET_STAR = 1 << 0,    /* "*" is allowed (not in known-uids of RFC 7162) */
	SEQSET_SAVED = 1 << 1,   /* "$" alone is allowed */
};

/* Takes the longest set off *in.  Not resolved yet. */
bool seqset_parse(struct str *in, unsigned flags, struct arena *a, struct seqset *ret);

/* In place.  `largest` is what "*" means, 0 if the mailbox is empty: then ranges with a "*" go. */
void seqset_resolve(struct seqset *s, uint32_t largest);
/* In place: only numbers of first…last stay. */
void seqset_clip(struct seqset *s, uint32_t first, uint32_t last);

static inline bool seqset_is_empty(const struct seqset *s)
{
	return s->n == 0;
}
/* The largest number, 0 if it is empty. */
uint32_t seqset_last(const struct seqset *s);
bool seqset_has(const struct seqset *s, uint32_t number);
uint64_t seqset_count(const struct seqset *s);

/* Walk: struct seq_walk w = { 0 }; for (uint32_t u; seqset_next(&s, &w, &u);) */
struct seq_walk {
	size_t i;
	uint32_t last;           /* given so far of range i; 0: none */
};
bool seqset_next(const struct seqset *s, struct seq_walk *w, uint32_t *ret);

/* Both together; false if the arena is full. */
bool seqset_union(const struct seqset *x, const struct seqset *y, struct arena *a, struct seqset *ret);
/* Of ascending numbers. */
bool seqset_of(const uint32_t *numbers, size_t n, struct arena *a, struct seqset *ret);

/* "1:3,7"; nothing if it is empty.  Also sets not resolved yet. */
void seqset_add(struct buf *b, const struct seqset *s);
/* The same while numbers come one by one, ascending, without a set in memory:
 * struct seq_print p = { .b = b }; seq_print(&p, 5); …; seq_print_end(&p). */
struct seq_print {
	struct buf *b;
	uint32_t first, last;    /* the range not printed yet; first 0: none */
	bool is_begun;
};
void seq_print(struct seq_print *p, uint32_t number);
void seq_print_end(struct seq_print *p);
