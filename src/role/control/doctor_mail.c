/* doctor_mail.c — waxwing doctor mail: a score out of ten for a letter as it leaves us.
 *
 * `scan` is asked twice: what its header and content are worth, and who it is from, as if this server brought it to
 * another one.  What both found becomes rows of one table (spam/mail_flaws.def). */
#include "role/control/control.h"

#include "dns/ask.h"
#include "ipc/dkim_say.h"
#include "spam/mail_score.h"

#include <arpa/inet.h>

enum { OUT_MAX = 128 << 10, TEXT_MAX = 1000, GOOD_LEAST = 80 };
#define ADDRESS_WITHIN (5 * SECOND)

struct judged {
	struct mail_score score;
	struct scan_auth_answer auth;
	struct scan_auth q;
	bool has_auth;
	bool is_unknown;                 /* the DNS did not say */
	struct str signs;                /* it bears no signature yet: selectors of the keys it will be signed with, or empty */
	struct str why_not;              /* to the questions about authentication */
};

/* -- who it is from -------------------------------------------------------- */

/* An address of this server, by its name. */
SUSPENDS static struct str find_address(struct arena *a)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char z[INET6_ADDRSTRLEN];
	struct dns_addresses r;
	struct err e;

	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		bool ok = false;

		WITHIN(ADDRESS_WITHIN)
			ok = dns_addresses(conf_now()->hostname, families[f], a, &r, &e);
		if (!ok || r.said.outcome != DNS_FOUND || !r.n)
			continue;
		if (inet_ntop(families[f], families[f] == AF_INET ? r.p[0].addr + 12 : r.p[0].addr, z, sizeof(z)))
			return arena_str(a, str_from_z(z));
	}
	return S("");
}

static struct str result_of(const struct scan_auth_answer *r, struct str method, struct str property, struct str *ret_text)
{
	for (size_t i = 0; i < r->lines.n; i++)
		if (str_eq(r->lines.p[i].method, method) && str_starts(r->lines.p[i].text, property)) {
			*ret_text = r->lines.p[i].text;
			return r->lines.p[i].result;
		}
	return S("");
}

static bool any_is(const struct scan_auth_answer *r, struct str method, struct str result)
{
	for (size_t i = 0; i < r->lines.n; i++)
		if (str_eq(r->lines.p[i].method, method) && str_eq(r->lines.p[i].result, result))
			return true;
	return false;
}

/* Nobody is to blame for what the DNS does not say. */
static bool is_unknown(struct judged *j, struct str result)
{
	j->is_unknown |= str_eq(result, S("temperror"));
	return str_eq(result, S("temperror"));
}

/* "20261121r, 20261121e": the keys of ours that sign for the domain. */
SUSPENDS static struct str find_keys(struct command *c, struct str from)
{
	struct keys_dkim_answer r;
	struct str list = { 0 };
	struct err e;

	if (!from.n || !keys_dkim(link_to(ROLE_KEYS), &(struct keys_dkim){ .domain = str_from(from, str_rfind(from, '@') + 1) }, &r,
				  c->a, &e))
		return S("");
	for (size_t i = 0; i < r.keys.n; i++)
		if (r.keys.p[i].state == DKIM_IN_USE && !(r.keys.p[i].flags & DKIM_IS_UNREADABLE))
			list = arena_printf(c->a, STR_FMT "%s" STR_FMT, STR_ARG(list), list.n ? ", " : "", STR_ARG(r.keys.p[i].selector));
	return list;
}

static void judge_dkim(struct judged *j)
{
	struct str text = { 0 }, result = result_of(&j->auth, S("dkim"), S(""), &text);

	if (str_eq(result, S("none")) && !j->signs.n)
		mail_score_add(&j->score, FLAW_DKIM_NONE, S(""));
	else if (any_is(&j->auth, S("dkim"), S("temperror")))
		j->is_unknown = true;
	else if (!str_eq(result, S("none")) && !any_is(&j->auth, S("dkim"), S("pass")))
		mail_score_add(&j->score, FLAW_DKIM_FAIL, text);
}

