/* route.c — follows an address to its targets; see route.h.
 *
 * A queue of addresses to look at (`struct visit`), each knowing the visit it
 * came from: the chain upwards shows loops, the map of addresses seen merges
 * duplicates, and the two limits bound the work whatever the files say. */
#include "user/route.h"

#include "user/domain_name.h"
#include "user/target.h"

struct visit {
	struct str local;
	struct str domain;       /* folded */
	struct str key;          /* "local@domain", folded */
	const struct visit *from;
	struct visit *next;
	const struct route_step *step;
	size_t depth;
	bool skip_lines;         /* a line named itself: its account is meant */
	bool takes_reports;      /* it is the address of DMARC reports */
};

struct walk {
	const struct route_world *w;
	struct arena *a;
	struct route *r;
	struct map seen;         /* keys of visits and of targets */
	struct visit *first, *last;      /* to be looked at in this order */
	size_t n_looked_at;      /* targets, also those seen before */
	size_t cap_targets;
	struct str trouble;      /* a loop, or too many targets: nothing is accepted */
	bool has_used_contact;
};

/* What is known of a visit's domain. */
struct realm {
	const struct route_domain *block;        /* or NULL */
	const struct route_domain *alias_of;     /* or NULL */
	bool is_ours;
	bool is_host;            /* hostname or localhost */
	bool is_declared;        /* by a block, as an alias domain or in virtual.domains */
	bool is_system;
};

static const struct str text_later = S("cannot deliver to this address now, try again later");
static const struct str text_unknown = S("no such user here");

static bool is_alias_domain(const struct route_domain *d, struct str domain)
{
	for (size_t i = 0; i < d->n_alias_domains; i++)
		if (str_eq(d->alias_domains[i], domain))
			return true;
	return address_file_find_domain(d->domains_file, domain) != NULL;
}

static struct realm realm_of(const struct route_world *w, struct str domain)
{
	struct realm m = { 0 };

	for (size_t i = 0; i < w->n_domains && !m.block; i++) {
		if (str_eq(w->domains[i].name, domain))
			m.block = &w->domains[i];
		else if (!m.alias_of && is_alias_domain(&w->domains[i], domain))
			m.alias_of = &w->domains[i];
	}
	if (m.block)
		m.alias_of = NULL;
	m.is_host = str_eq(domain, S("localhost")) || str_eq(domain, w->hostname);
	m.is_declared = m.block || m.alias_of || address_file_find_domain(w->domains_file, domain);
	m.is_ours = m.is_host || m.is_declared;
	m.is_system =
		m.is_host || (m.block && (m.block == w->domains || m.block->has_linux_accounts));
	return m;
}

bool route_domain_is_ours(const struct route_world *w, struct str domain)
{
	return domain.n > 0 && realm_of(w, domain).is_ours;
}

static struct str parent_of(struct str domain)
{
	return str_from(domain, str_find(domain, '.') + 1);
}

/* Named by itself, not in a file, where one line may stand for many. */
static bool is_named(const struct realm *m, struct str domain)
{
	for (size_t i = 0; m->alias_of && i < m->alias_of->n_alias_domains; i++)
		if (str_eq(m->alias_of->alias_domains[i], domain))
			return true;
	return m->block;
}

struct str route_signer(const struct route_world *w, struct str domain)
{
	struct realm m = { 0 };

	while (domain.n && !(m = realm_of(w, domain)).is_declared)
		domain = parent_of(domain);
	while (domain.n && !is_named(&m, domain)) {
		m = realm_of(w, parent_of(domain));
		if (!m.is_declared)
			break;
		domain = parent_of(domain);
	}
	return domain;
}

static bool is_role_name(struct str local)
{
	return str_eq_nocase(local, S("postmaster")) || str_eq_nocase(local, S("abuse"));
}

static struct str tag_of(struct str local, char mark)
{
	return str_from(local, local_without_tag(local, mark).n + 1);
}

