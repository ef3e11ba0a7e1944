/* filter.c — a role's list of system calls; see filter.h and seccomp.def.
 *
 * A call on neither list traps: our handler says the first of each on standard
 * error, which is the log, counts it, and answers ENOSYS; in builds with hooks (the
 * tests') it ends the process.  A thread that blocks SIGSYS is killed instead. */
#include "role/filter.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/fd.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { CALLS_KNOWN = 512, FILTER_MAX = 4096, SOCK_TYPES = 0xf };

#ifdef WAXWING_HOOKS
enum { IS_STRICT = 1 };
#define STRANGE_WHY "on neither list, which ends a build for tests"
#else
enum { IS_STRICT = 0 };
#define STRANGE_WHY "on neither list, answered ENOSYS"
#endif

#if defined(WAXWING_ASAN)
/* what the sanitizer's own runtime asks for */
#define ASAN_CALLS(X) X(readlink) X(readlinkat) X(sched_getaffinity) X(set_tid_address)
#else
#define ASAN_CALLS(X)
#endif

static const struct {
	unsigned group;
	int nr;
} allowed[] = {
#define CALL(group, name) { CALLS_##group, SCMP_SYS(name) },
#define DENY(name)
#define NEVER(name)
#include "role/seccomp.def"
#undef CALL
#undef DENY
#undef NEVER
#define ASAN_ROW(name) { CALLS_STDIO, SCMP_SYS(name) },
	ASAN_CALLS(ASAN_ROW)
};

static const int denied[] = {
#define CALL(group, name)
#define DENY(name) SCMP_SYS(name),
#define NEVER(name)
#include "role/seccomp.def"
#undef CALL
#undef DENY
#undef NEVER
};

static const int never[] = {
#define CALL(group, name)
#define DENY(name)
#define NEVER(name) SCMP_SYS(name),
#include "role/seccomp.def"
#undef CALL
#undef DENY
#undef NEVER
};

static _Atomic uint64_t strange;
static _Atomic uint8_t said[CALLS_KNOWN];

uint64_t filter_strange_calls(void)
{
	return strange;
}

static void on_sigsys(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	int nr = info->si_syscall, was = errno;

	(void)signal;
	if (nr < 0)              /* a tracer took the call away and answers it itself */
		return;
	strange++;
	if (nr >= 0 && nr < CALLS_KNOWN && !atomic_exchange(&said[nr], 1)) {
		char line[80];
		struct buf b = buf_over(line, sizeof(line));

		buf_add(&b, S("warn - strange-call nr="));
		buf_add_u64(&b, (uint64_t)nr);
		buf_add(&b, S(" why=\"" STRANGE_WHY "\"\n"));
		(void)!write(STDERR_FILENO, b.p, b.n);
	}
	if (IS_STRICT) {
		sigaction(SIGSYS, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
		raise(SIGSYS);           /* comes when this returns */
	}
	u->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
	errno = was;
}

static bool is_allowed(unsigned groups, int nr)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		if (allowed[i].nr == nr && (allowed[i].group & groups))
			return true;
	return false;
}

/* Calls this libseccomp or this machine does not have (negative numbers) are no rows; nor is a
 * row that says what happens anyway (EACCES). */
static int add(scmp_filter_ctx c, uint32_t action, int nr, unsigned n, struct scmp_arg_cmp arg)
{
	int rc;

	if (nr < 0)
		return 0;
	rc = seccomp_rule_add_array(c, action, nr, n, &arg);
	return rc == -EEXIST || rc == -EACCES ? 0 : rc;
}

static const struct scmp_arg_cmp none;

static struct scmp_arg_cmp is(unsigned n, uint64_t value)
{
	return (struct scmp_arg_cmp){ .arg = n, .op = SCMP_CMP_EQ, .datum_a = value };
}

static struct scmp_arg_cmp is_not(unsigned n, uint64_t value)
{
	return (struct scmp_arg_cmp){ .arg = n, .op = SCMP_CMP_NE, .datum_a = value };
}

static struct scmp_arg_cmp masked_is(unsigned n, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){ .arg = n, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask,
		.datum_b = value };
}

