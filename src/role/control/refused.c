/* refused.c — commands about letters that were refused. */
#include "role/control/control.h"

#include "base/id.h"
#include "user/entry.h"
#include "wire/smtp_reply.h"

#include <stdlib.h>

enum { TABLE_BYTES = 64 << 20, LETTERS_MAX = 200000 };

/* The ring, read once: each letter with what became of it. */
struct letters {
	struct arena a;
	struct ipc_refused *p;
	size_t n, cap;
};

static void letters_end(struct letters *l)
{
	arena_end(&l->a);
	free(l->p);
}

static bool keep_letter(struct letters *l, const struct ipc_refused *x)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;
		struct ipc_refused *p = cap <= LETTERS_MAX ? reallocarray(l->p, cap, sizeof(*p)) : NULL;

		if (!p)
			return false;
		l->p = p;
		l->cap = cap;
	}
	l->p[l->n] = *x;
	l->p[l->n].is_mark = false;
	for (struct str *s[] = { &l->p[l->n].from, &l->p[l->n].rcpts, &l->p[l->n].peer, &l->p[l->n].host, &l->p[l->n].helo,
				 &l->p[l->n].tls, &l->p[l->n].why }, **at = s; at < s + ARRAY_LEN(s); at++)
		**at = arena_str(&l->a, **at);
	l->n++;
	return !l->a.full;
}

/* From then on is_mark means: it was released. */
static void mark(struct letters *l, uint64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->p[i].id == id)
			l->p[i].is_mark = true;
}

SUSPENDS static bool read_ring(struct letters *l, struct err *e)
{
	struct queue_refused_list_answer r = { .more = 1 };

	*l = (struct letters){ .a = { .limit = TABLE_BYTES } };
	while (r.more) {
		AUTO(arena_end) struct arena a = { 0 };

		if (!queue_refused_list(link_to(ROLE_QUEUE), &(struct queue_refused_list){ .file = r.file, .at = r.at }, &r, &a, e))
			return false;
		for (size_t i = 0; i < r.letters.n; i++) {
			if (r.letters.p[i].is_mark)
				mark(l, r.letters.p[i].id);
			else if (!keep_letter(l, &r.letters.p[i]))
				return fail(e, FAULT_TEMP, "there are too many refused letters to show");
		}
	}
	return true;
}

static const char *rule_of(const struct ipc_refused *x)
{
	return x->reply < REPLY_COUNT ? reply_row((enum reply_id)x->reply)->name : "?";
}

static void add_printable(struct buf *b, const char *name, struct str s)
{
	if (!s.n)
		return;
	buf_add(b, str_from_z(name));
	buf_add_printable(b, s, 300);
}

static void print_letter(struct buf *b, struct json *j, const struct ipc_refused *x)
{
	char mem[40];
	struct buf when = buf_over(mem, sizeof(mem));
	struct id_text id = id_print(x->id);

	time_add_rfc3339(&when, x->when);
	if (!j) {
		buf_addf(b, "%s  " STR_FMT "  <", id.z, STR_ARG(buf_str(&when)));
		buf_add_printable(b, x->from, 200);
		buf_add(b, S("> to "));
		buf_add_printable(b, x->rcpts, 200);
		buf_addf(b, "  from " STR_FMT, STR_ARG(x->peer));
		add_printable(b, x->host_confirmed ? " " : " perhaps ", x->host);
		add_printable(b, ", HELO ", x->helo);
		buf_addf(b, "  %llu bytes  %s%s", (unsigned long long)x->size, x->is_mark ? "released, was " : "", rule_of(x));
		add_printable(b, ": ", x->why);
		buf_add_char(b, '\n');
		return;
	}
	json_object(j, NULL);
	json_str(j, "id", str_from_z(id.z));
	json_str(j, "when", buf_str(&when));
	json_str(j, "from", x->from);
	json_str(j, "to", x->rcpts);
	json_str(j, "peer", x->peer);
	json_str(j, "host", x->host);
	json_bool(j, "host_confirmed", x->host_confirmed);
	json_str(j, "helo", x->helo);
	json_str(j, "tls", x->tls);
	json_int(j, "bytes", (int64_t)x->size);
	json_str(j, "rule", str_from_z(rule_of(x)));
	json_str(j, "why", x->why);
	json_bool(j, "released", x->is_mark);
	json_end_object(j);
}

