/* doctor_tls.c — what we show with TLS: certificate, tlsa.  `keys` says how the files look, `relay` what a client
 * gets to see. */
#include "role/control/doctor_listeners.h"

#include "base/time.h"
#include "ipc/relay_say.h"

#define PROBE_WITHIN (12 * SECOND)
#define SOON_WARN (14 * DAY)
#define SOON_FAIL (3 * DAY)

/* -- certificate --------------------------------------------------------------- */

/* As certificate_has_name(): "*.a.b" stands for one label. */
static bool names_have(struct str names, struct str host)
{
	struct str rest, label = str_cut(host, '.', &rest);

	while (names.n) {
		struct str name = str_word(&names);

		if (str_eq_nocase(name, host) ||
		    (str_starts(name, S("*.")) && label.n && rest.n && str_eq_nocase(str_from(name, 2), rest)))
			return true;
	}
	return false;
}

static void judge_end(struct patient *p, const struct ipc_own_certificate *c)
{
	int64_t left = c->ends - time_now();
	char mem[40];
	struct buf when = buf_over(mem, sizeof(mem));
	enum grade g = left < SOON_FAIL ? GRADE_FAIL : left < SOON_WARN ? GRADE_WARN : GRADE_OK;

	time_add_rfc3339(&when, c->ends);
	if (left <= 0)
		note(p, g, "the certificate for " STR_FMT " has expired at " STR_FMT, STR_ARG(c->names), STR_ARG(buf_str(&when)));
	else
		note(p, g, "the certificate for " STR_FMT " is good for %lld days, until " STR_FMT, STR_ARG(c->names),
		     (long long)(left / DAY), STR_ARG(buf_str(&when)));
	remedy(p, "Renew it, and see why that did not happen by itself: certbot renew, or systemctl status certbot.timer. The server "
		  "takes up the new files by itself.");
	if (c->begins > time_now()) {
		note(p, GRADE_FAIL, "the certificate for " STR_FMT " is not valid yet", STR_ARG(c->names));
		remedy(p, "Set the clock right, or wait: see clock.");
	}
}

static void judge_file(struct patient *p, const struct ipc_own_certificate *c)
{
	judge_end(p, c);
	if (c->has_root) {
		note(p, GRADE_WARN, "the file of the certificate for " STR_FMT " contains the root; it is left out when we show the chain",
		     STR_ARG(c->names));
		remedy(p, "Take the last certificate out of the file; with certbot use fullchain.pem.");
	}
	if (!c->is_ordered) {
		note(p, GRADE_WARN, "the certificates in the file for " STR_FMT " are in the wrong order; we show them in the right one",
		     STR_ARG(c->names));
		remedy(p, "Write the server's own certificate first, then the one that issued it, and so on; with certbot use "
			  "fullchain.pem.");
	}
	if (c->has_stranger) {
		note(p, GRADE_WARN, "the file of the certificate for " STR_FMT " contains one that does not belong to it",
		     STR_ARG(c->names));
		remedy(p, "Take it out of the file: each certificate is followed by the one that issued it, and nothing else.");
	}
}

static void judge_trouble(struct patient *p, const struct keys_own_certificates_answer *r, struct str trouble)
{
	const struct ipc_own_certificate *c = r->certificates.n ? &r->certificates.p[0] : NULL;

	for (size_t i = 0; i < r->certificates.n; i++)
		if (names_have(r->certificates.p[i].names, p->hostname))
			c = &r->certificates.p[i];
	if (c && c->is_self_signed) {
		note(p, GRADE_FAIL, "our certificate is signed by itself: mail programs warn of it, and servers that verify do not believe it");
		remedy(p, "Get one for " STR_FMT " (certbot certonly -d " STR_FMT ") and name it: tls certificate "
			  "/etc/letsencrypt/live/" STR_FMT "/fullchain.pem key /etc/letsencrypt/live/" STR_FMT "/privkey.pem.",
		       STR_ARG(p->hostname), STR_ARG(p->hostname), STR_ARG(p->hostname), STR_ARG(p->hostname));
		return;
	}
	note(p, GRADE_FAIL, "clients do not believe our certificate: " STR_FMT, STR_ARG(trouble));
	if (c && str_find_str(trouble, S("local issuer")) < trouble.n)
		remedy(p, "The chain is incomplete. Add the certificate of \"" STR_FMT "\" to the file, behind the server's own; with "
			  "certbot use fullchain.pem, not cert.pem.", STR_ARG(c->issuer));
	else
		remedy(p, "Get a certificate for " STR_FMT " from an authority that all believe, such as Let's Encrypt.",
		       STR_ARG(p->hostname));
}

/* The first listener that shows one says what strangers see. */
SUSPENDS static bool judge_shown(struct patient *p, const struct keys_own_certificates_answer *r, struct err *e)
{
	struct reach all[LISTENERS_MAX];
	size_t n = listeners_gather(p, true, all);

	for (size_t i = 0; i < n; i++) {
		struct str where = reach_text(&all[i], p->a);
		struct relay_probe q = probe_of(p, &all[i]);
		struct relay_probe_answer got = { 0 };
		bool ok = false;

		WITHIN(PROBE_WITHIN)
			ok = relay_probe(link_to_instance(ROLE_RELAY, 0), &q, &got, p->a, e);
		if (!ok && e->fault == FAULT_CANCEL)
			return false;
		if (!ok || !got.tls.n)
			continue;
		if (got.is_verified)
			note(p, GRADE_OK, STR_FMT ": " STR_FMT, STR_ARG(where), STR_ARG(got.tls));
		else
			judge_trouble(p, r, got.trouble);
		return true;
	}
	note(p, GRADE_WARN, "no listener of ours could be reached with TLS from here");
	remedy(p, "See the log for lines \"certificate\", and waxwing status.");
	return true;
}

