/* senders.c — by which addresses may somebody of ours send, and who files a copy?
 *
 * The queue asks about the envelope at MAIL, and about envelope and From when the letter is there.
 * An account's own addresses are those that lead to it.  Programs of this machine send as their Linux
 * user, root as anybody; a network's clients as its `network` line says. */
#include "role/user/user.h"

#include "base/fd.h"
#include "base/log.h"
#include "ipc/sender.h"
#include "user/domain_name.h"
#include "user/passwd.h"
#include "user/sender.h"
#include "wire/address.h"

#include <stdlib.h>

enum { SYSTEM_UIDS = 1000 };             /* login.defs(5), UID_MIN: who is below is a program */

static struct map names;                 /* uid, 4 bytes → its name, malloc()ed */

/* Who asks. */
struct sender {
	enum sender_kind kind;
	struct str account;              /* or the name of the Linux user */
	struct sender_rights rights;
	struct str name;                 /* for people, and for the queue's counters */
	bool is_program;                 /* nobody who has a Sent folder */
};

/* -- Linux users ----------------------------------------------------------- */

static void names_forget(void)
{
	struct str key;
	void *name;

	for (size_t i = 0; map_next(&names, &i, &key, &name);)
		free(name);
	map_end(&names);
	names = (struct map){ 0 };
}

void senders_take_passwd(struct role_file *f)
{
	AUTO(fd_end) int fd = f->file > 0 ? fd_take(&f->file) : -1;
	struct str text, name;
	struct err e;
	uint32_t uid;
	char *bytes;
	size_t n;

	if (fd < 0 || !fd_slurp(fd, PASSWD_FILE_MAX, &bytes, &n, &e))
		return;
	names_forget();
	for (text = str_of(bytes, n); passwd_next(&text, &name, &uid);)
		if (!map_get(&names, str_of((const char *)&uid, sizeof(uid)))) {
			char *kept = strndup(name.p, name.n);

			must(kept, "out of memory for the names of Linux users");
			map_put(&names, str_of((const char *)&uid, sizeof(uid)), kept);
		}
	free(bytes);
}

static struct str name_of(uint32_t uid)
{
	const char *name = map_get(&names, str_of((const char *)&uid, sizeof(uid)));

	return str_from_z(name ? name : "");
}

/* -- who is it, and what may it do ----------------------------------------- */

static bool find_network(const struct user_sender *q, struct sender *s, struct arena *a, struct err *e)
{
	const struct conf_submission *c = &conf_now()->submission;
	struct net_address from;
	const struct conf_network *n;

	if (!net_address_parse(q->peer, &from))
		return fail(e, FAULT_PERM, "%s is no IP address", LOGQ(q->peer));
	n = conf_network_of(&c->networks, from.b);
	if (!n)
		return fail(e, FAULT_PERM, "no network may send from there");
	s->rights = (struct sender_rights){ .senders = n->senders, .limit = n->limit.per ? n->limit : c->per_account,
					    .files_copy = true };
	s->name = arena_str(a, q->peer);
	return true;
}

static bool find_sender(const struct user_sender *q, struct sender *s, struct arena *a, struct err *e)
{
	static struct conf_sender anything = { .kind = CONF_SENDER_ANY };

	*s = (struct sender){ .kind = (enum sender_kind)q->sender, .account = q->account };
	switch (s->kind) {
	case SENDER_NETWORK:
		return find_network(q, s, a, e);
	case SENDER_ACCOUNT:
		s->name = s->account;
		break;
	case SENDER_LOCAL:
	case SENDER_DROP:
		s->account = arena_str(a, name_of(q->uid));
		s->name = s->account.n ? s->account : arena_printf(a, "uid %u", q->uid);
		s->is_program = q->uid < SYSTEM_UIDS;
		break;
	default:
		return fail(e, FAULT_PERM, "nobody sends so");
	}
	if (!world_rights(s->account, a, &s->rights))
		return fail(e, FAULT_TEMP, "out of memory");
	if (s->kind != SENDER_ACCOUNT && q->uid == 0)
		s->rights.senders = (struct conf_senders){ &anything, 1 };
	return true;
}

/* -- addresses ------------------------------------------------------------- */

struct sending_address {
	struct str local, domain;        /* folded domain */
	struct route route;
};

static bool leads_to(const struct route *r, struct str account, struct arena *a)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		const struct route_target *t = &r->targets[i];

		if (t->kind == ROUTE_LINUX && str_eq(t->local, account))
			return true;
		if (t->kind == ROUTE_ACCOUNT &&
		    str_eq(arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(t->local), STR_ARG(t->domain)), account))
			return true;
	}
	return false;
}

/* The address of a Linux user on this machine, whether it has a mailbox here or not; and that of an account that
 * has none. */
