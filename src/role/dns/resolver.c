/* resolver.c — see resolver.h.
 *
 * libunbound runs in this thread, on our events; it is given what it needs as text, since this process
 * opens no files.  Its calls and callbacks run on the loop's stack.  A question's state lives until its
 * callback: libunbound cannot be told to forget one. */
#include "role/dns/resolver.h"

#include "base/log.h"
#include "fiber/fiber.h"
#include "role/dns/events.h"
#include "role/dns/reasons.h"
#include "role/dns/root_file.h"
#include "wire/dns_packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <unbound-event.h>
#include <unbound.h>

struct resolver {
	struct resolver *next;           /* among the retired */
	struct arena a;                  /* the settings */
	struct conf_dns conf;
	struct str anchor, hints;
	struct ub_ctx *ctx;              /* NULL: not yet needed */
	unsigned n;                      /* questions under way */
};

struct question {
	struct resolver *r;
	const char *text;
	struct dns_name name;
	uint16_t type;
	struct arena *a;                 /* of who waits */
	struct resolver_answer *ret;     /* NULL: nobody waits any more */
	bool is_done;
	int refused;                     /* by libunbound, before it began; or 0 */
	struct wait done;
};

/* The root's keys of 2017 and 2024, as IANA publishes them (https://data.iana.org/root-anchors). */
static const char *const built_in_anchor =
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
	". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n";

static struct resolver *retired;
static unsigned n_questions;             /* of all */

/* What libunbound writes to its log: just before a callback it says there why nobody answered. */
static char words[512];
static size_t words_n;

static ssize_t keep_words(void *cookie, const char *p, size_t n)
{
	struct str line = str_head(str_of(p, n), sizeof(words));

	(void)cookie;
	if (str_find_str(line, S("SERVFAIL <")) < line.n) {
		memcpy(words, line.p, line.n);
		words_n = line.n;
	}
	return (ssize_t)n;
}

static FILE *words_file(void)
{
	static FILE *f;

	if (!f) {
		f = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = keep_words });
		if (f)
			setlinebuf(f);
	}
	return f;
}

/* -- making one -------------------------------------------------------------- */

/* What differs from libunbound's defaults, or shall not change with them. */
static const struct {
	const char *name, *value;
} options[] = {
	{ "module-config:", "validator iterator" },
	{ "val-log-level:", "2" },               /* says why an answer is bogus */
	{ "val-log-squelch:", "no" },
	{ "log-servfail:", "yes" },              /* says why there is none: see words */
	{ "val-nsec3-keysize-iterations:", "1024 50 2048 50 4096 50" },
	{ "edns-buffer-size:", "1232" },
	{ "qname-minimisation:", "yes" },
	{ "aggressive-nsec:", "yes" },
	{ "use-caps-for-id:", "yes" },           /* 0x20 */
	{ "infra-cache-min-rtt:", "200" },       /* ms: a server that is busy for a moment is not given up */
	{ "harden-glue:", "yes" },
	{ "harden-dnssec-stripped:", "yes" },
	{ "harden-below-nxdomain:", "yes" },
	{ "harden-algo-downgrade:", "no" },
	{ "rrset-roundrobin:", "no" },
	{ "cache-max-ttl:", "86400" },
	{ "cache-max-negative-ttl:", "3600" },
	{ "outgoing-range:", "1200" },           /* sockets at once */
	{ "outgoing-num-tcp:", "32" },
	{ "num-queries-per-thread:", "4096" },
};

/* With a root or a resolver of one's own these are names like others. */
static const char *const own_world[] = {
	"localhost. transparent", "127.in-addr.arpa. transparent", "test. transparent", "invalid. transparent", "onion. transparent",
	"home.arpa. transparent",
};

static bool set_option(struct resolver *r, const char *name, const char *value, struct err *e)
{
	int rc = ub_ctx_set_option(r->ctx, name, value);

	return rc ? fail(e, FAULT_TEMP, "libunbound does not take %s %s: %s", name, value, ub_strerror(rc)) : true;
}

static bool set_cache(struct resolver *r, struct err *e)
{
	static const struct {
		const char *name;
		unsigned part;           /* of 8 */
	} parts[] = { { "rrset-cache-size:", 4 }, { "msg-cache-size:", 2 }, { "key-cache-size:", 1 }, { "neg-cache-size:", 1 } };
	char number[24];

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)r->conf.cache / 8 * parts[i].part);
		if (!set_option(r, parts[i].name, number, e))
			return false;
	}
	return true;
}

static bool set_own_world(struct resolver *r, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(own_world); i++)
		if (!set_option(r, "local-zone:", own_world[i], e))
			return false;
	return set_option(r, "unblock-lan-zones:", "yes", e) && set_option(r, "insecure-lan-zones:", "yes", e) &&
	       set_option(r, "do-not-query-localhost:", "no", e);
}

