/* runtime.h — what every role process does alike: listen to the parent, take its
 * configuration, channels, listeners and files, give up its rights, say `ready`,
 * run, and end when told.
 *
 * The order (decisions §4): configuration and files are handed over → prepare()
 * opens and preloads → the rights go → ready → run().  A role is a struct
 * role_def; what it answers to other roles it registers with ipc_serve() and
 * ipc_hear() in prepare(). */
#pragma once

#include "conf/conf.h"
#include "ipc/say.h"

#include <sys/types.h>

/* One generation of the configuration.  A session keeps the one it began with. */
struct conf_held {
	struct arena a;
	struct conf c;
	uint32_t generation;
	unsigned users;
};

struct role_def {
	enum role role;
	SUSPENDS bool (*prepare)(struct err *e);
	SUSPENDS bool (*run)(struct err *e);             /* until role_stopping(); NULL: just wait */
	void (*configured)(void);                        /* a new generation is in force */
	void (*listener)(struct role_listener *l);       /* fd_take()s l->socket */
	void (*file)(struct role_file *f);               /* fd_take()s f->file if it wants it */
	void (*linked)(struct link *l);                  /* a channel to another role is there */
	void (*unlinked)(struct link *l);
};

/* What this process is. */
struct role_self {
	enum role role;
	uint32_t instance;
	unsigned copies;
	char account[256];               /* of a mailbox */
	struct nursery fibers;           /* cancelled and joined at the end */
	struct link *parent;
	struct conf_held *conf;
	bool is_stopping;
	struct wait stop;
};
extern struct role_self self;

/* Never returns; fd 3 is the channel to the parent. */
NORETURN void role_main(const struct role_def *def);

static inline const struct conf *conf_now(void)
{
	return &self.conf->c;
}
struct conf_held *conf_hold(void);
void conf_release(struct conf_held **h);         /* for AUTO */

/* Wait until the parent says stop. */
SUSPENDS void role_wait_stop(void);

/* The roles of this binary: NULL if it has none of that name. */
const struct role_def *role_def_of(enum role r);
extern const struct role_def role_control, role_smtpd, role_queue, role_mailbox, role_scan, role_user, role_pam,
	role_keys, role_login, role_dns, role_relay, role_sign;
/* The zygote waits for nobody but the parent and has no loop. */
NORETURN void zygote_main(void);
