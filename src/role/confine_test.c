/* confine_test.c — every role tries what its row forbids, and does what it must.
 *
 * Each trial is a child of its own that is confined as the role; it has to fail
 * or to be killed.  As root the roles run as nobody, and so does their victim:
 * what is proven holds against a process of the same uid. */
#include "base/attr.h"
#include "base/fd.h"
#include "fiber/fiber.h"
#include "role/confine.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <crypt.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

enum { NOBODY = 65534, REFUSED = 10, DONE = 11, BROKEN = 12 };

/* What the house looks like: base/home is the account's, base/other its neighbour's. */
static char base[64], home_path[96], other_path[96], other_file[128];
static int home_fd = -1, listener = -1, pair[2] = { -1, -1 }, waiting_client = -1;
static pid_t victim;
static struct sockaddr_in listener_at;
static int rc_ignored;

/* ---- what must not be ---- */

static bool did_open_passwd(void) { return open("/etc/passwd", O_RDONLY) >= 0; }
static bool did_openat_passwd(void) { return openat(AT_FDCWD, "/etc/passwd", O_RDONLY) >= 0; }
static bool did_list_root(void) { return openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY) >= 0; }
static bool did_create(void)
{
	return openat(AT_FDCWD, "/tmp/confine-test-stray", O_CREAT | O_WRONLY, 0600) >= 0;
}
static bool did_proc_victim(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", victim);
	return openat(AT_FDCWD, path, O_RDONLY) >= 0;
}
static bool did_socket(void) { return socket(AF_INET, SOCK_STREAM, 0) >= 0; }
static bool did_unix_connect(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/run/x" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd >= 0 && (!connect(fd, (struct sockaddr *)&a, sizeof(a)) || errno == ENOENT);
}
static bool did_netlink(void) { return socket(AF_NETLINK, SOCK_RAW, 0) >= 0; }
static bool did_datagram(void) { return socket(AF_INET, SOCK_DGRAM, 0) >= 0; }
static bool did_connect_again(void)
{
	struct sockaddr un = { .sa_family = AF_UNSPEC };

	return !connect(listener, &un, sizeof(un));
}
static bool did_bind(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	return !bind(pair[0], (struct sockaddr *)&a, sizeof(a)) || errno == EINVAL;
}
static bool did_listen(void) { return !listen(listener, 1); }
static bool did_exec(void)
{
	char *argv[] = { (char[]){ "true" }, NULL };

	execv("/bin/true", argv);
	return false;
}
static bool did_ptrace(void) { return !ptrace(PTRACE_ATTACH, victim, 0, 0); }
static bool did_kill(void) { return !kill(victim, 0); }
static bool did_abort_victim(void) { return !syscall(SYS_tgkill, victim, victim, SIGABRT); }
static bool did_vm_read(void)
{
	char mem[8];
	struct iovec l = { mem, 8 }, r = { base, 8 };

	return process_vm_readv(victim, &l, 1, &r, 1, 0) > 0;
}
static bool did_pidfd_getfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, victim, 0);

	return syscall(SYS_pidfd_getfd, fd, 0, 0) >= 0;
}
static bool did_io_uring(void)
{
	char params[256] = { 0 };

	return syscall(SYS_io_uring_setup, 4, params) >= 0;
}
static bool did_bpf(void)
{
	uint32_t attr[32] = { 2, 4, 4, 1 };      /* an array map */

	return syscall(SYS_bpf, 0, attr, sizeof(attr)) >= 0;
}
static bool did_userfaultfd(void) { return syscall(SYS_userfaultfd, 1) >= 0; }
static bool did_keyctl(void) { return syscall(SYS_keyctl, 0, -3, 1) >= 0; }
static bool did_perf(void)
{
	char attr[128] = { 1, 0, 0, 0, 112 };

	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0) >= 0;
}
static bool did_mount(void) { return !mount("none", other_path, "tmpfs", 0, NULL); }
static bool did_fsopen(void) { return syscall(SYS_fsopen, "tmpfs", 0) >= 0; }
static bool did_unshare(void) { return !unshare(CLONE_NEWUSER); }
static bool did_chroot(void) { return !chroot("/"); }
static bool did_personality(void) { return syscall(SYS_personality, 0x0040000) >= 0; }
static bool did_setuid(void) { return !setuid(0); }
static bool did_setresuid(void) { return !setresuid(0, 0, 0); }
static bool did_mprotect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && !mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
static bool did_mmap(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}
static bool did_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}
static bool did_read_other(void) { return openat(AT_FDCWD, other_file, O_RDONLY) >= 0; }
static bool did_list_other(void) { return openat(AT_FDCWD, other_path, O_RDONLY) >= 0; }
static bool did_climb(void) { return openat(home_fd, "../other/letter", O_RDONLY) >= 0; }
static bool did_link_other(void)
{
	return !linkat(AT_FDCWD, other_file, home_fd, "stolen", 0);
}
static bool did_rename_other(void)
{
	return !renameat(AT_FDCWD, other_file, home_fd, "stolen");
}
static bool did_unlink_other(void) { return !unlinkat(AT_FDCWD, other_file, 0); }
static bool did_truncate_other(void) { return !truncate(other_file, 0); }
static bool did_chmod(void) { return !chmod(other_file, 0644); }
static bool did_fchmodat(void) { return !fchmodat(AT_FDCWD, other_file, 0644, 0); }
static bool did_chown(void) { return !chown(other_file, geteuid(), getegid()); }
static bool did_utimens(void)
{
	struct timespec t[2] = { { 1, 0 }, { 1, 0 } };

	return !utimensat(AT_FDCWD, other_file, t, 0);
}
static bool did_setxattr(void) { return !setxattr(other_file, "user.x", "y", 1, 0); }
static bool did_symlink(void) { return !symlinkat("/etc/passwd", home_fd, "sym"); }
static bool did_mkfifo(void) { return !mkfifoat(home_fd, "fifo", 0600); }
static bool did_prlimit(void)
{
	struct rlimit r = { 0, 0 };

	return !prlimit(victim, RLIMIT_CORE, &r, NULL);
}
static bool did_affinity(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return !sched_setaffinity(victim, sizeof(set), &set);
}
static bool did_priority(void) { return !setpriority(PRIO_PROCESS, (id_t)victim, 19); }
static bool did_handle(void)
{
	char h[64] = { 8 };

	return syscall(SYS_open_by_handle_at, AT_FDCWD, h, 0) >= 0;
}
static bool did_ioctl(void) { return !ioctl(pair[0], FIOASYNC, &(int){ 0 }); }
static bool did_dumpable(void) { return !prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
static bool did_core(void)
{
	struct rlimit r;

	return !getrlimit(RLIMIT_CORE, &r) && r.rlim_max;
}
static bool did_privs(void) { return syscall(SYS_prctl, PR_SET_NAME, "x") || getenv("PATH"); }

enum {
	LOOSE_MAY = 1,           /* parent and pam */
	FILES_MAY = 2,           /* whoever has no Landlock rules on files */
	FORK_MAY = 4,
	IDS_MAY = 8,
	CONFINE_MAY = 16,
	NEEDS_SCOPE = 32,        /* only a kernel with Landlock ABI 6 refuses it */
	AS_ROOT_ONLY = 64,
	CONNECT_MAY = 128,       /* who opens sockets of its own */
	UDP_MAY = 256,
};

static const struct {
	const char *what;
	bool (*did)(void);
	int who_may;
} forbidden[] = {
	{ "open /etc/passwd", did_open_passwd, LOOSE_MAY | FILES_MAY },
	{ "openat /etc/passwd", did_openat_passwd, LOOSE_MAY | FILES_MAY },
	{ "list /", did_list_root, LOOSE_MAY | FILES_MAY },
	{ "create a file", did_create, LOOSE_MAY | FILES_MAY },
	{ "read /proc of another", did_proc_victim, LOOSE_MAY | FILES_MAY },
	{ "a socket", did_socket, LOOSE_MAY | CONNECT_MAY },
	{ "connect to a unix socket", did_unix_connect, LOOSE_MAY },
	{ "a netlink socket", did_netlink, LOOSE_MAY },
	{ "a datagram socket", did_datagram, LOOSE_MAY | UDP_MAY },
	{ "connect a socket it was given", did_connect_again, LOOSE_MAY | CONNECT_MAY },
	{ "bind", did_bind, LOOSE_MAY | CONNECT_MAY },
	{ "listen", did_listen, LOOSE_MAY },
	{ "execve", did_exec, LOOSE_MAY },
	{ "ptrace", did_ptrace, 0 },
	{ "kill another", did_kill, LOOSE_MAY | NEEDS_SCOPE },
	{ "abort another", did_abort_victim, LOOSE_MAY | NEEDS_SCOPE },
	{ "process_vm_readv", did_vm_read, 0 },
	{ "pidfd_getfd", did_pidfd_getfd, 0 },
	{ "io_uring", did_io_uring, 0 },
	{ "bpf", did_bpf, 0 },
	{ "userfaultfd", did_userfaultfd, 0 },
	{ "keyctl", did_keyctl, 0 },
	{ "perf_event_open", did_perf, 0 },
	{ "mount", did_mount, 0 },
	{ "fsopen", did_fsopen, 0 },
	{ "unshare", did_unshare, 0 },
	{ "open_by_handle_at", did_handle, 0 },
	{ "chroot", did_chroot, LOOSE_MAY },
	{ "personality", did_personality, LOOSE_MAY },
	{ "setuid(0)", did_setuid, LOOSE_MAY },
	{ "setresuid(0)", did_setresuid, LOOSE_MAY | IDS_MAY },
	{ "mprotect PROT_EXEC", did_mprotect, LOOSE_MAY },
	{ "mmap PROT_EXEC", did_mmap, LOOSE_MAY },
	{ "fork", did_fork, LOOSE_MAY | FORK_MAY },
	{ "read another's letter", did_read_other, LOOSE_MAY | FILES_MAY },
	{ "list another's letters", did_list_other, LOOSE_MAY | FILES_MAY },
	{ "climb to another's letter", did_climb, LOOSE_MAY | FILES_MAY },
	{ "link another's letter", did_link_other, LOOSE_MAY | FILES_MAY },
	{ "rename another's letter", did_rename_other, LOOSE_MAY | FILES_MAY },
	{ "unlink another's letter", did_unlink_other, LOOSE_MAY | FILES_MAY },
	{ "truncate another's letter", did_truncate_other, LOOSE_MAY },
	{ "chmod by path", did_chmod, LOOSE_MAY },
	{ "fchmodat", did_fchmodat, LOOSE_MAY },
	{ "chown by path", did_chown, LOOSE_MAY },
	{ "utimensat by path", did_utimens, LOOSE_MAY },
	{ "setxattr by path", did_setxattr, LOOSE_MAY },
	{ "symlink", did_symlink, LOOSE_MAY },
	{ "mkfifo", did_mkfifo, LOOSE_MAY },
	{ "prlimit of another", did_prlimit, LOOSE_MAY },
	{ "sched_setaffinity of another", did_affinity, LOOSE_MAY },
	{ "setpriority of another", did_priority, LOOSE_MAY },
	{ "an ioctl off the list", did_ioctl, LOOSE_MAY },
	{ "become dumpable", did_dumpable, LOOSE_MAY | CONFINE_MAY },
	{ "dump core", did_core, 0 },
	{ "an environment", did_privs, 0 },
};

static bool is_exempt(const struct role_row *row, int may)
{
	return ((may & LOOSE_MAY) && (row->calls & CALLS_LOOSE)) ||
	       ((may & FILES_MAY) && row->files == FILES_ANY) ||
	       ((may & FORK_MAY) && (row->calls & CALLS_FORK)) ||
	       ((may & IDS_MAY) && (row->calls & CALLS_IDS)) ||
	       ((may & CONFINE_MAY) && (row->calls & CALLS_CONFINE)) ||
	       ((may & CONNECT_MAY) && (row->calls & CALLS_CONNECT)) ||
	       ((may & UDP_MAY) && (row->calls & CALLS_UDP)) ||
	       ((may & NEEDS_SCOPE) && landlock_abi() < 6);
}

/* ---- what must work ---- */

static void start_threads_done(uv_work_t *w) { (void)w; }
static void start_threads_end(uv_work_t *w, int status) { (void)w; (void)status; }

static void start_threads(void)
{
	static uv_work_t work;

	uv_queue_work(uv_default_loop(), &work, start_threads_done, start_threads_end);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static int worked;

static void work_here(uv_work_t *w)
{
	char *p = malloc(200000);

	(void)w;
	if (p) {
		memset(p, 1, 200000);
		worked++;
	}
	free(p);
}
static void timer_here(uv_timer_t *t) { worked++; uv_close((uv_handle_t *)t, NULL); }

/* The loop, its pool of threads, and everything a fiber stands on. */
static bool can_loop(void)
{
	uv_work_t work[8];
	uv_timer_t timer;
	uv_loop_t loop;

	if (uv_loop_init(&loop) || uv_timer_init(&loop, &timer) ||
	    uv_timer_start(&timer, timer_here, 5, 0))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(work); i++)
		if (uv_queue_work(&loop, &work[i], work_here, start_threads_end))
			return false;
	uv_run(&loop, UV_RUN_DEFAULT);
	return worked == 9 && !uv_loop_close(&loop);
}

static bool can_stdio(void)
{
	int p[2], ev = eventfd(0, EFD_CLOEXEC), tm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	void *stack = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timespec t;
	char c;

	return ev >= 0 && tm >= 0 && epoll_create1(EPOLL_CLOEXEC) >= 0 && !pipe2(p, O_CLOEXEC) &&
	       write(p[1], "x", 1) == 1 && read(p[0], &c, 1) == 1 && stack != MAP_FAILED &&
	       !mprotect(stack, 4096, PROT_NONE) && !munmap(stack, 1 << 16) &&
	       !clock_gettime(CLOCK_REALTIME, &t) && !nanosleep(&(struct timespec){ 0, 1 }, NULL);
}

static bool can_openssl(void)
{
	unsigned char out[32], key[16];
	unsigned n = 0;

	return EVP_Digest("abc", 3, out, &n, EVP_sha256(), NULL) == 1 && n == 32 &&
	       RAND_bytes(key, sizeof(key)) == 1;
}

/* TLS over memory, both ends here; its key is made here too. */
static bool can_tls(void)
{
	SSL_CTX *ctx[2] = { SSL_CTX_new(TLS_client_method()), SSL_CTX_new(TLS_server_method()) };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	SSL *ends[2];
	BIO *bio[2];
	int ok[2] = { 0, 0 };

	if (!ctx[0] || !ctx[1] || !key || !cert || !X509_set_pubkey(cert, key) ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), 0) ||
	    !X509_gmtime_adj(X509_getm_notAfter(cert), 3600) ||
	    !X509_sign(cert, key, EVP_sha256()) || SSL_CTX_use_certificate(ctx[1], cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx[1], key) != 1 || !BIO_new_bio_pair(&bio[0], 0, &bio[1], 0))
		return false;
	for (int i = 0; i < 2; i++) {
		ends[i] = SSL_new(ctx[i]);
		SSL_set_bio(ends[i], bio[i], bio[i]);
	}
	for (int i = 0; i < 10 && !(ok[0] == 1 && ok[1] == 1); i++) {
		ok[0] = SSL_connect(ends[0]);
		ok[1] = SSL_accept(ends[1]);
	}
	return ok[0] == 1 && ok[1] == 1;
}

