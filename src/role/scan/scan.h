/* scan.h — what the files of role `scan` share. */
#pragma once

#include "role/runtime.h"

/* Letters that are being read across a wait: the process does not end by itself meanwhile. */
extern unsigned scan_in_hand;

/* seven_bit.c */
SUSPENDS bool serve_seven_bit(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
/* report.c: a DMARC report in a letter */
SUSPENDS bool serve_report(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
/* mail.c: waxwing doctor mail */
SUSPENDS bool serve_mail(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
/* auth.c: `waxwing test auth`.  auth_prepare() opens the list of public suffixes, before the right to files goes. */
void auth_prepare(void);
SUSPENDS bool serve_auth(struct link *l, void *question, void *answer, struct arena *a, struct err *e);
