/* doctor.c — waxwing doctor: all checks at once, each with a deadline of its own, told in the order of the table.
 *
 * A visit is one round of checks; --watch makes one after the other and tells what differs from the one before. */
#include "role/control/doctor.h"

#include "role/control/dns_facts.h"
#include "wire/address.h"

enum {
	DOMAINS_MAX = 2000,
	AT_ONCE = 100,           /* checks under way */
	ONLY_MAX = 20,
	EXAM_MEMORY = 1 << 20,
	VISIT_MEMORY = 64 << 20,
	OUT_MAX = 64 << 20,
};
#define INTERVAL_DEFAULT (5 * MINUTE)
#define INTERVAL_LEAST (5 * SECOND)
#define TOOL_LOOKED_AFTER SECOND

enum scope { SERVER, DOMAIN };

static const struct row {
	struct str id;
	enum scope scope;
	int64_t within;
	const char *sentence;
	SUSPENDS bool (*look)(struct patient *p, struct err *e);
} rows[] = {
#define CHECK(name, id, scope, seconds, sentence) { S(id), scope, seconds * SECOND, sentence, doctor_##name },
#include "role/control/doctor.def"
#undef CHECK
};

/* One check, of the server or of a domain. */
struct exam {
	const struct row *row;
	struct patient p;
	struct finding f;
	struct arena a;
	bool is_done;
	struct wait *changed;
};

struct visit {
	struct arena a;
	struct patient common;
	struct exam *exams;
	size_t n, done;
	struct wait changed;
};

struct wishes {
	struct str domain;               /* empty: all of the configuration */
	struct str only[ONLY_MAX];
	size_t n_only;
	bool is_watch, wants_progress;
	int64_t interval;
};

/* -- a visit ------------------------------------------------------------------- */

static bool is_wanted(const struct wishes *w, const struct row *r)
{
	for (size_t i = 0; i < w->n_only; i++)
		if (str_eq(w->only[i], r->id))
			return true;
	return w->n_only == 0;
}

static void add_exam(struct visit *v, const struct row *r, struct str domain)
{
	struct exam *x = &v->exams[v->n++];

	*x = (struct exam){ .row = r, .p = v->common, .a = { .limit = EXAM_MEMORY }, .changed = &v->changed };
	x->p.domain = domain;
}

static bool add_exams(struct visit *v, const struct wishes *w, struct err *e)
{
	struct str typed = w->domain, *domains = &typed;
	size_t n = 1;

	if (!w->domain.n)
		domains = dns_facts_domains(&v->a, &n);
	if (n > DOMAINS_MAX)
		return fail(e, FAULT_PERM, "that many domains are not looked at together; name one: waxwing doctor DOMAIN");
	v->exams = ARENA_ARRAY(&v->a, struct exam, ARRAY_LEN(rows) * (n + 1));
	if (!domains || !v->exams)
		return fail(e, FAULT_TEMP, "no memory for checks");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!is_wanted(w, &rows[i]))
			continue;
		if (rows[i].scope == SERVER)
			add_exam(v, &rows[i], S(""));
		for (size_t k = 0; rows[i].scope == DOMAIN && k < n; k++)
			add_exam(v, &rows[i], domains[k]);
	}
	return true;
}

SUSPENDS static void examine(void *exam)
{
	struct exam *x = exam;
	struct err e = { 0 };
	bool ok = false;

	x->p.a = &x->a;
	x->p.f = &x->f;
	WITHIN(x->row->within)
		ok = x->row->look(&x->p, &e);
	if (!ok) {
		note(&x->p, GRADE_WARN, "it could not be finished: %s", e.timed_out ? "no answer in time" : e.text);
		remedy(&x->p, "Try again; if it stays so, see resolver and the log.");
	}
	if (!x->f.n)
		note(&x->p, GRADE_SKIPPED, "there is nothing to look at");
	x->is_done = true;
	wait_wake_all(x->changed);
}

static size_t count_done(const struct visit *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++)
		n += v->exams[i].is_done;
	return n;
}

/* On one line of a terminal, drawn over. */
static void say_progress(struct command *c, const struct visit *v)
{
	const struct exam *waits = NULL;

	for (size_t i = 0; i < v->n && !waits; i++)
		waits = v->exams[i].is_done ? NULL : &v->exams[i];
	tool_output(c->tool, &(struct tool_output){ .is_error = 1, .text = arena_printf(c->a, "\r\033[K%zu of %zu checks%s" STR_FMT,
		v->done, v->n, waits ? ", waiting for " : "", STR_ARG(waits ? waits->row->id : S(""))) });
}

