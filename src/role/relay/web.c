/* web.c — the MTA-STS policy of a domain (RFC 8461 §3): its TXT record, and a text by HTTPS.
 *
 * One GET to https://mta-sts.DOMAIN/.well-known/mta-sts.txt: verified against the
 * roots, no redirects, no more than 64 KiB, a minute for all of it (§3.3).  Only the
 * instance RELAY_WEB answers. */
#include "role/relay/peer.h"
#include "role/relay/relay.h"

#include "base/fd.h"
#include "base/log.h"
#include "ipc/say.h"
#include "role/runtime.h"
#include "wire/address.h"
#include "wire/http_response.h"
#include "wire/mail_date.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define FETCH_WITHIN (60 * SECOND)

enum { RESPONSE_MAX = HTTP_HEAD_MAX + 2 * MTASTS_POLICY_MAX, PORT_HTTPS = 443, ADDRESSES_TRIED = 4, FETCHES_MAX = LINK_WINDOW_STRANGERS };

static unsigned fetches;

/* -- one connection ---------------------------------------------------------------- */

SUSPENDS static bool connect_to(struct conn *c, const struct dns_address *to, struct err *e)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT_HTTPS) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(PORT_HTTPS) };
	const struct sockaddr *sa = to->is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t n = to->is_v4 ? sizeof(v4) : sizeof(v6), size = sizeof(int);
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), sys = 0;

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "socket");
	conn_init(c, fd);
	memcpy(&v6.sin6_addr, to->addr, 16);
	memcpy(&v4.sin_addr, to->addr + 12, 4);
	if (connect(fd, sa, n) == 0)
		return true;
	if (errno != EINPROGRESS)
		return fail_sys(e, FAULT_PEER, errno, "connect");
	if (!fd_wait(fd, POLLOUT, "connect", e))
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &size) || sys)
		return fail_sys(e, FAULT_PEER, sys, "connect");
	return true;
}

SUSPENDS static bool send_request(struct conn *c, struct str host, struct err *e)
{
	char mem[512];
	struct buf b = buf_over(mem, sizeof(mem));

	buf_addf(&b, "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: " STR_FMT "\r\nUser-Agent: waxwing\r\n"
		     "Accept: text/plain\r\nConnection: close\r\n\r\n", STR_ARG(host));
	return !b.full && conn_write(c, buf_str(&b), e);
}

/* Is the body whole?  DONE: *ret in the arena. */
static enum http_state body_of(struct str in, const struct http_head *h, bool is_end, struct arena *a, struct str *ret)
{
	char *to;
	size_t n;
	enum http_state state;

	if (h->has_length && in.n < h->length)
		return HTTP_MORE;
	if (!h->is_chunked) {
		if (!h->has_length && !is_end)
			return HTTP_MORE;
		*ret = arena_str(a, h->has_length ? str_head(in, (size_t)h->length) : in);
		return HTTP_DONE;
	}
	to = malloc(in.n ? in.n : 1);
	if (!to)
		return HTTP_MALFORMED;
	state = http_chunks_parse(in, to, &n);
	if (state == HTTP_DONE)
		*ret = arena_str(a, str_of(to, n));
	free(to);
	return state;
}

/* What a web server says. */
struct response {
	struct str body;
	int64_t date;            /* 0: it does not say what time it is */
};

static int64_t date_of(const struct http_head *h)
{
	struct mail_date d;

	return h->date.n && mail_date_parse(h->date, &d) ? d.utc * SECOND : 0;
}

static bool head_is_good(const struct http_head *h, struct err *e)
{
	if (h->status != 200)
		return fail(e, FAULT_PEER, "HTTP status %u", h->status);
	if (!str_eq_nocase(h->content_type, S("text/plain")))
		return fail(e, FAULT_PEER, "the policy is not text/plain");
	if (h->has_length && h->length > MTASTS_POLICY_MAX)
		return fail(e, FAULT_PEER, "the policy is longer than 64 KiB");
	return true;
}

SUSPENDS static bool read_response(struct conn *c, struct arena *a, struct response *ret, struct err *e)
{
	struct buf all = buf_on_heap(RESPONSE_MAX);
	enum http_state state = HTTP_MORE;
	struct http_head h;
	size_t head = 0;
	bool ok = true;

	while (ok && state == HTTP_MORE) {
		bool got = conn_fill(c, e);

		if (!got && !c->eof) {
			ok = false;
			break;
		}
		buf_add(&all, conn_pending(c));
		conn_eat(c, conn_pending(c).n);
		if (all.full)
			ok = fail(e, FAULT_PEER, "the policy is too long");
		if (ok && !head && http_head_parse(buf_str(&all), &h, &head) == HTTP_MALFORMED)
			state = HTTP_MALFORMED;
		if (ok && head && (ok = head_is_good(&h, e))) {
			ret->date = date_of(&h);
			state = body_of(str_from(buf_str(&all), head), &h, c->eof, a, &ret->body);
		}
		if (ok && !got && state == HTTP_MORE)
			ok = fail(e, FAULT_PEER, "half a response");
	}
	buf_end(&all);
	if (ok && state == HTTP_MALFORMED)
		ok = fail(e, FAULT_PEER, "the response is malformed");
	return ok && (ret->body.n <= MTASTS_POLICY_MAX || fail(e, FAULT_PEER, "the policy is longer than 64 KiB"));
}

