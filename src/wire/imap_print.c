/* imap_print.c — the words of IMAP answers; see imap_print.h. */
#include "wire/imap_print.h"

#include "base/time.h"
#include "base/utf8.h"
#include "wire/imap_utf7.h"

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* astring = 1*ASTRING-CHAR / string */
void imap_add_astring(struct buf *b, struct str s)
{
	bool is_atom = s.n > 0 && s.n <= IMAP_QUOTED_MAX && !str_eq_nocase(s, S("NIL"));

	for (size_t i = 0; i < s.n && is_atom; i++)
		is_atom = s.p[i] > ' ' && s.p[i] < 0x7f && !str_has(S("(){%*\"\\"), s.p[i]);
	if (is_atom)
		buf_add(b, s);
	else
		imap_add_string(b, s);
}

static void quoted_add(struct buf *b, struct str s)
{
	buf_add_char(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, s.p[i]);
	}
	buf_add_char(b, '"');
}

static bool has_line_end(struct str s)
{
	return str_has(s, '\r') || str_has(s, '\n') || str_has(s, '\0');
}

/* Each octet that is no part of a character is "?". */
static void mend_utf8(struct buf *b, struct str s)
{
	for (size_t i = 0, n; i < s.n; i += n ? n : 1) {
		uint32_t c;

		n = utf8_char(str_from(s, i), &c);
		buf_add(b, n ? str_sub(s, i, n) : S("?"));
	}
}

void imap_add_mailbox(struct buf *b, struct str name, bool utf8)
{
	AUTO(buf_end) struct buf mended = buf_on_heap(name.n + 1);
	AUTO(buf_end) struct buf spelt = buf_on_heap(4 * name.n + 8);

	if (!utf8_valid(name)) {
		mend_utf8(&mended, name);
		name = buf_str(&mended);
	}
	if (utf8 && !str_is_ascii(name) && !has_line_end(name)) {
		quoted_add(b, name);
		return;
	}
	if (!utf8) {
		imap_utf7_add(&spelt, name);
		name = buf_str(&spelt);
	}
	b->full |= mended.full || spelt.full;
	imap_add_astring(b, name);
}

void imap_add_untagged(struct buf *b, uint64_t number)
{
	buf_add(b, S("* "));
	buf_add_u64(b, number);
	buf_add_char(b, ' ');
}

/* What a date of four digits for the year can say. */
static int64_t clamp_seconds(int64_t s)
{
	static const int64_t first = INT64_C(-62167219200), last = INT64_C(253402300799);

	return s < first ? first : s > last ? last : s;
}

/* date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE */
void imap_add_date_time(struct buf *b, int64_t utc, int32_t zone)
{
	struct time_parts t;
	int32_t minutes;

	if (zone < -23 * 60 - 59 || zone > 23 * 60 + 59)
		zone = 0;
	minutes = zone < 0 ? -zone : zone;
	t = time_split(clamp_seconds(clamp_seconds(utc) + zone * 60) * SECOND);
	buf_addf(b, "\"%2d-%.3s-%04d %02d:%02d:%02d %c%02d%02d\"", t.day, months + 3 * (t.month - 1), t.year,
		 t.hour, t.minute, t.second, zone < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

void imap_add_date(struct buf *b, int32_t day)
{
	struct time_parts t = time_split(clamp_seconds((int64_t)day * 86400) * SECOND);

	buf_addf(b, "%d-%.3s-%04d", t.day, months + 3 * (t.month - 1), t.year);
}

/* Digits of a fixed number, or -1. */
static int digits(struct str *in, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		if (!ascii_is_digit(str_at(*in, i)))
			return -1;
		v = v * 10 + (in->p[i] - '0');
	}
	*in = str_from(*in, n);
	return v;
}

static bool take(struct str *in, char c)
{
	if (str_at(*in, 0) != c)
		return false;
	*in = str_from(*in, 1);
	return true;
}

static int month_length(int year, int month)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = year % 4 == 0 && (year % 100 || year % 400 == 0);

	return lengths[month - 1] + (month == 2 && is_leap);
}

/* "-" date-month "-" date-year behind a day */
static bool month_and_year(struct str *in, struct time_parts *t)
{
	struct str month;

	if (!take(in, '-'))
		return false;
	month = str_head(*in, 3);
	for (int m = 1; m <= 12; m++)
		if (str_eq_nocase(month, str_of(months + 3 * (m - 1), 3)))
			t->month = m;
	*in = str_from(*in, 3);
	if (t->month == 0 || !take(in, '-'))
		return false;
	t->year = digits(in, 4);
	return t->year >= 0 && t->day >= 1 && t->day <= month_length(t->year, t->month);
}

/* date-text = date-day "-" date-month "-" date-year; date-day = 1*2DIGIT */
bool imap_date_parse(struct str s, int32_t *ret_day)
{
	bool is_quoted = take(&s, '"');
	struct time_parts t = { 0 };

	t.day = digits(&s, ascii_is_digit(str_at(s, 1)) ? 2 : 1);
	if (t.day < 0 || !month_and_year(&s, &t))
		return false;
	if ((is_quoted && !take(&s, '"')) || s.n)
		return false;
	*ret_day = (int32_t)(time_join(&t) / DAY);
	return true;
}

/* time = 2DIGIT ":" 2DIGIT ":" 2DIGIT; zone = ("+" / "-") 4DIGIT */
bool imap_date_time_parse(struct str s, int64_t *ret_utc, int32_t *ret_zone)
{
	struct time_parts t = { 0 };
	int hours, minutes, sign;

	t.day = take(&s, ' ') ? digits(&s, 1) : digits(&s, 2);
	if (t.day < 0 || !month_and_year(&s, &t) || !take(&s, ' '))
		return false;
	t.hour = digits(&s, 2);
	if (t.hour < 0 || t.hour > 23 || !take(&s, ':'))
		return false;
	t.minute = digits(&s, 2);
	if (t.minute < 0 || t.minute > 59 || !take(&s, ':'))
		return false;
	t.second = digits(&s, 2);
	if (t.second < 0 || t.second > 60 || !take(&s, ' '))
		return false;
	sign = str_at(s, 0) == '-' ? -1 : 1;
	if (!take(&s, '+') && !take(&s, '-'))
		return false;
	hours = digits(&s, 2);
	minutes = digits(&s, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || s.n)
		return false;
	t.second = t.second == 60 ? 59 : t.second;
	*ret_zone = sign * (hours * 60 + minutes);
	*ret_utc = time_join(&t) / SECOND - *ret_zone * 60;
	return true;
}
