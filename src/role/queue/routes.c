/* routes.c — where addresses lead: asked of `user`, and remembered for seconds.
 *
 * `user` counts an epoch: each change of a file, an account or the configuration
 * begins another.  A recipient carries the epoch of the answer to its RCPT (0:
 * none), and a remembered route serves it only if it is of that very epoch, so
 * that a change holds from the next RCPT on.  An smtpd that lies about the epoch
 * can bring back a route that is REMEMBERED_FOR old, not one of its own making. */
#include "role/queue/queue_role.h"

#include "base/map.h"
#include "user/rcpt_answer.h"

#define REMEMBERED_FOR (10 * SECOND)

enum {
	MEMORY_MAX = 2 << 20,
	TARGETS_EACH_MAX = 16,           /* an address that leads to more is asked for each time */
	KEY_MAX = 700,                   /* a longer address too */
};

struct remembered {
	size_t n;
	struct ipc_target targets[];
};

/* All of one epoch; it is forgotten as a whole. */
static struct {
	uint64_t epoch;
	int64_t until;
	struct arena a;
	struct map routes;               /* key_of() → struct remembered, in a */
} known = { .a = { .limit = MEMORY_MAX } };

static void forget_all(void)
{
	map_end(&known.routes);
	arena_end(&known.a);
	known.a = (struct arena){ .limit = MEMORY_MAX };
	known.routes = (struct map){ 0 };
	known.epoch = 0;
}

/* The length makes two texts one without a doubt. */
static struct str key_of(const struct ipc_rcpt *r, char to[static KEY_MAX])
{
	struct buf b = buf_over(to, KEY_MAX);
	uint16_t n = (uint16_t)r->local.n;

	buf_add(&b, str_of((const char *)&n, sizeof(n)));
	buf_add(&b, r->local);
	buf_add(&b, r->domain);
	return b.full ? S("") : buf_str(&b);
}

static struct ipc_target copy_of(const struct ipc_target *t, struct arena *a)
{
	struct ipc_target ret = *t;

	ret.account = arena_str(a, t->account);
	ret.address = arena_str(a, t->address);
	ret.text = arena_str(a, t->text);
	ret.steps = arena_str(a, t->steps);
	return ret;
}

/* -- remembering ----------------------------------------------------------- */

static void remember_one(const struct ipc_rcpt *r, const struct ipc_target *targets, size_t n)
{
	struct arena_mark before = arena_mark(&known.a);
	char mem[KEY_MAX];
	struct str key = key_of(r, mem);
	struct remembered *m;

	if (!key.n || n > TARGETS_EACH_MAX || map_get(&known.routes, key))
		return;
	for (size_t i = 0; i < n; i++)
		if (targets[i].kind != TARGET_ACCOUNT)
			return;
	m = arena_alloc(&known.a, 1, sizeof(*m) + n * sizeof(m->targets[0]));
	if (!m)
		return;
	m->n = n;
	for (size_t i = 0; i < n; i++)
		m->targets[i] = copy_of(&targets[i], &known.a);
	if (known.a.full)
		arena_rewind(&known.a, before);
	else
		map_put(&known.routes, key, m);
}

/* The targets of each recipient stand in a row. */
static void remember(const struct ipc_rcpt *rcpts, const struct user_route_answer *r)
{
	int64_t now = time_mono();

	if (!r->epoch)
		return;
	if (r->epoch != known.epoch || now >= known.until || known.a.full) {
		forget_all();
		known.epoch = r->epoch;
		known.until = now + REMEMBERED_FOR;
	}
	for (size_t i = 0, end; i < r->targets.n; i = end) {
		for (end = i + 1; end < r->targets.n && r->targets.p[end].rcpt == r->targets.p[i].rcpt;)
			end++;
		remember_one(&rcpts[r->targets.p[i].rcpt], &r->targets.p[i], end - i);
	}
}

/* -- asking ---------------------------------------------------------------- */

static const struct remembered *find(const struct ipc_rcpt *r)
{
	char mem[KEY_MAX];

	return r->epoch && r->epoch == known.epoch ? map_get(&known.routes, key_of(r, mem)) : NULL;
}

/* All of them, or none. */
static bool recall(const struct ipc_rcpt *rcpts, size_t n, struct user_route_answer *ret, struct arena *a)
{
	size_t n_targets = 0;

	if (time_mono() >= known.until)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct remembered *m = find(&rcpts[i]);

		if (!m)
			return false;
		n_targets += m->n;
	}
	*ret = (struct user_route_answer){ .epoch = known.epoch };
	ret->targets.p = ARENA_ARRAY(a, struct ipc_target, n_targets ? n_targets : 1);
	if (!ret->targets.p)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct remembered *m = find(&rcpts[i]);

		for (size_t k = 0; k < m->n; k++) {
			ret->targets.p[ret->targets.n] = copy_of(&m->targets[k], a);
			ret->targets.p[ret->targets.n++].rcpt = (uint16_t)i;
		}
	}
	return !a->full;
}

SUSPENDS bool route_all(struct str stranger, struct ipc_rcpt *rcpts, size_t n, bool may_relay,
			struct user_route_answer *ret, struct arena *a, struct err *e)
{
	struct user_route q = { .may_relay = may_relay, .stranger = stranger, .rcpts.p = rcpts, .rcpts.n = n };

	if (recall(rcpts, n, ret, a))
		return true;
	if (!user_route(link_to(ROLE_USER), &q, ret, a, e))
		return false;
	for (size_t i = 0; i < ret->targets.n; i++)
		if (ret->targets.p[i].rcpt >= n)
			return fail(e, FAULT_TEMP, "a route for a recipient that is not there");
	remember(rcpts, ret);
	return true;
}
