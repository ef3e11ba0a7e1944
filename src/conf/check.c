/* check.c — asks what no single row can know. */
#include "conf/check.h"

#include "base/map.h"

struct check {
	const struct conf *c;
	struct conf_notes *notes;
	struct conf_pos top;             /* the file, for what is missing */
	struct map domains;              /* name → where it stands */
};

static void check_complete(struct check *k)
{
	const struct conf *c = k->c;

	if (c->hostname.n == 0)
		conf_error(k->notes, k->top,
			   "\"hostname\" is missing: the full name of this server");
	else if (!str_has(c->hostname, '.'))
		conf_warn(k->notes, k->top,
			  "hostname \"" STR_FMT "\" has no dot: others will not believe it",
			  STR_ARG(c->hostname));
	if (c->domains.n == 0 && c->domain_files.n == 0 && !conf_is_satellite(c))
		conf_warn(k->notes, k->top, "no \"domain\": letters to hostname alone are taken");
}

static void domain_add(struct check *k, struct str name, const struct conf_pos *pos)
{
	const struct conf_pos *first = map_get(&k->domains, name);

	if (first)
		conf_error(k->notes, *pos, "the domain \"" STR_FMT "\" stands in line %u already",
			   STR_ARG(name), first->line);
	else
		map_put(&k->domains, name, (void *)pos);
}

static void check_domains(struct check *k)
{
	const struct conf_domains *list = &k->c->domains;

	for (size_t i = 0; i < list->n; i++)
		domain_add(k, list->p[i].name, &list->p[i].pos);
	for (size_t i = 0; i < list->n; i++) {
		const struct conf_names *also = &list->p[i].alias_domains;

		for (size_t j = 0; j < also->n; j++)
			domain_add(k, also->p[j].text, &also->p[j].pos);
	}
}

/* One key cannot be that of several domains, unless the path says which; one that signs for all is said once. */
static void check_dkim_lines(struct check *k, const struct conf_dkims *list, const struct conf_domain *block)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct conf_dkim *d = &list->p[i];
		bool has_many = !block || block->alias_domains.n || block->domain_files.n;

		if (d->kind != CONF_DKIM_KEYS) {
			if (list->n > 1)
				conf_error(k->notes, d->pos, "dkim own and dkim off stand alone, without other lines dkim");
		} else if (block && d->domain.n) {
			conf_error(k->notes, d->pos, "\"domain\" stands in a line dkim outside of the domains alone: it is for all letters");
		} else if (has_many && !d->domain.n && str_find_str(d->path, S("%d")) == d->path.n) {
			conf_error(k->notes, d->pos, "%%d is missing in the path: each domain has a key of its own, or write \"domain NAME\"");
		}
	}
}

static void check_dkim(struct check *k)
{
	const struct conf *c = k->c;

	check_dkim_lines(k, &c->dkim, NULL);
	for (size_t i = 0; i < c->domains.n; i++)
		check_dkim_lines(k, &c->domains.p[i].dkim, &c->domains.p[i]);
	if (c->dkim_expiry <= c->outbound.retry.give_up)
		conf_warn(k->notes, k->top, "dkim-expiry is not longer than letters wait (outbound: retry … give-up)");
}

static void unknown_domain(struct check *k, const struct conf_user *user, struct str domain)
{
	struct conf_guess g = conf_guess_of(domain);
	struct str name;
	void *pos;

	for (size_t i = 0; map_next(&k->domains, &i, &name, &pos);)
		conf_guess_offer(&g, name);
	conf_error(k->notes, user->pos, "no \"domain\" names \"" STR_FMT "\"%s", STR_ARG(domain),
		   conf_guess_text(&g));
}

static void check_users(struct check *k)
{
	struct map seen = { 0 };

	for (size_t i = 0; i < k->c->users.n && !conf_notes_full(k->notes); i++) {
		struct conf_user *u = &k->c->users.p[i];
		size_t at = str_rfind(u->name, '@');
		struct str domain = str_from(u->name, at + 1);
		const struct conf_user *first = map_put(&seen, u->name, u);

		if (first)
			conf_error(k->notes, u->pos,
				   "the user \"" STR_FMT "\" stands in line %u already",
				   STR_ARG(u->name), first->pos.line);
		if (at < u->name.n && !map_get(&k->domains, domain) && !str_eq(domain, k->c->hostname) &&
		    !str_eq(domain, S("localhost")) && k->c->domain_files.n == 0)
			unknown_domain(k, u, domain);
	}
	map_end(&seen);
}

static bool listens_clash(const struct conf_listen *a, const struct conf_listen *b)
{
	return a->port && a->port == b->port && (str_eq(a->addr, b->addr) || str_eq(a->addr, S("*")) ||
				      str_eq(b->addr, S("*")));
}

