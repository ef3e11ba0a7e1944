/* rnd.c — random bytes; see rnd.h. */
#include "base/rnd.h"

#include "base/err.h"

#include <errno.h>
#include <sys/random.h>

void rnd_bytes(void *to, size_t n)
{
	char *p = to;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		must(got > 0 || errno == EINTR, "the kernel gives no random bytes");
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
}

uint64_t rnd_u64(void)
{
	uint64_t v;

	rnd_bytes(&v, sizeof(v));
	return v;
}

uint32_t rnd_below(uint32_t below)
{
	uint64_t v, rest = (UINT64_MAX % below + 1) % below;

	must(below > 0, "a random number below zero was asked for");
	do {
		v = rnd_u64();
	} while (v > UINT64_MAX - rest);
	return (uint32_t)(v % below);
}
