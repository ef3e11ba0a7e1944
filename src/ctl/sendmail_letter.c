/* sendmail_letter.c — the letter from standard input, and whom it names. */
#include "ctl/sendmail.h"

#include "wire/address.h"
#include "wire/header.h"
#include "wire/mail_address.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* -- bytes ----------------------------------------------------------------- */

/* Text of programs becomes lines that SMTP can carry: every line end is CRLF, a CR alone is one too, NUL goes. */
struct lines {
	struct sendmail *s;
	bool had_cr, is_line_begin, had_dot, is_over;
};

static void end_line(struct lines *l)
{
	struct sendmail *s = l->s;

	if (l->had_dot && !s->ignores_dots) {    /* a dot alone: the end */
		s->letter.n--;
		l->is_over = true;
		return;
	}
	buf_add(&s->letter, S("\r\n"));
	l->is_line_begin = true;
	l->had_dot = false;
}

static void take_byte(struct lines *l, char c)
{
	struct sendmail *s = l->s;
	bool was_cr = l->had_cr;

	l->had_cr = c == '\r';
	if (was_cr && c != '\n')
		end_line(l);
	if (l->is_over || c == '\r' || c == '\0')
		return;
	if (c == '\n') {
		end_line(l);
		return;
	}
	l->had_dot = l->is_line_begin && c == '.';
	l->is_line_begin = false;
	s->is_8bit |= (unsigned char)c >= 0x80;
	buf_add_char(&s->letter, c);
}

bool sendmail_read(struct sendmail *s, struct err *e)
{
	struct lines l = { .s = s, .is_line_begin = true };
	char block[2048];

	s->letter = buf_on_heap(SENDMAIL_LETTER_MAX);
	while (!l.is_over) {
		ssize_t n = read(STDIN_FILENO, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_sys(e, FAULT_TEMP, errno, "read the letter");
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n && !l.is_over; i++)
			take_byte(&l, block[i]);
	}
	if (!l.is_over && (l.had_cr || !l.is_line_begin))
		end_line(&l);
	return !s->letter.full || fail(e, FAULT_PERM, "the letter is too big");
}

void sendmail_dotted(const struct sendmail *s, struct buf *b)
{
	struct str rest = buf_str(&s->letter);

	while (rest.n) {
		struct str line = str_head(rest, str_find(rest, '\n') + 1);

		if (str_at(line, 0) == '.')
			buf_add_char(b, '.');
		buf_add(b, line);
		rest = str_from(rest, line.n);
	}
	buf_add(b, S(".\r\n"));
}

/* -- addresses ------------------------------------------------------------- */

static bool is_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) < ' ' || str_at(s, i) == 0x7f || str_at(s, i) == '<' || str_at(s, i) == '>')
			return false;
	return s.n;
}

static bool print_address(struct sendmail *s, const struct mail_address *m, struct str *ret)
{
	struct buf b = buf_on_heap(2 * (LOCAL_MAX + DOMAIN_MAX));
	struct smtp_path p;
	bool ok;

	smtp_path_add(&b, m->mailbox, m->domain.n ? m->domain : s->hostname);
	ok = !b.full && is_clean(buf_str(&b)) && address_parse(buf_str(&b), PATH_UTF8, &s->a, &p);
	if (ok)
		*ret = arena_str(&s->a, buf_str(&b));
	buf_end(&b);
	return ok;
}

static bool complain(struct str text)
{
	fprintf(stderr, "sendmail: this is no address: " STR_FMT "\n", STR_ARG(str_head(text, 200)));
	return false;
}

static bool add_rcpt(struct sendmail *s, struct str rcpt)
{
	if (!s->rcpts)
		s->rcpts = ARENA_ARRAY(&s->a, struct str, SENDMAIL_RCPTS_MAX);
	for (size_t i = 0; i < s->n_rcpts; i++)
		if (str_eq(s->rcpts[i], rcpt))
			return true;
	if (!s->rcpts || s->n_rcpts == SENDMAIL_RCPTS_MAX)
		return false;
	s->rcpts[s->n_rcpts++] = rcpt;
	return true;
}

bool sendmail_add_rcpts(struct sendmail *s, struct str text)
{
	struct mail_address *first = NULL;
	size_t count = 0;
	struct str one;

	mail_address_parse(text, &s->a, &first, &count);
	for (const struct mail_address *m = first; m; m = m->next) {
		if (m->kind != MAIL_MAILBOX)
			continue;
		if (!print_address(s, m, &one))
			return complain(m->mailbox.n ? m->mailbox : text);
		if (!add_rcpt(s, one))
			return complain(S("too many recipients"));
	}
	return true;
}