static void hash_password(void *arg)
{
	static struct crypt_data d;
	/* not crypt_r: clang's sanitizer catches that one without libcrypt being linked */
	const char *h = crypt_rn("secret", "$y$j9T$ckY4vNjqJ2dGJbBf6E9Zw0$", &d, sizeof(d));

	*(bool *)arg = h && strncmp(h, "$y$j9T$", 7) == 0;
}

static bool fiber_worked;

static void fiber_here(void *arg)
{
	struct err e;

	(void)arg;
	fiber_worked = fiber_sleep(MILLISECOND, &e) && fd_wait(pair[1], POLLOUT, "test", &e);
	if (fiber_worked)
		off_loop(hash_password, &fiber_worked);
}

/* A fiber that sleeps, waits for a descriptor and has a password hashed by a thread. */
static bool can_fiber(void)
{
	loop_run(fiber_here, NULL);
	return fiber_worked;
}

static bool can_pass_fd(void)
{
	char c = 'x', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &pair[0], sizeof(int));
	return sendmsg(pair[0], &m, MSG_NOSIGNAL) == 1 && recvmsg(pair[1], &m, MSG_CMSG_CLOEXEC) == 1 &&
	       CMSG_FIRSTHDR(&m) != NULL;
}

static bool can_accept(void)
{
	int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd >= 0 && !setsockopt(fd, IPPROTO_TCP, 1, &one, sizeof(one)) &&
	       send(fd, "220\r\n", 5, MSG_NOSIGNAL) == 5;
}