static bool has_word(const struct ipc_refused *x, struct str word)
{
	return str_find_str(x->from, word) < x->from.n || str_find_str(x->rcpts, word) < x->rcpts.n ||
	       str_find_str(x->peer, word) < x->peer.n || str_find_str(x->host, word) < x->host.n ||
	       str_find_str(x->helo, word) < x->helo.n;
}

SUSPENDS int run_refused_list(struct command *c)
{
	AUTO(letters_end) struct letters l = { 0 };
	AUTO(buf_end) struct buf b = buf_on_heap(TABLE_BYTES);
	struct json j = json_to(&b);
	struct err e = { 0 };

	if (!read_ring(&l, &e))
		return complain_err(c, &e);
	if (c->is_json)
		json_array(&j, NULL);
	for (size_t i = 0; i < l.n; i++)
		if (!c->n_args || has_word(&l.p[i], c->args[0].text))
			print_letter(&b, c->is_json ? &j : NULL, &l.p[i]);
	if (c->is_json) {
		json_end_array(&j);
		buf_add_char(&b, '\n');
	}
	say(c, buf_str(&b));
	return EXIT_DONE;
}

/* false: *ret_code says it. */
SUSPENDS static bool find_letter(struct command *c, struct queue_refused_one_answer *r, uint64_t *ret_mask, int *ret_code)
{
	struct queue_refused_one q;
	struct err e;

	*ret_code = EXIT_USAGE;
	if (!id_ending_parse(c->args[0].text, &q.id, &q.mask)) {
		complain(c, EXIT_USAGE, S("that is no id, nor the end of one"));
		return false;
	}
	if (queue_refused_one(link_to(ROLE_QUEUE), &q, r, c->a, &e) && r->letters.n == 1) {
		r->letters.p[0].is_mark = r->is_released;
		*ret_mask = q.mask;
		return true;
	}
	*ret_code = complain_err(c, &e);
	return false;
}

/* Strangers' bytes do not steer a terminal. */
static void add_text(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		int ch = str_at(text, i);

		if (ch == '\r')
			continue;
		buf_add_char(b, (ch < ' ' && ch != '\n' && ch != '\t') || ch == 0x7f || (ch >= 0x80 && ch < 0xa0) ? '?' : (char)ch);
	}
}

SUSPENDS int run_refused_show(struct command *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(1 << 20);
	struct json j = json_to(&b);
	struct queue_refused_one_answer r = { 0 };
	uint64_t mask;
	int code;

	if (!find_letter(c, &r, &mask, &code))
		return code;
	if (c->is_json) {
		json_array(&j, NULL);
		print_letter(&b, &j, &r.letters.p[0]);
		json_end_array(&j);
		buf_add_char(&b, '\n');
	} else {
		print_letter(&b, NULL, &r.letters.p[0]);
		buf_add(&b, r.head.n ? S("\n") : S("\nIts text never came.\n"));
		add_text(&b, r.head);
		if (r.head.n < r.letters.p[0].size)
			buf_addf(&b, "\n(%llu bytes more)\n", (unsigned long long)(r.letters.p[0].size - r.head.n));
	}
	say(c, buf_str(&b));
	return EXIT_DONE;
}

SUSPENDS int run_refused_release(struct command *c)
{
	struct queue_refused_release q = { .by = by_whom(c) };
	struct queue_refused_release_answer r;
	struct err e;

	if (!id_ending_parse(c->args[0].text, &q.id, &q.mask))
		return complain(c, EXIT_USAGE, S("that is no id, nor the end of one"));
	if (!queue_refused_release(link_to(ROLE_QUEUE), &q, &r, c->a, &e))
		return complain_err(c, &e);
	return say_done(c, arena_printf(c->a, "%s is accepted and on its way", ID_Z(r.id)));
}

/* -- allow ----------------------------------------------------------------- */

