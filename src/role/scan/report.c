/* report.c — a letter to the address of DMARC reports: the report in it, or why there is none.
 *
 * Here is nothing to steal.  Whatever a part is called, its first octets say what it is; the first part that
 * can be read as a report is it.  One letter at a time, so that memory has a bound. */
#include "role/scan/scan.h"

#include "base/fd.h"
#include "ipc/report_say.h"
#include "trust/dmarc.h"
#include "trust/dmarc_report.h"
#include "wire/auth_results.h"
#include "wire/decode.h"
#include "wire/header.h"
#include "wire/unpack.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
	LETTER_MAX = 16 << 20,           /* octets: an archive of UNPACK_PACKED_MAX in base64, and a little */
	PARTS_MAX = 100,                 /* of the letter; there are two or three */
	TRIED_MAX = 4,                   /* parts that look like a report */
	PEEK = 300,                      /* octets of a part that say what it is */
	BREATH = 64 << 10,
	ANSWER_MAX = 3 << 20,            /* octets of the answer's lists: below IPC_LARGE_MAX */
	SOURCE_OCTETS = 64,              /* of one besides its texts */
};

static bool is_busy;
static struct wait idle;

/* -- finding it ------------------------------------------------------------ */

static bool looks_like_xml(const struct mime_part *p, struct str begin)
{
	if (mime_is(p, S("text"), S("xml")) || mime_is(p, S("application"), S("xml")))
		return true;
	if (str_starts(begin, S("\xef\xbb\xbf")))
		begin = str_from(begin, 3);
	begin = str_trim(begin);
	return str_starts(begin, S("<?xml")) || str_find_str(begin, S("<feedback")) < begin.n;
}

static bool looks_like_report(struct str letter, const struct mime_part *p)
{
	char mem[PEEK];
	struct buf begin = buf_over(mem, sizeof(mem));

	if (p->kind != MIME_LEAF || !decode_knows(p->encoding))
		return false;
	decode_all(p->encoding, str_head(mime_bytes(letter, &p->body), PEEK), &begin);
	return unpack_kind_of(buf_str(&begin)) != UNPACK_PLAIN || looks_like_xml(p, buf_str(&begin));
}

SUSPENDS static bool feed(struct unpack *u, struct dmarc_reader *r, struct err *e)
{
	struct str piece;
	uint64_t rest = BREATH;

	while (unpack_next(u, &piece, e)) {
		if (!piece.n)
			return true;
		if (!dmarc_reader_feed(r, piece, e))
			return false;
		if (u->n_out >= rest) {
			breathe();
			rest = u->n_out + BREATH;
		}
	}
	return false;
}

SUSPENDS static bool read_bytes(struct str bytes, struct arena *a, struct dmarc_report *ret, struct err *e)
{
	struct dmarc_reader *r = dmarc_reader_open(a);
	struct unpack u = { 0 };
	bool ok;

	if (!r)
		return fail(e, FAULT_TEMP, "no memory for a report");
	ok = unpack_open(&u, bytes, e) && feed(&u, r, e) && dmarc_reader_finish(r, ret, e);
	unpack_end(&u);
	dmarc_reader_close(r);
	return ok;
}

SUSPENDS static bool read_part(struct str letter, const struct mime_part *p, struct arena *a, struct dmarc_report *ret,
			       struct err *e)
{
	AUTO(buf_end) struct buf b = buf_on_heap(LETTER_MAX);

	decode_all(p->encoding, mime_bytes(letter, &p->body), &b);
	return b.full ? fail(e, FAULT_TEMP, "no memory for a report") : read_bytes(buf_str(&b), a, ret, e);
}

/* *e: what is wrong with the first part that looked like one. */
SUSPENDS static bool find_report(struct str letter, struct arena *a, struct dmarc_report *ret, struct err *e)
{
	AUTO(arena_end) struct arena tree = { .limit = MIME_ARENA };
	struct mime_part *p = mime_parse_parts(letter, PARTS_MAX, &tree);
	struct err again;
	unsigned tried = 0;

	for (; p && tried < TRIED_MAX; p = mime_next(p)) {
		if (!looks_like_report(letter, p))
			continue;
		if (read_part(letter, p, a, ret, tried ? &again : e))
			return true;
		tried++;
	}
	return tried ? false : fail(e, FAULT_PERM, "there is no report in it");
}

/* -- telling it ------------------------------------------------------------ */

static struct str ip_text(const uint8_t ip[16], struct arena *a)
{
	static const uint8_t v4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char z[INET6_ADDRSTRLEN] = "";

	if (memcmp(ip, v4, sizeof(v4)) == 0)
		inet_ntop(AF_INET, ip + 12, z, sizeof(z));
	else
		inet_ntop(AF_INET6, ip, z, sizeof(z));
	return arena_str(a, str_from_z(z));
}

