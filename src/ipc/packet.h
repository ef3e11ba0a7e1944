/* packet.h — packets with descriptors over a SOCK_SEQPACKET socket, without waiting. */
#pragma once

#include "base/str.h"
#include "ipc/message.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
	PACKET_FDS = IPC_FDS_MAX + 1,    /* a large message's body is one more */
	PACKET_BATCH = 8,
};

/* What one system call brought: several packets when there are several. */
struct packet_batch {
	struct mmsghdr heads[PACKET_BATCH];
	struct iovec parts[PACKET_BATCH];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
	} controls[PACKET_BATCH];
	char bytes[PACKET_BATCH][IPC_MESSAGE_MAX + 1];
};

/* As sendmsg(2): -1 with errno, EAGAIN if the socket is full.  The descriptors stay the caller's. */
ssize_t packet_send(int fd, const char *p, size_t n, const int *fds, size_t n_fds);

/* How many packets came; -1 with errno.  An empty packet is the end of the stream. */
int packet_receive(int fd, struct packet_batch *b);
struct str packet_bytes(const struct packet_batch *b, size_t i);
/* The descriptors of a packet, now the caller's.  *is_robbed: some came that this process has no room
 * for; all are closed then.  False: more than any message has, or a packet too large. */
bool packet_fds(struct packet_batch *b, size_t i, int fds[PACKET_FDS], size_t *n_fds, bool *is_robbed);
/* Close the descriptors of a packet that nobody looks at. */
void packet_drop(struct packet_batch *b, size_t i);
