/* mail_score_inside.h — between mail_score.c (the header) and mail_score_text.c (the content). */
#pragma once

#include "spam/mail_score.h"
#include "wire/mime.h"

void mail_score_text(struct mail_score *s, struct str letter, const struct mime_part *root, struct arena *a);
/* One of the two is the other, or lies below it. */
bool mail_score_is_kin(struct str a, struct str b);
