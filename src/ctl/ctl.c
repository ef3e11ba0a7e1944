/* ctl.c — options and words; the server does the work. */
#include "ctl/ctl.h"

#include "ctl/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONF_DEFAULT "/etc/waxwing/waxwing.conf"

static const struct word {
	const char *noun, *verb;         /* verb may be "" */
	int args_min, args_max;
	const char *usage, *help;
} words[] = {
#define COMMAND(name, noun, verb, args_min, args_max, usage, help) \
	{ noun, verb, args_min, args_max, usage, help },
#include "ipc/command.def"
#undef COMMAND
};

static void print_row(const char *noun, const char *verb, const char *usage, const char *text)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%s%s%s%s", noun, *verb ? " " : "", verb, *usage ? " " : "", usage);
	printf("  %-32s %s\n", left, text);
}

static void help(void)
{
	puts("waxwing [-c FILE] [--json] COMMAND\n");
	print_row("serve", "", "", "run the server in the foreground");
	print_row("config", "check", "", "is the configuration right?");
	print_row("config", "show", "", "what is in force, with defaults");
	print_row("config", "explain", "NAME", "what a directive means");
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		print_row(words[i].noun, words[i].verb, words[i].usage, words[i].help);
	print_row("version", "", "", "");
	puts("\nSee waxwing(8) and waxwing.conf(5).");
}

static int usage(const char *what)
{
	fprintf(stderr, "waxwing: %s; waxwing help lists the commands\n", what);
	return 2;
}

static int unknown(const struct ctl *c)
{
#ifndef WAXWING_HOOKS
	if (c->n_args >= 2 && strcmp(c->args[0], "test") == 0 &&
	    (strcmp(c->args[1], "clock") == 0 || strcmp(c->args[1], "fault") == 0))
		return usage("this build has no clock or faults to move (meson -Dhooks=true makes one for tests)");
#endif
	(void)c;
	return usage("no such command");
}

static bool has_word(const struct ctl *c, const char *word)
{
	for (int i = 0; i < c->n_args; i++)
		if (strcmp(c->args[i], word) == 0)
			return true;
	return false;
}

static bool is_destructive(const struct ctl *c)
{
	return strcmp(c->args[0], "queue") == 0 && (strcmp(c->args[1], "bounce") == 0 || strcmp(c->args[1], "drop") == 0 ||
						    strcmp(c->args[1], "redirect") == 0);
}

/* What cannot be undone: how much is it, and is it meant? */
static int ask_first(const struct ctl *c)
{
	struct ctl count = *c;
	char *args[32], answer[16] = "";
	int code;

	if (!is_destructive(c) || has_word(c, "--yes") || has_word(c, "--count"))
		return ctl_ask(c);
	if (c->n_args + 1 > (int)ARRAY_LEN(args))
		return usage("too many words");
	memcpy(args, c->args, (size_t)c->n_args * sizeof(args[0]));
	args[count.n_args++] = "--count";
	count.args = args;
	count.is_json = false;
	code = ctl_ask(&count);
	if (code != 0 && code != 5)
		return code;
	if (!isatty(STDIN_FILENO))
		return usage("this cannot be undone: say --yes");
	fprintf(stderr, "%s these? [y/N] ", c->args[1]);
	if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
		return 1;
	return ctl_ask(c);
}

/* Wrong words are refused here, whether a server is there or not. */
static int ask(const struct ctl *c)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const struct word *w = &words[i];
		int n = *w->verb ? 2 : 1;

		if (c->n_args < n || strcmp(c->args[0], w->noun) != 0 || (n == 2 && strcmp(c->args[1], w->verb) != 0))
			continue;
		if (strcmp(w->noun, "doctor") == 0 && !*w->verb && c->n_args - n <= w->args_max)
			return ctl_doctor(c);
		if (c->n_args - n >= w->args_min && c->n_args - n <= w->args_max)
			return strcmp(w->noun, "import") == 0 || strcmp(w->noun, "export") == 0 ? ctl_transfer(c) : ask_first(c);
		fprintf(stderr, "waxwing: usage: waxwing %s%s%s %s\n", w->noun, n == 2 ? " " : "", w->verb, w->usage);
		return 2;
	}
	return unknown(c);
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
		help();
		return 0;
	}
	if (strcmp(c.args[0], "version") == 0 || strcmp(c.args[0], "--version") == 0) {
		puts("waxwing " WAXWING_VERSION);
		return 0;
	}
	if (strcmp(c.args[0], "config") == 0)
		return ctl_config(&c);
	return ask(&c);
}
