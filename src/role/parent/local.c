/* local.c — programs of this machine that send: run/submit, and the letters left in storage/drop.
 *
 * Who connects, and whose a file is, the kernel says to us and we to the queue; the stream and the file
 * go to an smtpd, unread.  A file is taken if it is regular, has one name and belongs to who put it
 * there; it goes once it was accepted, and is set aside when it was refused. */
#include "role/parent/parent.h"

#include "base/fd.h"
#include "base/log.h"
#include "ipc/sender.h"
#include "wire/drop_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, ACCEPTS_IN_A_ROW = 32, DROPS_AT_ONCE = 1000 };
#define LOOK_EACH (10 * SECOND)
#define LEFT_BY_A_CRASH DAY
#define DROP_WITHIN (12 * MINUTE)
/* Sessions that we number: smtpd's own numbers are below. */
#define OURS (UINT64_C(1) << 63)

static int listening = -1;
static int drop_fd = -1;

static uint64_t session_new(void)
{
	static uint64_t counter;

	if (!counter)
		counter = (uint64_t)time_now();
	return OURS | ++counter;
}

/* The next smtpd in turn, and the queue. */
static struct process *next_smtpd(void)
{
	static uint32_t turn;
	struct process *first = NULL, *next = NULL;

	for (struct process *p = parent.processes; p; p = p->next) {
		if (p->role != ROLE_SMTPD || !p->link || !p->is_ready)
			continue;
		if (!first || p->instance < first->instance)
			first = p;
		if (p->instance > turn && (!next || p->instance < next->instance))
			next = p;
	}
	next = next ? next : first;
	turn = next ? next->instance : 0;
	return next;
}

/* Tell the queue whose session this will be; the smtpd that has it, or NULL. */
static struct process *announce(uint64_t session, enum sender_kind kind, uint32_t uid)
{
	struct process *smtpd = next_smtpd(), *queue = NULL;
	struct err e;

	for (struct process *p = parent.processes; p; p = p->next)
		if (p->role == ROLE_QUEUE && p->link)
			queue = p;
	if (!smtpd || !queue || !link_say(queue->link, IPC_queue_account, &(struct queue_account){
			.instance = smtpd->instance, .session = session, .sender = (uint8_t)kind, .uid = uid }, &e))
		return NULL;
	return smtpd;
}

/* -- run/submit ------------------------------------------------------------ */

static void receive(int fd)
{
	struct ucred who = { 0 };
	socklen_t n = sizeof(who);
	uint64_t session = session_new();
	struct process *smtpd = NULL;
	struct err e;

	if (!parent.is_stopping && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0)
		smtpd = announce(session, SENDER_LOCAL, who.uid);
	/* who cannot be served now sees the end of its stream, and leaves the letter */
	if (smtpd)
		(void)link_say(smtpd->link, IPC_smtpd_local, &(struct smtpd_local){ .session = session, .stream = fd }, &e);
	close(fd);
}

SUSPENDS static void accept_all(void *unused)
{
	struct err e;
	unsigned streak = 0;

	(void)unused;
	while (listening >= 0) {
		int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			receive(fd);
			if (++streak % ACCEPTS_IN_A_ROW == 0)
				breathe();
		} else if (errno == EAGAIN ? !fd_wait(listening, POLLIN, "local programs", &e) : !fiber_sleep(SECOND, &e)) {
			return;
		}
	}
}

static bool open_socket(struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(fd_end) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "submit" };
	char *run = str_z(&a, parent.conf->c.run);
	bool ok;

	if (fd < 0 || !run || chdir(run))
		return fail_sys(e, FAULT_PERM, errno, "run %s", run ? run : "");
	unlink("submit");
	ok = bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && chmod("submit", 0666) == 0 && listen(fd, BACKLOG) == 0;
	if (!ok)
		fail_sys(e, FAULT_PERM, errno, "the socket %s/submit", run);
	if (fchdir(parent.storage_fd))
		return fail_sys(e, FAULT_PERM, errno, "enter storage");
	if (ok)
		listening = fd_take(&fd);
	return ok;
}

/* -- storage/drop ---------------------------------------------------------- */

