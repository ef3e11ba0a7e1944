/* mailbox.c — waxwing mailbox: `user` says whose mailbox is meant, the parent gives a channel to it, it
 * answers.  What comes from there is an account's own: it is printed, never believed. */
#include "role/control/control.h"

enum { TEXT_MAX = 8 << 20 };             /* octets of an answer */
enum { HAND_OVER_TRIES = 5 };
#define HAND_OVER_PAUSE (50 * MILLISECOND)

/* The mailbox of the account that args[at] names, until link_let_go(). */
SUSPENDS static struct link *mailbox_reach(struct command *c, size_t at, struct err *e)
{
	struct parent_mailbox_answer granted;
	struct user_whose_answer who;
	struct link *l = NULL;

	if (user_whose(link_to(ROLE_USER), &(struct user_whose){ .name = c->args[at].text }, &who, c->a, e) &&
	    parent_mailbox(self.parent, &(struct parent_mailbox){ .account = who.account }, &granted, c->a, e))
		l = link_open(granted.channel, ROLE_CONTROL, ROLE_MAILBOX, 0, who.account, &self.fibers, e);
	if (l)
		link_keep(l);
	return l;
}

/* NULL after a complaint. */
SUSPENDS static struct link *mailbox_open(struct command *c, size_t at)
{
	struct err e = { 0 };
	struct link *l = mailbox_reach(c, at, &e);

	if (!l)
		complain_err(c, &e);
	return l;
}

static int finish(struct command *c, struct link *l, bool ok, const struct err *e, struct str done)
{
	if (!ok)
		complain_err(c, e);
	link_let_go(l);
	return ok ? say_done(c, done) : EXIT_NO;
}

/* ---- list ---- */

static void folder_print(struct buf *b, struct json *j, const struct ipc_folder *f)
{
	if (j) {
		json_object(j, NULL);
		json_str(j, "name", f->name);
		json_str(j, "use", f->use);
		json_bool(j, "exists", f->exists);
		json_bool(j, "subscribed", f->is_subscribed);
		json_int(j, "letters", f->letters);
		json_int(j, "unseen", f->unseen);
		json_int(j, "octets", (int64_t)f->octets);
		json_end_object(j);
		return;
	}
	buf_add_printable(b, f->name, 400);
	if (!f->exists)
		buf_add(b, S("  (no folder)"));
	else
		buf_addf(b, "  %u letters, %u unseen, %llu octets", f->letters, f->unseen, (unsigned long long)f->octets);
	if (f->use.n) {
		buf_add(b, S("  "));
		buf_add_printable(b, str_from(f->use, 1), 40);           /* without its backslash */
	}
	if (f->is_subscribed)
		buf_add(b, S("  subscribed"));
	buf_add_char(b, '\n');
}

SUSPENDS static bool folders_print(struct command *c, struct link *l, struct buf *b, struct json *j, struct err *e)
{
	struct mailbox_folders_answer r = { .more = 1 };

	for (uint32_t from = 0; r.more && !b->full; from += (uint32_t)r.folders.n) {
		if (!mailbox_folders(l, &(struct mailbox_folders){ .from = from }, &r, c->a, e))
			return false;
		for (size_t i = 0; i < r.folders.n; i++)
			folder_print(b, j, &r.folders.p[i]);
		if (!r.folders.n)
			break;
	}
	return true;
}

static void gone_print(struct buf *b, struct json *j, const struct ipc_gone *g)
{
	if (j) {
		char room[40];
		struct buf when = buf_over(room, sizeof(room));

		time_add_rfc3339(&when, g->when);
		json_object(j, NULL);
		json_str(j, "letter", g->name);
		json_str(j, "when", buf_str(&when));
		json_str(j, "who", g->who);
		json_str(j, "folder", g->folder);
		json_int(j, "octets", (int64_t)g->octets);
		json_end_object(j);
		return;
	}
	buf_add_printable(b, g->name, 300);
	buf_add(b, S("  "));
	time_add_rfc3339(b, g->when);
	buf_add(b, S("  from "));
	buf_add_printable(b, g->folder, 400);
	buf_addf(b, ", %llu octets, by ", (unsigned long long)g->octets);
	buf_add_printable(b, g->who, 200);
	buf_add_char(b, '\n');
}

