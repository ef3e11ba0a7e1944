/* notify.c — what systemd wants to hear and to hand over.
 *
 * NOTIFY_SOCKET names a datagram socket (a leading @ is the abstract name
 * space); LISTEN_PID and LISTEN_FDS say that descriptors from 3 on are bound
 * sockets (sd_notify(3), sd_listen_fds(3)). */
#include "role/parent/parent.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_FDS_FIRST = 3, LISTEN_FDS_MAX = 64 };

void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n == 0 || n >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, n);
	if (a.sun_path[0] == '@')
		a.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&a,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_warn("notify", "why=\"systemd could not be told: %s\"", strerrordesc_np(errno));
	if (fd >= 0)
		close(fd);
}

int notify_listen_fds(int **ret)
{
	static int fds[LISTEN_FDS_MAX];
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	uint64_t want_pid, count;

	if (!pid || !n || !str_u64(str_from_z(pid), &want_pid) || !str_u64(str_from_z(n), &count) ||
	    want_pid != (uint64_t)getpid() || count > LISTEN_FDS_MAX)
		return 0;
	for (int i = 0; i < (int)count; i++) {
		fds[i] = LISTEN_FDS_FIRST + i;
		fcntl(fds[i], F_SETFD, FD_CLOEXEC);
	}
	*ret = fds;
	return (int)count;
}
