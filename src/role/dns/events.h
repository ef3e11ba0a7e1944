/* events.h — libunbound's events (unbound-event.h) on our loop. */
#pragma once

struct ub_event_base;

/* One for all contexts; never freed. */
struct ub_event_base *events_base(void);
