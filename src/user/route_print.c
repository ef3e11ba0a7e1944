/* route_print.c — a route for people; see route.h. */
#include "user/route.h"

static const char *const kind_names[] = {
	[ROUTE_ACCOUNT] = "account",
	[ROUTE_LINUX] = "Linux account",
	[ROUTE_REMOTE] = "remote address",
	[ROUTE_PIPE] = "pipe",
	[ROUTE_FILE] = "file",
	[ROUTE_INCLUDE] = "include",
	[ROUTE_BLACKHOLE] = "blackhole",
	[ROUTE_DMARC_REPORTS] = "DMARC reports",
	[ROUTE_FAIL] = "refused",
	[ROUTE_DEFER] = "deferred",
};

const char *route_kind_name(enum route_kind k)
{
	return kind_names[k];
}

static void print_steps(const struct route_step *last, struct buf *out)
{
	const struct route_step *steps[ROUTE_STEPS_MAX + 2];
	size_t n = 0;

	for (; last && n < ARRAY_LEN(steps); last = last->from)
		steps[n++] = last;
	while (n > 0) {
		buf_add(out, S("    "));
		buf_add_printable(out, steps[--n]->text, 1000);
		buf_add_char(out, '\n');
	}
}

static void print_target(const struct route_target *t, struct buf *out)
{
	buf_addf(out, "  %s", kind_names[t->kind]);
	if (t->local.n) {
		buf_add_char(out, ' ');
		buf_add_printable(out, t->local, 300);
	}
	if (t->domain.n) {
		buf_add_char(out, '@');
		buf_add(out, t->domain);
	}
	if (t->text.n) {
		buf_add(out, S(": "));
		buf_add_printable(out, t->text, 500);
	}
	buf_add_char(out, '\n');
	print_steps(t->last, out);
}

void route_print(const struct route *r, struct buf *out)
{
	for (size_t i = 0; i < r->n_targets; i++)
		print_target(&r->targets[i], out);
	buf_addf(out, "  → %d %s ", r->code, r->status);
	buf_add_printable(out, r->text, 500);
	if (!str_eq(r->reason, r->text)) {
		buf_add(out, S("  ("));
		buf_add_printable(out, r->reason, 500);
		buf_add_char(out, ')');
	}
	buf_add_char(out, '\n');
}
