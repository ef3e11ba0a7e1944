/* logins.c — is this password right, and whose session is it then?
 *
 * login asks; a right answer is told to the parent, which connects that session with the account's
 * mailbox, before login hears of it.  A wrong one is answered with one sentence, at one time after
 * the question, whether the user exists or not.  Hashing goes through a gate: a few at once, clients
 * that are known before strangers, so that who guesses does not keep others from logging in. */
#include "role/user/user.h"

#include "base/log.h"
#include "user/auth_cache.h"
#include "user/domain_name.h"
#include "user/linux_account.h"
#include "user/login_limits.h"
#include "user/login_result.h"
#include "wire/address.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

enum {
	GATE_PLACES = 3,         /* of the pool's four threads: one is left for the disk */
	STRANGERS_MAX = 24,      /* that wait at the gate */
	USER_NAME_MAX = 320,
	PAM_NAME_MAX = 80,
};
#define FAILED_AFTER SECOND
#define FAILED_AFTER_PAM (3 * SECOND)    /* PAM itself takes two and a half to say no */
#define GATE_FULL_WAIT SECOND
#define PAM_WITHIN (15 * SECOND)

/* Whom a login name means.  NOBODY: it is checked all the same, and fails. */
struct who {
	enum { WHO_NOBODY, WHO_INTERNAL, WHO_LINUX } kind;
	struct account_name name;        /* of NOBODY and INTERNAL, if it has the form of an address */
	struct str key;                  /* the account, folded */
};

/* One try. */
struct attempt {
	struct str mechanism, password, auth_message, proof;
	struct who who;
	struct login_try from;
	struct account account;          /* id 0: there is none */
	struct app_password *apps;
	size_t n_apps;
	const struct app_password *app;  /* the one that it was */
	bool is_right, is_cached;
	uint8_t signature[SCRAM_KEY];
};

struct held_session {
	struct link *link;
	char *account;
};

static uint8_t secret[ACCESS_SECRET];
static struct login_limits *limits;
static struct auth_cache *cache;
static struct map sessions;              /* role, instance and number → struct held_session */
static struct map session_counts;        /* account → how many, as a pointer */

/* -- the gate -------------------------------------------------------------- */

static unsigned gate_busy, strangers;
static struct wait gate_known, gate_strangers;

SUSPENDS static bool gate_take(bool is_known, struct err *e)
{
	bool ok = true;

	strangers += !is_known;
	while (ok && gate_busy == GATE_PLACES)
		ok = wait_on(is_known ? &gate_known : &gate_strangers, "its turn to be hashed", e);
	strangers -= !is_known;
	gate_busy += ok;
	return ok;
}

static void gate_give(void)
{
	gate_busy--;
	wait_wake(gate_known.first ? &gate_known : &gate_strangers);
}

/* -- who is meant ---------------------------------------------------------- */

static const struct conf_backend *backend_of(enum conf_backend_kind kind)
{
	const struct conf_backends *list = &conf_now()->auth.backends;

	for (size_t i = 0; i < list->n; i++)
		if (list->p[i].kind == kind)
			return &list->p[i];
	return NULL;
}

static const struct route_domain *domain_of(struct str domain)
{
	const struct route_world *w = world_now();

	for (size_t i = 0; i < w->n_domains; i++) {
		if (str_eq(w->domains[i].name, domain))
			return &w->domains[i];
		for (size_t j = 0; j < w->domains[i].n_alias_domains; j++)
			if (str_eq(w->domains[i].alias_domains[j], domain))
				return &w->domains[i];
	}
	return NULL;
}

/* Linux accounts are those of the first domain, and of those that say so. */
static bool has_linux_accounts(const struct route_domain *d)
{
	return d && (d == &world_now()->domains[0] || d->has_linux_accounts);
}

static void find_linux(struct str local, struct who *ret)
{
	if (backend_of(CONF_BACKEND_PAM) && linux_name_is_valid(local))
		*ret = (struct who){ .kind = WHO_LINUX, .key = local };
}

static void find_address(struct str text, struct arena *a, struct who *ret)
{
	const struct route_domain *d;
	struct smtp_path p;
	struct str domain;
	struct err e;

	if (!address_parse(text, PATH_UTF8, a, &p) || !p.domain.n || !domain_fold(p.domain, a, &domain, &e))
		return;
	d = domain_of(domain);
	ret->name = (struct account_name){ local_fold(p.local, a), d ? d->name : domain };
	ret->key = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(ret->name.local), STR_ARG(ret->name.domain));
	if (accounts_have(ret->name.local, ret->name.domain) && backend_of(CONF_BACKEND_INTERNAL))
		ret->kind = WHO_INTERNAL;
	else if (has_linux_accounts(d))
		find_linux(ret->name.local, ret);
}

