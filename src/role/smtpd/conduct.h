/* conduct.h — what a client does in its session that leads nowhere; `user` bans who goes on so. */
#pragma once

#include "role/smtpd/session.h"

/* This is the reply that it gets. */
void conduct_count(struct session *s, enum reply_id id);
/* What `user` is told when the session is over. */
struct user_disconnect conduct_report(const struct session *s);