SUSPENDS static bool visit_make(struct command *c, const struct wishes *w, struct visit *v, struct err *e)
{
	AUTO(nursery_end) struct nursery kids = { 0 };
	size_t begun = 0;
	bool ok = true;

	*v = (struct visit){ .a = { .limit = VISIT_MEMORY }, .common = { .suffixes = dns_facts_suffixes() } };
	v->common.a = &v->a;
	if (!patient_examine(&v->common, e) || !add_exams(v, w, e))
		return false;
	while (ok && (v->done = count_done(v)) < v->n) {
		for (; begun < v->n && begun < v->done + AT_ONCE; begun++)
			if (!fiber_start(&kids, "doctor", examine, &v->exams[begun]))
				return fail(e, FAULT_TEMP, "no memory for a fiber");
		if (w->wants_progress)
			say_progress(c, v);
		ok = wait_on(&v->changed, "checks", e);
	}
	if (w->wants_progress)
		tool_output(c->tool, &(struct tool_output){ .is_error = 1, .text = S("\r\033[K") });
	return ok;
}

static void visit_end(struct visit *v)
{
	for (size_t i = 0; i < v->n; i++)
		arena_end(&v->exams[i].a);
	arena_end(&v->a);
	*v = (struct visit){ 0 };
}

static enum grade visit_grade(const struct visit *v)
{
	enum grade worst = GRADE_SKIPPED;

	for (size_t i = 0; i < v->n; i++)
		worst = v->exams[i].f.grade > worst ? v->exams[i].f.grade : worst;
	return worst;
}

/* -- said ---------------------------------------------------------------------- */

static void print_line(struct buf *b, const char *before, struct str text)
{
	buf_addf(b, "%s", before);
	buf_add_printable(b, text, 2000);
	buf_add_char(b, '\n');
}

/* What is to be copied keeps its quotes; it is our own text, and names. */
static void print_as_is(struct buf *b, const char *before, struct str text)
{
	buf_addf(b, "%s", before);
	for (size_t i = 0; i < text.n; i++)
		buf_add_char(b, str_at(text, i) < ' ' || str_at(text, i) == 0x7F ? '?' : text.p[i]);
	buf_add_char(b, '\n');
}

static void print_exam(struct buf *b, const struct exam *x)
{
	static const char *const words[] = { "skipped", "ok", "WARN", "FAIL" };
	static const char *const marks[] = { "          - ", "            ", "          ! ", "          ! " };
	const struct finding *f = &x->f;

	buf_addf(b, "%-8s" STR_FMT "%s" STR_FMT ": %s\n", words[f->grade], STR_ARG(x->row->id), x->p.domain.n ? " " : "",
		 STR_ARG(x->p.domain), x->row->sentence);
	for (size_t i = 0; i < f->n; i++)
		print_line(b, marks[f->note_grade[i]], f->note[i]);
	for (struct str rest = f->remedy; rest.n;)
		print_as_is(b, "        remedy: ", str_cut(rest, '\n', &rest));
	for (struct str rest = f->ticket; rest.n;)
		print_as_is(b, "        to write: ", str_cut(rest, '\n', &rest));
	if (f->grade >= GRADE_WARN)
		buf_addf(b, "        more: docs/fix/" STR_FMT ".md\n", STR_ARG(x->row->id));
}

static void json_exam(struct json *j, const struct exam *x)
{
	const struct finding *f = &x->f;
	char page[80];
	struct buf b = buf_over(page, sizeof(page));

	buf_addf(&b, "docs/fix/" STR_FMT ".md", STR_ARG(x->row->id));
	json_object(j, NULL);
	json_str(j, "id", x->row->id);
	if (x->row->scope == DOMAIN)
		json_str(j, "domain", x->p.domain);
	json_str(j, "result", str_from_z(grade_name(f->grade)));
	json_str(j, "sentence", str_from_z(x->row->sentence));
	json_array(j, "evidence");
	for (size_t i = 0; i < f->n; i++) {
		json_object(j, NULL);
		json_str(j, "result", str_from_z(grade_name(f->note_grade[i])));
		json_str(j, "text", f->note[i]);
		json_end_object(j);
	}
	json_end_array(j);
	json_str(j, "remedy", f->remedy);
	json_str(j, "ticket", f->ticket);
	json_str(j, "page", buf_str(&b));
	json_end_object(j);
}

static void say_visit(struct command *c, const struct visit *v)
{
	AUTO(buf_end) struct buf b = buf_on_heap(OUT_MAX);
	struct json j = json_to(&b);
	size_t n[GRADE_FAIL + 1] = { 0 };

	for (size_t i = 0; i < v->n; i++)
		n[v->exams[i].f.grade]++;
	if (c->is_json) {
		json_object(&j, NULL);
		json_bool(&j, "ok", n[GRADE_FAIL] == 0);
		json_array(&j, "checks");
		for (size_t i = 0; i < v->n; i++)
			json_exam(&j, &v->exams[i]);
		json_end_array(&j);
		json_end_object(&j);
		buf_add_char(&b, '\n');
	} else {
		for (size_t i = 0; i < v->n; i++)
			print_exam(&b, &v->exams[i]);
		buf_addf(&b, "%zu ok, %zu warnings, %zu failed, %zu skipped\n", n[GRADE_OK], n[GRADE_WARN], n[GRADE_FAIL], n[GRADE_SKIPPED]);
	}
	say(c, buf_str(&b));
}

