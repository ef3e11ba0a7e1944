/* confine.c — how a process gives up its rights; see confine.h. */
#include "role/confine.h"

#include "base/attr.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNECTION_KIB = 80,     /* a fiber's stack and what it holds */
	ARENAS_MAX = 1,          /* of malloc: a second reserves 64 MiB of address space, and asks
				  * /proc/sys/vm/overcommit_memory when it shrinks */
};

PRINTF_LIKE(2, 3) static void warn(struct confine_report *r, const char *fmt, ...)
{
	va_list ap;

	if (r->n == CONFINE_WARNINGS)
		return;
	va_start(ap, fmt);
	vsnprintf(r->warnings[r->n++], sizeof(r->warnings[0]), fmt, ap);
	va_end(ap);
}

static int int_cmp(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* Everything from 3 on that nobody named. */
static bool close_others(const int *keep, size_t n, struct err *e)
{
	int sorted[CONFINE_KEEP_MAX];
	unsigned from = 3;

	must(n <= CONFINE_KEEP_MAX, "a role begins with few descriptors");
	for (size_t i = 0; i < n; i++)
		sorted[i] = keep[i];
	qsort(sorted, n, sizeof(sorted[0]), int_cmp);
	for (size_t i = 0; i <= n; i++) {
		unsigned next = i < n ? (unsigned)sorted[i] : ~0u;

		if (i < n && sorted[i] < (int)from)
			continue;
		if (next > from && close_range(from, i < n ? next - 1 : ~0u, 0))
			return fail_sys(e, FAULT_TEMP, errno, "close foreign descriptors");
		from = next + 1;
	}
	return true;
}

static uint64_t caps_of(enum role_caps caps)
{
	switch (caps) {
	case CAPS_IDS:
		return UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID;
	case CAPS_ALL:
		return ~UINT64_C(0);
	case CAPS_NONE:
		break;
	}
	return 0;
}

/* The bounding set and the bits that decide what a uid gives; needs CAP_SETPCAP, so it comes
 * before the uid. */
static void caps_bound(uint64_t keep)
{
	for (unsigned long cap = 0; cap < 64; cap++)
		if (!(keep >> cap & 1) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
		    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED, 0, 0, 0);
}

/* Those of `keep` that we have; the rest goes. */
static bool caps_set(uint64_t keep, struct err *e)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	if (syscall(SYS_capget, &h, d))
		return fail_sys(e, FAULT_TEMP, errno, "read the capabilities");
	for (size_t i = 0; i < 2; i++) {
		d[i].permitted &= (uint32_t)(keep >> (32 * i));
		d[i].effective = d[i].permitted;
		d[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &h, d))
		return fail_sys(e, FAULT_TEMP, errno, "drop the capabilities");
	return true;
}

static bool become(const struct confinement *c, struct err *e)
{
	if (prctl(PR_SET_KEEPCAPS, role_row(c->role)->caps != CAPS_NONE, 0, 0, 0) ||
	    setgroups(c->n_groups, c->groups) || setresgid(c->gid, c->gid, c->gid) ||
	    setresuid(c->uid, c->uid, c->uid))
		return fail_sys(e, FAULT_TEMP, errno, "become uid %u", (unsigned)c->uid);
	must(c->uid == 0 || (getuid() == c->uid && geteuid() == c->uid), "the uid is what it shall be");
	return true;
}

static bool give_up_user(const struct confinement *c, struct confine_report *r, struct err *e)
{
	const struct role_row *row = role_row(c->role);
	uint64_t keep = caps_of(row->caps);

	if (row->caps != CAPS_ALL)
		caps_bound(keep);
	if (c->change_user) {
		if (!become(c, e))
			return false;
	} else if (row->user != USER_ROOT && !c->user_is_changed) {
		warn(r, "runs as uid %u like other roles: only root can change it",
		     (unsigned)geteuid());
	}
	return row->caps == CAPS_ALL || caps_set(keep, e);
}

