/* select.h — which letters, and which of their recipients, a person means. */
#pragma once

#include "queue/queue.h"

enum queue_action {
	ACTION_RETRY,            /* due now */
	ACTION_HOLD, ACTION_RELEASE,     /* of the whole letter */
	ACTION_BOUNCE,           /* the sender is told that it failed */
	ACTION_DROP,             /* nobody is told */
	ACTION_REDIRECT,         /* somebody else gets it */
	ACTION_COUNT
};

/* What is empty or 0 says nothing. */
struct queue_select {
	uint64_t id, mask;
	struct str from;         /* an address; "<>": the null sender; "@domain" */
	struct str to;           /* as given, or as it is now after aliases; or "@domain" */
	struct str domain;       /* of a recipient */
	int64_t before, after;   /* of acceptance */
	bool is_held;
};
bool queue_selects(const struct queue_select *s, const struct queue_entry *e);
