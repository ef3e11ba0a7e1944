/* auth_tell.c — all results over one letter as Authentication-Results tells them (RFC 8601 §2.7). */
#include "trust/auth.h"

#include "trust/dkim_results.h"
#include "wire/auth_results.h"

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
	struct str by = x->vouched_by;

	if (x->from_is != DMARC_FROM_ONE) {
		tell(t, "dmarc", "permerror", str_from_z(dmarc_from_why(x->from_is)), "header", "from", S(""));
		return;
	}
	tell(t, "dmarc", dmarc_result_name(x->dmarc.result), x->dmarc.problem, "header", "from", x->from);
	if (t->tail && x->dmarc.published_at.n)
		(*m)->comment = arena_printf(t->a, "p=%s dis=%s%s" STR_FMT, dmarc_policy_name(x->dmarc.policy),
					     dmarc_policy_name(x->dmarc.disposition), by.n ? " arc=" : "", STR_ARG(by));
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
	if (t.tail && !c->is_handed_on)
		tell_author(&t, x);
	return t.tail && !a->full;
}

/* -- Received-SPF ------------------------------------------------------------ */

/* key-value-pair = key "=" ( dot-atom / quoted-string ); what cannot stand in ASCII is left out. */
static void pair_add(struct buf *b, const char *key, struct str value)
{
	bool is_atom = true;

	for (size_t i = 0; i < value.n; i++) {
		if (str_at(value, i) < ' ' || str_at(value, i) >= 0x7f)
			return;
		is_atom = is_atom && (ascii_is_alnum(str_at(value, i)) || str_has(S("-._"), value.p[i]));
	}
	if (value.n == 0 || value.n > AUTH_VALUE_MAX)
		return;
	buf_addf(b, ";\r\n\t%s=%s", key, is_atom ? "" : "\"");
	for (size_t i = 0; i < value.n; i++) {
		if (str_at(value, i) == '"' || str_at(value, i) == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, value.p[i]);
	}
	buf_add(b, is_atom ? S("") : S("\""));
}

void auth_add_received_spf(struct buf *b, const struct auth_client *c, const struct auth *x, struct str server)
{
	AUTO(arena_end) struct arena a = { .limit = 16 << 10 };
	struct str at = c->domain.n ? arena_printf(&a, STR_FMT "@" STR_FMT, STR_ARG(c->local), STR_ARG(c->domain)) : S("");

	if (!c->is_known)
		return;
	buf_addf(b, "Received-SPF: %s identity=%s", spf_result_name(x->mail_from.result),
		 x->mail_from.identity == SPF_HELO ? "helo" : "mailfrom");
	pair_add(b, "client-ip", address_text(c->ip, &a));
	pair_add(b, "envelope-from", at);
	pair_add(b, "helo", c->helo);
	pair_add(b, "receiver", server);
	buf_add(b, S("\r\n"));
}
