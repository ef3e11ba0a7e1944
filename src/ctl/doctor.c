/* doctor.c — waxwing doctor: on a terminal the server is asked to say how far it is. */
#include "ctl/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 64 };

int ctl_doctor(const struct ctl *c)
{
	struct ctl with = *c;
	char *args[WORDS_MAX], progress[] = "--progress";

	if (c->is_json || !isatty(STDERR_FILENO) || c->n_args + 1 > WORDS_MAX)
		return ctl_ask(c);
	memcpy(args, c->args, (size_t)c->n_args * sizeof(args[0]));
	args[with.n_args++] = progress;
	with.args = args;
	return ctl_ask(&with);
}
