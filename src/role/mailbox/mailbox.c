/* mailbox.c — delivers into one account's Maildir, as that account.
 *
 * The uid is dropped before the home is opened; from then on nothing but the home
 * can be reached.  `queue` says what to file under which name; a file has its name
 * when deliver answers, and is on stable storage when sync answers (or when the
 * queue has synced the whole file system).  Sessions come from the parent (session.c).
 * The process ends after a minute without work and sessions; a new one is made when
 * there is some. */
#include "role/mailbox/mailbox.h"

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "role/confine_role.h"
#include "role/mailbox/commands.h"
#include "role/mailbox/facts.h"
#include "role/mailbox/limits.h"
#include "role/mailbox/sent.h"
#include "role/mailbox/session.h"
#include "role/mailbox/transfer.h"
#include "role/runtime.h"
#include "store/store.h"
#include "wire/letter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEPS_MAX = 1024 };
#define IDLE_END MINUTE
#define SAFE_WITHIN (30 * SECOND)

static int home_fd = -1;
static struct store *store;
static int64_t last_work;

/* -- one letter ------------------------------------------------------------ */

/* A view as store.h wants to read it. */
struct view_source {
	struct letter_source in;
	struct letter_reader reader;
	const struct letter_src *letter;
	const struct view *view;
	struct err err;          /* of the rewind */
	char *block;
};

static bool view_next(struct letter_source *in, struct str *ret, struct err *e)
{
	struct view_source *v = (struct view_source *)(void *)in;

	if (v->err.fault) {
		*e = v->err;
		return false;
	}
	return letter_reader_next(&v->reader, ret, e);
}

static void view_rewind(struct letter_source *in)
{
	struct view_source *v = (struct view_source *)(void *)in;

	v->err = (struct err){ 0 };
	(void)letter_reader_init(&v->reader, v->letter, v->view, v->block, &v->err);
}

/* What was sent may lie there already: its sender's program filed it. */
SUSPENDS static void deliver_sent(struct store_letter *l, struct arena *a)
{
	if (!sent_lock(&l->err))
		return;
	if (sent_folder(store, a, &l->folder, &l->err)) {
		if (l->mode != STORE_REWRITE && sent_is_filed(store, l))
			l->done = true;
		else
			store_deliver(store, l, 1);
	}
	sent_unlock();
}

SUSPENDS static bool deliver_one(const struct letter_src *src, const struct ipc_step *s, uint8_t redo,
				 struct ipc_done *ret, struct arena *a)
{
	struct cut *cuts = ARENA_ARRAY(a, struct cut, s->cuts.n ? s->cuts.n : 1);
	struct view view = { .prefix = s->prefix, .cuts = cuts, .n_cuts = s->cuts.n };
	struct view_source in = { .in = { view_next, view_rewind }, .letter = src, .view = &view };
	struct store_letter l = { .base = s->base, .folder = s->folder, .flags = s->flags,
				  .mode = (enum store_mode)redo, .source = &in.in,
				  .is_small = src->fd < 0 };

	ret->number = s->number;
	in.block = src->fd >= 0 ? arena_alloc(a, 1, LETTER_BLOCK) : NULL;
	if (!cuts || (src->fd >= 0 && !in.block)) {
		ret->fault = FAULT_TEMP;
		ret->text = S("no memory for the letter");
		return false;
	}
	for (size_t i = 0; i < s->cuts.n; i++)
		cuts[i] = (struct cut){ s->cuts.p[i].at, s->cuts.p[i].n };
	if (!view_is_valid(&view, src->size)) {
		ret->fault = FAULT_PERM;
		ret->text = S("the cuts do not fit the letter");
		return false;
	}
	view_rewind(&in.in);
	if (str_eq(s->folder, S(SENT_FOLDER)))
		deliver_sent(&l, a);
	else
		store_deliver(store, &l, 1);
	ret->name = arena_str(a, str_from_z(l.name));
	if (!l.done) {
		ret->fault = (uint8_t)l.err.fault;
		ret->text = arena_str(a, str_from_z(l.err.text));
	}
	return l.done;
}

