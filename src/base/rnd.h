/* rnd.h — random bytes from the kernel. */
#pragma once

#include <stddef.h>
#include <stdint.h>

void rnd_bytes(void *to, size_t n);
uint64_t rnd_u64(void);
/* 0 … below-1 without bias; below > 0. */
uint32_t rnd_below(uint32_t below);
