/* refused.h — the ring of refused letters (role/queue/refused.h) hears what never came to the queue. */
#pragma once

#include "role/smtpd/session.h"

/* At RCPT: this one is refused for good because of who sends, by `r`, whose reason is s->note.why. */
void refused_note_rcpt(struct session *s, const struct smtp_command *rcpt, const struct reply *r);
/* The transaction ends: those that were noted. */
void refused_tell(const struct session *s, const struct transaction *t);
/* Its text was read, and is refused here. */
void refused_tell_letter(const struct session *s, const struct transaction *t, enum reply_id reply);
