/* routes.c — answers where an address leads.
 *
 * A route that needs a Linux account not asked for yet is followed again from
 * the top once pam has answered; meanwhile the world may have changed.  Who an
 * account is (uid, home) is told to the parent before its name leaves this role. */
#include "role/user/user.h"

#include "base/log.h"
#include "trust/srs.h"
#include "user/account_dir.h"
#include "user/domain_name.h"
#include "user/rcpt_answer.h"
#include "user/report_account.h"
#include "wire/address.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SRS_LAYERS = 2,
	ASKS_MAX = 64,                   /* Linux accounts for one address */
	ANSWER_ARENA = 4 << 20,
	TARGETS_MAX = IPC_LIST_MAX,
	FIRST_TARGETS = 16,              /* more than one for each recipient */
	ANSWER_BYTES = IPC_MESSAGE_MAX - 4096,
	TARGET_BYTES = 28,               /* of one target besides its texts */
	USUAL_BYTES = 100,
	LATER_BYTES = 40,                /* of one that has to wait for the next question */
};

static const struct str text_later = S("cannot deliver to this address now, try again later");

static uint8_t srs_key[SRS_SECRET];
static uint32_t mail_uid, mail_gid;      /* of all accounts that are not Linux accounts */
static struct map told;                  /* account → what the parent knows of it */

/* -- one address ----------------------------------------------------------- */

static void set_later(struct route *r, struct str reason)
{
	r->verdict = ROUTE_LATER;
	r->code = 451;
	r->status = "4.3.0";
	r->text = text_later;
	r->reason = reason;
	r->n_targets = 0;
}

/* A sender that was rewritten here: the report about a letter that was passed on goes back to the real one.  A letter
 * that came by twice has it rewritten twice, first as SRS0, then as the SRS1 of that.  False: the address is no
 * such thing. */
static bool route_back(struct str *local, struct str *domain, struct arena *a, struct route *ret)
{
	struct route_step *step = ARENA_NEW(a, struct route_step);
	struct str folded;
	unsigned layers = 0;
	struct err e;

	while (layers < SRS_LAYERS && str_starts_nocase(*local, S("SRS")) && domain_fold(*domain, a, &folded, &e) &&
	       route_domain_is_ours(world_now(), folded) &&
	       srs_resolve(srs_key, *local, time_now(), a, local, domain) == SRS_OK)
		layers++;
	if (!layers || !step || !domain_fold(*domain, a, &folded, &e))
		return false;
	*domain = folded;
	if (route_domain_is_ours(world_now(), folded))
		return false;                    /* *local and *domain are routed */
	step->text = arena_printf(a, "it stands for " STR_FMT "@" STR_FMT, STR_ARG(*local), STR_ARG(folded));
	*ret = (struct route){ .verdict = ROUTE_ACCEPT, .code = 250, .status = "2.1.5", .text = S("ok"),
			       .reason = step->text, .targets = ARENA_NEW(a, struct route_target), .n_targets = 1 };
	if (!ret->targets)
		return false;
	*ret->targets = (struct route_target){ .kind = ROUTE_REMOTE, .local = *local, .domain = folded, .last = step };
	return true;
}

SUSPENDS void routes_follow(struct str local, struct str domain, struct arena *a, struct route *ret)
{
	struct arena_mark begin;
	struct err e = { 0 };

	if (route_back(&local, &domain, a, ret))
		return;
	begin = arena_mark(a);
	for (int asks = 0;; asks++) {
		*ret = (struct route){ 0 };
		if (!route_address(world_now(), local, domain, a, ret, &e)) {
			log_error("route", "rcpt=%s why=%s", LOGQ(local), LOGQ(str_from_z(e.text)));
			set_later(ret, S("not enough memory to route the address"));
			return;
		}
		if (!ret->ask_linux.n || asks == ASKS_MAX)
			break;
		if (!linux_accounts_ask(ret->ask_linux, &e)) {
			log_warn("route", "rcpt=%s why=%s", LOGQ(local), LOGQ(str_from_z(e.text)));
			set_later(ret, S("the Linux accounts cannot be asked now"));
			return;
		}
		a->full = false;
		arena_rewind(a, begin);
	}
	if (ret->verdict == ROUTE_REFUSE && world_is_incomplete())
		set_later(ret, S("an address file has not been read yet"));
}

