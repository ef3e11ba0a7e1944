/* transfer.c — the questions of a tool that imports or exports; see ipc/dialogues.def for their order.
 *
 * Each tool has a channel of its own, which control handed over after it had looked who asks. */
#include "role/mailbox/transfer.h"

#include "base/fd.h"
#include "base/log.h"
#include "role/mailbox/commands.h"
#include "role/mailbox/export.h"
#include "role/mailbox/import.h"
#include "role/runtime.h"

#include <stdlib.h>
#include <unistd.h>

#define PROGRESS_EVERY (100 * MILLISECOND)

struct transfer {
	struct link *tool;
	char *by;
	bool is_busy, is_left;           /* left: the tool is gone; freed when its question ends */
	struct import *import;
	struct export *export;
	int64_t told;
};

static struct store *store;
static size_t n_transfers;

size_t transfers_n(void)
{
	return n_transfers;
}

static void transfer_free(struct transfer *t)
{
	import_close(t->import);
	export_close(t->export);
	free(t->by);
	free(t);
	n_transfers--;
	wait_wake_all(&self.stop);       /* the process looks whether it has work left */
}

void transfers_unlinked(struct link *l)
{
	struct transfer *t = l->peer == ROLE_TOOL ? l->state : NULL;

	if (!t)
		return;
	l->state = NULL;
	t->tool = NULL;
	t->is_left = true;
	if (!t->is_busy)
		transfer_free(t);
}

static bool serve_transfer(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct mailbox_transfer *q = question;
	struct transfer *t = calloc(1, sizeof(*t));

	(void)l, (void)answer, (void)a;
	if (!t || !(t->by = strndup(q->by.p, q->by.n))) {
		free(t);
		return fail(e, FAULT_TEMP, "out of memory");
	}
	t->tool = q->channel > 0 ? link_open(fd_take(&q->channel), ROLE_MAILBOX, ROLE_TOOL, 0, S(""), &self.fibers, e) : NULL;
	if (!t->tool) {
		free(t->by);
		free(t);
		return q->channel > 0 ? false : fail(e, FAULT_PERM, "no channel");
	}
	t->tool->state = t;
	n_transfers++;
	return true;
}

/* ---- one question at a time ---- */

static void transfer_let_go(struct transfer **t)
{
	if (!*t)
		return;
	(*t)->is_busy = false;
	if ((*t)->is_left)
		transfer_free(*t);
}

static struct transfer *transfer_take(struct link *l, struct err *e)
{
	struct transfer *t = l->state;

	if (!t || t->is_busy) {
		fail(e, FAULT_PERM, "one question at a time");
		return NULL;
	}
	t->is_busy = true;
	return t;
}

static void tell_progress(void *arg, uint64_t at)
{
	struct transfer *t = arg;

	if (!t->tool || time_mono() - t->told < PROGRESS_EVERY)
		return;
	t->told = time_mono();
	transfer_progress(t->tool, &(struct transfer_progress){ .at = at });
}

/* ---- import ---- */

SUSPENDS static bool serve_import_folder(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(transfer_let_go) struct transfer *t = transfer_take(l, e);
	struct import_folder *q = question;
	struct str folder = q->folder;

	(void)answer;
	if (!t || (!q->is_raw && !folder_meant(q->folder, a, &folder, e)))
		return false;
	if (!t->import)
		t->import = import_open(store, str_from_z(t->by), &t->is_left, e);
	return t->import && import_begin(t->import, folder, q->keywords > 0 ? q->keywords : -1, e);
}

SUSPENDS static bool serve_import_letter(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(transfer_let_go) struct transfer *t = transfer_take(l, e);
	struct import_letter *q = question;
	struct import_letter_answer *r = answer;
	enum import_outcome outcome;

	(void)a;
	if (!t)
		return false;
	if (!t->import)
		return fail(e, FAULT_PERM, "no folder was named");
	if (!import_file(t->import, q->name, q->is_new, q->letter > 0 ? q->letter : -1, &outcome, e))
		return false;
	r->outcome = (uint8_t)outcome;
	return true;
}

SUSPENDS static bool serve_import_mbox(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(transfer_let_go) struct transfer *t = transfer_take(l, e);
	struct import_mbox *q = question;
	struct import_mbox_answer *r = answer;
	struct err why = { 0 };

	if (!t)
		return false;
	if (!t->import)
		return fail(e, FAULT_PERM, "no folder was named");
	if (!import_letters(t->import, q->file > 0 ? q->file : -1, tell_progress, t, &r->refused, &why, e))
		return false;
	r->why = arena_str(a, str_from_z(why.text));
	return true;
}

SUSPENDS static bool serve_import_end(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(transfer_let_go) struct transfer *t = transfer_take(l, e);
	struct import_end_answer *r = answer;
	const struct import_totals *n;

	(void)question, (void)a;
	if (!t || (t->import && !import_commit(t->import, e)))
		return false;
	if (!t->import)
		return true;
	n = &t->import->totals;
	*r = (struct import_end_answer){ .taken = n->taken, .already = n->already, .gone = n->gone, .octets = n->octets,
					 .keywords_left = n->keywords_left };
	log_info("import", "by=%s taken=%llu already=%llu gone=%llu octets=%llu", LOGQ(str_from_z(t->by)),
		 (unsigned long long)n->taken, (unsigned long long)n->already, (unsigned long long)n->gone,
		 (unsigned long long)n->octets);
	return true;
}

/* ---- export ---- */

SUSPENDS static bool serve_export_folder(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(transfer_let_go) struct transfer *t = transfer_take(l, e);
	struct export_folder *q = question;
	struct export_folder_answer *r = answer;
	struct str folder;

	if (!t || !folder_meant(q->folder, a, &folder, e))
		return false;
	export_close(t->export);
	t->export = export_open(store, folder, &t->is_left, e);
	if (!t->export)
		return false;
	r->letters = t->export->n;
	r->octets = t->export->octets;
	r->keywords = export_keywords(t->export, a);
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

SUSPENDS static bool serve_export_letter(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(transfer_let_go) struct transfer *t = transfer_take(l, e);
	struct export_letter_answer *r = answer;
	struct exported x = { .fd = -1 };

	(void)question;
	r->letter = -1;
	if (!t)
		return false;
	if (!t->export)
		return fail(e, FAULT_PERM, "no folder was named");
	if (!export_next(t->export, &x, e))
		return false;
	r->is_end = x.fd < 0;
	r->is_new = x.is_new;
	r->date = x.date;
	r->name = arena_str(a, x.fd < 0 ? S("") : str_from_z(x.name));
	r->letter = x.fd;
	return true;
}

SUSPENDS static bool serve_export_mbox(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(transfer_let_go) struct transfer *t = transfer_take(l, e);
	struct export_mbox *q = question;
	struct export_mbox_answer *r = answer;

	(void)a;
	if (!t)
		return false;
	if (!t->export || q->file <= 0)
		return fail(e, FAULT_PERM, "no folder was named");
	return export_letters(t->export, q->file, tell_progress, t, &r->letters, &r->octets, e);
}

void transfers_serve(struct store *s)
{
	store = s;
	ipc_serve(IPC_mailbox_transfer, serve_transfer);
	ipc_serve(IPC_import_folder, serve_import_folder);
	ipc_serve(IPC_import_letter, serve_import_letter);
	ipc_serve(IPC_import_mbox, serve_import_mbox);
	ipc_serve(IPC_import_end, serve_import_end);
	ipc_serve(IPC_export_folder, serve_export_folder);
	ipc_serve(IPC_export_letter, serve_export_letter);
	ipc_serve(IPC_export_mbox, serve_export_mbox);
}
