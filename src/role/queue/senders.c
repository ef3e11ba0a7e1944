/* senders.c — our own people and programs: whose session is it, may it send, to how many?
 *
 * The parent says whose a session of smtpd is; smtpd only its number.  Which addresses somebody may
 * use says `user`.  To how many recipients one sends is counted here, since all letters come here:
 * a bucket for each name, which empties at the pace that the configuration allows. */
#include "role/queue/queue_role.h"

#include "base/log.h"
#include "base/map.h"
#include "user/network.h"
#include "wire/smtp_reply.h"

#include <stdlib.h>

enum { SESSIONS_MAX = 100000, BUCKETS_MAX = 10000 };
#define TOLD_WITHIN (5 * SECOND)

struct session_key {
	uint64_t session;
	uint64_t instance;
};

struct sending {
	enum sender_kind kind;
	uint32_t uid;
	char account[LETTER_NAME_MAX + 1];
};

struct bucket {
	double full;             /* recipients */
	int64_t at;              /* monotonic */
};

static struct map sessions;              /* struct session_key → struct sending */
static struct map buckets;               /* kind and name → struct bucket */
static struct wait told;

static struct str key_of(const struct session_key *k)
{
	return str_of((const char *)k, sizeof(*k));
}

/* -- whose session --------------------------------------------------------- */

static void hear_account(struct link *l, void *tell)
{
	struct queue_account *t = tell;
	struct session_key k = { t->session, t->instance };
	struct sending *s = calloc(1, sizeof(*s));

	(void)l;
	if (!s || t->sender >= SENDER_KINDS || t->account.n > LETTER_NAME_MAX || sessions.n >= SESSIONS_MAX) {
		log_warn("sender", "account=%s why=\"too many sessions, or no account\"", LOGQ(t->account));
		free(s);
		return;
	}
	*s = (struct sending){ .kind = (enum sender_kind)t->sender, .uid = t->uid };
	memcpy(s->account, t->account.n ? t->account.p : "", t->account.n);
	free(map_put(&sessions, key_of(&k), s));
	wait_wake_all(&told);
}

static void hear_end(struct link *l, void *tell)
{
	struct queue_session_end *t = tell;
	struct session_key k = { t->session, l->instance };

	free(map_remove(&sessions, key_of(&k)));
}

void senders_unlinked(struct link *l)
{
	struct str key;
	void *value;

	for (size_t i = 0; l->peer == ROLE_SMTPD && map_next(&sessions, &i, &key, &value);) {
		struct session_key k;

		memcpy(&k, key.p, sizeof(k));
		if (k.instance != l->instance)
			continue;
		map_remove(&sessions, key);
		free(value);
	}
}

/* What the parent tells may still be on its way. */
SUSPENDS static bool find_session(const struct link *l, uint64_t number, struct sender_found *ret, struct arena *a)
{
	struct session_key k = { number, l->instance };
	const struct sending *s = NULL;
	struct err e;

	WITHIN(TOLD_WITHIN)
		while (!(s = map_get(&sessions, key_of(&k))))
			if (!wait_on(&told, "whose session it is", &e))
				return false;
	*ret = (struct sender_found){ .kind = s->kind, .uid = s->uid, .account = arena_str(a, str_from_z(s->account)) };
	return true;
}

/* -- to how many ----------------------------------------------------------- */

static struct str bucket_key(const struct sender_found *s, struct arena *a)
{
	return arena_printf(a, "%u " STR_FMT, s->kind == SENDER_DROP ? SENDER_LOCAL : s->kind, STR_ARG(s->name));
}

/* Those that are empty by now are worth nothing. */
static void forget_buckets(int64_t now)
{
	struct str key;
	void *value;

	for (size_t i = 0; map_next(&buckets, &i, &key, &value);) {
		const struct bucket *b = value;

		if (now - b->at < HOUR && buckets.n < 2 * BUCKETS_MAX)
			continue;
		map_remove(&buckets, key);
		free(value);
	}
}

static struct bucket *bucket_of(const struct sender_found *s, struct arena *a)
{
	struct str key = bucket_key(s, a);
	struct bucket *b = map_get(&buckets, key);
	int64_t now = time_mono();