static void judge_spf(struct judged *j)
{
	struct str text = { 0 }, result = result_of(&j->auth, S("spf"), S("smtp.mailfrom"), &text);

	if (is_unknown(j, result))
		return;
	if (str_eq(result, S("fail")) || str_eq(result, S("softfail")))
		mail_score_add(&j->score, FLAW_SPF_FAIL, text);
	else if (str_eq(result, S("none")) || str_eq(result, S("neutral")))
		mail_score_add(&j->score, FLAW_SPF_NONE, text);
	else if (result.n && !str_eq(result, S("pass")))
		mail_score_add(&j->score, FLAW_SPF_ERROR, text);
}

static void judge_dmarc(struct judged *j)
{
	struct str text = { 0 }, result = result_of(&j->auth, S("dmarc"), S(""), &text);

	if (is_unknown(j, result))
		return;
	if (str_eq(result, S("fail")) && j->signs.n)
		return;                          /* its signature will be of the domain in From */
	if (str_eq(result, S("fail")))
		mail_score_add(&j->score, FLAW_DMARC_FAIL, text);
	else if (str_eq(result, S("none")))
		mail_score_add(&j->score, FLAW_DMARC_NONE, text);
	else if (!str_eq(result, S("pass")))
		mail_score_add(&j->score, str_starts(text, S("header.from=")) ? FLAW_DMARC_ERROR : FLAW_NO_FROM, text);
}

static void judge_name(struct judged *j)
{
	struct str text = { 0 }, result = result_of(&j->auth, S("iprev"), S(""), &text);

	if (str_eq(result, S("fail")) || str_eq(result, S("permerror")))
		mail_score_add(&j->score, FLAW_IPREV_FAIL, text);
}

SUSPENDS static void judge_auth(struct command *c, struct judged *j, struct str from)
{
	struct str text = { 0 };
	struct err e;

	if (!j->q.peer.n)
		j->q.peer = find_address(c->a);
	if (!scan_auth(link_to(ROLE_SCAN), &j->q, &j->auth, c->a, &e)) {
		j->why_not = arena_str(c->a, str_from_z(e.text));
		return;
	}
	j->has_auth = true;
	if (str_eq(result_of(&j->auth, S("dkim"), S(""), &text), S("none")))
		j->signs = find_keys(c, from);
	judge_dmarc(j);
	judge_dkim(j);
	judge_spf(j);
	judge_name(j);
}

/* -- telling --------------------------------------------------------------- */

static void add_points(struct buf *b, unsigned tenths)
{
	buf_addf(b, "%u.%u", tenths / 10, tenths % 10);
}

static void print_text(struct buf *b, const struct judged *j)
{
	add_points(b, mail_score_left(&j->score));
	buf_add(b, S(" of 10\n"));
	for (unsigned f = 0; f < MAIL_FLAWS; f++) {
		const struct mail_flaw_row *row = mail_flaw_row((enum mail_flaw)f);

		if (!j->score.has[f])
			continue;
		buf_add(b, S("  -"));
		add_points(b, row->tenths);
		buf_addf(b, "  %s: %s", row->id, row->text);
		if (j->score.detail[f].n) {
			buf_add(b, S(" ("));
			buf_add_printable(b, j->score.detail[f], TEXT_MAX);
			buf_add_char(b, ')');
		}
		buf_addf(b, "\n        %s\n", row->remedy);
	}
	if (j->signs.n)
		buf_addf(b, "It bears no signature; handed in here it gets those of our keys " STR_FMT ", which must be published.\n",
			 STR_ARG(j->signs));
	if (j->is_unknown)
		buf_add(b, S("Some of it could not be asked of the DNS, and is not counted.\n"));
	if (j->has_auth && j->q.peer.n) {
		buf_add(b, S("Judged as sent from "));
		buf_add_printable(b, j->q.peer, TEXT_MAX);
		buf_add(b, S(" by "));
		buf_add_printable(b, j->q.mail_from, TEXT_MAX);
		buf_add_char(b, '\n');
	} else if (j->has_auth) {
		buf_add(b, S("SPF and the name of the address are not judged: the host name has no address (--ip gives one)\n"));
	} else {
		buf_add(b, S("Who it is from is not judged: "));
		buf_add_printable(b, j->why_not, TEXT_MAX);
		buf_add_char(b, '\n');
	}
}

