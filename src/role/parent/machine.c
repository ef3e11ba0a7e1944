/* machine.c — what the doctor wants to know of this machine and only the parent may ask: which addresses it has, how
 * full its disks are, who may read our secrets, whether somebody keeps the clock right.  Nothing is judged here. */
#include "role/parent/parent.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

enum { ADDRESSES_MAX = 64, DISKS_MAX = 8 };

union any_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static struct str address_text(const union any_address *at, struct arena *a)
{
	char z[INET6_ADDRSTRLEN] = "";

	if (at->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &at->v4.sin_addr, z, sizeof(z));
	else
		inet_ntop(AF_INET6, &at->v6.sin6_addr, z, sizeof(z));
	return arena_str(a, str_from_z(z));
}

static bool add_addresses(struct parent_machine_answer *r, struct arena *a)
{
	struct ifaddrs *all;

	r->addresses.p = ARENA_ARRAY(a, struct ipc_text, ADDRESSES_MAX);
	if (!r->addresses.p || getifaddrs(&all))
		return r->addresses.p;
	for (struct ifaddrs *i = all; i && r->addresses.n < ADDRESSES_MAX; i = i->ifa_next) {
		const union any_address *at = (const void *)i->ifa_addr;

		if (at && (i->ifa_flags & IFF_UP) && (at->sa.sa_family == AF_INET || at->sa.sa_family == AF_INET6))
			r->addresses.p[r->addresses.n++].text = address_text(at, a);
	}
	freeifaddrs(all);
	return true;
}

/* Folders on the same file system are one disk. */
static bool add_disks(struct parent_machine_answer *r, struct arena *a)
{
	static const char *const folders[] = { ".", "journal", "spool", "mail" };
	dev_t seen[DISKS_MAX];

	r->disks.p = ARENA_ARRAY(a, struct ipc_disk, ARRAY_LEN(folders));
	for (size_t i = 0; r->disks.p && i < ARRAY_LEN(folders); i++) {
		AUTO(fd_end) int fd = openat(parent.storage_fd, folders[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		struct statvfs v;
		struct stat st;
		size_t k = 0;

		if (fd < 0 || fstat(fd, &st) || fstatvfs(fd, &v))
			continue;
		while (k < r->disks.n && seen[k] != st.st_dev)
			k++;
		if (k < r->disks.n)
			continue;
		seen[r->disks.n] = st.st_dev;
		r->disks.p[r->disks.n++] = (struct ipc_disk){
			.path = i ? arena_printf(a, STR_FMT "/%s", STR_ARG(parent.conf->c.storage), folders[i]) : parent.conf->c.storage,
			.size = v.f_blocks * v.f_frsize, .room = v.f_bavail * v.f_frsize,
			.files = v.f_files, .files_left = v.f_favail };
	}
	return r->disks.p;
}

static void add_mode(struct parent_machine_answer *r, const char *what, struct str path, const struct stat *st)
{
	r->modes.p[r->modes.n++] = (struct ipc_file_mode){ .what = str_from_z(what), .path = path,
		.mode = st->st_mode & 07777, .uid = st->st_uid, .gid = st->st_gid };
}

/* Files that hold secrets, and the folders of our own in which they lie. */
static bool add_modes(struct parent_machine_answer *r, struct arena *a)
{
	static const char *const folders[] = { "keys", "db/user", "journal", "spool" };
	const char *what, *path;
	struct stat st;
	size_t n = 0;

	while (watch_secret_at(n, &what, &path))
		n++;
	r->modes.p = ARENA_ARRAY(a, struct ipc_file_mode, n + ARRAY_LEN(folders));
	for (size_t i = 0; r->modes.p && i < n && watch_secret_at(i, &what, &path); i++)
		if (stat(path, &st) == 0)
			add_mode(r, what, arena_str(a, str_from_z(path)), &st);
	for (size_t i = 0; r->modes.p && i < ARRAY_LEN(folders); i++)
		if (fstatat(parent.storage_fd, folders[i], &st, 0) == 0)
			add_mode(r, "folder", arena_printf(a, STR_FMT "/%s", STR_ARG(parent.conf->c.storage), folders[i]), &st);
	return r->modes.p;
}

static bool serve_machine(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct parent_machine_answer *r = answer;
	struct timex t = { 0 };
	int clock = adjtimex(&t);

	(void)l, (void)question;
	if (!add_addresses(r, a) || !add_disks(r, a) || !add_modes(r, a))
		return fail(e, FAULT_TEMP, "no memory to describe this machine");
	r->is_clock_kept = clock >= 0 && clock != TIME_ERROR && !(t.status & STA_UNSYNC);
	return true;
}

void machine_serve(void)
{
	ipc_serve(IPC_parent_machine, serve_machine);
}
