/* pam.h — a question that only a child process may be asked.
 *
 * Name services and PAM modules block, and their code is not ours: each question
 * gets a process of its own, 10 s, and a pipe for its answer. */
#pragma once

#include "base/attr.h"
#include "base/err.h"

enum { CHILDREN_MAX = 8, ANSWER_MAX = 4096 };    /* PIPE_BUF: written in one piece */

/* Run fn(arg, out) in a child, on a stack of 8 MiB; it writes its whole answer to `out` and returns.
 * Gives how many bytes came: 0 if it ended without a word. */
SUSPENDS bool child_ask(void (*fn)(void *arg, int out), void *arg, void *answer, size_t size, size_t *ret_n,
			struct err *e);
