/* report.c — waxwing report dmarc: who sent as us, as other servers saw it, in plain sentences.
 *
 * `user` has the rows; names of addresses are asked for here, for as many as there is time. */
#include "role/control/control.h"

#include "dns/ask.h"
#include "trust/dmarc_meaning.h"
#include "trust/dmarc_report.h"
#include "wire/dns_name.h"

enum {
	SILENT_MAX = 3,                  /* questions without an answer: then nobody is asked any more */
	OUT_MAX = 8 << 20, ARENA_MAX = 64 << 20, NAMES_MAX = 60, OURS_MAX = 32, PAGES_MAX = 20, NAME_MAX = 255,
	USUAL_DAYS = 30,
};
#define NAMES_WITHIN (15 * SECOND)
#define NAME_WITHIN (3 * SECOND)

struct named {
	struct str ip, name;
};

struct told {
	struct command *c;
	struct str domain;
	int64_t since;                   /* seconds */
	struct user_report_list_answer page;
	struct dns_address ours[OURS_MAX];
	size_t n_ours;
	struct named names[NAMES_MAX];
	size_t n_names;
	unsigned silent;
	struct buf b;
	struct json j;
};

/* -- facts ----------------------------------------------------------------- */

SUSPENDS static void find_ours(struct told *t)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct dns_addresses r;
	struct err e;

	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		bool ok = false;

		WITHIN(NAME_WITHIN)
			ok = dns_addresses(conf_now()->hostname, families[f], t->c->a, &r, &e);
		t->silent += !ok || r.said.outcome == DNS_TEMP;
		for (size_t i = 0; ok && r.said.outcome == DNS_FOUND && i < r.n && t->n_ours < OURS_MAX; i++)
			t->ours[t->n_ours++] = r.p[i];
	}
}

static bool is_ours(const struct told *t, struct str ip)
{
	uint8_t addr[16];

	if (!dns_address_read(ip, addr))
		return false;
	for (size_t i = 0; i < t->n_ours; i++)
		if (memcmp(t->ours[i].addr, addr, sizeof(addr)) == 0)
			return true;
	return false;
}

SUSPENDS static void find_name(struct told *t, struct str ip)
{
	struct dns_names r;
	struct err e;
	bool ok = false;

	for (size_t i = 0; i < t->n_names; i++)
		if (str_eq(t->names[i].ip, ip))
			return;
	if (t->n_names == NAMES_MAX)
		return;
	WITHIN(NAME_WITHIN)
		ok = dns_ptr(ip, t->c->a, &r, &e);
	t->silent += !ok || r.said.outcome == DNS_TEMP;
	t->names[t->n_names++] = (struct named){ ip, ok && r.said.outcome == DNS_FOUND && r.n ? r.p[0] : S("") };
}

SUSPENDS static void find_names(struct told *t)
{
	struct err e;

	WITHIN(NAMES_WITHIN)
		for (size_t i = 0; i < t->page.sources.n && t->silent < SILENT_MAX && fiber_check(&e); i++)
			find_name(t, t->page.sources.p[i].ip);
}

static struct str name_of(const struct told *t, struct str ip)
{
	for (size_t i = 0; i < t->n_names; i++)
		if (str_eq(t->names[i].ip, ip))
			return t->names[i].name;
	return S("");
}

static struct dmarc_facts facts_of(const struct told *t, const struct ipc_dmarc_source *s)
{
	return (struct dmarc_facts){ .domain = s->domain, .is_our_address = is_ours(t, s->ip), .is_dkim_aligned = s->dkim,
				     .is_spf_aligned = s->spf, .reason = s->reason, .dkim_domain = s->dkim_domain,
				     .dkim_selector = s->dkim_selector, .dkim_result = s->dkim_result, .spf_domain = s->spf_domain,
				     .spf_result = s->spf_result };
}

/* -- text ------------------------------------------------------------------ */

static void add_day(struct buf *b, int64_t seconds)
{
	struct time_parts t = time_split(seconds * SECOND);

	buf_addf(b, "%04d-%02d-%02d", t.year, t.month, t.day);
}

static void print_domain(struct told *t, const struct ipc_dmarc_domain *d)
{
	struct buf *b = &t->b;

	buf_add_printable(b, d->domain, NAME_MAX);
	buf_addf(b, ": %llu letter%s in %llu report%s of ", (unsigned long long)d->letters, d->letters == 1 ? "" : "s",
		 (unsigned long long)d->reports, d->reports == 1 ? "" : "s");
	buf_add_printable(b, d->orgs, 8 * NAME_MAX);
	buf_add(b, S(", "));
	add_day(b, d->begin);
	buf_add(b, S(" to "));
	add_day(b, d->end);
	if (d->policy.n) {
		buf_add(b, S(", policy "));
		buf_add_printable(b, d->policy, NAME_MAX);
	}
	buf_add_char(b, '\n');
	if (d->proven < d->reports)
		buf_addf(b, "  %llu of these reports came in letters that do not prove who sent them.\n",
			 (unsigned long long)(d->reports - d->proven));
}