SUSPENDS static bool gones_print(struct command *c, struct link *l, struct buf *b, struct json *j, struct err *e)
{
	struct mailbox_gone_answer r = { .more = 1 };

	for (uint32_t from = 0; r.more && !b->full; from += (uint32_t)r.letters.n) {
		if (!mailbox_gone(l, &(struct mailbox_gone){ .from = from }, &r, c->a, e))
			return false;
		for (size_t i = 0; i < r.letters.n; i++)
			gone_print(b, j, &r.letters.p[i]);
		if (!r.letters.n)
			break;
	}
	return true;
}

/* All rows, as lines or as one JSON array. */
SUSPENDS static int listing(struct command *c, size_t name_at, bool is_gone)
{
	AUTO(buf_end) struct buf b = buf_on_heap(TEXT_MAX);
	struct json j = json_to(&b);
	struct link *l = mailbox_open(c, name_at);
	struct err e = { 0 };
	bool ok;

	if (!l)
		return EXIT_NO;
	if (c->is_json)
		json_array(&j, NULL);
	ok = is_gone ? gones_print(c, l, &b, c->is_json ? &j : NULL, &e) :
		       folders_print(c, l, &b, c->is_json ? &j : NULL, &e);
	if (!ok)
		return finish(c, l, false, &e, S(""));
	link_let_go(l);
	if (c->is_json) {
		json_end_array(&j);
		buf_add_char(&b, '\n');
	}
	say(c, buf_str(&b));
	return EXIT_DONE;
}

SUSPENDS int run_mailbox_list(struct command *c)
{
	return listing(c, 0, false);
}

/* ---- status ---- */

static void usage_print(struct buf *b, const struct command *c, const struct mailbox_usage_answer *u)
{
	struct json j = json_to(b);

	if (!c->is_json) {
		buf_addf(b, "%llu letters, %llu octets", (unsigned long long)u->letters, (unsigned long long)u->octets);
		if (u->octets_max)
			buf_addf(b, "; at most %llu octets", (unsigned long long)u->octets_max);
		if (u->letters_max)
			buf_addf(b, "; at most %llu letters", (unsigned long long)u->letters_max);
		buf_add_char(b, '\n');
		return;
	}
	json_object(&j, NULL);
	json_int(&j, "letters", (int64_t)u->letters);
	json_int(&j, "octets", (int64_t)u->octets);
	json_int(&j, "letters_max", (int64_t)u->letters_max);
	json_int(&j, "octets_max", (int64_t)u->octets_max);
	json_end_object(&j);
	buf_add_char(b, '\n');
}

SUSPENDS int run_mailbox_status(struct command *c)
{
	struct mailbox_usage_answer u;
	struct link *l = mailbox_open(c, 0);
	char room[400];
	struct buf b = buf_over(room, sizeof(room));
	struct err e;

	if (!l)
		return EXIT_NO;
	if (!mailbox_usage(l, &(struct mailbox_usage){ 0 }, &u, c->a, &e))
		return finish(c, l, false, &e, S(""));
	link_let_go(l);
	usage_print(&b, c, &u);
	say(c, buf_str(&b));
	return EXIT_DONE;
}

/* ---- folders ---- */

SUSPENDS static int change(struct command *c, bool is_deletion)
{
	struct mailbox_folder_answer r;
	struct link *l = mailbox_open(c, 0);
	struct err e = { 0 };
	bool ok;

	if (!l)
		return EXIT_NO;
	ok = mailbox_folder(l, &(struct mailbox_folder){ .is_deletion = is_deletion, .folder = c->args[1].text,
							 .by = by_whom(c) }, &r, c->a, &e);
	return finish(c, l, ok, &e, is_deletion ? S("the folder is deleted; its letters rest in gone") :
						  S("the folder is there"));
}

SUSPENDS int run_mailbox_create(struct command *c)
{
	return change(c, false);
}

SUSPENDS int run_mailbox_delete(struct command *c)
{
	return change(c, true);
}

/* ---- verify ---- */

/* Lines, each made printable. */
static void report_print(struct buf *b, struct str report)
{
	while (report.n) {
		struct str line = str_cut(report, '\n', &report);

		buf_add_printable(b, line, 1000);
		buf_add_char(b, '\n');
	}
}

