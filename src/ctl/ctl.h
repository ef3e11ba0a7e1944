/* ctl.h — `waxwing NOUN VERB`: what the person who runs the server types. */
#pragma once

/* Options: -c FILE, --json.  Gives the exit code. */
int ctl_main(int argc, char **argv);
