/* received.c — the trace field we put on top; see received.h. */
#include "wire/received.h"

#include "base/time.h"
#include "base/utf8.h"

/* Others' words: no controls, no bytes that end a comment or a word, no invalid UTF-8. */
static void add_word(struct buf *b, struct str s, bool utf8)
{
	uint32_t cp;

	s = str_head(s, RECEIVED_PART_MAX);
	while (s.n) {
		size_t n = utf8_char(s, &cp);
		int c = str_at(s, 0);

		if (n == 1 && c > ' ' && c < 0x7f && !strchr("()<>;\\\"", c))
			buf_add_char(b, (char)c);
		else if (n > 1 && utf8 && cp > 0x9f && cp != 0x2028 && cp != 0x2029)
			buf_add(b, str_head(s, n));
		else
			buf_add_char(b, '?');
		s = str_from(s, n ? n : 1);
	}
}

/* The one recipient as it was parsed; quoted strings keep their quotes. */
static void add_rcpt(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		buf_add_char(b, c >= ' ' && c != 0x7f && c != '<' && c != '>' ? (char)c : '?');
	}
}

void received_add_with(struct buf *b, const struct received *r)
{
	bool esmtp = r->is_esmtp || r->is_utf8 || r->has_tls || r->has_auth;

	buf_add(b, r->is_utf8 ? S("UTF8SMTP") : esmtp ? S("ESMTP") : S("SMTP"));
	if (r->has_tls)
		buf_add_char(b, 'S');
	if (r->has_auth)
		buf_add_char(b, 'A');
}

void received_add(struct buf *b, const struct received *r)
{
	buf_add(b, S("Received: from "));
	if (r->helo.n)
		add_word(b, r->helo, r->is_utf8);
	else
		buf_add(b, S("localhost"));
	if (r->ip.n) {
		buf_add(b, S("\r\n\t("));
		if (r->rdns.n) {
			add_word(b, r->rdns, false);
			buf_add_char(b, ' ');
		}
		buf_add(b, str_has(r->ip, ':') ? S("[IPv6:") : S("["));
		add_word(b, r->ip, false);
		buf_add(b, S("])"));
	}
	buf_add(b, S("\r\n\tby "));
	add_word(b, r->by, false);
	buf_add(b, S(" (Waxwing) with "));
	received_add_with(b, r);
	if (r->has_tls && r->tls_version.n) {
		buf_add(b, S("\r\n\t("));
		add_word(b, r->tls_version, false);
		buf_add_char(b, ' ');
		add_word(b, r->tls_cipher, false);
		buf_add_char(b, ')');
	}
	buf_add(b, S("\r\n\tid "));
	add_word(b, r->id, false);
	if (r->rcpt.n) {
		buf_add(b, S("\r\n\tfor <"));
		add_rcpt(b, r->rcpt);
		buf_add_char(b, '>');
	}
	buf_add(b, S(";\r\n\t"));
	time_add_rfc5322(b, r->when);
	buf_add(b, S("\r\n"));
}