SUSPENDS int run_mailbox_verify(struct command *c)
{
	AUTO(buf_end) struct buf b = buf_on_heap(TEXT_MAX);
	struct mailbox_verify_answer r;
	bool repair = c->n_args > 1 && str_eq(c->args[1].text, S("--repair"));
	struct json j = json_to(&b);
	struct link *l;
	struct err e;

	if (c->n_args > 1 && !repair)
		return complain(c, EXIT_USAGE, S("usage: waxwing mailbox verify NAME [--repair]"));
	l = mailbox_open(c, 0);
	if (!l)
		return EXIT_NO;
	if (!mailbox_verify(l, &(struct mailbox_verify){ .repair = repair }, &r, c->a, &e))
		return finish(c, l, false, &e, S(""));
	link_let_go(l);
	if (c->is_json) {
		json_object(&j, NULL);
		json_int(&j, "folders", (int64_t)r.folders);
		json_int(&j, "letters", (int64_t)r.letters);
		json_int(&j, "indexed", (int64_t)r.indexed);
		json_int(&j, "findings", (int64_t)r.findings);
		json_str(&j, "report", r.report);
		json_end_object(&j);
		buf_add_char(&b, '\n');
	} else {
		report_print(&b, r.report);
		buf_addf(&b, "%llu folders, %llu letters, %llu of them in the search index: %llu findings%s\n",
			 (unsigned long long)r.folders, (unsigned long long)r.letters,
			 (unsigned long long)r.indexed, (unsigned long long)r.findings, r.findings && repair ? ", repaired" : "");
	}
	say(c, buf_str(&b));
	return r.findings && !repair ? EXIT_NO : EXIT_DONE;
}

/* ---- gone ---- */

SUSPENDS static int restore(struct command *c)
{
	struct mailbox_restore_answer r;
	struct link *l = mailbox_open(c, 1);
	struct err e = { 0 };
	bool ok;

	if (!l)
		return EXIT_NO;
	ok = mailbox_restore(l, &(struct mailbox_restore){ .letter = c->args[2].text, .by = by_whom(c),
			.folder = c->n_args > 3 ? c->args[3].text : S("") }, &r, c->a, &e);
	return finish(c, l, ok, &e, S("the letter is back, with a new UID"));
}

SUSPENDS int run_mailbox_gone(struct command *c)
{
	struct str what = c->args[0].text;

	if (str_eq(what, S("list")) && c->n_args == 2)
		return listing(c, 1, true);
	if (str_eq(what, S("restore")) && c->n_args >= 3)
		return restore(c);
	return complain(c, EXIT_USAGE, S("usage: waxwing mailbox gone list NAME | restore NAME LETTER [FOLDER]"));
}

/* ---- import, export ---- */

SUSPENDS static bool try_hand_over(struct command *c, size_t name_at, struct err *e)
{
	struct link *l = mailbox_reach(c, name_at, e);
	struct mailbox_transfer_answer r;
	bool ok;

	if (!l)
		return false;
	ok = mailbox_transfer(l, &(struct mailbox_transfer){ .by = by_whom(c), .channel = c->channel }, &r, c->a, e);
	link_let_go(l);
	return ok;
}

/* What follows is between the tool and the mailbox.  A process that ends in this moment has a successor. */
SUSPENDS static int hand_over(struct command *c, size_t name_at)
{
	struct err e = { 0 };

	if (c->channel <= 0)
		return complain(c, EXIT_USAGE, S("no channel came with the command"));
	for (int tries = 0; !try_hand_over(c, name_at, &e); tries++)
		if (!link_is_away(&e) || tries == HAND_OVER_TRIES || !fiber_sleep(HAND_OVER_PAUSE, &e))
			return complain_err(c, &e);
	return EXIT_DONE;
}

SUSPENDS int run_import_maildir(struct command *c)
{
	return hand_over(c, 1);
}

SUSPENDS int run_import_mbox(struct command *c)
{
	return hand_over(c, 1);
}

SUSPENDS int run_export_maildir(struct command *c)
{
	return hand_over(c, 0);
}

SUSPENDS int run_export_mbox(struct command *c)
{
	return hand_over(c, 0);
}
