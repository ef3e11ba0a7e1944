/* checks.c — waxwing test rcpt, and waxwing status --lists. */
#include "role/control/control.h"

enum { OUT_MAX = 512 * 1024, LISTS_MAX = 256 };

/* -- test rcpt ------------------------------------------------------------- */

static bool read_args(struct command *c, struct smtpd_test_rcpt *q)
{
	const struct {
		struct str word;
		struct str *to;
	} words[] = { { S("--from"), &q->from },
		      { S("--to"), &q->to },
		      { S("--ip"), &q->ip },
		      { S("--helo"), &q->helo } };

	for (size_t i = 0; i + 1 < c->n_args; i += 2) {
		size_t k = 0;

		while (k < ARRAY_LEN(words) && !str_eq(words[k].word, c->args[i].text))
			k++;
		if (k == ARRAY_LEN(words))
			return false;
		*words[k].to = c->args[i + 1].text;
	}
	return c->n_args % 2 == 0 && q->to.n && q->ip.n;
}

static void print_rules(struct buf *b, const struct smtpd_test_rcpt_answer *r)
{
	for (size_t i = 0; i < r->rules.n; i++) {
		const struct ipc_rule *p = &r->rules.p[i];

		buf_addf(b, "%c " STR_FMT ": " STR_FMT, p->follows.n ? '!' : ' ', STR_ARG(p->rule),
			 STR_ARG(p->found));
		if (p->value.n) {
			buf_add(b, S(", "));
			buf_add_printable(b, p->value, 1000);
		}
		if (p->why.n) {
			buf_add(b, S(": "));
			buf_add_printable(b, p->why, 1000);
		}
		if (p->follows.n)
			buf_addf(b, " -> " STR_FMT, STR_ARG(p->follows));
		if (p->label.n)
			buf_addf(b, " [" STR_FMT "]", STR_ARG(p->label));
		buf_add_char(b, '\n');
	}
	if (r->score) {
		buf_add(b, S("  score "));
		conf_score_print(r->score, b);
		buf_add_char(b, '\n');
	}
	buf_addf(b, "= %u " STR_FMT " ", r->code, STR_ARG(r->enhanced));
	buf_add_printable(b, r->text, 1000);
	buf_add_char(b, '\n');
}

static void json_rules(struct buf *b, const struct smtpd_test_rcpt_answer *r)
{
	char mem[32];
	struct buf score = buf_over(mem, sizeof(mem));
	struct json j = json_to(b);

	json_object(&j, NULL);
	json_array(&j, "rules");
	for (size_t i = 0; i < r->rules.n; i++) {
		const struct ipc_rule *p = &r->rules.p[i];

		json_object(&j, NULL);
		json_str(&j, "rule", p->rule);
		json_str(&j, "label", p->label);
		json_str(&j, "found", p->found);
		json_str(&j, "value", p->value);
		json_str(&j, "why", p->why);
		json_str(&j, "follows", p->follows);
		json_end_object(&j);
	}
	json_end_array(&j);
	conf_score_print(r->score, &score);
	json_str(&j, "score", buf_str(&score));
	json_int(&j, "code", r->code);
	json_str(&j, "enhanced", r->enhanced);
	json_str(&j, "text", r->text);
	json_end_object(&j);
	buf_add_char(b, '\n');
}

SUSPENDS int run_test_rcpt(struct command *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(OUT_MAX);
	struct smtpd_test_rcpt q = { 0 };
	struct smtpd_test_rcpt_answer r;
	struct err e;

	if (!read_args(c, &q))
		return complain(c, EXIT_USAGE,
				S("usage: waxwing test rcpt --from F --to T --ip IP [--helo H]"));
	if (!smtpd_test_rcpt(link_to(ROLE_SMTPD), &q, &r, c->a, &e))
		return complain_err(c, &e);
	if (c->is_json)
		json_rules(&b, &r);
	else
		print_rules(&b, &r);
	say(c, buf_str(&b));
	return r.code < 300 ? EXIT_DONE : EXIT_NO;
}

/* -- status --lists -------------------------------------------------------- */

/* What the copies of smtpd know, as one: counts are added, the worst state holds, the latest answer
 * is shown. */
