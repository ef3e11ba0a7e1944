/* packet.c — see packet.h. */
#include "ipc/packet.h"

#include "base/hooks.h"

#include <errno.h>
#include <unistd.h>

ssize_t packet_send(int fd, const char *p, size_t n, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS)];
	} control = { 0 };
	struct iovec v = { (void *)(uintptr_t)p, n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t sent;

	if (n_fds) {
		struct cmsghdr *c = &control.align;

		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do {
		sent = FAULT_POINT(ipc_send) ? -1 : sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent;
}

int packet_receive(int fd, struct packet_batch *b)
{
	for (size_t i = 0; i < PACKET_BATCH; i++) {
		b->parts[i] = (struct iovec){ b->bytes[i], sizeof(b->bytes[i]) };
		b->heads[i].msg_hdr = (struct msghdr){ .msg_iov = &b->parts[i], .msg_iovlen = 1,
						       .msg_control = b->controls[i].bytes,
						       .msg_controllen = sizeof(b->controls[i].bytes) };
	}
	return recvmmsg(fd, b->heads, PACKET_BATCH, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
}

struct str packet_bytes(const struct packet_batch *b, size_t i)
{
	return str_of(b->bytes[i], b->heads[i].msg_len);
}

bool packet_fds(struct packet_batch *b, size_t i, int fds[PACKET_FDS], size_t *n_fds, bool *is_robbed)
{
	struct msghdr *m = &b->heads[i].msg_hdr;

	*n_fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t k = 0; k < got; k++) {
			int one;

			memcpy(&one, CMSG_DATA(c) + k * sizeof(int), sizeof(int));
			if (*n_fds < PACKET_FDS)
				fds[(*n_fds)++] = one;
			else
				close(one);
		}
		if (got > PACKET_FDS)
			m->msg_flags |= MSG_TRUNC;
	}
	*is_robbed = m->msg_flags & MSG_CTRUNC;
	while (*n_fds && (m->msg_flags & (MSG_CTRUNC | MSG_TRUNC)))
		close(fds[--*n_fds]);
	return !(m->msg_flags & MSG_TRUNC);
}

void packet_drop(struct packet_batch *b, size_t i)
{
	int fds[PACKET_FDS];
	size_t n_fds;
	bool is_robbed;

	packet_fds(b, i, fds, &n_fds, &is_robbed);
	while (n_fds)
		close(fds[--n_fds]);
}
