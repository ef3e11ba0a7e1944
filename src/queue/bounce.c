/* bounce.c — the text of a delivery status notification.
 *
 * Whatever comes from outside (addresses, replies) is put through clean():
 * control bytes cannot begin a line of their own, and no line is longer than
 * RFC 5322 §2.1.1 allows. */
#include "queue/bounce.h"

#include "base/id.h"
#include "base/time.h"
#include "base/utf8.h"
#include "queue/advice.h"
#include "queue/bytes.h"
#include "wire/text.h"

enum { FIELD_MAX = 900 };

#define BOUNDARY "=_%s.%016llx"
#define BOUNDARY_OF(b) ID_Z((b)->id), (unsigned long long)(b)->nonce

bool bounce_is_due(enum bounce_kind kind, struct str from, uint8_t notify)
{
	if (from.n == 0 || (notify & LETTER_NOTIFY_NEVER))
		return false;
	switch (kind) {
	case BOUNCE_FAILED:
		return notify == 0 || (notify & LETTER_NOTIFY_FAILURE);
	case BOUNCE_DELAYED:
		return notify == 0 || (notify & LETTER_NOTIFY_DELAY);
	case BOUNCE_DELIVERED:
	case BOUNCE_RELAYED:
		return notify & LETTER_NOTIFY_SUCCESS;
	}
	return false;
}

static bool has_high(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) >= 0x80)
			return true;
	return false;
}

/* One field's worth of whole characters: what is no UTF-8 and control characters (C1 too) become '?',
 * other characters than ASCII unless allowed. */
static void clean(struct buf *b, struct str s, bool utf8)
{
	size_t used = 0;

	while (s.n) {
		uint32_t c = 0;
		size_t n = utf8_char(s, &c);
		bool is_fine = n && c >= 32 && (c < 127 || (c >= 160 && utf8));

		if (used + (is_fine ? n : 1) > FIELD_MAX)
			return;
		used += is_fine ? n : 1;
		buf_add(b, is_fine ? str_head(s, n) : S("?"));
		s = str_from(s, n ? n : 1);
	}
}

/* "4.2.2": class "." subject "." detail, RFC 3463 §2. */
static size_t status_length(struct str s)
{
	size_t i = 1, dots = 0, digits = 0;

	if (str_at(s, 0) != '2' && str_at(s, 0) != '4' && str_at(s, 0) != '5')
		return 0;
	for (; i < s.n && i < 9; i++) {
		if (str_at(s, i) == '.') {
			if (dots > 0 && digits == 0)
				return 0;
			dots++;
			digits = 0;
		} else if (ascii_is_digit(str_at(s, i)) && dots > 0) {
			digits++;
		} else {
			break;
		}
	}
	return dots == 2 && digits > 0 ? i : 0;
}

/* "550 " at the beginning of a reply. */
static bool has_reply_code(struct str s)
{
	return ascii_is_digit(str_at(s, 0)) && ascii_is_digit(str_at(s, 1)) &&
	       ascii_is_digit(str_at(s, 2)) && (s.n == 3 || str_at(s, 3) == ' ' ||
						str_at(s, 3) == '-');
}

struct str bounce_status(enum bounce_kind kind, struct str text)
{
	struct str rest = has_reply_code(text) ? str_from(text, 4) : text;
	size_t n = status_length(rest);
	int class = kind == BOUNCE_FAILED ? '5' : kind == BOUNCE_DELAYED ? '4' : '2';

	/* what was given up after temporary errors failed all the same, with their code */
	if (n > 0 && (str_at(rest, 0) == class ||
		      (kind == BOUNCE_FAILED && str_at(rest, 0) == '4')))
		return str_head(rest, n);
	switch (kind) {
	case BOUNCE_FAILED:
		return S("5.0.0");
	case BOUNCE_DELAYED:
		return S("4.0.0");
	case BOUNCE_DELIVERED:
	case BOUNCE_RELAYED:
		break;
	}
	return S("2.0.0");
}

static struct str subject(enum bounce_kind kind)
{
	switch (kind) {
	case BOUNCE_FAILED:
		return S("Your message could not be delivered");
	case BOUNCE_DELAYED:
		return S("Your message is delayed");
	case BOUNCE_RELAYED:
		return S("Your message was passed on");
	case BOUNCE_DELIVERED:
		break;
	}
	return S("Your message was delivered");
}

