/* auth_tell.c — all results over one letter as Authentication-Results tells them (RFC 8601 §2.7). */
#include "trust/auth.h"

#include "trust/dkim_results.h"

#include <arpa/inet.h>

struct telling {
	struct auth_method **tail;       /* NULL: no memory */
	struct arena *a;
};

static void tell(struct telling *t, const char *name, const char *result, struct str reason, const char *type,
		 const char *property, struct str value)
{
	struct auth_method *m = ARENA_NEW(t->a, struct auth_method);
	struct auth_property *p = ARENA_NEW(t->a, struct auth_property);

	if (!m || !p || !t->tail) {
		t->tail = NULL;
		return;
	}
	*p = (struct auth_property){ .type = str_from_z(type), .name = str_from_z(property), .value = value };
	*m = (struct auth_method){ .name = str_from_z(name), .result = str_from_z(result), .reason = reason,
				   .properties = value.n ? p : NULL };
	*t->tail = m;
	t->tail = &m->next;
}

static struct str address_text(const uint8_t ip[16], struct arena *a)
{
	static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };
	bool is_v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;
	char z[INET6_ADDRSTRLEN] = "";

	inet_ntop(is_v4 ? AF_INET : AF_INET6, ip + (is_v4 ? 12 : 0), z, sizeof(z));
	return arena_str(a, str_from_z(z));
}

/* §2.7.2: MAIL FROM as far as it matters, its domain; the null path has the HELO name only. */
static void tell_client(struct telling *t, const struct auth_client *c, const struct auth *x)
{
	if (!c->is_known)
		return;
	tell(t, "iprev", iprev_result_name(x->iprev.result), x->iprev.why, "policy", "iprev", address_text(c->ip, t->a));
	if (c->domain.n)
		tell(t, "spf", spf_result_name(x->mail_from.result), x->mail_from.problem, "smtp", "mailfrom", x->mail_from.domain);
	tell(t, "spf", spf_result_name(x->helo.result), x->helo.problem, "smtp", "helo", x->helo.domain);
}

/* RFC 7489 §11.1; the comment as others have it. */
static void tell_author(struct telling *t, const struct auth *x)
{
	struct auth_method **m = t->tail;

	if (x->from_is != DMARC_FROM_ONE) {
		tell(t, "dmarc", "permerror", str_from_z(dmarc_from_why(x->from_is)), "header", "from", S(""));
		return;
	}
	tell(t, "dmarc", dmarc_result_name(x->dmarc.result), x->dmarc.problem, "header", "from", x->from);
	if (t->tail && x->dmarc.published_at.n)
		(*m)->comment = arena_printf(t->a, "p=%s dis=%s", dmarc_policy_name(x->dmarc.policy),
					     dmarc_policy_name(x->dmarc.disposition));
}

bool auth_tell(const struct auth_client *c, const struct auth *x, struct str server, struct arena *a,
	       struct auth_results *ret)
{
	struct telling t = { .a = a };

	*ret = (struct auth_results){ .server = server };
	t.tail = &ret->methods;
	tell_client(&t, c, x);
	if (t.tail)
		t.tail = dkim_results_add(t.tail, &x->dkim, a);
	if (t.tail)
		t.tail = arc_results_add(t.tail, &x->arc, a);
	if (t.tail)
		tell_author(&t, x);
	return t.tail && !a->full;
}