static bool add_forwarders(struct resolver *r, struct err *e)
{
	const struct conf_resolver *v = &r->conf.resolver;
	char at[64];
	int rc = 0;

	for (size_t i = 0; i < v->n && !rc; i++) {
		snprintf(at, sizeof(at), STR_FMT "@%u", STR_ARG(v->server[i].addr), v->server[i].port);
		rc = ub_ctx_set_fwd(r->ctx, at);
	}
	return rc ? fail(e, FAULT_TEMP, "the resolver %s: %s", at, ub_strerror(rc)) : true;
}

/* As a stub for the root that is primed, which is what libunbound makes of a file of hints. */
static bool add_hints(struct resolver *r, struct err *e)
{
	struct str rest = r->hints, line, address;
	size_t n = 0;

	while (root_line_take(&rest, &line)) {
		char *z;

		if (!root_line_address(line, &address) || n == ROOT_LINES_MAX)
			continue;
		z = str_z(&r->a, address);
		if (!z || ub_ctx_set_stub(r->ctx, ".", z, 1))
			return fail(e, FAULT_TEMP, "root-hints: \"" STR_FMT "\" is no address", STR_ARG(str_head(address, 64)));
		n++;
	}
	return n ? true : fail(e, FAULT_TEMP, "root-hints: no address of a name server stands there");
}

static bool add_anchor(struct resolver *r, struct err *e)
{
	struct str rest = r->anchor, line;
	size_t n = 0;

	while (root_line_take(&rest, &line)) {
		char *z = root_line_is_key(line) ? str_z(&r->a, line) : NULL;

		if (!z || n == ROOT_LINES_MAX || ub_ctx_add_ta(r->ctx, z))
			return fail(e, FAULT_TEMP, "trust-anchor: \"" STR_FMT "\" is no key", STR_ARG(str_head(line, 64)));
		n++;
	}
	return n ? true : fail(e, FAULT_TEMP, "trust-anchor: no key stands there");
}

static bool configure(struct resolver *r, struct err *e)
{
	bool is_own = r->hints.n || r->conf.resolver.kind == CONF_RESOLVER_FORWARD;

	ub_ctx_debugout(r->ctx, words_file());
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (!set_option(r, options[i].name, options[i].value, e))
			return false;
	return set_cache(r, e) && (!is_own || set_own_world(r, e)) && add_anchor(r, e) &&
	       (r->conf.resolver.kind == CONF_RESOLVER_FORWARD ? add_forwarders(r, e) : !r->hints.n || add_hints(r, e));
}

static bool make(struct resolver *r, struct err *e)
{
	if (r->ctx)
		return true;
	r->ctx = ub_ctx_create_ub_event(events_base());
	if (!r->ctx)
		return fail(e, FAULT_TEMP, "no memory for a resolver");
	if (configure(r, e))
		return true;
	ub_ctx_delete(r->ctx);
	r->ctx = NULL;
	return false;
}

struct resolver *resolver_open(const struct conf_dns *conf, struct str anchor, struct str hints, struct err *e)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r) {
		fail(e, FAULT_TEMP, "no memory for a resolver");
		return NULL;
	}
	r->conf = *conf;
	r->a.limit = 4 * ROOT_FILE_MAX;
	r->anchor = arena_str(&r->a, anchor.n ? anchor : str_from_z(built_in_anchor));
	r->hints = arena_str(&r->a, hints);
	for (size_t i = 0; i < conf->resolver.n; i++)
		r->conf.resolver.server[i].addr = arena_str(&r->a, conf->resolver.server[i].addr);
	return r;
}

static void close_one(struct resolver *r)
{
	if (r->ctx)
		ub_ctx_delete(r->ctx);
	arena_end(&r->a);
	free(r);
}

/* Never inside a callback: what calls it would go. */
static void close_retired(void *unused)
{
	(void)unused;
	for (struct resolver **at = &retired; *at;) {
		struct resolver *r = *at;

		if (r->n == 0) {
			*at = r->next;
			close_one(r);
		} else {
			at = &r->next;
		}
	}
}

void resolver_retire(struct resolver *r)
{
	r->next = retired;
	retired = r;
	on_loop_stack(close_retired, NULL);
}

/* -- an answer --------------------------------------------------------------- */

static void set_temp(struct question *q, struct str why)
{
	*q->ret = (struct resolver_answer){ .outcome = DNS_TEMP, .rcode = q->ret->rcode, .canonical = q->ret->canonical,
					    .why = arena_str(q->a, why) };
}

