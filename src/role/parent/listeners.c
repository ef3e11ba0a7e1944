/* listeners.c — the listening sockets.  They stay open here, so that a restarted
 * copy finds its waiting clients.  Each copy of smtpd has its own (SO_REUSEPORT);
 * sockets that systemd hands over are shared by all copies. */
#include "role/parent/parent.h"

#include "base/fd.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, LISTENERS_MAX = 512 };

struct listener {
	enum role role;
	uint32_t index;          /* of the listen line */
	uint32_t copy;           /* UINT32_MAX: for every copy */
	int fd;
};

static struct listener listeners[LISTENERS_MAX];
static size_t n_listeners;

static bool keep(enum role r, uint32_t index, uint32_t copy, int fd, struct err *e)
{
	if (n_listeners == LISTENERS_MAX) {
		close(fd);
		return fail(e, FAULT_PERM, "more than %d listening sockets", LISTENERS_MAX);
	}
	listeners[n_listeners++] = (struct listener){ r, index, copy, fd };
	return true;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

static socklen_t make_address(struct str text, uint16_t port, union address *a)
{
	char z[64];

	snprintf(z, sizeof(z), STR_FMT, STR_ARG(text));
	*a = (union address){ 0 };
	if (inet_pton(AF_INET, z, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		return sizeof(a->v4);
	}
	if (inet_pton(AF_INET6, z, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		return sizeof(a->v6);
	}
	return 0;
}

/* A socket bound to it, listening unless it is only a probe. */
static int open_one(const union address *a, socklen_t n, bool is_probe, struct err *e)
{
	AUTO(fd_end) int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0) {
		fail_sys(e, FAULT_TEMP, errno, "socket");
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!is_probe)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (a->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &a->any, n) || (!is_probe && listen(fd, BACKLOG))) {
		fail_sys(e, FAULT_PERM, errno, "%s", is_probe ? "bind" : "listen");
		return -1;
	}
	return fd_take(&fd);
}

static bool same_address(const union address *a, const union address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port &&
	       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
}

/* A socket that systemd bound to this address, or -1. */
static int inherited(const union address *a)
{
	int *fds, n = notify_listen_fds(&fds);

	for (int i = 0; i < n; i++) {
		union address b = { 0 };
		socklen_t len = sizeof(b);

		if (getsockname(fds[i], &b.any, &len) == 0 && same_address(a, &b))
			return fds[i];
	}
	return -1;
}

static bool open_address(uint32_t index, struct str text, uint16_t port, unsigned copies, struct err *e)
{
	AUTO(fd_end) int probe = -1;
	union address a;
	socklen_t n = make_address(text, port, &a);
	int given;

	if (!n)
		return fail(e, FAULT_PERM, "listen " STR_FMT ":%u: not an address", STR_ARG(text), port);
	given = inherited(&a);
	if (given >= 0)
		return fd_set_nonblocking(given, e) && keep(ROLE_SMTPD, index, UINT32_MAX, given, e);
	/* With SO_REUSEPORT two servers could share a port unseen: first see that it is free. */
	probe = open_one(&a, n, true, e);
	if (probe < 0)
		return fail_in(e, "listen " STR_FMT ":%u", STR_ARG(text), port);
	fd_end(&probe);
	for (unsigned i = 0; i < copies; i++) {
		int fd = open_one(&a, n, false, e);

		if (fd < 0)
			return fail_in(e, "listen " STR_FMT ":%u", STR_ARG(text), port);
		if (!keep(ROLE_SMTPD, index, i, fd, e))
			return false;
	}
	return true;
}

static bool open_both(uint32_t index, uint16_t port, unsigned copies, struct err *e)
{
	struct err six;

	if (!open_address(index, S("0.0.0.0"), port, copies, e))
		return false;
	if (!open_address(index, S("::"), port, copies, &six))
		log_warn("listen", "port=%u why=\"no IPv6: %s\"", port, six.text);
	return true;
}

/* The command socket: bound by a relative name, since a path may be longer than 108 bytes. */
static bool open_control(const struct conf *c, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(fd_end) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "control" };
	char *run = str_z(&a, c->run);

	if (fd < 0 || !run)
		return fail_sys(e, FAULT_TEMP, errno, "socket");
	if ((mkdir(run, 0755) && errno != EEXIST) || chdir(run))
		return fail_sys(e, FAULT_PERM, errno, "run %s", run);
	unlink("control");
	umask(077);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 64))
		return fail_sys(e, FAULT_PERM, errno, "the command socket %s/control", run);
	if (fchdir(parent.storage_fd))
		return fail_sys(e, FAULT_PERM, errno, "enter storage");
	return keep(ROLE_CONTROL, UINT32_MAX, UINT32_MAX, fd_take(&fd), e);
}

bool listeners_open(const struct conf *c, unsigned copies, struct err *e)
{
	if (!open_control(c, e))
		return false;
	for (size_t i = 0; i < c->listens.n && !parent.is_helper; i++) {
		const struct conf_listen *l = &c->listens.p[i];

		if (l->proto != CONF_SMTP)
			continue;
		if (str_eq(l->addr, S("*")) ? !open_both((uint32_t)i, l->port, copies, e)
					    : !open_address((uint32_t)i, l->addr, l->port, copies, e))
			return false;
	}
	return true;
}

void listeners_send(struct process *p)
{
	for (size_t i = 0; i < n_listeners; i++) {
		struct listener *l = &listeners[i];

		if (l->role == p->role && (l->copy == UINT32_MAX || l->copy == p->instance))
			role_listener(p->link, &(struct role_listener){ .index = l->index, .socket = l->fd });
	}
}

/* From now on new clients are refused by the kernel. */
void listeners_close(void)
{
	for (size_t i = 0; i < n_listeners; i++)
		close(listeners[i].fd);
	n_listeners = 0;
}
