/* scan.c — is a letter welcome, and what stands in front of it.
 *
 * It holds a read-only descriptor of one letter and nothing else.  So far it
 * reads the header: loops, malformed headers, and fields that claim to be ours,
 * which are cut.  It ends after 1,000 letters, so that what a letter may have
 * done to it does not last. */
#include "role/runtime.h"

#include "base/fd.h"
#include "base/id.h"
#include "ipc/verdict.h"
#include "wire/letter_facts.h"
#include "wire/received.h"
#include "wire/smtp_reply.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LETTERS_MAX = 1000 };

static unsigned letters;

static void add_prefix(const struct scan_letter *q, struct buf *b)
{
	struct str rest, version = str_cut(q->tls, ' ', &rest);
	struct id_text id = id_print(q->id);
	struct received r = { .helo = q->helo, .ip = q->peer, .by = conf_now()->hostname, .has_tls = q->tls.n > 0,
			      .tls_version = version, .tls_cipher = rest, .id = str_from_z(id.z),
			      .rcpt = q->rcpt, .when = q->received, .is_esmtp = str_eq(q->protocol, S("ESMTP")),
			      .is_utf8 = q->smtputf8 };

	received_add(b, &r);
}

static void refuse(struct scan_letter_answer *r, enum reply_id reply, struct arena *a, const char *why)
{
	r->verdict = VERDICT_REFUSE;
	r->reply = (uint16_t)reply;
	r->why = arena_printf(a, "%s", why);
}

static void judge(const struct letter_facts *f, struct scan_letter_answer *r, struct arena *a)
{
	const struct conf_inbound *c = &conf_now()->inbound;

	if (f->hops > c->hops) {
		refuse(r, REPLY_LOOP, a, "loop");
		r->why = arena_printf(a, "%zu Received fields, more than hops %u: a loop", f->hops, c->hops);
	} else if (f->is_cut || f->n_cuts > IPC_LIST_MAX) {
		refuse(r, REPLY_HEADER_TOO_BIG, a, "the header is over a limit (header-limit, header-count)");
	}
}

SUSPENDS static bool scan(const struct scan_letter *q, struct str head, struct scan_letter_answer *r,
			  struct arena *a, struct err *e)
{
	struct buf b = buf_on_heap(16 * 1024);
	struct letter_facts f;

	if (!letter_facts_read(head, conf_now()->hostname, a, &f))
		return fail(e, FAULT_TEMP, "the header needs more memory than it may");
	/* header-limit has shrunk since the letter was taken: its header does not end in `head` */
	f.is_cut |= head.n < q->size && f.header_size == head.n;
	judge(&f, r, a);
	add_prefix(q, &b);
	if (str_at(head, 0) == ' ' || str_at(head, 0) == '\t')
		buf_add(&b, S("\r\n"));         /* else its first line would continue our last field */
	r->prefix = arena_str(a, buf_str(&b));
	buf_end(&b);
	r->cuts.p = ARENA_ARRAY(a, struct ipc_cut, f.n_cuts ? f.n_cuts : 1);
	if (!r->cuts.p || !r->prefix.n)
		return fail(e, FAULT_TEMP, "the header needs more memory than it may");
	for (; r->cuts.n < f.n_cuts; r->cuts.n++)
		r->cuts.p[r->cuts.n] = (struct ipc_cut){ f.cuts[r->cuts.n].at, f.cuts[r->cuts.n].n };
	r->message_id = arena_str(a, f.message_id);
	return true;
}

/* Only the header is read: at most its limit and a little. */
SUSPENDS static bool serve_scan(struct link *l, void *question, void *answer, struct arena *unused, struct err *e)
{
	struct scan_letter *q = question;
	struct scan_letter_answer *r = answer;
	size_t most = (size_t)conf_now()->inbound.header_limit + 1024, n;
	struct stat st;
	char *p;
	bool ok;

	(void)l;
	if (q->letter <= 0) {
		letters++;
		return scan(q, q->head, r, unused, e);
	}
	if (fstat(q->letter, &st) || st.st_size < 0 || q->at > (uint64_t)st.st_size || q->size > (uint64_t)st.st_size - q->at)
		return fail(e, FAULT_PERM, "the letter is shorter than it is said to be");
	n = q->size < most ? (size_t)q->size : most;
	p = malloc(n ? n : 1);
	if (!p)
		return fail(e, FAULT_TEMP, "no memory for the header");
	ok = fd_pread_all(q->letter, p, n, (int64_t)q->at, e) && scan(q, str_of(p, n), r, unused, e);
	free(p);
	letters++;
	return ok;
}

SUSPENDS static bool prepare(struct err *e)
{
	(void)e;
	ipc_serve(IPC_scan_letter, serve_scan);
	return true;
}

/* What was asked for while we end is asked of the next one: the caller hears "scan is away". */
SUSPENDS static bool run(struct err *e)
{
	while (!self.is_stopping && letters < LETTERS_MAX)
		WITHIN(SECOND)
			if (!wait_on(&self.stop, "letters", e) && !e->timed_out)
				return true;
	if (!self.is_stopping)
		_exit(0);
	return true;
}

const struct role_def role_scan = { .role = ROLE_SCAN, .prepare = prepare, .run = run };