/* No secret of ours in a core file, nor to a debugger of the same uid. */
static bool give_up_dumps(struct err *e)
{
	struct rlimit none = { 0, 0 };

#ifndef WAXWING_ASAN
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return fail_sys(e, FAULT_TEMP, errno, "forbid dumps");
#endif
	if (setrlimit(RLIMIT_CORE, &none))
		return fail_sys(e, FAULT_TEMP, errno, "forbid core files");
	return true;
}

static bool give_up_files(const struct confinement *c, struct confine_report *r, struct err *e)
{
	const struct role_row *row = role_row(c->role);

	/* its rules would hold for every role it starts */
	if (row->calls & CALLS_LOOSE)
		return true;
	if (r->landlock_abi)
		return landlock_apply(row->files == FILES_ANY, (row->calls & CALLS_CONNECT) && !c->is_narrow, c->only_port,
				      c->places, c->n_places, e);
	warn(r, "this kernel has no Landlock: files are guarded by %s alone",
	     c->change_user ? "uid and mode" : "system call lists");
	return true;
}

/* A kernel without Landlock: a role without files gets an empty root, while we are root. */
static bool change_root(const struct confinement *c, const struct confine_report *r, struct err *e)
{
	if (c->empty_dir && chdir(c->empty_dir))
		return fail_sys(e, FAULT_TEMP, errno, "enter %s", c->empty_dir);
	if (r->landlock_abi || !c->empty_dir || geteuid() || role_row(c->role)->files != FILES_NONE)
		return true;
	if (chroot("."))
		return fail_sys(e, FAULT_TEMP, errno, "make %s the root", c->empty_dir);
	return true;
}

static bool limit(int what, rlim_t most, struct err *e)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)what, &r))
		return fail_sys(e, FAULT_TEMP, errno, "read a limit");
	if (r.rlim_max == RLIM_INFINITY || most < r.rlim_max)
		r.rlim_max = most;
	r.rlim_cur = r.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &r))
		return fail_sys(e, FAULT_TEMP, errno, "set a limit");
	return true;
}

static bool limits(const struct confinement *c, struct err *e)
{
	const struct role_row *row = role_row(c->role);

	if (row->nproc != LIMIT_KEEP && !limit(RLIMIT_NPROC, (rlim_t)row->nproc, e))
		return false;
	if (row->nofile != LIMIT_KEEP && !limit(RLIMIT_NOFILE, (rlim_t)row->nofile, e))
		return false;
#ifndef WAXWING_ASAN
	/* the sanitizer's shadow alone is terabytes */
	if (row->as_mib && !limit(RLIMIT_AS, ((rlim_t)row->as_mib << 20) +
				  (rlim_t)c->connections * CONNECTION_KIB * 1024, e))
		return false;
#endif
	return true;
}

static bool give_up_calls(const struct confinement *c, struct confine_report *r, struct err *e)
{
	unsigned calls = role_row(c->role)->calls;
	struct filter own = { 0 };
	bool ok;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL) {
		warn(r, "this kernel filters no system calls");
		return true;
	}
	if (c->filter)
		return filter_install(c->filter, e);
	if (c->only_unix)
		calls = (calls & ~(unsigned)CALLS_CONNECT) | CALLS_UNIX;
	ok = filter_build(calls, &own, e) && filter_install(&own, e);
	filter_end(&own);
	return ok;
}

SUSPENDS bool confine(const struct confinement *c, struct confine_report *ret, struct err *e)
{
	struct confine_report r = { .landlock_abi = landlock_abi() };

	umask(077);
	clearenv();
	/* else gmtime_r() looks for /etc/localtime behind the sandbox */
	setenv("TZ", "UTC0", 1);
	tzset();
	(void)mallopt(M_ARENA_MAX, ARENAS_MAX);
	if (c->keep && !close_others(c->keep, c->n_keep, e))
		return false;
	if (!change_root(c, &r, e) || !give_up_user(c, &r, e) || !give_up_dumps(e))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fail_sys(e, FAULT_TEMP, errno, "no_new_privs");
	if (!give_up_files(c, &r, e))
		return false;
	if (c->start_threads)
		c->start_threads();
	if (!limits(c, e) || !give_up_calls(c, &r, e))
		return false;
	*ret = r;
	return true;
}
