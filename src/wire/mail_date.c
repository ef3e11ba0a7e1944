/* mail_date.c — when a letter says it was written; see mail_date.h.
 *
 * The field is read as words in any order that makes sense: a month's name, a time, a zone, a year,
 * a day.  So the RFC's form, asctime()'s and most inventions between them pass. */
#include "wire/mail_date.h"

#include "base/attr.h"
#include "wire/cfws.h"

enum { DATE_MAX = 256 };         /* octets that are looked at */

struct parts {
	int year, month, day, hour, minute, second, zone;
	bool has_year, has_month, has_day, has_time, has_zone;
};

static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

static const struct { struct str name; int minutes; } zones[] = {
	{ S("EST"), -300 }, { S("EDT"), -240 }, { S("CST"), -360 }, { S("CDT"), -300 }, { S("MST"), -420 },
	{ S("MDT"), -360 }, { S("PST"), -480 }, { S("PDT"), -420 }, { S("CET"), 60 }, { S("CEST"), 120 },
	{ S("MET"), 60 }, { S("MEST"), 120 }, { S("BST"), 60 }, { S("JST"), 540 },
};

/* Days since 1970-01-01 of a day in the Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_word(int c)
{
	return ascii_is_alpha(c);
}

static bool is_digit(int c)
{
	return ascii_is_digit(c);
}

static struct str take(struct str *s, bool (*is_part)(int))
{
	size_t n = 0;
	struct str ret;

	while (n < s->n && is_part(str_at(*s, n)))
		n++;
	ret = str_head(*s, n);
	*s = str_from(*s, n);
	return ret;
}

/* A number of at most four digits; of more, 9999. */
static int number_take(struct str *s)
{
	struct str digits = take(s, is_digit);
	int v = 0;

	for (size_t i = 0; i < digits.n; i++)
		v = v > 999 ? 9999 : v * 10 + (digits.p[i] - '0');
	return v;
}

/* hh:mm[:ss[.fraction]], of which hh is read. */
static bool time_take(struct str *s, int hour, struct parts *d)
{
	*s = str_from(*s, 1);
	cfws_skip(s);
	d->hour = hour;
	d->minute = number_take(s);
	d->second = 0;
	cfws_skip(s);
	if (str_at(*s, 0) == ':') {
		*s = str_from(*s, 1);
		cfws_skip(s);
		d->second = number_take(s);
	}
	if (str_at(*s, 0) == '.') {
		*s = str_from(*s, 1);
		number_take(s);
	}
	d->has_time = true;
	return d->hour <= 24 && d->minute < 60 && d->second <= 60;       /* 60: a leap second */
}

/* +hhmm, -hh:mm, off *s */
static void zone_take(struct str *s, struct parts *d)
{
	int sign = str_at(*s, 0) == '-' ? -1 : 1, hours, minutes = 0;
	struct str digits;

	*s = str_from(*s, 1);
	digits = take(s, is_digit);
	if (digits.n < 1 || digits.n > 4 || d->has_zone)
		return;
	hours = number_take(&(struct str){ digits.p, digits.n > 2 ? digits.n - 2 : digits.n });
	if (digits.n > 2) {
		minutes = number_take(&(struct str){ digits.p + digits.n - 2, 2 });
	} else if (str_at(*s, 0) == ':') {
		*s = str_from(*s, 1);
		minutes = number_take(s);
	}
	if (hours > 23 || minutes > 59)
		return;          /* says nothing we could use: UTC */
	d->zone = sign * (hours * 60 + minutes);
	d->has_zone = true;
}

/* A month, a zone, AM or PM; names of days and all else say nothing new. */
static void word_take(struct str *s, struct parts *d)
{
	struct str word = take(s, is_word);

	for (int i = 0; word.n >= 3 && !d->has_month && i < 12; i++)
		if (str_eq_nocase(str_head(word, 3), str_of(months + 3 * i, 3))) {
			d->month = i + 1;
			d->has_month = true;
			return;
		}
	if (d->has_time && !d->has_zone)
		for (size_t i = 0; i < ARRAY_LEN(zones); i++)
			if (str_eq_nocase(word, zones[i].name)) {
				d->zone = zones[i].minutes;
				d->has_zone = true;
				return;
			}
	if (d->has_time && d->hour <= 12 && str_eq_nocase(word, S("PM")))
		d->hour = d->hour % 12 + 12;
	else if (d->has_time && d->hour == 12 && str_eq_nocase(word, S("AM")))
		d->hour = 0;
}

static bool year_set(struct parts *d, int v, size_t digits)
{
	/* RFC 5322 §4.3; "0102" is how some programs still write three digits */
	d->year = digits == 2 && v < 50 ? v + 2000 : v < 1000 ? v + 1900 : v;
	d->has_year = true;
	return true;
}

/* A number: hour of a time, year-month-day or year/month/day, day or year. */
static bool number_word(struct str *s, struct parts *d)
{
	size_t before = s->n, digits;
	int v = number_take(s);
	struct str behind = *s;

	digits = before - s->n;
	cfws_skip(&behind);
	if (str_at(behind, 0) == ':' && !d->has_time) {
		*s = behind;
		return time_take(s, v, d);
	}
	if (digits == 4 && (str_at(*s, 0) == '-' || str_at(*s, 0) == '/') && !d->has_year &&
	    ascii_is_digit(str_at(*s, 1))) {
		year_set(d, v, digits);
		*s = str_from(*s, 1);
		d->month = number_take(s);
		*s = str_from(*s, 1);
		d->day = number_take(s);
		d->has_month = d->has_day = true;
		if (ascii_lower(str_at(*s, 0)) == 't')
			*s = str_from(*s, 1);
		return true;
	}
	if (!d->has_day && digits <= 2) {
		d->day = v;
		d->has_day = true;
		return true;
	}
	return d->has_year || digits < 2 || year_set(d, v, digits);
}

static bool parts_read(struct str s, struct parts *d)
{
	bool ok = true;

	while (ok && (cfws_skip(&s), s.n)) {
		int c = str_at(s, 0);

		if (ascii_is_digit(c))
			ok = number_word(&s, d);
		else if (ascii_is_alpha(c))
			word_take(&s, d);
		else if ((c == '+' || c == '-') && d->has_time)
			zone_take(&s, d);
		else
			s = str_from(s, 1);
	}
	return ok;
}

bool mail_date_parse(struct str raw, struct mail_date *ret)
{
	struct parts d = { 0 };
	int64_t day;

	if (!parts_read(str_head(raw, DATE_MAX), &d) && !(d.has_year && d.has_month && d.has_day))
		return false;
	if (!d.has_year || !d.has_month || !d.has_day)
		return false;
	if (d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31)
		return false;
	if (d.hour > 24 || d.minute > 59 || d.second > 60 || !d.has_time)
		d.hour = d.minute = d.second = d.zone = 0;      /* RFC 5256 §2.2 */
	day = days_of(d.year, d.month, d.day);
	ret->utc = day * 86400 + d.hour * 3600 + d.minute * 60 + d.second - d.zone * 60;
	ret->zone = d.zone;
	ret->local_day = (int32_t)day;
	return true;
}