static struct who find_who(struct str text, struct arena *a)
{
	struct who w = { .key = str_head(text, USER_NAME_MAX) };

	if (text.n == 0 || text.n > USER_NAME_MAX)
		return w;
	if (str_has(text, '@'))
		find_address(text, a, &w);
	else
		find_linux(local_fold(text, a), &w);
	return w;
}

/* -- is it right? ---------------------------------------------------------- */

static bool is_scram(const struct attempt *x)
{
	return x->auth_message.n > 0;
}

static bool same_salt(const struct scram_verifier *a, const struct scram_verifier *b)
{
	return a->iterations == b->iterations && memcmp(a->salt, b->salt, SCRAM_SALT) == 0;
}

/* All app passwords of an account have one salt, so one derivation does for all. */
static const struct app_password *find_app(const struct attempt *x)
{
	struct scram_verifier v = { 0 };
	const struct app_password *found = NULL;
	struct err e;

	for (size_t i = 0; i < x->n_apps; i++) {
		const struct scram_verifier *w = &x->apps[i].verifier;

		if (!same_salt(&v, w) && !scram_verifier_make(x->password, w->salt, w->iterations, &v, &e))
			break;
		if (str_eq_secret(str_of(v.stored_key, SCRAM_KEY), str_of(w->stored_key, SCRAM_KEY)))
			found = &x->apps[i];
	}
	explicit_bzero(&v, sizeof(v));
	return found;
}

static void check_scram(struct attempt *x)
{
	x->is_right = scram_proof_fits(&x->account.password.scram, x->auth_message, x->proof, x->signature);
	for (size_t i = 0; !x->is_right && i < x->n_apps; i++)
		if (scram_proof_fits(&x->apps[i].verifier, x->auth_message, x->proof, x->signature)) {
			x->is_right = true;
			x->app = &x->apps[i];
		}
}

/* In a thread. */
static void check_work(void *arg)
{
	struct attempt *x = arg;

	x->app = find_app(x);
	if (x->app)
		x->is_right = true;
	else if (x->who.kind != WHO_LINUX)
		x->is_right = password_fits(x->account.id ? &x->account.password : NULL, x->password);
}

static struct auth_cache_key cache_key(const struct attempt *x, struct arena *a)
{
	const struct conf_backend *pam = backend_of(CONF_BACKEND_PAM);

	return (struct auth_cache_key){
		.backend = x->who.kind == WHO_LINUX && pam ? arena_printf(a, "pam " STR_FMT, STR_ARG(pam->service)) : S("internal"),
		.account = x->who.key, .password = x->password };
}

SUSPENDS static bool ask_pam(struct attempt *x, struct arena *a, struct err *e)
{
	const struct conf_backends *list = &conf_now()->auth.backends;
	char service[PAM_NAME_MAX];
	struct pam_password_answer r = { 0 };
	size_t n;

	for (size_t i = 0; i < list->n && !x->is_right; list = &conf_now()->auth.backends, i++) {
		if (list->p[i].kind != CONF_BACKEND_PAM || list->p[i].service.n > sizeof(service))
			continue;
		n = list->p[i].service.n;
		memcpy(service, list->p[i].service.p, n);        /* a reload may come while we wait */
		WITHIN(PAM_WITHIN)
			if (!pam_password(link_to(ROLE_PAM), &(struct pam_password){ .name = x->who.key,
					.password = x->password, .service = str_of(service, n) }, &r, a, e))
				return false;
		x->is_right = r.right;
	}
	return true;
}

/* What is kept of this user's passwords; the same questions for a user who is not there. */
SUSPENDS static bool load_records(struct attempt *x, struct arena *a, struct err *e)
{
	if (x->who.name.domain.n && !accounts_find(&x->who.name, a, &x->account, e))
		return false;
	if (x->who.kind != WHO_INTERNAL)
		x->account.id = 0;
	if (x->who.kind == WHO_NOBODY || !app_passwords_has(x->who.key))
		return true;
	return app_passwords_find(x->who.key, a, &x->apps, &x->n_apps, e);
}

