/* log.c — writing log lines; see log.h.
 *
 * The line on the pipe is "level context event key=value…\n" ("-" without a
 * context); the parent puts time, role and instance in front.  Only the loop's thread logs. */
#include "base/log.h"

#include "base/buf.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static int out = STDERR_FILENO;
static enum log_level most_shown = LOG_INFO;
static const char *(*context)(void);
static void (*sink)(struct str line);
static unsigned long lost;
enum { PLACES = 8 };
/* Too big for a fiber's stack; on pages of its own, see log_memory(). */
static _Alignas(4096) struct {
	char held[PIPE_BUF];             /* written whole or not at all (pipe(7)) */
	char line[LOG_LINE_MAX], text[LOG_LINE_MAX - 512];
	char places[PLACES][LOG_VALUE_MAX + 32];
} mem;
static size_t held_n;
static bool is_gathering;

void log_to(int fd, enum log_level most)
{
	out = fd;
	most_shown = most;
}

void log_set_sink(void (*take)(struct str line))
{
	sink = take;
}

void log_set_context(const char *(*name)(void))
{
	context = name;
}

void log_gather(void)
{
	is_gathering = true;
}

void log_flush(void)
{
	if (held_n && write(out, mem.held, held_n) != (ssize_t)held_n)
		lost++;
	held_n = 0;
}

void *log_memory(size_t *ret_n)
{
	*ret_n = sizeof(mem);
	return &mem;
}

static bool put(struct buf *b)
{
	if (b->full) {
		b->full = false;
		if (b->n > b->cap - 5)
			b->n = b->cap - 5;
		buf_add(b, S(" …"));
	}
	if (sink) {
		sink(buf_str(b));
		return true;
	}
	buf_add_char(b, '\n');
	if (!is_gathering || b->n > sizeof(mem.held))
		return log_flush(), write(out, b->p, b->n) == (ssize_t)b->n;
	if (b->n > sizeof(mem.held) - held_n)
		log_flush();
	memcpy(mem.held + held_n, b->p, b->n);
	held_n += b->n;
	return true;
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	const char *who = context ? context() : "";
	struct buf b = buf_over(mem.line, sizeof(mem.line) - 1);
	int was = errno;
	va_list ap;

	if (level > most_shown)
		return;
	va_start(ap, fmt);
	vsnprintf(mem.text, sizeof(mem.text), fmt, ap);
	va_end(ap);
	for (char *p = mem.text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	if (lost) {
		buf_addf(&b, "warn - log-lost lines=%lu\n", lost);
		if (write(out, b.p, b.n) == (ssize_t)b.n)
			lost = 0;
		buf_clear(&b);
	}
	buf_addf(&b, "%s ", names[level]);
	for (const char *p = *who ? who : "-"; *p; p++)
		buf_add_char(&b, *p == ' ' ? '_' : *p);
	buf_addf(&b, " %s", event);
	if (*mem.text)
		buf_addf(&b, " %s", mem.text);
	if (!put(&b))
		lost++;
	if (level == LOG_ERROR)
		log_flush();             /* a person must act, and this process may be about to end */
	errno = was;
}

const char *log_quote(struct str s)
{
	static unsigned next;
	char *to = mem.places[next++ % PLACES];
	struct buf b = buf_over(to, sizeof(mem.places[0]) - 2);

	buf_add_char(&b, '"');
	buf_add_printable(&b, s, LOG_VALUE_MAX);
	b.full = false;
	to[b.n] = '"';
	to[b.n + 1] = '\0';
	return to;
}
