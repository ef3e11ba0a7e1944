/* confine_role.c — the row of roles.def applied to this process.
 *
 * Which folders a kind of files means: FILES_SPOOL and FILES_DB are folders of the
 * storage, which is our working directory; FILES_HOME is what the mailbox opened. */
#include "role/confine_role.h"

#include "base/fd.h"
#include "ipc/relay_say.h"
#include "role/confine.h"
#include "role/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

enum { PLACES_MAX = 8, RELAY_CONNECTIONS = 4096 };

static int home_fd = -1;
static struct filter mailbox_filter;

static const struct passwd *own_user(void)
{
	const char *name = role_user_name(self.role);

	return getuid() == 0 && *name ? getpwnam(name) : NULL;
}

bool confine_begin(struct err *e)
{
	const struct passwd *pw = own_user();

	off_loop_threads(false);
	if (pw && (setegid(pw->pw_gid) || seteuid(pw->pw_uid)))
		return fail_sys(e, FAULT_TEMP, errno, "become %s", pw->pw_name);
	return true;
}

bool confine_prepare_mailbox(struct err *e)
{
	return filter_build(role_row(ROLE_MAILBOX)->calls, &mailbox_filter, e);
}

void confine_home(int fd)
{
	home_fd = fd;
}

static void nothing(void *unused)
{
	(void)unused;
}

/* The pool makes its threads with its first work; later it may not. */
SUSPENDS static void start_threads(void)
{
	if (self.role == ROLE_MAILBOX)
		setenv("UV_THREADPOOL_SIZE", "2", 1);    /* there may be thousands of it */
	off_loop_threads(true);
	off_loop(nothing, NULL);
}

static bool add_place(struct place *places, size_t *n, const char *path, enum place_right right, struct err *e)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fail_sys(e, FAULT_PERM, errno, "open the folder %s of storage", path);
	places[(*n)++] = (struct place){ fd, right };
	return true;
}

static bool places_of(enum role_files files, struct place *places, size_t *n, struct err *e)
{
	static const char *const spool[] = { "journal", "spool", "refused", "why", "db/queue" };

	*n = 0;
	switch (files) {
	case FILES_SPOOL:
		for (size_t i = 0; i < ARRAY_LEN(spool); i++)
			if (!add_place(places, n, spool[i], PLACE_WRITE, e))
				return false;
		return true;
	case FILES_DB:
		return add_place(places, n, "db/user", PLACE_WRITE, e);
	case FILES_HOME:
		places[(*n)++] = (struct place){ home_fd, PLACE_WRITE };
		return true;
	case FILES_NONE:
	case FILES_ANY:
		break;
	}
	return true;
}

static bool has_threads(enum role r)
{
	return r == ROLE_QUEUE || r == ROLE_USER || r == ROLE_MAILBOX;
}

static size_t connections(void)
{
	switch (self.role) {
	case ROLE_SMTPD:
		return conf_now()->inbound.max_connections;
	case ROLE_RELAY:
		return RELAY_CONNECTIONS;
	case ROLE_LOGIN:
		return conf_now()->login.max_connections;
	default:
		return 0;
	}
}

/* The instance of relay that asks an outside scanner reaches nothing else: a socket of this machine, and no TCP; or
 * that port alone, where the kernel can tell ports apart. */
static void confine_to_scanner(struct confinement *c)
{
	const struct conf_scanner *s;

	if (self.role != ROLE_RELAY || !relay_is_scanner(self.instance))
		return;
	s = &conf_now()->scanner;        /* the zygote has no configuration */
	c->is_narrow = true;
	c->only_unix = s->path.n > 0;
	c->only_port = s->port;
}

SUSPENDS bool confine_role(struct buf *warnings, struct err *e)
{
	const struct passwd *pw = own_user();
	struct place places[PLACES_MAX];
	struct confine_report report;
	struct confinement c = { .role = self.role, .change_user = pw, .uid = pw ? pw->pw_uid : 0,
				 .gid = pw ? pw->pw_gid : 0, .places = places,
				 .user_is_changed = self.role == ROLE_MAILBOX && geteuid() != 0,
				 .connections = connections(),
				 .filter = self.role == ROLE_MAILBOX && mailbox_filter.n ? &mailbox_filter : NULL,
				 .start_threads = has_threads(self.role) ? start_threads : NULL };
	bool ok;

	confine_to_scanner(&c);
	/* back from confine_begin(): what follows needs the rights it gives up */
	if (pw && (seteuid(0) || setegid(0)))
		return fail_sys(e, FAULT_TEMP, errno, "become root again");
	ok = places_of(role_row(self.role)->files, places, &c.n_places, e) && confine(&c, &report, e);
	for (size_t i = 0; i < c.n_places; i++)
		if (places[i].fd != home_fd)
			close(places[i].fd);
	for (size_t i = 0; ok && i < report.n; i++)
		buf_addf(warnings, "%s%s", warnings->n ? "; " : "", report.warnings[i]);
	return ok;
}

SUSPENDS bool confine_reader(struct err *e)
{
	struct confine_report report;
	struct confinement c = { .role = ROLE_SCAN, .change_user = geteuid() == 0, .uid = 65534, .gid = 65534 };

	return confine(&c, &report, e);
}