static int add_argument_rules(scmp_filter_ctx c, unsigned groups)
{
	enum { NEW_SPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
		CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET };
	const uint32_t ok = SCMP_ACT_ALLOW, kill_it = SCMP_ACT_KILL_PROCESS;
	static const unsigned long ioctls[] = { FIONBIO, FIOCLEX, FIONREAD, TCGETS };
	static const int prctls[] = { PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(ioctls); i++)
		rc |= add(c, ok, SCMP_SYS(ioctl), 1, is(1, ioctls[i]));
	for (size_t i = 0; i < ARRAY_LEN(prctls) && !(groups & CALLS_CONFINE); i++)
		rc |= add(c, ok, SCMP_SYS(prctl), 1, is(0, (uint64_t)prctls[i]));
	rc |= add(c, ok, SCMP_SYS(mmap), 1, masked_is(2, PROT_EXEC, 0));
	rc |= add(c, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mmap), 1,
		  masked_is(2, PROT_EXEC, PROT_EXEC));
	rc |= add(c, ok, SCMP_SYS(mprotect), 1, masked_is(2, PROT_EXEC, 0));
	rc |= add(c, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mprotect), 1,
		  masked_is(2, PROT_EXEC, PROT_EXEC));
	rc |= add(c, ok, SCMP_SYS(prlimit64), 1, is(0, 0));
	rc |= add(c, kill_it, SCMP_SYS(prlimit64), 1, is_not(0, 0));
	/* abort() */
	rc |= add(c, ok, SCMP_SYS(tgkill), 1, is(2, SIGABRT));
	rc |= add(c, kill_it, SCMP_SYS(tgkill), 1, is_not(2, SIGABRT));
	/* its flags lie in memory; libc goes on to clone */
	rc |= add(c, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, none);
	if (groups & CALLS_FORK) {
		rc |= add(c, ok, SCMP_SYS(clone), 1, masked_is(0, NEW_SPACES, 0));
	} else {
		rc |= add(c, SCMP_ACT_ERRNO(EAGAIN), SCMP_SYS(clone), 0, none);
	}
	/* IPv4 (2) and IPv6 (10), which differ in one bit; TCP (1), or UDP (2) too */
	if (groups & CALLS_CONNECT)
		rc |= seccomp_rule_add(c, ok, SCMP_SYS(socket), 2,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, (uint32_t)~(AF_INET ^ AF_INET6), AF_INET & AF_INET6),
				       SCMP_A1(SCMP_CMP_MASKED_EQ, SOCK_TYPES, SOCK_STREAM));
	if (groups & CALLS_UDP)
		rc |= seccomp_rule_add(c, ok, SCMP_SYS(socket), 2,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, (uint32_t)~(AF_INET ^ AF_INET6), AF_INET & AF_INET6),
				       SCMP_A1(SCMP_CMP_MASKED_EQ, SOCK_TYPES, SOCK_DGRAM));
	if (groups & CALLS_UNIX)
		rc |= seccomp_rule_add(c, ok, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
				       SCMP_A1(SCMP_CMP_MASKED_EQ, SOCK_TYPES, SOCK_STREAM));
	if (!(groups & (CALLS_CONNECT | CALLS_UNIX)))
		rc |= add(c, kill_it, SCMP_SYS(socket), 0, none);
	if (groups & CALLS_FILES)
		rc |= add(c, ok, SCMP_SYS(utimensat), 1, is(1, 0));
	rc |= add(c, kill_it, SCMP_SYS(utimensat), groups & CALLS_FILES ? 1 : 0,
		  is_not(1, 0));
	return rc;
}

static int add_rules(scmp_filter_ctx c, unsigned groups)
{
	int rc = 0;

	if (groups & CALLS_LOOSE) {
		for (size_t i = 0; i < ARRAY_LEN(never); i++)
			rc |= add(c, SCMP_ACT_KILL_PROCESS, never[i], 0, none);
		return rc;
	}
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		if (allowed[i].group & groups)
			rc |= add(c, SCMP_ACT_ALLOW, allowed[i].nr, 0, none);
	for (size_t i = 0; i < ARRAY_LEN(denied); i++)
		if (!is_allowed(groups, denied[i]))
			rc |= add(c, SCMP_ACT_KILL_PROCESS, denied[i], 0, none);
	return rc | add_argument_rules(c, groups);
}

static bool export(scmp_filter_ctx c, struct filter *ret, struct err *e)
{
	AUTO(fd_end) int fd = -1;
	struct filter f = { 0 };
	struct stat st;
	int rc;

	if (!fd_memory("filter", &fd, e))
		return false;
	rc = seccomp_export_bpf(c, fd);
	if (rc)
		return fail_sys(e, FAULT_TEMP, -rc, "export the system call filter");
	if (fstat(fd, &st) || st.st_size > FILTER_MAX * (off_t)sizeof(*f.code))
		return fail(e, FAULT_TEMP, "the system call filter is too long");
	f.n = (unsigned short)((size_t)st.st_size / sizeof(*f.code));
	f.code = calloc(f.n, sizeof(*f.code));
	if (!f.code)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!fd_pread_all(fd, f.code, f.n * sizeof(*f.code), 0, e)) {
		free(f.code);
		return false;
	}
	*ret = f;
	return true;
}

bool filter_build(unsigned calls, struct filter *ret, struct err *e)
{
	scmp_filter_ctx c = seccomp_init(calls & CALLS_LOOSE ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP);
	bool ok;
	int rc;

	if (!c)
		return fail(e, FAULT_TEMP, "no system call filter: libseccomp has no memory");
	rc = seccomp_attr_set(c, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	rc |= seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	rc |= add_rules(c, calls);
	ok = rc ? fail(e, FAULT_TEMP, "libseccomp refuses the rules of a role") : export(c, ret, e);
	seccomp_release(c);
	return ok;
}

bool filter_install(const struct filter *f, struct err *e)
{
	struct sock_fprog prog = { .len = f->n, .filter = f->code };
	struct sigaction act = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_NODEFER };
	long rc;

	sigemptyset(&act.sa_mask);
	if (sigaction(SIGSYS, &act, NULL))
		return fail_sys(e, FAULT_TEMP, errno, "handle SIGSYS");
	rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
	if (rc > 0)
		return fail(e, FAULT_TEMP, "thread %ld cannot take the system call filter", rc);
	return rc ? fail_sys(e, FAULT_TEMP, errno, "install the system call filter") : true;
}

void filter_end(struct filter *f)
{
	free(f->code);
	*f = (struct filter){ 0 };
}