SUSPENDS static bool fetch_from(const struct dns_address *to, struct str host, struct arena *a, struct response *ret,
				struct err *e)
{
	AUTO(conn_end) struct conn c = { .fd = -1 };
	struct ssl_st *ssl;

	if (!connect_to(&c, to, e))
		return false;
	ssl = tls_client_session(relay_tls(), host, TLS_TRUST_ROOTS, S(""), e);
	return ssl && conn_start_tls_client(&c, ssl, e) && send_request(&c, host, e) && read_response(&c, a, ret, e);
}

/* -- the policy ---------------------------------------------------------------------- */

SUSPENDS static bool fetch_all(struct str host, struct arena *a, struct response *ret, struct err *e)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct target_rules rules = relay_rules(conf_now());
	size_t tried = 0;

	fail(e, FAULT_TEMP, "it has no address");
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		struct dns_addresses found;

		if (families[f] == AF_INET6 && !rules.use_v6)
			continue;
		if (!dns_addresses(host, families[f], a, &found, e))
			return false;
		for (size_t i = 0; i < found.n && tried < ADDRESSES_TRIED; i++) {
			if (address_is_private(found.p[i].addr) &&
			    !conf_nets_has(&conf_now()->outbound.allow_private, found.p[i].addr)) {
				fail(e, FAULT_TEMP, "its address is private (allow-private)");
				continue;
			}
			tried++;
			if (fetch_from(&found.p[i], host, a, ret, e))
				return true;
		}
	}
	return false;
}

SUSPENDS static bool fetch(struct str host, struct arena *a, struct response *ret, struct err *e)
{
	int64_t within = peer_patience(FETCH_WITHIN);    /* sooner, never later: the letters wait */
	bool ok = false;

	if (fetches >= FETCHES_MAX)
		return fail(e, FAULT_TEMP, "too many policies are being fetched");
	if (within > FETCH_WITHIN)
		within = FETCH_WITHIN;
	fetches++;
	WITHIN(within)
		ok = fetch_all(host, a, ret, e);
	fetches--;
	if (!ok && e->timed_out)
		fail(e, FAULT_TEMP, "no policy within %lld s", (long long)(within / SECOND));
	return ok;
}

static void failed(struct relay_policy_answer *r, struct arena *a, const char *why)
{
	r->outcome = RELAY_POLICY_FAILED;
	r->why = arena_printf(a, "%s", why);
}

SUSPENDS static bool ask(struct str domain, struct str known, struct relay_policy_answer *r, struct arena *a, struct err *e)
{
	struct str host = arena_printf(a, "mta-sts." STR_FMT, STR_ARG(domain));
	struct mtasts_policy *p = ARENA_NEW(a, struct mtasts_policy);
	struct response got = { 0 };
	struct dns_texts found;
	struct err why;

	if (!p || !dns_txt(arena_printf(a, "_mta-sts." STR_FMT, STR_ARG(domain)), a, &found, e))
		return p ? false : fail(e, FAULT_TEMP, "no memory for a policy");
	if (found.said.outcome == DNS_TEMP || found.said.outcome == DNS_BOGUS) {
		failed(r, a, "its TXT record cannot be looked up");
		return true;
	}
	if (mtasts_record_parse(found.p, found.n, &r->id) == MTASTS_RECORD_NONE) {
		r->outcome = RELAY_POLICY_NONE;
		return true;
	}
	if (str_eq(r->id, known)) {
		r->outcome = RELAY_POLICY_SAME;
		return true;
	}
	if (!fetch(host, a, &got, &why)) {
		if (why.fault == FAULT_CANCEL) {
			*e = why;
			return false;
		}
		failed(r, a, why.text);
	} else if (!mtasts_policy_parse(got.body, p)) {
		failed(r, a, "what stands there is no policy");
	} else {
		r->outcome = RELAY_POLICY_NEW;
		r->policy = got.body;
		r->max_age = p->max_age;
		r->date = got.date;
	}
	if (r->outcome == RELAY_POLICY_FAILED) {
		log_warn("mta-sts", "domain=%s why=%s", LOGQ(domain), LOGQ(r->why));
	}
	return true;
}

SUSPENDS static bool serve_policy(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct relay_policy *q = question;
	struct str domain;

	(void)l;
	if (!relay_is_web(self.instance))
		return fail(e, FAULT_PERM, "another instance fetches policies");
	if (!address_domain_fold(q->domain, a, &domain) || str_starts(domain, S("[")))
		return fail(e, FAULT_PERM, "this is no domain");
	return ask(domain, q->known_id, answer, a, e);
}

void web_serve(void)
{
	ipc_serve(IPC_relay_policy, serve_policy);
}