SUSPENDS static bool check_password(struct attempt *x, struct arena *a, struct err *e)
{
	bool ok = true;

	if (x->who.kind != WHO_LINUX || x->n_apps) {
		if (!gate_take(x->from.is_known || x->from.is_local, e))
			return false;
		off_loop(check_work, x);
		gate_give();
	}
	if (x->who.kind == WHO_LINUX && !x->is_right)
		ok = ask_pam(x, a, e);
	return ok;
}

SUSPENDS static bool check(struct attempt *x, struct arena *a, struct err *e)
{
	const struct conf_login *c = &conf_now()->login;
	struct auth_cache_key key = cache_key(x, a);
	bool ok;

	if (!load_records(x, a, e))
		return false;
	if (is_scram(x)) {
		check_scram(x);
		return true;
	}
	if (x->who.kind != WHO_NOBODY && auth_cache_has(cache, &key, time_mono())) {
		x->is_right = x->is_cached = true;
		return true;
	}
	ok = check_password(x, a, e);
	if (ok && x->is_right && !x->app && c->auth_cache)
		auth_cache_put(cache, &key, time_mono() + c->auth_cache_time, c->auth_cache);
	return ok;
}

/* -- sessions -------------------------------------------------------------- */

struct session_key {
	uint64_t session;
	uint32_t instance;
	uint32_t role;
};

static struct str key_of(const struct session_key *k)
{
	return str_of(k, sizeof(*k));
}

static size_t count_of(struct str account)
{
	return (size_t)(uintptr_t)map_get(&session_counts, account);
}

static void set_count(struct str account, size_t n)
{
	if (n)
		map_put(&session_counts, account, (void *)(uintptr_t)n);
	else
		map_remove(&session_counts, account);
}

static void session_end(struct held_session *s)
{
	set_count(str_from_z(s->account), count_of(str_from_z(s->account)) - 1);
	free(s->account);
	free(s);
}

static void session_begin(struct link *l, uint64_t number, struct str account)
{
	struct session_key k = { number, l->instance, l->peer };
	struct held_session *s, *was;

	s = calloc(1, sizeof(*s));
	must(s, "out of memory for a session");
	*s = (struct held_session){ l, strndup(account.p, account.n) };
	must(s->account, "out of memory for a session");
	set_count(account, count_of(account) + 1);
	was = map_put(&sessions, key_of(&k), s);
	if (was)
		session_end(was);
}

static void session_drop(const struct link *l, uint64_t number)
{
	struct session_key k = { number, l->instance, l->peer };
	struct held_session *s = map_remove(&sessions, key_of(&k));

	if (s)
		session_end(s);
}

static void hear_logout(struct link *l, void *tell)
{
	struct user_logout *t = tell;

	session_drop(l, t->session);
}

void logins_unlinked(struct link *l)
{
	struct str key;
	void *value;

	for (size_t i = 0; map_next(&sessions, &i, &key, &value);) {
		struct held_session *s = value;

		if (s->link != l)
			continue;
		map_remove(&sessions, key);
		session_end(s);
	}
}

/* -- the answer ------------------------------------------------------------ */

static const char *const texts[LOGIN_RESULTS] = {
	[LOGIN_OK] = "Logged in",
	[LOGIN_FAILED] = "Invalid user name or password",
	[LOGIN_LATER] = "Too many failed logins, try again later",
	[LOGIN_DISABLED] = "This account is disabled",
	[LOGIN_LIMIT] = "Too many sessions of this account are open; close some programs or devices",
	[LOGIN_NO_MAILBOX] = "This account may only send and has no mailbox",
	[LOGIN_UNAVAILABLE] = "The mailbox cannot be opened now, try again later",
};

static void say(struct user_login_answer *r, enum login_result result)
{
	r->result = (uint8_t)result;
	r->text = str_from_z(texts[result]);
}

SUSPENDS static void refuse(const struct user_login *q, const struct attempt *x, struct user_login_answer *r)
{
	const struct conf_rate *most = &conf_now()->ban.logins;
	struct login_limits_conf conf = { .ban_after = most->n, .ban_per = most->per };
	AUTO(arena_end) struct arena a = { 0 };

	say(r, LOGIN_FAILED);
	r->delay = (uint64_t)(backend_of(CONF_BACKEND_PAM) ? FAILED_AFTER_PAM : FAILED_AFTER);
	why_login_refused(q, x->who.key, LOGIN_FAILED,
			  x->who.kind == WHO_NOBODY ? S("no such account") : S("wrong password"));
	if (login_limits_failed(limits, &conf, &x->from, time_mono()))
		bans_punish(&x->from.client, q->peer, arena_printf(&a, "%u failed logins", conf.ban_after));
}

