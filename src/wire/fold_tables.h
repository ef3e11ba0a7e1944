/* fold_tables.h — the data behind fold.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What character cp becomes: n octets of UTF-8 at fold_pool + at. */
struct fold_row {
	uint32_t cp;
	uint16_t at;
	uint8_t n;
};

extern const struct fold_row fold_rows[];        /* by cp */
extern const size_t fold_rows_n;
extern const unsigned char fold_pool[];
extern const unsigned char fold_pages[0x1100 / 8];       /* bit cp >> 8: it has rows */
