/* guest.c — one client: welcome, dialogue, and its bytes; see guest.h. */
#include "role/login/guest.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/map.h"
#include "fiber/carry.h"

#include <stdio.h>
#include <stdlib.h>

enum { TAG_LINE_MAX = 160 };             /* IMAP_TAG_MAX, CRLF */
#define USER_WITHIN (30 * SECOND)
#define HANDSHAKE_WITHIN MINUTE
#define STREAM_WITHIN (20 * SECOND)
#define STOP_WITHIN (10 * SECOND)

static struct guest *guests;
static struct map by_number;
static struct nursery fibers;
static struct wait gone;                 /* one of them */

/* -- life ------------------------------------------------------------------ */

/* The listen line this socket was opened for; a reload may have moved it. */
static const struct conf_listen *listen_of(const struct conf *c, uint32_t index, uint16_t port)
{
	if (index < c->listens.n && c->listens.p[index].port == port)
		return &c->listens.p[index];
	for (size_t i = 0; i < c->listens.n; i++)
		if (c->listens.p[i].port == port &&
		    (c->listens.p[i].proto == CONF_IMAP || c->listens.p[i].proto == CONF_POP3))
			return &c->listens.p[i];
	return NULL;
}

static struct str key_of(const uint64_t *number)
{
	return str_of(number, sizeof(*number));
}

/* The password was right: its stream to the mailbox comes from the parent. */
SUSPENDS static bool await_stream(struct claimant *c, struct err *e)
{
	struct guest *g = guest_find(c->session);

	WITHIN(STREAM_WITHIN)
		while (g->stream < 0)
			if (!wait_on(&g->arrival, "its mailbox", e))
				return false;
	return true;
}

static void give_stream_back(struct claimant *c)
{
	struct guest *g = guest_find(c->session);

	if (g->stream >= 0)
		fd_end(&g->stream);
}

struct guest *guest_open(const struct front_client *c, uint64_t number)
{
	const struct conf_listen *listen = listen_of(conf_now(), c->listener, c->port);
	struct guest *g = listen ? calloc(1, sizeof(*g)) : NULL;

	if (!g)
		return NULL;
	conn_init(&g->conn, c->fd);
	g->conf = conf_hold();
	g->protocol = listen->proto;
	g->tls = listen->tls;
	g->dialogue = listen->proto == CONF_POP3 ? &pop3_dialogue : &imap_dialogue;
	memcpy(g->addr, c->addr, sizeof(g->addr));
	front_print_peer(c->addr, g->peer);
	g->port = c->port;
	g->number = number;
	g->stream = -1;
	g->claim = (struct claimant){ .conn = &g->conn, .peer = g->peer, .session = number, .protocol = listen->proto,
				      .is_clear_fine = listen->tls == CONF_TLS_PLAINTEXT, .challenge = S("+ "),
				      .admit = await_stream, .give_back = give_stream_back };
	map_put(&by_number, key_of(&g->number), g);
	g->next = guests;
	if (guests)
		guests->prev = g;
	guests = g;
	return g;
}

struct guest *guest_find(uint64_t number)
{
	return map_get(&by_number, key_of(&number));
}

static void guest_close(struct guest *g)
{
	if (g->prev)
		g->prev->next = g->next;
	else
		guests = g->next;
	if (g->next)
		g->next->prev = g->prev;
	map_remove(&by_number, key_of(&g->number));
	carry_close(g->carrying);
	conn_end(&g->conn);
	if (g->stream >= 0) {
		fd_wait_forget(g->stream);
		fd_end(&g->stream);
	}
	free(g->tag);
	conf_release(&g->conf);
	free(g);
	wait_wake_all(&gone);
}

/* -- TLS ------------------------------------------------------------------- */

SUSPENDS bool guest_start_tls(struct guest *g, struct err *e)
{
	struct tls_facts f;
	bool ok = false;

	if (!front_tls())
		return fail(e, FAULT_TEMP, "there is no usable certificate");
	WITHIN(HANDSHAKE_WITHIN)
		ok = conn_start_tls(&g->conn, front_tls(), e);
	if (!ok) {
		log_info("starttls", "peer=%s result=failed why=%s", g->peer, LOGQ(str_from_z(e->text)));
		return false;
	}
	f = conn_tls_facts(&g->conn);
	log_debug("starttls", "peer=%s tls=" STR_FMT " cipher=" STR_FMT " name=%s", g->peer, STR_ARG(f.version),
		  STR_ARG(f.cipher), LOGQ(f.sni));
	return true;
}

/* -- the story ------------------------------------------------------------- */

SUSPENDS static void turn_away(struct guest *g, struct str why)
{
	struct err e;

	/* before TLS nothing can be said to who expects it */
	if (g->tls != CONF_TLS_WRAPPED && conn_put(&g->conn, g->dialogue->busy, &e) && conn_put(&g->conn, why, &e))
		conn_write(&g->conn, S("\r\n"), &e);
}

/* May it come in at all?  Nothing was said to it yet. */
SUSPENDS static bool welcome(struct guest *g)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct user_connect_answer r = { 0 };
	struct err e = { 0 };
	bool ok = false;

	WITHIN(USER_WITHIN)
		ok = user_connect(link_to(ROLE_USER), &(struct user_connect){ .peer = str_from_z(g->peer) }, &r, &a, &e);
	g->is_connected = ok && r.allow;
	if (!ok)                 /* else `user` has said it */
		log_info("refused", "peer=%s protocol=%s why=%s", g->peer, g->dialogue->name, LOGQ(str_from_z(e.text)));
	if (!g->is_connected)
		turn_away(g, ok ? r.why : str_from_z("out of resources, come back later"));
	return g->is_connected;
}