static bool is_its_name(const struct sender *s, const struct sending_address *x, struct arena *a)
{
	const struct route_world *w = world_now();
	struct str plain = local_without_tag(local_fold(x->local, a), w->subaddress);

	if (str_has(s->account, '@'))
		return str_eq(s->account, arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(plain), STR_ARG(x->domain)));
	return s->account.n && str_eq(plain, s->account) &&
	       (str_eq(x->domain, w->hostname) || str_eq(x->domain, S("localhost")));
}

/* A name alone is one at this host. */
static bool read_address(struct str text, struct sending_address *ret, struct arena *a)
{
	struct smtp_path p;
	struct err e;

	if (!str_has(text, '@'))
		text = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(text), STR_ARG(world_now()->hostname));
	if (!address_parse(text, PATH_UTF8, a, &p))
		return false;
	ret->local = p.local;
	return domain_fold(p.domain, a, &ret->domain, &e) || (ret->domain = p.domain, p.is_literal);
}

SUSPENDS static bool may_use(const struct sender *s, struct sending_address *x, struct arena *a)
{
	bool is_own;

	routes_follow(x->local, x->domain, a, &x->route);
	is_own = s->kind != SENDER_NETWORK && (leads_to(&x->route, s->account, a) || is_its_name(s, x, a));
	return sender_may(&s->rights.senders, x->local, x->domain, is_own, world_now()->subaddress);
}

/* Whose Sent folder: the sender's own if the address leads there, else the one account that it leads to. */
static struct str owner_of(const struct sender *s, const struct route *r, struct arena *a)
{
	struct sender_rights rights;
	struct str owner = S("");

	if (s->rights.kind == CONF_USER_RELAY || s->is_program)
		return S("");
	for (size_t i = 0; i < r->n_targets; i++) {
		const struct route_target *t = &r->targets[i];
		struct str account = t->local;

		if (t->kind == ROUTE_ACCOUNT)
			account = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(t->local), STR_ARG(t->domain));
		else if (t->kind != ROUTE_LINUX)
			continue;
		if (str_eq(account, s->account) || !owner.n)
			owner = account;
		else if (!str_eq(owner, s->account))
			return S("");
	}
	return owner.n && world_rights(owner, a, &rights) && rights.files_copy ? arena_str(a, owner) : S("");
}

static void refuse(const struct sender *s, struct str address, size_t i, struct user_sender_answer *r, struct arena *a)
{
	struct buf b = buf_on_heap(1000);

	sender_print(&s->rights.senders, &b);
	r->refused = (uint16_t)i;
	r->why = arena_printf(a, STR_FMT " may not send by %s, only by " STR_FMT " (may-send-as)", STR_ARG(s->name),
			      LOGQ(str_head(address, 320)), STR_ARG(buf_str(&b)));
	buf_end(&b);
}

SUSPENDS static bool serve_sender(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_sender *q = question;
	struct user_sender_answer *r = answer;
	struct sender s;

	(void)l;
	a->limit = ROUTE_MEMORY;
	if (!find_sender(q, &s, a, e))
		return false;
	r->signers.p = ARENA_ARRAY(a, struct ipc_text, q->addresses.n + 1);
	if (!r->signers.p)
		return fail(e, FAULT_TEMP, "out of memory");
	for (size_t i = 0; i < q->addresses.n; i++) {
		AUTO(arena_end) struct arena scratch = { .limit = ROUTE_MEMORY };
		struct sending_address x = { 0 };
		struct str text = q->addresses.p[i].text;

		r->signers.n++;
		if (!text.n)             /* the null sender: what reports about letters comes so */
			continue;
		if (!read_address(text, &x, &scratch) || !may_use(&s, &x, &scratch)) {
			refuse(&s, text, i, r, a);
			return true;
		}
		r->signers.p[i].text = arena_str(a, route_signer(world_now(), x.domain));
		if (i == 0)
			r->owner = arena_str(a, owner_of(&s, &x.route, &scratch));
	}
	r->allow = true;
	r->name = arena_str(a, s.name);
	r->limit = s.rights.limit.n;
	r->limit_per = s.rights.limit.per;
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

static bool serve_signers(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct user_signers *q = question;
	struct user_signers_answer *r = answer;
	struct str domain;
	struct err unread;

	(void)l;
	r->signers.p = ARENA_ARRAY(a, struct ipc_text, q->domains.n + 1);
	if (!r->signers.p)
		return fail(e, FAULT_TEMP, "out of memory");
	for (; r->signers.n < q->domains.n; r->signers.n++)
		if (domain_fold(q->domains.p[r->signers.n].text, a, &domain, &unread))
			r->signers.p[r->signers.n].text = arena_str(a, route_signer(world_now(), domain));
	return true;
}

void rights_open(void)
{
	ipc_serve(IPC_user_signers, serve_signers);
	ipc_serve(IPC_user_sender, serve_sender);
}