static const struct route_step *add_step(struct walk *k, const struct visit *v, struct str text)
{
	struct route_step *s = ARENA_NEW(k->a, struct route_step);

	if (!s)
		return v->step;
	*s = (struct route_step){ .from = v->step, .text = text };
	return s;
}

/* Room for one more target; false if memory is out. */
static bool grow_targets(struct walk *k)
{
	size_t cap = k->cap_targets ? 4 * k->cap_targets : 4;
	struct route_target *bigger;

	if (k->r->n_targets < k->cap_targets)
		return true;
	bigger = ARENA_ARRAY(k->a, struct route_target, cap);
	if (!bigger)
		return false;
	for (size_t i = 0; i < k->r->n_targets; i++)
		bigger[i] = k->r->targets[i];
	k->r->targets = bigger;
	k->cap_targets = cap;
	return true;
}

/* The target joins the route unless the same stands there. */
static void add_target(struct walk *k, const struct route_target *t)
{
	struct route *r = k->r;
	struct str key =
		arena_printf(k->a, "%d\x1f" STR_FMT "\x1f" STR_FMT "\x1f" STR_FMT, (int)t->kind,
			     STR_ARG(t->local), STR_ARG(t->domain), STR_ARG(t->text));

	if (k->a->full || map_get(&k->seen, key) || !grow_targets(k))
		return;
	map_put(&k->seen, key, k);
	r->targets[r->n_targets++] = *t;
}

static void end_visit(struct walk *k, const struct visit *v, enum route_kind kind,
		      const char *status, struct str text, struct str why)
{
	add_target(k, &(struct route_target){ .kind = kind, .status = status, .text = text,
					      .local = v->local, .domain = v->domain,
					      .last = add_step(k, v, why) });
}

static void not_found(struct walk *k, const struct visit *v)
{
	end_visit(k, v, ROUTE_FAIL, "5.1.1", text_unknown,
		  arena_printf(k->a, STR_FMT ": no line, no account", STR_ARG(v->key)));
}

static void wait_for(struct walk *k, const struct visit *v, struct str why)
{
	end_visit(k, v, ROUTE_DEFER, "4.3.0", text_later,
		  arena_printf(k->a, STR_FMT ": " STR_FMT, STR_ARG(v->key), STR_ARG(why)));
}

/* Is the address one of those that v came from (or v itself)? */
static bool is_ancestor(const struct visit *v, struct str key)
{
	for (; v; v = v->from)
		if (str_eq(v->key, key))
			return true;
	return false;
}

/* Look at local@domain next.  `from` may be NULL: the beginning. */
static void add_visit(struct walk *k, const struct visit *from, struct str local, struct str domain,
		      const struct route_step *step)
{
	struct str folded = local_fold(local, k->a), key;
	bool skip_lines = false;
	struct visit *v;

	key = arena_printf(k->a, STR_FMT "@" STR_FMT, STR_ARG(folded), STR_ARG(domain));
	if (k->a->full || k->trouble.n)
		return;
	if (from && str_eq(from->key, key) && !from->skip_lines) {
		skip_lines = true;
	} else if (is_ancestor(from, key)) {
		k->trouble = arena_printf(
			k->a, "the aliases of " STR_FMT " lead back to it (from " STR_FMT ")",
			STR_ARG(key), STR_ARG(from->key));
		return;
	} else if (map_get(&k->seen, key)) {
		return;
	}
	if (from && from->depth + 1 > ROUTE_STEPS_MAX) {
		k->trouble = arena_printf(k->a, "more than %d steps at " STR_FMT, ROUTE_STEPS_MAX,
					  STR_ARG(key));
		return;
	}
	v = ARENA_NEW(k->a, struct visit);
	if (!v)
		return;
	*v = (struct visit){ .local = folded, .domain = domain, .key = key, .from = from, .step = step,
			     .depth = from ? from->depth + 1 : 0, .skip_lines = skip_lines,
			     .takes_reports = route_takes_reports(k->w, folded, domain) };
	map_put(&k->seen, key, v);
	if (k->last)
		k->last->next = v;
	else
		k->first = v;
	k->last = v;
}

