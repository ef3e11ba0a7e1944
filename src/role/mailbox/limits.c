/* limits.c — see limits.h. */
#include "role/mailbox/limits.h"

#include "base/log.h"
#include "role/runtime.h"
#include "store/quota.h"

static struct store *store;
static bool has_limits, has_warned;

void limits_configured(void)
{
	const struct conf_quota *q = conf_quota_of(&conf_now()->quotas, str_from_z(self.account));

	if (!store)
		return;
	has_limits = q && (q->bytes || q->letters);
	quota_limits(store, q ? q->bytes : 0, q ? q->letters : 0);
}

void limits_of(struct store *s)
{
	store = s;
	limits_configured();
}

static uint64_t percent_of(uint64_t used, uint64_t most)
{
	return most ? (uint64_t)((double)used * 100 / (double)most) : 0;
}

SUSPENDS void limits_look(void)
{
	uint32_t warn = conf_now()->quota_warn;
	struct quota q;
	struct err ignored;
	uint64_t bytes, letters;

	if (!has_limits || !warn || !quota_read(store, &q, &ignored))
		return;
	bytes = percent_of(q.bytes, q.bytes_max);
	letters = percent_of(q.letters, q.letters_max);
	if (bytes < warn && letters < warn) {
		has_warned = false;
	} else if (!has_warned) {
		has_warned = true;
		log_warn("quota", "account=%s percent=%llu octets=%llu letters=%llu", LOGQ(str_from_z(self.account)),
			 (unsigned long long)(bytes > letters ? bytes : letters), (unsigned long long)q.bytes,
			 (unsigned long long)q.letters);
	}
}

SUSPENDS bool limits_are_reached(void)
{
	struct quota q;
	struct err ignored;

	if (!has_limits || !quota_read(store, &q, &ignored))
		return false;
	limits_look();
	return quota_is_full(&q);
}
