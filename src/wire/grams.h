/* grams.h — which runs of two and of three octets a text has.
 *
 * A text can only be within another if all of its grams are.  They are noted in a table of 2^bits
 * columns; each has a bit for each of `n` texts.  Several grams share a column, so a set bit says
 * "maybe", a clear one "no".  Columns lie one behind the other: what n texts say about
 * one gram is n/8 octets at one place.  The pairs are for texts that have no more than two. */
#pragma once

#include "base/str.h"

enum { GRAM_MIN = 2, GRAM_MAX = 3 };     /* octets */

struct grams {
	uint8_t *table;          /* (n / 8) << bits octets, zeroed at first */
	unsigned bits;           /* 1…31 */
	size_t n;                /* texts; a multiple of 8 */
	size_t place;            /* of the text that is being noted, below n */
	uint32_t last;           /* grams.c's own: what came before, and how much of it counts */
	unsigned held;
};

/* A text begins; the same place may have several. */
void grams_begin(struct grams *g);
void grams_add(struct grams *g, struct str piece);
/* The column of a gram: two or three octets. */
uint32_t gram_column(struct str gram, unsigned bits);
/* How many grams of a text have to be looked for, and the i-th of them. */
size_t grams_count(struct str text);
struct str gram_at(struct str text, size_t i);
