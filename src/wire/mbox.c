/* mbox.c — letters out of a file of many; see mbox.h. */
#include "wire/mbox.h"

#include "base/attr.h"
#include "base/time.h"
#include "wire/flags.h"
#include "wire/mail_date.h"

/* ---- "From alice@example.org Thu Jan  1 00:00:00 1970" ---- */

static bool is_one_of(struct str word, const char *names)
{
	for (size_t i = 0; word.n == 3 && names[i]; i += 3)
		if (str_eq(word, str_of(names + i, 3)))
			return true;
	return false;
}

static bool is_digits(struct str s, size_t least, size_t most)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_digit(str_at(s, i)))
			return false;
	return s.n >= least && s.n <= most;
}

/* h:mm[:ss] */
static bool is_time(struct str s)
{
	struct str rest, hour = str_cut(s, ':', &rest), minute = str_cut(rest, ':', &rest);

	return is_digits(hour, 1, 2) && is_digits(minute, 2, 2) && (!rest.n || is_digits(rest, 2, 2));
}

/* "Jan  1 00:00[:00] [CET] 1970 …" behind the weekday: at most two words stand before the year. */
static bool is_date(struct str in)
{
	struct str month = str_word(&in), day = str_word(&in), time = str_word(&in);

	if (!is_one_of(month, "JanFebMarAprMayJunJulAugSepOctNovDec") || !is_digits(day, 1, 2) || !is_time(time))
		return false;
	for (size_t i = 0; i < 3; i++)
		if (is_digits(str_word(&in), 4, 4))
			return true;
	return false;
}

bool mbox_from_parse(struct str line, int64_t *ret_date)
{
	struct str in = line, before;
	struct mail_date d;

	if (!str_starts(line, S("From ")) || line.n > MBOX_FROM_MAX)
		return false;
	in = str_from(in, 5);
	for (before = in; in.n; before = in) {
		struct str word = str_word(&in);

		if (is_one_of(word, "MonTueWedThuFriSatSun") && is_date(in) && mail_date_parse(before, &d)) {
			*ret_date = d.utc;
			return true;
		}
	}
	return false;
}

/* ---- fields that are facts ---- */

static void take_status(struct mbox *m, struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		switch (str_at(value, i)) {
		case 'R': m->flags |= FLAG_SEEN; break;
		case 'A': m->flags |= FLAG_ANSWERED; break;
		case 'F': m->flags |= FLAG_FLAGGED; break;
		case 'D': m->flags |= FLAG_DELETED; break;
		case 'T': m->flags |= FLAG_DRAFT; break;
		default: break;
		}
}

/* Thunderbird's: hexadecimal. */
static void take_mozilla(struct mbox *m, struct str value)
{
	unsigned bits = 0;

	for (size_t i = 0; i < value.n && i < 4 && ascii_hex(str_at(value, i)) >= 0; i++)
		bits = bits * 16 + (unsigned)ascii_hex(str_at(value, i));
	m->flags |= (bits & 1 ? FLAG_SEEN : 0) | (bits & 2 ? FLAG_ANSWERED : 0) | (bits & 4 ? FLAG_FLAGGED : 0) |
		    (bits & 8 ? FLAG_DELETED : 0);
}

/* A control character is no part of a keyword (an atom, RFC 9051 section 9). */
static bool is_keyword(struct str word)
{
	for (size_t i = 0; i < word.n; i++)
		if (str_at(word, i) < ' ' || str_at(word, i) == 0x7f)
			return false;
	return true;
}

static void take_keywords(struct mbox *m, struct str value)
{
	m->is_list = true;
	for (struct str word = str_word(&value); word.n; word = str_word(&value)) {
		if (!is_keyword(word))
			continue;
		if (word.n + 1 > sizeof(m->keywords) - m->keywords_n)
			return;
		if (m->keywords_n)
			m->keywords[m->keywords_n++] = ' ';
		memcpy(m->keywords + m->keywords_n, word.p, word.n);
		m->keywords_n += word.n;
	}
}

static void take_uid_field(struct mbox *m, struct str value)
{
	(void)value;
	m->has_uid_field = true;
}

static void take_length(struct mbox *m, struct str value)
{
	m->tells_length = str_u64(value, &m->length) && m->length > 0;
}

