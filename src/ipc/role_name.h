/* role_name.h — who there is.  What each may do stands in role/roles.def. */
#pragma once

#include "base/str.h"

/* Why-records keep the number: a new role comes before TOOL, none moves. */
#define ROLE_NAMES(X) \
	X(PARENT, "parent") X(CONTROL, "control") X(SMTPD, "smtpd") X(QUEUE, "queue") X(MAILBOX, "mailbox") \
	X(SCAN, "scan") X(USER, "user") X(PAM, "pam") X(KEYS, "keys") X(ZYGOTE, "zygote") \
	X(LOGIN, "login") X(DNS, "dns") X(RELAY, "relay") X(SIGN, "sign") X(TOOL, "tool")

enum role {
#define X(id, name) ROLE_##id,
	ROLE_NAMES(X)
#undef X
	ROLE_COUNT
};

const char *role_name(enum role r);
/* ROLE_COUNT if there is none of that name. */
enum role role_by_name(struct str name);
