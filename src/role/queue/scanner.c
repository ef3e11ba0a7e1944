/* scanner.c — see scanner.h. */
#include "role/queue/scanner.h"

#include "base/fd.h"
#include "ipc/relay_say.h"
#include "ipc/verdict.h"
#include "wire/spamc.h"

#include <stdlib.h>

#define SLACK (2 * SECOND)               /* the relay keeps the time; we only if it does not answer */
enum { COPY_BLOCK = 64 * 1024, FIELDS_BYTES = 64 * 1024 };

bool scanner_wants(const struct queue_commit *q)
{
	return conf_now()->scanner.is_set && q->sender == SENDER_STRANGER && !q->is_friend && !q->is_exempt;
}

int64_t scanner_patience(void)
{
	return conf_now()->scanner.is_set ? conf_now()->scanner.within + 2 * SLACK : 0;
}

/* -- asking ---------------------------------------------------------------- */

/* A file of the spool leaves as a copy that nobody can write to. */
SUSPENDS static bool copy_letter(int from, uint64_t size, int *ret, struct err *e)
{
	AUTO(fd_end) int fd = -1;
	char *block = malloc(COPY_BLOCK);
	bool ok = block ? fd_memory("letter", &fd, e) : fail(e, FAULT_TEMP, "no memory for a copy");

	for (uint64_t at = 0; ok && at < size; at += COPY_BLOCK) {
		size_t n = size - at < COPY_BLOCK ? (size_t)(size - at) : COPY_BLOCK;

		ok = fd_pread_all(from, block, n, (int64_t)at, e) && fd_write_all(fd, str_of(block, n), e);
		breathe();
	}
	free(block);
	if (!ok || !fd_seal(fd, e))
		return false;
	*ret = fd_take(&fd);
	return true;
}

static bool is_score(int64_t v)
{
	return v >= -SPAMC_SCORE_MAX && v <= SPAMC_SCORE_MAX;
}

/* The relay faces the scanner: what it says has room in front of the letter, or it is no answer. */
static bool is_answer(const struct relay_scan_answer *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->fields.n; i++)
		n += r->fields.p[i].value.n;
	return r->fields.n <= SPAMC_FIELDS_MAX && n <= SPAMC_VALUES_MAX && is_score(r->score) && is_score(r->required);
}

SUSPENDS static bool ask(const struct queue_commit *q, int letter, const struct scan_letter_answer *scan, struct str prefix,
			 struct relay_scan_answer *ret, struct arena *a, struct err *e)
{
	AUTO(fd_end) int copy = -1;
	struct relay_scan ask = { .id = q->id, .size = q->size, .prefix = prefix, .cuts = { scan->cuts.p, scan->cuts.n },
				  .letter = letter };
	int64_t sealed;
	bool ok = false;

	if (letter < 0)
		ask.bytes = q->bytes;
	else if (!fd_check_sealed(letter, &sealed, e)) {
		if (!copy_letter(letter, q->size, &copy, e))
			return false;
		ask.letter = copy;
	}
	WITHIN(conf_now()->scanner.within + SLACK)
		ok = relay_scan(link_to_instance(ROLE_RELAY, RELAY_SCANNER), &ask, ret, a, e);
	if (ok && ret->outcome == RELAY_SCANNED && !is_answer(ret))
		return fail(e, FAULT_PEER, "the relay gave an answer that is none");
	if (ok && ret->outcome != RELAY_SCANNED)
		return fail(e, FAULT_TEMP, STR_FMT, STR_ARG(str_head(ret->why, 150)));
	if (!ok && link_is_away(e))
		return fail(e, FAULT_TEMP, "the process that asks it is away");
	return ok;
}

static void take_answer(const struct relay_scan_answer *r, struct scanner_said *s)
{
	s->outcome = SCANNER_ANSWERED;
	s->ms = r->ms;
	s->by = (struct spam_scanned){ r->is_spam, r->score, r->required, r->fields.p, r->fields.n };
}

/* Everything but the end of this process is an outcome. */
SUSPENDS static bool find_outcome(const struct queue_commit *q, int letter, const struct scan_letter_answer *scan,
				  struct scanner_said *s, struct arena *a, struct err *e)
{
	const struct conf_scanner *c = &conf_now()->scanner;
	struct relay_scan_answer *r = ARENA_NEW(a, struct relay_scan_answer);
	/* as the recipient will see it; SpamAssassin looks there for the envelope's sender */
	struct str prefix = arena_printf(a, "Return-Path: <" STR_FMT ">\r\n" STR_FMT, STR_ARG(q->mail_from), STR_ARG(scan->prefix));

	if (q->size + prefix.n > c->max_size) {
		s->outcome = SCANNER_TOO_LARGE;
		s->why = S("it is larger than max-size");
		return true;
	}
	if (!r || !prefix.n)
		return fail(e, FAULT_TEMP, "no memory for the scanner");
	if (ask(q, letter, scan, prefix, r, a, e)) {
		take_answer(r, s);
		return true;
	}
	s->outcome = SCANNER_FAILED;
	s->why = arena_printf(a, "%s", e->text);
	return e->fault != FAULT_CANCEL;
}

/* -- what follows ---------------------------------------------------------- */