static void take_target(struct walk *k, const struct visit *v, const struct target *t,
			const struct route_step *step)
{
	static const enum route_kind kinds[] = {
		[TARGET_PIPE] = ROUTE_PIPE,	  [TARGET_FILE] = ROUTE_FILE,
		[TARGET_INCLUDE] = ROUTE_INCLUDE, [TARGET_BLACKHOLE] = ROUTE_BLACKHOLE,
		[TARGET_FAIL] = ROUTE_FAIL,	  [TARGET_DEFER] = ROUTE_DEFER,
	};
	struct route_target r = { .text = t->text, .last = step };

	if (t->kind == TARGET_ADDRESS) {
		struct str domain = t->domain.n ? t->domain : S("localhost");

		if (route_domain_is_ours(k->w, domain)) {
			add_visit(k, v, t->local, domain, step);
			return;
		}
		r.kind = ROUTE_REMOTE;
		r.local = t->local;
		r.domain = domain;
	} else {
		r.kind = kinds[t->kind];
	}
	if (r.kind == ROUTE_FAIL || r.kind == ROUTE_DEFER) {
		r.local = v->local;
		r.domain = v->domain;
	}
	if (r.kind == ROUTE_FAIL) {
		r.status = "5.1.1";
		r.text = r.text.n ? r.text : text_unknown;
	} else if (r.kind == ROUTE_DEFER) {
		r.status = "4.3.0";
		r.text = r.text.n ? r.text : text_later;
	}
	add_target(k, &r);
}

/* All targets of a list; `place` says where it stands: "users file F line 12". */
static void take_list(struct walk *k, const struct visit *v, struct str list, struct str place)
{
	struct target t;
	struct str to;
	struct err e = { 0 };
	bool any = true;

	while (any && !k->a->full && !k->trouble.n) {
		if (!target_next(&list, k->a, &t, &any, &e)) {
			wait_for(k, v, arena_printf(k->a, STR_FMT ": %s", STR_ARG(place), e.text));
			return;
		}
		if (!any)
			return;
		if (++k->n_looked_at > ROUTE_TARGETS_MAX) {
			k->trouble = arena_printf(k->a, "more than %d targets", ROUTE_TARGETS_MAX);
			return;
		}
		to = target_print(&t, k->a);
		take_target(k, v, &t,
			    add_step(k, v, arena_printf(k->a, STR_FMT ": " STR_FMT " → " STR_FMT, STR_ARG(place),
							STR_ARG(v->key), STR_ARG(to))));
	}
}

static bool has_targets(const struct address_line *line)
{
	struct arena a = { .limit = 4096 };
	struct str in = line->value;
	struct err e = { 0 };
	struct target t;
	bool any = true;

	any = !target_next(&in, &a, &t, &any, &e) || any;
	arena_end(&a);
	return any;
}

static void take_line(struct walk *k, const struct visit *v, const char *what,
		      const struct address_line *line)
{
	struct str place = arena_printf(k->a, "%s file " STR_FMT " line %u", what,
					STR_ARG(line->file), line->line);

	if (line->broken)
		wait_for(k, v, arena_printf(k->a, STR_FMT ": %s", STR_ARG(place), line->broken));
	else
		take_list(k, v, line->value, place);
}

/* The line of "local@domain", or in a domain's own file also of "local". */
static const struct address_line *find_line(struct walk *k, const struct address_file *f,
					    struct str local, struct str domain, bool is_own)
{
	const struct address_line *line = NULL;
	struct str key = arena_printf(k->a, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain));

	if (!k->a->full)
		line = address_file_find(f, key);
	if (!line && is_own && !str_has(local, '@'))
		line = address_file_find(f, local);
	return line && has_targets(line) ? line : NULL;
}

/* Does a wildcard line only refuse?  Then postmaster and abuse go on. */
static bool only_fails(const struct address_line *line)
{
	return str_starts_nocase(str_trim(line->value), S(":fail:"));
}

