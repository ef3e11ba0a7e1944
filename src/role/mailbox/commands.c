/* commands.c — carries out waxwing mailbox list, status, create, delete, verify, gone; see commands.h. */
#include "role/mailbox/commands.h"

#include "role/runtime.h"
#include "store/box.h"
#include "store/folder.h"
#include "store/gone.h"
#include "store/quota.h"
#include "store/verify.h"
#include "wire/imap_utf7.h"

enum {
	PAGE = 200,                      /* rows of one answer */
	REPORT_MAX = 256 * 1024,         /* octets of what verify says; the rest is counted only */
};

static struct store *store;

/* ---- names ---- */

static struct str name_shown(struct str folder, struct arena *a)
{
	struct str name;

	if (!folder.n)
		return S("INBOX");
	return imap_utf7_decode(folder, a, &name) ? name : folder;
}

bool folder_meant(struct str name, struct arena *a, struct str *ret, struct err *e)
{
	char room[STORE_FOLDER_MAX + 1];
	struct buf b = buf_over(room, sizeof(room));

	*ret = S("");
	if (str_eq_nocase(name, S("INBOX")))
		return true;
	if (!name.n || !imap_utf7_add(&b, name) || b.full)
		return fail(e, FAULT_PERM, "this cannot be the name of a folder");
	*ret = arena_str(a, buf_str(&b));
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

/* ---- folders ---- */

SUSPENDS static bool serve_folders(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct mailbox_folders *q = question;
	struct mailbox_folders_answer *r = answer;
	struct folder_row *rows;
	size_t n;

	(void)l;
	r->folders.p = ARENA_ARRAY(a, struct ipc_folder, PAGE);
	if (!r->folders.p)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!folder_list(store, a, &rows, &n, e))
		return false;
	for (size_t i = q->from; i < n && r->folders.n < PAGE; i++) {
		struct ipc_folder *f = &r->folders.p[r->folders.n++];
		struct box_status st = { 0 };
		struct err gone;

		if (rows[i].exists && !box_status(store, rows[i].name, &st, &gone))
			st = (struct box_status){ 0 };
		*f = (struct ipc_folder){ .name = name_shown(rows[i].name, a), .use = folder_use_name(rows[i].use),
					  .exists = rows[i].exists, .is_subscribed = rows[i].is_subscribed,
					  .letters = st.messages, .unseen = st.unseen, .octets = st.size };
	}
	r->more = q->from + r->folders.n < n;
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

SUSPENDS static bool serve_folder(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct mailbox_folder *q = question;
	struct str folder;

	(void)l, (void)answer;
	if (!folder_meant(q->folder, a, &folder, e))
		return false;
	return q->is_deletion ? folder_delete(store, folder, q->by, e) : folder_create(store, folder, FOLDER_PLAIN, e);
}

SUSPENDS static bool serve_usage(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct mailbox_usage_answer *r = answer;
	struct quota u;

	(void)l, (void)question, (void)a;
	if (!quota_read(store, &u, e))
		return false;
	*r = (struct mailbox_usage_answer){ .octets = u.bytes, .letters = u.letters, .octets_max = u.bytes_max,
					    .letters_max = u.letters_max };
	return true;
}

SUSPENDS static bool serve_verify(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	AUTO(buf_end) struct buf report = buf_on_heap(REPORT_MAX);
	struct mailbox_verify *q = question;
	struct mailbox_verify_answer *r = answer;
	struct verify v = { 0 };

	(void)l;
	if (!store_verify(store, q->repair, &v, &report, e))
		return false;
	*r = (struct mailbox_verify_answer){
		.folders = v.folders, .letters = v.letters, .indexed = v.indexed,
		.findings = v.no_uid + v.no_file + v.bad_lines + v.doubles + v.wrong_size + v.bad_blocks + v.unreadable,
		.report = arena_str(a, buf_str(&report)) };
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

/* ---- gone ---- */

SUSPENDS static bool serve_gone(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct mailbox_gone *q = question;
	struct mailbox_gone_answer *r = answer;
	struct gone_row *rows;
	size_t n;

	(void)l;
	r->letters.p = ARENA_ARRAY(a, struct ipc_gone, PAGE);
	if (!r->letters.p)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!gone_list(store, a, &rows, &n, e))
		return false;
	for (size_t i = q->from; i < n && r->letters.n < PAGE; i++)
		r->letters.p[r->letters.n++] = (struct ipc_gone){
			.when = rows[i].when, .who = rows[i].who, .folder = name_shown(rows[i].folder, a),
			.name = rows[i].name, .octets = rows[i].size };
	r->more = q->from + r->letters.n < n;
	return !a->full || fail(e, FAULT_TEMP, "out of memory");
}

SUSPENDS static bool serve_restore(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct mailbox_restore *q = question;
	struct str folder = S("");

	(void)l, (void)answer;
	if (q->folder.n && !folder_meant(q->folder, a, &folder, e))
		return false;
	return gone_restore(store, q->letter, folder, q->by, e);
}

void commands_serve(struct store *s)
{
	store = s;
	ipc_serve(IPC_mailbox_folders, serve_folders);
	ipc_serve(IPC_mailbox_folder, serve_folder);
	ipc_serve(IPC_mailbox_usage, serve_usage);
	ipc_serve(IPC_mailbox_verify, serve_verify);
	ipc_serve(IPC_mailbox_gone, serve_gone);
	ipc_serve(IPC_mailbox_restore, serve_restore);
}
