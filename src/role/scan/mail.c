/* mail.c — waxwing doctor mail: what others will hold against a letter, by its header and content. */
#include "role/scan/scan.h"

#include "base/fd.h"
#include "spam/mail_score.h"
#include "wire/mime.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { LETTER_MAX = 64 << 20, ANSWER_ARENA = 1 << 20 };

static bool tell(const struct mail_score *s, struct scan_mail_answer *r, struct arena *a)
{
	r->flaws.p = ARENA_ARRAY(a, struct ipc_mail_flaw, MAIL_FLAWS);
	for (unsigned f = 0; r->flaws.p && f < MAIL_FLAWS; f++)
		if (s->has[f])
			r->flaws.p[r->flaws.n++] = (struct ipc_mail_flaw){ .flaw = (uint16_t)f, .detail = arena_str(a, s->detail[f]) };
	r->from = arena_str(a, s->from);
	r->return_path = arena_str(a, s->return_path);
	return !a->full;
}

static bool judge(struct str letter, struct scan_mail_answer *r, struct arena *a, struct err *e)
{
	AUTO(arena_end) struct arena tree = { .limit = MIME_ARENA };
	struct mail_score *s = ARENA_NEW(&tree, struct mail_score);

	return (s && mail_score_read(letter, time_now(), &tree, s) && tell(s, r, a)) ||
	       fail(e, FAULT_PERM, "the letter needs more memory than it may");
}

SUSPENDS bool serve_mail(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	const struct scan_mail *q = question;
	struct stat st;
	char *p;
	bool ok;

	(void)l;
	a->limit = ANSWER_ARENA;
	if (q->letter <= 0 || fstat(q->letter, &st) || st.st_size < 0)
		return fail(e, FAULT_PERM, "no letter came with the question");
	if (st.st_size > LETTER_MAX)
		return fail(e, FAULT_PERM, "the letter has more than %d MiB", LETTER_MAX >> 20);
	p = malloc(st.st_size ? (size_t)st.st_size : 1);
	if (!p)
		return fail(e, FAULT_TEMP, "no memory for the letter");
	ok = fd_pread_all(q->letter, p, (size_t)st.st_size, 0, e) && judge(str_of(p, (size_t)st.st_size), answer, a, e);
	free(p);
	return ok;
}
