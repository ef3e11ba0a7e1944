/* unpack.h — the one file in an archive, chunk by chunk: gzip (RFC 1952), zip (APPNOTE 6.3), or the bytes as they are.
 *
 * Names in an archive are not looked at, nothing is written anywhere, and an archive within is bytes.
 * Memory stays the same however much comes out; what expands too far is refused (attack K7). */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <zlib.h>

enum {
	UNPACK_PACKED_MAX = 10 << 20,    /* octets of the archive */
	UNPACK_SIZE_MAX = 25 << 20,      /* octets that come out of it */
	UNPACK_RATIO_MAX = 100,          /* times the octets that went in, … */
	UNPACK_RATIO_FROM = 1 << 20,     /* … as soon as so many came out */
	UNPACK_ENTRIES_MAX = 16,         /* of a zip: directories in front of the file */
	UNPACK_CHUNK = 16 << 10,
};

enum unpack_kind { UNPACK_PLAIN, UNPACK_GZIP, UNPACK_ZIP };

struct unpack {
	enum unpack_kind kind;
	struct str in;           /* what is packed: of a zip the bytes of its file */
	uint64_t n_out;
	bool is_deflated, is_over;
	uint32_t crc, crc_said, size_said;       /* of a zip */
	z_stream z;
	char *chunk;
};

/* By its first octets, whatever it is called. */
enum unpack_kind unpack_kind_of(struct str bytes);

/* The bytes outlive it.  unpack_end() is due in any case. */
bool unpack_open(struct unpack *u, struct str bytes, struct err *e);
/* The next piece, good until the next call; empty at the end. */
bool unpack_next(struct unpack *u, struct str *ret, struct err *e);
void unpack_end(struct unpack *u);
