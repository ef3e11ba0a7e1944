/* scanned.c — asks `scan` about a letter; see scanned.h. */
#include "role/queue/scanned.h"

#include "base/map.h"
#include "ipc/sender.h"
#include "ipc/standing.h"
#include "ipc/verdict.h"
#include "ipc/why.h"
#include "spam/patience.h"
#include "spam/replay.h"
#include "wire/dns_name.h"
#include "wire/smtp_reply.h"

#include <errno.h>

enum { SCAN_TRIES = 3 };
#define SCAN_PAUSE (50 * MILLISECOND)

static struct patience patience;
static struct replay replay;

/* -- patience --------------------------------------------------------------- */

/* One sender and one client; a provider's servers try in turn: the /24, the /64. */
static uint64_t patience_key(const struct queue_commit *q)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char mem[1024];
	struct buf who = buf_over(mem, sizeof(mem));
	uint8_t addr[16] = { 0 };

	dns_address_read(q->peer, addr);
	buf_add(&who, str_of(addr, memcmp(addr, mapped, sizeof(mapped)) ? 8 : 15));
	buf_add(&who, str_from(q->mail_from, str_rfind(q->mail_from, '@') + 1));
	return hash_keyed(buf_str(&who));
}

/* -- the question ------------------------------------------------------------ */

/* All that scan reads of a letter of ours. */
static struct str head_of(struct str letter)
{
	return str_head(letter, str_find_str(letter, S("\r\n\r\n")) + 4);
}

/* A copy that ends after its thousandth letter takes unread questions with it: another is asked. */
SUSPENDS static bool ask(const struct scan_letter *s, struct scan_letter_answer *ret, bool *ret_is_deadly, struct arena *a,
			 struct err *e)
{
	for (int tries = 0;; tries++) {
		if (scan_letter(link_to(ROLE_SCAN), s, ret, a, e))
			return true;
		*ret_is_deadly |= e->sys == EOWNERDEAD;
		if (!link_is_away(e) || tries == SCAN_TRIES || !fiber_sleep(SCAN_PAUSE, e))
			return false;
	}
}

bool scanned_ask(const struct scanned_question *x, struct scan_letter_answer *ret, bool *ret_is_deadly, struct arena *a,
		 struct err *e)
{
	const struct queue_commit *q = x->q;
	bool is_ours = x->sender != SENDER_STRANGER;
	uint64_t key = patience_key(q);
	struct scan_letter s = { .id = q->id, .letter = x->letter, .size = q->size, .mail_from = q->mail_from,
				 .bytes = x->letter >= 0 ? S("") : is_ours ? head_of(q->bytes) : q->bytes,
				 .received = q->received, .peer = q->peer, .helo = q->helo, .protocol = q->protocol,
				 .tls = q->tls, .smtputf8 = q->smtputf8, .is_friend = q->is_friend,
				 .wants_authors = q->judge_authors && !is_ours, .sender = x->sender,
				 .rcpt = q->rcpts.n == 1 ? q->rcpts.p[0].address : S(""), .is_exempt = x->is_exempt, .is_shown = x->is_shown,
				 .is_patient = !is_ours && patience_is_over(&patience, key, time_now()),
				 .signals = { q->signals.p, q->signals.n } };

	if (!ask(&s, ret, ret_is_deadly, a, e))
		return false;
	if (ret->is_temporary)
		patience_has(&patience, key, time_now());
	return true;
}

/* -- blocks and exceptions ---------------------------------------------------- */

bool scanned_judge(const struct queue_commit *q, struct scan_letter_answer *scan, struct str *ret_why,
		   bool *ret_is_exempt, struct arena *a, struct err *e)
{
	struct user_judge ask = { .id = q->id, .is_again = true, .peer = q->peer, .host = q->host,
				  .is_confirmed = q->host_confirmed, .helo = q->helo, .from = q->mail_from,
				  .authors = { scan->authors.p, scan->authors.n }, .signers = { scan->signers.p, scan->signers.n } };
	struct user_judge_answer verdict;

	*ret_why = (struct str){ 0 };
	if (!q->judge_authors || (!scan->authors.n && !scan->signers.n))
		return true;
	if (!user_judge(link_to(ROLE_USER), &ask, &verdict, a, e))
		return fail_in(e, "blocks");
	*ret_is_exempt = verdict.standing == STANDING_EXEMPT;
	if (verdict.standing == STANDING_BLOCKED)
		*ret_why = verdict.why;
	else if (verdict.standing == STANDING_EXEMPT && (scan->is_check || scan->verdict == VERDICT_JUNK))
		scan->verdict = VERDICT_ACCEPT;
	return true;
}

/* -- the same letter again ----------------------------------------------------- */

/* With the signer: anybody can make a key by which another's signature is one of his letter, too. */
static uint64_t signature_key(struct str signer, struct str signature)
{
	char mem[1024];          /* a name, and DKIM_BITS_MAX */
	struct buf b = buf_over(mem, sizeof(mem));

	buf_add(&b, signer);
	buf_add_char(&b, '\0');
	buf_add(&b, signature);
	return hash_keyed(buf_str(&b));
}

bool scanned_is_replayed(const struct queue_commit *q, const struct scan_letter_answer *scan, struct str *ret_why,
			 struct arena *a)
{
	const struct conf_rate *most = &conf_now()->inbound.replay_limit;
	size_t n = scan->signatures.n < scan->signers.n ? scan->signatures.n : scan->signers.n;
	int64_t now = time_now();
	bool is_over = false;

	for (size_t i = 0; most->n && i < n && !is_over; i++) {
		struct str signer = scan->signers.p[i].text;
		uint64_t count = replay_count(&replay, signature_key(signer, scan->signatures.p[i].text), most->per, now);

		is_over = count >= most->n;
		if (is_over)
			*ret_why = arena_printf(a, "replay-limit: letters with this signature of " STR_FMT " came to %llu recipients",
						STR_ARG(signer), (unsigned long long)count);
	}
	/* one that is put off keeps its place */
	for (size_t i = 0; most->n && i < n; i++)
		replay_add(&replay, signature_key(scan->signers.p[i].text, scan->signatures.p[i].text),
			   is_over ? 0 : q->rcpts.n, most->per, now);
	return is_over;
}

/* -- why ----------------------------------------------------------------------- */

bool scanned_why_authenticated(const struct queue_commit *q, const struct scan_letter_answer *scan, const struct why *head,
			       struct why_letter_authenticated *ret)
{
	*ret = (struct why_letter_authenticated){ .head = *head, .from = q->mail_from, .peer = q->peer, .author = scan->author,
						  .results = scan->results, .why = scan->findings };
	ret->head.kind = WHY_letter_authenticated;
	return scan->results.n;
}
