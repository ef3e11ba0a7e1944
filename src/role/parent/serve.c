/* serve.c — `waxwing serve`: the parent's story.
 *
 * Read the configuration → lock the storage → make its folders → bind → start the
 * roles → say ready → wait for signals.  TERM stops from the outside in: first
 * login (sessions say goodbye) and smtpd (those in a letter end it), then queue (the journal is
 * emptied), then everybody.  HUP reads the configuration again. */
#include "role/parent/parent.h"

#include "base/fd.h"
#include "base/log.h"
#include "ipc/relay_say.h"
#include "role/hooks.h"
#include "role/roles.h"
#include "role/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_TRIES = 20, NOFILE_PARENT = 20000 };
#define STOP_SLACK (10 * SECOND)

struct parent parent;

static int exit_code;

/* -- storage --------------------------------------------------------------- */

struct folder {
	const char *name;
	enum role owner;
	mode_t mode;
};

static const struct folder folders[] = {
	{ "journal", ROLE_QUEUE, 0700 }, { "spool", ROLE_QUEUE, 0700 },   { "spool/in", ROLE_QUEUE, 0700 },
	{ "refused", ROLE_QUEUE, 0700 }, { "why", ROLE_QUEUE, 0700 },
	{ "db", ROLE_PARENT, 0755 },     { "db/user", ROLE_USER, 0700 },
	{ "db/queue", ROLE_QUEUE, 0700 }, { "keys", ROLE_PARENT, 0700 },  { "log", ROLE_PARENT, 0750 },
	{ "mail", ROLE_MAILBOX, 0755 },  { "drop", ROLE_PARENT, 01733 },
};

/* The system user of a role, or -1 (unchanged) when we are not root or there is none. */
static void owner_of(enum role r, uid_t *uid, gid_t *gid)
{
	AUTO(arena_end) struct arena a = { 0 };
	const char *name = role_user_name(r);
	struct passwd *pw;

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	if (!parent.is_root || r == ROLE_PARENT)
		return;
	if (r == ROLE_MAILBOX)
		name = str_z(&a, parent.conf->c.mail_uid);
	pw = name && *name ? getpwnam(name) : NULL;
	if (pw) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	}
}

static bool make_folders(struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		const struct folder *f = &folders[i];
		char above[64];
		uid_t uid;
		gid_t gid;

		if (mkdirat(parent.storage_fd, f->name, f->mode) == 0) {
			owner_of(f->owner, &uid, &gid);
			if (uid != (uid_t)-1 && fchownat(parent.storage_fd, f->name, uid, gid, AT_SYMLINK_NOFOLLOW))
				return fail_sys(e, FAULT_PERM, errno, "give %s to its owner", f->name);
			snprintf(above, sizeof(above), "%s/..", f->name);
			if (!fd_sync_dir_at(parent.storage_fd, above, e))
				return false;
		} else if (errno != EEXIST) {
			return fail_sys(e, FAULT_PERM, errno, "make the folder %s in storage", f->name);
		}
	}
	return true;
}

static bool open_storage(struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	char *path = str_z(&a, parent.conf->c.storage);
	bool is_new;
	int lock;

	if (!path)
		return fail(e, FAULT_PERM, "storage: not a path");
	is_new = mkdir(path, 0755) == 0;
	if (!is_new && errno != EEXIST)
		return fail_sys(e, FAULT_PERM, errno, "storage %s", path);
	parent.storage_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent.storage_fd < 0 || fchdir(parent.storage_fd))
		return fail_sys(e, FAULT_PERM, errno, "storage %s", path);
	if (is_new && !fd_sync_dir_at(parent.storage_fd, "..", e))
		return false;
	lock = openat(parent.storage_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return fail_sys(e, FAULT_PERM, errno, "storage %s/lock", path);
	/* Held as long as the process lives.  A command without a server holds it for a moment. */
	for (int tries = 0; flock(lock, LOCK_EX | LOCK_NB); tries++) {
		if (tries == LOCK_TRIES)
			return fail(e, FAULT_PERM, "storage %s: another server uses it; stop that one first", path);
		usleep(100 * 1000);
	}
	return make_folders(e);
}

/* -- roles ----------------------------------------------------------------- */

static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 4 ? 4 : (unsigned)n;
}