/* Its owner may do with the name what he likes: what we open is looked at, and nothing is followed. */
static int open_drop(const char *name, uint32_t *ret_uid, const char **ret_why)
{
	int fd = openat(drop_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	*ret_why = "it cannot be opened, or is a link";
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		*ret_why = "it is no regular file";
	else if (st.st_nlink != 1)
		*ret_why = "it has another name elsewhere";
	else if (st.st_mode & 077)
		*ret_why = "others may touch it";
	else
		*ret_why = NULL;
	*ret_uid = st.st_uid;
	if (*ret_why)
		fd_end(&fd);
	return fd;
}

static void set_aside(const char *name, struct str why)
{
	char bad[NAME_MAX + 1];

	snprintf(bad, sizeof(bad), DROP_BAD "%.200s", name);
	log_error("drop", "file=%s why=%s next=\"it is kept as drop/%s\"", LOGQ(str_from_z(name)), LOGQ(why), bad);
	if (renameat(drop_fd, name, drop_fd, bad))
		log_error("drop", "file=%s why=\"rename: %s\"", LOGQ(str_from_z(name)), strerrordesc_np(errno));
}

SUSPENDS static void take_drop(const char *name)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct smtpd_drop_answer r = { 0 };
	uint64_t session = session_new();
	const char *why;
	uint32_t uid = 0;
	AUTO(fd_end) int fd = open_drop(name, &uid, &why), one = -1, two = -1;
	struct process *smtpd;
	struct err e = { 0 };
	bool ok = false;
	int sv[2];

	if (fd < 0) {
		set_aside(name, str_from_z(why));
		return;
	}
	smtpd = announce(session, SENDER_DROP, uid);
	if (smtpd && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) == 0) {
		one = sv[0];
		two = sv[1];
		WITHIN(DROP_WITHIN)
			ok = smtpd_drop(smtpd->link, &(struct smtpd_drop){ .session = session, .file = fd, .stream = one,
									   .other = two }, &r, &a, &e);
	}
	if (!ok || r.outcome == DROP_LATER) {
		log_info("drop", "file=%s uid=%u why=%s next=\"it is tried again\"", LOGQ(str_from_z(name)), uid,
			 LOGQ(ok ? r.why : str_from_z(e.text)));
	} else if (r.outcome == DROP_REFUSED) {
		set_aside(name, r.why);
	} else {
		log_info("drop", "file=%s uid=%u result=sent", LOGQ(str_from_z(name)), uid);
		if (unlinkat(drop_fd, name, 0))
			log_error("drop", "file=%s why=\"unlink: %s\"", LOGQ(str_from_z(name)), strerrordesc_np(errno));
	}
}

/* What sendmail was writing when it died. */
static void sweep(const char *name)
{
	struct stat st;

	if (fstatat(drop_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    time_now() - (int64_t)st.st_mtime * SECOND > LEFT_BY_A_CRASH)
		(void)unlinkat(drop_fd, name, 0);
}

/* The names first: a letter may take its time.  The oldest names are the smallest. */
static size_t list_drops(char *names[static DROPS_AT_ONCE])
{
	int fd = openat(drop_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *x;
	size_t n = 0;

	if (!d && fd >= 0)
		close(fd);
	while (d && n < DROPS_AT_ONCE && (x = readdir(d))) {
		struct str name = str_from_z(x->d_name);

		if (str_starts(name, S(DROP_BEING_WRITTEN)))
			sweep(x->d_name);
		else if (str_starts(name, S(DROP_WHOLE)) && (names[n] = strdup(x->d_name)))
			n++;
	}
	if (d)
		closedir(d);
	return n;
}

SUSPENDS static void take_drops(void *unused)
{
	static char *names[DROPS_AT_ONCE];
	struct err e;

	(void)unused;
	while (!parent.is_ready)
		if (!wait_on(&parent.changed, "the roles", &e))
			return;
	do {
		size_t n = list_drops(names);

		for (size_t i = 0; i < n; i++) {
			if (!parent.is_stopping)
				take_drop(names[i]);
			free(names[i]);
		}
	} while (!parent.is_stopping && fiber_sleep(LOOK_EACH, &e));
}

/* -- life ------------------------------------------------------------------ */

/* Everybody may leave a file, nobody see another's. */
static bool open_folder(struct err *e)
{
	struct stat st;

	drop_fd = openat(parent.storage_fd, "drop", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (drop_fd < 0 || fstat(drop_fd, &st))
		return fail_sys(e, FAULT_PERM, errno, "the folder drop in storage");
	if (st.st_uid != geteuid())
		return fail(e, FAULT_PERM, "the folder drop in storage belongs to uid %u", st.st_uid);
	return fchmod(drop_fd, 01733) == 0 || fail_sys(e, FAULT_PERM, errno, "the rights of the folder drop");
}

bool local_open(struct err *e)
{
	return parent.is_helper || (open_folder(e) && open_socket(e));
}

bool local_start(void)
{
	return parent.is_helper || (fiber_start(&parent.fibers, "submit", accept_all, NULL) &&
				    fiber_start(&parent.fibers, "drop", take_drops, NULL));
}

/* From now on letters are left; who waits in the backlog sees the end of its stream when we end. */
void local_close(void)
{
	AUTO(arena_end) struct arena a = { 0 };
	char *path = str_z(&a, arena_printf(&a, STR_FMT "/submit", STR_ARG(parent.conf->c.run)));

	if (listening >= 0 && path)
		unlink(path);
}