static void add_result(struct buf *b, const char *what, bool is_aligned, struct str domain, struct str result)
{
	buf_addf(b, "%s %s", what, is_aligned ? "passed" : "failed");
	if (is_aligned || !domain.n)
		return;
	buf_add(b, S(" ("));
	buf_add_printable(b, domain, NAME_MAX);
	buf_add_char(b, ' ');
	buf_add_printable(b, result.n ? result : S("?"), NAME_MAX);
	buf_add_char(b, ')');
}

static void print_source(struct told *t, const struct ipc_dmarc_source *s)
{
	static const char *const fates[DMARC_DISPOSITIONS] = { "let in", "put aside", "refused" };
	struct dmarc_facts f = facts_of(t, s);
	struct str name = name_of(t, s->ip);
	struct buf *b = &t->b;

	buf_add(b, S("  "));
	buf_add_printable(b, s->ip, NAME_MAX);
	if (name.n) {
		buf_add(b, S(" ("));
		buf_add_printable(b, name, NAME_MAX);
		buf_add_char(b, ')');
	}
	buf_addf(b, ": %llu letter%s, ", (unsigned long long)s->count, s->count == 1 ? "" : "s");
	add_result(b, "DKIM", s->dkim, s->dkim_domain, s->dkim_result);
	buf_add(b, S(", "));
	add_result(b, "SPF", s->spf, s->spf_domain, s->spf_result);
	buf_addf(b, ", %s", s->disposition < DMARC_DISPOSITIONS ? fates[s->disposition] : "?");
	if (s->reason.n) {
		buf_add(b, S(" ("));
		buf_add_printable(b, s->reason, NAME_MAX);
		buf_add_char(b, ')');
	}
	if (s->header_from.n && !str_eq(s->header_from, s->domain)) {
		buf_add(b, S(", as "));
		buf_add_printable(b, s->header_from, NAME_MAX);
	}
	buf_add(b, S("\n    "));
	dmarc_meaning_tell(dmarc_meaning_of(&f), &f, b);
	buf_add_char(b, '\n');
}

static void print_text(struct told *t)
{
	const struct user_report_list_answer *r = &t->page;

	if (!r->domains.n)
		buf_add(&t->b, S("No report of that time.\n"));
	for (size_t i = 0; i < r->domains.n; i++) {
		print_domain(t, &r->domains.p[i]);
		for (size_t k = 0; k < r->sources.n; k++)
			if (str_eq(r->sources.p[k].domain, r->domains.p[i].domain))
				print_source(t, &r->sources.p[k]);
	}
	if (r->unread.n)
		buf_add(&t->b, S("Letters to the address of reports that were none, or could not be read:\n"));
	for (size_t i = 0; i < r->unread.n; i++) {
		buf_add(&t->b, S("  "));
		add_day(&t->b, r->unread.p[i].received / SECOND);
		buf_add_char(&t->b, ' ');
		buf_add_printable(&t->b, r->unread.p[i].sender, NAME_MAX);
		buf_add(&t->b, S(": "));
		buf_add_printable(&t->b, r->unread.p[i].why, NAME_MAX);
		buf_add_char(&t->b, '\n');
	}
}

/* -- JSON ------------------------------------------------------------------ */

static void json_source(struct told *t, const struct ipc_dmarc_source *s)
{
	struct dmarc_facts f = facts_of(t, s);
	AUTO(buf_end) struct buf b = buf_on_heap(4 * NAME_MAX + 1000);
	struct json *j = &t->j;

	dmarc_meaning_tell(dmarc_meaning_of(&f), &f, &b);
	json_object(j, NULL);
	json_str(j, "ip", s->ip);
	json_str(j, "name", name_of(t, s->ip));
	json_bool(j, "ours", f.is_our_address);
	json_int(j, "letters", (int64_t)s->count);
	json_bool(j, "dkim", s->dkim);
	json_bool(j, "spf", s->spf);
	json_str(j, "disposition", str_from_z(dmarc_disposition_name((enum dmarc_disposition)s->disposition)));
	json_str(j, "reason", s->reason);
	json_str(j, "header_from", s->header_from);
	json_str(j, "dkim_domain", s->dkim_domain);
	json_str(j, "dkim_selector", s->dkim_selector);
	json_str(j, "dkim_result", s->dkim_result);
	json_str(j, "spf_domain", s->spf_domain);
	json_str(j, "spf_result", s->spf_result);
	json_str(j, "meaning", str_from_z(dmarc_meaning_word(dmarc_meaning_of(&f))));
	json_str(j, "text", buf_str(&b));
	json_end_object(j);
}

