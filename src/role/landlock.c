/* landlock.c — which files a process can still reach; see landlock.h.
 *
 * The structs are our own: the headers of Debian 12 know ABI 2, kernels know 7. */
#include "role/landlock.h"

#include "base/attr.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FS_TRUNCATE (UINT64_C(1) << 14)          /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)         /* ABI 5 */
#define NET_TCP (UINT64_C(1) << 0 | UINT64_C(1) << 1)    /* ABI 4: bind, connect */
#define NET_CONNECT (UINT64_C(1) << 1)
#define SCOPE_BOTH (UINT64_C(1) << 0 | UINT64_C(1) << 1) /* ABI 6: abstract sockets, signals */
#define FS_ABI_1 (LANDLOCK_ACCESS_FS_REFER - 1)

#define FILE_READ LANDLOCK_ACCESS_FS_READ_FILE
#define FILE_WRITE (FILE_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
#define DIR_READ (FILE_READ | LANDLOCK_ACCESS_FS_READ_DIR)
#define DIR_WRITE \
	(DIR_READ | FILE_WRITE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER)

enum { RULE_NET_PORT = 2 };

struct ruleset {
	uint64_t fs, net, scoped;
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

static uint64_t fs_rights(int abi)
{
	uint64_t fs = FS_ABI_1;

	if (abi >= 2)
		fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		fs |= FS_TRUNCATE;
	if (abi >= 5)
		fs |= FS_IOCTL_DEV;
	return fs;
}

static bool add_place(int rules, uint64_t handled, const struct place *p, struct err *e)
{
	struct landlock_path_beneath_attr a = { .parent_fd = p->fd };
	struct stat st;

	if (fstat(p->fd, &st))
		return fail_sys(e, FAULT_TEMP, errno, "look at a place that stays open");
	if (S_ISDIR(st.st_mode))
		a.allowed_access = p->right == PLACE_WRITE ? DIR_WRITE : DIR_READ;
	else
		a.allowed_access = p->right == PLACE_WRITE ? FILE_WRITE : FILE_READ;
	a.allowed_access &= handled;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &a, 0))
		return fail_sys(e, FAULT_TEMP, errno, "a Landlock rule");
	return true;
}

static bool add_port(int rules, uint16_t port, struct err *e)
{
	struct {
		uint64_t allowed_access, port;
	} a = { NET_CONNECT, port };

	if (syscall(SYS_landlock_add_rule, rules, RULE_NET_PORT, &a, 0))
		return fail_sys(e, FAULT_TEMP, errno, "a Landlock rule for a port");
	return true;
}

bool landlock_apply(bool any_file, bool any_tcp, uint16_t tcp_port, const struct place *places, size_t n, struct err *e)
{
	int abi = landlock_abi();
	/* every ruleset denies moving files between folders unless it says otherwise, and a layer of
	 * ours holds for the children too */
	struct ruleset r = { .fs = !any_file ? fs_rights(abi) : abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0 };
	size_t size = sizeof(r.fs);
	AUTO(fd_end) int rules = -1;
	AUTO(fd_end) int root = any_file && r.fs ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	struct landlock_path_beneath_attr everywhere = { .allowed_access = r.fs, .parent_fd = root };

	if (abi >= 4) {
		r.net = any_tcp ? 0 : NET_TCP;
		size += sizeof(r.net);
	}
	if (abi >= 6) {
		r.scoped = SCOPE_BOTH;
		size += sizeof(r.scoped);
	}
	if (!r.fs && !r.net && !r.scoped)
		return true;
	rules = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (rules < 0)
		return fail_sys(e, FAULT_TEMP, errno, "a Landlock ruleset");
	if (root >= 0 && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &everywhere, 0))
		return fail_sys(e, FAULT_TEMP, errno, "a Landlock rule");
	if (r.net && tcp_port && !add_port(rules, tcp_port, e))
		return false;
	for (size_t i = 0; i < n && !any_file; i++)
		if (!add_place(rules, r.fs, &places[i], e))
			return false;
	if (syscall(SYS_landlock_restrict_self, rules, 0))
		return fail_sys(e, FAULT_TEMP, errno, "restrict by Landlock");
	return true;
}
