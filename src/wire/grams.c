/* grams.c — which runs of two and of three octets a text has; see grams.h. */
#include "wire/grams.h"

enum { PAIR = 1 << 24 };                 /* a pair's number is none of a triple's */

/* Multiplicative hashing (Knuth, TAOCP 6.4): the upper bits of the product are mixed best. */
static uint32_t column(uint32_t gram, unsigned bits)
{
	return (gram * 2654435769u) >> (32 - bits);
}

uint32_t gram_column(struct str gram, unsigned bits)
{
	uint32_t v = gram.n < GRAM_MAX ? PAIR : 0;

	for (size_t i = 0; i < gram.n; i++)
		v |= (uint32_t)(unsigned char)gram.p[i] << 8 * (gram.n - 1 - i);
	return column(v, bits);
}

size_t grams_count(struct str text)
{
	return text.n >= GRAM_MAX ? text.n - (GRAM_MAX - 1) : text.n >= GRAM_MIN;
}

struct str gram_at(struct str text, size_t i)
{
	return str_sub(text, i, GRAM_MAX);
}

void grams_begin(struct grams *g)
{
	g->last = 0;
	g->held = 0;
}

void grams_add(struct grams *g, struct str piece)
{
	uint8_t *row = g->table + g->place / 8, bit = (uint8_t)(1u << g->place % 8);
	size_t width = g->n / 8;

	for (size_t i = 0; i < piece.n; i++) {
		g->last = (g->last << 8 | (unsigned char)piece.p[i]) & 0xffffff;
		if (g->held < GRAM_MAX)
			g->held++;
		if (g->held == GRAM_MAX)
			row[column(g->last, g->bits) * width] |= bit;
		if (g->held >= GRAM_MIN)
			row[column(PAIR | (g->last & 0xffff), g->bits) * width] |= bit;
	}
}
