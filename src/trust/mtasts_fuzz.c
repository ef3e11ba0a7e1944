/* mtasts_fuzz.c — any bytes are a policy with a way to ask it, or none; the same for records. */
#include "base/err.h"
#include "trust/mtasts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct mtasts_policy policy;
	struct str all = str_of(p, n), second, texts[2], id;

	texts[0] = str_cut(all, '\0', &second);
	texts[1] = second;
	if (mtasts_record_parse(texts, 2, &id) == MTASTS_RECORD_FOUND)
		must(id.n > 0 && id.n <= MTASTS_ID_MAX && id.p > all.p && id.p + id.n <= all.p + all.n, "an id inside");
	if (!mtasts_policy_parse(all, &policy))
		return 0;
	must(policy.max_age <= MTASTS_AGE_MAX && (policy.n_mx || policy.mode == MTASTS_NONE), "a whole policy");
	for (size_t i = 0; i < policy.n_mx; i++)
		if (!str_starts(policy.mx[i], S("*.")))
			must(mtasts_policy_has(&policy, policy.mx[i]), "what it names it has");
	return 0;
}