/* Why it may not, although the password is right; LOGIN_OK: it may. */
static enum login_result hindrance(const struct user_login *q, const struct attempt *x, struct str *ret_why,
				   struct arena *a)
{
	const struct conf_login *c = &conf_now()->login;

	*ret_why = S("the password is right, and the account is disabled");
	if (x->account.is_disabled)
		return LOGIN_DISABLED;
	*ret_why = S("the password is right, and the account may only send");
	if (q->protocol != CONF_SUBMISSION && world_only_sends(x->who.key))
		return LOGIN_NO_MAILBOX;
	*ret_why = arena_printf(a, "%zu sessions of the account are open", count_of(x->who.key));
	return c->connections && count_of(x->who.key) >= c->connections ? LOGIN_LIMIT : LOGIN_OK;
}

/* The password was right; may it come in? */
SUSPENDS static void admit(struct link *l, const struct user_login *q, const struct attempt *x,
			   struct user_login_answer *r, struct arena *a)
{
	struct parent_grant_answer granted;
	uint32_t instance = l->instance;
	enum login_result not_in;
	struct err e = { 0 };
	struct str why;
	bool ok;

	login_limits_succeeded(limits, &x->from);
	not_in = hindrance(q, x, &why, a);
	if (not_in != LOGIN_OK) {
		say(r, not_in);
		why_login_refused(q, x->who.key, not_in, why);
		return;
	}
	if (l->is_dead)
		return;          /* nobody waits for the answer */
	session_begin(l, q->session, x->who.key);
	ok = (q->protocol == CONF_SUBMISSION || routes_tell_account(x->who.key, &e)) &&
	     parent_grant(self.parent, &(struct parent_grant){ .instance = instance, .session = q->session,
				.account = x->who.key, .protocol = q->protocol, .peer = q->peer, .tls = q->tls },
			  &granted, a, &e);
	say(r, ok ? LOGIN_OK : LOGIN_UNAVAILABLE);
	if (ok)
		why_login_accepted(q, x->who.key, x->app ? x->app->label : S(""));
	else
		why_login_refused(q, x->who.key, LOGIN_UNAVAILABLE, str_from_z(e.text));
	if (!ok) {
		session_drop(l, q->session);
		return;
	}
	if (!x->from.is_local)
		known_note(&x->from.client);
	if (x->app)
		app_passwords_note_use(x->app);
}

static void wipe(struct str s)
{
	if (s.n)
		explicit_bzero((void *)(uintptr_t)s.p, s.n);
}

/* smtpd lets people send and nothing else. */
static bool is_protocol_of(enum role r, uint8_t protocol)
{
	return r == ROLE_SMTPD ? protocol == CONF_SUBMISSION : protocol == CONF_IMAP || protocol == CONF_POP3;
}

