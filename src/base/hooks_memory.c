/* hooks_memory.c — memory that is not there, on demand; only in builds with -Dhooks=true.
 *
 * Names of the program come before those of libraries, so what SQLite, OpenSSL and
 * libuv ask for passes here too.  The C library's own functions do the work; the
 * __libc_ names are what it exports for this. */
#include "base/hooks.h"

#include <stdlib.h>

#ifndef WAXWING_ASAN

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	return FAULT_POINT(memory_get) ? NULL : __libc_malloc(n);
}

void *calloc(size_t count, size_t size)
{
	return FAULT_POINT(memory_get) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t n)
{
	return FAULT_POINT(memory_get) ? NULL : __libc_realloc(p, n);
}

#endif
