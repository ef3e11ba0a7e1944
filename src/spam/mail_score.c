/* mail_score.c — the header of a letter, as others judge it; see mail_score.h. */
#include "spam/mail_score_inside.h"

#include "base/time.h"
#include "wire/header.h"
#include "wire/mail_address.h"
#include "wire/mail_date.h"
#include "wire/mime_header.h"

enum { LINE_MAX_OCTETS = 998, SUBJECT_MAX = 1000, LOUD_LEAST = 8 };
#define AHEAD_MAX (24 * 3600)            /* seconds that a clock may be wrong, and a time zone */

static const struct mail_flaw_row rows[MAIL_FLAWS] = {
#define FLAW(name, id, tenths, text, remedy) { id, tenths, text, remedy },
#include "spam/mail_flaws.def"
#undef FLAW
};

const struct mail_flaw_row *mail_flaw_row(enum mail_flaw f)
{
	return &rows[f];
}

void mail_score_add(struct mail_score *s, enum mail_flaw f, struct str detail)
{
	if (!s->has[f])
		s->detail[f] = str_head(detail, MAIL_SCORE_DETAIL);
	s->has[f] = true;
}

unsigned mail_score_left(const struct mail_score *s)
{
	unsigned lost = 0;

	for (unsigned f = 0; f < MAIL_FLAWS; f++)
		lost += s->has[f] ? rows[f].tenths : 0;
	return lost < MAIL_SCORE_FULL ? MAIL_SCORE_FULL - lost : 0;
}

bool mail_score_is_kin(struct str a, struct str b)
{
	struct str longer = a.n > b.n ? a : b, shorter = a.n > b.n ? b : a;

	return shorter.n && str_ends_nocase(longer, shorter) &&
	       (longer.n == shorter.n || str_at(longer, longer.n - shorter.n - 1) == '.');
}

/* -- fields ---------------------------------------------------------------- */

enum known {
	KNOWN_FROM, KNOWN_DATE, KNOWN_MESSAGE_ID, KNOWN_TO, KNOWN_CC, KNOWN_SUBJECT, KNOWN_REPLY_TO, KNOWN_SENDER, KNOWN_IN_REPLY_TO,
	KNOWN_REFERENCES, KNOWN_MIME_VERSION, KNOWN_CONTENT_TYPE, KNOWN_ONCE,
	KNOWN_UNSUBSCRIBE = KNOWN_ONCE, KNOWN_UNSUBSCRIBE_POST, KNOWN_LIST_ID, KNOWN_PRECEDENCE, KNOWN_RETURN_PATH,
	KNOWN_FIELDS
};

/* Those in front of KNOWN_ONCE may stand there once. */
static const struct str names[KNOWN_FIELDS] = {
	S("From"), S("Date"), S("Message-ID"), S("To"), S("Cc"), S("Subject"), S("Reply-To"), S("Sender"), S("In-Reply-To"),
	S("References"), S("MIME-Version"), S("Content-Type"),
	S("List-Unsubscribe"), S("List-Unsubscribe-Post"), S("List-Id"), S("Precedence"), S("Return-Path"),
};

struct fields {
	bool has[KNOWN_FIELDS];
	struct str value[KNOWN_FIELDS];          /* unfolded */
};

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) > 126)
			return false;
	return true;
}

static void take_field(struct mail_score *s, struct fields *all, const struct field *f, struct arena *a)
{
	if (!is_ascii(f->value) || !is_ascii(f->name))
		mail_score_add(s, FLAW_RAW_HEADER, arena_str(a, f->name));
	for (unsigned k = 0; k < KNOWN_FIELDS; k++) {
		if (!str_eq_nocase(f->name, names[k]))
			continue;
		if (all->has[k] && k < KNOWN_ONCE)
			mail_score_add(s, FLAW_TWICE, names[k]);
		if (!all->has[k])
			all->value[k] = header_unfold(f->value, a);
		all->has[k] = true;
	}
}

static void read_fields(struct mail_score *s, struct str letter, struct fields *all, struct arena *a)
{
	struct header h = header_of(letter);
	struct field f;

	while (header_next(&h, &f))
		take_field(s, all, &f, a);
	if (h.is_malformed)
		mail_score_add(s, FLAW_MALFORMED, arena_str(a, str_head(str_from(letter, h.at), str_find(str_from(letter, h.at), '\n'))));
}

/* -- who ------------------------------------------------------------------- */

static struct mail_address *first_address(struct str value, struct arena *a, size_t *ret_n)
{
	struct mail_address *list = NULL;

	*ret_n = 0;
	mail_address_parse(value, a, &list, ret_n);
	while (list && list->kind != MAIL_MAILBOX)
		list = list->next;
	return list && list->mailbox.n && list->domain.n && !list->is_broken ? list : NULL;
}

static void judge_people(struct mail_score *s, const struct fields *all, struct arena *a)
{
	const struct mail_address *from, *reply;
	struct str path = str_trim(all->value[KNOWN_RETURN_PATH]);
	size_t n;

	from = first_address(all->value[KNOWN_FROM], a, &n);
	if (!from)
		mail_score_add(s, FLAW_NO_FROM, all->value[KNOWN_FROM]);
	else
		s->from = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(from->mailbox), STR_ARG(from->domain));
	reply = first_address(all->value[KNOWN_REPLY_TO], a, &n);
	if (from && reply && !mail_score_is_kin(from->domain, reply->domain))
		mail_score_add(s, FLAW_REPLY_ELSEWHERE, reply->domain);
	if (!str_trim(all->value[KNOWN_TO]).n && !str_trim(all->value[KNOWN_CC]).n)
		mail_score_add(s, FLAW_NO_TO, S(""));
	if (str_starts(path, S("<")) && str_ends(path, S(">")))
		s->return_path = str_sub(path, 1, path.n - 2);
}

