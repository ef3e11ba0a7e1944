/* dns_check.c — waxwing dns check: what is published of what should be, and what is to be done. */
#include "role/control/control.h"
#include "role/control/dkim_watch.h"
#include "role/control/dns_facts.h"
#include "role/control/dns_servers.h"

enum { OUT_MAX = 4 << 20, SHOWN_MAX = 1000 };

struct report {
	struct command *c;
	struct buf b;
	struct json j;
	size_t faults;
};

static void add_row(struct buf *b, const char *what, struct str text)
{
	if (!text.n)
		return;
	buf_addf(b, "             %s", what);
	buf_add_printable(b, text, SHOWN_MAX);
	buf_add_char(b, '\n');
}

static const char *word_of(const struct dns_finding *found)
{
	bool is_optional = found->verdict.state == PUBLISH_MISSING && !found->verdict.is_fault;

	return is_optional ? "optional" : publish_state_name(found->verdict.state);
}

static void print_row(struct report *r, const struct publish_record *wish, const struct dns_finding *found, struct str should)
{
	const struct publish_verdict *v = &found->verdict;

	buf_addf(&r->b, "%-12s " STR_FMT " ", wish->is_removal && v->state == PUBLISH_PUBLISHED ? "removed" : word_of(found),
		 STR_ARG(wish->owner));
	dns_type_print(wish->type, &r->b);
	if (v->state == PUBLISH_PUBLISHED && found->is_old_cached)
		buf_addf(&r->b, ": an old value is cached for up to %u s", found->seconds);
	buf_add_char(&r->b, '\n');
	if (v->state != PUBLISH_PUBLISHED) {
		add_row(&r->b, "is ", v->is);
		add_row(&r->b, wish->is_removal ? "should not be there: " : "should be ", wish->is_removal ? wish->note : should);
	}
	add_row(&r->b, "", v->why);
	if (found->server.n)
		add_row(&r->b, "so says one of its name servers, and not all: ", found->server);
	if (found->is_only_cache)
		add_row(&r->b, "", S("none of its name servers answers us: so says the resolver"));
	if (wish->is_foreign && v->is_fault)
		add_row(&r->b, "", wish->note);
}

static void json_row(struct report *r, const struct publish_record *wish, const struct dns_finding *found, struct str should)
{
	const struct publish_verdict *v = &found->verdict;
	char mem[32];
	struct buf type = buf_over(mem, sizeof(mem));

	dns_type_print(wish->type, &type);
	json_object(&r->j, NULL);
	json_str(&r->j, "kind", str_from_z(publish_kind_id(wish->kind)));
	json_str(&r->j, "name", wish->owner);
	json_str(&r->j, "type", buf_str(&type));
	json_str(&r->j, "state", str_from_z(publish_state_name(v->state)));
	json_bool(&r->j, "fault", v->is_fault);
	json_str(&r->j, "is", v->is);
	json_str(&r->j, "should", should);
	json_bool(&r->j, "remove", wish->is_removal);
	json_str(&r->j, "why", v->why);
	json_str(&r->j, "server", found->server);
	json_bool(&r->j, "resolver_only", found->is_only_cache);
	json_int(&r->j, "old_cached", found->is_old_cached ? (int64_t)found->seconds : 0);
	json_str(&r->j, "note", wish->note);
	json_end_object(&r->j);
}

SUSPENDS static bool check_one(struct report *r, struct dns_survey *s, const struct publish_facts *f,
			       const struct publish_record *wish, struct err *e)
{
	AUTO(buf_end) struct buf should = buf_on_heap(1 << 16);
	struct dns_finding found;

	if (!dns_survey_find(s, f, wish, &found, e))
		return false;
	publish_data_print(wish, &should);
	r->faults += found.verdict.is_fault;
	if (r->c->is_json)
		json_row(r, wish, &found, buf_str(&should));
	else
		print_row(r, wish, &found, buf_str(&should));
	return true;
}

static void begin_domain(struct report *r, const struct publish_facts *f, const struct publish_list *l)
{
	if (!r->c->is_json) {
		if (l->note.n)
			buf_addf(&r->b, STR_FMT "\n", STR_ARG(l->note));
		return;
	}
	json_object(&r->j, NULL);
	json_str(&r->j, "domain", f->domain);
	json_str(&r->j, "host", f->host);
	json_str(&r->j, "note", l->note);
	json_array(&r->j, "records");
}

static void end_domain(struct report *r, const struct publish_facts *f, size_t faults)
{
	if (r->c->is_json) {
		json_end_array(&r->j);
		json_bool(&r->j, "ok", !faults);
		json_end_object(&r->j);
	} else if (faults) {
		buf_addf(&r->b, STR_FMT ": %zu to be seen to\n", STR_ARG(f->domain), faults);
	} else {
		buf_addf(&r->b, STR_FMT ": all published\n", STR_ARG(f->domain));
	}
}

SUSPENDS static bool check_domain(struct report *r, struct str domain, bool is_first, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 16 << 20 };
	struct dns_survey s = { .a = &a };
	struct publish_facts f;
	struct publish_list list;
	size_t before = r->faults;

	if (!dns_facts(domain, &a, &f, e) || !publish_wishes(&f, &a, &list, e))
		return false;
	begin_domain(r, &f, &list);
	for (size_t i = 0; i < list.n; i++)
		if ((is_first || !publish_is_of_host(list.p[i].kind)) && !check_one(r, &s, &f, &list.p[i], e))
			return false;
	end_domain(r, &f, r->faults - before);
	return true;
}

int run_dns_check(struct command *c)
{
	struct report r = { .c = c, .b = buf_on_heap(OUT_MAX) };
	struct str typed = c->n_args ? c->args[0].text : S(""), *domains;
	int exit_code = EXIT_DONE;
	bool ok = true;
	size_t n;
	struct err e;

	r.j = json_to(&r.b);
	if (!dns_domains(c, typed, &domains, &n, &exit_code))
		return exit_code;
	if (c->is_json && !typed.n)
		json_array(&r.j, NULL);
	for (size_t i = 0; ok && i < n; i++)
		ok = check_domain(&r, domains[i], i == 0, &e);
	if (c->is_json && !typed.n)
		json_end_array(&r.j);
	if (c->is_json)
		buf_add_char(&r.b, '\n');
	if (ok)
		say(c, buf_str(&r.b));
	buf_end(&r.b);
	if (!ok)
		return complain_err(c, &e);
	dkim_watch_wake();               /* a key that was waited for may be there */
	return r.faults ? EXIT_NO : EXIT_DONE;
}