static void print_json(struct buf *b, const struct judged *x)
{
	struct json j = json_to(b);

	json_object(&j, NULL);
	json_int(&j, "tenths", mail_score_left(&x->score));
	json_array(&j, "flaws");
	for (unsigned f = 0; f < MAIL_FLAWS; f++) {
		const struct mail_flaw_row *row = mail_flaw_row((enum mail_flaw)f);

		if (!x->score.has[f])
			continue;
		json_object(&j, NULL);
		json_str(&j, "id", str_from_z(row->id));
		json_int(&j, "tenths", row->tenths);
		json_str(&j, "text", str_from_z(row->text));
		json_str(&j, "detail", x->score.detail[f]);
		json_str(&j, "remedy", str_from_z(row->remedy));
		json_end_object(&j);
	}
	json_end_array(&j);
	json_bool(&j, "authentication", x->has_auth && !x->is_unknown);
	json_str(&j, "signs", x->signs);
	json_str(&j, "ip", x->q.peer);
	json_str(&j, "mail_from", x->q.mail_from);
	json_end_object(&j);
	buf_add_char(b, '\n');
}

/* -- the command ----------------------------------------------------------- */

/* FILE [--ip IP] [--helo NAME] [--from ADDRESS]; the tool has opened the file. */
static bool read_args(const struct command *c, struct scan_auth *q)
{
	struct {
		struct str word;
		struct str *to;
	} options[] = { { S("--ip"), &q->peer }, { S("--helo"), &q->helo }, { S("--from"), &q->mail_from } };

	for (size_t i = 1; i + 1 < c->n_args; i += 2) {
		size_t k = 0;

		while (k < ARRAY_LEN(options) && !str_eq(c->args[i].text, options[k].word))
			k++;
		if (k == ARRAY_LEN(options))
			return false;
		*options[k].to = c->args[i + 1].text;
	}
	return c->n_args % 2 == 1;
}

static void take_flaws(struct judged *j, const struct scan_mail_answer *r)
{
	for (size_t i = 0; i < r->flaws.n; i++)
		if (r->flaws.p[i].flaw < MAIL_FLAWS)
			mail_score_add(&j->score, (enum mail_flaw)r->flaws.p[i].flaw, r->flaws.p[i].detail);
}

SUSPENDS int run_doctor_mail(struct command *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(OUT_MAX);
	struct judged *j = ARENA_NEW(c->a, struct judged);
	struct scan_mail_answer r;
	struct err e;

	if (!j || !read_args(c, &j->q))
		return complain(c, EXIT_USAGE, S("usage: waxwing doctor mail FILE|- [--ip IP] [--helo NAME] [--from ADDRESS]"));
	if (!scan_mail(link_to(ROLE_SCAN), &(struct scan_mail){ .letter = c->channel }, &r, c->a, &e))
		return complain_err(c, &e);
	take_flaws(j, &r);
	j->q.letter = c->channel;
	j->q.helo = j->q.helo.n ? j->q.helo : conf_now()->hostname;
	if (!j->q.mail_from.n)
		j->q.mail_from = r.return_path.n ? r.return_path : r.from.n ? r.from : S("<>");
	judge_auth(c, j, r.from);
	if (c->is_json)
		print_json(&b, j);
	else
		print_text(&b, j);
	say(c, buf_str(&b));
	return mail_score_left(&j->score) >= GOOD_LEAST ? EXIT_DONE : EXIT_NO;
}
