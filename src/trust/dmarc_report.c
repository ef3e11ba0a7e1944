/* dmarc_report.c — reads an aggregate report; see dmarc_report.h.
 *
 * A stack of elements says where we are; the text of one that is known is gathered and taken when it ends.
 * expat calls back: what is wrong is noted in the reader, which stops it. */
#include "trust/dmarc_report.h"

#include "base/buf.h"
#include "base/rnd.h"

#include <arpa/inet.h>
#include <expat.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FEED_MAX = 16 << 10, SIGNATURES_MAX = 16, FIRST_ROWS = 16 };

enum element {
	EL_OTHER, EL_ROOT, EL_FEEDBACK, EL_META, EL_ORG, EL_EMAIL, EL_ID, EL_RANGE, EL_BEGIN, EL_END,
	EL_POLICY, EL_POLICY_DOMAIN, EL_POLICY_P,
	EL_RECORD, EL_ROW, EL_IP, EL_COUNT, EL_EVALUATED, EL_DISPOSITION, EL_DKIM_ALIGNED, EL_SPF_ALIGNED, EL_REASON, EL_REASON_TYPE,
	EL_IDENTIFIERS, EL_HEADER_FROM,
	EL_AUTH, EL_DKIM, EL_DKIM_DOMAIN, EL_DKIM_SELECTOR, EL_DKIM_RESULT, EL_SPF, EL_SPF_DOMAIN, EL_SPF_RESULT,
};

static const struct {
	enum element in, is;
	struct str name;
	bool has_text;
} elements[] = {
	{ EL_ROOT, EL_FEEDBACK, S("feedback"), false },
	{ EL_ROOT, EL_ROOT, S("schema"), false },        /* some put the report into the schema's own element */
	{ EL_FEEDBACK, EL_META, S("report_metadata"), false },
	{ EL_META, EL_ORG, S("org_name"), true },
	{ EL_META, EL_EMAIL, S("email"), true },
	{ EL_META, EL_ID, S("report_id"), true },
	{ EL_META, EL_RANGE, S("date_range"), false },
	{ EL_RANGE, EL_BEGIN, S("begin"), true },
	{ EL_RANGE, EL_END, S("end"), true },
	{ EL_FEEDBACK, EL_POLICY, S("policy_published"), false },
	{ EL_POLICY, EL_POLICY_DOMAIN, S("domain"), true },
	{ EL_POLICY, EL_POLICY_P, S("p"), true },
	{ EL_FEEDBACK, EL_RECORD, S("record"), false },
	{ EL_RECORD, EL_ROW, S("row"), false },
	{ EL_ROW, EL_IP, S("source_ip"), true },
	{ EL_ROW, EL_COUNT, S("count"), true },
	{ EL_ROW, EL_EVALUATED, S("policy_evaluated"), false },
	{ EL_EVALUATED, EL_DISPOSITION, S("disposition"), true },
	{ EL_EVALUATED, EL_DKIM_ALIGNED, S("dkim"), true },
	{ EL_EVALUATED, EL_SPF_ALIGNED, S("spf"), true },
	{ EL_EVALUATED, EL_REASON, S("reason"), false },
	{ EL_REASON, EL_REASON_TYPE, S("type"), true },
	{ EL_RECORD, EL_IDENTIFIERS, S("identifiers"), false },
	{ EL_RECORD, EL_IDENTIFIERS, S("identities"), false },           /* drafts before 2013 */
	{ EL_IDENTIFIERS, EL_HEADER_FROM, S("header_from"), true },
	{ EL_RECORD, EL_AUTH, S("auth_results"), false },
	{ EL_AUTH, EL_DKIM, S("dkim"), false },
	{ EL_DKIM, EL_DKIM_DOMAIN, S("domain"), true },
	{ EL_DKIM, EL_DKIM_SELECTOR, S("selector"), true },
	{ EL_DKIM, EL_DKIM_RESULT, S("result"), true },
	{ EL_AUTH, EL_SPF, S("spf"), false },
	{ EL_SPF, EL_SPF_DOMAIN, S("domain"), true },
	{ EL_SPF, EL_SPF_RESULT, S("result"), true },
};

struct signature {
	struct str domain, selector, result;
};

struct dmarc_reader {
	XML_Parser xml;
	struct arena *a;
	struct dmarc_report report;
	size_t cap_rows;
	bool has_range_begin, has_range_end;
	struct dmarc_report_row row;     /* that is being read */
	bool has_ip, has_count;
	struct signature signatures[SIGNATURES_MAX];
	size_t n_signatures;
	enum element stack[DMARC_REPORT_DEPTH_MAX];
	size_t depth;
	bool wants_text;
	char mem[DMARC_REPORT_TEXT_MAX];
	struct buf text;
	uint64_t n_fed;
	bool is_whole;                   /* </feedback> was there: what follows is nobody's matter */
	bool has_failed;
	struct err err;
};

