/* safe.c — a mailbox asks which letters the journal may deliver again, and says that it has synced them.
 *
 * After a power cut names may lie in a Maildir whose bytes are lost until the journal has looked at them
 * (maildir.c, D2): sessions wait for that.
 *
 * Once the note is durable no restart delivers them again (decisions: one recovery).  A mailbox speaks for
 * its own account only; a step that nobody knows any more is safe already.  One that is on its way to the
 * mailbox again, for a process before it died, lands first: it finds its letter in place. */
#include "role/queue/queue_role.h"

#include "base/id.h"
#include "base/map.h"

#include <errno.h>

enum { BASES_MAX = 1000 };
#define REDONE_WITHIN (8 * SECOND)
#define LAND_WITHIN (20 * SECOND)
#define LOOK_EVERY (10 * SECOND)
#define LONGEST_SESSION (24 * HOUR)      /* of SMTP, from MAIL to the end of DATA */

/* The letter's id in SECONDS.ID-RCPT-STEP.host. */
static bool id_of_base(struct str base, uint64_t *ret)
{
	struct str rest;

	(void)str_cut(base, '.', &rest);
	return id_parse(str_cut(rest, '-', &rest), ret);
}

static bool find(const struct link *l, struct str base, struct step_ref *ret, bool *ret_claimed)
{
	uint64_t id;

	return id_of_base(base, &id) && queue_find_step(queue, id, str_from_z(l->account), base, ret, ret_claimed);
}

/* An id is given at MAIL: older letters than any in the table may still come. */
static uint64_t safe_before(void)
{
	static int64_t looked;
	static uint64_t oldest;
	int64_t now = time_mono();
	uint64_t ended = id_at(time_now() - LONGEST_SESSION);

	if (!looked || now - looked > LOOK_EVERY) {
		looked = now;
		oldest = queue_oldest(queue);
	}
	return oldest < ended ? oldest : ended;
}

/* -- after a start --------------------------------------------------------- */

static int64_t started;

void safe_begin(int64_t now)
{
	started = now;
}

/* One look for all that ask within a tenth of a second; once nothing is left there is nothing to look for. */
static bool is_redoing(struct str account)
{
	static struct map accounts;
	static int64_t looked;
	static bool is_over;
	int64_t now = time_mono();

	if (!is_over && (!looked || now - looked > 100 * MILLISECOND)) {
		looked = now;
		map_end(&accounts);
		queue_redoing(queue, started, &accounts);
		is_over = !accounts.n;
	}
	return !is_over && map_get(&accounts, account);
}

SUSPENDS bool serve_redone(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	int64_t end = time_mono() + REDONE_WITHIN;

	(void)question, (void)answer, (void)a;
	while (is_redoing(str_from_z(l->account)) && time_mono() < end)
		if (!fiber_sleep(20 * MILLISECOND, e))
			return false;
	return true;
}

/* -- before a letter moves ------------------------------------------------- */

SUSPENDS bool serve_unsafe(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_unsafe *q = question;
	struct queue_unsafe_answer *r = answer;
	struct step_ref ref;
	bool is_claimed;

	r->before = safe_before();
	r->bases.p = ARENA_ARRAY(a, struct ipc_text, q->bases.n ? q->bases.n : 1);
	if (!r->bases.p || q->bases.n > BASES_MAX)
		return fail(e, FAULT_PERM, "too many names at once");
	for (size_t i = 0; i < q->bases.n; i++)
		if (find(l, q->bases.p[i].text, &ref, &is_claimed))
			r->bases.p[r->bases.n++] = q->bases.p[i];
	return true;
}

SUSPENDS static bool wait_landed(const struct link *l, struct str base, struct step_ref *ref, bool *ret_open,
				 struct err *e)
{
	int64_t end = time_mono() + LAND_WITHIN;
	bool is_claimed;

	while ((*ret_open = find(l, base, ref, &is_claimed)) && is_claimed) {
		if (time_mono() > end)
			return fail_sys(e, FAULT_TEMP, EBUSY, "the letter is being delivered again");
		if (!fiber_sleep(5 * MILLISECOND, e))
			return false;
	}
	return true;
}

SUSPENDS bool serve_synced(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_synced *q = question;
	struct step_ref *refs = ARENA_ARRAY(a, struct step_ref, q->bases.n ? q->bases.n : 1);
	size_t n = 0;

	(void)answer;
	if (!refs || q->bases.n > BASES_MAX)
		return fail(e, FAULT_PERM, "too many names at once");
	for (size_t i = 0; i < q->bases.n; i++) {
		bool is_open;

		if (!wait_landed(l, q->bases.p[i].text, &refs[n], &is_open, e))
			return false;
		n += is_open;
	}
	return queue_safe(queue, refs, n, e);
}
