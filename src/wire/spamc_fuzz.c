/* spamc_fuzz.c — any bytes are an answer whose header lies inside, or none; more bytes do not undo a refusal. */
#include "base/err.h"
#include "wire/spamc.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct str all = str_of(p, n);
	struct spamc_field *fields;
	struct spamc_answer r;
	size_t n_fields, sum = 0;
	const char *why = NULL;

	if (spamc_answer_parse(str_head(all, n / 2), false, &r, &why) == SPAMC_MALFORMED)
		must(spamc_answer_parse(all, true, &r, &why) == SPAMC_MALFORMED, "a refusal lasts");
	if (spamc_answer_parse(all, true, &r, &why) != SPAMC_DONE)
		return 0;
	must(r.score <= SPAMC_SCORE_MAX && r.score >= -SPAMC_SCORE_MAX && r.header.n <= n, "what was promised");
	must(spamc_fields_read(r.header, &a, &fields, &n_fields) && n_fields <= SPAMC_FIELDS_MAX, "a few fields");
	for (size_t i = 0; i < n_fields; i++) {
		must(fields[i].value.p >= r.header.p && str_starts_nocase(fields[i].name, S("X-Spam-")), "inside");
		sum += fields[i].value.n;
	}
	must(sum <= SPAMC_VALUES_MAX, "little text");
	return 0;
}