static const char *const disposition_names[DMARC_DISPOSITIONS] = { "none", "quarantine", "reject" };

const char *dmarc_disposition_name(enum dmarc_disposition d)
{
	return d < DMARC_DISPOSITIONS ? disposition_names[d] : "?";
}

PRINTF_LIKE(2, 3) static void wrong(struct dmarc_reader *r, const char *fmt, ...);

static void stop(struct dmarc_reader *r)
{
	r->has_failed = true;
	XML_StopParser(r->xml, XML_FALSE);
}

static void wrong(struct dmarc_reader *r, const char *fmt, ...)
{
	char mem[120];
	va_list args;

	if (r->has_failed)
		return;
	va_start(args, fmt);
	vsnprintf(mem, sizeof(mem), fmt, args);
	va_end(args);
	fail(&r->err, FAULT_PERM, "%s", mem);
	stop(r);
}

/* -- values ---------------------------------------------------------------- */

static struct str text_now(const struct dmarc_reader *r)
{
	return str_trim(buf_str(&r->text));
}

static struct str kept(struct dmarc_reader *r)
{
	return arena_str(r->a, text_now(r));
}

/* A name or a word: in lower case, without a final dot. */
static struct str kept_folded(struct dmarc_reader *r)
{
	struct str s = text_now(r);
	char mem[DMARC_REPORT_TEXT_MAX];

	if (str_ends(s, S(".")))
		s.n--;
	for (size_t i = 0; i < s.n; i++)
		mem[i] = (char)ascii_lower((unsigned char)s.p[i]);
	return arena_str(r->a, str_of(mem, s.n));
}

static bool is_pass(struct dmarc_reader *r)
{
	return str_eq_nocase(text_now(r), S("pass"));
}

static void take_ip(struct dmarc_reader *r)
{
	static const uint8_t v4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	struct str s = text_now(r);
	char z[INET6_ADDRSTRLEN];

	if (s.n < sizeof(z)) {
		memcpy(z, s.p, s.n);
		z[s.n] = 0;
		memcpy(r->row.ip, v4, sizeof(v4));
		r->has_ip = memchr(z, 0, s.n) == NULL &&
			    (inet_pton(AF_INET, z, r->row.ip + 12) == 1 || inet_pton(AF_INET6, z, r->row.ip) == 1);
	}
	if (!r->has_ip)
		wrong(r, "record %zu: its source is no IP address", r->report.n_rows + 1);
}

static void take_count(struct dmarc_reader *r)
{
	uint64_t n;

	if (!str_u64(text_now(r), &n) || n > DMARC_REPORT_COUNT_MAX) {
		wrong(r, "record %zu: its count is no number", r->report.n_rows + 1);
		return;
	}
	r->row.count = (uint32_t)n;
	r->has_count = true;
}

static void take_time(struct dmarc_reader *r, int64_t *ret, bool *has)
{
	struct str rest, s = str_cut(text_now(r), '.', &rest);
	uint64_t n;

	if (!str_u64(s, &n) || n > UINT32_MAX) {
		wrong(r, "its date range is no number of seconds");
		return;
	}
	*ret = (int64_t)n;
	*has = true;
}

static void take_disposition(struct dmarc_reader *r)
{
	for (unsigned i = 0; i < DMARC_DISPOSITIONS; i++)
		if (str_eq_nocase(text_now(r), str_from_z(disposition_names[i])))
			r->row.disposition = (enum dmarc_disposition)i;
}

static struct signature *signature_now(struct dmarc_reader *r)
{
	return &r->signatures[r->n_signatures < SIGNATURES_MAX ? r->n_signatures : SIGNATURES_MAX - 1];
}

