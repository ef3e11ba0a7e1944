/* log.h — one event, one line: event key=value key="a longer value" …
 *
 * Values that come from outside go through LOGQ, which makes them printable and
 * quotes them; addresses and ids always stand under the same keys (msg= from=
 * rcpt= peer= why=).  A role writes to its log pipe and never waits: what does
 * not fit is counted and said with the next line that does. */
#pragma once

#include "base/attr.h"
#include "base/str.h"

enum log_level {
	LOG_ERROR,       /* a person must act */
	LOG_WARN,        /* we coped */
	LOG_INFO,        /* one line per letter and step */
	LOG_DEBUG,
};

enum { LOG_LINE_MAX = 4096, LOG_VALUE_MAX = 512 };

/* Where lines go (default: standard error) and which levels. */
void log_to(int fd, enum log_level most);
/* From now on lines are held until log_flush(), which the loop calls before it waits: what is done in
 * one turn is written with one system call. */
void log_gather(void);
void log_flush(void);
/* Static memory in which nothing is needed behind log_flush(). */
void *log_memory(size_t *ret_n);
/* Lines (without newline) are taken by a function instead: the parent's own. */
void log_set_sink(void (*take)(struct str line));
/* What stands in front of each line, for instance the fiber's name: asked for each time. */
void log_set_context(const char *(*name)(void));

PRINTF_LIKE(3, 4) void log_event(enum log_level level, const char *event, const char *fmt, ...);
#define log_error(event, ...) log_event(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...) log_event(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...) log_event(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_event(LOG_DEBUG, event, __VA_ARGS__)

/* log_info("helo", "name=%s", LOGQ(name)): quoted, printable, at most LOG_VALUE_MAX
 * bytes; the text lives in one of 8 static places that are used in turn. */
#define LOGQ(s) log_quote(s)
const char *log_quote(struct str s);