static const struct {
	struct str name;
	void (*take)(struct mbox *m, struct str value);
} fields[] = {
	{ S("Status"), take_status }, { S("X-Status"), take_status },
	{ S("X-Keywords"), take_keywords }, { S("X-Mozilla-Keys"), take_keywords },
	{ S("X-Mozilla-Status"), take_mozilla }, { S("X-Mozilla-Status2"), NULL },
	{ S("X-IMAP"), take_uid_field }, { S("X-IMAPbase"), NULL }, { S("X-UID"), NULL },
	{ S("Content-Length"), take_length },
};

/* Is this line of a header one that programs write for themselves?  Its value becomes a fact of *m, which
 * may be NULL. */
static bool field_is_ours(struct mbox *m, struct str line)
{
	struct str value, name = str_cut(line, ':', &value);

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (str_eq_nocase(name, fields[i].name)) {
			if (m && fields[i].take)
				fields[i].take(m, str_trim(value));
			return true;
		}
	return false;
}

/* ---- lines ---- */

/* The first line of *in with its end; a piece if it is longer than a window.  Empty: more is needed. */
static struct str line_of(struct str in, bool is_last)
{
	size_t n = str_find(in, '\n');

	if (n < in.n)
		return str_head(in, n + 1);
	if (in.n >= MBOX_WINDOW)
		return str_head(in, MBOX_WINDOW);
	return is_last ? in : str_head(in, 0);
}

static struct str without_end(struct str line)
{
	if (str_at(line, line.n - 1) == '\n')
		line.n--;
	if (line.n && str_at(line, line.n - 1) == '\r')
		line.n--;
	return line;
}

static bool is_ended(struct str line)
{
	return str_at(line, line.n - 1) == '\n';
}

/* ">>From " */
static bool is_quoted(struct str line)
{
	size_t n = 0;

	while (str_at(line, n) == '>')
		n++;
	return n && str_starts(str_from(line, n), S("From "));
}

/* A line of the header; true: it is no part of the letter. */
static bool header_line(struct mbox *m, struct str line)
{
	struct str core = without_end(line);

	if (str_at(core, 0) == ' ' || str_at(core, 0) == '\t') {
		if (m->is_dropping && m->is_list)
			take_keywords(m, core);
		return m->is_dropping;
	}
	m->is_list = false;
	m->has_warning |= str_starts_nocase(core, S("Subject: DON'T DELETE THIS MESSAGE"));
	m->is_dropping = field_is_ours(m, core);
	m->is_internal = m->has_warning && m->has_uid_field;
	return m->is_dropping;
}

/* The line is eaten unless an empty one that was held comes first.  False: it is no text of the letter. */
static bool take_line(struct mbox *m, struct str line, struct str *in, struct str *ret)
{
	bool is_empty = without_end(line).n == 0, is_start = !m->in_line;
	struct str held = m->held;

	if (is_start && is_empty) {
		m->in_header = m->is_dropping = false;
		m->held = is_ended(line) ? line.n == 2 ? S("\r\n") : S("\n") : line;
		*in = str_from(*in, line.n);
		*ret = held;
		return held.n > 0;
	}
	if (held.n) {
		m->held = S("");
		*ret = held;
		return true;
	}
	*in = str_from(*in, line.n);
	m->in_line = !is_ended(line);
	*ret = line;
	if (!is_start)
		return !m->is_dropping;
	if (m->in_header && header_line(m, line))
		return false;
	*ret = str_from(line, is_quoted(line));
	return true;
}

static void begin(struct mbox *m, int64_t date)
{
	*m = (struct mbox){ .date = date, .has_begun = true, .in_header = true };
}

/* Said once for each letter. */
static bool is_done_now(struct mbox *m)
{
	bool ret = m->has_begun && !m->is_done;

	m->is_done = true;
	return ret;
}

bool mbox_may_end(struct str after)
{
	bool is_last = after.n < MBOX_AFTER;
	struct str rest = after, line = str_cut(rest, '\n', &rest);
	int64_t ignored;

	if (str_trim(line).n == 0 && line.n <= 1 && after.n > line.n) {
		is_last = is_last && rest.n == 0;
		line = str_cut(rest, '\n', &rest);
		return is_last || mbox_from_parse(str_trim(line), &ignored);
	}
	return (is_last && after.n == 0) || mbox_from_parse(str_trim(line), &ignored);
}