static struct str action(enum bounce_kind kind)
{
	switch (kind) {
	case BOUNCE_FAILED:
		return S("failed");
	case BOUNCE_DELAYED:
		return S("delayed");
	case BOUNCE_RELAYED:
		return S("relayed");
	case BOUNCE_DELIVERED:
		break;
	}
	return S("delivered");
}

static bool needs_utf8(const struct bounce *b)
{
	bool high = has_high(b->to);

	for (size_t i = 0; i < b->n_rcpts; i++)
		high |= has_high(b->rcpts[i].address) || has_high(b->rcpts[i].target);
	return high;
}

static void print_head(const struct bounce *b, bool utf8, struct buf *out)
{
	buf_addf(out, "From: Mail Delivery System <MAILER-DAEMON@" STR_FMT ">\r\nTo: <",
		 STR_ARG(b->host));
	clean(out, b->to, utf8);
	buf_add(out, S(">\r\nSubject: "));
	buf_add(out, subject(b->kind));
	buf_add(out, S("\r\nDate: "));
	time_add_rfc5322(out, b->now);
	buf_addf(out, "\r\nMessage-ID: <%s@" STR_FMT ">\r\n", ID_Z(b->id), STR_ARG(b->host));
	buf_addf(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		 "Content-Type: multipart/report; report-type=%s;\r\n"
		 "\tboundary=\"" BOUNDARY "\"\r\n\r\n",
		 utf8 ? "global-delivery-status" : "delivery-status", BOUNDARY_OF(b));
}

/* Words in lines of at most 76 columns. */
static void print_wrapped(struct buf *out, struct str s)
{
	size_t column = 0;

	while (s.n) {
		struct str word = str_cut(s, ' ', &s);

		if (column == 0 || column + 1 + word.n > 72) {
			buf_add(out, column ? S("\r\n    ") : S("    "));
			column = 0;
		} else {
			buf_add_char(out, ' ');
		}
		clean(out, word, true);
		column += 1 + word.n;
	}
	buf_add(out, S("\r\n"));
}

static void print_person(const struct bounce *b, const struct bounce_rcpt *r, struct buf *out)
{
	struct str advice = b->kind == BOUNCE_FAILED || b->kind == BOUNCE_DELAYED ? advice_for(r->text) : S("");

	buf_add(out, S("\r\n<"));
	clean(out, r->address, true);
	buf_add(out, S(">\r\n"));
	if (r->remote.n) {
		buf_add(out, S("    The server "));
		clean(out, r->remote, true);
		buf_add(out, str_has(r->remote, ',') ? S(", said:\r\n") : S(" said:\r\n"));
	}
	print_wrapped(out, r->text);
	if (advice.n) {
		buf_add(out, S("\r\n"));
		print_wrapped(out, advice);
	}
}

static void print_people(const struct bounce *b, struct buf *out)
{
	buf_addf(out, "--" BOUNDARY "\r\nContent-Type: text/plain; charset=utf-8\r\n"
		 "Content-Transfer-Encoding: 8bit\r\n\r\n"
		 "This is the mail system at " STR_FMT ".\r\n\r\n", BOUNDARY_OF(b), STR_ARG(b->host));
	switch (b->kind) {
	case BOUNCE_FAILED:
		buf_add(out, S("Your message could not be delivered to the recipients below.\r\n"
			       "It is not tried again.\r\n"));
		break;
	case BOUNCE_DELAYED:
		buf_add(out, S("Your message could not be delivered yet to the recipients below.\r\n"
			       "You need not send it again: we go on trying.\r\n"));
		break;
	case BOUNCE_DELIVERED:
		buf_add(out, S("Your message was delivered to the recipients below.\r\n"));
		break;
	case BOUNCE_RELAYED:
		buf_add(out, S("Your message was passed on to the servers of the recipients below.\r\n"
			       "These do not report whether they deliver it.\r\n"));
		break;
	}
	for (size_t i = 0; i < b->n_rcpts; i++)
		print_person(b, &b->rcpts[i], out);
	buf_addf(out, "\r\nThe number of your message here is %s.\r\n\r\n", ID_Z(b->about));
}

/* In a report of 7 bits other characters than ASCII have another spelling (RFC 6533 §3). */
static void print_orcpt(struct str orcpt, bool utf8, struct buf *out)
{
	struct str address;
	char mem[FIELD_MAX];
	struct buf text = buf_over(mem, sizeof(mem));

	if (utf8 || (str_is_ascii(orcpt) && !str_starts_nocase(orcpt, S("utf-8;")))) {
		clean(&text, orcpt, utf8);
	} else {
		str_cut(orcpt, ';', &address);
		buf_add(&text, S("utf-8;"));
		unitext_add(&text, address, false);
	}
	if (text.n && !text.full)
		buf_addf(out, "Original-Recipient: " STR_FMT "\r\n", STR_ARG(buf_str(&text)));
}