	if (!b) {
		if (buckets.n >= BUCKETS_MAX)
			forget_buckets(now);
		b = calloc(1, sizeof(*b));
		must(b, "out of memory for a sender");
		b->at = now;
		map_put(&buckets, key, b);
	}
	if (s->limit)
		b->full -= (double)(now - b->at) * s->limit / (double)s->limit_per;
	if (b->full < 0 || !s->limit)
		b->full = 0;
	b->at = now;
	return b;
}

/* No room for one more? */
static bool is_over_limit(const struct sender_found *s, struct arena *a)
{
	return s->limit && bucket_of(s, a)->full + 1 > s->limit;
}

void sender_charge(const struct sender_found *s, size_t rcpts, struct arena *a)
{
	if (s->limit)
		bucket_of(s, a)->full += (double)rcpts;
}

/* -- may it ---------------------------------------------------------------- */

static bool is_in_network(struct str peer)
{
	struct net_address from;

	return net_address_parse(peer, &from) && conf_network_of(&conf_now()->submission.networks, from.b);
}

SUSPENDS bool sender_find(const struct link *l, uint64_t session, uint8_t sender, struct str peer,
			  struct sender_found *ret, struct arena *a, struct err *e)
{
	if (sender != SENDER_NETWORK)
		return find_session(l, session, ret, a) || fail(e, FAULT_TEMP, "nobody has said whose session this is");
	*ret = (struct sender_found){ .kind = SENDER_NETWORK, .peer = arena_str(a, peer) };
	return is_in_network(peer) || fail(e, FAULT_TEMP, "no network may send from there now");
}

SUSPENDS bool sender_ask(struct sender_found *s, const struct ipc_text *addresses, size_t n, struct sender_verdict *ret,
			 struct arena *a, struct err *e)
{
	struct user_sender q = { .sender = (uint8_t)s->kind, .account = s->account, .uid = s->uid, .peer = s->peer,
				 .addresses = { (struct ipc_text *)(uintptr_t)addresses, n } };
	struct user_sender_answer r;

	if (!user_sender(link_to(ROLE_USER), &q, &r, a, e))
		return fail_in(e, "by which addresses it may send");
	s->name = r.name;
	s->limit = r.limit_per > 0 ? r.limit : 0;
	s->limit_per = r.limit_per;
	*ret = (struct sender_verdict){ .reply = REPLY_NONE, .owner = r.owner, .signers = r.signers.p, .n_signers = r.signers.n };
	if (r.allow)
		return true;
	ret->why = r.why;
	ret->reply = r.refused == 0 ? REPLY_NOT_YOURS : REPLY_AUTHOR_NOT_YOURS;
	ret->text = r.refused >= n ? S("") :
		arena_printf(a, "you may not send by <" STR_FMT ">%s: use an address of yours, or ask the postmaster to allow it",
			     STR_ARG(str_head(addresses[r.refused].text, 320)), r.refused ? " in From" : "");
	return true;
}

SUSPENDS static bool serve_sender(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_sender *q = question;
	struct queue_sender_answer *r = answer;
	struct ipc_text from = { q->mail_from };
	struct sender_found s;
	struct sender_verdict v;

	r->answer = SENDER_IS_REFUSED;
	if (!sender_find(l, q->session, q->sender, q->peer, &s, a, e)) {
		r->reply = REPLY_SESSION_UNKNOWN;
		r->why = arena_str(a, str_from_z(e->text));
		return true;
	}
	if (!sender_ask(&s, &from, 1, &v, a, e))
		return false;
	if (v.reply && s.kind == SENDER_NETWORK) {
		r->answer = SENDER_IS_STRANGER;
		return true;
	}
	r->reply = (uint16_t)v.reply;
	r->text = v.text;
	r->why = v.why;
	if (!v.reply && is_over_limit(&s, a)) {
		r->reply = REPLY_ACCOUNT_RATE;
		r->text = arena_printf(a, "you may send to %u recipients in %lld minutes, and have; try again later", s.limit,
				       (long long)((s.limit_per + MINUTE - 1) / MINUTE));
		r->why = arena_printf(a, STR_FMT " is over its limit of recipients (per-account)", STR_ARG(s.name));
	}
	if (r->reply == REPLY_NONE)
		r->answer = SENDER_IS_OURS;
	return true;
}

void senders_open(void)
{
	ipc_hear(IPC_queue_account, hear_account);
	ipc_hear(IPC_queue_session_end, hear_end);
	ipc_serve(IPC_queue_sender, serve_sender);
}
