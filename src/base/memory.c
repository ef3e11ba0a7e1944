/* memory.c — see memory.h. */
#include "base/memory.h"

static _Thread_local unsigned denials;

unsigned memory_denials(void)
{
	return denials;
}

void memory_denied(void)
{
	denials++;
}