static bool is_mail_access(const struct conf_listen *l)
{
	return l->proto == CONF_IMAP || l->proto == CONF_POP3;
}

static bool is_loopback(struct str addr)
{
	return str_starts(addr, S("127.")) || str_eq(addr, S("::1"));
}

/* Who logs in there? */
static bool takes_passwords(const struct conf_listen *l)
{
	return is_mail_access(l) || l->proto == CONF_SUBMISSION || (l->proto == CONF_SMTP && l->auth);
}

static void check_listen_tls(struct check *k, const struct conf_listen *l)
{
	const char *name = conf_proto_name(l->proto);

	if (l->port == 0)
		return;
	if ((l->proto == CONF_SUBMISSION || is_mail_access(l)) && l->tls == CONF_TLS_OFFERED)
		conf_error(k->notes, l->pos, "%s needs \"starttls\" or \"tls\"", name);
	if (l->tls == CONF_TLS_PLAINTEXT && !takes_passwords(l))
		conf_error(k->notes, l->pos, "\"plaintext\" is for imap, pop3, submission and smtp with auth");
	if (l->tls == CONF_TLS_WRAPPED && l->proto == CONF_SMTP && !l->auth)
		conf_error(k->notes, l->pos, "smtp with \"tls\" is for clients that log in: auth tls, or submission");
	else if (l->tls == CONF_TLS_PLAINTEXT && !is_loopback(l->addr))
		conf_error(k->notes, l->pos,
			   "\"plaintext\" is for a loopback address alone: passwords would be sent in the clear");
	if (l->auth && is_mail_access(l))
		conf_error(k->notes, l->pos, "\"auth\" is for smtp");
}

enum { LISTENS_MAX = 64 };

static void check_listens(struct check *k)
{
	const struct conf_listens *list = &k->c->listens;

	for (size_t i = 0; i < list->n; i++) {
		const struct conf_listen *l = &list->p[i];

		if (i == LISTENS_MAX) {
			conf_error(k->notes, l->pos, "more than %d \"listen\"", LISTENS_MAX);
			return;
		}
		for (size_t j = 0; j < i; j++)
			if (listens_clash(l, &list->p[j])) {
				conf_error(k->notes, l->pos,
					   "port %u is taken by the \"listen\" in line %u", l->port,
					   list->p[j].pos.line);
				break;
			}
		check_listen_tls(k, l);
		if (l->proto > CONF_POP3)
			conf_warn(k->notes, l->pos, "\"listen %s\" is not yet served",
				  conf_proto_name(l->proto));
	}
}

enum { BACKENDS_MAX = 16 };

