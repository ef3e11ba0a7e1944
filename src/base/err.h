/* err.h — how a function says that it could not.
 *
 * Functions that can fail return bool and fill a struct err.  *e is written
 * only on failure.  The faults are the mail world's own: they say what the
 * caller can do about it. */
#pragma once

#include "base/attr.h"
#include "base/str.h"

enum fault {
	FAULT_NONE,
	FAULT_TEMP,      /* later it may work: 4xx, stays queued */
	FAULT_PERM,      /* it will never work: 5xx, bounces */
	FAULT_PEER,      /* the other side broke the rules or the connection */
	FAULT_CANCEL,    /* we were told to stop; passed up untouched */
};

struct err {
	enum fault fault;
	int sys;         /* errno, or 0 */
	bool timed_out;  /* a WITHIN ran out */
	char text[160];  /* one sentence for a person, NUL-terminated */
};

/* All return false, so that a failing path is one line. */
PRINTF_LIKE(3, 4) bool fail(struct err *e, enum fault fault, const char *fmt, ...);
/* The same, with errno's words behind it. */
PRINTF_LIKE(4, 5) bool fail_sys(struct err *e, enum fault fault, int sys, const char *fmt, ...);
/* Put the context in front of what *e says already: "route to x: connect: …". */
PRINTF_LIKE(2, 3) bool fail_in(struct err *e, const char *fmt, ...);

const char *fault_name(enum fault f);

/* A fact that holds unless there is a bug; stays on in release builds. */
#define must(fact, why) \
	((fact) ? (void)0 : must_failed(__FILE__, __LINE__, #fact, why))
NORETURN void must_failed(const char *file, int line, const char *fact, const char *why);
