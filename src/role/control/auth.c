/* auth.c — waxwing test auth: who a letter is from; `scan` looks at it. */
#include "role/control/control.h"

enum { OUT_MAX = 6 << 20, TEXT_MAX = 2000, LINE_MAX_SHOWN = 16 << 10 };

static bool read_args(struct command *c, struct scan_auth *q)
{
	struct {
		struct str word;
		struct str *to;
	} options[] = { { S("--ip"), &q->peer }, { S("--helo"), &q->helo }, { S("--from"), &q->mail_from } };

	for (size_t i = 0, step; i < c->n_args; i += step) {
		bool is_flag = str_eq(c->args[i].text, S("--hash-inputs"));
		size_t k = 0;

		step = is_flag ? 1 : 2;
		q->wants_inputs |= is_flag;
		if (is_flag)
			continue;
		while (k < ARRAY_LEN(options) && !str_eq(c->args[i].text, options[k].word))
			k++;
		if (k == ARRAY_LEN(options) || i + 1 == c->n_args)
			return false;
		*options[k].to = c->args[i + 1].text;
	}
	return true;
}

static void print_text(struct buf *b, const struct scan_auth_answer *r)
{
	for (size_t i = 0; i < r->lines.n; i++) {
		const struct ipc_auth_line *l = &r->lines.p[i];

		buf_addf(b, "%-6.*s %-10.*s ", STR_ARG(str_head(l->method, 6)), STR_ARG(str_head(l->result, 10)));
		buf_add_printable(b, l->text, TEXT_MAX);
		buf_add_char(b, '\n');
	}
}

/* The field, line by line. */
static void print_field(struct buf *b, struct str field)
{
	buf_add_char(b, '\n');
	while (field.n) {
		struct str line = str_cut(field, '\n', &field), rest = str_trim(line);

		if (str_at(line, 0) == '\t')
			buf_add_char(b, '\t');
		buf_add_printable(b, rest, TEXT_MAX);
		buf_add_char(b, '\n');
	}
}

/* The octets, line by line: what a line ends in is not printed, all else that cannot be seen is \\xNN. */
static void print_inputs(struct buf *b, const struct scan_auth_answer *r)
{
	for (size_t i = 0; i < r->inputs.n; i++) {
		const struct ipc_hash_input *in = &r->inputs.p[i];
		struct str rest = in->octets;

		buf_add(b, S("\n== "));
		buf_add_printable(b, in->what, TEXT_MAX);
		buf_addf(b, ": %llu octets, SHA-256 " STR_FMT "\n", (unsigned long long)in->size, STR_ARG(in->sha256));
		while (rest.n) {
			size_t at = str_find_str(rest, S("\r\n"));

			buf_add_printable(b, str_head(rest, at), LINE_MAX_SHOWN);
			buf_add_char(b, '\n');
			rest = str_from(rest, at + 2);
		}
		if (in->octets.n < in->size)
			buf_addf(b, "== and %llu more\n", (unsigned long long)(in->size - in->octets.n));
	}
}

static void print_json(struct buf *b, const struct scan_auth_answer *r)
{
	struct json j = json_to(b);

	json_object(&j, NULL);
	json_bool(&j, "ok", r->is_good);
	json_array(&j, "results");
	for (size_t i = 0; i < r->lines.n; i++) {
		json_object(&j, NULL);
		json_str(&j, "method", r->lines.p[i].method);
		json_str(&j, "result", r->lines.p[i].result);
		json_str(&j, "text", r->lines.p[i].text);
		json_end_object(&j);
	}
	json_end_array(&j);
	json_str(&j, "field", r->field);
	json_array(&j, "hash_inputs");
	for (size_t i = 0; i < r->inputs.n; i++) {
		json_object(&j, NULL);
		json_str(&j, "of", r->inputs.p[i].what);
		json_int(&j, "octets", (int64_t)r->inputs.p[i].size);
		json_str(&j, "sha256", r->inputs.p[i].sha256);
		json_str(&j, "begin", r->inputs.p[i].octets);
		json_end_object(&j);
	}
	json_end_array(&j);
	json_end_object(&j);
	buf_add_char(b, '\n');
}

SUSPENDS int run_test_auth(struct command *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(OUT_MAX);
	struct scan_auth q = { .letter = c->channel };
	struct scan_auth_answer r;
	struct err e;

	if (!read_args(c, &q))
		return complain(c, EXIT_USAGE, S("usage: waxwing test auth [--ip IP] [--helo NAME] [--from ADDRESS] [--hash-inputs] < LETTER"));
	if (!scan_auth(link_to(ROLE_SCAN), &q, &r, c->a, &e))
		return complain_err(c, &e);
	if (c->is_json) {
		print_json(&b, &r);
	} else {
		print_text(&b, &r);
		print_field(&b, r.field);
		print_inputs(&b, &r);
	}
	say(c, buf_str(&b));
	return r.is_good ? EXIT_DONE : EXIT_NO;
}
