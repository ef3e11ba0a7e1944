/* ctl.h — `waxwing NOUN VERB`: what the person who runs the server types. */
#pragma once

#include <stdbool.h>

/* Options: -c FILE, --json.  Gives the exit code. */
int ctl_main(int argc, char **argv);

/* sendmail.c: is the program called by one of those names?  Then it is all of it; the exit code is one of
 * sysexits.h. */
bool sendmail_is_meant(const char *argv0);
int sendmail_main(int argc, char **argv);