static enum rcpt_answer kind_of(const struct route *r)
{
	struct str status = str_from_z(r->status);

	if (r->verdict == ROUTE_ACCEPT)
		return RCPT_OK;
	if (r->verdict == ROUTE_LATER)
		return RCPT_LATER;
	if (str_eq(status, S("5.7.1")))
		return RCPT_NOT_OURS;
	return str_eq(status, S("5.4.6")) ? RCPT_LOOP : RCPT_REFUSED;
}

SUSPENDS static bool serve_rcpt(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(arena_end) struct arena scratch = { .limit = ROUTE_MEMORY };
	struct user_rcpt *q = question;
	struct user_rcpt_answer *r = answer;
	struct route found;

	(void)l;
	routes_follow(q->local, q->domain, &scratch, &found);
	r->kind = (uint8_t)kind_of(&found);
	r->epoch = world_epoch();
	r->text = arena_str(a, found.text);
	r->why = arena_str(a, str_head(found.reason, 1000));
	return a->full ? fail(e, FAULT_TEMP, "out of memory") : true;
}

SUSPENDS static bool serve_explain(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(arena_end) struct arena scratch = { .limit = ROUTE_MEMORY + 4096 };
	struct user_explain *q = question;
	struct user_explain_answer *r = answer;
	struct buf b = buf_on_heap(32768);
	struct smtp_path p = { 0 };
	struct route found;

	(void)l;
	if (!str_has(q->address, '@'))
		p = (struct smtp_path){ .local = q->address, .domain = S("localhost") };
	else if (!address_parse(q->address, PATH_UTF8, &scratch, &p))
		return fail(e, FAULT_PERM, "%s is no address", LOGQ(str_head(q->address, 100)));
	routes_follow(p.local, p.domain, &scratch, &found);
	buf_add_printable(&b, q->address, 400);
	buf_add_char(&b, '\n');
	route_print(&found, &b);
	r->found = found.verdict == ROUTE_ACCEPT;
	r->is_remote = found.verdict == ROUTE_REFUSE && str_eq(str_from_z(found.status), S("5.7.1"));
	r->text = arena_str(a, buf_str(&b));
	buf_end(&b);
	return a->full ? fail(e, FAULT_TEMP, "out of memory") : true;
}

/* -- who an account is ----------------------------------------------------- */

/* The parent hears of an account once, and again when something changed. */
static bool tell_parent(const struct parent_account *t, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 16384 };
	struct str now = arena_printf(&a, "%u:%u:%u:" STR_FMT, t->uid, t->gid, t->is_linux, STR_ARG(t->home));
	const char *was = map_get(&told, t->account);
	char *kept;

	if (was && str_eq(str_from_z(was), now))
		return true;
	kept = strndup(now.p, now.n);
	if (a.full || !kept) {
		free(kept);
		return fail(e, FAULT_TEMP, "out of memory");
	}
	if (!link_say(self.parent, IPC_parent_account, t, e)) {
		free(kept);
		return false;
	}
	free(map_put(&told, t->account, kept));
	return true;
}

static bool tell_account(const struct route_target *t, struct str account, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 16384 };
	struct str local, domain, home;

	if (!account_dir_name(t->local, &a, &local, e) || !account_dir_name(t->domain, &a, &domain, e))
		return false;
	home = arena_printf(&a, STR_FMT "/mail/" STR_FMT "/" STR_FMT, STR_ARG(conf_now()->storage), STR_ARG(domain),
			    STR_ARG(local));
	if (a.full)
		return fail(e, FAULT_TEMP, "out of memory");
	return tell_parent(&(struct parent_account){ .account = account, .uid = mail_uid, .gid = mail_gid,
						     .home = home }, e);
}