SUSPENDS static bool serve_deliver(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct mailbox_deliver *q = question;
	struct mailbox_deliver_answer *r = answer;
	struct letter_src src = { .bytes = q->bytes, .fd = q->letter > 0 ? q->letter : -1, .at = (int64_t)q->at,
				  .size = q->letter > 0 ? q->size : q->bytes.n };
	struct stat st;

	(void)l;
	if (q->redo > STORE_REWRITE)
		return fail(e, FAULT_PERM, "no such way to deliver");
	if (q->letter > 0 && (fstat(q->letter, &st) || !S_ISREG(st.st_mode) || st.st_size < 0 || q->at > (uint64_t)st.st_size ||
			      q->size > (uint64_t)st.st_size - q->at))
		return fail(e, FAULT_PERM, "the letter is shorter than it is said to be");
	r->done.p = ARENA_ARRAY(a, struct ipc_done, q->steps.n ? q->steps.n : 1);
	if (!r->done.p || q->steps.n > STEPS_MAX)
		return fail(e, FAULT_TEMP, "too many steps at once");
	for (size_t i = 0; i < q->steps.n; i++, r->done.n++)
		if (!deliver_one(&src, &q->steps.p[i], q->redo, &r->done.p[i], a))
			log_warn("deliver", "msg=%s folder=%s why=%s", ID_Z(q->id), LOGQ(q->steps.p[i].folder),
				 LOGQ(r->done.p[i].text));
	r->is_full = limits_are_reached();
	last_work = time_mono();
	return true;
}

SUSPENDS static bool serve_sync(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct mailbox_sync *q = question;
	struct mailbox_sync_answer *r = answer;
	struct str sent = S("");
	size_t n = q->steps.n;
	struct store_safe *names = ARENA_ARRAY(a, struct store_safe, n ? n : 1);

	(void)l;
	r->done.p = ARENA_ARRAY(a, struct ipc_done, n ? n : 1);
	if (!names || !r->done.p)
		return fail(e, FAULT_TEMP, "too many names at once");
	for (size_t i = 0; i < n; i++) {
		bool is_sent = str_eq(q->steps.p[i].folder, S(SENT_FOLDER));

		if (is_sent && !sent.n && !sent_folder(store, a, &sent, e))
			return false;
		names[i] = (struct store_safe){ .base = q->steps.p[i].base,
						.folder = is_sent ? sent : q->steps.p[i].folder };
	}
	store_sync(store, names, n);
	for (size_t i = 0; i < n; i++)
		r->done.p[r->done.n++] = (struct ipc_done){
			.number = q->steps.p[i].number, .is_lost = names[i].lost,
			.fault = names[i].done ? FAULT_NONE : FAULT_TEMP,
			.text = names[i].done ? S("") : arena_str(a, str_from_z(names[i].err.text)) };
	last_work = time_mono();
	return true;
}

/* Letters with ids below are safe, the queue said. */
static uint64_t safe_before;

/* Names that are a delivery's and not known to be safe: SECONDS.ID-RCPT-STEP.host. */
static size_t deliveries(const struct str *bases, size_t n, struct ipc_text *to)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		struct str rest;
		uint64_t id;

		(void)str_cut(bases[i], '.', &rest);
		if (id_parse(str_cut(rest, '-', &rest), &id) && id >= safe_before)
			to[count++] = (struct ipc_text){ bases[i] };
	}
	return count;
}

SUSPENDS static bool sync_unsafe(struct str folder, const struct ipc_text *bases, size_t n, struct arena *a,
				 struct err *e)
{
	struct store_safe *names = ARENA_ARRAY(a, struct store_safe, n);

	if (!names)
		return fail(e, FAULT_TEMP, "no memory for names");
	for (size_t i = 0; i < n; i++)
		names[i] = (struct store_safe){ .base = bases[i].text, .folder = folder };
	if (store_sync(store, names, n))
		return true;
	for (size_t i = 0; i < n; i++)
		if (!names[i].done)
			*e = names[i].err;
	return false;
}

/* A session wants to move or remove letters, some of which the journal may deliver again. */
SUSPENDS static bool make_safe(void *arg, struct str folder, const struct str *bases, size_t n, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct queue_unsafe q = { .bases = { ARENA_ARRAY(&a, struct ipc_text, n), 0 } };
	struct queue_unsafe_answer r = { 0 };
	struct queue_synced_answer noted;
	bool ok = false;

	(void)arg;
	if (!q.bases.p)
		return fail(e, FAULT_TEMP, "no memory for names");
	q.bases.n = deliveries(bases, n, q.bases.p);
	if (!q.bases.n)
		return true;
	WITHIN(SAFE_WITHIN) {
		ok = queue_unsafe(link_to(ROLE_QUEUE), &q, &r, &a, e);
		if (ok)
			safe_before = r.before;
		if (ok && r.bases.n)
			ok = sync_unsafe(folder, r.bases.p, r.bases.n, &a, e) &&
			     queue_synced(link_to(ROLE_QUEUE), &(struct queue_synced){ .bases = { r.bases.p, r.bases.n } },
					  &noted, &a, e);
	}
	return ok;
}

static void warn_flags(void *arg, struct str folder, const struct err *why)
{
	(void)arg;
	log_warn("flags-wait", "folder=%s why=%s", LOGQ(folder.n ? folder : S("INBOX")), LOGQ(str_from_z(why->text)));
}

/* -- life ------------------------------------------------------------------ */