unsigned serve_copies(enum role r)
{
	const struct conf *c = &parent.conf->c;
	bool has_pam = false;

	for (size_t i = 0; i < c->auth.backends.n; i++)
		has_pam |= c->auth.backends.p[i].kind == CONF_BACKEND_PAM;
	for (size_t i = 0; i < c->domains.n; i++)
		has_pam |= c->domains.p[i].accounts == CONF_ACCOUNTS_LINUX;
	if (r == ROLE_PAM)
		return has_pam;
	if (parent.is_helper)
		return r == ROLE_USER || r == ROLE_CONTROL;
	if (r == ROLE_SMTPD)
		return c->smtpd_copies ? c->smtpd_copies : cores();
	if (r == ROLE_LOGIN)
		return c->login_copies ? c->login_copies : cores();
	return r == ROLE_SCAN || r == ROLE_RELAY ? cores() : 1;
}

static bool all_ready(bool *ret_failed)
{
	bool all = true;

	*ret_failed = false;
	for (struct process *p = parent.processes; p; p = p->next) {
		all &= p->is_ready || p->role == ROLE_ZYGOTE;
		*ret_failed |= p->has_failed;
	}
	return all;
}

/* The instance of relay that asks the outside scanner is there while there is one.  Its sandbox is made for the address:
 * with another one it begins anew. */
SUSPENDS static void keep_scanner(void *arg)
{
	struct process *p = arg;

	do {
		p->is_ending = false;
		process_keep(p);
	} while (!parent.is_stopping && parent.is_ready && parent.conf->c.scanner.is_set);
	if (!parent.is_stopping && parent.is_ready)
		process_remove(p);
}

static bool scanner_follow(struct err *e)
{
	static char address[128];        /* that it was started for */
	char mem[sizeof(address)];
	struct buf b = buf_over(mem, sizeof(mem) - 1);
	struct process *p = parent.processes;
	const struct conf_scanner *s = &parent.conf->c.scanner;
	bool is_other;

	while (p && (p->role != ROLE_RELAY || !relay_is_scanner(p->instance)))
		p = p->next;
	if (s->is_set)
		conf_scanner_print_address(s, &b);
	mem[b.n] = '\0';
	is_other = strcmp(mem, address) != 0;
	memcpy(address, mem, b.n + 1);
	if (!p && s->is_set && !parent.is_helper)
		return fiber_start(&parent.fibers, "scanner", keep_scanner, process_add(ROLE_RELAY, RELAY_SCANNER)) ||
		       fail(e, FAULT_TEMP, "no memory for a fiber");
	if (p && is_other) {
		p->is_ending = !s->is_set;
		if (p->link)
			role_stop(p->link, &(struct role_stop){ 0 });
	}
	return true;
}

SUSPENDS static bool start_roles(struct err *e)
{
	static const enum role order[] = { ROLE_ZYGOTE, ROLE_KEYS, ROLE_SIGN, ROLE_PAM, ROLE_DNS, ROLE_USER, ROLE_SCAN,
					   ROLE_RELAY, ROLE_QUEUE, ROLE_CONTROL, ROLE_SMTPD, ROLE_LOGIN };
	bool failed;

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		for (unsigned n = 0; n < serve_copies(order[i]); n++)
			if (!fiber_start(&parent.fibers, role_name(order[i]), process_keep, process_add(order[i], n)))
				return fail(e, FAULT_TEMP, "no memory for a fiber");
	if (!parent.is_helper &&
	    !fiber_start(&parent.fibers, "relay", process_keep, process_add(ROLE_RELAY, RELAY_WEB)))
		return fail(e, FAULT_TEMP, "no memory for a fiber");
	if (!scanner_follow(e))
		return false;
	WITHIN(60 * SECOND)
		while (!all_ready(&failed)) {
			if (failed)
				return fail(e, FAULT_PERM, "a role could not start; its reason stands above");
			if (!wait_on(&parent.changed, "roles to be ready", e))
				return fail_in(e, "not all roles are ready");
		}
	return true;
}

/* However little time the service manager gives, each stage has its own. */
SUSPENDS static void stop_stage(enum role r, int64_t within)
{
	char text[64];

	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%lld", (long long)(within + STOP_SLACK));
	notify(text);
	process_stop_all(r, within);
}

SUSPENDS static void stop_all(void)
{
	static const enum role rest[] = { ROLE_CONTROL, ROLE_MAILBOX, ROLE_RELAY, ROLE_SCAN, ROLE_USER, ROLE_PAM,
					  ROLE_DNS, ROLE_SIGN, ROLE_KEYS };

	parent.is_stopping = true;
	notify("STOPPING=1");
	listeners_close();
	local_close();
	mailboxes_leave();               /* what they say still goes through login */
	stop_stage(ROLE_LOGIN, 15 * SECOND);
	stop_stage(ROLE_SMTPD, 30 * SECOND);
	stop_stage(ROLE_QUEUE, 60 * SECOND);
	for (size_t i = 0; i < ARRAY_LEN(rest); i++)
		stop_stage(rest[i], 5 * SECOND);
	for (struct process *p = parent.processes; p; p = p->next) {
		p->is_ending = true;
		if (p->role == ROLE_ZYGOTE && p->pid > 0)
			kill(p->pid, SIGKILL);
	}
}