static bool tell_linux(struct str name, struct err *e)
{
	struct linux_home h = linux_accounts_home(name);

	return tell_parent(&(struct parent_account){ .account = name, .uid = h.uid, .gid = h.gid, .is_linux = 1,
						     .home = h.home }, e);
}

SUSPENDS bool routes_tell_account(struct str account, struct err *e)
{
	size_t at = str_rfind(account, '@');
	struct route_target t = { .local = str_head(account, at), .domain = str_from(account, at + 1) };

	if (at < account.n)
		return tell_account(&t, account, e);
	if (linux_accounts_know(NULL, account) != KNOWN_YES && !linux_accounts_ask(account, e))
		return false;
	if (linux_accounts_know(NULL, account) != KNOWN_YES)
		return fail(e, FAULT_TEMP, "there is no Linux account of that name now");
	return tell_linux(account, e);
}

SUSPENDS static bool serve_account(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_account *q = question;

	(void)l, (void)answer, (void)a;
	return routes_tell_account(q->account, e);
}

SUSPENDS static bool serve_whose(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_whose *q = question;
	struct user_whose_answer *r = answer;
	struct account_name name;

	(void)l;
	return account_key(q->name, a, &name, &r->account, e) && routes_tell_account(r->account, e);
}

/* -- a letter's recipients ------------------------------------------------- */

/* "users file F line 3: sales@x → alice@x; alice@x: account alice@x" */
static struct str steps_of(const struct route_target *t, struct arena *a)
{
	const struct route_step *steps[ROUTE_STEPS_MAX + 2];
	struct buf b = buf_on_heap(2000);
	struct str ret;
	size_t n = 0;

	for (const struct route_step *s = t->last; s && n < ARRAY_LEN(steps); s = s->from)
		steps[n++] = s;
	while (n > 0) {
		buf_add_printable(&b, steps[--n]->text, 500);
		buf_add(&b, n ? S("; ") : S(""));
	}
	ret = arena_str(a, buf_str(&b));
	buf_end(&b);
	return ret;
}

static struct str address_of(const struct route_target *t, struct arena *a)
{
	struct buf b = buf_on_heap(2048);
	struct str local = t->local, ret;

	if (t->tag.n && (t->kind == ROUTE_ACCOUNT || t->kind == ROUTE_LINUX))
		local = arena_printf(a, STR_FMT "%c" STR_FMT, STR_ARG(t->local), world_now()->subaddress, STR_ARG(t->tag));
	smtp_path_add(&b, local, t->domain);
	ret = arena_str(a, buf_str(&b));
	buf_end(&b);
	return ret;
}

static struct ipc_target account_target(const struct route_target *t, struct arena *a)
{
	struct ipc_target ret = { .kind = TARGET_ACCOUNT, .account = arena_str(a, t->local) };
	struct err e = { 0 };
	bool ok;

	if (t->kind == ROUTE_LINUX) {
		ok = tell_linux(t->local, &e);
	} else {
		ret.account = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(t->local), STR_ARG(t->domain));
		ok = tell_account(t, ret.account, &e);
	}
	if (ok)
		return ret;
	log_error("route", "account=%s why=%s", LOGQ(ret.account), LOGQ(str_from_z(e.text)));
	return (struct ipc_target){ .kind = TARGET_LATER, .text = text_later };
}

/* MAIL FROM of what leaves for another server, of a stranger's letter: the next server checks SPF against us. */
static struct str sender_of(struct str stranger, const struct ipc_rcpt *rcpt, struct arena *a)
{
	struct smtp_path from;
	struct str domain, made;
	struct err e;

	if (!stranger.n || !address_parse(stranger, PATH_UTF8, a, &from) ||
	    (domain_fold(from.domain, a, &domain, &e) && route_domain_is_ours(world_now(), domain)))
		return S("");
	made = srs_make(srs_key, from.local, from.domain, time_now(), a);
	if (!made.n)
		return S("");
	struct buf b = buf_on_heap(2048);