static void merge(struct ipc_dns_list *to, const struct ipc_dns_list *from)
{
	to->asked += from->asked;
	to->hits += from->hits;
	to->is_tested &= from->is_tested;
	to->has_v6 &= from->has_v6;
	if (to->is_good && !from->is_good) {
		to->is_good = 0;
		to->why = from->why;
		to->off_at = from->off_at;
	}
	if (from->last_at > to->last_at) {
		to->last = from->last;
		to->last_at = from->last_at;
	}
	if (!to->error.n)
		to->error = from->error;
}

SUSPENDS static bool collect(struct command *c, struct ipc_dns_list *all, size_t *n, struct err *e)
{
	for (uint32_t instance = 0;; instance++) {
		struct link *l = link_to_instance(ROLE_SMTPD, instance);
		struct smtpd_lists_answer r;

		if (!l)
			return instance > 0 || fail(e, FAULT_TEMP, "smtpd is away");
		if (!smtpd_lists(l, &(struct smtpd_lists){ 0 }, &r, c->a, e))
			return false;
		for (size_t i = 0; i < r.lists.n; i++) {
			size_t k = 0;

			while (k < *n && !str_eq(all[k].zone, r.lists.p[i].zone))
				k++;
			if (k < *n)
				merge(&all[k], &r.lists.p[i]);
			else if (k < LISTS_MAX)
				all[(*n)++] = r.lists.p[i];
		}
	}
}

static const char *state_of(const struct ipc_dns_list *l)
{
	return !l->is_tested ? "not yet tested"
	       : !l->is_good ? "off"
	       : l->has_v6   ? "on"
			     : "on, IPv4 only";
}

static void print_lists(struct buf *b, const struct ipc_dns_list *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_addf(b, STR_FMT ": %s, %llu hits today of %llu asked", STR_ARG(p[i].zone),
			 state_of(&p[i]), (unsigned long long)p[i].hits,
			 (unsigned long long)p[i].asked);
		if (p[i].last_at) {
			buf_addf(b, ", last answer " STR_FMT " at ", STR_ARG(p[i].last));
			time_add_known(b, p[i].last_at);
		}
		buf_add_char(b, '\n');
		if (p[i].is_tested && !p[i].is_good) {
			buf_addf(b, "  WARNING: " STR_FMT "; off since ", STR_ARG(p[i].why));
			time_add_known(b, p[i].off_at);
			buf_add_char(b, '\n');
		}
		if (p[i].error.n)
			buf_addf(b, "  error: " STR_FMT "\n", STR_ARG(p[i].error));
	}
	if (n == 0)
		buf_add(b, S("no list is configured: inbound { check dnsbl … }\n"));
}

static void json_lists(struct buf *b, const struct ipc_dns_list *p, size_t n)
{
	struct json j = json_to(b);

	json_array(&j, NULL);
	for (size_t i = 0; i < n; i++) {
		json_object(&j, NULL);
		json_str(&j, "zone", p[i].zone);
		json_str(&j, "state", str_from_z(state_of(&p[i])));
		json_bool(&j, "on", p[i].is_tested && p[i].is_good);
		json_bool(&j, "ipv6", p[i].has_v6);
		json_int(&j, "asked_today", (int64_t)p[i].asked);
		json_int(&j, "hits_today", (int64_t)p[i].hits);
		json_str(&j, "last_answer", p[i].last);
		json_time(&j, "last_at", p[i].last_at);
		json_str(&j, "why_off", p[i].why);
		json_time(&j, "off_since", p[i].off_at);
		json_str(&j, "error", p[i].error);
		json_end_object(&j);
	}
	json_end_array(&j);
	buf_add_char(b, '\n');
}

int status_lists(struct command *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(OUT_MAX);
	struct ipc_dns_list *all = ARENA_ARRAY(c->a, struct ipc_dns_list, LISTS_MAX);
	size_t n = 0;
	struct err e = { 0 };

	if (!all)
		return complain(c, EXIT_AWAY, S("no memory for the lists"));
	if (!collect(c, all, &n, &e))
		return complain_err(c, &e);
	if (c->is_json)
		json_lists(&b, all, n);
	else
		print_lists(&b, all, n);
	say(c, buf_str(&b));
	return EXIT_DONE;
}