SUSPENDS bool doctor_certificate(struct patient *p, struct err *e)
{
	struct keys_own_certificates_answer r;
	bool has_name = false;

	if (!keys_own_certificates(link_to(ROLE_KEYS), &(struct keys_own_certificates){ 0 }, &r, p->a, e)) {
		note(p, GRADE_WARN, "keys does not answer: %s", e->text);
		return e->fault != FAULT_CANCEL;
	}
	for (size_t i = 0; i < r.certificates.n; i++) {
		if (r.certificates.p[i].names.n)
			judge_file(p, &r.certificates.p[i]);
		else
			note(p, GRADE_FAIL, "certificate %zu: " STR_FMT, i, STR_ARG(r.certificates.p[i].trouble));
		has_name |= names_have(r.certificates.p[i].names, p->hostname);
	}
	if (!has_name) {
		note(p, GRADE_FAIL, "no certificate is for our host name " STR_FMT, STR_ARG(p->hostname));
		remedy(p, "Get one that has the name " STR_FMT ": certbot certonly -d " STR_FMT " (further names with -d).",
		       STR_ARG(p->hostname), STR_ARG(p->hostname));
		return true;
	}
	/* what has expired is not believed either: said once */
	return p->f->grade == GRADE_FAIL || judge_shown(p, &r, e);
}

/* -- tlsa ---------------------------------------------------------------------- */

static const struct conf_listen *port25(struct patient *p, struct reach all[LISTENERS_MAX], size_t *ret)
{
	size_t n = listeners_gather(p, false, all);

	for (*ret = 0; *ret < n; ++*ret)
		if (all[*ret].l->proto == CONF_SMTP && all[*ret].l->tls != CONF_TLS_WRAPPED)
			return all[*ret].l;
	return NULL;
}

SUSPENDS static bool judge_tlsa(struct patient *p, const struct reach *r, struct err *e)
{
	struct relay_probe q = probe_of(p, r);
	struct relay_probe_answer got = { 0 };
	bool ok = false;

	q.tls = RELAY_PROBE_DANE;
	WITHIN(PROBE_WITHIN)
		ok = relay_probe(link_to_instance(ROLE_RELAY, 0), &q, &got, p->a, e);
	if (!ok) {
		note(p, GRADE_WARN, "what we show on port %u could not be looked at: %s", r->l->port, e->text);
		return e->fault != FAULT_CANCEL;
	}
	if (got.stage == RELAY_PROBE_DONE && got.is_verified) {
		note(p, GRADE_OK, "the TLSA records of _%u._tcp." STR_FMT " fit what we show", r->l->port, STR_ARG(p->hostname));
		return true;
	}
	note(p, GRADE_FAIL, "no TLSA record of _%u._tcp." STR_FMT " fits the certificate that we show: servers that obey DANE send us "
	     "nothing (" STR_FMT ")", r->l->port, STR_ARG(p->hostname), STR_ARG(got.why));
	remedy_publish(p, PUBLISH_TLSA, arena_printf(p->a, "_%u._tcp." STR_FMT, r->l->port, STR_ARG(p->hostname)));
	remedy(p, "Take the records away that do not fit.");
	return true;
}

/* Answers that are not proven are so because of the zone, if others are. */
SUSPENDS static bool judge_insecure(struct patient *p, struct str name, struct err *e)
{
	struct trust_answer root;

	if (!p->dns.ask(p->dns.ctx, S("."), DNS_DNSKEY, p->a, &root, e))
		return false;
	if (!root.is_secure) {
		note(p, GRADE_SKIPPED, "answers of the DNS are not validated: see dnssec");
		return true;
	}
	note(p, GRADE_WARN, "TLSA records stand at " STR_FMT ", and DNSSEC does not prove them: nobody obeys them", STR_ARG(name));
	remedy(p, "Sign the zone (DNSSEC) and have the DS record published at the parent, or take the TLSA records away.");
	return true;
}

SUSPENDS bool doctor_tlsa(struct patient *p, struct err *e)
{
	struct reach all[LISTENERS_MAX];
	size_t i;
	const struct conf_listen *l = port25(p, all, &i);
	struct trust_answer found;
	struct str name;

	if (!l) {
		note(p, GRADE_SKIPPED, "strangers cannot reach an SMTP port of ours");
		return true;
	}
	name = arena_printf(p->a, "_%u._tcp." STR_FMT, l->port, STR_ARG(p->hostname));
	if (!p->dns.ask(p->dns.ctx, name, DNS_TLSA, p->a, &found, e))
		return false;
	if (found.outcome == DNS_TEMP || found.outcome == DNS_BOGUS)
		return note_unclear(p, name, "TLSA", found.outcome);
	if (!found.n) {
		note(p, GRADE_SKIPPED, "none are published at " STR_FMT ": DANE is not used, and need not be", STR_ARG(name));
		return true;
	}
	if (!found.is_secure)
		return judge_insecure(p, name, e);
	return judge_tlsa(p, &all[i], e);
}