	smtp_path_add(&b, made, rcpt->domain.n ? rcpt->domain : conf_now()->hostname);
	made = arena_str(a, buf_str(&b));
	buf_end(&b);
	return made;
}

static struct ipc_target target_of(const struct route_target *t, struct arena *a)
{
	switch (t->kind) {
	case ROUTE_ACCOUNT:
	case ROUTE_LINUX:
		return account_target(t, a);
	case ROUTE_REMOTE:
		return (struct ipc_target){ .kind = TARGET_REMOTE };
	case ROUTE_DMARC_REPORTS:
		return (struct ipc_target){ .kind = TARGET_ACCOUNT, .account = S(REPORTS_ACCOUNT) };
	case ROUTE_BLACKHOLE:
		return (struct ipc_target){ .kind = TARGET_NOTHING };
	case ROUTE_FAIL:
		return (struct ipc_target){ .kind = TARGET_REFUSED, .text = arena_str(a, t->text) };
	case ROUTE_DEFER:
	case ROUTE_PIPE:
	case ROUTE_FILE:
	case ROUTE_INCLUDE:
		break;
	}
	return (struct ipc_target){ .kind = TARGET_LATER, .text = arena_str(a, t->text.n ? t->text : text_later) };
}

/* An answer in the making: one message. */
struct answer {
	const struct user_route *q;
	struct user_route_answer *r;
	struct arena *a;
	size_t bytes, room;              /* of the message; for targets */
	bool may_relay;
};

static bool make_room(struct answer *x, size_t room)
{
	struct ipc_target *p = ARENA_ARRAY(x->a, struct ipc_target, room);

	if (!p)
		return false;
	if (x->room)
		memcpy(p, x->r->targets.p, x->r->targets.n * sizeof(*p));
	x->r->targets.p = p;
	x->room = room;
	return true;
}

static bool put_target(struct answer *x, struct ipc_target t)
{
	if (x->r->targets.n == x->room && !make_room(x, 2 * x->room))
		return false;
	x->r->targets.p[x->r->targets.n++] = t;
	return true;
}

static size_t bytes_of(const struct ipc_target *t)
{
	return TARGET_BYTES + t->account.n + t->address.n + t->text.n + t->steps.n + t->sender.n;
}

/* false: there is no room for it, if each of the recipients that follow shall get a word. */
static bool add_target(struct answer *x, size_t rcpt, size_t n_after, struct ipc_target t)
{
	size_t bytes = x->bytes + bytes_of(&t);

	if (bytes + n_after * USUAL_BYTES > ANSWER_BYTES) {      /* the chain is only for people */
		bytes -= t.steps.n;
		t.steps = S("");
	}
	if (bytes + n_after * LATER_BYTES > ANSWER_BYTES || x->r->targets.n + n_after >= TARGETS_MAX)
		return false;
	t.rcpt = (uint16_t)rcpt;
	x->bytes = bytes;
	return put_target(x, t);
}

/* Not ours to route, and the sender is. */
static bool is_elsewhere(const struct answer *x, const struct route *found)
{
	return x->may_relay && found->verdict == ROUTE_REFUSE && kind_of(found) == RCPT_NOT_OURS;
}