/* -- reload ---------------------------------------------------------------- */

static struct process *not_asked(uint32_t generation)
{
	struct process *p = parent.processes;

	while (p && (!p->link || p->role == ROLE_ZYGOTE || p->asked == generation))
		p = p->next;
	return p;
}

/* Those that start meanwhile begin with the old one, and are asked too: the last answer ends the last wait. */
SUSPENDS static bool ask_all(uint32_t generation, const struct conf *c, struct arena *a, struct err *e)
{
	struct process *p;

	for (p = parent.processes; p; p = p->next)       /* a reload that came to nothing had the same number */
		p->asked = 0;
	while ((p = not_asked(generation))) {
		struct role_config_check_answer yes;
		AUTO(fd_end) int image = -1;

		if (!config_image(c, p->role, &image, e))
			return false;
		p->asked = generation;
		WITHIN(10 * SECOND)
			if (!role_config_check(p->link, &(struct role_config_check){ .generation = generation,
							.config = image }, &yes, a, e))
				return fail_in(e, "%s", role_name(p->role));
	}
	return true;
}

struct reading {
	uint32_t generation;
	struct conf_held *fresh;
	struct buf *text;
	struct err *e;
	bool ok;
};

/* On the loop's stack: the child parses on a copy of it. */
static void read_again(void *arg)
{
	struct reading *r = arg;

	r->ok = config_read(parent.conf_path, r->generation, &r->fresh, r->text, r->e);
}

SUSPENDS static bool reload_now(struct buf *text, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	struct buf live = buf_on_heap(4096), restart = buf_on_heap(4096);
	struct reading reading = { .generation = parent.conf->generation + 1, .text = text, .e = e };
	struct conf_held *fresh;
	bool ok;

	on_loop_stack(read_again, &reading);
	fresh = reading.fresh;
	ok = reading.ok;
	/* no wait from here on: all of it comes into force, or nothing */
	if (ok && (!ask_all(fresh->generation, &fresh->c, &a, e) || !listeners_prepare(&fresh->c, e))) {
		conf_release(&fresh);
		ok = false;
	}
	if (ok) {
		conf_diff(&parent.conf->c, &fresh->c, &live, &restart);
		for (struct process *p = parent.processes; p; p = p->next)
			if (p->link && p->role != ROLE_ZYGOTE)
				role_config_apply(p->link, &(struct role_config_apply){ .generation = fresh->generation });
		listeners_apply();
		buf_addf(text, "generation %u is in force%s" STR_FMT "\n", fresh->generation,
			 live.n ? "; changed: " : "; nothing changed", STR_ARG(buf_str(&live)));
		if (restart.n)
			buf_addf(text, "these wait for a restart: " STR_FMT "\n", STR_ARG(buf_str(&restart)));
		conf_release(&parent.conf);
		parent.conf = fresh;
		watch_configure(&parent.conf->c);
		if (!scanner_follow(e))
			log_error("scanner", "why=%s", LOGQ(str_from_z(e->text)));
		for (struct process *p = parent.processes; p; p = p->next)
			if (p->link)
				watch_send(p);
	}
	buf_end(&live);
	buf_end(&restart);
	return ok;
}

/* One at a time: a generation that is asked about must be the one that is applied. */
SUSPENDS static bool reload(struct buf *text, struct err *e)
{
	static struct wait ended;
	static bool is_under_way;
	bool ok;

	while (is_under_way)
		if (!wait_on(&ended, "the reload before", e))
			return false;
	is_under_way = true;
	ok = reload_now(text, e);
	is_under_way = false;
	wait_wake(&ended);
	return ok;
}

SUSPENDS static bool serve_reload(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct parent_reload_answer *r = answer;
	struct buf text = buf_on_heap(32768);
	bool ok = reload(&text, e);

	(void)l, (void)question;
	if (!ok)
		buf_addf(&text, "%s; the old configuration stays in force\n", e->text);
	r->is_ok = ok;
	r->text = arena_str(a, buf_str(&text));
	log_info("reload", "ok=%d text=%s", ok, LOGQ(buf_str(&text)));
	buf_end(&text);
	return true;
}

