/* auth.c — `waxwing test auth`: every result as a line, with what it is about and why. */
#include "role/scan/scan.h"

#include "base/fd.h"
#include "base/rnd.h"
#include "role/dns_for_trust.h"
#include "role/runtime.h"
#include "trust/dkim_crypto.h"
#include "trust/psl.h"
#include "wire/auth_results.h"
#include "wire/address.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { LINES_MAX = 6 + DKIM_SIGNATURES_MAX, FIELD_MAX = 64 << 10 };

static const struct psl_ctx_st *suffixes;
static struct dkim_keyring ring;

void auth_prepare(void)
{
	suffixes = psl_list_open();
}

struct auth_means auth_means_of(const struct trust_dns *dns)
{
	return (struct auth_means){ .dns = dns, .suffixes = suffixes, .receiver = conf_now()->hostname, .now = time_now(),
				    .dice = rnd_below(100), .vouchers = &conf_now()->inbound.trust_arc, .ring = &ring };
}

struct lines {
	struct ipc_auth_line *p;
	size_t n;
	struct arena *a;
};

static void add(struct lines *l, const char *method, const char *result, struct str text)
{
	if (l->n < LINES_MAX)
		l->p[l->n++] = (struct ipc_auth_line){ str_from_z(method), str_from_z(result), text };
}

static void add_iprev(struct lines *l, const struct iprev *r)
{
	struct str why = r->why.n ? r->why : S("leads back to the client");

	add(l, "iprev", iprev_result_name(r->result),
	    arena_printf(l->a, STR_FMT "%s" STR_FMT, STR_ARG(r->name), r->name.n ? ": " : "", STR_ARG(why)));
}

static void add_spf(struct lines *l, const char *property, const struct spf_answer *r)
{
	struct str why = r->problem;

	if (!why.n && r->matched.n)
		why = arena_printf(l->a, "by " STR_FMT " in " STR_FMT, STR_ARG(r->matched), STR_ARG(r->matched_in));
	else if (!why.n)
		why = r->result == SPF_NONE ? S("no SPF record") : S("nothing in its record matches");
	if (r->explanation.n)
		why = arena_printf(l->a, STR_FMT "; it explains: " STR_FMT, STR_ARG(why), STR_ARG(r->explanation));
	add(l, "spf", spf_result_name(r->result),
	    arena_printf(l->a, "%s=" STR_FMT ": " STR_FMT, property, STR_ARG(r->domain), STR_ARG(why)));
}

static void add_dkim(struct lines *l, const struct dkim *d)
{
	if (d->n == 0)
		add(l, "dkim", "none", S("no signature"));
	for (size_t i = 0; i < d->n; i++) {
		const struct dkim_checked *c = &d->p[i];
		const struct dkim_signature *s = &c->signature;
		const struct dkim_outcome *o = &c->outcome;

		add(l, "dkim", dkim_result_name(o->result),
		    arena_printf(l->a, "header.d=" STR_FMT " header.s=" STR_FMT ", " STR_FMT ", %u bit%s" STR_FMT, STR_ARG(s->domain),
				 STR_ARG(s->selector), STR_ARG(s->algorithm_text), o->bits, o->reason.n ? ": " : "",
				 STR_ARG(o->reason)));
	}
	if (d->n_ignored)
		add(l, "dkim", "policy", arena_printf(l->a, "%zu more signatures are not looked at", d->n_ignored));
}

static void add_arc(struct lines *l, const struct arc *r)
{
	struct str by = r->n ? r->sets[r->n - 1].sealed.domain : (struct str){ 0 };

	if (r->result == ARC_NONE)
		add(l, "arc", arc_result_name(r->result), S("not passed on by anybody who seals"));
	else
		add(l, "arc", arc_result_name(r->result),
		    arena_printf(l->a, "%zu sets%s" STR_FMT "%s" STR_FMT, r->n, by.n ? ", the last one of " : "", STR_ARG(by),
				 r->reason.n ? ": " : "", STR_ARG(r->reason)));
}

static struct str policy_text(const struct dmarc_answer *r, struct arena *a)
{
	const char *said = dmarc_policy_name(r->policy);

	if (r->result == DMARC_PASS)
		return arena_printf(a, "by " STR_FMT " (%s), policy %s of " STR_FMT, STR_ARG(r->aligned),
				    r->is_dkim_aligned ? "dkim" : "spf", said, STR_ARG(r->published_at));
	if (r->result == DMARC_FAIL)
		return arena_printf(a, "nothing that passes is aligned, policy %s of " STR_FMT ", pct=%u%s" STR_FMT, said,
				    STR_ARG(r->published_at), r->record.pct, r->problem.n ? "; " : "", STR_ARG(r->problem));
	return r->problem.n ? r->problem : S("no DMARC record");
}