static void json_domain(struct told *t, const struct ipc_dmarc_domain *d)
{
	struct json *j = &t->j;

	json_object(j, NULL);
	json_str(j, "domain", d->domain);
	json_str(j, "reporters", d->orgs);
	json_str(j, "policy", d->policy);
	json_int(j, "reports", (int64_t)d->reports);
	json_int(j, "proven", (int64_t)d->proven);
	json_int(j, "letters", (int64_t)d->letters);
	json_time(j, "begin", d->begin * SECOND);
	json_time(j, "end", d->end * SECOND);
	json_array(j, "sources");
	for (size_t i = 0; i < t->page.sources.n; i++)
		if (str_eq(t->page.sources.p[i].domain, d->domain))
			json_source(t, &t->page.sources.p[i]);
	json_end_array(j);
	json_end_object(j);
}

static void print_json(struct told *t)
{
	const struct user_report_list_answer *r = &t->page;

	t->j = json_to(&t->b);
	json_object(&t->j, NULL);
	json_array(&t->j, "domains");
	for (size_t i = 0; i < r->domains.n; i++)
		json_domain(t, &r->domains.p[i]);
	json_end_array(&t->j);
	json_array(&t->j, "unread");
	for (size_t i = 0; i < r->unread.n; i++) {
		json_object(&t->j, NULL);
		json_time(&t->j, "received", r->unread.p[i].received);
		json_str(&t->j, "from", r->unread.p[i].sender);
		json_str(&t->j, "why", r->unread.p[i].why);
		json_end_object(&t->j);
	}
	json_end_array(&t->j);
	json_end_object(&t->j);
	buf_add_char(&t->b, '\n');
}

/* -- the command ----------------------------------------------------------- */

static bool read_args(struct told *t)
{
	const struct command *c = t->c;
	uint64_t seconds = USUAL_DAYS * 24 * 3600;

	for (size_t i = 0; i < c->n_args; i++) {
		if (str_eq(c->args[i].text, S("--since"))) {
			if (++i == c->n_args || !read_seconds(c->args[i].text, &seconds))
				return false;
		} else if (t->domain.n || str_starts(c->args[i].text, S("-"))) {
			return false;
		} else {
			t->domain = c->args[i].text;
		}
	}
	t->since = seconds ? time_now() / SECOND - (int64_t)seconds : 0;
	return true;
}

static bool join(struct told *t, const struct user_report_list_answer *page)
{
	struct user_report_list_answer *all = &t->page;
	size_t n_domains = all->domains.n + page->domains.n, n_sources = all->sources.n + page->sources.n;
	struct ipc_dmarc_domain *domains = ARENA_ARRAY(t->c->a, struct ipc_dmarc_domain, n_domains + 1);
	struct ipc_dmarc_source *sources = ARENA_ARRAY(t->c->a, struct ipc_dmarc_source, n_sources + 1);

	if (!domains || !sources)
		return false;
	for (size_t i = 0; i < n_domains; i++)
		domains[i] = i < all->domains.n ? all->domains.p[i] : page->domains.p[i - all->domains.n];
	for (size_t i = 0; i < n_sources; i++)
		sources[i] = i < all->sources.n ? all->sources.p[i] : page->sources.p[i - all->sources.n];
	if (!all->unread.n)
		all->unread = page->unread;
	all->domains.p = domains;
	all->domains.n = n_domains;
	all->sources.p = sources;
	all->sources.n = n_sources;
	return true;
}

SUSPENDS static bool ask(struct told *t, struct err *e)
{
	struct user_report_list q = { .domain = t->domain, .since = t->since };
	struct user_report_list_answer page = { .more = 1 };

	for (unsigned pages = 0; page.more && pages < PAGES_MAX; pages++) {
		if (!user_report_list(link_to(ROLE_USER), &q, &page, t->c->a, e))
			return false;
		if (!join(t, &page))
			return fail(e, FAULT_TEMP, "there is more to tell than memory for it: name a domain, or a shorter time");
		q.skip += page.domains.n > page.sources.n ? page.domains.n : page.sources.n;
	}
	return true;
}

SUSPENDS int run_report_dmarc(struct command *c)
{
	struct told *t = ARENA_NEW(c->a, struct told);
	struct err e;

	c->a->limit = ARENA_MAX;
	if (!t)
		return complain(c, EXIT_AWAY, S("out of memory"));
	t->c = c;
	if (!read_args(t))
		return complain(c, EXIT_USAGE, S("usage: waxwing report dmarc [DOMAIN] [--since 30d|forever]"));
	if (!ask(t, &e))
		return complain_err(c, &e);
	if (t->page.sources.n) {
		find_ours(t);
		find_names(t);
	}
	t->b = buf_on_heap(OUT_MAX);
	if (c->is_json)
		print_json(t);
	else
		print_text(t);
	say(c, buf_str(&t->b));
	buf_end(&t->b);
	return t->page.domains.n ? EXIT_DONE : EXIT_NO;
}