bool sendmail_one_address(struct sendmail *s, struct str text, struct str *ret)
{
	struct mail_address *first = NULL;
	size_t count = 0;

	*ret = S("");
	if (!str_trim(text).n || str_eq(str_trim(text), S("<>")))
		return true;
	mail_address_parse(text, &s->a, &first, &count);
	if (!first || first->next || first->kind != MAIL_MAILBOX || !print_address(s, first, ret))
		return complain(text);
	return true;
}

/* -- the header ------------------------------------------------------------ */

static bool has_resent(struct str letter)
{
	struct field f;

	return header_find(letter, S("Resent-To"), &f) || header_find(letter, S("Resent-Cc"), &f) ||
	       header_find(letter, S("Resent-Bcc"), &f);
}

/* What is sent again goes to whom it is sent again (RFC 5322 §3.6.6). */
bool sendmail_take_header(struct sendmail *s)
{
	static const struct str names[2][3] = {
		{ S("To"), S("Cc"), S("Bcc") },
		{ S("Resent-To"), S("Resent-Cc"), S("Resent-Bcc") },
	};
	struct str letter = buf_str(&s->letter);
	const struct str *want = names[has_resent(letter)];
	struct header h = header_of(letter);
	struct field f;

	h.is_lenient = true;
	while (header_next(&h, &f))
		for (size_t i = 0; i < 3; i++)
			if (str_eq_nocase(f.name, want[i]) && !sendmail_add_rcpts(s, f.value))
				return false;
	return true;
}

static bool is_plain(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alnum(str_at(name, i)) && !str_has(S(" ._-'()"), name.p[i]))
			return false;
	return name.n && name.n <= 100;
}

void sendmail_add_from(struct sendmail *s)
{
	struct str name = str_from_z(s->full_name ? s->full_name : ""), letter = buf_str(&s->letter);
	struct header h = header_of(letter);
	struct field f;
	struct buf with;
	bool has_header = header_next(&h, &f) || str_starts(letter, S("\r\n"));

	if (!is_plain(name) || !s->sender.n || header_find(letter, S("From"), &f))
		return;
	with = buf_on_heap(SENDMAIL_LETTER_MAX + 1000);
	buf_addf(&with, "From: \"" STR_FMT "\" <" STR_FMT ">\r\n", STR_ARG(name), STR_ARG(s->sender));
	buf_add(&with, has_header ? S("") : S("\r\n"));
	buf_add(&with, letter);
	buf_end(&s->letter);
	s->letter = with;
}

/* -- the envelope's lines -------------------------------------------------- */

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) >= 0x80)
			return false;
	return true;
}

/* xtext   RFC 3461 §4 */
static void add_xtext(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int c = str_at(s, i);

		if (c > ' ' && c < 0x7f && c != '+' && c != '=')
			buf_add_char(b, (char)c);
		else
			buf_addf(b, "+%02X", (unsigned)c);
	}
}

void sendmail_mail_line(const struct sendmail *s, struct buf *b)
{
	bool utf8 = !is_ascii(s->sender);

	for (size_t i = 0; i < s->n_rcpts; i++)
		utf8 |= !is_ascii(s->rcpts[i]);
	buf_addf(b, "MAIL FROM:<" STR_FMT ">%s%s", STR_ARG(s->sender), s->is_8bit ? " BODY=8BITMIME" : "",
		 utf8 ? " SMTPUTF8" : "");
	if (s->ret)
		buf_addf(b, " RET=%s", *s->ret == 'f' || *s->ret == 'F' ? "FULL" : "HDRS");
	if (s->envid) {
		buf_add(b, S(" ENVID="));
		add_xtext(b, str_head(str_from_z(s->envid), 33));        /* 100 octets as xtext */
	}
	buf_add(b, S("\r\n"));
}

void sendmail_rcpt_line(const struct sendmail *s, struct str rcpt, struct buf *b)
{
	buf_addf(b, "RCPT TO:<" STR_FMT ">", STR_ARG(rcpt));
	if (s->notify) {
		buf_add(b, S(" NOTIFY="));
		for (const char *p = s->notify; *p; p++)
			buf_add_char(b, *p == ',' ? ',' : (char)(ascii_lower(*p) - 'a' + 'A'));
	}
	buf_add(b, S("\r\n"));
}
