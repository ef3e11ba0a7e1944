/* crc32c.h — CRC-32C (Castagnoli), RFC 3720 appendix B.4. */
#pragma once

#include "base/str.h"

/* Start with 0; give the last result to go on. */
uint32_t crc32c(uint32_t crc, struct str bytes);