static void take_text(struct dmarc_reader *r, enum element is)
{
	switch (is) {
	case EL_ORG: r->report.org = kept(r); break;
	case EL_EMAIL: r->report.email = kept(r); break;
	case EL_ID: r->report.id = kept(r); break;
	case EL_BEGIN: take_time(r, &r->report.begin, &r->has_range_begin); break;
	case EL_END: take_time(r, &r->report.end, &r->has_range_end); break;
	case EL_POLICY_DOMAIN: r->report.domain = kept_folded(r); break;
	case EL_POLICY_P: r->report.policy = kept_folded(r); break;
	case EL_IP: take_ip(r); break;
	case EL_COUNT: take_count(r); break;
	case EL_DISPOSITION: take_disposition(r); break;
	case EL_DKIM_ALIGNED: r->row.is_dkim_aligned = is_pass(r); break;
	case EL_SPF_ALIGNED: r->row.is_spf_aligned = is_pass(r); break;
	case EL_REASON_TYPE: r->row.reason = r->row.reason.n ? r->row.reason : kept_folded(r); break;
	case EL_HEADER_FROM: r->row.header_from = kept_folded(r); break;
	case EL_DKIM_DOMAIN: signature_now(r)->domain = kept_folded(r); break;
	case EL_DKIM_SELECTOR: signature_now(r)->selector = kept_folded(r); break;
	case EL_DKIM_RESULT: signature_now(r)->result = kept_folded(r); break;
	case EL_SPF_DOMAIN: r->row.spf_domain = kept_folded(r); break;
	case EL_SPF_RESULT: r->row.spf_result = kept_folded(r); break;
	default: break;
	}
	if (r->a->full)
		wrong(r, "it needs more memory than a report may");
}

/* -- records --------------------------------------------------------------- */

/* The same domain, or one below the other. */
static bool is_kin(struct str a, struct str b)
{
	struct str longer = a.n > b.n ? a : b, shorter = a.n > b.n ? b : a;

	return shorter.n && str_ends(longer, shorter) &&
	       (longer.n == shorter.n || str_at(longer, longer.n - shorter.n - 1) == '.');
}

static int worth(const struct dmarc_reader *r, const struct signature *s)
{
	return (is_kin(s->domain, r->row.header_from) ? 2 : 0) + (str_eq(s->result, S("pass")) ? 1 : 0);
}

static void choose_signature(struct dmarc_reader *r)
{
	const struct signature *best = &r->signatures[0];

	for (size_t i = 1; i < r->n_signatures && i < SIGNATURES_MAX; i++)
		if (worth(r, &r->signatures[i]) > worth(r, best))
			best = &r->signatures[i];
	r->row.dkim_domain = best->domain;
	r->row.dkim_selector = best->selector;
	r->row.dkim_result = best->result;
}

static bool make_room(struct dmarc_reader *r)
{
	struct dmarc_report *p = &r->report;
	size_t cap = r->cap_rows ? 4 * r->cap_rows : FIRST_ROWS;
	struct dmarc_report_row *bigger;

	if (p->n_rows < r->cap_rows)
		return true;
	cap = cap > DMARC_REPORT_ROWS_MAX ? DMARC_REPORT_ROWS_MAX : cap;
	bigger = ARENA_ARRAY(r->a, struct dmarc_report_row, cap);
	if (!bigger)
		return false;
	if (p->n_rows)
		memcpy(bigger, p->rows, p->n_rows * sizeof(*bigger));
	p->rows = bigger;
	r->cap_rows = cap;
	return true;
}

static void end_record(struct dmarc_reader *r)
{
	if (!r->has_ip || !r->has_count) {
		wrong(r, "record %zu does not say from where, or how many", r->report.n_rows + 1);
	} else if (r->report.n_rows == DMARC_REPORT_ROWS_MAX) {
		wrong(r, "it has more than %d records", DMARC_REPORT_ROWS_MAX);
	} else if (!make_room(r)) {
		wrong(r, "it needs more memory than a report may");
	} else {
		choose_signature(r);
		r->report.rows[r->report.n_rows++] = r->row;
	}
}

static void begin_record(struct dmarc_reader *r)
{
	r->row = (struct dmarc_report_row){ 0 };
	r->has_ip = r->has_count = false;
	r->n_signatures = 0;
	for (size_t i = 0; i < SIGNATURES_MAX; i++)
		r->signatures[i] = (struct signature){ 0 };
}

/* -- what expat tells ------------------------------------------------------ */

static void on_start(void *arg, const XML_Char *z, const XML_Char **attributes)
{
	struct dmarc_reader *r = arg;
	struct str name = str_from_z(z);
	enum element in = r->depth ? r->stack[r->depth - 1] : EL_ROOT, is = EL_OTHER;

	(void)attributes;
	if (r->depth == DMARC_REPORT_DEPTH_MAX) {
		wrong(r, "its elements are nested more than %d deep", DMARC_REPORT_DEPTH_MAX);
		return;
	}
	name = str_has(name, ':') ? str_from(name, str_rfind(name, ':') + 1) : name;
	r->wants_text = false;
	for (size_t i = 0; i < ARRAY_LEN(elements) && in != EL_OTHER; i++)
		if (elements[i].in == in && str_eq(elements[i].name, name)) {
			is = elements[i].is;
			r->wants_text = elements[i].has_text;
			break;
		}
	if (in == EL_ROOT && is == EL_OTHER) {
		wrong(r, "it is XML, but no DMARC report");
		return;
	}
	r->stack[r->depth++] = is;
	buf_clear(&r->text);
	if (is == EL_RECORD)
		begin_record(r);
}

