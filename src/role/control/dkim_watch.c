/* dkim_watch.c — see dkim_watch.h; and waxwing dns rotate-dkim.
 *
 * Nothing is kept here: which key is in which state `keys` has written down, and the DNS says the rest.  What was made
 * lately is looked for every minute, since a person has it in hand; all else each hour. */
#include "role/control/dkim_watch.h"

#include "base/log.h"
#include "ipc/dkim_say.h"
#include "role/control/control.h"
#include "role/control/dns_facts.h"
#include "role/control/dns_servers.h"
#include "wire/address.h"

#define FIRST_LOOK MINUTE                /* after a start: the other roles have theirs to do */
#define OFTEN MINUTE
#define SELDOM HOUR
#define NEWS_FOR HOUR
enum { KEYS_MEMORY = 16 << 20 };

static struct wait woken;
static bool is_woken;
static int64_t reminded_at;

void dkim_watch_wake(void)
{
	is_woken = true;
	wait_wake_all(&woken);
}

/* -- all keys --------------------------------------------------------------------- */

struct keys {
	struct ipc_dkim_key *p;
	size_t n;
};

/* domain: empty for all. */
SUSPENDS static bool list_keys(struct str domain, struct arena *a, struct keys *ret, struct err *e)
{
	struct keys_dkim_answer r = { .more = 1 };
	struct keys all = { 0 };

	while (r.more) {
		struct ipc_dkim_key *more;

		if (!keys_dkim(link_to(ROLE_KEYS), &(struct keys_dkim){ .domain = domain, .from = (uint32_t)all.n }, &r, a, e))
			return false;
		more = ARENA_ARRAY(a, struct ipc_dkim_key, all.n + r.keys.n);
		if (!more)
			return fail(e, FAULT_TEMP, "no memory for a list of keys");
		for (size_t i = 0; i < all.n + r.keys.n; i++)
			more[i] = i < all.n ? all.p[i] : r.keys.p[i - all.n];
		all = (struct keys){ more, all.n + r.keys.n };
		r.more = r.more && r.keys.n;
	}
	*ret = all;
	return true;
}

static struct publish_record wish_of(const struct ipc_dkim_key *k, struct arena *a)
{
	return (struct publish_record){ .kind = PUBLISH_DKIM, .type = DNS_TXT, .is_removal = k->state == DKIM_REMOVABLE,
					.owner = arena_printf(a, STR_FMT "._domainkey." STR_FMT, STR_ARG(k->selector), STR_ARG(k->domain)),
					.text = k->record };
}

/* -- what the DNS says ---------------------------------------------------------------- */

/* Each name server that answers has the record, or of one to be removed none has it. */
SUSPENDS static bool is_as_wished(const struct ipc_dkim_key *k, struct arena *a, bool *ret, struct err *e)
{
	struct publish_facts f = { .domain = k->domain };
	struct publish_record wish = wish_of(k, a);
	struct dns_survey s = { .a = a };
	struct dns_finding found;

	if (!dns_survey_find(&s, &f, &wish, &found, e))
		return false;
	*ret = found.verdict.state == PUBLISH_PUBLISHED;
	return true;
}

SUSPENDS static void mark(const struct ipc_dkim_key *k, enum dkim_mark what, const char *reason, struct arena *a)
{
	struct keys_dkim_mark q = { .domain = k->domain, .selector = k->selector, .mark = (uint8_t)what, .by = S("server"),
				    .reason = str_from_z(reason) };
	struct keys_dkim_mark_answer r;
	struct err e;

	/* what came of it `keys` logs */
	if (!keys_dkim_mark(link_to(ROLE_KEYS), &q, &r, a, &e))
		log_warn("dkim", "domain=" STR_FMT " selector=" STR_FMT " why=%s next=\"tried again within the hour\"",
			 STR_ARG(k->domain), STR_ARG(k->selector), LOGQ(str_from_z(e.text)));
}

