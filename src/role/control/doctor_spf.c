/* doctor_spf.c — spf: is there one record, does it let us send, how many look-ups does it take, whom else does it let? */
#include "role/control/doctor.h"

#include "trust/spf.h"

enum { TERMS_WARN = SPF_TERMS_MAX - 1 };

static bool is_spf(struct str text)
{
	return str_starts_nocase(text, S("v=spf1")) && (text.n == 6 || text.p[6] == ' ');
}

SUSPENDS static bool spf_of(struct patient *p, const uint8_t ip[16], bool is_helo, struct spf_answer *ret, struct err *e)
{
	struct spf_question q = { .helo = p->hostname, .local = S("postmaster"), .domain = p->domain, .receiver = p->hostname,
				  .now = time_now() };

	memcpy(q.ip, ip, 16);
	return is_helo ? spf_check_helo(&q, &p->dns, p->a, ret, e) : spf_check_mail_from(&q, &p->dns, p->a, ret, e);
}

/* Somebody whom no record should name (RFC 5737): all mechanisms are looked at for him. */
SUSPENDS static bool judge_everybody(struct patient *p, struct str record, struct err *e)
{
	static const uint8_t nobody[16] = { [10] = 0xff, 0xff, 192, 0, 2, 77 };
	struct spf_answer r;

	if (!spf_of(p, nobody, false, &r, e))
		return false;
	if (r.result == SPF_PASS) {
		note(p, GRADE_FAIL, "the record lets everybody send as " STR_FMT " (" STR_FMT "): " STR_FMT, STR_ARG(p->domain),
		     STR_ARG(r.matched), STR_ARG(record));
		remedy(p, "Name the servers that send for you and end the record with -all or ~all.");
	} else if (r.result == SPF_PERMERROR) {
		note(p, GRADE_FAIL, "the record is broken: " STR_FMT, STR_ARG(r.problem));
		if (r.terms > SPF_TERMS_MAX)
			remedy(p, "At most %d mechanisms may ask the DNS (include, a, mx, ptr, exists, redirect, those of included records "
				  "too): leave out what you no longer need, or name addresses (ip4:, ip6:).", SPF_TERMS_MAX);
		remedy(p, "Correct it at the place named, or publish what waxwing dns records " STR_FMT " prints.", STR_ARG(p->domain));
	} else if (r.result == SPF_TEMPERROR) {
		note(p, GRADE_WARN, "the record cannot be followed now: " STR_FMT, STR_ARG(r.problem));
		remedy(p, "Try again later; if it stays so, a name that the record includes has broken name servers.");
	} else {
		note(p, r.terms >= TERMS_WARN ? GRADE_WARN : GRADE_OK, "%u of %d look-ups are used", r.terms, SPF_TERMS_MAX);
		remedy(p, "Before the next one is added, leave out what you no longer need.");
	}
	return true;
}

SUSPENDS static bool judge_sender(struct patient *p, const struct our_address *one, struct err *e)
{
	struct spf_answer r;

	if (!spf_of(p, one->addr, false, &r, e))
		return false;
	if (r.result == SPF_TEMPERROR)
		return true;             /* said already */
	if (r.result == SPF_PASS) {
		note(p, GRADE_OK, STR_FMT " may send (" STR_FMT ")", STR_ARG(one->text), STR_ARG(r.matched));
		return true;
	}
	note(p, GRADE_FAIL, "our address " STR_FMT " may not send as " STR_FMT ": %s%s" STR_FMT, STR_ARG(one->text), STR_ARG(p->domain),
	     spf_result_name(r.result), r.matched.n ? " by " : "", STR_ARG(r.matched));
	remedy(p, "Add  %s:" STR_FMT "  to the record of " STR_FMT ", in front of its \"all\".", one->is_v4 ? "ip4" : "ip6",
	       STR_ARG(one->text), STR_ARG(p->domain));
	return true;
}

/* Reports have no sender: the name by which we greet is asked about instead (RFC 7208 §2.4). */
SUSPENDS static bool judge_helo(struct patient *p, struct err *e)
{
	struct spf_answer r;

	for (size_t i = 0; i < p->n_sends; i++) {
		if (!spf_of(p, p->sends[i].addr, true, &r, e))
			return false;
		if (r.result != SPF_FAIL && r.result != SPF_SOFTFAIL && r.result != SPF_PERMERROR)
			continue;
		note(p, GRADE_FAIL, "bounces from " STR_FMT " do not pass: the record of our host name " STR_FMT " says %s", STR_ARG(p->sends[i].text),
		     STR_ARG(p->hostname), spf_result_name(r.result));
		remedy(p, "Publish  " STR_FMT ". TXT \"v=spf1 a -all\"", STR_ARG(p->hostname));
	}
	return true;
}

SUSPENDS static void ask_for_spf(struct patient *p)
{
	AUTO(buf_end) struct buf b = buf_on_heap(2048);

	if (remedy_publish(p, PUBLISH_SPF, S("")))
		return;
	for (size_t i = 0; i < p->n_sends; i++)
		buf_addf(&b, " %s:" STR_FMT, p->sends[i].is_v4 ? "ip4" : "ip6", STR_ARG(p->sends[i].text));
	remedy(p, "Publish  " STR_FMT ". TXT \"v=spf1 mx" STR_FMT " -all\"", STR_ARG(p->domain), STR_ARG(buf_str(&b)));
}

SUSPENDS bool doctor_spf(struct patient *p, struct err *e)
{
	struct trust_texts found;
	struct str record = S("");
	size_t n = 0;

	if (!trust_ask_txt(&p->dns, p->domain, p->a, &found, e))
		return false;
	if (found.outcome == DNS_TEMP || found.outcome == DNS_BOGUS)
		return note_unclear(p, p->domain, "TXT", found.outcome);
	for (size_t i = 0; i < found.n; i++)
		if (is_spf(found.p[i])) {
			record = found.p[i];
			n++;
		}
	if (n == 0) {
		note(p, GRADE_FAIL, STR_FMT " has no SPF record", STR_ARG(p->domain));
		ask_for_spf(p);
		return true;
	}
	if (n > 1) {
		note(p, GRADE_FAIL, STR_FMT " has %zu SPF records: then none of them counts", STR_ARG(p->domain), n);
		remedy(p, "Make one record of them: all mechanisms behind one v=spf1, one \"all\" at the end.");
		return true;
	}
	if (!judge_everybody(p, record, e))
		return false;
	if (p->f->grade == GRADE_FAIL || leaves_by_another(p))
		return true;
	for (size_t i = 0; i < p->n_sends; i++)
		if (!judge_sender(p, &p->sends[i], e))
			return false;
	return judge_helo(p, e);
}
