/* login_limits.h — how failed logins slow a client and an account down, and when a client is to
 * be banned.
 *
 * A client is an IPv4 address or an IPv6 /64.  Each of its failures makes it wait longer before
 * the next try is looked at.  Failures of an account, from wherever they come, slow the tries of
 * clients that never logged in; nobody is locked out.  Names that do not exist count like others.
 * Time is a parameter (monotonic microseconds); memory is bounded: who failed longest ago is
 * forgotten first. */
#pragma once

#include "user/network.h"

struct login_limits;

struct login_limits_conf {
	unsigned ban_after;      /* failures within ban_per; 0: nobody is banned */
	int64_t ban_per;
	size_t entries_max;      /* of each kind; 0: 65,536 */
};

/* Who tries, and as whom. */
struct login_try {
	struct net_address client;       /* net_address_client */
	struct str name;                 /* the account, folded, whether it exists or not */
	bool is_local;                   /* loopback: a webmail speaks for many */
	bool is_known;                   /* has logged in lately */
};

struct login_limits *login_limits_open(void);
void login_limits_close(struct login_limits *l);

/* How long it has to wait before it is looked at; 0: not at all, and a place is taken for it. */
int64_t login_limits_wait(struct login_limits *l, const struct login_try *t, int64_t now);
/* It was wrong.  True: this client is to be banned now. */
bool login_limits_failed(struct login_limits *l, const struct login_limits_conf *conf, const struct login_try *t,
			 int64_t now);
/* It was right: its client begins anew; on this machine itself, its name does. */
void login_limits_succeeded(struct login_limits *l, const struct login_try *t);
size_t login_limits_entries(const struct login_limits *l);