static void read_packet(struct question *q, struct str bytes)
{
	struct dns_packet p;
	struct err e = { 0 };

	if (!dns_packet_parse(bytes, &q->name, q->type, q->a, &p, &e)) {
		set_temp(q, str_from_z(e.text));
		return;
	}
	q->ret->rcode = p.rcode;
	q->ret->canonical = p.canonical;
	q->ret->ttl = p.ttl;
	q->ret->p = p.p;
	q->ret->n = p.n;
	if (p.is_truncated)
		set_temp(q, S("the answer is cut off"));
	else if (p.rcode == DNS_NXDOMAIN)
		q->ret->outcome = DNS_NO_NAME;
	else if (p.rcode == DNS_NOERROR)
		q->ret->outcome = p.n ? DNS_FOUND : DNS_NONE;
	else
		set_temp(q, S("its name servers do not answer usefully"));
	if (q->ret->outcome != DNS_FOUND)
		q->ret->n = 0;
}

enum { INSECURE, BOGUS, SECURE };

static void set_bogus(struct question *q, const char *why)
{
	*q->ret = (struct resolver_answer){ .outcome = DNS_BOGUS, .rcode = q->ret->rcode, .canonical = q->ret->canonical,
					    .why = arena_str(q->a, why && *why ? str_from_z(why) : S("DNSSEC does not agree")) };
}

/* "[TIME] libunbound[PID:0] error: SERVFAIL <NAME TYPE IN>: REASON" */
static struct str reason_in(struct str line)
{
	size_t at = str_find_str(line, S(">: "));

	return at < line.n ? str_trim(str_from(line, at + 3)) : S("its name servers do not answer usefully");
}

/* What an answer that is none says of those who were asked. */
static void set_silent(struct question *q)
{
	struct str name = str_from_z(q->text), why = words_n ? reason_in(str_of(words, words_n)) : reason_of(name, q->type);

	if (words_n)
		reason_keep(name, q->type, why);
	set_temp(q, why.n ? why : S("its name servers do not answer usefully"));
	if (str_find_str(why, S("got REFUSED")) < why.n)
		q->ret->rcode = DNS_REFUSED;
}

/* libunbound's. */
static void on_answer(void *arg, int rcode, void *packet, int packet_n, int security, char *why, int was_limited)
{
	struct question *q = arg;

	(void)was_limited;
	q->r->n--;
	n_questions--;
	if (!q->ret) {
		free(q);
		return;
	}
	q->is_done = true;
	q->ret->rcode = (uint8_t)rcode;
	if (security == BOGUS) {
		set_bogus(q, why);
	} else if (packet && packet_n > 0 && (rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN)) {
		read_packet(q, str_of(packet, (size_t)packet_n));
		q->ret->is_secure = security == SECURE && q->ret->outcome != DNS_TEMP;
	} else {
		set_silent(q);
	}
	words_n = 0;
	wait_wake(&q->done);
}

/* On the loop's stack; what is kept is answered before it returns. */
static void begin(void *arg)
{
	struct question *q = arg;
	struct err e;

	close_retired(NULL);
	if (!make(q->r, &e)) {
		q->refused = UB_INITFAIL;
		log_error("resolver", "why=%s next=\"nothing can be looked up\"", LOGQ(str_from_z(e.text)));
		set_temp(q, str_from_z(e.text));
		return;
	}
	q->r->n++;
	n_questions++;
	q->refused = ub_resolve_event(q->r->ctx, q->text, q->type, 1, q, on_answer, NULL);
	q->ret->is_cached = q->is_done;
	if (q->refused) {
		q->r->n--;
		n_questions--;
		set_temp(q, str_from_z(ub_strerror(q->refused)));
	}
}

/* false: cancelled. */
SUSPENDS static bool await(struct question *q, struct err *e)
{
	struct err over = { 0 };

	WITHIN(DNS_QUESTION_WITHIN)
		while (!q->is_done)
			if (!wait_on(&q->done, "name servers", &over))
				break;
	if (q->is_done)
		return true;
	set_temp(q, S("its name servers did not answer within 20 s"));
	q->ret = NULL;
	if (over.fault != FAULT_CANCEL)
		return true;
	*e = over;
	return false;
}

bool resolver_ask(struct resolver *r, struct str name, uint16_t type, struct arena *a, struct resolver_answer *ret,
		  struct err *e)
{
	struct question *q = calloc(1, sizeof(*q));

	*ret = (struct resolver_answer){ .outcome = DNS_TEMP, .canonical = name };
	if (!q) {
		ret->why = S("no memory to ask");
		return true;
	}
	*q = (struct question){ .r = r, .type = type, .a = a, .ret = ret, .text = str_z(a, name) };
	if (r->conf.resolver.kind == CONF_RESOLVER_OFF || n_questions >= QUESTIONS_MAX) {
		set_temp(q, r->conf.resolver.kind == CONF_RESOLVER_OFF ? S("the resolver is off (dns { resolver off })")
								       : S("too many questions at once"));
	} else if (!q->text || !dns_name_read(name, &q->name)) {
		ret->outcome = DNS_NO_NAME;
	} else {
		on_loop_stack(begin, q);
		if (!q->refused && !await(q, e))
			return false;
		if (!q->refused && !q->is_done)
			return true;     /* its callback frees it */
	}
	free(q);
	return true;
}
