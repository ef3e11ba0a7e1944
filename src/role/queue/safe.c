/* safe.c — a mailbox has synced a letter that one of its sessions is about to move or remove.
 *
 * Once the note is durable no restart delivers the letter again (decisions: one recovery).  A
 * mailbox speaks for its own account only; a step that nobody knows any more is safe already. */
#include "role/queue/queue_role.h"

#include "base/id.h"

/* The letter's id in SECONDS.ID-RCPT-STEP.host. */
static bool id_of_base(struct str base, uint64_t *ret)
{
	struct str rest;

	(void)str_cut(base, '.', &rest);
	return id_parse(str_cut(rest, '-', &rest), ret);
}

SUSPENDS bool serve_synced(struct link *l, void *question, void *answer, struct arena *a, struct err *e)
{
	struct queue_synced *q = question;
	struct step_ref ref;
	uint64_t id;

	(void)answer, (void)a;
	if (!id_of_base(q->base, &id))
		return fail(e, FAULT_PERM, "this is no name of a delivery");
	return !queue_find_step(queue, id, str_from_z(l->account), q->base, &ref) || queue_safe(queue, &ref, 1, e);
}
