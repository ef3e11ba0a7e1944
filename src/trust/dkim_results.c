/* dkim_results.c — see dkim_results.h. */
#include "trust/dkim_results.h"

enum { B_SHOWN = 8 };            /* characters of b= that tell signatures apart (RFC 6008 §4) */

/* In front of those that are there already. */
static bool property_add(struct auth_method *m, const char *name, struct str value, struct arena *a)
{
	struct auth_property *p = ARENA_NEW(a, struct auth_property);

	if (!p)
		return false;
	*p = (struct auth_property){ .type = S("header"), .name = str_from_z(name), .value = value, .next = m->properties };
	m->properties = p;
	return true;
}

static struct auth_method *method_new(const char *name, const char *result, struct arena *a)
{
	struct auth_method *m = ARENA_NEW(a, struct auth_method);

	if (m) {
		m->name = str_from_z(name);
		m->result = str_from_z(result);
	}
	return m;
}

static struct auth_method *signature_method(const struct dkim_checked *c, struct arena *a)
{
	struct auth_method *m = method_new("dkim", dkim_result_name(c->outcome.result), a);
	const struct dkim_signature *s = &c->signature;
	bool ok = m != NULL;

	if (ok && c->outcome.bits)
		m->comment = arena_printf(a, "%u-bit key%s", c->outcome.bits, c->outcome.is_testing ? ", testing" : "");
	if (ok)
		m->reason = c->outcome.reason;
	if (ok && s->b_text.n)
		ok = property_add(m, "b", str_head(s->b_text, B_SHOWN), a);
	if (ok && s->selector.n)
		ok = property_add(m, "s", s->selector, a);
	if (ok && s->identity.n)
		ok = property_add(m, "i", s->identity, a);
	if (ok && s->domain.n)
		ok = property_add(m, "d", s->domain, a);
	return ok ? m : NULL;
}

struct auth_method **dkim_results_add(struct auth_method **tail, const struct dkim *d, struct arena *a)
{
	for (size_t i = 0; i < d->n || i == 0; i++) {
		*tail = d->n ? signature_method(&d->p[i], a) : method_new("dkim", dkim_result_name(DKIM_NONE), a);
		if (!*tail)
			return NULL;
		tail = &(*tail)->next;
	}
	return tail;
}

struct auth_method **arc_results_add(struct auth_method **tail, const struct arc *r, struct arena *a)
{
	struct auth_method *m = method_new("arc", arc_result_name(r->result), a);

	*tail = m;
	if (!m)
		return NULL;
	m->reason = r->reason;
	if (r->n)
		m->comment = arena_printf(a, "i=%zu, sealed by " STR_FMT, r->n, STR_ARG(r->sets[r->n - 1].sealed.domain));
	return &m->next;
}