/* What we found ourselves, and a word for it if the scanner has said nothing. */
static struct ipc_signal *our_signals(const struct scanner_said *s, const struct scan_letter_answer *scan, size_t *ret_n,
				      struct arena *a)
{
	static const struct str words[] = {
		[SCANNER_TOO_LARGE] = S("SCANNER_TOO_LARGE"), [SCANNER_FAILED] = S("SCANNER_FAILED"),
	};
	struct ipc_signal *p = ARENA_ARRAY(a, struct ipc_signal, scan->signals.n + 1);
	size_t n = scan->signals.n;

	for (size_t i = 0; p && i < n; i++)
		p[i] = scan->signals.p[i];
	if (p && (s->outcome == SCANNER_TOO_LARGE || (s->outcome == SCANNER_FAILED && n)))
		p[n++] = (struct ipc_signal){ words[s->outcome], 0 };
	*ret_n = n;
	return p;
}

static struct str why_refused(const struct scanner_said *s, int64_t score, const struct conf_threshold *limit, struct arena *a)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1000);

	spam_refusal_add(&b, score, limit);
	if (s->outcome == SCANNER_ANSWERED) {
		AUTO(buf_end) struct buf rules = buf_on_heap(FIELDS_BYTES);

		buf_add(&b, S("; spamd says "));
		conf_score_print(s->by.score, &b);
		spam_rules_add(&rules, &s->by);
		buf_addf(&b, " (" STR_FMT ")", STR_ARG(str_head(buf_str(&rules), 700)));
	}
	return arena_str(a, buf_str(&b));
}

static bool judge(const struct scanner_said *s, struct scan_letter_answer *scan, struct arena *a, struct err *e)
{
	const struct conf_inbound *c = &conf_now()->inbound;
	AUTO(buf_end) struct buf b = buf_on_heap(FIELDS_BYTES);
	const struct spam_scanned *by = s->outcome == SCANNER_ANSWERED ? &s->by : NULL;
	struct ipc_signal *p;
	size_t n;

	p = our_signals(s, scan, &n, a);
	if (!p)
		return fail(e, FAULT_TEMP, "no memory for the scores");
	scan->score = spam_score(p, n, by);
	scan->is_scored = by || n;
	if (by || n)             /* else nothing says that somebody has looked */
		spam_fields_add(&b, p, n, by, &c->junk);
	/* in front: what begins with white space would continue our last field */
	buf_add(&b, scan->prefix);
	scan->prefix = arena_str(a, buf_str(&b));
	if (b.full || !scan->prefix.n)
		return fail(e, FAULT_TEMP, "no memory for the fields");
	/* what is junk for another reason (DMARC) stays so */
	if (s->outcome != SCANNER_EXEMPT && scan->verdict == VERDICT_ACCEPT)
		scan->verdict = (uint8_t)spam_verdict_at(scan->score, &c->reject, &c->junk);
	if (scan->verdict == VERDICT_REFUSE) {
		scan->reply = REPLY_SPAM;
		scan->why = why_refused(s, scan->score, &c->reject, a);
	}
	return true;
}

bool scanner_show(const struct queue_commit *q, int letter, bool is_exempt, struct scan_letter_answer *scan,
		  struct scanner_said *ret, struct arena *a, struct err *e)
{
	struct scanner_said s = { 0 };
	struct buf address = buf_over((char[128]){ 0 }, 128);

	conf_scanner_print_address(&conf_now()->scanner, &address);
	s.address = arena_str(a, buf_str(&address));
	if (is_exempt)
		s.outcome = SCANNER_EXEMPT;
	else if (!find_outcome(q, letter, scan, &s, a, e))
		return false;
	if (!judge(&s, scan, a, e))
		return false;
	*ret = s;
	return true;
}

/* -- why -------------------------------------------------------------------- */

bool scanner_explain(const struct scanner_said *s, const struct queue_commit *q, struct why head, union scanner_why *ret,
		     struct arena *a)
{
	AUTO(buf_end) struct buf rules = buf_on_heap(FIELDS_BYTES);

	switch (s->outcome) {
	case SCANNER_ANSWERED:
		spam_rules_add(&rules, &s->by);
		head.kind = WHY_letter_scanned;
		ret->scanned = (struct why_letter_scanned){ .head = head, .from = q->mail_from, .scanner = s->address,
			.score = s->by.score, .rules = arena_str(a, str_head(buf_str(&rules), 4000)), .ms = s->ms };
		return true;
	case SCANNER_FAILED:
		head.kind = WHY_letter_unscanned;
		ret->unscanned = (struct why_letter_unscanned){ .head = head, .from = q->mail_from, .scanner = s->address,
								.why = s->why };
		return true;
	case SCANNER_TOO_LARGE:
		head.kind = WHY_letter_not_shown;
		ret->not_shown = (struct why_letter_not_shown){ .head = head, .from = q->mail_from, .scanner = s->address,
								.size = q->size, .why = s->why };
		return true;
	case SCANNER_NOT_ASKED:
	case SCANNER_EXEMPT:
		break;
	}
	return false;
}

void scanner_add_score(const struct scanner_said *s, struct buf *checks)
{
	if (s->outcome != SCANNER_ANSWERED)
		return;
	buf_add(checks, checks->n ? S(",spamd=") : S("spamd="));
	conf_score_print(s->by.score, checks);
}
