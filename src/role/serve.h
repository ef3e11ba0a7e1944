/* serve.h — the parent process. */
#pragma once

#include <stdbool.h>

/* Runs until a signal ends it; gives the exit code.  As a helper only `user`, `pam` and `control`
 * run, without listeners, for one command while no server is there. */
int serve(const char *conf_path, bool is_helper);
