/* rehearse.c — waxwing test rcpt: what would become of a recipient, rule by rule, in the order in
 * which a session comes to them: the ban before the greeting, then at RCPT whose address it is, blocks
 * and exceptions, and the checks.
 *
 * The same rules as in a session decide (user_standing, user_rcpt, user_judge, checks_decide()); nothing
 * is counted or kept. */
#include "role/front.h"
#include "role/smtpd/checks.h"
#include "role/smtpd/standing.h"

#include "spam/verdict.h"
#include "user/rcpt_answer.h"
#include "wire/dns_name.h"

#define ALL_WITHIN (45 * SECOND)
enum { RULES_MORE = 7 }; /* besides the checks */

struct rehearsal {
	struct smtpd_test_rcpt *q;
	struct smtpd_test_rcpt_answer *r;
	struct arena *a;
	const struct conf *conf;
	uint8_t addr[16];
	struct smtp_path from, to;
	enum standing standing;
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

/* Who is looked at at all?  As in session_is_trusted(), for a connection to a port for strangers. */
static bool is_friend(struct rehearsal *h)
{
	if (!conf_nets_has(&h->conf->inbound.friends, h->addr))
		return false;
	add_rule(h, S("friends"), "found")->why = S("the client is a friend: nothing is checked");
	return true;
}

static bool is_in_network(struct rehearsal *h)
{
	if (!conf_network_of(&h->conf->submission.networks, h->addr))
		return false;
	add_rule(h, S("network"), "found")->why = S("the client is in a network that sends without AUTH: nothing is checked");
	return true;
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

		struct str name = conf_check_name(f->check->kind), zone = f->check->zone;
		struct ipc_rule *at =
			add_rule(h,
				 arena_printf(h->a, STR_FMT "%s" STR_FMT, STR_ARG(name),
					      zone.n ? " " : "", STR_ARG(zone)),
				 states[f->state]);

		at->label = f->check->label;
		at->follows = follows_of(f, h->a);
		at->value = arena_str(h->a, f->value);
		at->why = conf_check_is_of_letter(f->check) ? S("it is looked at when the letter is there")
							    : arena_str(h->a, f->why);
	}
	if (found->let_in)
		add_rule(h, S("exception"), "found")->why = str_from_z(found->let_in);
	h->r->score = found->verdict.score;
}

/* What the outside scanner makes of a letter nobody knows before there is one. */
static void add_scanner(struct rehearsal *h)
{
	char mem[128];
	struct buf address = buf_over(mem, sizeof(mem));

	if (!h->conf->scanner.is_set || h->r->code != reply_row(REPLY_RCPT_OK)->code)
		return;
	conf_scanner_print_address(&h->conf->scanner, &address);
	add_rule(h, S("scanner"), "not asked")->why = arena_printf(
		h->a, "the letter would be shown to spamd at " STR_FMT ", whose score is added", STR_ARG(buf_str(&address)));
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

/* Would it hear a greeting? */
SUSPENDS static bool ask_ban(struct rehearsal *h, bool *ret_goes_on, struct err *e)
{
	struct user_standing_answer r = { 0 };
	struct ipc_rule *at;

	if (!user_standing(link_to(ROLE_USER), &(struct user_standing){ .peer = h->q->ip }, &r, h->a, e))
		return false;
	at = add_rule(h, S("ban"), r.ban.n ? "found" : "nothing");
	at->why = r.ban.n ? r.ban : r.spared.n ? arena_printf(h->a, "it is never banned for its conduct: " STR_FMT, STR_ARG(r.spared)) : S("");
	*ret_goes_on = r.ban.n == 0;
	if (*ret_goes_on)
		return true;
	at->follows = S("reject");
	set_reply(h, &(struct reply){ REPLY_TOO_MANY_CONNECTIONS, S("your address is banned"), true });
	return true;
}

/* Is there a block, or an exception?  What the letter itself says is not known. */
SUSPENDS static bool ask_standing(struct rehearsal *h, struct err *e)
{
	struct user_judge q = { .peer = h->q->ip, .helo = h->q->helo, .from = h->from.text };
	struct user_judge_answer r;
	struct ipc_rule *at;

	if (!standing_rehearse(&q, h->addr, &r, h->a, e))
		return false;
	h->standing = (enum standing)r.standing;
	at = add_rule(h, h->standing == STANDING_EXEMPT ? S("allow") : S("block"),
		      h->standing == STANDING_BLOCKED || h->standing == STANDING_EXEMPT ? "found" : "nothing");
	at->why = r.why;
	at->value = r.entry;
	if (h->standing == STANDING_EXEMPT)
		at->follows = S("pass");
	if (h->standing != STANDING_BLOCKED)
		return true;
	at->follows = S("reject");
	set_reply(h, &(struct reply){ .id = REPLY_BLOCKED });
	return true;
}

/* Is it ours? */
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

/* In the order of a session. */
SUSPENDS static bool go_through(struct rehearsal *h, struct err *e)
{
	bool goes_on = false;

	if (!ask_ban(h, &goes_on, e))
		return false;
	if (!goes_on)
		return true;
	if (!ask_user(h, &goes_on, e))
		return false;
	if (!goes_on || is_in_network(h))
		return true;
	if (!ask_standing(h, e))
		return false;
	return h->standing == STANDING_BLOCKED || h->standing == STANDING_EXEMPT || is_friend(h) ||
	       (check(h, e) && (add_scanner(h), true));
}

bool serve_test_rcpt(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(conf_release) struct conf_held *conf = conf_hold();
	struct rehearsal h = { .q = question, .r = answer, .a = a, .conf = &conf->c };
	bool ok = false;

	(void)l;
	h.r->rules.p = ARENA_ARRAY(a, struct ipc_rule, conf->c.inbound.checks.n + RULES_MORE);
	if (!h.r->rules.p)
		return fail(e, FAULT_TEMP, "no memory for the rules");
	if (!read_question(&h, e))
		return false;
	set_reply(&h, &(struct reply){ .id = REPLY_RCPT_OK });
	WITHIN(ALL_WITHIN)
		ok = go_through(&h, e);
	return ok;
}