/* -- watching ------------------------------------------------------------------ */

static bool is_news(const struct visit *before, const struct exam *x)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct exam *was = &before->exams[i];

		if (was->row == x->row && str_eq(was->p.domain, x->p.domain))
			return was->f.grade != x->f.grade || !str_eq(was->f.remedy, x->f.remedy);
	}
	return true;
}

static void say_news(struct command *c, const struct visit *before, const struct visit *v)
{
	for (size_t i = 0; i < v->n; i++) {
		AUTO(buf_end) struct buf b = buf_on_heap(OUT_MAX);
		struct json j = json_to(&b);

		if (!is_news(before, &v->exams[i]))
			continue;
		if (c->is_json) {
			json_exam(&j, &v->exams[i]);
			buf_add_char(&b, '\n');
		} else {
			time_add_rfc3339(&b, time_now());
			buf_add_char(&b, '\n');
			print_exam(&b, &v->exams[i]);
		}
		say(c, buf_str(&b));
	}
}

/* The person at the other end may have gone. */
SUSPENDS static bool pause_for(struct command *c, int64_t us, struct err *e)
{
	for (int64_t until = time_mono() + us; time_mono() < until;)
		if (c->tool->is_dead || c->tool->has_ended || !fiber_sleep(TOOL_LOOKED_AFTER, e))
			return false;
	return !c->tool->is_dead && !c->tool->has_ended;
}

SUSPENDS static int watch(struct command *c, const struct wishes *w)
{
	struct visit before = { 0 }, now = { 0 };
	struct err e = { 0 };

	while (visit_make(c, w, &now, &e)) {
		say_news(c, &before, &now);
		visit_end(&before);
		before = now;
		now = (struct visit){ 0 };
		if (!pause_for(c, w->interval, &e))
			break;
	}
	visit_end(&now);
	visit_end(&before);
	return EXIT_DONE;
}

/* -- what was typed -------------------------------------------------------------- */

static bool is_id(struct str s)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(rows[i].id, s))
			return true;
	return false;
}

/* An option and how many words it takes off; 0: it is none, or wrong. */
static size_t read_option(struct command *c, size_t i, struct wishes *w)
{
	struct str what = c->args[i].text, value = i + 1 < c->n_args ? c->args[i + 1].text : S("");
	uint64_t seconds;

	if (str_eq(what, S("--watch"))) {
		w->is_watch = true;
		return 1;
	}
	if (str_eq(what, S("--progress"))) {
		w->wants_progress = true;
		return 1;
	}
	if (str_eq(what, S("--only")) && is_id(value) && w->n_only < ONLY_MAX) {
		w->only[w->n_only++] = value;
		return 2;
	}
	if (str_eq(what, S("--interval")) && read_seconds(value, &seconds) && seconds > 0 && seconds < 365 * 86400) {
		w->interval = (int64_t)seconds * SECOND;
		return 2;
	}
	return 0;
}

static bool read_wishes(struct command *c, struct wishes *w)
{
	size_t took;

	for (size_t i = 0; i < c->n_args; i += took) {
		took = read_option(c, i, w);
		if (took)
			continue;
		took = 1;
		if (w->domain.n || str_starts(c->args[i].text, S("-")) || !address_domain_fold(c->args[i].text, c->a, &w->domain) ||
		    str_starts(w->domain, S("[")))
			return false;
	}
	if (w->interval < INTERVAL_LEAST)
		w->interval = INTERVAL_LEAST;
	return true;
}

static struct str usage(struct command *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4096);

	buf_add(&b, S("usage: waxwing doctor [DOMAIN] [--only ID] [--watch [--interval 5m]] [--json]; IDs:"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		buf_addf(&b, " " STR_FMT, STR_ARG(rows[i].id));
	return arena_str(c->a, buf_str(&b));
}

SUSPENDS int run_doctor(struct command *c)
{
	struct wishes w = { .interval = INTERVAL_DEFAULT };
	struct visit v = { 0 };
	struct err e = { 0 };
	enum grade worst;

	if (!read_wishes(c, &w))
		return complain(c, EXIT_USAGE, usage(c));
	if (w.is_watch)
		return watch(c, &w);
	if (!visit_make(c, &w, &v, &e)) {
		visit_end(&v);
		return complain_err(c, &e);
	}
	say_visit(c, &v);
	worst = visit_grade(&v);
	visit_end(&v);
	return worst == GRADE_FAIL ? EXIT_NO : EXIT_DONE;
}