/* -- when, which, what ----------------------------------------------------- */

/* msg-id = "<" left "@" right ">"     RFC 5322 §3.6.4 */
static bool is_message_id(struct str id)
{
	size_t at = str_rfind(id, '@');
	struct str host = str_sub(id, at + 1, id.n - at < 2 ? 0 : id.n - at - 2);

	return str_starts(id, S("<")) && str_ends(id, S(">")) && at > 1 && at < id.n && str_has(host, '.') && !str_has(id, ' ') &&
	       !str_ends_nocase(host, S(".localdomain")) && !str_ends_nocase(host, S(".local"));
}

static void judge_marks(struct mail_score *s, const struct fields *all, int64_t now)
{
	struct str date = all->value[KNOWN_DATE], id = str_trim(all->value[KNOWN_MESSAGE_ID]);
	struct mail_date when;

	if (!all->has[KNOWN_DATE])
		mail_score_add(s, FLAW_NO_DATE, S(""));
	else if (!mail_date_parse(date, &when) || when.utc > now / SECOND + AHEAD_MAX)
		mail_score_add(s, FLAW_BAD_DATE, date);
	if (!all->has[KNOWN_MESSAGE_ID])
		mail_score_add(s, FLAW_NO_MESSAGE_ID, S(""));
	else if (!is_message_id(id))
		mail_score_add(s, FLAW_BAD_MESSAGE_ID, id);
	if (all->has[KNOWN_CONTENT_TYPE] && !all->has[KNOWN_MIME_VERSION])
		mail_score_add(s, FLAW_NO_MIME_VERSION, S(""));
}

static void judge_subject(struct mail_score *s, struct str raw)
{
	AUTO(buf_end) struct buf b = buf_on_heap(SUBJECT_MAX);
	size_t small = 0, capital = 0;
	struct str text;

	mime_header_decode(raw, &b);
	text = str_trim(buf_str(&b));
	for (size_t i = 0; i < text.n; i++) {
		capital += str_at(text, i) >= 'A' && str_at(text, i) <= 'Z';
		small += (str_at(text, i) >= 'a' && str_at(text, i) <= 'z') || str_at(text, i) > 126;
	}
	if (!text.n)
		mail_score_add(s, FLAW_NO_SUBJECT, S(""));
	else if (!small && capital >= LOUD_LEAST)
		mail_score_add(s, FLAW_LOUD_SUBJECT, S(""));
}

/* "<https://host/…>, <mailto:x@host>": the host of the first of that scheme. */
static struct str host_behind(struct str value, struct str scheme)
{
	size_t at = str_find_str(value, scheme), n = 0;
	struct str rest = str_from(value, at + scheme.n);
	bool is_mail = str_eq(scheme, S("<mailto:"));

	if (at == value.n)
		return S("");
	rest = str_head(rest, str_find(rest, '>'));
	if (is_mail)
		rest = str_from(rest, str_find(rest, '@') + 1);
	while (n < rest.n && !str_has(S("/?:#"), rest.p[n]))
		n++;
	return str_head(rest, n);
}

static bool is_for_many(const struct fields *all)
{
	struct str precedence = str_trim(all->value[KNOWN_PRECEDENCE]);

	return all->has[KNOWN_LIST_ID] || str_eq_nocase(precedence, S("bulk")) || str_eq_nocase(precedence, S("list"));
}

static void judge_unsubscribe(struct mail_score *s, const struct fields *all)
{
	struct str value = all->value[KNOWN_UNSUBSCRIBE], web = host_behind(value, S("<https://")), host = web;
	struct str domain = str_from(s->from, str_rfind(s->from, '@') + 1);

	if (!all->has[KNOWN_UNSUBSCRIBE]) {
		if (is_for_many(all))
			mail_score_add(s, FLAW_NO_UNSUBSCRIBE, S(""));
		return;
	}
	if (!web.n || !all->has[KNOWN_UNSUBSCRIBE_POST])
		mail_score_add(s, FLAW_NO_ONE_CLICK, S(""));
	host = host.n ? host : host_behind(value, S("<mailto:"));
	if (host.n && domain.n && !mail_score_is_kin(host, domain))
		mail_score_add(s, FLAW_UNSUBSCRIBE_ELSEWHERE, host);
}

/* -- all ------------------------------------------------------------------- */

static void judge_lines(struct mail_score *s, struct str letter, struct arena *a)
{
	for (size_t number = 1; letter.n; number++) {
		struct str line = str_cut(letter, '\n', &letter);

		if (line.n > LINE_MAX_OCTETS + 1 || (line.n == LINE_MAX_OCTETS + 1 && !str_ends(line, S("\r")))) {
			mail_score_add(s, FLAW_LONG_LINE, arena_printf(a, "line %zu has %zu", number, line.n));
			return;
		}
	}
}

bool mail_score_read(struct str letter, int64_t now, struct arena *a, struct mail_score *ret)
{
	struct fields *all = ARENA_NEW(a, struct fields);
	struct mime_part *root = mime_parse(letter, a);

	*ret = (struct mail_score){ 0 };
	if (!all || !root)
		return false;
	read_fields(ret, letter, all, a);
	judge_people(ret, all, a);
	judge_marks(ret, all, now);
	judge_subject(ret, all->value[KNOWN_SUBJECT]);
	judge_unsubscribe(ret, all);
	judge_lines(ret, letter, a);
	mail_score_text(ret, letter, root, a);
	if (letter.n > MAIL_SCORE_BIG)
		mail_score_add(ret, FLAW_BIG, arena_printf(a, "%zu MiB", letter.n >> 20));
	return !a->full;
}