static void check_backends(struct check *k)
{
	const struct conf_backends *list = &k->c->auth.backends;

	if (list->n > BACKENDS_MAX) {
		conf_error(k->notes, list->p[BACKENDS_MAX].pos, "more than %d \"backend\"",
			   BACKENDS_MAX);
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		for (size_t j = 0; j < i && !conf_notes_full(k->notes); j++)
			if (list->p[i].kind == list->p[j].kind &&
			    str_eq(list->p[i].service, list->p[j].service))
				conf_error(k->notes, list->p[i].pos,
					   "this backend stands in line %u already",
					   list->p[j].pos.line);
}

static void check_aliases(struct check *k)
{
	const struct conf_aliases_list *list = &k->c->aliases;

	for (size_t i = 0; i < list->n && list->n > 1; i++)
		if (list->p[i].path.n == 0)
			conf_error(k->notes, list->p[i].pos,
				   "\"aliases off\" stands beside other \"aliases\"");
}

static void check_quotas(struct check *k)
{
	struct map seen = { 0 };

	for (size_t i = 0; i < k->c->quotas.n && !conf_notes_full(k->notes); i++) {
		struct conf_quota *q = &k->c->quotas.p[i];
		const struct conf_quota *first = map_put(&seen, q->whose, q);

		if (first)
			conf_error(k->notes, q->pos, "the quota of %s" STR_FMT " stands in line %u already",
				   q->whose.n ? "" : "all", STR_ARG(q->whose), first->pos.line);
	}
	map_end(&seen);
}

static bool net_is_loopback(const struct conf_net *n)
{
	static const uint8_t v4[13] = { [10] = 0xff, [11] = 0xff, [12] = 127 }, v6[16] = { [15] = 1 };

	return (n->bits >= 96 + 8 && memcmp(n->addr, v4, sizeof(v4)) == 0) ||
	       (n->bits == 128 && memcmp(n->addr, v6, sizeof(v6)) == 0);
}

/* Whoever sits in an allowed network could send as everybody. */
static void check_networks(struct check *k)
{
	const struct conf_networks *list = &k->c->submission.networks;

	for (size_t i = 0; i < list->n && !conf_notes_full(k->notes); i++) {
		const struct conf_network *v = &list->p[i];
		bool is_any = false, is_here = true;

		for (size_t s = 0; s < v->senders.n; s++) {
			is_any |= v->senders.p[s].kind == CONF_SENDER_ANY;
			if (v->senders.p[s].kind == CONF_SENDER_OWN)
				conf_error(k->notes, v->pos, "a network has no own addresses: name them, or *@DOMAIN");
		}
		for (size_t n = 0; n < v->nets.n; n++)
			is_here &= net_is_loopback(&v->nets.p[n]);
		if (is_any && !is_here)
			conf_error(k->notes, v->pos,
				   "\"any\" is for 127.0.0.0/8 and ::1 alone: name the addresses, or *@DOMAIN");
	}
}

static void check_limits(struct check *k)
{
	const struct conf_inbound *in = &k->c->inbound;

	if (in->reserve_submission >= in->max_connections)
		conf_error(k->notes, k->top,
			   "reserve-submission %u leaves nothing of max-connections %u",
			   in->reserve_submission, in->max_connections);
}

/* A list may stand in several lines, with other answers. */
static bool is_same_check(const struct conf_check *x, const struct conf_check *y)
{
	if (x->kind != y->kind || !str_eq(x->zone, y->zone) || x->n_answers != y->n_answers)
		return false;
	for (size_t i = 0; i < x->n_answers; i++)
		if (memcmp(&x->answers[i], &y->answers[i], sizeof(*x->answers)) != 0)
			return false;
	return true;
}

enum { CHECKS_MAX = 64 };

static void check_checks(struct check *k)
{
	const struct conf_inbound *in = &k->c->inbound;
	const struct conf_checks *list = &in->checks;
	char mem[64];
	struct buf b = buf_over(mem, sizeof(mem));

	if (list->n > CHECKS_MAX)
		conf_error(k->notes, list->p[CHECKS_MAX].pos, "more than %d \"check\"", CHECKS_MAX);
	for (size_t i = 0; i < list->n && i < CHECKS_MAX && !conf_notes_full(k->notes); i++) {
		const struct conf_check *v = &list->p[i];

		for (size_t j = 0; j < i; j++)
			if (is_same_check(v, &list->p[j]))
				conf_error(k->notes, v->pos, "this check stands in line %u already", list->p[j].pos.line);
		if (k->c->dns.resolver.kind == CONF_RESOLVER_OFF && v->kind != CONF_CHECK_HELO &&
		    v->kind != CONF_CHECK_HELO_SELF && v->kind != CONF_CHECK_FROM)
			conf_error(k->notes, v->pos, "this check asks the DNS, and \"dns\" says \"resolver off\"");
	}
	if (!in->junk.is_set || !in->reject.is_set || in->junk.score < in->reject.score)
		return;
	conf_score_print(in->reject.score, &b);
	buf_add(&b, S(" leaves nothing for junk at "));
	conf_score_print(in->junk.score, &b);
	conf_error(k->notes, k->top, "reject at " STR_FMT, STR_ARG(buf_str(&b)));
}

static bool is_v4(const struct conf_net *n)
{
	return memcmp(n->addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

static void check_outbound(struct check *k)
{
	const struct conf_nets *list = &k->c->outbound.sources;

	for (size_t i = 0; i < list->n; i++) {
		for (size_t j = 0; j < i; j++)
			if (is_v4(&list->p[i]) == is_v4(&list->p[j]))
				conf_error(k->notes, k->top, "\"source\" names two addresses of the same kind");
	}
	if (k->c->outbound.routes.n > UINT16_MAX / 2)
		conf_error(k->notes, k->top, "more than %d \"route\"", UINT16_MAX / 2);
}

static void check_folders(struct check *k)
{
	const struct conf *c = k->c;

	if (str_eq(c->storage, S("/")) || str_eq(c->run, S("/")))
		conf_error(k->notes, k->top, "the root folder can be neither storage nor run");
	else if (str_eq(c->storage, c->run))
		conf_error(k->notes, k->top, "storage and run are the same folder");
}

bool conf_check(const struct conf *c, struct str file, struct conf_notes *notes)
{
	struct check k = { .c = c, .notes = notes, .top = { .file = file } };
	size_t errors = notes->errors;

	check_complete(&k);
	check_domains(&k);
	check_users(&k);
	check_dkim(&k);
	check_listens(&k);
	check_backends(&k);
	check_aliases(&k);
	check_quotas(&k);
	check_networks(&k);
	check_limits(&k);
	check_checks(&k);
	check_outbound(&k);
	check_folders(&k);
	map_end(&k.domains);
	return notes->errors == errors;
}