static void remind(const struct ipc_dkim_key *k)
{
	if (reminded_at && time_mono() - reminded_at < DAY)
		return;
	log_warn("dkim", "domain=" STR_FMT " selector=" STR_FMT " why=\"the key has not signed for a week and is still published\" "
		 "next=\"take the record " STR_FMT "._domainkey." STR_FMT " out of the DNS\"", STR_ARG(k->domain), STR_ARG(k->selector),
		 STR_ARG(k->selector), STR_ARG(k->domain));
}

static bool is_unseen(const struct ipc_dkim_key *k)
{
	return k->record.n && (k->state == DKIM_NEW || (k->state == DKIM_IN_USE && !k->seen));
}

SUSPENDS static bool look_at(const struct ipc_dkim_key *k, bool *has_reminded, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	bool is_so;

	if (!is_unseen(k) && (k->state != DKIM_REMOVABLE || !k->record.n))
		return true;
	if (!is_as_wished(k, &a, &is_so, e))
		return false;
	if (k->state != DKIM_REMOVABLE) {
		if (is_so)
			mark(k, DKIM_SEEN, "its record is in the DNS", &a);
	} else if (is_so) {
		mark(k, DKIM_REMOVED, "its record is out of the DNS", &a);
	} else {
		remind(k);
		*has_reminded = true;
	}
	return true;
}

/* -- every so often ------------------------------------------------------------------- */

/* Since when the domain has the pair that signs; 0: there is nothing to be changed, or that is under way. */
static int64_t pair_made(const struct keys *all, struct str domain)
{
	int64_t made = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct ipc_dkim_key *k = &all->p[i];

		if (!str_eq(k->domain, domain))
			continue;
		if (k->state == DKIM_NEW || (k->state == DKIM_IN_USE && (k->flags & DKIM_IS_TAKEN_OVER)))
			return 0;
		if (k->state == DKIM_IN_USE && (!made || k->made < made))
			made = k->made;
	}
	return made;
}

SUSPENDS static void rotate_old(const struct keys *all, struct arena *a)
{
	int64_t every = conf_now()->dkim_rotate;
	size_t n = 0;
	struct str *domains = every ? dns_facts_domains(a, &n) : NULL;

	for (size_t i = 0; domains && i < n; i++) {
		struct keys_dkim_make q = { .domain = domains[i], .by = S("server"), .reason = S("dkim-rotate") };
		int64_t made = pair_made(all, domains[i]);
		struct keys_dkim_make_answer r;
		struct err e;

		if (!made || time_now() - made < every)
			continue;
		if (keys_dkim_make(link_to(ROLE_KEYS), &q, &r, a, &e))
			log_warn("dkim", "domain=" STR_FMT " why=\"a new pair of keys is made (dkim-rotate) and waits to be seen in the DNS\" "
				 "next=\"publish what waxwing dns records " STR_FMT " prints\"", STR_ARG(domains[i]), STR_ARG(domains[i]));
		else
			log_error("dkim", "domain=" STR_FMT " why=%s", STR_ARG(domains[i]), LOGQ(str_from_z(e.text)));
	}
}

/* How long until the next look. */
SUSPENDS static int64_t look(struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = KEYS_MEMORY };
	bool has_news = false, has_reminded = false;
	struct keys all;
	struct err why;

	if (!list_keys(S(""), &a, &all, &why))
		return fiber_check(e) ? OFTEN : 0;
	for (size_t i = 0; i < all.n; i++) {
		has_news |= is_unseen(&all.p[i]) && time_now() - all.p[i].made < NEWS_FOR;
		if (!look_at(&all.p[i], &has_reminded, e))
			return 0;
	}
	if (has_reminded && (!reminded_at || time_mono() - reminded_at >= DAY))
		reminded_at = time_mono();
	rotate_old(&all, &a);
	return has_news ? OFTEN : SELDOM;
}

void dkim_watch_run(void *unused)
{
	int64_t left = FIRST_LOOK;
	struct err e = { 0 };

	(void)unused;
	while (left > 0) {
		WITHIN(left)
			while (!is_woken && wait_on(&woken, "time to look for DKIM keys", &e))
				;
		if (!fiber_check(&e))
			return;
		is_woken = false;
		left = look(&e);
	}
}

