/* relay.c — waxwing test smtp, and the remote half of test address. */
#include "role/control/control.h"

#include "ipc/relay_say.h"
#include "queue/destination.h"
#include "wire/address.h"

enum { OUT_MAX = 512 * 1024 };

static const struct {
	struct str word;
	enum relay_test_tls tls;
} tls_words[] = {
	{ S("starttls"), RELAY_TEST_STARTTLS }, { S("wrapped"), RELAY_TEST_WRAPPED },
	{ S("off"), RELAY_TEST_CLEAR }, { S("verify"), RELAY_TEST_VERIFY },
};

static void print_steps(struct buf *b, const struct ipc_relay_step *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str rest = p[i].text, line;

		do {
			line = str_cut(rest, '\n', &rest);
			buf_addf(b, "%c %-11.*s ", p[i].is_good ? ' ' : '!', STR_ARG(str_head(p[i].what, 11)));
			buf_add_printable(b, line, 2000);
			buf_add_char(b, '\n');
		} while (rest.n);
	}
}

static void json_steps(struct json *j, const struct ipc_relay_step *p, size_t n)
{
	json_array(j, "steps");
	for (size_t i = 0; i < n; i++) {
		json_object(j, NULL);
		json_str(j, "what", p[i].what);
		json_bool(j, "good", p[i].is_good);
		json_str(j, "text", p[i].text);
		json_end_object(j);
	}
	json_end_array(j);
}

/* The domain's MTA-STS policy as it stands now, and a sentence about it. */
SUSPENDS static struct str policy_of(struct command *c, struct str domain, struct str *ret_said)
{
	struct relay_policy_answer r;
	struct err e;

	*ret_said = S("");
	if (!domain.n || str_starts(domain, S("[")))
		return S("");
	if (!relay_policy(link_to_instance(ROLE_RELAY, RELAY_WEB), &(struct relay_policy){ .domain = domain }, &r, c->a, &e)) {
		*ret_said = arena_printf(c->a, "MTA-STS cannot be asked: %s", e.text);
		return S("");
	}
	if (r.outcome == RELAY_POLICY_NEW)
		*ret_said = arena_printf(c->a, "MTA-STS policy " STR_FMT ", for %u s", STR_ARG(r.id), r.max_age);
	else
		*ret_said = arena_printf(c->a, "no MTA-STS policy%s" STR_FMT, r.why.n ? ": " : "", STR_ARG(r.why));
	return r.outcome == RELAY_POLICY_NEW ? r.policy : S("");
}

static bool read_args(struct command *c, struct relay_test *q)
{
	uint64_t port;

	q->host = c->args[0].text;
	for (size_t i = 1; i + 1 < c->n_args; i += 2) {
		struct str what = c->args[i].text, value = c->args[i + 1].text;
		bool found = false;

		if (str_eq(what, S("--port"))) {
			if (!str_u64(value, &port) || port == 0 || port > UINT16_MAX)
				return false;
			q->port = (uint16_t)port;
			continue;
		}
		for (size_t k = 0; str_eq(what, S("--tls")) && k < ARRAY_LEN(tls_words); k++)
			if (str_eq(value, tls_words[k].word)) {
				q->tls = (uint8_t)tls_words[k].tls;
				found = true;
			}
		if (!found)
			return false;
	}
	return c->n_args % 2 == 1;
}

static void say_steps(struct command *c, struct str name, struct str host, struct str policy, bool is_ok,
		      const struct ipc_relay_step *p, size_t n)
{
	struct buf b = buf_on_heap(OUT_MAX);
	struct json j = json_to(&b);

	if (!c->is_json) {
		if (policy.n)
			print_steps(&b, &(struct ipc_relay_step){ .what = S("mta-sts"), .is_good = true, .text = policy }, 1);
		print_steps(&b, p, n);
	} else {
		json_object(&j, NULL);
		json_str(&j, name.p, host);
		json_bool(&j, "ok", is_ok);
		json_str(&j, "mta-sts", policy);
		json_steps(&j, p, n);
		json_end_object(&j);
		buf_add_char(&b, '\n');
	}
	say(c, buf_str(&b));
	buf_end(&b);
}

int run_test_smtp(struct command *c)
{
	struct relay_test q = { .tls = RELAY_TEST_STARTTLS };
	struct relay_test_answer r;
	struct str said = S("");
	struct err e;

	if (!read_args(c, &q))
		return complain(c, EXIT_USAGE, S("test smtp HOST|DOMAIN [--port N] [--tls starttls|wrapped|off|verify]"));
	if (!q.port && q.tls != RELAY_TEST_WRAPPED)
		q.sts = policy_of(c, q.host, &said);
	if (!relay_test(link_to_instance(ROLE_RELAY, 0), &q, &r, c->a, &e))
		return complain_err(c, &e);
	say_steps(c, S("host"), q.host, said, r.is_ok, r.steps.p, r.steps.n);
	return r.is_ok ? EXIT_DONE : EXIT_NO;
}

int explain_remote(struct command *c, struct str address)
{
	struct relay_explain_answer r;
	struct relay_explain q = { 0 };
	struct destination to;
	struct str said;
	struct err e;

	destination_of(conf_now(), S(""), address, &to);
	q.domain = destination_domain(&to);
	q.route = to.route;
	if (!to.is_named)
		q.sts = policy_of(c, q.domain, &said);
	else
		said = S("");
	if (!relay_explain(link_to_instance(ROLE_RELAY, 0), &q, &r, c->a, &e))
		return complain_err(c, &e);
	say_steps(c, S("address"), address, said, r.is_ok, r.steps.p, r.steps.n);
	return r.is_ok ? EXIT_DONE : EXIT_NO;
}
