/* direct.c — asks a name server itself: by UDP, from a new port each time, and by TCP if the answer is cut off.
 *
 * What comes is an answer only if it has the question's id and its name in the letter case that was diced; all
 * else is passed over, as is what the kernel says of lost packets: the next try is a new question. */
#include "role/dns/direct.h"

#include "base/fd.h"
#include "base/rnd.h"
#include "fiber/conn.h"
#include "fiber/fiber.h"
#include "role/relay/targets.h"
#include "wire/dns_packet.h"
#include "wire/dns_query.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define TRY_WITHIN (1500 * MILLISECOND)
#define TCP_WITHIN (5 * SECOND)
enum { TRIES = 3, PORT = 53, UDP_ROOM = 4096 };

union any_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct direct {
	union any_address to;
	socklen_t to_n;
	struct dns_name name;
	uint16_t type;
	char mem[DNS_QUERY_MAX];
	struct buf query;
	struct arena *a;
	struct resolver_answer *ret;
};

static void set_temp(struct direct *d, const char *why)
{
	*d->ret = (struct resolver_answer){ .outcome = DNS_TEMP, .rcode = d->ret->rcode, .canonical = d->ret->canonical,
					    .why = arena_str(d->a, str_from_z(why)) };
}

static void new_query(struct direct *d)
{
	uint64_t id = rnd_u64();

	d->query = buf_over(d->mem, sizeof(d->mem));
	dns_query_print(&d->name, d->type, (uint16_t)id, rnd_u64(), &d->query);
}

/* -1: not now, *e says why. */
static int open_towards(const struct direct *d, int type, struct err *e)
{
	AUTO(fd_end) int fd = socket(d->to.sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail_sys(e, FAULT_TEMP, errno, "socket");
	else if (connect(fd, &d->to.sa, d->to_n) && errno != EINPROGRESS)
		fail_sys(e, FAULT_PEER, errno, "connect");
	else
		return fd_take(&fd);
	return -1;
}

/* Until an answer comes that is one; *ret_n is its length. */
SUSPENDS static bool receive(struct direct *d, int fd, char *packet, size_t *ret_n, struct err *e)
{
	for (;;) {
		ssize_t n = recv(fd, packet, UDP_ROOM, 0);

		if (n >= 0 && dns_query_is_answered(buf_str(&d->query), str_of(packet, (size_t)n))) {
			*ret_n = (size_t)n;
			return true;
		}
		if (n < 0 && errno != EAGAIN)
			return fail_sys(e, FAULT_PEER, errno, "receive");
		if (n < 0 && !fd_wait(fd, POLLIN, "a name server", e))
			return false;
	}
}

SUSPENDS static bool try_udp(struct direct *d, char *packet, size_t *ret_n, struct err *e)
{
	int fd = open_towards(d, SOCK_DGRAM, e);
	bool ok = false;

	if (fd < 0)
		return false;
	WITHIN(TRY_WITHIN)
		ok = send(fd, d->query.p, d->query.n, MSG_NOSIGNAL) == (ssize_t)d->query.n ? receive(d, fd, packet, ret_n, e)
			: fail_sys(e, FAULT_PEER, errno, "send");
	fd_wait_forget(fd);
	fd_end(&fd);
	return ok;
}

/* RFC 1035 §4.2.2: a length in front.  The slice holds as long as the connection. */
SUSPENDS static bool talk_tcp(struct direct *d, struct conn *c, struct str *ret, struct err *e)
{
	char length[2] = { (char)(d->query.n >> 8), (char)(d->query.n & 0xFF) };
	size_t n;

	if (!conn_put(c, str_of(length, sizeof(length)), e) || !conn_write(c, buf_str(&d->query), e))
		return false;
	while (conn_pending(c).n < 2)
		if (!conn_fill(c, e))
			return false;
	n = (size_t)str_at(conn_pending(c), 0) << 8 | (size_t)str_at(conn_pending(c), 1);
	while (conn_pending(c).n < 2 + n)
		if (!conn_fill(c, e))
			return false;
	*ret = str_sub(conn_pending(c), 2, n);
	return dns_query_is_answered(buf_str(&d->query), *ret) || fail(e, FAULT_PEER, "an answer to another question");
}

static void take_packet(struct direct *d, struct str packet)
{
	struct dns_packet p;
	struct err e = { 0 };

	if (!dns_packet_parse(packet, &d->name, d->type, d->a, &p, &e)) {
		set_temp(d, e.text);
		return;
	}
	*d->ret = (struct resolver_answer){ .rcode = p.rcode, .canonical = p.canonical, .ttl = p.ttl, .p = p.p, .n = p.n };
	if (p.rcode != DNS_NOERROR && p.rcode != DNS_NXDOMAIN)
		set_temp(d, "it refuses to answer, or cannot");
	else if (!p.is_authoritative)
		set_temp(d, "it has no authority for the zone");
	else if (p.rcode == DNS_NXDOMAIN)
		d->ret->outcome = DNS_NO_NAME;
	else
		d->ret->outcome = p.n ? DNS_FOUND : DNS_NONE;
	if (d->ret->outcome != DNS_FOUND)
		d->ret->n = 0;
}

SUSPENDS static bool try_tcp(struct direct *d, struct err *e)
{
	AUTO(conn_end) struct conn c = { .fd = -1 };
	int fd = open_towards(d, SOCK_STREAM, e), sys = 0;
	socklen_t size = sizeof(sys);
	struct str packet;
	bool ok = false;

	if (fd < 0)
		return false;
	conn_init(&c, fd);
	WITHIN(TCP_WITHIN)
		ok = fd_wait(fd, POLLOUT, "a name server", e) &&
		     ((getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &size) == 0 && sys == 0) || fail_sys(e, FAULT_PEER, sys, "connect")) &&
		     talk_tcp(d, &c, &packet, e);
	if (ok)
		take_packet(d, packet);
	return ok;
}

