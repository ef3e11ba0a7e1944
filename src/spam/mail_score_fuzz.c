/* mail_score_fuzz.c — any bytes have a score, and its details are short. */
#include "spam/mail_score.h"
#include "wire/mime.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { .limit = MIME_ARENA };
	struct mail_score s;

	if (!mail_score_read(str_of(p, n), 0, &a, &s))
		return 0;
	must(mail_score_left(&s) <= MAIL_SCORE_FULL, "a score");
	for (unsigned f = 0; f < MAIL_FLAWS; f++)
		must(s.detail[f].n <= MAIL_SCORE_DETAIL && (s.has[f] || !s.detail[f].n), "short details of what is there");
	return 0;
}
