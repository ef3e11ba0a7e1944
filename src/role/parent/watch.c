/* watch.c — files that a person edits: opened here, read by the role they concern.
 *
 * The folder of each file is watched, since editors replace files; a new
 * descriptor is sent when the file was closed after writing, moved or linked into
 * place, or is gone for GONE_AFTER (some editors unlink and write anew).  A file that
 * may not be opened leaves what was sent before in force.  Links are followed (/etc/letsencrypt/live), and the folder that
 * the link leads to is watched as well. */
#include "role/parent/parent.h"

#include "base/fd.h"
#include "base/log.h"
#include "conf/secret.h"
#include "ipc/relay_say.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WATCHED_MAX = 4096, TARGETS = 2 };
#define GONE_AFTER (200 * MILLISECOND)
#define NEVER INT64_MAX

struct watched {
	enum role role;
	const char *what;
	char *path;
	char *domain;            /* the block it stands in; or "" */
	uint32_t index;
	int wd[TARGETS];         /* of the folder, and of the folder of what it links to */
	char *file[TARGETS];     /* in that folder, with its whole path */
	int64_t due;             /* time_mono() when it is to be sent */
	bool is_refused;         /* it could not be opened */
};

static struct watched watched[WATCHED_MAX];
static size_t n_watched;
static int notify_fd = -1;

bool watch_open(struct err *e)
{
	notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return notify_fd >= 0 ? true : fail_sys(e, FAULT_TEMP, errno, "inotify");
}

static void watch_folder_of(struct watched *w, size_t i, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash && slash != path ? strndup(path, (size_t)(slash - path)) : strdup("/");

	free(w->file[i]);
	w->file[i] = strdup(path);
	must(folder && w->file[i], "out of memory for a watched file");
	w->wd[i] = inotify_add_watch(notify_fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
				     IN_DELETE | IN_ATTRIB | IN_ONLYDIR);
	free(folder);
}

static void resolve(struct watched *w)
{
	char *real = realpath(w->path, NULL);

	watch_folder_of(w, 0, w->path);
	w->wd[1] = -1;
	if (real && strcmp(real, w->path) != 0)
		watch_folder_of(w, 1, real);
	free(real);
}

static void add(enum role r, const char *what, struct str path, struct str domain, size_t index)
{
	struct watched *w = &watched[n_watched];

	if (n_watched == WATCHED_MAX) {
		log_error("watch", "path=%s why=\"more than %d files\"", LOGQ(path), WATCHED_MAX);
		return;
	}
	*w = (struct watched){ .role = r, .what = what, .index = (uint32_t)index, .due = NEVER,
			       .path = strndup(path.n ? path.p : "", path.n),
			       .domain = strndup(domain.n ? domain.p : "", domain.n) };
	must(w->path && w->domain, "out of memory for a watched file");
	resolve(w);
	n_watched++;
}

static void add_names(const char *what, const struct conf_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		add(ROLE_USER, what, names->p[i].text, S(""), i);
}

/* A file of the server's own in keys/, which `keys` fills on the first start. */
static void add_ours(const char *what, struct str storage, const char *name)
{
	AUTO(arena_end) struct arena a = { 0 };

	add(ROLE_KEYS, what, arena_printf(&a, STR_FMT "/keys/%s", STR_ARG(storage), name), S(""), 0);
}

void watch_configure(const struct conf *c)
{
	while (n_watched) {
		struct watched *w = &watched[--n_watched];

		free(w->path);
		free(w->domain);
		free(w->file[0]);
		free(w->file[1]);
	}
	for (size_t i = 0; i < c->domain_files.n; i++)
		add(ROLE_USER, "domains", c->domain_files.p[i].text, S(""), i);
	for (size_t i = 0; i < c->user_files.n; i++)
		add(ROLE_USER, "users", c->user_files.p[i].text, S(""), i);
	for (size_t d = 0; d < c->domains.n; d++) {
		const struct conf_domain *block = &c->domains.p[d];

		for (size_t i = 0; i < block->user_files.n; i++)
			add(ROLE_USER, "users", block->user_files.p[i].text, block->name, i);
		for (size_t i = 0; i < block->domain_files.n; i++)
			add(ROLE_USER, "domains", block->domain_files.p[i].text, block->name, i);
	}
	for (size_t i = 0; i < c->aliases.n; i++)
		if (c->aliases.p[i].path.n)
			add(ROLE_USER, "aliases", c->aliases.p[i].path, S(""), i);
	add_names("block", &c->inbound.block_files);
	add_names("allow", &c->inbound.allow_files);
	add_names("sender-exceptions", &c->inbound.sender_exceptions);
	add_names("host-exceptions", &c->inbound.host_exceptions);
	add(ROLE_USER, "passwd", S("/etc/passwd"), S(""), 0);
	add(ROLE_RELAY, "roots", c->outbound.tls_roots.text, S(""), 0);
	for (size_t i = 1; i <= c->outbound.routes.n + c->domains.n; i++) {
		const struct conf_route *r = conf_route_at(c, i);

		if (r && r->secret.n)
			add(ROLE_RELAY, "secret", r->secret, S(""), i);
	}
	for (size_t i = 0; i < c->tls.n; i++) {
		add(ROLE_KEYS, "certificate", c->tls.p[i].certificate, S(""), i);
		add(ROLE_KEYS, "key", c->tls.p[i].key, S(""), i);
	}
	add_ours("dkim-book", c->storage, "dkim.book");
	add(ROLE_DNS, "trust-anchor", c->dns.trust_anchor.text, S(""), 0);
	if (c->dns.root_hints.text.n)
		add(ROLE_DNS, "root-hints", c->dns.root_hints.text, S(""), 0);
	if (c->tls.n == 0)
		add_ours("self-signed", c->storage, "self-signed.pem");
}

