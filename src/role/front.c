/* front.c — what the roles that face the network do alike; see front.h. */
#include "role/front.h"

#include "base/fd.h"
#include "base/log.h"
#include "fiber/certificate.h"
#include "fiber/private_key.h"
#include "fiber/tls.h"
#include "fiber/tls_key_provider.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENERS_MAX = 512, CERTIFICATES_MAX = 256, ACCEPTS_IN_A_ROW = 32, KEEP_IDLE_SECONDS = 300 };
#define SIGN_WITHIN (20 * SECOND)
#define SCARCE_PAUSE (100 * MILLISECOND)

struct listener {
	int fd;                  /* -1: this place is free */
	uint32_t number;         /* the parent's */
	uint32_t index;          /* of the listen line */
	uint16_t port;
	bool is_closed;          /* told so while its fiber still runs */
	struct fiber *fiber;     /* once it runs */
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static struct listener listeners[LISTENERS_MAX];
static size_t n_listeners;
static struct nursery accepting;
static bool is_running;
/* A descriptor to give away when there are no more.  Not a listener's: that would go on listening. */
static int reserve = -1;
static struct tls_server *tls;
static const struct front *front;

/* -- certificates ---------------------------------------------------------- */

SUSPENDS static bool sign(void *ctx, uint32_t key_id, uint32_t scheme, struct str digest, struct buf *to, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct keys_sign_answer r;
	bool ok = false;

	(void)ctx;
	WITHIN(SIGN_WITHIN)
		ok = keys_sign(link_to(ROLE_KEYS), &(struct keys_sign){ key_id, (uint16_t)scheme, digest }, &r, &a, e);
	if (!ok)
		return false;
	if (r.signature.n > SIGNATURE_MAX)
		return fail(e, FAULT_TEMP, "a signature of %zu bytes", r.signature.n);
	buf_add(to, r.signature);
	return true;
}

static const struct tls_signer signer = { .sign = sign };

struct tls_server *front_tls(void)
{
	return tls && tls_server_is_set(tls) ? tls : NULL;
}

/* Take over what `keys` has; one that cannot be read is left out, none at all keeps the old ones. */
static void hear_certificates(struct link *l, void *tell)
{
	const struct keys_certificates *t = tell;
	size_t n = t->certificates.n < CERTIFICATES_MAX ? t->certificates.n : CERTIFICATES_MAX, good = 0;
	struct certificate *certs = calloc(n ? n : 1, sizeof(*certs));
	struct tls_identity *list = calloc(n ? n : 1, sizeof(*list));
	struct err e = { 0 };

	(void)l;
	for (size_t i = 0; certs && list && i < n; i++) {
		if (!certificate_load(t->certificates.p[i].chain, NULL, &certs[good], &e)) {
			log_warn("certificate", "number=%u why=%s", t->certificates.p[i].key, LOGQ(str_from_z(e.text)));
			continue;
		}
		list[good] = (struct tls_identity){ &certs[good], t->certificates.p[i].key };
		good++;
	}
	if (good && !tls_server_set(tls, list, good, &e))
		log_warn("certificate", "why=%s", LOGQ(str_from_z(e.text)));
	for (size_t i = 0; i < good; i++)
		certificate_end(&certs[i]);
	free(certs);
	free(list);
}

/* -- connections ----------------------------------------------------------- */

/* IPv4 as ::ffff:a.b.c.d. */
static void address_of(const union address *from, uint8_t ret[16])
{
	if (from->any.sa_family == AF_INET6) {
		memcpy(ret, &from->v6.sin6_addr, 16);
		return;
	}
	memset(ret, 0, 10);
	memset(ret + 10, 0xff, 2);
	memcpy(ret + 12, &from->v4.sin_addr, 4);
}

static uint16_t port_of(int fd)
{
	union address at = { 0 };
	socklen_t n = sizeof(at);

	if (getsockname(fd, &at.any, &n))
		return 0;
	return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

void front_own_address(int fd, uint8_t to[16])
{
	union address at = { 0 };
	socklen_t n = sizeof(at);

	memset(to, 0, 16);
	if (getsockname(fd, &at.any, &n) == 0)
		address_of(&at, to);
}

void front_turn_away(int fd, struct str words)
{
	ssize_t n = send(fd, words.p, words.n, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)n;         /* it is closed anyway */
	close(fd);
}

void front_print_peer(const uint8_t addr[16], char to[FRONT_PEER_MAX])
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(addr, v4, sizeof(v4)) == 0)
		inet_ntop(AF_INET, addr + 12, to, FRONT_PEER_MAX);
	else
		inet_ntop(AF_INET6, addr, to, FRONT_PEER_MAX);
}

