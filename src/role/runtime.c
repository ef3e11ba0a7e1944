/* runtime.c — the life of a role process; see runtime.h. */
#include "role/runtime.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/map.h"
#include "role/confine_role.h"
#include "role/hooks.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum { PARENT_FD = 3, EARLY_MAX = 64, IMAGE_BYTES_MAX = 8 << 20 };

struct role_self self;

static const struct role_def *def;
static struct wait go;
static bool is_going;
static struct conf_held *candidate;      /* checked, not yet applied */
static int storage_fd = -1;

/* -- configuration --------------------------------------------------------- */

struct conf_held *conf_hold(void)
{
	self.conf->users++;
	return self.conf;
}

void conf_release(struct conf_held **h)
{
	if (*h && --(*h)->users == 0) {
		arena_end(&(*h)->a);
		free(*h);
	}
	*h = NULL;
}

static struct conf_held *conf_load(int fd, uint32_t generation, struct err *e)
{
	AUTO(arena_end) struct arena own = { .limit = 2 * IMAGE_BYTES_MAX };
	struct conf_held *h = calloc(1, sizeof(*h));
	int64_t size;
	char *text;

	if (!h) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	*h = (struct conf_held){ .a = { .limit = CONF_IMAGE_MEMORY_MAX }, .generation = generation, .users = 1 };
	if (!fd_check_sealed(fd, &size, e) || size > IMAGE_BYTES_MAX ||
	    !(text = arena_alloc(&own, 1, (size_t)size + 1)) || !fd_pread_all(fd, text, (size_t)size, 0, e) ||
	    !conf_read_image(str_of(text, (size_t)size), &h->a, &h->c, e)) {
		fail_in(e, "the configuration");
		conf_release(&h);
		return NULL;
	}
	return h;
}

static bool serve_config_check(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct role_config_check *q = question;

	(void)l, (void)answer, (void)a;
	conf_release(&candidate);
	candidate = conf_load(q->config, q->generation, e);
	return candidate;
}

static void hear_config_apply(struct link *l, void *tell)
{
	struct role_config_apply *t = tell;

	(void)l;
	if (!candidate || candidate->generation != t->generation) {
		log_error("config", "why=\"told to apply generation %u, which was not checked\"", t->generation);
		return;
	}
	conf_release(&self.conf);
	self.conf = candidate;
	candidate = NULL;
	if (def->configured)
		def->configured();
}

/* -- what the parent hands over -------------------------------------------- */

static void hear_setup(struct link *l, void *tell)
{
	struct role_setup *t = tell;
	struct err e = { 0 };

	(void)l;
	if (t->dialect != ipc_dialect()) {
		log_error("start", "why=\"the parent is of another build\" next=\"restart the server\"");
		_exit(78);
	}
	self.instance = t->instance;
	self.copies = t->copies;
	log_to(STDERR_FILENO, (enum log_level)t->log_level);
	self.conf = conf_load(t->config, t->generation, &e);
	if (!self.conf) {
		log_error("start", "why=%s", LOGQ(str_from_z(e.text)));
		_exit(78);
	}
	storage_fd = fd_take(&t->directory_fd);
	if (storage_fd > 0 && fchdir(storage_fd)) {
		log_error("start", "why=\"the storage directory cannot be entered: %s\"", strerrordesc_np(errno));
		_exit(78);
	}
}

/* Channels that come before we can answer: what is said there waits in the socket. */
struct early {
	enum role role;
	uint32_t instance, pid;
	int fd;
};
static struct early early[EARLY_MAX];
static size_t n_early;
static bool is_serving;

static bool open_channel(enum role peer, uint32_t instance, uint32_t pid, struct str account, int fd)
{
	struct err e = { 0 };
	struct link *fresh = link_open(fd, self.role, peer, instance, account, &self.fibers, &e);

	if (!fresh) {
		log_error("channel", "peer=%s why=%s", role_name(peer), LOGQ(str_from_z(e.text)));
		return false;            /* the peer sees its end close */
	}
	fresh->pid = pid;
	if (def->linked)
		def->linked(fresh);
	return true;
}

static void open_early(void)
{
	is_serving = true;
	for (size_t i = 0; i < n_early; i++)
		if (!open_channel(early[i].role, early[i].instance, early[i].pid, S(""), early[i].fd))
			_exit(EX_TEMPFAIL);      /* without it there is work we would wait for in vain */
	n_early = 0;
}