static bool is_ours(const struct watched *w)
{
	return strcmp(w->what, "self-signed") == 0 || strcmp(w->what, "dkim-book") == 0;
}

/* A role that may not sync writes through.  Before anything is in the file its name is made to last: also if whoever made
 * it died before. */
static int open_ours(const struct watched *w)
{
	int fd = open(w->path, O_RDWR | O_DSYNC | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	struct err e;

	if (fd < 0 || (fstat(fd, &st) == 0 && st.st_size > 0))
		return fd;
	if (!fd_sync_dir_at(parent.storage_fd, "keys", &e)) {
		log_error("file", "what=%s path=%s why=%s", w->what, LOGQ(str_from_z(w->path)), LOGQ(str_from_z(e.text)));
		fd_end(&fd);
		errno = EIO;
	}
	return fd;
}

static bool is_secret(const struct watched *w)
{
	return strcmp(w->what, "secret") == 0 || (w->role == ROLE_KEYS && strcmp(w->what, "certificate") != 0);
}

bool watch_secret_at(size_t i, const char **ret_what, const char **ret_path)
{
	for (size_t k = 0; k < n_watched; k++)
		if (is_secret(&watched[k]) && i-- == 0) {
			*ret_what = watched[k].what;
			*ret_path = watched[k].path;
			return true;
		}
	return false;
}

/* -1: it is not there, or not to be opened: then w->is_refused. */
static int open_file(struct watched *w)
{
	struct err e;
	int fd = is_ours(w) ? open_ours(w) : open(w->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	w->is_refused = fd < 0 && errno != ENOENT && errno != ENOTDIR;
	if (fd < 0)
		log_warn("file", "what=%s path=%s why=\"%s\"", w->what, LOGQ(str_from_z(w->path)), strerrordesc_np(errno));
	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
		log_warn("file", "what=%s path=%s why=\"not a regular file\"", w->what, LOGQ(str_from_z(w->path)));
		fd_end(&fd);
		w->is_refused = true;
	}
	if (fd >= 0 && strcmp(w->what, "secret") == 0 && !conf_secret_check(&st, geteuid(), &e)) {
		log_error("file", "what=secret path=%s why=%s", LOGQ(str_from_z(w->path)), LOGQ(str_from_z(e.text)));
		fd_end(&fd);
		w->is_refused = true;
	}
	return fd;
}

static void send_file(struct process *p, const struct watched *w, int fd)
{
	role_file(p->link, &(struct role_file){ .what = str_from_z(w->what), .path = str_from_z(w->path),
						.domain = str_from_z(w->domain), .index = w->index, .file = fd });
}

/* Passwords of routes are not for the instance that fetches by HTTPS; that of the scanner speaks no TLS. */
static bool is_for(const struct watched *w, const struct process *p)
{
	if (p->role == ROLE_RELAY && !relay_carries(p->instance))
		return w->role == ROLE_RELAY && relay_is_web(p->instance) && strcmp(w->what, "secret") != 0;
	return p->role == w->role;
}

void watch_send(struct process *p)
{
	for (size_t i = 0; i < n_watched; i++) {
		AUTO(fd_end) int fd = -1;

		if (!is_for(&watched[i], p))
			continue;
		fd = open_file(&watched[i]);
		send_file(p, &watched[i], fd);
	}
}

/* Letters, digits, "-", "_" and single dots inside: as a part of a path it leads nowhere else. */
static bool is_plain_domain(struct str domain)
{
	for (size_t i = 0; i < domain.n; i++) {
		int c = str_at(domain, i);

		if (!(c >= 'a' && c <= 'z') && !ascii_is_digit(c) && c != '-' && c != '_' &&
		    (c != '.' || i == 0 || str_at(domain, i + 1) == '.'))
			return false;
	}
	return domain.n > 0;
}

/* The path with the domain in each "%d"; empty: it cannot stand there. */
static struct str path_for(struct str path, struct str domain, struct arena *a)
{
	AUTO(buf_end) struct buf b = buf_on_heap(PATH_MAX);
	size_t at;

	while ((at = str_find_str(path, S("%d"))) < path.n) {
		if (!is_plain_domain(domain))
			return S("");
		buf_add(&b, str_head(path, at));
		buf_add(&b, domain);
		path = str_from(path, at + 2);
	}
	buf_add(&b, path);
	return b.full ? S("") : arena_str(a, buf_str(&b));
}

static struct watched *watched_find(const char *what, uint32_t index, struct str domain)
{
	for (size_t i = 0; i < n_watched; i++)
		if (strcmp(watched[i].what, what) == 0 && watched[i].index == index &&
		    str_eq(str_from_z(watched[i].domain), domain))
			return &watched[i];
	return NULL;
}

static void hear_dkim_file(struct link *l, void *tell)
{
	AUTO(arena_end) struct arena a = { .limit = 65536 };
	struct parent_dkim_file *t = tell;
	const struct conf_dkim *line = conf_dkim_at(&parent.conf->c, t->index);
	struct str path = line ? path_for(line->path, t->domain, &a) : S("");
	struct watched *w = watched_find("dkim-key", t->index, t->domain);
	AUTO(fd_end) int fd = -1;

	if (!path.n || !l->state)
		return;
	if (!w) {
		size_t before = n_watched;

		add(ROLE_KEYS, "dkim-key", path, t->domain, t->index);
		w = n_watched > before ? &watched[before] : NULL;
	}
	if (w) {
		fd = open_file(w);
		send_file(l->state, w, fd);
	}
}

void watch_hear(void)
{
	ipc_hear(IPC_parent_dkim_file, hear_dkim_file);
}

/* What an event about path means for a file that is due at `due`. */
static int64_t due_after(const struct watched *w, const char *path, uint32_t mask)
{
	struct stat st;

	if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
		return 0;
	if (mask & (IN_DELETE | IN_MOVED_FROM))
		return time_mono() + GONE_AFTER;
	/* a new file is still empty, and IN_CLOSE_WRITE will follow; not so for a link */
	if (mask & IN_CREATE)
		return !lstat(path, &st) && S_ISREG(st.st_mode) && st.st_nlink == 1 ? NEVER : 0;
	return w->is_refused ? 0 : w->due;       /* IN_ATTRIB: its rights have changed */
}

static bool is_named(const char *path, const char *name)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash && strcmp(slash + 1, name) == 0;
}

