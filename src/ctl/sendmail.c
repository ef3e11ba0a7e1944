/* sendmail.c — waxwing as sendmail, mailq and newaliases, for programs that send as they did for forty years.
 *
 * The letter is read, then said to the server, or left for it; either way it is accepted, and the exit
 * code is 0.  What the server refuses is told on standard error, with a code of sysexits.h. */
#include "ctl/sendmail.h"

#include "base/fd.h"
#include "ctl/command.h"
#include "ctl/ctl.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { HOST_MAX = 256 };

/* -- who and where --------------------------------------------------------- */

/* The configuration may not be readable for who sends: then the usual places. */
static void find_places(struct sendmail *s)
{
	struct arena *a = &s->a;
	struct ctl c = { .conf_path = s->conf_path };
	struct conf conf;
	char host[HOST_MAX];

	s->run = S("/run/waxwing");
	s->storage = S("/var/lib/waxwing");
	if (gethostname(host, sizeof(host) - 1))
		snprintf(host, sizeof(host), "localhost");
	host[sizeof(host) - 1] = '\0';
	s->hostname = arena_str(a, str_from_z(host));
	if (access(s->conf_path, R_OK) || !ctl_read_conf_silently(&c, a, &conf))
		return;
	s->run = conf.run;
	s->storage = conf.storage;
	s->hostname = conf.hostname;
}

static bool find_sender(struct sendmail *s)
{
	const struct passwd *pw;

	if (s->from)
		return sendmail_one_address(s, str_from_z(s->from), &s->sender);
	pw = getpwuid(getuid());
	return sendmail_one_address(s, pw ? str_from_z(pw->pw_name) : arena_printf(&s->a, "uid-%u", getuid()), &s->sender);
}

/* -- sending --------------------------------------------------------------- */

static int deliver(struct sendmail *s)
{
	int fd = sendmail_connect(s->run), code = EX_TEMPFAIL;
	struct err e = { 0 };

	if (fd >= 0)
		code = sendmail_say(s, fd);
	if (code != EX_TEMPFAIL)
		return code;
	if (!sendmail_drop(s, &e)) {
		fprintf(stderr, "sendmail: the server does not answer, and the letter cannot be left for it: %s\n", e.text);
		return EX_TEMPFAIL;
	}
	if (s->is_verbose)
		printf("sendmail: the server does not answer; it will send the letter when it is back\n");
	return EX_OK;
}

static int send_letter(struct sendmail *s)
{
	struct err e = { 0 };

	if (!find_sender(s))
		return EX_USAGE;
	for (int i = 0; i < s->n_args; i++)
		if (!sendmail_add_rcpts(s, str_from_z(s->args[i])))
			return EX_USAGE;
	if (!s->takes_header && !s->n_rcpts) {
		fprintf(stderr, "sendmail: nobody is named as recipient\n");
		return EX_USAGE;
	}
	if (!sendmail_read(s, &e)) {
		fprintf(stderr, "sendmail: %s\n", e.text);
		return EX_DATAERR;
	}
	if (s->takes_header && !sendmail_take_header(s))
		return EX_DATAERR;
	if (!s->n_rcpts) {
		fprintf(stderr, "sendmail: the header names no recipient\n");
		return EX_DATAERR;
	}
	sendmail_add_from(s);
	return deliver(s);
}

static int speak_smtp(struct sendmail *s)
{
	AUTO(fd_end) int fd = sendmail_connect(s->run);

	if (fd >= 0)
		return sendmail_carry(fd);
	printf("421 4.3.2 the server does not answer, come back later\r\n");
	return EX_TEMPFAIL;
}

/* -- what waxwing's own commands do ---------------------------------------- */

static int exit_of(int code)
{
	return code == 0 ? EX_OK : code == 1 ? EX_NOUSER : code == 3 ? EX_TEMPFAIL : code == 4 ? EX_NOPERM : EX_SOFTWARE;
}

static int command(const struct sendmail *s, const char *noun, const char *verb, const char *arg)
{
	const char *argv[] = { "waxwing", "-c", s->conf_path, noun, verb, arg, NULL };

	return exit_of(ctl_main(arg ? 6 : 5, (char **)(uintptr_t)argv));
}

static int test_addresses(const struct sendmail *s)
{
	int code = EX_OK;
	char *line = NULL;
	size_t cap = 0;

	for (int i = 0; i < s->n_args; i++) {
		int one = command(s, "test", "address", s->args[i]);

		code = one ? one : code;
	}
	while (!s->n_args && getline(&line, &cap, stdin) > 0) {
		struct str word = str_trim(str_from_z(line));
		AUTO(arena_end) struct arena a = { 0 };
		char *z = str_z(&a, word);

		if (z && *z)
			code = command(s, "test", "address", z);
	}
	free(line);
	return code;
}

static int run(struct sendmail *s)
{
	switch (s->mode) {
	case SENDMAIL_SEND:
		return send_letter(s);
	case SENDMAIL_SMTP:
		return speak_smtp(s);
	case SENDMAIL_QUEUE:
		return command(s, "queue", "list", NULL);
	case SENDMAIL_TEST:
	case SENDMAIL_VERIFY:
		return test_addresses(s);
	case SENDMAIL_DAEMON:
		fprintf(stderr, "sendmail: the server is started with: waxwing serve\n");
		return EX_USAGE;
	case SENDMAIL_ALIASES:           /* files are watched, and the queue needs nobody to run it */
	case SENDMAIL_NOTHING:
		break;
	}
	return EX_OK;
}

bool sendmail_is_meant(const char *argv0)
{
	struct str name = str_from_z(argv0 ? argv0 : "");

	name = str_from(name, str_rfind(name, '/') + 1);
	if (!name.n)
		name = str_from_z(argv0 ? argv0 : "");
	return str_eq(name, S("sendmail")) || str_eq(name, S("mailq")) || str_eq(name, S("newaliases"));
}

int sendmail_main(int argc, char **argv)
{
	struct sendmail s = { .conf_path = "/etc/waxwing/waxwing.conf", .a = { .limit = 1 << 30 } };
	struct str name = str_from_z(argv[0]);
	int code;

	signal(SIGPIPE, SIG_IGN);
	umask(077);
	if (str_ends(name, S("mailq")))
		s.mode = SENDMAIL_QUEUE;
	else if (str_ends(name, S("newaliases")))
		s.mode = SENDMAIL_ALIASES;
	if (!sendmail_options(&s, argc, argv))
		return EX_USAGE;
	find_places(&s);
	code = run(&s);
	buf_end(&s.letter);
	arena_end(&s.a);
	return code;
}