static void hear_channel(struct link *l, void *tell)
{
	struct role_channel *t = tell;

	(void)l;
	if (t->role >= ROLE_COUNT || t->channel <= 0 || (!is_serving && n_early == EARLY_MAX)) {
		log_error("start", "why=\"a channel to nobody, or too many\"");
		return;
	}
	if (is_serving)
		open_channel((enum role)t->role, t->instance, t->pid, t->account, fd_take(&t->channel));
	else
		early[n_early++] = (struct early){ (enum role)t->role, t->instance, t->pid, fd_take(&t->channel) };
}

static void hear_listener(struct link *l, void *tell)
{
	(void)l;
	if (def->listener)
		def->listener(tell);
}

static void hear_file(struct link *l, void *tell)
{
	(void)l;
	if (def->file)
		def->file(tell);
}

static void hear_go(struct link *l, void *tell)
{
	(void)l, (void)tell;
	is_going = true;
	wait_wake_all(&go);
}

static void hear_stop(struct link *l, void *tell)
{
	(void)l, (void)tell;
	self.is_stopping = true;
	wait_wake_all(&self.stop);
}

static bool serve_fibers(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct role_fibers_answer *r = answer;
	struct buf b = buf_on_heap(48 * 1024);

	(void)l, (void)question, (void)e;
	fiber_list(&b);
	r->text = arena_str(a, buf_str(&b));
	buf_end(&b);
	return true;
}

static void on_close(struct link *l)
{
	if (l->peer == ROLE_PARENT)
		_exit(self.is_stopping ? 0 : 1);         /* without the parent there is nothing to do */
	parent_lost(self.parent, &(struct parent_lost){ .role = (uint8_t)l->peer, .instance = l->instance,
							.pid = l->pid });
	if (def->unlinked)
		def->unlinked(l);
}

void role_wait_stop(void)
{
	struct err e;

	while (!self.is_stopping)
		if (!wait_on(&self.stop, "the parent's word", &e))
			return;
}

/* -- life ------------------------------------------------------------------ */

NORETURN static void fail_start(const struct err *e)
{
	log_error("start", "why=%s", LOGQ(str_from_z(e->text)));
	_exit(78);
}

SUSPENDS static void live(void *arg)
{
	char warnings[1024];
	struct buf w = buf_over(warnings, sizeof(warnings));
	struct err e = { 0 };

	(void)arg;
	self.parent = link_open(PARENT_FD, self.role, ROLE_PARENT, 0, S(""), &self.fibers, &e);
	if (!self.parent)
		fail_start(&e);
	while (!is_going)
		if (!wait_on(&go, "the parent's word", &e))
			fail_start(&e);
	if (!confine_begin(&e) || (def->prepare && !def->prepare(&e)))
		fail_start(&e);
	if (!confine_role(&w, &e))
		fail_start(&e);
	if (w.n)
		log_warn("sandbox", "why=%s", LOGQ(buf_str(&w)));
	open_early();
	parent_ready(self.parent, &(struct parent_ready){ .warnings = buf_str(&w) });
	if (def->run && !def->run(&e)) {
		log_error("end", "why=%s", LOGQ(str_from_z(e.text)));
		_exit(70);
	}
	role_wait_stop();
	nursery_end(&self.fibers);
}

void role_main(const struct role_def *d)
{
	def = d;
	self.role = d->role;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);         /* Ctrl-C reaches the whole group; the parent decides */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	ipc_on_close(on_close);
	hooks_hear(d->role);
	ipc_hear(IPC_role_setup, hear_setup);
	ipc_hear(IPC_role_channel, hear_channel);
	ipc_hear(IPC_role_listener, hear_listener);
	ipc_hear(IPC_role_file, hear_file);
	ipc_hear(IPC_role_go, hear_go);
	ipc_hear(IPC_role_stop, hear_stop);
	ipc_serve(IPC_role_config_check, serve_config_check);
	ipc_hear(IPC_role_config_apply, hear_config_apply);
	ipc_serve(IPC_role_fibers, serve_fibers);
	(void)hash_keyed(S(""));         /* draws the key while there is one thread */
	fiber_only();
	log_gather();
	loop_run(live, NULL);
	log_flush();
	_exit(0);
}
