/* listeners.c — the listening sockets.  They stay open here, so that a restarted
 * copy finds its waiting clients.  Each copy of smtpd and login has its own (SO_REUSEPORT);
 * sockets that systemd hands over are shared by all copies.
 *
 * A new configuration is prepared (what it adds is opened, or all of it is
 * refused) and then applied: who listened on an address goes on with the same
 * socket, under its new line; what no line names any more is closed. */
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
#define NO_LINE UINT32_MAX
#define LEFT_OVER_WITHIN (10 * SECOND)
#define LEFT_OVER_PAUSE (50 * MILLISECOND)

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

struct listener {
	enum role role;
	uint32_t number;         /* by which its role knows it */
	uint32_t index;          /* of the listen line */
	uint32_t next;           /* the same in the configuration that is prepared; or NO_LINE */
	uint32_t copy;           /* UINT32_MAX: for every copy */
	union address at;        /* zero: the command socket */
	bool is_given;           /* systemd's: it is never closed */
	int fd;
};

static struct listener listeners[LISTENERS_MAX];
static size_t n_listeners, n_applied;    /* those behind n_applied are prepared only */
static bool is_open;                     /* those of the start are; from now on nobody is waited for */

/* Who speaks it; the parent itself: nobody. */
static enum role role_of(enum conf_proto proto)
{
	switch (proto) {
	case CONF_SMTP:
	case CONF_SUBMISSION:
		return ROLE_SMTPD;
	case CONF_IMAP:
	case CONF_POP3:
		return ROLE_LOGIN;
	case CONF_SIEVE:
	case CONF_HTTP:
	case CONF_HTTPS:
		break;
	}
	return ROLE_PARENT;
}

/* Takes l.fd. */
static bool keep(struct listener l, struct err *e)
{
	static uint32_t last_number;

	if (n_listeners == LISTENERS_MAX) {
		if (!l.is_given)
			close(l.fd);
		return fail(e, FAULT_PERM, "more than %d listening sockets", LISTENERS_MAX);
	}
	l.number = ++last_number;
	listeners[n_listeners++] = l;
	return true;
}

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

/* Is a socket on this port about to be closed?  Then the port is ours, and no probe can bind it. */
static bool is_leaving(uint16_t port)
{
	for (size_t i = 0; i < n_applied; i++)
		if (listeners[i].next == NO_LINE && listeners[i].role != ROLE_CONTROL &&
		    listeners[i].at.v4.sin_port == htons(port))     /* sin6_port lies at the same place */
			return true;
	return false;
}

/* Is the port free?  A server that was killed a moment ago leaves roles that are about to end: at the
 * start they are waited for. */