static const struct address_line *find_in_users(struct walk *k, const struct visit *v,
						const struct realm *m, const struct address_file *f,
						bool is_own)
{
	struct str plain = local_without_tag(v->local, k->w->subaddress);
	const struct address_line *line = find_line(k, f, v->local, v->domain, is_own);

	if (!line && plain.n < v->local.n)
		line = find_line(k, f, plain, v->domain, is_own);
	if (line)
		return line;
	if (v->takes_reports)
		return NULL;
	line = find_line(k, f, S("*"), v->domain, false);
	if (!line && m->is_declared && !m->alias_of) {
		line = address_file_find(f, S("*"));
		line = line && has_targets(line) ? line : NULL;
	}
	return line && is_role_name(plain) && only_fails(line) ? NULL : line;
}

static bool try_users(struct walk *k, const struct visit *v, const struct realm *m)
{
	const struct address_file *own = m->block ? m->block->users_file : NULL;
	const struct address_file *common = k->w->users_file;
	const struct address_line *line = NULL;

	if (own && (line = find_in_users(k, v, m, own, true)))
		take_line(k, v, "users", line);
	else if (common && (line = find_in_users(k, v, m, common, false)))
		take_line(k, v, "users", line);
	return line != NULL;
}

static bool try_alias_domain(struct walk *k, const struct visit *v, const struct realm *m)
{
	struct str to;

	if (!m->alias_of)
		return false;
	to = m->alias_of->name;
	add_visit(k, v, v->local, to,
		  add_step(k, v,
			   arena_printf(k->a, "alias domain: " STR_FMT " → " STR_FMT "@" STR_FMT,
					STR_ARG(v->key), STR_ARG(v->local), STR_ARG(to))));
	return true;
}

static bool try_aliases(struct walk *k, const struct visit *v)
{
	const struct address_file *f = k->w->aliases_file;
	struct str plain = local_without_tag(v->local, k->w->subaddress);
	const struct address_line *line = address_file_find(f, v->local);

	if (!line)
		line = address_file_find(f, plain);
	if (!line || !has_targets(line))
		return false;
	take_line(k, v, "aliases", line);
	return true;
}

static void found(struct walk *k, const struct visit *v, enum route_kind kind, struct str local,
		  struct str domain)
{
	struct str why = arena_printf(k->a, STR_FMT ": %s " STR_FMT "%s" STR_FMT, STR_ARG(v->key),
				      route_kind_name(kind), STR_ARG(local), domain.n ? "@" : "",
				      STR_ARG(domain));
	struct route_target t = { .kind = kind, .local = local, .domain = domain };

	t.tag = tag_of(v->local, k->w->subaddress);
	t.last = add_step(k, v, why);
	add_target(k, &t);
}

/* true if the account exists, or if that is not known yet. */
static bool try_account(struct walk *k, const struct visit *v, struct str local, struct str domain)
{
	enum known known =
		k->w->account_exists ? k->w->account_exists(k->w, local, domain) : KNOWN_NO;

	if (known == KNOWN_NO)
		return false;
	if (known == KNOWN_NOT_YET)
		wait_for(k, v, S("the accounts cannot be asked now"));
	else
		found(k, v, ROUTE_ACCOUNT, local, domain);
	return true;
}

static void take_contact(struct walk *k, const struct visit *v)
{
	if (!k->w->contact.n) {
		wait_for(k, v, S("it goes to the contact, and no contact is configured"));
		return;
	}
	if (k->has_used_contact) {               /* the contact itself is such a name: somebody must get it */
		struct str first = k->w->first_account ? k->w->first_account(k->w) : S("");

		if (first.n)
			take_list(k, v, first, S("the first account, since the contact has no mailbox"));
		else
			k->trouble = arena_printf(k->a, "the contact leads to " STR_FMT ", and there is no account",
						  STR_ARG(v->key));
		return;
	}
	k->has_used_contact = true;
	take_list(k, v, k->w->contact, S("contact"));
}