static bool can_seal(void)
{
	struct err e;
	int fd;

	return fd_sealed("letter", S("x"), &fd, &e);
}

static bool can_deliver(void)
{
	struct str part = S("Subject: x\r\n\r\nx\r\n");
	struct slices_source in = slices_source(&part, 1);
	struct store_letter l = { .base = S("1.x-0-0.h"), .folder = S("Junk"), .flags = S("S"),
		.source = &in.in };
	struct store_safe safe = { .base = l.base, .folder = l.folder };
	struct store *s;
	struct err e = { 0 };
	bool ok = maildir_open(home_fd, S("Maildir"), &s, &e) && store_deliver(s, &l, 1) &&
		  store_sync(s, &safe, 1);

	if (!ok)
		fprintf(stderr, "# %s %s %s\n", e.text, l.err.text, safe.err.text);
	return ok;
}

static bool can_sql(void)
{
	sqlite3 *db;
	char path[128];
	int rc;

	snprintf(path, sizeof(path), "%s/test.db", home_path);
	rc = sqlite3_open(path, &db);
	rc = rc ? rc : sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
				    "CREATE TABLE IF NOT EXISTS t(a, b TEXT); BEGIN;"
				    "INSERT INTO t VALUES(1, 'x'); COMMIT; DELETE FROM t;"
				    "PRAGMA wal_checkpoint(TRUNCATE); VACUUM;", NULL, NULL, NULL);
	if (rc)
		fprintf(stderr, "# sqlite: %s\n", sqlite3_errmsg(db));
	return !rc && !sqlite3_close(db);
}

