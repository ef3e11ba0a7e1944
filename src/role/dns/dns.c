/* dns.c — the only process that speaks with name servers.
 *
 * Questions come from other roles; each waits in a fiber of its own for libunbound, which asks the
 * world, checks DNSSEC and keeps answers for all roles alike.  Files about the root come from the parent
 * as descriptors.  A new configuration or a new file begins with a new, empty resolver; questions under
 * way end with the old one. */
#include "role/runtime.h"

#include "base/fd.h"
#include "base/log.h"
#include "role/dns/direct.h"
#include "role/dns/resolver.h"

#include <stdlib.h>

struct text {
	char *p;
	size_t n;
};

static struct conf_held *conf_in_use;
static struct text anchor, hints;
static struct resolver *resolver;        /* NULL: none since the last change */

static void forget(void)
{
	if (resolver)
		resolver_retire(resolver);
	resolver = NULL;
}

/* Without a file of keys the built-in ones hold; hints that are configured and are not there are an error of
 * every question, not a reason to ask the world. */
static bool make(struct err *e)
{
	if (resolver)
		return true;
	if (conf_now()->dns.root_hints.text.n && !hints.n)
		return fail(e, FAULT_TEMP, "the file of root-hints is not there, or empty");
	resolver = resolver_open(&conf_now()->dns, str_of(anchor.p, anchor.n), str_of(hints.p, hints.n), e);
	return resolver;
}

static bool is_same(const struct conf_dns *x, const struct conf_dns *y)
{
	bool same = x->resolver.kind == y->resolver.kind && x->resolver.n == y->resolver.n && x->cache == y->cache &&
		    str_eq(x->root_hints.text, y->root_hints.text);

	for (size_t i = 0; same && i < x->resolver.n; i++)
		same = str_eq(x->resolver.server[i].addr, y->resolver.server[i].addr) &&
		       x->resolver.server[i].port == y->resolver.server[i].port;
	return same;
}

static void configured(void)
{
	if (!is_same(&conf_in_use->c.dns, &conf_now()->dns))
		forget();
	conf_release(&conf_in_use);
	conf_in_use = conf_hold();
}

static void take_file(struct role_file *f)
{
	struct text *t = str_eq(f->what, S("root-hints")) ? &hints : &anchor, fresh = { 0 };
	struct err e = { 0 };

	if (f->file > 0 && !fd_slurp(f->file, ROOT_FILE_MAX, &fresh.p, &fresh.n, &e)) {
		log_error("file", "path=%s why=%s next=\"what was there before stays\"", LOGQ(f->path), LOGQ(str_from_z(e.text)));
		return;
	}
	/* after a reload all files come again */
	if (!str_eq(str_of(t->p, t->n), str_of(fresh.p, fresh.n)))
		forget();
	free(t->p);
	*t = fresh;
}

static bool list_records(const struct resolver_answer *got, struct arena *a, struct ipc_text **ret, size_t *ret_n, struct err *e)
{
	*ret = got->n ? ARENA_ARRAY(a, struct ipc_text, got->n) : NULL;
	if (got->n && !*ret)
		return fail(e, FAULT_TEMP, "no memory for an answer");
	for (*ret_n = 0; *ret_n < got->n; ++*ret_n)
		(*ret)[*ret_n].text = got->p[*ret_n];
	return true;
}

SUSPENDS static bool serve_question(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct dns_question *q = question;
	struct dns_question_answer *r = answer;
	struct resolver_answer got = { 0 };

	(void)l;
	if (!make(e) || !resolver_ask(resolver, q->name, q->type, a, &got, e))
		return false;
	*r = (struct dns_question_answer){ .outcome = (uint8_t)got.outcome, .is_secure = got.is_secure,
					   .is_cached = got.is_cached, .ttl = got.ttl, .rcode = got.rcode,
					   .canonical = got.canonical, .why = got.why };
	return list_records(&got, a, &r->records.p, &r->records.n, e);
}

/* Like the resolver, it goes to networks that are no part of the world only where names are our own. */
SUSPENDS static bool serve_ask_server(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	const struct conf_dns *conf = &conf_now()->dns;
	bool is_own_world = conf->root_hints.text.n || conf->resolver.kind == CONF_RESOLVER_FORWARD;
	struct dns_ask_server *q = question;
	struct dns_ask_server_answer *r = answer;
	struct resolver_answer got = { 0 };

	(void)l;
	if (conf->resolver.kind == CONF_RESOLVER_OFF)
		return fail(e, FAULT_TEMP, "the resolver is off (dns { resolver off })");
	if (!direct_ask(q->server, is_own_world, q->name, q->type, a, &got, e))
		return false;
	*r = (struct dns_ask_server_answer){ .outcome = (uint8_t)got.outcome, .ttl = got.ttl, .rcode = got.rcode,
					     .canonical = got.canonical, .why = got.why };
	return list_records(&got, a, &r->records.p, &r->records.n, e);
}

SUSPENDS static bool prepare(struct err *e)
{
	(void)e;
	conf_in_use = conf_hold();
	ipc_serve(IPC_dns_question, serve_question);
	ipc_serve(IPC_dns_ask_server, serve_ask_server);
	return true;
}

const struct role_def role_dns = { .role = ROLE_DNS, .prepare = prepare, .configured = configured, .file = take_file };