/* False: more is needed, or the file ends early. */
static bool take_verbatim(struct mbox *m, struct str *in, struct str *ret)
{
	*ret = m->held;
	m->held = S("");
	if (ret->n)
		return true;
	*ret = str_head(*in, m->verbatim < MBOX_WINDOW ? (size_t)m->verbatim : MBOX_WINDOW);
	*in = str_from(*in, ret->n);
	m->verbatim -= ret->n;
	return ret->n > 0;
}

enum mbox_event mbox_next(struct mbox *m, struct str *in, bool is_last, struct str *ret)
{
	for (;;) {
		struct str line;
		int64_t date;

		if (m->tells_length && !m->in_header) {
			m->tells_length = false;
			return MBOX_BODY;
		}
		if (m->verbatim && take_verbatim(m, in, ret))
			return MBOX_TEXT;
		if (m->verbatim && !is_last)
			return MBOX_MORE;
		line = line_of(*in, is_last);
		if (!line.n)
			return !is_last ? MBOX_MORE : is_done_now(m) ? MBOX_DONE : MBOX_END;
		if (!m->in_line && mbox_from_parse(without_end(line), &date)) {
			if (is_done_now(m))
				return MBOX_DONE;
			*in = str_from(*in, line.n);
			begin(m, date);
			return MBOX_FROM;
		}
		if (!m->has_begun)
			return MBOX_BAD;
		if (take_line(m, line, in, ret))
			return MBOX_TEXT;
	}
}

/* ---- writing ---- */

static void add_date(struct buf *to, int64_t date)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct time_parts t = time_split(date * SECOND);

	buf_addf(to, "%.3s %.3s %2d %02d:%02d:%02d %04d\n", days + 3 * t.weekday, months + 3 * (t.month - 1), t.day, t.hour,
		 t.minute, t.second, t.year);
}

/* Of an address only what is one word. */
static void add_sender(struct buf *to, struct str sender)
{
	bool is_word = sender.n > 0 && sender.n < MBOX_FROM_MAX / 2;

	for (size_t i = 0; i < sender.n; i++)
		is_word &= str_at(sender, i) > ' ' && str_at(sender, i) != 0x7f;
	buf_add(to, is_word ? sender : S("MAILER-DAEMON"));
}

static void add_field(struct buf *to, struct str name, struct str value)
{
	if (!value.n)
		return;
	buf_add(to, name);
	buf_add(to, value);
	buf_add_char(to, '\n');
}

void mbox_begin(struct mbox_out *o, const struct mbox_facts *f, struct buf *to)
{
	*o = (struct mbox_out){ .in_header = true, .has_newline = true };
	buf_add(to, S("From "));
	add_sender(to, f->sender);
	buf_add_char(to, ' ');
	add_date(to, f->date);
	buf_add(to, f->flags & FLAG_SEEN ? S("Status: RO\n") : S("Status: O\n"));
	if (f->flags & (FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DRAFT | FLAG_DELETED))
		buf_addf(to, "X-Status: %s%s%s%s\n", f->flags & FLAG_ANSWERED ? "A" : "", f->flags & FLAG_FLAGGED ? "F" : "",
			 f->flags & FLAG_DRAFT ? "T" : "", f->flags & FLAG_DELETED ? "D" : "");
	add_field(to, S("X-Keywords: "), f->keywords);
	add_field(to, S("X-IMAPbase: "), f->base);
	if (f->uid)
		buf_addf(to, "X-UID: %u\n", f->uid);
}

static void add_line(struct mbox_out *o, struct str line, struct buf *to)
{
	struct str core = without_end(line);
	bool is_start = !o->in_line;

	o->in_line = !is_ended(line);
	if (is_start && o->in_header && str_at(core, 0) != ' ' && str_at(core, 0) != '\t') {
		o->in_header = core.n > 0;
		o->is_dropping = core.n && field_is_ours(NULL, core);
	}
	if (o->is_dropping && o->in_header)
		return;
	if (is_start && (is_quoted(line) || str_starts(line, S("From "))))
		buf_add_char(to, '>');
	buf_add(to, line);
	o->has_newline = is_ended(line);
}

void mbox_add(struct mbox_out *o, struct str *in, bool is_last, struct buf *to)
{
	for (struct str line = line_of(*in, is_last); line.n; line = line_of(*in, is_last)) {
		add_line(o, line, to);
		*in = str_from(*in, line.n);
	}
	if (is_last)
		buf_add(to, o->has_newline ? S("\n") : S("\n\n"));
}