static bool serve_status(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct parent_status_answer *r = answer;
	size_t n = 0;

	(void)l, (void)question;
	for (struct process *p = parent.processes; p; p = p->next)
		n++;
	r->processes.p = ARENA_ARRAY(a, struct ipc_process, n);
	if (!r->processes.p)
		return fail(e, FAULT_TEMP, "too many processes to list");
	for (struct process *p = parent.processes; p; p = p->next)
		r->processes.p[r->processes.n++] = (struct ipc_process){
			.name = str_from_z(p->account[0] ? p->account : role_name(p->role)),
			.role = str_from_z(role_name(p->role)),
			.instance = p->instance, .pid = (uint32_t)p->pid, .state = p->is_ready,
			.restarts = p->restarts, .warnings = str_from_z(p->warnings) };
	return true;
}

/* -- the story ------------------------------------------------------------- */

static void on_close(struct link *l)
{
	struct process *p = l->state;

	if (p && p->link == l) {
		p->link = NULL;
		if (p->role == ROLE_MAILBOX)
			process_remove(p);
	}
	wait_wake_all(&parent.changed);
}

static int signals_open(void)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	sigaddset(&s, SIGINT);
	sigaddset(&s, SIGHUP);
	sigprocmask(SIG_BLOCK, &s, NULL);
	return signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
}

SUSPENDS static void wait_signals(int fd)
{
	struct signalfd_siginfo si;
	struct err e;

	for (;;) {
		if (read(fd, &si, sizeof(si)) != sizeof(si)) {
			if (!fd_wait(fd, POLLIN, "a signal", &e))
				return;
			continue;
		}
		if (si.ssi_signo != SIGHUP)
			return;
		struct buf text = buf_on_heap(32768);

		notify("RELOADING=1");
		if (reload(&text, &e))
			log_info("reload", "text=%s", LOGQ(buf_str(&text)));
		else
			log_error("reload", "why=%s text=%s next=\"the old configuration stays in force\"",
				  LOGQ(str_from_z(e.text)), LOGQ(buf_str(&text)));
		notify("READY=1");
		buf_end(&text);
	}
}

SUSPENDS static void live(void *arg)
{
	int signals = *(int *)arg;
	struct err e = { 0 };

	if (!fiber_start(&parent.fibers, "watch", watch_run, NULL) || !start_roles(&e) || !local_start()) {
		log_error("start", "why=%s", LOGQ(str_from_z(e.text)));
		exit_code = 1;
	} else {
		parent.is_ready = true;
		if (!parent.is_helper)
			log_info("ready", "hostname=" STR_FMT " pid=%d", STR_ARG(parent.conf->c.hostname), getpid());
		dprintf(STDOUT_FILENO, "ready\n");
		notify("READY=1");
		wait_signals(signals);
		if (!parent.is_helper)
			log_info("stopping", "pid=%d", getpid());
	}
	stop_all();
	nursery_end(&parent.fibers);
}

/* The folder of the configuration file, and its absolute path. */
static bool place_of(const char *path, struct err *e)
{
	char *real = realpath(path, NULL);

	if (!real)
		return fail_sys(e, FAULT_PERM, errno, "%s", path);
	parent.conf_path = real;                 /* kept as long as the process lives */
	parent.conf_dir = str_head(str_from_z(real), str_rfind(str_from_z(real), '/'));
	return true;
}

static bool set_up(const char *path, struct err *e)
{
	struct buf text = buf_on_heap(32768);
	bool ok;

	parent.is_root = geteuid() == 0;
	parent.self_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (parent.self_fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "open our own binary");
	ok = place_of(path, e) && config_read(parent.conf_path, 1, &parent.conf, &text, e);
	if (text.n && (!ok || !parent.is_helper))
		dprintf(STDERR_FILENO, STR_FMT, STR_ARG(buf_str(&text)));
	buf_end(&text);
	return ok && hooks_open(e) && open_storage(e) && logs_open(e) && watch_open(e) &&
	       listeners_open(&parent.conf->c, e) && local_open(e);
}

int serve(const char *path, bool is_helper)
{
	struct rlimit files = { NOFILE_PARENT, NOFILE_PARENT };
	struct err e = { 0 };
	int signals;

	parent.is_helper = is_helper;
	signal(SIGPIPE, SIG_IGN);
	umask(022);                      /* whoever starts us: each mode is said where a file is made */
	setrlimit(RLIMIT_NOFILE, &files);
	signals = signals_open();
	if (!set_up(path, &e)) {
		dprintf(STDERR_FILENO, "waxwing: %s\n", e.text);
		return 1;
	}
	watch_configure(&parent.conf->c);
	ipc_on_close(on_close);
	ipc_serve(IPC_parent_status, serve_status);
	sources_serve();
	ipc_serve(IPC_parent_reload, serve_reload);
	machine_serve();
	process_hear();
	watch_hear();
	mailboxes_hear();
	loop_run(live, &signals);
	return exit_code;
}