static bool probe_port(const union address *a, socklen_t n, struct err *e)
{
	int64_t until = is_open ? 0 : time_mono() + LEFT_OVER_WITHIN;
	int fd;

	for (;;) {
		fd = open_one(a, n, true, e);
		if (fd >= 0 || e->sys != EADDRINUSE || time_mono() >= until)
			break;
		usleep(LEFT_OVER_PAUSE);
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool open_address(uint32_t index, enum role role, struct str text, uint16_t port, struct err *e)
{
	struct listener l = { .role = role, .index = NO_LINE, .next = index, .copy = UINT32_MAX };
	socklen_t n = make_address(text, port, &l.at);

	if (!n)
		return fail(e, FAULT_PERM, "listen " STR_FMT ":%u: not an address", STR_ARG(text), port);
	for (size_t i = 0; i < n_applied; i++)
		if (listeners[i].role == role && same_address(&listeners[i].at, &l.at))
			return true;
	l.fd = inherited(&l.at);
	l.is_given = l.fd >= 0;
	if (l.is_given)
		return fd_set_nonblocking(l.fd, e) && keep(l, e);
	/* With SO_REUSEPORT two servers could share a port unseen: first see that it is free. */
	if (!is_leaving(port) && !probe_port(&l.at, n, e))
		return fail_in(e, "listen " STR_FMT ":%u", STR_ARG(text), port);
	for (l.copy = 0; l.copy < serve_copies(role); l.copy++) {
		l.fd = open_one(&l.at, n, false, e);
		if (l.fd < 0)
			return fail_in(e, "listen " STR_FMT ":%u", STR_ARG(text), port);
		if (!keep(l, e))
			return false;
	}
	return true;
}

/* A socket that listens there already goes on under this line. */
static bool adopt_address(uint32_t index, enum role role, struct str text, uint16_t port, struct err *e)
{
	union address a;

	if (!make_address(text, port, &a))
		return true;             /* open_address() says so */
	for (size_t i = 0; i < n_applied; i++) {
		struct listener *l = &listeners[i];

		if (l->role != role || !same_address(&l->at, &a))
			continue;
		if (l->next != NO_LINE && l->next != index)
			return fail(e, FAULT_PERM, "listen " STR_FMT ":%u: twice", STR_ARG(text), port);
		l->next = index;
	}
	return true;
}

typedef bool with_address(uint32_t index, enum role role, struct str text, uint16_t port, struct err *e);

/* `*` is 0.0.0.0 and, where there is IPv6, [::]. */
static bool each_address(const struct conf *c, with_address *fn, struct err *e)
{
	for (uint32_t i = 0; i < c->listens.n && !parent.is_helper; i++) {
		const struct conf_listen *l = &c->listens.p[i];
		bool is_any = str_eq(l->addr, S("*"));
		enum role role = role_of(l->proto);
		struct err six;

		if (role == ROLE_PARENT || l->port == 0)
			continue;
		if (!fn(i, role, is_any ? S("0.0.0.0") : l->addr, l->port, e))
			return false;
		if (is_any && !fn(i, role, S("::"), l->port, &six))
			log_warn("listen", "port=%u why=\"no IPv6: %s\"", l->port, six.text);
	}
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
	return keep((struct listener){ .role = ROLE_CONTROL, .copy = UINT32_MAX, .fd = fd_take(&fd) }, e);
}

/* Closes what follows the first n. */
static void close_behind(size_t n)
{
	while (n_listeners > n) {
		struct listener *l = &listeners[--n_listeners];

		if (!l->is_given)
			close(l->fd);
	}
}

bool listeners_prepare(const struct conf *c, struct err *e)
{
	for (size_t i = 0; i < n_applied; i++)
		listeners[i].next = listeners[i].role == ROLE_CONTROL ? listeners[i].index : NO_LINE;
	if (each_address(c, adopt_address, e) && each_address(c, open_address, e))
		return true;
	close_behind(n_applied);
	return false;
}

static void send_one(struct process *p, const struct listener *l)
{
	struct role_listener t = { .number = l->number, .index = l->index, .socket = l->fd,
				   .is_closed = l->index == NO_LINE };

	if (t.is_closed)
		t.socket = -1;
	if (p->link && l->role == p->role && (l->copy == UINT32_MAX || l->copy == p->instance))
		role_listener(p->link, &t);
}

void listeners_apply(void)
{
	n_applied = n_listeners;
	for (size_t i = 0; i < n_applied; i++) {
		struct listener *l = &listeners[i];

		if (l->index == l->next)
			continue;
		l->index = l->next;
		for (struct process *p = parent.processes; p; p = p->next)
			send_one(p, l);
	}
	for (size_t i = n_applied; i-- > 0;) {
		struct listener gone = listeners[i];

		if (gone.index != NO_LINE)
			continue;
		listeners[i] = listeners[n_listeners - 1];
		listeners[n_listeners - 1] = gone;
		close_behind(n_listeners - 1);
	}
	n_applied = n_listeners;
}

bool listeners_open(const struct conf *c, struct err *e)
{
	if (!open_control(c, e))
		return false;
	n_applied = n_listeners;
	if (!listeners_prepare(c, e))
		return false;
	listeners_apply();
	is_open = true;
	return true;
}

void listeners_send(struct process *p)
{
	for (size_t i = 0; i < n_applied; i++)
		send_one(p, &listeners[i]);
}

/* From now on new clients are refused by the kernel. */
void listeners_close(void)
{
	for (size_t i = 0; i < n_listeners; i++)
		close(listeners[i].fd);
	n_listeners = n_applied = 0;
}