static bool can_syncfs(void) { return !syncfs(home_fd); }

static bool can_fork(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(7);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7;
}

static bool can_connect(void)
{
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return tcp >= 0 && (!connect(tcp, (struct sockaddr *)&listener_at, sizeof(listener_at)) || errno == EINPROGRESS);
}

static bool can_udp(void)
{
	int udp = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };

	return udp >= 0 && !bind(udp, (struct sockaddr *)&any, sizeof(any));
}

static const struct {
	const char *what;
	bool (*can)(void);
	unsigned groups;
} needed[] = {
	{ "wait and count", can_stdio, CALLS_STDIO | CALLS_LOOSE },
	{ "run the loop and its threads", can_loop, CALLS_STDIO | CALLS_LOOSE },
	{ "run a fiber", can_fiber, CALLS_STDIO | CALLS_LOOSE },
	{ "speak TLS", can_tls, CALLS_STDIO | CALLS_LOOSE },
	{ "hash and draw random bytes", can_openssl, CALLS_STDIO | CALLS_LOOSE },
	{ "pass a descriptor", can_pass_fd, CALLS_NET | CALLS_LOOSE },
	{ "accept a client", can_accept, CALLS_ACCEPT },
	{ "seal a memfd", can_seal, CALLS_MEMORY },
	{ "connect by TCP", can_connect, CALLS_CONNECT | CALLS_LOOSE },
	{ "deliver a letter", can_deliver, CALLS_FILES },
	{ "use a database", can_sql, CALLS_DATABASE },
	{ "sync a file system", can_syncfs, CALLS_SYNC },
	{ "fork", can_fork, CALLS_FORK | CALLS_LOOSE },
	{ "send datagrams", can_udp, CALLS_UDP },
};

