/* command.h — what the files of ctl/ share. */
#pragma once

#include "conf/conf.h"

#include <sys/types.h>

struct ctl {
	const char *conf_path;
	bool is_json;
	char **args;             /* without options */
	int n_args;
};

/* config.c: read and check the configuration as its owner; what is wrong goes to standard error. */
bool ctl_read_conf(const struct ctl *c, struct arena *a, struct conf *ret, bool is_quiet);
/* The same without a word. */
bool ctl_read_conf_silently(const struct ctl *c, struct arena *a, struct conf *ret);
int ctl_config(const struct ctl *c);

/* client.c: ask the server, or start what the command needs if there is none. */
int ctl_ask(const struct ctl *c);
/* A connection to the server's command socket, or minus an exit code after a complaint; *helper: what was
 * started for that (only for some commands). */
int ctl_reach(const struct ctl *c, struct str run, pid_t *helper);
struct link;
void ctl_hear_output(struct link *l, void *tell);

/* doctor.c: waxwing doctor. */
int ctl_doctor(const struct ctl *c);

/* transfer.c: waxwing import, export. */
int ctl_transfer(const struct ctl *c);
