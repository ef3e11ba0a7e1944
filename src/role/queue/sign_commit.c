/* sign_commit.c — a letter that comes in is signed, or sealed, before it is written down. */
#include "role/queue/sign.h"

#include "base/log.h"

static struct str in_front(struct str fields, struct str prefix, struct arena *a)
{
	return fields.n ? arena_printf(a, STR_FMT STR_FMT, STR_ARG(fields), STR_ARG(prefix)) : prefix;
}

/* Who wrote it counts; of a letter without From, who sent it (wire/submitted.h). */
static struct sign_names names_of(const struct sender_verdict *who)
{
	struct sign_names names = { 0 };

	for (size_t i = who->n_signers > 1; i < who->n_signers; i++)
		sign_names_add(&names, who->signers[i].text);
	return names;
}

bool sign_ours(const struct sign_view *v, const struct sender_verdict *who, struct sign_outcome *ret, struct str *prefix,
	       struct arena *a, struct err *e)
{
	struct sign_names names = names_of(who);
	struct str fields = S("");
	struct err failed = { 0 };

	*ret = (struct sign_outcome){ .kind = WHY_letter_signed, .facts = S("") };
	ret->domains = sign_names_print(&names, a);
	if (!sign_view(v, &names, &fields, a, &failed)) {
		if (failed.fault == FAULT_CANCEL) {
			*e = failed;
			return false;
		}
		ret->kind = WHY_letter_waits;
		ret->why = arena_printf(a, "%s", failed.text);
		ret->flags = LETTER_UNSIGNED;
		ret->facts = ret->domains;
	} else if (!fields.n) {
		ret->kind = WHY_letter_not_signed;
		ret->why = names.n ? S("the configuration says so (dkim off)") : S("nobody in From is at a domain of ours");
	}
	*prefix = ret->remote_prefix = in_front(fields, *prefix, a);
	return !a->full || fail(e, FAULT_TEMP, "no memory for signatures");
}

void seal_theirs(const struct sign_view *v, struct str domain, struct sign_outcome *ret, struct arena *a)
{
	struct str fields;

	*ret = (struct sign_outcome){ .kind = WHY_letter_sealed, .domains = domain, .facts = S("") };
	seal_view(v, domain, &fields, &ret->why, a);
	if (!fields.n)
		ret->kind = WHY_letter_not_sealed;
	ret->remote_prefix = in_front(fields, v->prefix, a);
}

void sign_note(const struct sign_outcome *o, struct str from, struct buf *frames, struct why head)
{
	struct why_letter_signed done = { .head = head, .from = from, .domains = o->domains };
	struct why_letter_not_signed not = { .head = head, .from = from, .why = o->why };
	struct why_letter_waits waits = { .head = head, .from = from, .domains = o->domains, .why = o->why };
	struct why_letter_sealed sealed = { .head = head, .from = from, .domain = o->domains };
	struct why_letter_not_sealed open = { .head = head, .from = from, .why = o->why };
	struct why *w = o->kind == WHY_letter_signed ? &done.head : o->kind == WHY_letter_not_signed ? &not.head :
			o->kind == WHY_letter_waits ? &waits.head : o->kind == WHY_letter_sealed ? &sealed.head : &open.head;

	if (!o->kind)
		return;
	w->kind = (uint16_t)o->kind;
	why_log(w);
	why_add(frames, w);
}
