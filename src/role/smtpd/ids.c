/* ids.c — see ids.h. */
#include "role/smtpd/ids.h"

#include "base/time.h"
#include "ipc/say.h"

enum { IDS_MAX = 16 };           /* the queue gives no more than 64 */
#define KEPT_FOR (20 * MILLISECOND)

/* A row of ids not used yet. */
static struct {
	const struct link *from;
	uint64_t next, n;
	int64_t until;           /* monotonic */
} kept;
static uint64_t wanted = 1;
static bool is_asking;
static struct wait asked;

static void give_back(void)
{
	for (; kept.n; kept.n--)
		queue_forget(link_to(ROLE_QUEUE), &(struct queue_forget){ .id = kept.next++ });
}

void ids_unlinked(const struct link *l)
{
	if (kept.from == l)
		kept.n = 0;
}

/* One fiber asks, the others wait for what it gets. */
SUSPENDS static bool ask(struct arena *a, struct err *e)
{
	struct link *queue = link_to(ROLE_QUEUE);
	struct queue_begin_answer r;
	bool ok;

	is_asking = true;
	ok = queue_begin(queue, &(struct queue_begin){ .count = wanted }, &r, a, e);
	is_asking = false;
	wait_wake_all(&asked);
	if (!ok)
		return false;
	kept.from = queue;
	kept.next = r.id;
	kept.n = r.count - 1 < IDS_MAX ? r.count : 1;
	kept.until = time_mono() + KEPT_FOR;
	return true;
}

SUSPENDS bool ids_take(struct arena *a, uint64_t *ret, struct err *e)
{
	while (is_asking)
		if (!wait_on(&asked, "letter ids", e))
			return false;
	if (time_mono() >= kept.until) {
		give_back();
		wanted = 1;
	} else if (!kept.n) {            /* used up in time: a longer row will be, too */
		wanted = wanted < IDS_MAX ? wanted * 2 : IDS_MAX;
	}
	if (!kept.n && !ask(a, e))
		return false;
	kept.n--;
	*ret = kept.next++;
	return true;
}