static void receive(const struct listener *l, int fd, const union address *from)
{
	struct front_client c = { .fd = fd, .listener = l->index, .port = l->port };

	address_of(from, c.addr);
	front->receive(&c);
}

/* No descriptor is left for the client in front: the reserve becomes the one that turns it away. */
SUSPENDS static bool relieve(const struct listener *l, struct err *e)
{
	int fd;

	log_warn("accept", "why=\"no descriptors or memory: %s\" next=\"clients are turned away\"",
		 strerrordesc_np(errno));
	fd_end(&reserve);
	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		front_turn_away(fd, front->sorry(l->index, l->port));
	reserve = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	return fiber_sleep(SCARCE_PAUSE, e);
}

/* Who connected before the listener went is served: closing it would reset them. */
static void accept_last(const struct listener *l)
{
	for (int i = 0; i < ACCEPTS_IN_A_ROW; i++) {
		union address from = { 0 };
		socklen_t n = sizeof(from);
		int fd = accept4(l->fd, &from.any, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		receive(l, fd, &from);
	}
}

SUSPENDS static void accept_all(void *arg)
{
	struct listener *l = arg;
	struct err e;
	unsigned streak = 0;

	l->fiber = fiber_self();
	while (!l->is_closed && fiber_check(&e)) {
		union address from = { 0 };
		socklen_t n = sizeof(from);
		int fd = accept4(l->fd, &from.any, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
		bool ok = true;

		if (fd >= 0) {
			receive(l, fd, &from);
			if (++streak % ACCEPTS_IN_A_ROW == 0)
				breathe();
		} else if (errno == EAGAIN) {
			ok = fd_wait(l->fd, POLLIN, "connections", &e);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			ok = relieve(l, &e);
		}
		/* other errors are those of one connection that is gone already (accept(2)) */
		if (!ok)
			break;
	}
	if (l->is_closed)
		accept_last(l);
	l->fiber = NULL;
	fd_wait_forget(l->fd);
	fd_end(&l->fd);
}

static void listener_start(struct listener *l)
{
	if (!fiber_start(&accepting, "accept", accept_all, l))
		log_error("listen", "port=%u why=\"no memory for a fiber\"", l->port);
}

/* -- life ------------------------------------------------------------------ */

static struct listener *listener_of(uint32_t number)
{
	for (size_t i = 0; i < n_listeners; i++)
		if (listeners[i].fd >= 0 && listeners[i].number == number)
			return &listeners[i];
	return NULL;
}

static struct listener *listener_new(void)
{
	for (size_t i = 0; i < n_listeners; i++)
		if (listeners[i].fd < 0)
			return &listeners[i];
	return n_listeners < LISTENERS_MAX ? &listeners[n_listeners++] : NULL;
}

static void open_listener(struct role_listener *t)
{
	struct listener *l = listener_new();
	struct err e;
	int on = 1, keep_idle = KEEP_IDLE_SECONDS;

	if (!l || t->socket <= 0 || !fd_set_nonblocking(t->socket, &e)) {
		log_error("listen", "why=\"a listener cannot be used\"");
		if (l)
			l->fd = -1;
		return;
	}
	/* connections inherit these */
	setsockopt(t->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(t->socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(t->socket, IPPROTO_TCP, TCP_KEEPIDLE, &keep_idle, sizeof(keep_idle));
	if (reserve < 0)
		reserve = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	*l = (struct listener){ .fd = fd_take(&t->socket), .number = t->number, .index = t->index };
	l->port = port_of(l->fd);
	if (is_running)
		listener_start(l);
}

/* Its fiber closes it; sessions that came in through it go on. */
static void close_listener(struct listener *l)
{
	l->is_closed = true;
	if (l->fiber)
		fiber_cancel(l->fiber);
	else if (!is_running)
		fd_end(&l->fd);
}

void front_listener(struct role_listener *t)
{
	struct listener *l = listener_of(t->number);

	if (l && t->is_closed)
		close_listener(l);
	else if (l)
		l->index = t->index;
	else if (!t->is_closed)
		open_listener(t);
}

bool front_open(const struct front *f, struct err *e)
{
	front = f;
	tls = tls_server_open(&signer);
	ipc_hear(IPC_keys_certificates, hear_certificates);
	return tls || fail(e, FAULT_TEMP, "no TLS");
}

SUSPENDS void front_run(void)
{
	is_running = true;
	for (size_t i = 0; i < n_listeners; i++)
		if (listeners[i].fd >= 0)
			listener_start(&listeners[i]);
	role_wait_stop();
	nursery_end(&accepting);
	fd_end(&reserve);
}
