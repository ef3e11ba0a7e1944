/* ctl.c — options and words; the server does the work. */
#include "ctl/ctl.h"

#include "ctl/command.h"

#include <stdio.h>
#include <string.h>

#define CONF_DEFAULT "/etc/waxwing/waxwing.conf"

static const char help[] =
	"waxwing [-c FILE] [--json] COMMAND\n"
	"\n"
	"  serve                            run the server in the foreground\n"
	"  config check                     is the configuration right?\n"
	"  config show                      what is in force, with defaults\n"
	"  config explain NAME              what a directive means\n"
	"  user add|passwd NAME@DOMAIN      the password is read from standard input\n"
	"  user list\n"
	"  user remove|disable|enable NAME@DOMAIN\n"
	"  test address NAME@DOMAIN         where a letter to it would go, and why\n"
	"  queue list                       letters that wait\n"
	"  why ID|YYYY-MM-DD                what was decided about a letter, or on a day, and why\n"
	"  status [--fibers]                processes, queue, journal, certificates\n"
	"  reload                           read the configuration again\n"
	"  version\n"
	"\n"
	"See waxwing(8) and waxwing.conf(5).\n";

static int usage(const char *what)
{
	fprintf(stderr, "waxwing: %s; waxwing help lists the commands\n", what);
	return 2;
}

int ctl_main(int argc, char **argv)
{
	struct ctl c = { .conf_path = CONF_DEFAULT, .args = argv };

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			c.is_json = true;
		else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			c.conf_path = argv[++i];
		else
			c.args[c.n_args++] = argv[i];
	}
	if (c.n_args == 0)
		return usage("no command");
	if (strcmp(c.args[0], "help") == 0 || strcmp(c.args[0], "--help") == 0 || strcmp(c.args[0], "-h") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (strcmp(c.args[0], "version") == 0 || strcmp(c.args[0], "--version") == 0) {
		puts("waxwing " WAXWING_VERSION);
		return 0;
	}
	if (strcmp(c.args[0], "config") == 0)
		return ctl_config(&c);
	return ctl_ask(&c);
}