static bool try_linux(struct walk *k, const struct visit *v, struct str name)
{
	enum known known = KNOWN_NO;

	if (k->w->linux_exists && !str_eq(name, S("root")))
		known = k->w->linux_exists(k->w, name);
	if (known == KNOWN_NO)
		return false;
	if (known == KNOWN_NOT_YET) {
		if (!k->r->ask_linux.n)
			k->r->ask_linux = name;
		wait_for(k, v, S("the Linux accounts have not answered yet"));
	} else if (k->w->is_satellite && !k->has_used_contact) {
		take_contact(k, v);
	} else {
		found(k, v, ROUTE_LINUX, name, (struct str){ 0 });
	}
	return true;
}

static bool try_accounts(struct walk *k, const struct visit *v, const struct realm *m)
{
	struct str names[2] = { v->local, local_without_tag(v->local, k->w->subaddress) };
	size_t n = names[1].n < names[0].n ? 2 : 1;

	for (size_t i = 0; i < n; i++) {
		if (try_account(k, v, names[i], v->domain))
			return true;
		if (m->is_host && k->w->n_domains && !m->block &&
		    try_account(k, v, names[i], k->w->domains[0].name))
			return true;
		if (m->is_system && try_linux(k, v, names[i]))
			return true;
	}
	return false;
}

static bool try_contact(struct walk *k, const struct visit *v, const struct realm *m)
{
	struct str plain = local_without_tag(v->local, k->w->subaddress);

	if (!is_role_name(plain) && !(m->is_system && str_eq(plain, S("root"))))
		return false;
	take_contact(k, v);
	return true;
}

static bool try_catch_all(struct walk *k, const struct visit *v, const struct realm *m)
{
	if (!m->block || !m->block->catch_all.n || v->skip_lines)
		return false;
	take_list(k, v, m->block->catch_all,
		  arena_printf(k->a, "catch-all of " STR_FMT, STR_ARG(v->domain)));
	return true;
}

static bool try_others(struct walk *k, const struct visit *v, const struct realm *m)
{
	if (!m->block || !m->block->has_others)
		return false;
	end_visit(k, v, ROUTE_REMOTE, NULL, S(""),
		  arena_printf(k->a, STR_FMT ": nobody here, the others of " STR_FMT " are at another server",
			       STR_ARG(v->key), STR_ARG(v->domain)));
	return true;
}

static void look_at(struct walk *k, const struct visit *v)
{
	struct realm m = realm_of(k->w, v->domain);

	if (v->takes_reports)
		add_target(k, &(struct route_target){ .kind = ROUTE_DMARC_REPORTS, .last = add_step(k, v, arena_printf(
			k->a, STR_FMT ": the DMARC reports in it are read", STR_ARG(v->key))) });
	if (!v->skip_lines && try_users(k, v, &m))
		return;
	if (try_alias_domain(k, v, &m))
		return;
	if (!v->skip_lines && m.is_system && try_aliases(k, v))
		return;
	if (try_accounts(k, v, &m))
		return;
	if (try_contact(k, v, &m) || v->takes_reports)
		return;
	if (try_catch_all(k, v, &m))
		return;
	if (try_others(k, v, &m))
		return;
	if (v->skip_lines)
		k->trouble =
			arena_printf(k->a, STR_FMT " leads to itself, and there is no such account",
				     STR_ARG(v->key));
	else
		not_found(k, v);
}

static bool came_from_contact(const struct route_target *t)
{
	for (const struct route_step *s = t->last; s; s = s->from)
		if (str_starts(s->text, S("contact: ")))
			return true;
	return false;
}

static void set_verdict(struct route *r, enum route_verdict verdict, int code, const char *status,
			struct str text, struct str reason)
{
	r->verdict = verdict;
	r->code = code;
	r->status = status;
	r->text = text;
	r->reason = reason;
}

static bool is_unsupported(enum route_kind k)
{
	return k == ROUTE_PIPE || k == ROUTE_FILE || k == ROUTE_INCLUDE;
}

/* One answer for all targets: what must wait makes all wait;
 * a refused target among good ones does not keep the letter from these. */