static bool can_fsync(void) { return !fsync(home_fd); }
/* a call that only databases need */
static bool can_access(void) { return !syscall(SYS_access, "/", F_OK); }

/* What only some may, said here once more: the trials above go by the role table, so a row that
 * was given too much would pass them. */
#define IS(NAME) (1u << ROLE_##NAME)
#define FREE (IS(PARENT) | IS(PAM))
static const struct {
	const char *what;
	bool (*can)(void);
	unsigned who;
} reserved[] = {
	{ "use files", can_fsync, FREE | IS(QUEUE) | IS(MAILBOX) | IS(USER) | IS(ZYGOTE) },
	{ "sync a file system", can_syncfs, FREE | IS(QUEUE) },
	{ "use a database", can_access, FREE | IS(QUEUE) | IS(MAILBOX) | IS(USER) | IS(ZYGOTE) },
	{ "accept a client", can_accept, FREE | IS(CONTROL) | IS(SMTPD) | IS(LOGIN) },
	{ "seal a memfd", can_seal, FREE | IS(CONTROL) | IS(SMTPD) | IS(QUEUE) | IS(RELAY) },
	{ "fork", can_fork, FREE | IS(ZYGOTE) },
	{ "execve", did_exec, FREE },
	{ "make a socket", did_socket, FREE | IS(DNS) | IS(RELAY) },
	{ "open a path anywhere", did_openat_passwd, FREE | IS(ZYGOTE) },
};