static void print_rcpt(const struct bounce *b, const struct bounce_rcpt *r, bool utf8,
		       struct buf *out)
{
	const char *type = utf8 ? "utf-8" : "rfc822";

	buf_add(out, S("\r\n"));
	print_orcpt(r->orcpt, utf8, out);
	buf_addf(out, "Final-Recipient: %s;", type);
	clean(out, r->target.n ? r->target : r->address, utf8);
	buf_add(out, S("\r\nAction: "));
	buf_add(out, action(b->kind));
	buf_add(out, S("\r\nStatus: "));
	buf_add(out, bounce_status(b->kind, r->text));
	buf_add(out, S("\r\n"));
	if (r->remote.n > 0) {
		buf_add(out, S("Remote-MTA: dns;"));
		clean(out, str_head(r->remote, str_find(r->remote, ' ')), utf8);
		buf_add(out, S("\r\n"));
	}
	if (has_reply_code(r->text)) {
		buf_add(out, S("Diagnostic-Code: smtp;"));
		clean(out, r->text, utf8);
		buf_add(out, S("\r\n"));
	}
	if (b->kind == BOUNCE_DELAYED && b->retry_until > 0) {
		buf_add(out, S("Will-Retry-Until: "));
		time_add_rfc5322(out, b->retry_until);
		buf_add(out, S("\r\n"));
	}
}

static void print_programs(const struct bounce *b, bool utf8, struct buf *out)
{
	buf_addf(out, "--" BOUNDARY "\r\nContent-Type: message/%s\r\n%s\r\n", BOUNDARY_OF(b),
		 utf8 ? "global-delivery-status" : "delivery-status",
		 utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	if (b->envid.n > 0) {
		buf_add(out, S("Original-Envelope-Id: "));
		clean(out, b->envid, false);
		buf_add(out, S("\r\n"));
	}
	buf_addf(out, "Reporting-MTA: dns;" STR_FMT "\r\nArrival-Date: ", STR_ARG(b->host));
	time_add_rfc5322(out, b->accepted);
	buf_add(out, S("\r\n"));
	for (size_t i = 0; i < b->n_rcpts; i++)
		print_rcpt(b, &b->rcpts[i], utf8, out);
	buf_add(out, S("\r\n"));
}

/* The header with its last CRLF, at most BOUNCE_HEADER_MAX bytes, whole lines. */
static struct str header_of(struct str original)
{
	size_t end = str_find_str(original, S("\r\n\r\n"));
	struct str header = str_head(original, end < original.n ? end + 2 : end);

	if (header.n > BOUNCE_HEADER_MAX) {
		header.n = BOUNCE_HEADER_MAX;
		header.n = str_rfind(header, '\n');
		header.n = header.n < BOUNCE_HEADER_MAX ? header.n + 1 : 0;
	}
	return header;
}

static void print_original(const struct bounce *b, bool utf8, struct buf *out)
{
	bool whole = b->kind == BOUNCE_FAILED && b->ret != LETTER_RET_HDRS && b->is_whole &&
		     b->original.n <= BOUNCE_ORIGINAL_MAX;
	struct str part = whole ? b->original : header_of(b->original);
	const char *type = whole ? utf8 ? "message/global" : "message/rfc822" :
				   utf8 ? "message/global-headers" : "text/rfc822-headers";

	buf_addf(out, "--" BOUNDARY "\r\nContent-Type: %s\r\n", BOUNDARY_OF(b), type);
	if (has_high(part))
		buf_add(out, S("Content-Transfer-Encoding: 8bit\r\n"));
	buf_add(out, S("\r\n"));
	buf_add(out, part);
	if (!str_ends(part, S("\r\n")))
		buf_add(out, S("\r\n"));
	buf_addf(out, "\r\n--" BOUNDARY "--\r\n", BOUNDARY_OF(b));
}

bool bounce_print(const struct bounce *b, struct buf *ret, struct err *e)
{
	bool utf8 = needs_utf8(b);

	print_head(b, utf8, ret);
	print_people(b, ret);
	print_programs(b, utf8, ret);
	print_original(b, utf8, ret);
	if (ret->full)
		return fail(e, FAULT_TEMP, "the report about %s is too long", ID_Z(b->about));
	return true;
}