static struct ipc_dmarc_source tell_row(const struct dmarc_report_row *r, struct arena *a)
{
	return (struct ipc_dmarc_source){
		.ip = ip_text(r->ip, a), .count = r->count, .disposition = (uint8_t)r->disposition, .dkim = r->is_dkim_aligned,
		.spf = r->is_spf_aligned, .header_from = r->header_from, .reason = r->reason, .dkim_domain = r->dkim_domain,
		.dkim_selector = r->dkim_selector, .dkim_result = r->dkim_result, .spf_domain = r->spf_domain,
		.spf_result = r->spf_result };
}

static size_t octets_of(const struct ipc_dmarc_source *s)
{
	return SOURCE_OCTETS + s->ip.n + s->header_from.n + s->reason.n + s->dkim_domain.n + s->dkim_selector.n +
	       s->dkim_result.n + s->spf_domain.n + s->spf_result.n;
}

static bool tell(const struct dmarc_report *x, struct scan_report_answer *r, struct arena *a, struct err *e)
{
	size_t octets = 0;

	r->reports.p = ARENA_NEW(a, struct ipc_dmarc_report);
	r->sources.p = ARENA_ARRAY(a, struct ipc_dmarc_source, x->n_rows + 1);
	if (!r->reports.p || !r->sources.p)
		return fail(e, FAULT_TEMP, "no memory for a report");
	for (; r->sources.n < x->n_rows && octets < ANSWER_MAX; r->sources.n++) {
		r->sources.p[r->sources.n] = tell_row(&x->rows[r->sources.n], a);
		octets += octets_of(&r->sources.p[r->sources.n]);
	}
	if (octets >= ANSWER_MAX || a->full)
		return fail(e, FAULT_PERM, "it needs more memory than a report may");
	r->reports.p[r->reports.n++] = (struct ipc_dmarc_report){
		.org = x->org, .id = x->id, .domain = x->domain, .email = x->email, .policy = x->policy, .begin = x->begin,
		.end = x->end };
	return true;
}

/* What our own server found out, as it stands in front of the letter. */
static enum report_proof proof_of(struct str prefix, struct arena *a)
{
	struct header h = header_of(prefix);
	struct auth_results all;
	struct field f;

	while (header_next(&h, &f)) {
		if (!str_eq_nocase(f.name, S("Authentication-Results")) || !auth_results_parse(f.value, a, &all) ||
		    !str_eq_nocase(all.server, conf_now()->hostname))
			continue;
		for (const struct auth_method *m = all.methods; m; m = m->next)
			if (str_eq_nocase(m->name, S("dmarc")))
				return str_eq_nocase(m->result, S("pass"))   ? REPORT_PROOF_PASS
				       : str_eq_nocase(m->result, S("fail")) ? REPORT_PROOF_FAIL : REPORT_PROOF_UNKNOWN;
	}
	return REPORT_PROOF_UNKNOWN;
}

SUSPENDS static bool look(const struct scan_report *q, struct str letter, struct scan_report_answer *r, struct arena *a,
			  struct err *e)
{
	struct dmarc_report x = { 0 };

	r->proof = (uint8_t)proof_of(q->prefix, a);
	dmarc_from_read(letter, a, &r->sender);
	if (find_report(letter, a, &x, e) && tell(&x, r, a, e))
		return true;
	r->reports.n = r->sources.n = 0;
	if (e->fault == FAULT_PERM)
		r->why = arena_str(a, str_from_z(e->text));
	return e->fault == FAULT_PERM;
}

SUSPENDS static bool look_in_file(const struct scan_report *q, struct scan_report_answer *r, struct arena *a, struct err *e)
{
	struct stat st;
	bool ok;
	char *p;

	if (fstat(q->letter, &st) || st.st_size < 0 || q->size > (uint64_t)st.st_size)
		return fail(e, FAULT_PERM, "the letter is shorter than it is said to be");
	p = malloc(q->size ? q->size : 1);
	if (!p)
		return fail(e, FAULT_TEMP, "no memory for a letter");
	ok = fd_pread_all(q->letter, p, q->size, 0, e) && look(q, str_of(p, q->size), r, a, e);
	free(p);
	return ok;
}

SUSPENDS bool serve_report(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	const struct scan_report *q = question;
	struct scan_report_answer *r = answer;
	bool ok;

	(void)l;
	a->limit = DMARC_REPORT_ARENA + (2 * ANSWER_MAX);
	if (q->size > LETTER_MAX) {
		r->why = arena_printf(a, "it has more than %d MiB", LETTER_MAX >> 20);
		return true;
	}
	scan_in_hand++;
	ok = true;
	while (is_busy && ok)
		ok = wait_on(&idle, "another report", e);
	if (ok) {
		is_busy = true;
		ok = q->letter > 0 ? look_in_file(q, r, a, e) : look(q, q->bytes, r, a, e);
		is_busy = false;
		wait_wake(&idle);
	}
	scan_in_hand--;
	return ok;
}