static void judge(struct walk *k)
{
	const struct route_target *good = NULL, *bad = NULL, *waits = NULL;
	struct route *r = k->r;

	for (size_t i = 0; i < r->n_targets; i++) {
		const struct route_target *t = &r->targets[i];

		if (t->kind == ROUTE_DEFER || is_unsupported(t->kind))
			waits = waits ? waits : t;
		else if (t->kind == ROUTE_FAIL)
			bad = bad ? bad : t;
		else
			good = good ? good : t;
	}
	if (waits && waits->kind == ROUTE_DEFER)
		set_verdict(r, ROUTE_LATER, 451, "4.3.0", waits->text, waits->last->text);
	else if (waits)
		set_verdict(r, ROUTE_LATER, 451, "4.3.0", text_later,
			    arena_printf(k->a, STR_FMT " (a %s cannot be served yet)",
					 STR_ARG(waits->last->text), route_kind_name(waits->kind)));
	else if (good)
		set_verdict(r, ROUTE_ACCEPT, 250, "2.1.5", S("ok"), good->last->text);
	else if (bad && came_from_contact(bad))
		set_verdict(r, ROUTE_LATER, 451, "4.3.0", text_later, arena_printf(k->a,
			    "the contact leads nowhere: " STR_FMT, STR_ARG(bad->last->text)));
	else if (bad)
		set_verdict(r, ROUTE_REFUSE, 550, bad->status, bad->text, bad->last->text);
	else
		set_verdict(r, ROUTE_REFUSE, 550, "5.1.1", text_unknown,
			    S("it leads to no target"));
}

static void judge_trouble(struct walk *k)
{
	if (k->has_used_contact)
		set_verdict(k->r, ROUTE_LATER, 451, "4.3.0", text_later, k->trouble);
	else
		set_verdict(k->r, ROUTE_REFUSE, 550, "5.4.6",
			    S("the aliases of this address form a loop"), k->trouble);
	k->r->n_targets = 0;
}

static bool check_local(struct str local)
{
	if (local.n == 0 || local.n > TARGET_LOCAL_MAX)
		return false;
	for (size_t i = 0; i < local.n; i++)
		if (str_at(local, i) < ' ' || str_at(local, i) == 127)
			return false;
	return true;
}

static void refuse(struct route *r, const char *status, struct str text)
{
	set_verdict(r, ROUTE_REFUSE, 550, status, text, text);
}

static bool walk_all(struct walk *k, struct str local, struct str domain, struct err *e)
{
	add_visit(k, NULL, local, domain, NULL);
	for (const struct visit *v = k->first; v && !k->trouble.n; v = v->next)
		look_at(k, v);
	map_end(&k->seen);
	if (k->a->full)
		return fail(e, FAULT_TEMP, "not enough memory to route an address");
	if (k->trouble.n)
		judge_trouble(k);
	else
		judge(k);
	return true;
}

bool route_address(const struct route_world *w, struct str local, struct str domain,
		   struct arena *a, struct route *ret, struct err *e)
{
	struct err why = { 0 };
	struct route r = { 0 };
	struct walk *k;

	if (domain.n == 0 && str_eq_nocase(local, S("postmaster")))
		domain = w->n_domains ? w->domains[0].name : S("localhost");
	if (!check_local(local)) {
		refuse(&r, "5.1.3", S("bad recipient address"));
	} else if (str_at(domain, 0) == '[') {
		refuse(&r, "5.7.1", S("relaying denied"));
	} else if (!domain_fold(domain, a, &domain, &why)) {
		refuse(&r, "5.1.3", S("bad recipient address"));
		r.reason = arena_str(a, str_from_z(why.text));
	} else if (!route_domain_is_ours(w, domain)) {
		refuse(&r, "5.7.1", S("relaying denied"));
		r.reason = arena_printf(a, "the domain " STR_FMT " is not ours", STR_ARG(domain));
	} else {
		k = ARENA_NEW(a, struct walk);
		if (!k)
			return fail(e, FAULT_TEMP, "not enough memory to route an address");
		*k = (struct walk){ .w = w, .a = a, .r = &r };
		if (!walk_all(k, local, domain, e))
			return false;
	}
	*ret = r;
	return true;
}