static void take_event(const struct inotify_event *ev)
{
	for (size_t i = 0; i < n_watched; i++) {
		struct watched *w = &watched[i];

		if (is_ours(w))
			continue;
		for (size_t t = 0; t < TARGETS; t++)
			if (w->wd[t] == ev->wd && w->wd[t] >= 0 && ev->len && is_named(w->file[t], ev->name))
				w->due = due_after(w, w->file[t], ev->mask);
	}
}

/* Each process gets a descriptor of its own: two that read by one would each get a part. */
static void send_anew(struct watched *w)
{
	for (struct process *p = parent.processes; p; p = p->next) {
		AUTO(fd_end) int fd = -1;

		if (!is_for(w, p) || !p->link)
			continue;
		fd = open_file(w);
		if (w->is_refused)
			return;
		send_file(p, w, fd);
	}
}

/* Gives how long the next one has. */
static int64_t send_due(void)
{
	int64_t now = time_mono(), soonest = NEVER;

	for (size_t i = 0; i < n_watched; i++) {
		struct watched *w = &watched[i];

		if (w->due > now) {
			if (w->due < NEVER && w->due - now < soonest)
				soonest = w->due - now;
			continue;
		}
		w->due = NEVER;
		resolve(w);
		send_anew(w);
	}
	return soonest;
}

SUSPENDS void watch_run(void *unused)
{
	static char mem[16384] __attribute__((aligned(8)));
	struct err e = { 0 };
	int64_t soonest;
	bool ok = true;

	(void)unused;
	for (;;) {
		ssize_t n = read(notify_fd, mem, sizeof(mem));

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			log_error("watch", "why=\"files are no longer watched: %s\"", strerrordesc_np(errno));
			return;
		}
		for (ssize_t at = 0; n > 0 && at < n;) {
			const struct inotify_event *ev = (const void *)(mem + at);

			take_event(ev);
			at += (ssize_t)(sizeof(*ev) + ev->len);
		}
		soonest = send_due();
		if (n > 0)
			continue;
		WITHIN(soonest < NEVER ? soonest : DAY)
			ok = fd_wait(notify_fd, POLLIN, "a change of a file", &e);
		if (!ok && !e.timed_out)
			return;
	}
}