SUSPENDS static bool prepare(struct err *e)
{
	confine_home(home_fd);
	ipc_serve(IPC_mailbox_deliver, serve_deliver);
	ipc_serve(IPC_mailbox_sync, serve_sync);
	if (!maildir_open(home_fd, S("Maildir"), &store, e))
		return false;
	store_guard(store, make_safe, NULL);
	store_warn(store, warn_flags, NULL);
	limits_of(store);
	sessions_hear(store);
	commands_serve(store);
	transfers_serve(store);
	return true;
}

SUSPENDS static void tend_run(void *arg)
{
	store_tend(arg);
}

/* Flags and caches that wait for their time are written before the process goes. */
SUSPENDS static void settle(void)
{
	struct err e = { 0 };

	if (!store_settle(store, &e))
		log_warn("settle", "why=%s", LOGQ(str_from_z(e.text)));
}

static bool is_idle(void)
{
	return !ipc_in_hand() && !sessions_n() && !transfers_n() && time_mono() - last_work >= IDLE_END;
}

static void on_calm(void)
{
	store_calm(store);
}

SUSPENDS static bool run(struct err *e)
{
	size_t removed;

	fiber_start(&self.fibers, "tend", tend_run, store);
	loop_on_calm(on_calm);
	last_work = time_mono();
	if (!store_sweep(store, time_now(), &removed, e))
		log_debug("sweep", "why=%s", LOGQ(str_from_z(e->text)));
	for (;;) {
		while (!self.is_stopping && !is_idle()) {
			WITHIN(10 * SECOND)
				if (!wait_on(&self.stop, "work", e) && !e->timed_out)
					return true;
			if (ipc_in_hand() || sessions_n() || transfers_n())
				last_work = time_mono();
			limits_look();
		}
		if (self.is_stopping)
			break;
		settle();
		if (self.is_stopping || !is_idle())      /* something came meanwhile */
			continue;
		store_rest(store);
		_exit(0);        /* what arrives in this moment is asked of the next process */
	}
	sessions_end();
	facts_end();
	while (ipc_in_hand() && fiber_sleep(10 * MILLISECOND, e))
		continue;
	settle();
	store_rest(store);
	return true;
}

const struct role_def role_mailbox = { .role = ROLE_MAILBOX, .prepare = prepare, .run = run,
				       .unlinked = transfers_unlinked, .configured = limits_configured };

/* The folder that holds `path`. */
static char *above(struct arena *a, const char *path)
{
	return str_z(a, str_head(str_from_z(path), str_rfind(str_from_z(path), '/')));
}

/* A folder that its owner made a link is synced where it leads. */
static bool sync_folder(struct arena *a, const char *path, struct err *e)
{
	char *itself = str_z(a, arena_printf(a, "%s/.", path));

	return itself ? fd_sync_dir_at(AT_FDCWD, itself, e) : fail(e, FAULT_TEMP, "no memory for a path");
}

/* mail/DOMAIN/LOCAL below storage is made by whoever owns the mail; the names are on stable storage
 * before any letter below them is called safe. */
static bool make_home(const char *home, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	char *domain = above(&a, home), *mail = domain ? above(&a, domain) : NULL;
	bool is_new;

	if (!domain || !mail)
		return fail(e, FAULT_TEMP, "no memory for a path");
	is_new = mkdirat(AT_FDCWD, home, 0700) == 0;
	if (!is_new && errno == ENOENT) {
		(void)mkdirat(AT_FDCWD, domain, 0700);
		is_new = mkdirat(AT_FDCWD, home, 0700) == 0;
	}
	if (!is_new && errno != EEXIST)
		return fail_sys(e, FAULT_TEMP, errno, "make %s", home);
	/* one that is there may have been made by a process that died before its sync */
	return sync_folder(&a, domain, e) && sync_folder(&a, mail, e);
}

static bool become(uint32_t uid, uint32_t gid, struct err *e)
{
	if (uid == geteuid() && gid == getegid())
		return true;
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return fail_sys(e, FAULT_TEMP, errno, "become uid %u", uid);
	must(geteuid() == uid && getuid() == uid, "the uid is what it shall be");
	return true;
}

void mailbox_main(const char *account, uint32_t uid, uint32_t gid, bool is_linux, const char *home)
{
	struct err e = { 0 };

	umask(077);
	snprintf(self.account, sizeof(self.account), "%s", account);
	if (!become(uid, gid, &e) || (!is_linux && !make_home(home, &e))) {
		log_error("start", "account=%s why=%s", LOGQ(str_from_z(account)), LOGQ(str_from_z(e.text)));
		_exit(78);
	}
	home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_linux ? 0 : O_NOFOLLOW));
	if (home_fd < 0) {
		log_error("start", "account=%s home=%s why=\"%s\"", LOGQ(str_from_z(account)), LOGQ(str_from_z(home)),
			  strerrordesc_np(errno));
		_exit(78);
	}
	role_main(&role_mailbox);
}
