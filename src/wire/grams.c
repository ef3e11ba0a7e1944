/* grams.c — which runs of three octets a text has; see grams.h. */
#include "wire/grams.h"

/* Multiplicative hashing (Knuth, TAOCP 6.4): the upper bits of the product are mixed best. */
static uint32_t column(uint32_t gram, unsigned bits)
{
	return (gram * 2654435769u) >> (32 - bits);
}

uint32_t gram_column(const char *p, unsigned bits)
{
	const unsigned char *c = (const unsigned char *)p;

	return column((uint32_t)c[0] << 16 | (uint32_t)c[1] << 8 | c[2], bits);
}

void grams_begin(struct grams *g)
{
	g->last = 0;
	g->held = 0;
}

void grams_add(struct grams *g, struct str piece)
{
	uint8_t *row = g->table + g->place / 8, bit = (uint8_t)(1u << g->place % 8);
	size_t width = g->n / 8, i = 0;

	for (; i < piece.n && g->held < GRAM_OCTETS - 1; i++, g->held++)
		g->last = g->last << 8 | (unsigned char)piece.p[i];
	for (; i < piece.n; i++) {
		g->last = (g->last << 8 | (unsigned char)piece.p[i]) & 0xffffff;
		row[column(g->last, g->bits) * width] |= bit;
	}
}
