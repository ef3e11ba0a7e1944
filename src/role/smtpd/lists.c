/* lists.c — see lists.h.
 *
 * A list that is named has a fiber that tests it.  What it answers to a question about a client is
 * looked at, too: an answer that no list gives switches it off at once, silence has it tested
 * again. */
#include "role/smtpd/lists.h"

#include "base/log.h"
#include "base/map.h"
#include "dns/ask.h"
#include "role/runtime.h"
#include "wire/dns_packet.h"

#include <stdlib.h>

enum { ADDRESSES_MAX = 64 }; /* of an answer; lists have a few */
#define TEST_EVERY (10 * MINUTE)
#define TEST_OFF_EVERY MINUTE
#define TEST_SILENT_EVERY (10 * SECOND)
#define ANSWER_WITHIN (5 * SECOND) /* it fails open: nobody waits longer for a list */
#define FIRST_TEST_WITHIN (6 * SECOND)

struct list {
	struct str zone;
	bool is_trusted; /* `untested`: it has no test points */
	bool is_running; /* its fiber */
	bool is_tested, is_silent;
	struct dns_list_health health;
	struct wait tested, again;
	int64_t day; /* which `asked` and `hits` are of, UTC */
	uint64_t asked, hits;
	char last[64]; /* answer */
	int64_t last_at, off_at;
	char error[160];
};

static struct map lists; /* zone → struct list */

/* -- what is known --------------------------------------------------------- */

static void count(struct list *l, bool is_hit)
{
	int64_t today = time_now() / DAY;

	if (l->day != today)
		l->asked = l->hits = 0;
	l->day = today;
	l->asked += !is_hit;
	l->hits += is_hit;
}

void list_hit(struct list *l)
{
	count(l, true);
}

/* In force from now on.  Each copy of smtpd tests; one of them says so. */
static void set_health(struct list *l, struct dns_list_health h)
{
	bool was_off = l->is_tested && !l->health.is_good;

	if (!h.is_good && !was_off) {
		l->off_at = time_now();
		if (self.instance == 0)
			log_warn("list",
				 "zone=" STR_FMT
				 " state=off why=%s next=\"it counts for nothing until it passes "
				 "its test; waxwing status --lists\"",
				 STR_ARG(l->zone), LOGQ(str_from_z(h.why)));
	} else if (h.is_good && was_off && self.instance == 0) {
		log_info("list", "zone=" STR_FMT " state=on why=\"it passes its test again\"",
			 STR_ARG(l->zone));
	}
	l->health = h;
	l->is_tested = true;
	wait_wake_all(&l->tested);
}

/* -- asking ---------------------------------------------------------------- */

static void note_answer(struct list *l, const struct dns_list_answer *r,
			const struct dns_said *said)
{
	struct buf b = buf_over(l->last, sizeof(l->last) - 1);

	if (r->n)
		dns_list_add_codes(&b, r);
	else if (r->word == DNS_LIST_REFUSED)
		buf_add(&b, S("refused"));
	else
		buf_add(&b, str_from_z(dns_outcome_name(said->outcome)));
	l->last[b.n] = '\0';
	l->last_at = time_now();
	if (!r->n && (r->word == DNS_LIST_NO_ANSWER || r->word == DNS_LIST_REFUSED)) {
		b = buf_over(l->error, sizeof(l->error) - 1);
		buf_add_printable(&b, said->why, sizeof(l->error) - 8);
		l->error[b.n] = '\0';
	}
}

/* One question; silence is an answer, too. */
SUSPENDS static bool ask_name(struct list *l, struct str name, struct dns_list_answer *ret, struct arena *a,
		     struct err *e)
{
	struct dns_addresses r = { .said = { .outcome = DNS_TEMP, .why = S("no answer in time") } };
	uint32_t codes[ADDRESSES_MAX];
	size_t n = 0;
	bool ok = false;

	WITHIN(ANSWER_WITHIN)
		ok = dns_addresses(name, AF_INET, a, &r, e);
	if (!ok && !e->timed_out)
		return false;
	if (!ok)
		r = (struct dns_addresses){ .said = { .outcome = DNS_TEMP,
						      .why = S("no answer in time") } };
	for (; n < r.n && n < ADDRESSES_MAX; n++)
		codes[n] = (uint32_t)r.p[n].addr[12] << 24 | (uint32_t)r.p[n].addr[13] << 16 |
			   (uint32_t)r.p[n].addr[14] << 8 | r.p[n].addr[15];
	*ret = dns_list_judge(r.said.outcome, codes, n);
	if (ret->word == DNS_LIST_NO_ANSWER && r.said.rcode == DNS_REFUSED)
		ret->word = DNS_LIST_REFUSED;
	note_answer(l, ret, &r.said);
	return true;
}

SUSPENDS static bool test(struct list *l, struct err *e)
{
	struct dns_list_answer at[POINT_COUNT] = { 0 };
	AUTO(arena_end) struct arena a = { .limit = 256 * 1024 };

	/* one that says nothing is not waited for four times */
	for (int p = 0; p < POINT_COUNT && at[POINT_LISTED].word != DNS_LIST_NO_ANSWER; p++) {
		char mem[DNS_LIST_NAME_MAX];
		struct buf name = buf_over(mem, sizeof(mem));

		dns_list_point_name(&name, l->zone, (enum dns_list_point)p);
		if (!ask_name(l, buf_str(&name), &at[p], &a, e))
			return false;
	}
	l->is_silent = at[POINT_LISTED].word == DNS_LIST_NO_ANSWER ||
		       at[POINT_CLEAN].word == DNS_LIST_NO_ANSWER;
	if (!l->is_silent && (at[POINT_LISTED].n || at[POINT_LISTED].word != DNS_LIST_REFUSED))
		l->error[0] = '\0';
	set_health(l, dns_list_test(at));
	return true;
}

