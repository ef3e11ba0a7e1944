/* front.h — what the roles that face the network do alike: they take listeners from the
 * parent and accept, and learn certificates from `keys`, which signs for them. */
#pragma once

#include "role/runtime.h"

struct tls_server;

enum { FRONT_PEER_MAX = 46 };

struct front_client {
	int fd;
	uint8_t addr[16];        /* IPv4 as ::ffff:a.b.c.d */
	uint32_t listener;       /* index of the listen line */
	uint16_t port;           /* ours */
};

struct front {
	void (*receive)(const struct front_client *c);           /* takes c->fd; does not wait */
	struct str (*sorry)(uint32_t listener, uint16_t port);   /* last words to who is turned away */
};

/* In prepare(). */
bool front_open(const struct front *f, struct err *e);
/* Accept until the parent says stop; then the listeners are closed. */
SUSPENDS void front_run(void);
/* For role_def.listener. */
void front_listener(struct role_listener *t);

void front_turn_away(int fd, struct str words);
/* Our side of the connection, IPv4 as ::ffff:a.b.c.d; all zero if it is not known. */
void front_own_address(int fd, uint8_t to[16]);
void front_print_peer(const uint8_t addr[16], char to[FRONT_PEER_MAX]);
/* NULL while there is no certificate. */
struct tls_server *front_tls(void);
