/* config.c — the configuration is read by a child without rights.
 *
 * The child gets the text of the file; for each `include` it asks us, and we open
 * what matches and hand over the descriptor.  Its result is the canonical text of
 * all directives, which is read again here and cut up for the roles. */
#include "role/parent/parent.h"

#include "base/fd.h"
#include "role/confine_role.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK_MAX = 8192, IMAGE_MAX = 8 << 20 };

struct ask {
	uint32_t index;
	char glob[ASK_MAX];
};

/* -- the child's side ------------------------------------------------------ */

struct child {
	int sock;
	struct arena *a;
};

static ssize_t receive_with_fd(int sock, void *to, size_t n, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec v = { to, n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t got = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = got >= 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*ret_fd = -1;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return got;
}

/* struct conf_includes: the i-th file that matches. */
static bool child_include(void *arg, struct str glob, size_t i, struct str *ret_name, struct str *ret_text,
			  struct err *e)
{
	struct child *c = arg;
	AUTO(fd_end) int fd = -1;
	static struct ask q;
	static char answer[ASK_MAX];
	struct stat st;
	ssize_t n;
	char *text;

	if (glob.n >= sizeof(q.glob))
		return fail(e, FAULT_PERM, "the pattern is too long");
	q.index = (uint32_t)i;
	memcpy(q.glob, glob.p, glob.n);
	if (send(c->sock, &q, offsetof(struct ask, glob) + glob.n, 0) < 0 ||
	    (n = receive_with_fd(c->sock, answer, sizeof(answer), &fd)) < 1)
		return fail_sys(e, FAULT_TEMP, errno, "ask for an included file");
	if (answer[0] == 'E')
		return fail(e, FAULT_PERM, "%.*s", (int)(n - 1), answer + 1);
	if (answer[0] == 'N') {
		*e = (struct err){ 0 };
		return false;
	}
	if (fd < 0 || fstat(fd, &st) || st.st_size > CONF_FILE_MAX)
		return fail(e, FAULT_PERM, "the file is too large");
	text = arena_alloc(c->a, 1, (size_t)st.st_size + 1);
	if (!text || !fd_pread_all(fd, text, (size_t)st.st_size, 0, e))
		return fail(e, FAULT_TEMP, "the file cannot be read");
	*ret_name = arena_str(c->a, str_of(answer + 1, (size_t)n - 1));
	*ret_text = str_of(text, (size_t)st.st_size);
	return true;
}

NORETURN static void child_read(int sock, struct str path, struct str text, bool is_root, int out, int notes_fd)
{
	struct arena a = { .limit = CONF_MEMORY_MAX }, na = { 0 };
	struct child c = { .sock = sock, .a = &a };
	struct conf_notes notes = { .arena = &na };
	struct conf_world w = { .file = path, .is_root = is_root,
				.has_etc_aliases = access("/etc/aliases", F_OK) == 0,
				.includes = { .file = child_include, .arg = &c } };
	struct buf b = buf_on_heap(IMAGE_MAX);
	struct conf conf;
	struct err e = { 0 };
	bool ok;

	if (!confine_reader(&e)) {
		dprintf(notes_fd, "%s\n", e.text);
		_exit(70);
	}
	ok = conf_read(text, &w, &a, &notes, &conf);
	for (size_t i = 0; i < notes.n; i++) {
		struct str t = notes.note[i].text;

		if (!fd_write_all(notes_fd, t, &e) || !fd_write_all(notes_fd, S("\n"), &e))
			_exit(70);
	}
	if (!ok)
		_exit(1);
	conf_print_for_role(&conf, S("parent"), &b);
	_exit(b.full || !fd_write_all(out, buf_str(&b), &e) ? 70 : 0);
}

/* -- our side -------------------------------------------------------------- */

static void answer_include(int sock, const struct ask *q, size_t n)
{
	static char pattern[ASK_MAX + 4096], answer[1 + 4096];
	struct buf b = buf_over(answer, sizeof(answer)), p = buf_over(pattern, sizeof(pattern) - 1);
	AUTO(fd_end) int fd = -1;
	glob_t g = { 0 };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec v;
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	if (q->glob[0] != '/') {
		buf_add(&p, parent.conf_dir);
		buf_add_char(&p, '/');
	}
	buf_add(&p, str_of(q->glob, n));
	pattern[p.n] = '\0';
	glob(pattern, 0, NULL, &g);
	if (q->index >= g.gl_pathc) {
		buf_add_char(&b, 'N');
	} else {
		fd = open(g.gl_pathv[q->index], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		buf_add_char(&b, fd < 0 ? 'E' : 'Y');
		buf_addf(&b, "%s", g.gl_pathv[q->index]);
		if (fd < 0)
			buf_addf(&b, ": %s", strerrordesc_np(errno));
	}
	globfree(&g);
	v = (struct iovec){ b.p, b.n };
	if (fd >= 0) {
		struct cmsghdr *c = &control.align;

		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	sendmsg(sock, &m, MSG_NOSIGNAL);
}

static bool load_text(const char *path, struct arena *a, struct str *ret, struct err *e)
{
	AUTO(fd_end) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	char *text;

	if (fd < 0)
		return fail_sys(e, FAULT_PERM, errno, "%s", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > CONF_FILE_MAX)
		return fail(e, FAULT_PERM, "%s: not a file of at most 1 MiB", path);
	text = arena_alloc(a, 1, (size_t)st.st_size + 1);
	if (!text || !fd_pread_all(fd, text, (size_t)st.st_size, 0, e))
		return fail_in(e, "%s", path);
	*ret = str_of(text, (size_t)st.st_size);
	return true;
}

static bool load_image(int fd, uint32_t generation, struct conf_held **ret, struct err *e)
{
	struct conf_held *h = calloc(1, sizeof(*h));
	struct stat st;
	char *text;

	must(h, "out of memory");
	*h = (struct conf_held){ .a = { .limit = CONF_MEMORY_MAX }, .generation = generation, .users = 1 };
	if (fstat(fd, &st) || st.st_size > IMAGE_MAX ||
	    !(text = arena_alloc(&h->a, 1, (size_t)st.st_size + 1)) ||
	    !fd_pread_all(fd, text, (size_t)st.st_size, 0, e) ||
	    !conf_read_image(str_of(text, (size_t)st.st_size), &h->a, &h->c, e)) {
		conf_release(&h);
		return fail_in(e, "the configuration, read");
	}
	*ret = h;
	return true;
}

static bool slurp_notes(int fd, struct buf *text)
{
	char chunk[1024];
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(text, str_of(chunk, (size_t)n));
	return n == 0;
}

bool config_read(const char *path, uint32_t generation, struct conf_held **ret, struct buf *notes, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = 4 << 20 };
	AUTO(fd_end) int out = -1, notes_fd = -1, ours = -1, theirs = -1;
	static struct ask q;
	struct str text;
	int status;
	ssize_t n;
	pid_t pid;

	if (!load_text(path, &a, &text, e) || !fd_memory("configuration", &out, e) ||
	    !fd_memory("notes", &notes_fd, e) || !process_pair(&ours, &theirs, e))
		return false;
	pid = fork();
	if (pid < 0)
		return fail_sys(e, FAULT_TEMP, errno, "fork");
	if (pid == 0)
		child_read(theirs, str_from_z(path), text, geteuid() == 0, out, notes_fd);
	fd_end(&theirs);
	while ((n = recv(ours, &q, sizeof(q), 0)) > (ssize_t)offsetof(struct ask, glob))
		answer_include(ours, &q, (size_t)n - offsetof(struct ask, glob));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	slurp_notes(notes_fd, notes);
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return fail(e, FAULT_PERM, "%s: the reader of the configuration died", path);
	if (WEXITSTATUS(status) == 1)
		return fail(e, FAULT_PERM, "%s cannot be used", path);
	return load_image(out, generation, ret, e);
}

bool config_image(const struct conf *c, enum role r, int *ret, struct err *e)
{
	struct buf b = buf_on_heap(IMAGE_MAX);
	bool ok = conf_print_for_role(c, str_from_z(role_name(r)), &b) && !b.full;

	if (!ok)
		fail(e, FAULT_TEMP, "the configuration for %s is too large", role_name(r));
	ok = ok && fd_sealed("configuration", buf_str(&b), ret, e);
	buf_end(&b);
	return ok;
}