static bool is_named(const struct list *l)
{
	const struct conf_checks *c = &conf_now()->inbound.checks;

	for (size_t i = 0; i < c->n; i++)
		if (str_eq(c->p[i].zone, l->zone) && !c->p[i].is_untested)
			return true;
	return false;
}

SUSPENDS static void tend(void *list)
{
	struct list *l = list;
	struct err e = { 0 };
	bool ok = true;

	while (ok && is_named(l)) {
		ok = test(l, &e);
		if (ok)
			WITHIN(l->health.is_good ? TEST_EVERY
				: l->is_silent    ? TEST_SILENT_EVERY
						  : TEST_OFF_EVERY)
				ok = wait_on(&l->again, "the next test of a list", &e) ||
				     e.timed_out;
	}
	l->is_running = false;
}

static void start(struct list *l)
{
	if (l->is_trusted)
		l->health = (struct dns_list_health){ .is_good = true, .has_v6 = true };
	l->is_tested |= l->is_trusted;
	if (!l->is_running && !l->is_trusted)
		l->is_running = fiber_start(&self.fibers, "list", tend, l);
}

struct list *list_of(const struct conf_check *c)
{
	struct list *l = map_get(&lists, c->zone);
	char *zone;

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	zone = strndup(c->zone.p, c->zone.n);
	if (!l || !zone) {
		free(l);
		free(zone);
		return NULL;
	}
	*l = (struct list){ .zone = str_from_z(zone), .is_trusted = c->is_untested };
	map_put(&lists, l->zone, l);
	start(l);
	return l;
}

void lists_configured(void)
{
	const struct conf_checks *c = &conf_now()->inbound.checks;

	for (size_t i = 0; i < c->n; i++) {
		struct list *l = c->p[i].zone.n ? list_of(&c->p[i]) : NULL;

		if (!l)
			continue;
		if (l->is_trusted && !c->p[i].is_untested)
			l->is_tested = false;
		l->is_trusted = c->p[i].is_untested;
		start(l);
		wait_wake_all(&l->again);
	}
}

/* -- about a client -------------------------------------------------------- */

static bool is_v6(const uint8_t addr[16])
{
	return memcmp(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) != 0;
}

/* An answer that only a list gives that is not to be believed. */
static void switch_off(struct list *l, enum dns_list_word word)
{
	struct dns_list_answer at[POINT_COUNT] = { [POINT_LISTED].word = word };

	if (!l->is_trusted)
		set_health(l, dns_list_test(at));
	wait_wake_all(&l->again);
}

static bool say_nothing(struct dns_list_answer *ret, struct str *ret_why, struct str why)
{
	*ret = (struct dns_list_answer){ .word = DNS_LIST_NO_ANSWER };
	*ret_why = why;
	return true;
}

bool list_ask(struct list *l, const uint8_t addr[16], struct dns_list_answer *ret,
	      struct str *ret_why, struct arena *a, struct err *e)
{
	char mem[DNS_LIST_NAME_MAX];
	struct buf name = buf_over(mem, sizeof(mem));
	struct dns_list_answer r;

	*ret_why = S("");
	if (!l->is_tested)
		WITHIN(FIRST_TEST_WITHIN)
			if (!wait_on(&l->tested, "the first test of a list", e) && !e->timed_out)
				return false;
	if (!l->is_tested || !l->health.is_good)
		return say_nothing(
			ret, ret_why,
			arena_printf(a, "the list is off: %s",
				     l->is_tested ? l->health.why : "it is not yet tested"));
	if (is_v6(addr) && !l->health.has_v6)
		return say_nothing(ret, ret_why, S("the list knows no IPv6 addresses"));
	dns_list_name(&name, l->zone, addr);
	count(l, false);
	if (!ask_name(l, buf_str(&name), &r, a, e))
		return false;
	if (r.word == DNS_LIST_REFUSED || r.word == DNS_LIST_ABSURD) {
		switch_off(l, r.word);
		return say_nothing(ret, ret_why,
				   S("the list is off: it answered as no list answers"));
	}
	if (r.word == DNS_LIST_NO_ANSWER) {
		wait_wake_all(&l->again);
		return say_nothing(ret, ret_why,
				   arena_printf(a, "the list did not answer: %s", l->error));
	}
	*ret = r;
	return true;
}

/* -- status ---------------------------------------------------------------- */

bool serve_lists(struct link *link, void *question, void *answer, struct arena *a, struct err *e)
{
	struct smtpd_lists_answer *r = answer;
	struct str zone;
	void *value;

	(void)link, (void)question;
	r->lists.p = ARENA_ARRAY(a, struct ipc_dns_list, lists.n + 1);
	if (!r->lists.p)
		return fail(e, FAULT_TEMP, "no memory for the lists");
	for (size_t i = 0; map_next(&lists, &i, &zone, &value);) {
		struct list *l = value;

		if (!is_named(l) && !l->is_trusted)
			continue;
		if (l->day != time_now() / DAY)
			l->asked = l->hits = 0;
		r->lists.p[r->lists.n++] =
			(struct ipc_dns_list){ .zone = l->zone,
					       .is_tested = l->is_tested,
					       .is_good = l->health.is_good,
					       .has_v6 = l->health.has_v6,
					       .asked = l->asked,
					       .hits = l->hits,
					       .last = str_from_z(l->last),
					       .last_at = l->last_at,
					       .why = str_from_z(l->health.why),
					       .off_at = l->health.is_good ? 0 : l->off_at,
					       .error = str_from_z(l->error) };
	}
	return true;
}
