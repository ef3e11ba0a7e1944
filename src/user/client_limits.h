/* client_limits.h — how much one client may ask of us, counted for all copies of smtpd.
 *
 * A client is an IPv4 address or an IPv6 /64.  Rates are token buckets: `rate`
 * per `per`, with a full bucket at first sight.  Time is a parameter
 * (monotonic microseconds).  Memory is bounded: past `entries_max` clients the
 * one idle longest is forgotten; if none is idle, a new one is refused. */
#pragma once

#include "base/arena.h"
#include "user/network.h"

struct client_limits;

/* 0 in a limit: not limited. */
struct client_limits_conf {
	unsigned connections;            /* at once, per client */
	unsigned connection_rate;        /* new ones within connection_per */
	int64_t connection_per;
	unsigned letter_rate;
	int64_t letter_per;
	unsigned errors;                 /* within errors_per; then no new connection */
	int64_t errors_per;
	unsigned connections_all;        /* at once, of all clients */
	unsigned submission_reserve;     /* of these, kept for submission */
	size_t entries_max;              /* 0: 65,536 */
	const struct network *friends;   /* limited by connections_all only */
	size_t n_friends;
};

enum client_why {
	CLIENT_OK,
	CLIENT_TOO_MANY,         /* connections at once */
	CLIENT_TOO_FAST,         /* connections in a time */
	CLIENT_LETTERS,
	CLIENT_ERRORS,
	CLIENT_SERVER_FULL,
	CLIENT_TABLE_FULL,
};

struct client_verdict {
	bool allow;
	enum client_why why;
	const char *text;        /* public: what follows 421 4.7.0 or 451 4.7.1 */
};

/* The conf is copied, its networks too. */
struct client_limits *client_limits_open(const struct client_limits_conf *conf, struct err *e);
void client_limits_close(struct client_limits *l);
/* Other limits from now on; what is counted stays. */
bool client_limits_change(struct client_limits *l, const struct client_limits_conf *conf,
			  struct err *e);

/* Each allowed connection is ended by client_disconnect with the same address. */
struct client_verdict client_connect(struct client_limits *l, const struct net_address *from,
				     bool is_submission, int64_t now);
void client_disconnect(struct client_limits *l, const struct net_address *from, int64_t now);
/* Asked at MAIL. */
struct client_verdict client_letter(struct client_limits *l, const struct net_address *from,
				    int64_t now);
/* The client made n errors: refused recipients, bad commands, failed logins. */
void client_error(struct client_limits *l, const struct net_address *from, unsigned n, int64_t now);

size_t client_limits_connections(const struct client_limits *l);
size_t client_limits_entries(const struct client_limits *l);