static struct str vouched_text(const struct auth *x, struct arena *a)
{
	return x->vouched_by.n ? arena_printf(a, "; set aside: " STR_FMT " saw it pass (ARC)", STR_ARG(x->vouched_by)) : S("");
}

static void add_dmarc(struct lines *l, const struct auth *x)
{
	const char *why = dmarc_from_why(x->from_is);
	struct str policy, vouched = vouched_text(x, l->a);

	if (x->from_is != DMARC_FROM_ONE) {
		add(l, "dmarc", "permerror", str_from_z(why));
		return;
	}
	policy = policy_text(&x->dmarc, l->a);
	add(l, "dmarc", dmarc_result_name(x->dmarc.result),
	    arena_printf(l->a, "header.from=" STR_FMT ": " STR_FMT STR_FMT, STR_ARG(x->from), STR_ARG(policy),
			 STR_ARG(vouched)));
}

static bool tell(const struct auth_client *c, const struct auth *x, struct scan_auth_answer *r, struct arena *a)
{
	AUTO(buf_end) struct buf b = buf_on_heap(FIELD_MAX);
	struct lines l = { .p = ARENA_ARRAY(a, struct ipc_auth_line, LINES_MAX), .a = a };
	struct auth_results field;

	if (!l.p)
		return false;
	if (c->is_known) {
		add_iprev(&l, &x->iprev);
		add_spf(&l, "smtp.helo", &x->helo);
		add_spf(&l, "smtp.mailfrom", &x->mail_from);
	}
	add_dkim(&l, &x->dkim);
	add_arc(&l, &x->arc);
	add_dmarc(&l, x);
	if (!auth_tell(c, x, conf_now()->hostname, a, &field))
		return false;
	buf_add(&b, S("Authentication-Results: "));
	auth_results_add(&b, &field);
	r->field = arena_str(a, buf_str(&b));
	r->lines.p = l.p;
	r->lines.n = l.n;
	r->is_good = x->from_is == DMARC_FROM_ONE && (x->dmarc.result == DMARC_PASS || x->dmarc.result == DMARC_NONE);
	return !a->full;
}

bool auth_client_read(struct str peer, struct str helo, struct str mail_from, struct arena *a, struct auth_client *ret,
		      struct err *e)
{
	struct smtp_path p = { 0 };

	*ret = (struct auth_client){ .is_known = peer.n, .helo = helo };
	if (peer.n && !dns_address_read(peer, ret->ip))
		return fail(e, FAULT_PERM, "that is no IP address");
	if (mail_from.n && !str_eq(mail_from, S("<>")) && !address_parse(mail_from, PATH_UTF8, a, &p))
		return fail(e, FAULT_PERM, "that is no address of a sender");
	ret->local = p.local;
	ret->domain = p.domain;
	return true;
}

/* The header, which is looked at in memory; the body only goes by. */
static bool head_read(int fd, uint64_t size, struct buf *b, struct err *e)
{
	size_t n = size < b->limit ? (size_t)size : b->limit;
	char *room = n ? buf_room(b, n) : NULL;

	if (n && !room)
		return fail(e, FAULT_TEMP, "no memory for the header");
	if (n && !fd_pread_all(fd, room, n, 0, e))
		return false;
	return n == size || dkim_header_size(buf_str(b)) < n || fail(e, FAULT_PERM, "the header is over header-limit");
}

SUSPENDS bool serve_auth(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(buf_end) struct buf head = buf_on_heap((size_t)conf_now()->inbound.header_limit + 1024);
	const struct scan_auth *q = question;
	struct trust_dns dns = dns_for_trust();
	struct auth_means m = auth_means_of(&dns);
	struct letter_src src;
	struct auth_client c;
	struct auth *x;
	struct stat st;
	bool ok;

	(void)l;
	a->limit = AUTH_ARENA;
	x = ARENA_NEW(a, struct auth);
	if (q->letter <= 0 || fstat(q->letter, &st) || st.st_size < 0)
		return fail(e, FAULT_PERM, "no letter came with the question");
	if (!x || !auth_client_read(q->peer, q->helo, q->mail_from, a, &c, e) || !head_read(q->letter, (uint64_t)st.st_size, &head, e))
		return x ? false : fail(e, FAULT_TEMP, "no memory for the letter");
	src = letter_in_file(q->letter, 0, (uint64_t)st.st_size);
	scan_in_hand++;
	ok = auth_check(&m, &c, buf_str(&head), &src, a, x, e) &&
	     (tell(&c, x, answer, a) || fail(e, FAULT_TEMP, "the letter needs more memory than it may")) &&
	     (!q->wants_inputs || hash_inputs_tell(x, &src, answer, a, e));
	scan_in_hand--;
	auth_end(x);
	return ok;
}