/* ---- the stage ---- */

static uid_t role_uid(void)
{
	return geteuid() == 0 ? NOBODY : geteuid();
}

static struct filter filters[ROLE_COUNT];

static bool confine_as(enum role r, struct err *e)
{
	struct place place = { home_fd, PLACE_WRITE };
	struct confine_report report;
	const struct role_row *row = role_row(r);
	struct confinement c = { .role = r, .filter = &filters[r], .start_threads = start_threads,
		.places = &place, .n_places = row->files == FILES_NONE ? 0 : 1,
		.uid = NOBODY, .gid = NOBODY,
		.change_user = geteuid() == 0 && row->user != USER_ROOT };

	return confine(&c, &report, e);
}

/* Run fn confined as the role: its exit code, or minus the signal. */
static int trial(enum role r, bool (*fn)(void), int yes, int no)
{
	pid_t pid = fork();
	struct err e;
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		/* cmocka's handler would go on testing in the child */
		signal(SIGSEGV, SIG_DFL);
		if (!confine_as(r, &e)) {
			fprintf(stderr, "# confine: %s\n", e.text);
			_exit(BROKEN);
		}
		_exit(fn() ? yes : no);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_forbidden(void **state)
{
	enum role r = *(enum role *)*state;
	const struct role_row *row = role_row(r);
	struct stat before, after;
	size_t failed = 0;

	assert_int_equal(stat(other_file, &before), 0);
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		int got;

		if (is_exempt(row, forbidden[i].who_may))
			continue;
		got = trial(r, forbidden[i].did, DONE, REFUSED);
		if (got != REFUSED && got != -SIGSYS) {
			print_message("# " STR_FMT " could: %s (%d)\n", STR_ARG(row->name),
				      forbidden[i].what, got);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
	/* whatever was answered: the neighbour's letter and the victim are as they were */
	assert_int_equal(stat(other_file, &after), 0);
	assert_true(after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
		    after.st_ctim.tv_nsec == before.st_ctim.tv_nsec && after.st_size == 6);
	assert_int_equal(kill(victim, 0), 0);
}

static void client_new(void)
{
	waiting_client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(waiting_client, (struct sockaddr *)&listener_at, sizeof(listener_at)), 0);
}

static void test_needed(void **state)
{
	enum role r = *(enum role *)*state;
	const struct role_row *row = role_row(r);
	size_t failed = 0;

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		int got;

		if (!(row->calls & needed[i].groups))
			continue;
		if (needed[i].can == can_accept)
			client_new();
		got = trial(r, needed[i].can, DONE, REFUSED);
		fd_end(&waiting_client);
		if (got != DONE) {
			print_message("# " STR_FMT " could not: %s (%d)\n", STR_ARG(row->name),
				      needed[i].what, got);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static void test_reserved(void **state)
{
	size_t failed = 0;

	(void)state;
	for (enum role r = 0; r < ROLE_TOOL; r++)
		for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
			if (reserved[i].who & (1u << r))
				continue;
			if (reserved[i].can == can_accept)
				client_new();
			if (trial(r, reserved[i].can, DONE, REFUSED) == DONE) {
				print_message("# %s could: %s\n", role_name(r), reserved[i].what);
				failed++;
			}
			fd_end(&waiting_client);
		}
	assert_int_equal(failed, 0);
}

/* As it happens in the house: the zygote, confined, forks a mailbox that confines itself. */
static bool mailbox_from_zygote(bool (*fn)(void))
{
	struct place place = { -1, PLACE_WRITE };
	struct confine_report report;
	struct err e = { 0 };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct confinement c = { .role = ROLE_MAILBOX, .filter = &filters[ROLE_MAILBOX],
			.uid = NOBODY, .gid = NOBODY, .places = &place, .n_places = 1,
			.change_user = role_uid() == NOBODY };

		place.fd = openat(AT_FDCWD, home_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (!confine(&c, &report, &e)) {
			fprintf(stderr, "# mailbox: %s\n", e.text);
			_exit(BROKEN);
		}
		_exit(fn() ? DONE : REFUSED);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == DONE;
}

static bool zygote_delivers(void) { return mailbox_from_zygote(can_deliver); }
static bool zygote_reads_other(void) { return mailbox_from_zygote(did_read_other); }

/* The instance of relay that asks an outside scanner: what its row allows, and less. */
static int narrow_trial(const struct confinement *c, bool (*fn)(void))
{
	pid_t pid = fork();
	struct confine_report report;
	struct err e;
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(confine(c, &report, &e) ? !fn() : BROKEN);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static bool can_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool can_tcp(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static void test_narrow(void **state)
{
	uint16_t port = ntohs(listener_at.sin_port);
	struct confinement any = { .role = ROLE_RELAY, .uid = NOBODY, .gid = NOBODY, .change_user = geteuid() == 0 };
	struct confinement path = any, right = any, wrong = any;

	(void)state;
	path.is_narrow = path.only_unix = true;
	right.is_narrow = wrong.is_narrow = true;
	right.only_port = port;
	wrong.only_port = (uint16_t)(port ^ 1);
	assert_int_equal(narrow_trial(&path, can_unix), 0);
	assert_int_not_equal(narrow_trial(&path, can_tcp), 0);
	assert_int_not_equal(narrow_trial(&any, can_unix), 0);
	assert_int_equal(narrow_trial(&right, can_connect), 0);
	if (landlock_abi() >= 4)
		assert_int_equal(narrow_trial(&wrong, can_connect), 1);
}

static void test_zygote(void **state)
{
	(void)state;
	assert_int_equal(trial(ROLE_ZYGOTE, zygote_delivers, DONE, REFUSED), DONE);
	assert_int_equal(trial(ROLE_ZYGOTE, zygote_reads_other, DONE, REFUSED), REFUSED);
}

/* A call on neither list is ENOSYS and is counted, in a thread of the pool too; tests kill. */
static bool strange_call(void)
{
	errno = 0;
	return syscall(SYS_getpgid, 0) == -1 && errno == ENOSYS && syscall(SYS_getpgid, 0) == -1 &&
	       filter_strange_calls() == 2;
}

static void test_strange(void **state)
{
	(void)state;
#ifdef WAXWING_HOOKS
	assert_int_equal(trial(ROLE_SCAN, strange_call, DONE, REFUSED), -SIGSYS);
#else
	assert_int_equal(trial(ROLE_SCAN, strange_call, DONE, REFUSED), DONE);
#endif
}

static bool is_alone(void)
{
	return fcntl(home_fd, F_GETFD) >= 0 && fcntl(pair[0], F_GETFD) < 0 && fcntl(2, F_GETFD) >= 0;
}

static void test_descriptors(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct confinement c = { .role = ROLE_SCAN, .keep = &home_fd, .n_keep = 1 };
		struct confine_report report;
		struct err e;

		_exit(confine(&c, &report, &e) && is_alone() ? DONE : BROKEN);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == DONE);
}

/* Calls point down the table, in the order of its text: no circle. */
static void check_order(void)
{
	static const enum role order[] = {
#define ROLE(NAME, ...) ROLE_##NAME,
#include "role/roles.def"
#undef ROLE
	};

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		for (size_t to = 0; to <= i; to++)
			/* the exception: a session in a mailbox, never while it serves the queue */
			if (role_may_call(order[i], order[to]) &&
			    !(order[i] == ROLE_MAILBOX && order[to] == ROLE_QUEUE))
				fail_msg("%s may call %s above it", role_name(order[i]), role_name(order[to]));
}

static void test_table(void **state)
{
	(void)state;
	check_order();
	for (enum role r = 0; r < ROLE_TOOL; r++) {
		const struct role_row *row = role_row(r);

		assert_string_equal(role_name(r), row->name.p);
		assert_true((row->user == USER_OWN) == (role_user_name(r)[0] == '_'));
		assert_false(role_may_call(ROLE_TOOL, r));
		if (!(row->calls & CALLS_LOOSE))
			assert_true(row->calls & CALLS_STDIO);
		/* the mailbox's list lies within that of the zygote, which it inherits */
		if (r == ROLE_MAILBOX)
			assert_int_equal(row->calls & ~role_row(ROLE_ZYGOTE)->calls, 0);
	}
	assert_true(role_may_call(ROLE_QUEUE, ROLE_MAILBOX));
	assert_true(role_may_call(ROLE_SMTPD, ROLE_KEYS));
	assert_false(role_may_call(ROLE_SMTPD, ROLE_MAILBOX));
	assert_false(role_may_call(ROLE_LOGIN, ROLE_MAILBOX));
	assert_false(role_may_call(ROLE_LOGIN, ROLE_QUEUE));
	assert_false(role_may_call(ROLE_SCAN, ROLE_USER));
}

static void victim_start(void)
{
	victim = fork();
	assert_true(victim >= 0);
	if (victim == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (geteuid() == 0)
			rc_ignored = setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY);
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		for (;;)
			pause();
	}
}

static int stage_up(void **state)
{
	socklen_t n = sizeof(listener_at);
	struct err e;
	int fd;

	(void)state;
	snprintf(base, sizeof(base), "/tmp/confine-test-XXXXXX");
	if (!mkdtemp(base) || chmod(base, 0755))
		return -1;
	snprintf(home_path, sizeof(home_path), "%s/home", base);
	snprintf(other_path, sizeof(other_path), "%s/other", base);
	snprintf(other_file, sizeof(other_file), "%s/letter", other_path);
	if (mkdir(home_path, 0700) || mkdir(other_path, 0700))
		return -1;
	fd = open(other_file, O_CREAT | O_WRONLY, 0600);
	if (fd < 0 || write(fd, "letter", 6) != 6 || close(fd) ||
	    chown(home_path, role_uid(), (gid_t)-1) ||
	    chown(other_path, role_uid(), (gid_t)-1) || chown(other_file, role_uid(), (gid_t)-1))
		return -1;
	home_fd = open(home_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	listener_at = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&listener_at, n) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&listener_at, &n) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	for (enum role r = 0; r < ROLE_TOOL; r++)
		if (!filter_build(role_row(r)->calls, &filters[r], &e)) {
			fprintf(stderr, "# %s: %s\n", role_name(r), e.text);
			return -1;
		}
	victim_start();
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int stage_down(void **state)
{
	(void)state;
	if (victim > 0) {
		kill(victim, SIGKILL);
		waitpid(victim, NULL, 0);
	}
	for (enum role r = 0; r < ROLE_TOOL; r++)
		filter_end(&filters[r]);
	nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

int main(void)
{
	static enum role roles[ROLE_TOOL];
	static char row_names[2 * ROLE_TOOL][48];
	static struct CMUnitTest tests[2 * ROLE_TOOL + 6];
	size_t n = 0;

	for (enum role r = 0; r < ROLE_TOOL; r++) {
		roles[r] = r;
		snprintf(row_names[n], sizeof(row_names[n]), "%s is refused", role_name(r));
		tests[n] = (struct CMUnitTest){ row_names[n], test_forbidden, NULL, NULL, &roles[r] };
		n++;
		snprintf(row_names[n], sizeof(row_names[n]), "%s can work", role_name(r));
		tests[n] = (struct CMUnitTest){ row_names[n], test_needed, NULL, NULL, &roles[r] };
		n++;
	}
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_reserved);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_zygote);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_narrow);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_strange);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_descriptors);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_table);
	return cmocka_run_group_tests(tests, stage_up, stage_down);
}
