/* rehearse.c — waxwing test rcpt: what would become of a recipient, rule by rule.
 *
 * The same rules as in a session decide (checks_decide(), user_rcpt); nothing is counted or kept.
 */
#include "role/front.h"
#include "role/smtpd/checks.h"

#include "spam/verdict.h"
#include "user/rcpt_answer.h"
#include "wire/dns_name.h"

#define ALL_WITHIN (45 * SECOND)
enum { RULES_MORE = 4 }; /* besides the checks */

struct rehearsal {
	struct smtpd_test_rcpt *q;
	struct smtpd_test_rcpt_answer *r;
	struct arena *a;
	const struct conf *conf;
	uint8_t addr[16];
	struct smtp_path from, to;
};

static struct ipc_rule *add_rule(struct rehearsal *h, struct str rule, const char *found)
{
	struct ipc_rule *at = &h->r->rules.p[h->r->rules.n++];

	*at = (struct ipc_rule){ .rule = rule, .found = str_from_z(found) };
	return at;
}

static void set_reply(struct rehearsal *h, const struct reply *r)
{
	const struct reply_row *row = reply_row(r->id);

	h->r->code = (uint16_t)row->code;
	h->r->enhanced = str_from_z(row->enhanced);
	h->r->text = r->text.n ? r->text : str_from_z(row->text);
}

/* Who is looked at at all?  As in session_is_trusted(), for a connection to a port for strangers.
 */
static bool is_known(struct rehearsal *h)
{
	if (conf_nets_has(&h->conf->inbound.friends, h->addr)) {
		add_rule(h, S("friends"), "found")->why =
			S("the client is a friend: nothing is checked");
		return true;
	}
	if (conf_network_of(&h->conf->submission.networks, h->addr)) {
		add_rule(h, S("network"), "found")->why =
			S("the client is in a network that sends without AUTH: nothing is checked");
		return true;
	}
	return false;
}

static struct str follows_of(const struct finding *f, struct arena *a)
{
	static const char *const words[] = { "", "reject", "defer", "score", "tag", "pass" };
	const struct conf_outcome *o = finding_outcome(f);
	char mem[32];
	struct buf score = buf_over(mem, sizeof(mem));

	if (!o)
		return S("");
	conf_score_print(o->score, &score);
	return o->action == CONF_SCORE ? arena_printf(a, "score " STR_FMT, STR_ARG(buf_str(&score)))
				       : str_from_z(words[o->action]);
}

static void add_findings(struct rehearsal *h, const struct checks_result *found)
{
	static const char *const states[] = { "not asked", "nothing", "found", "temporary", "other" };

	for (size_t i = 0; i < found->n; i++) {
		const struct finding *f = &found->p[i];

		if (conf_check_is_of_letter(f->check))
			continue;
		struct str name = conf_check_name(f->check->kind), zone = f->check->zone;
		struct ipc_rule *at =
			add_rule(h,
				 arena_printf(h->a, STR_FMT "%s" STR_FMT, STR_ARG(name),
					      zone.n ? " " : "", STR_ARG(zone)),
				 states[f->state]);

		at->label = f->check->label;
		at->follows = follows_of(f, h->a);
		at->value = arena_str(h->a, f->value);
		at->why = arena_str(h->a, f->why);
	}
	if (found->let_in)
		add_rule(h, S("exception"), "found")->why = str_from_z(found->let_in);
	h->r->score = found->verdict.score;
}

SUSPENDS static bool check(struct rehearsal *h, struct err *e)
{
	static const uint8_t nowhere[16];
	AUTO(checks_close) struct checks *c = checks_open(h->conf, h->addr, nowhere, false);
	char peer[FRONT_PEER_MAX];
	struct checks_letter l = {
		.id = 1, .helo = h->q->helo, .mail_from = h->from.text, .rcpt_local = h->to.local
	};
	struct checks_result found;

	if (!c)
		return true;
	front_print_peer(h->addr, peer);
	if (l.helo.n == 0)
		l.helo = arena_printf(h->a,
				      memcmp(h->addr, (uint8_t[12]){ [10] = 0xff, [11] = 0xff }, 12)
					      ? "[IPv6:%s]"
					      : "[%s]",
				      peer);
	if (!checks_decide(c, &l, h->a, &found, e))
		return false;
	add_findings(h, &found);
	if (found.reply.id)
		set_reply(h, &found.reply);
	return true;
}

/* Is it ours?  *ret_goes_on: no. */
SUSPENDS static bool ask_user(struct rehearsal *h, bool *ret_is_ours, struct err *e)
{
	struct user_rcpt q = { .local = h->to.local, .domain = h->to.domain, .peer = h->q->ip };
	struct user_rcpt_answer r = { 0 };
	struct ipc_rule *at;

	if (!user_rcpt(link_to(ROLE_USER), &q, &r, h->a, e))
		return false;
	*ret_is_ours = r.kind == RCPT_OK;
	at = add_rule(h, S("recipient"), *ret_is_ours ? "nothing" : "found");
	at->why = r.why;
	if (*ret_is_ours)
		return true;
	at->follows = S("reject");
	set_reply(h, &(struct reply){ r.kind == RCPT_NOT_OURS ? REPLY_RELAY_DENIED
				      : r.kind == RCPT_LATER  ? REPLY_ROUTE_LATER
				      : r.kind == RCPT_LOOP   ? REPLY_LOOP
							      : REPLY_NO_SUCH_USER,
				      r.text, false });
	return true;
}

/* "<>" and nothing are the sender of reports. */
static bool read_question(struct rehearsal *h, struct err *e)
{
	if (!dns_address_read(h->q->ip, h->addr))
		return fail(e, FAULT_PERM, "--ip wants an IP address");
	if (!str_eq(h->q->from, S("<>")) && h->q->from.n &&
	    !address_parse(h->q->from, PATH_UTF8, h->a, &h->from))
		return fail(e, FAULT_PERM, "--from wants an address, or <>");
	if (!address_parse(h->q->to, PATH_UTF8, h->a, &h->to))
		return fail(e, FAULT_PERM, "--to wants an address");
	return true;
}

bool serve_test_rcpt(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(conf_release) struct conf_held *conf = conf_hold();
	struct rehearsal h = { .q = question, .r = answer, .a = a, .conf = &conf->c };
	bool ok = false, is_ours = false;

	(void)l;
	h.r->rules.p = ARENA_ARRAY(a, struct ipc_rule, conf->c.inbound.checks.n + RULES_MORE);
	if (!h.r->rules.p)
		return fail(e, FAULT_TEMP, "no memory for the rules");
	if (!read_question(&h, e))
		return false;
	set_reply(&h, &(struct reply){ .id = REPLY_RCPT_OK });
	WITHIN(ALL_WITHIN)
		ok = ask_user(&h, &is_ours, e) && (!is_ours || is_known(&h) || check(&h, e));
	return ok;
}
