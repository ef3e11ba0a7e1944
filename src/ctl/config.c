/* config.c — `waxwing config check|show|explain`. */
#include "ctl/command.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct here {
	struct str dir;
	struct arena *a;
};

static bool read_file(const char *path, struct arena *a, struct str *ret, struct err *e)
{
	AUTO(fd_end) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *p;
	size_t n;

	if (fd < 0)
		return fail_sys(e, FAULT_PERM, errno, "%s", path);
	if (!fd_slurp(fd, CONF_FILE_MAX, &p, &n, e))
		return fail_in(e, "%s", path);
	*ret = arena_str(a, str_of(p, n));
	free(p);
	return true;
}

/* struct conf_includes */
static bool include(void *arg, struct str pattern, size_t i, struct str *ret_name, struct str *ret_text, struct err *e)
{
	struct here *h = arg;
	bool is_relative = str_at(pattern, 0) != '/';
	struct str full = arena_printf(h->a, STR_FMT "%s" STR_FMT, STR_ARG(is_relative ? h->dir : S("")),
				       is_relative ? "/" : "", STR_ARG(pattern));
	char *z = str_z(h->a, full);
	glob_t g = { 0 };
	bool ok = false;

	*e = (struct err){ 0 };
	if (z && glob(z, 0, NULL, &g) == 0 && i < g.gl_pathc) {
		*ret_name = arena_str(h->a, str_from_z(g.gl_pathv[i]));
		ok = read_file(g.gl_pathv[i], h->a, ret_text, e);
	}
	globfree(&g);
	return ok;
}

/* Which notes are told: none, errors, all. */
enum told { TELL_NOTHING, TELL_ERRORS, TELL_ALL };

static bool read_conf(const struct ctl *c, struct arena *a, struct conf *ret, enum told told)
{
	char *real = realpath(c->conf_path, NULL);
	struct str path = arena_str(a, str_from_z(real ? real : c->conf_path)), text;
	struct here h = { .dir = str_head(path, str_rfind(path, '/')), .a = a };
	struct arena na = { 0 };
	struct conf_notes notes = { .arena = &na };
	struct conf_world w = { .file = path, .is_root = geteuid() == 0,
				.has_etc_aliases = access("/etc/aliases", F_OK) == 0,
				.includes = { include, &h } };
	struct err e = { 0 };
	bool ok;

	free(real);
	if (!read_file(c->conf_path, a, &text, &e)) {
		if (told)
			fprintf(stderr, "waxwing: %s\n", e.text);
		return false;
	}
	ok = conf_read(text, &w, a, &notes, ret);
	for (size_t i = 0; i < notes.n; i++)
		if (told == TELL_ALL || (told == TELL_ERRORS && notes.note[i].is_error))
			fprintf(stderr, STR_FMT "\n", STR_ARG(notes.note[i].text));
	arena_end(&na);
	return ok;
}

bool ctl_read_conf(const struct ctl *c, struct arena *a, struct conf *ret, bool is_quiet)
{
	return read_conf(c, a, ret, is_quiet ? TELL_ERRORS : TELL_ALL);
}

bool ctl_read_conf_silently(const struct ctl *c, struct arena *a, struct conf *ret)
{
	return read_conf(c, a, ret, TELL_NOTHING);
}

int ctl_config(const struct ctl *c)
{
	struct arena a = { .limit = CONF_MEMORY_MAX };
	struct buf b = buf_on_heap(8 << 20);
	struct str verb = c->n_args > 1 ? str_from_z(c->args[1]) : S("");
	struct conf conf;
	struct err e = { 0 };
	int code = 0;

	if (str_eq(verb, S("explain")) && c->n_args == 3) {
		if (!conf_explain(str_from_z(c->args[2]), &b, &e)) {
			fprintf(stderr, "waxwing: %s\n", e.text);
			code = 1;
		}
	} else if ((str_eq(verb, S("check")) || str_eq(verb, S("show"))) && c->n_args == 2) {
		if (!ctl_read_conf(c, &a, &conf, str_eq(verb, S("show"))))
			code = 1;
		else if (str_eq(verb, S("show")))
			conf_show(&conf, &b);
		else
			buf_addf(&b, "%s is right\n", c->conf_path);
	} else {
		fprintf(stderr, "waxwing: usage: waxwing config check | show | explain NAME\n");
		code = 2;
	}
	fwrite(b.p, 1, b.n, stdout);
	fflush(stdout);
	buf_end(&b);
	arena_end(&a);
	return code;
}
