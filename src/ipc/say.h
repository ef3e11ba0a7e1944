/* say.h — each message as a function of its name:
 *
 *	struct queue_begin_answer begun;
 *	if (!queue_begin(link_to(ROLE_QUEUE), &(struct queue_begin){ .size = n }, &begun, &a, e))
 *	user_disconnect(link_to(ROLE_USER), &(struct user_disconnect){ .peer = p });
 */
#pragma once

#include "ipc/link.h"

#define TELL(number, name, from, to, fields) \
	static inline bool name(struct link *l, const struct name *v) \
	{ \
		struct err e; \
		return link_say(l, IPC_##name, v, &e); \
	}
#define CALL(number, name, from, to, fields, answer) \
	SUSPENDS static inline bool name(struct link *l, const struct name *v, struct name##_answer *ret, \
					 struct arena *a, struct err *e) \
	{ \
		return link_ask(l, IPC_##name, v, ret, a, e); \
	}
#include "ipc/dialogues.def"
#undef TELL
#undef CALL
