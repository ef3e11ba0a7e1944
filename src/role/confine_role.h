/* confine_role.h — a role process gives up what its row in roles.def does not grant. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Before the role opens what it needs: one thread, and what it makes belongs to its own user. */
bool confine_begin(struct err *e);

/* What the kernel could not do is added to *warnings, as sentences. */
SUSPENDS bool confine_role(struct buf *warnings, struct err *e);

/* For the child that parses the configuration: it may compute, read and write what it has open. */
SUSPENDS bool confine_reader(struct err *e);

/* The home that FILES_HOME means: an open directory, which stays open. */
void confine_home(int fd);

/* The zygote builds the mailbox's list of system calls once; its children only install it. */
bool confine_prepare_mailbox(struct err *e);