/* -- for people ----------------------------------------------------------------------- */

static const char *status_of(const struct ipc_dkim_key *k)
{
	if (k->state == DKIM_NEW)
		return "waits to be seen in the DNS; next: publish what waxwing dns records prints";
	if (k->state == DKIM_IN_USE && !k->seen)
		return "signs, and was never seen in the DNS; next: publish what waxwing dns records prints";
	if (k->state == DKIM_REMOVABLE)
		return "has not signed for a week; next: take its record out of the DNS";
	return NULL;
}

static void json_key(struct json *j, const struct ipc_dkim_key *k, const char *what)
{
	json_object(j, NULL);
	json_str(j, "domain", k->domain);
	json_str(j, "selector", k->selector);
	json_str(j, "state", str_from_z(dkim_state_word(k->state)));
	json_time(j, "seen", k->seen);
	json_str(j, "next", str_from_z(what));
	json_end_object(j);
}

void dkim_watch_status(struct arena *a, struct buf *b, struct json *j)
{
	struct keys all;
	struct err e;

	if (!list_keys(S(""), a, &all, &e))
		return;
	for (size_t i = 0; i < all.n; i++) {
		const struct ipc_dkim_key *k = &all.p[i];
		const char *what = status_of(k);

		if (what && j)
			json_key(j, k, what);
		else if (what)
			buf_addf(b, "dkim " STR_FMT "._domainkey." STR_FMT " %s\n", STR_ARG(k->selector), STR_ARG(k->domain), what);
	}
}

static bool is_known(struct arena *a, const struct keys *all, struct str domain)
{
	size_t n;
	struct str *ours = dns_facts_domains(a, &n);

	for (size_t i = 0; ours && i < n; i++)
		if (str_eq(ours[i], domain))
			return true;
	return all->n > 0;
}

static void print_keys(struct command *c, struct str domain, const struct ipc_dkim_key *keys, size_t n)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 16);
	struct publish_facts f = { .domain = domain, .host = conf_now()->hostname };
	struct publish_list list = { .p = ARENA_ARRAY(c->a, struct publish_record, n) };

	for (size_t i = 0; list.p && i < n; i++) {
		struct publish_record *r = &list.p[list.n++];

		*r = wish_of(&keys[i], c->a);
		r->note = keys[i].state == DKIM_NEW ? S("signs as soon as each name server has it") : S("signs from now on");
	}
	publish_print(&f, &list, c->is_json ? PUBLISH_JSON : PUBLISH_BIND, &b);
	buf_add(&b, c->is_json ? S("\n") : S(""));
	say(c, buf_str(&b));
}

int run_dns_rotate_dkim(struct command *c)
{
	struct keys_dkim_make q = { .by = by_whom(c), .reason = S("dns rotate-dkim") };
	struct keys_dkim_make_answer r;
	struct str *domain;
	struct keys all;
	struct err e;
	int exit_code;
	size_t n;

	if (!dns_domains(c, c->args[0].text, &domain, &n, &exit_code))
		return exit_code;
	q.domain = *domain;
	if (!list_keys(q.domain, c->a, &all, &e))
		return complain_err(c, &e);
	if (!is_known(c->a, &all, q.domain))
		return complain(c, EXIT_NO, S("no such domain in the configuration"));
	for (size_t i = 0; i < all.n; i++)
		if (all.p[i].state == DKIM_NEW)
			return complain(c, EXIT_NO, arena_printf(c->a, "the pair made last (" STR_FMT ") still waits to be seen in the DNS: "
						"waxwing dns records prints it", STR_ARG(all.p[i].selector)));
	if (!keys_dkim_make(link_to(ROLE_KEYS), &q, &r, c->a, &e))
		return complain_err(c, &e);
	print_keys(c, q.domain, r.keys.p, r.keys.n);
	dkim_watch_wake();
	return EXIT_DONE;
}
