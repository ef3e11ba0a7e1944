/* parent.h — what the parent's files share.  Nobody else includes it.
 *
 * The parent binds, opens, starts, restarts, grants and collects the log; it
 * parses nothing foreign.  serve.c tells the story; process.c keeps the roles
 * alive, config.c reads the configuration in a child without rights, listeners.c
 * binds, local.c takes what programs of this machine send, watch.c opens files and notices their replacement, machine.c looks at the machine, mailboxes.c grants,
 * logs.c collects, notify.c speaks with systemd. */
#pragma once

#include "base/map.h"
#include "role/runtime.h"

#include <sys/types.h>

struct process {
	struct process *next;
	enum role role;
	uint32_t instance;
	char account[256];       /* of a mailbox */
	pid_t pid;               /* 0: not running */
	int pidfd;               /* -1 for a mailbox: the zygote's child */
	struct link *link;
	bool is_ready;
	bool is_ending;          /* told to stop, or given up */
	bool has_failed;         /* died before its first `ready` */
	unsigned restarts;
	uint32_t asked;          /* in a reload: the generation that it knows */
	char warnings[512];
};

struct parent {
	const char *conf_path;
	struct str conf_dir;
	struct conf_held *conf;
	int self_fd;                     /* our own binary */
	int storage_fd;
	bool is_root;
	bool is_helper;                  /* only user, pam and control, for one command */
	bool is_ready;
	bool is_stopping;
	struct process *processes;
	struct map accounts;             /* name → struct account, as `user` told */
	struct wait changed;             /* a process started, was ready, ended; an account was told */
	struct nursery fibers;
};
extern struct parent parent;

/* serve.c: how many processes of a role there are. */
unsigned serve_copies(enum role r);

/* config.c: read, check and load the file; errors and warnings are added to *text, a line each. */
bool config_read(const char *path, uint32_t generation, struct conf_held **ret, struct buf *text, struct err *e);
/* The part of c that a role may know, as a sealed memfd. */
bool config_image(const struct conf *c, enum role r, int *ret, struct err *e);

/* process.c */
struct process *process_add(enum role r, uint32_t instance);
SUSPENDS void process_keep(void *process);       /* a fiber: start, wait for its end, start again */
SUSPENDS void process_introduce(struct process *p);
/* Each mailbox may ask the queue: of a new mailbox, or a queue that is ready. */
void process_connect_queue(struct process *p);
bool process_connect(struct process *a, struct process *b, struct err *e);
void process_remove(struct process *p);
SUSPENDS bool process_stop_all(enum role r, int64_t within);
void process_hear(void);
/* Both ends of a new channel; of a pipe for log lines. */
bool process_pair(int *ret_one, int *ret_two, struct err *e);
bool process_log_pipe(int *ret_read, int *ret_write, struct err *e);

/* listeners.c */
bool listeners_open(const struct conf *c, struct err *e);
/* Opens what c adds; false: nothing is changed.  apply() follows without a wait between. */
bool listeners_prepare(const struct conf *c, struct err *e);
void listeners_apply(void);
void listeners_send(struct process *p);
void listeners_close(void);

/* local.c: programs of this machine that send. */
bool local_open(struct err *e);
bool local_start(void);
void local_close(void);

/* watch.c */
bool watch_open(struct err *e);
void watch_configure(const struct conf *c);
void watch_send(struct process *p);              /* all files of this role, once */
/* `keys` wants files of `dkim keys` lines. */
void watch_hear(void);
SUSPENDS void watch_run(void *unused);
/* The i-th watched file that holds a secret; false: there are no more. */
bool watch_secret_at(size_t i, const char **ret_what, const char **ret_path);

/* machine.c: what the doctor asks of this machine. */
void machine_serve(void);

/* mailboxes.c */
void mailboxes_hear(void);
/* All sessions take their leave. */
void mailboxes_leave(void);

/* logs.c */
bool logs_open(struct err *e);
void logs_line(struct str who, struct str line);         /* "level context event …" */
bool logs_start(int fd, const char *who);

/* notify.c: sd_notify(3) and sd_listen_fds(3), spoken without libsystemd. */
void notify(const char *state);
int notify_listen_fds(int **ret);

/* sources.c: says from which of our addresses the system would send. */
void sources_serve(void);