/* What to allow so that this letter would have come in. */
static bool what_to_allow(const struct ipc_refused *x, struct str kind, struct arena *a, struct str *ret, struct err *e)
{
	if (str_eq(kind, S("client"))) {
		*ret = x->peer;
	} else if (str_eq(kind, S("host"))) {
		if (!x->host_confirmed)
			return fail(e, FAULT_PERM, "no name was found that leads back to " STR_FMT "; allow the client, or the sender",
				    STR_ARG(str_head(x->peer, 60)));
		*ret = arena_printf(a, "host:" STR_FMT, STR_ARG(x->host));
	} else if (!x->from.n) {
		return fail(e, FAULT_PERM, "it has no sender: it is a report; allow the client, or the host");
	} else {
		*ret = str_eq(kind, S("sender")) ? x->from : str_from(x->from, str_rfind(x->from, '@') + 1);
	}
	return true;
}

static bool lets_in(const struct entry_set *s, const struct ipc_refused *x)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct net_address peer;
	struct entry_subject q = { .peer = net_address_parse(x->peer, &peer) ? &peer : NULL, .host = x->host,
				   .is_confirmed = x->host_confirmed, .from = x->from }, folded;
	struct entry_found found = { 0 };

	if (!entry_subject_fold(&q, &a, &folded))
		return false;
	entry_set_find(s, &folded, time_now(), &found);
	return found.entry;
}

/* The other letters of the ring that would come in with it. */
SUSPENDS static bool add_others(struct buf *b, const struct entry *x, uint64_t id, struct err *e)
{
	AUTO(letters_end) struct letters l = { 0 };
	AUTO(entry_set_end) struct entry_set s = { 0 };
	size_t n = 0;

	if (!entry_set_add(&s, x))
		return fail(e, FAULT_TEMP, "out of memory");
	if (!read_ring(&l, e))
		return false;
	for (size_t i = 0; i < l.n; i++)
		if (l.p[i].id != id && lets_in(&s, &l.p[i])) {
			if (n++ == 0)
				buf_add(b, S("It would also let in these, which were refused:\n"));
			print_letter(b, NULL, &l.p[i]);
		}
	if (!n)
		buf_add(b, S("It would let in nothing else of what was refused lately.\n"));
	return true;
}

SUSPENDS static int add_exception(struct command *c, struct str what, struct buf *b)
{
	struct user_entry_add q = { .kind = ENTRY_ALLOW, .what = what, .by = by_whom(c),
				    .reason = arena_printf(c->a, "wanted letter " STR_FMT, STR_ARG(c->args[0].text)) };
	struct user_entry_add_answer r;
	struct err e;

	if (!user_entry_add(link_to(ROLE_USER), &q, &r, c->a, &e))
		return complain_err(c, &e);
	buf_addf(b, "No check refuses " STR_FMT " any more; waxwing allow remove %llu ends that.\n", STR_ARG(r.what),
		 (unsigned long long)r.id);
	say(c, buf_str(b));
	return EXIT_DONE;
}

SUSPENDS int run_refused_allow(struct command *c)
{
	static const char *const kinds[] = { "sender", "domain", "host", "client" };
	AUTO(buf_end) struct buf b = buf_on_heap(TABLE_BYTES);
	struct queue_refused_one_answer r = { 0 };
	bool is_kind = false, is_meant = c->n_args == 3 && str_eq(c->args[2].text, S("--yes"));
	struct entry x = { .kind = ENTRY_ALLOW };
	struct str what;
	struct err e = { 0 };
	uint64_t mask;
	int code;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		is_kind |= str_eq(c->args[1].text, str_from_z(kinds[i]));
	if (!is_kind || (c->n_args == 3 && !is_meant))
		return complain(c, EXIT_USAGE, S("usage: waxwing refused allow ID sender|domain|host|client [--yes]"));
	if (!find_letter(c, &r, &mask, &code))
		return code;
	if (!what_to_allow(&r.letters.p[0], c->args[1].text, c->a, &what, &e) || !entry_read(what, c->a, &x, &e) ||
	    !add_others(&b, &x, r.letters.p[0].id, &e))
		return complain_err(c, &e);
	if (is_meant)
		return add_exception(c, what, &b);
	buf_addf(&b, "Nothing is changed; with --yes " STR_FMT " is exempt from checks.\n", STR_ARG(x.what));
	say(c, buf_str(&b));
	return EXIT_DONE;
}