/* The tries are over when one has an answer. */
SUSPENDS static bool converse(struct direct *d, struct err *e)
{
	char *packet = arena_alloc(d->a, 1, UDP_ROOM);
	size_t n = 0;

	if (!packet)
		return fail(e, FAULT_TEMP, "no memory for an answer");
	for (size_t i = 0; i < TRIES; i++) {
		new_query(d);
		if (try_udp(d, packet, &n, e))
			break;
		if (e->fault == FAULT_CANCEL || i + 1 == TRIES)
			return false;
	}
	if (n > 2 && (str_at(str_of(packet, n), 2) & 2))        /* TC */
		return try_tcp(d, e);
	take_packet(d, str_of(packet, n));
	return true;
}

static bool set_target(struct direct *d, struct str server, bool may_be_private)
{
	uint8_t addr[16];
	static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };

	if (!dns_address_read(server, addr))
		return set_temp(d, "that is no address of a name server"), false;
	if (!may_be_private && address_is_private(addr))
		return set_temp(d, "its address is a private one"), false;
	if (memcmp(addr, mapped, sizeof(mapped)) == 0) {
		d->to.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT) };
		memcpy(&d->to.v4.sin_addr, addr + 12, 4);
		d->to_n = sizeof(d->to.v4);
	} else {
		d->to.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
		memcpy(&d->to.v6.sin6_addr, addr, 16);
		d->to_n = sizeof(d->to.v6);
	}
	return true;
}

bool direct_ask(struct str server, bool may_be_private, struct str name, uint16_t type, struct arena *a,
		struct resolver_answer *ret, struct err *e)
{
	struct direct d = { .type = type, .a = a, .ret = ret };
	struct err why = { 0 };

	*ret = (struct resolver_answer){ .outcome = DNS_NO_NAME, .canonical = name };
	if (!dns_name_read(name, &d.name))
		return true;
	if (!set_target(&d, server, may_be_private) || converse(&d, &why))
		return true;
	if (why.fault == FAULT_CANCEL)
		return *e = why, false;
	set_temp(&d, why.timed_out ? "it does not answer" : why.text);
	return fiber_check(e);
}