/* Why it ended before anybody was known. */
SUSPENDS static void say_end(struct guest *g, const struct err *e)
{
	struct tls_facts tls = conn_tls_facts(&g->conn);
	struct err lost;

	log_info("disconnect", "peer=%s protocol=%s tls=" STR_FMT " failures=%u why=%s", g->peer, g->dialogue->name,
		 STR_ARG(tls.version), g->claim.failures, LOGQ(str_from_z(e->text)));
	if (g->conn.broken || (g->tls == CONF_TLS_WRAPPED && !guest_has_tls(g)))
		return;
	if (e->fault == FAULT_CANCEL)
		conn_write(&g->conn, g->dialogue->stopping, &lost);
	else if (e->timed_out)
		conn_write(&g->conn, g->dialogue->too_slow, &lost);
}

SUSPENDS static bool log_in(struct guest *g)
{
	struct err e = { 0 };
	bool ok = false;

	WITHIN(g->conf->c.login.patience) {
		ok = (g->tls != CONF_TLS_WRAPPED || guest_start_tls(g, &e)) && g->dialogue->converse(g, &e);
	}
	if (!ok)
		say_end(g, &e);
	return ok;
}

/* The tag, for the mailbox to answer. */
static struct str first_line(const struct guest *g, char mem[TAG_LINE_MAX])
{
	struct buf b = buf_over(mem, TAG_LINE_MAX);

	buf_addf(&b, "%s\r\n", g->tag ? g->tag : "");
	return buf_str(&b);
}

/* -- carried --------------------------------------------------------------- */

static void say_carried(const struct guest *g, const struct err *e)
{
	const struct carried *f = carry_facts(g->carrying);

	log_info("disconnect", "peer=%s protocol=%s session=%llx in=%llu out=%llu why=%s", g->peer,
		 g->dialogue->name, (unsigned long long)g->number, (unsigned long long)f->in,
		 (unsigned long long)f->out, LOGQ(str_from_z(e->fault ? e->text : f->why)));
}

SUSPENDS static void leave(struct guest *g)
{
	claimant_log_out(&g->claim);
	if (g->is_connected)
		user_disconnect(link_to(ROLE_USER), &(struct user_disconnect){ .peer = str_from_z(g->peer) });
	conn_close(&g->conn);
	guest_close(g);
}

static bool start(struct guest *g, fiber_fn *fn)
{
	char name[FIBER_NAME_MAX];

	snprintf(name, sizeof(name), "login/%llx", (unsigned long long)g->number);
	return fiber_start(&fibers, name, fn, g);
}

static void wake(void *guest);

/* True: it is carried on by the next fiber, when something comes. */
SUSPENDS static bool carry_session(struct guest *g)
{
	struct err e = { 0 };

	if (carry_on(g->carrying, &e) && carry_watch(g->carrying, wake, g, &e)) {
		g->fiber = NULL;
		return true;
	}
	say_carried(g, &e);
	return false;
}

SUSPENDS static void carried_run(void *guest)
{
	struct guest *g = guest;

	g->fiber = fiber_self();
	if (!carry_session(g))
		leave(g);
}

static void wake(void *guest)
{
	struct guest *g = guest;

	if (start(g, carried_run))
		return;
	log_warn("disconnect", "peer=%s why=\"no memory for a fiber\"", g->peer);
	claimant_log_out(&g->claim);
	user_disconnect(link_to(ROLE_USER), &(struct user_disconnect){ .peer = str_from_z(g->peer) });
	guest_close(g);
}

SUSPENDS static bool carry_begin(struct guest *g)
{
	char mem[TAG_LINE_MAX];
	struct err e;

	conf_release(&g->conf);
	if (!conn_flush(&g->conn, &e) || !fd_set_nonblocking(g->stream, &e)) {
		log_info("disconnect", "peer=%s protocol=%s session=%llx why=%s", g->peer, g->dialogue->name,
			 (unsigned long long)g->number, LOGQ(str_from_z(e.text)));
		return false;
	}
	g->carrying = carry_open(&g->conn, g->stream, first_line(g, mem));
	return g->carrying && carry_session(g);
}

/* -- all of it ------------------------------------------------------------- */

SUSPENDS static void guest_run(void *guest)
{
	struct guest *g = guest;

	g->fiber = fiber_self();
	log_debug("connect", "peer=%s port=%u", g->peer, g->port);
	if (!welcome(g) || !log_in(g) || !carry_begin(g))
		leave(g);
}

void guest_start(struct guest *g)
{
	if (start(g, guest_run))
		return;
	log_warn("connect", "peer=%s why=\"no memory for a fiber\"", g->peer);
	guest_close(g);
}

SUSPENDS void guests_end(void)
{
	struct err e;

	for (struct guest *g = guests; g; g = g->next)
		if (!g->carrying && g->fiber)
			fiber_cancel(g->fiber);
	WITHIN(STOP_WITHIN)
		while (guests && wait_on(&gone, "the last clients", &e))
			continue;
	if (guests)
		log_warn("stop", "why=\"some sessions did not end in time\"");
	nursery_cancel(&fibers);
	for (struct guest *g = guests, *next; g; g = next) {
		next = g->next;
		if (g->carrying && !g->fiber)
			carry_wake(g->carrying);
	}
	nursery_end(&fibers);
}