static void on_end(void *arg, const XML_Char *z)
{
	struct dmarc_reader *r = arg;
	enum element is = r->stack[--r->depth];

	(void)z;
	if (r->wants_text)
		take_text(r, is);
	r->wants_text = false;
	if (is == EL_DKIM)
		r->n_signatures++;
	else if (is == EL_RECORD)
		end_record(r);
	else if (is == EL_FEEDBACK)
		r->is_whole = true;
}

static void on_text(void *arg, const XML_Char *p, int n)
{
	struct dmarc_reader *r = arg;

	if (r->wants_text && n > 0)
		buf_add(&r->text, str_head(str_of(p, (size_t)n), DMARC_REPORT_TEXT_MAX - r->text.n));
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public, int has_subset)
{
	(void)name, (void)system, (void)public, (void)has_subset;
	wrong(arg, "it has a DOCTYPE, which no report needs");
}

/* -- reading --------------------------------------------------------------- */

struct dmarc_reader *dmarc_reader_open(struct arena *a)
{
	struct dmarc_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->xml = XML_ParserCreate(NULL);
	if (!r->xml) {
		free(r);
		return NULL;
	}
	r->a = a;
	r->text = buf_over(r->mem, sizeof(r->mem));
	XML_SetUserData(r->xml, r);
	XML_SetElementHandler(r->xml, on_start, on_end);
	XML_SetCharacterDataHandler(r->xml, on_text);
	XML_SetStartDoctypeDeclHandler(r->xml, on_doctype);
	XML_SetParamEntityParsing(r->xml, XML_PARAM_ENTITY_PARSING_NEVER);
	XML_SetHashSalt(r->xml, (unsigned long)rnd_u64() | 1);   /* else expat asks for it itself */
	return r;
}

/* What expat found. */
static bool broken(struct dmarc_reader *r)
{
	if (!r->has_failed) {
		r->has_failed = true;
		fail(&r->err, FAULT_PERM, "it is no XML: line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(r->xml),
		     XML_ErrorString(XML_GetErrorCode(r->xml)));
	}
	return false;
}

/* expat begins a token anew with each chunk, so that a long one would take time that grows with its square. */
static bool feed_some(struct dmarc_reader *r, struct str s, bool is_last)
{
	XML_Index at;

	if (r->is_whole)
		return true;
	if (XML_Parse(r->xml, s.p, (int)s.n, is_last) != XML_STATUS_OK || r->has_failed)
		return r->is_whole && !r->has_failed ? true : broken(r);
	r->n_fed += s.n;
	at = XML_GetCurrentByteIndex(r->xml);
	if (at >= 0 && r->n_fed - (uint64_t)at > DMARC_REPORT_TOKEN_MAX)
		wrong(r, "a piece of it is longer than %d KiB", DMARC_REPORT_TOKEN_MAX >> 10);
	return !r->has_failed;
}

bool dmarc_reader_feed(struct dmarc_reader *r, struct str chunk, struct err *e)
{
	bool ok = !r->has_failed;

	for (; ok && chunk.n; chunk = str_from(chunk, FEED_MAX))
		ok = feed_some(r, str_head(chunk, FEED_MAX), false);
	if (!ok)
		*e = r->err;
	return ok;
}

bool dmarc_reader_finish(struct dmarc_reader *r, struct dmarc_report *ret, struct err *e)
{
	const char *lacks = NULL;

	if (r->has_failed || !feed_some(r, S(""), true)) {
		*e = r->err;
		return false;
	}
	if (!r->report.org.n)
		r->report.org = r->report.email;
	if (!r->report.org.n)
		lacks = "who made it";
	else if (!r->report.id.n)
		lacks = "its number";
	else if (!r->report.domain.n)
		lacks = "which domain it is about";
	else if (!r->has_range_begin || !r->has_range_end)
		lacks = "which time it is about";
	if (lacks)
		return fail(e, FAULT_PERM, "it does not say %s", lacks);
	*ret = r->report;
	return true;
}

void dmarc_reader_close(struct dmarc_reader *r)
{
	if (!r)
		return;
	XML_ParserFree(r->xml);
	free(r);
}