static bool add_all(struct answer *x, const struct ipc_rcpt *rcpts, size_t rcpt, size_t n_after,
		    const struct route *found)
{
	if (is_elsewhere(x, found))
		return add_target(x, rcpt, n_after, (struct ipc_target){
			.kind = TARGET_REMOTE, .address = arena_str(x->a, rcpts[rcpt].address),
			.steps = S("the domain is not ours, and the sender is") });
	if (found->verdict != ROUTE_ACCEPT)
		return add_target(x, rcpt, n_after, (struct ipc_target){
			.kind = found->verdict == ROUTE_REFUSE ? TARGET_REFUSED : TARGET_LATER,
			.text = arena_str(x->a, found->text), .steps = arena_str(x->a, str_head(found->reason, 500)) });
	for (size_t i = 0; i < found->n_targets; i++) {
		struct ipc_target t = target_of(&found->targets[i], x->a);

		t.address = address_of(&found->targets[i], x->a);
		t.steps = steps_of(&found->targets[i], x->a);
		if (t.kind == TARGET_REMOTE)
			t.sender = sender_of(x->q->stranger, &x->q->rcpts.p[rcpt], x->a);
		if (!add_target(x, rcpt, n_after, t))
			return false;
	}
	return true;
}

/* Nothing here waits: *found lives in what the world may replace.  What does not fit in the message
 * is asked again with what waits. */
static void add_route(struct answer *x, const struct ipc_rcpt *rcpts, size_t rcpt, size_t n_after,
		      const struct route *found)
{
	size_t n = x->r->targets.n, bytes = x->bytes;

	if (add_all(x, rcpts, rcpt, n_after, found))
		return;
	x->r->targets.n = n;
	x->bytes = bytes + LATER_BYTES;
	put_target(x, (struct ipc_target){
		.rcpt = (uint16_t)rcpt, .kind = TARGET_LATER, .text = S("too many at once") });
}

SUSPENDS static bool serve_route(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_route *q = question;
	struct user_route_answer *r = answer;
	struct answer x = { .q = q, .r = r, .a = a, .may_relay = q->may_relay };

	(void)l;
	r->epoch = world_epoch();
	a->limit = ANSWER_ARENA;                 /* texts that are left out again count too */
	if (q->rcpts.n > TARGETS_MAX || !make_room(&x, q->rcpts.n + FIRST_TARGETS))
		return fail(e, FAULT_TEMP, "too many recipients at once");
	for (size_t i = 0; i < q->rcpts.n; i++) {
		AUTO(arena_end) struct arena scratch = { .limit = ROUTE_MEMORY };
		struct route found;

		routes_follow(q->rcpts.p[i].local, q->rcpts.p[i].domain, &scratch, &found);
		add_route(&x, q->rcpts.p, i, q->rcpts.n - i - 1, &found);
		if (a->full)
			return fail(e, FAULT_TEMP, "not enough memory to route a letter");
	}
	if (r->epoch != world_epoch())
		r->epoch = 0;
	return true;
}

/* -- life ------------------------------------------------------------------ */

/* To whom the mail of virtual accounts belongs: without root only we ourselves can own it. */
static bool find_mail_user(struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 4096 };
	char *name = str_z(&a, conf_now()->mail_uid);
	const struct passwd *pw = NULL;

	mail_uid = getuid();
	mail_gid = getegid();
	if (getuid() != 0)
		return true;
	if (name)
		pw = getpwnam(name);
	if (!pw) {
		log_warn("start", "why=\"there is no system user %s, to whom the mail of accounts belongs\"",
			 name ? name : "");
		return true;
	}
	if (pw->pw_uid == 0)
		return fail(e, FAULT_PERM, "mail-uid %s is root", name);
	mail_uid = pw->pw_uid;
	mail_gid = pw->pw_gid;
	return true;
}

bool routes_open(const uint8_t secret[ACCESS_SECRET], struct err *e)
{
	unsigned n = sizeof(srs_key);

	if (!HMAC(EVP_sha256(), secret, ACCESS_SECRET, (const uint8_t *)"srs", 3, srs_key, &n))
		return fail(e, FAULT_TEMP, "the key for senders cannot be made");
	ipc_serve(IPC_user_rcpt, serve_rcpt);
	ipc_serve(IPC_user_route, serve_route);
	ipc_serve(IPC_user_account, serve_account);
	ipc_serve(IPC_user_whose, serve_whose);
	ipc_serve(IPC_user_explain, serve_explain);
	return find_mail_user(e);
}
