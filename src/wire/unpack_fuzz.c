/* unpack_fuzz.c — any bytes come out as they are, or unpacked within the limits, or are refused. */
#include "base/attr.h"
#include "wire/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct unpack u;
	struct str piece;
	struct err e;
	bool ok = unpack_open(&u, str_of(p, n), &e);

	while (ok && (ok = unpack_next(&u, &piece, &e)) && piece.n)
		must(piece.n <= UNPACK_CHUNK && u.n_out <= UNPACK_SIZE_MAX, "the limits hold");
	must(!ok || u.kind != UNPACK_PLAIN || u.n_out == n, "plain bytes come out whole");
	unpack_end(&u);
	return 0;
}