static bool read_question(const struct link *l, const struct user_login *q, struct attempt *x, struct arena *a, struct err *e)
{
	struct net_address from;

	if (!net_address_parse(q->peer, &from) || !is_protocol_of(l->peer, q->protocol))
		return fail(e, FAULT_PERM, "no such session");
	*x = (struct attempt){ .mechanism = q->mechanism, .password = q->password, .auth_message = q->auth_message,
			       .proof = q->proof, .who = find_who(q->name, a) };
	x->from = (struct login_try){ .client = net_address_client(&from), .name = x->who.key,
				      .is_local = net_address_is_loopback(&from), .is_known = known_has(&x->from.client) };
	x->from.is_known = known_has(&x->from.client);
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

SUSPENDS static bool serve_login(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_login *q = question;
	struct user_login_answer *r = answer;
	struct attempt x;
	int64_t wait;

	if (!read_question(l, q, &x, a, e)) {
		wipe(q->password);
		return false;
	}
	wait = login_limits_wait(limits, &x.from, time_mono());
	if (!wait && !x.from.is_known && !x.from.is_local && strangers >= STRANGERS_MAX)
		wait = GATE_FULL_WAIT;
	if (wait) {
		say(r, LOGIN_LATER);
		r->delay = (uint64_t)wait;
		why_login_refused(q, x.who.key, LOGIN_LATER,
				  arena_printf(a, "too many failures or tries before it: it waits %.1f s",
					       (double)wait / SECOND));
	} else if (!check(&x, a, e)) {
		say(r, LOGIN_UNAVAILABLE);
		why_login_refused(q, x.who.key, LOGIN_UNAVAILABLE, str_from_z(e->text));
	} else if (!x.is_right) {
		refuse(q, &x, r);
	} else {
		admit(l, q, &x, r, a);
		r->server_signature = is_scram(&x) ? arena_str(a, str_of(x.signature, SCRAM_KEY)) : S("");
	}
	wipe(q->password);
	password_record_end(&x.account.password);
	return true;
}

/* Salt and iterations of a user's verifier; of others some that stay the same for the name. */
SUSPENDS static bool serve_scram(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_scram *q = question;
	struct user_scram_answer *r = answer;
	struct attempt x = { .who = find_who(q->name, a) };
	const struct scram_verifier *v = &x.account.password.scram;
	uint8_t made[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	(void)l;
	if (!load_records(&x, a, e))
		return false;
	if (!HMAC(EVP_sha256(), secret, sizeof(secret), (const uint8_t *)(x.who.key.n ? x.who.key.p : ""), x.who.key.n, made, &n))
		return fail(e, FAULT_TEMP, "out of memory");
	r->salt = str_of(made, SCRAM_SALT);
	r->iterations = SCRAM_ITERATIONS;
	if (!x.account.id || !v->iterations)
		v = x.n_apps ? &x.apps[0].verifier : NULL;
	if (v) {
		r->salt = str_of(v->salt, SCRAM_SALT);
		r->iterations = v->iterations;
	}
	r->salt = arena_str(a, r->salt);
	password_record_end(&x.account.password);
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

/* `waxwing test login`: what would be said, and why.  Nothing is counted. */
SUSPENDS static bool serve_test(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_test_login *q = question;
	struct user_test_login_answer *r = answer;
	struct attempt x = { .mechanism = S("test"), .password = q->password, .who = find_who(q->name, a),
			     .from = { .is_local = true } };
	static const char *const kinds[] = { "no account of this server", "an account of this server's own",
					     "a Linux account, which PAM is asked about" };
	bool ok = check(&x, a, e);

	(void)l;
	wipe(q->password);
	password_record_end(&x.account.password);
	if (!ok)
		return false;
	r->result = (uint8_t)(!x.is_right ? LOGIN_FAILED : x.account.is_disabled ? LOGIN_DISABLED : LOGIN_OK);
	r->text = arena_printf(a, STR_FMT " means " STR_FMT ": %s\n%s%s" STR_FMT "\nthe client hears: %s\n", STR_ARG(q->name),
			       STR_ARG(x.who.key), kinds[x.who.kind],
			       x.is_right ? "the password is right" : "the password is wrong, or there is none",
			       x.app ? "; it is the app password " : "", STR_ARG(x.app ? x.app->label : S("")),
			       texts[r->result]);
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

/* -- life ------------------------------------------------------------------ */

/* A client that is offered SCRAM prefers it; where one user could not use it, nobody is offered it. */
static bool offers_scram(void)
{
	return backend_of(CONF_BACKEND_INTERNAL) && !backend_of(CONF_BACKEND_PAM) && accounts_all_scram();
}

static void tell_offers(struct link *l)
{
	login_offers(l, &(struct login_offers){ .scram = offers_scram() });
}

static void tell_all(void)
{
	for (struct link *l = link_next(NULL); l; l = link_next(l))
		logins_linked(l);
}

void logins_linked(struct link *l)
{
	if (l->peer == ROLE_LOGIN || l->peer == ROLE_SMTPD)
		tell_offers(l);
}

void logins_changed(struct str account)
{
	auth_cache_forget(cache, account);
	tell_all();
}

void logins_configured(void)
{
	auth_cache_clear(cache);
	tell_all();
}

bool logins_open(const uint8_t s[ACCESS_SECRET], struct err *e)
{
	memcpy(secret, s, sizeof(secret));
	limits = login_limits_open();
	cache = auth_cache_open();
	ipc_serve(IPC_user_login, serve_login);
	ipc_serve(IPC_user_scram, serve_scram);
	ipc_serve(IPC_user_test_login, serve_test);
	ipc_hear(IPC_user_logout, hear_logout);
	return (limits && cache) || fail(e, FAULT_TEMP, "out of memory for logins");
}
