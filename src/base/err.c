/* err.c — errors; see err.h. */
#include "base/err.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool fail(struct err *e, enum fault fault, const char *fmt, ...)
{
	va_list ap;

	*e = (struct err){ .fault = fault };
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return false;
}

bool fail_sys(struct err *e, enum fault fault, int sys, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	*e = (struct err){ .fault = fault, .sys = sys };
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerrordesc_np(sys) ? strerrordesc_np(sys) : "?");
	return false;
}

bool fail_in(struct err *e, const char *fmt, ...)
{
	char was[sizeof(e->text)];
	va_list ap;
	size_t n;

	memcpy(was, e->text, sizeof(was));
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", was);
	return false;
}

const char *fault_name(enum fault f)
{
	static const char *const names[] = {
		[FAULT_NONE] = "none", [FAULT_TEMP] = "temporary", [FAULT_PERM] = "permanent",
		[FAULT_PEER] = "peer", [FAULT_CANCEL] = "cancelled",
	};

	return (size_t)f < ARRAY_LEN(names) ? names[f] : "?";
}

void must_failed(const char *file, int line, const char *fact, const char *why)
{
	log_flush();             /* what led here */
	fprintf(stderr, "bug: %s (%s:%d: %s does not hold)\n", why, file, line, fact);
	abort();
}
