/* doctor_note.c — findings; see doctor.h. */
#include "role/control/doctor.h"

#include <stdarg.h>
#include <stdio.h>

enum { SENTENCE_MAX = 1500 };

const char *grade_name(enum grade g)
{
	static const char *const names[] = { "skipped", "ok", "warn", "fail" };

	return names[g];
}

PRINTF_LIKE(2, 0) static struct str sentence(struct arena *a, const char *fmt, va_list ap)
{
	char mem[SENTENCE_MAX];
	int n = vsnprintf(mem, sizeof(mem), fmt, ap);
	struct str text = str_of(mem, n < 0 ? 0 : (size_t)n < sizeof(mem) ? (size_t)n : sizeof(mem) - 1);

	return arena_str(a, text);
}

void note(struct patient *p, enum grade g, const char *fmt, ...)
{
	struct finding *f = p->f;
	va_list ap;

	if (f->n == DOCTOR_NOTES_MAX)
		return;
	va_start(ap, fmt);
	f->note[f->n] = sentence(p->a, fmt, ap);
	va_end(ap);
	f->note_grade[f->n++] = g;
	if (g <= f->grade)
		return;
	f->grade = g;
	f->remedy = f->ticket = S("");
}

/* Lines that say the same say it once. */
static void add_line(struct patient *p, struct str *to, struct str line)
{
	struct str rest = *to;

	while (rest.n)
		if (str_eq(str_cut(rest, '\n', &rest), line))
			return;
	*to = to->n ? arena_printf(p->a, STR_FMT "\n" STR_FMT, STR_ARG(*to), STR_ARG(line)) : line;
}

static bool is_about_the_worst(const struct finding *f)
{
	return f->n && f->note_grade[f->n - 1] == f->grade && f->grade >= GRADE_WARN;
}

void remedy(struct patient *p, const char *fmt, ...)
{
	va_list ap;

	if (!is_about_the_worst(p->f))
		return;
	va_start(ap, fmt);
	add_line(p, &p->f->remedy, sentence(p->a, fmt, ap));
	va_end(ap);
}

void ticket(struct patient *p, const char *fmt, ...)
{
	va_list ap;

	if (!is_about_the_worst(p->f))
		return;
	va_start(ap, fmt);
	add_line(p, &p->f->ticket, sentence(p->a, fmt, ap));
	va_end(ap);
}

bool note_unclear(struct patient *p, struct str name, const char *type, enum dns_outcome o)
{
	if (o == DNS_BOGUS) {
		note(p, GRADE_FAIL, "%s of " STR_FMT ": DNSSEC says that the answer is forged or broken", type, STR_ARG(name));
		remedy(p, "Mend the DNSSEC of the zone: its signatures or the DS record at the parent are wrong; "
			  "waxwing dns lookup %s " STR_FMT " shows what is wrong.", type, STR_ARG(name));
	} else {
		note(p, GRADE_WARN, "%s of " STR_FMT ": no useful answer", type, STR_ARG(name));
		remedy(p, "Try again later; if it stays so, mend the name servers of the zone: waxwing dns lookup %s " STR_FMT
			  " shows what they say.", type, STR_ARG(name));
	}
	return true;
}
