/* box_keywords.c — dovecot-keywords: which letter a…z of a file's name means which keyword.
 *
 * A folder has at most 26.  One that no letter bears gives its place to a new one. */
#include "store/box_file.h"
#include "store/flag_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define FILE_NAME "dovecot-keywords"

void keywords_free(struct box *b)
{
	for (size_t i = 0; i < KEYWORDS_MAX; i++) {
		free(b->keywords[i]);
		b->keywords[i] = NULL;
	}
}

struct names {
	char *names[KEYWORDS_MAX];
};

static void names_end(struct names *n)
{
	for (size_t i = 0; i < KEYWORDS_MAX; i++)
		free(n->names[i]);
}

bool keywords_load(struct box *b, struct err *e)
{
	AUTO(fd_end) int fd = openat(b->top, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO(text_end) char *text = NULL;
	AUTO(names_end) struct names fresh = { 0 };
	struct str in, name;
	unsigned i;
	bool bad;

	if (fd < 0)
		return errno == ENOENT || fail_sys(e, FAULT_TEMP, errno, "open " FILE_NAME);
	if (!fd_slurp(fd, KEYWORDS_BYTES_MAX, &text, &in.n, e))
		return fail_in(e, FILE_NAME);
	in.p = text;
	while (keywords_line_parse(&in, &i, &name, &bad))
		if (!bad && !fresh.names[i] && !(fresh.names[i] = strndup(name.p, name.n)))
			return fail(e, FAULT_TEMP, "no memory for the keywords");
	keywords_free(b);
	memcpy(b->keywords, fresh.names, sizeof(fresh.names));
	fresh = (struct names){ 0 };
	return true;
}

struct str box_keyword(const struct box *b, unsigned i)
{
	return i < KEYWORDS_MAX ? str_from_z(b->keywords[i]) : (struct str){ 0 };
}

int box_keyword_find(const struct box *b, struct str name)
{
	for (int i = 0; i < KEYWORDS_MAX; i++)
		if (b->keywords[i] && str_eq_nocase(str_from_z(b->keywords[i]), name))
			return i;
	return -1;
}

static uint32_t borne(const struct box *b)
{
	uint32_t all = 0;

	for (size_t i = 0; i < b->n; i++)
		all |= b->letters[i].keywords | b->letters[i].disk_keywords;
	return all;
}

/* A place without a name first, also if letters have its flag: they get the name by and by. */
static int free_place(const struct box *b)
{
	uint32_t all = borne(b);

	for (int i = 0; i < KEYWORDS_MAX; i++)
		if (!b->keywords[i] && !(all >> i & 1))
			return i;
	for (int i = 0; i < KEYWORDS_MAX; i++)
		if (!(all >> i & 1))
			return i;
	return -1;
}

bool box_keyword_room(const struct box *b)
{
	return free_place(b) >= 0;
}

struct keyword_job {
	struct box *b;
	struct str text;
	struct err e;
	bool ok;
};

static void keyword_run(void *arg)
{
	struct keyword_job *j = arg;
	AUTO(uidlist_unlock) struct uidlist_lock lock = UIDLIST_UNLOCKED;

	j->ok = uidlist_lock(j->b->top, &lock, &j->e) &&
		file_replace(j->b->top, FILE_NAME, j->text, &j->e);
}

SUSPENDS static bool keyword_write(struct box *b, int at, struct str name, struct err *e)
{
	AUTO(buf_end) struct buf text = buf_on_heap(KEYWORDS_BYTES_MAX);
	struct keyword_job j = { .b = b };

	for (int i = 0; i < KEYWORDS_MAX; i++)
		if (i == at || b->keywords[i])
			buf_addf(&text, "%d " STR_FMT "\n", i,
				 STR_ARG(i == at ? name : str_from_z(b->keywords[i])));
	if (text.full)
		return fail(e, FAULT_TEMP, "no memory for the keywords");
	j.text = buf_str(&text);
	off_loop(keyword_run, &j);
	if (!j.ok)
		*e = j.e;
	return j.ok;
}

/* Under this number.  Who had it before cannot be set meanwhile; lines of the flag log that say how letters lost
 * it must not be lost any more, or it would come back to them under its new name. */
SUSPENDS static bool keyword_put(struct box *b, int at, struct str name, struct err *e)
{
	char *was = b->keywords[at], *new = strndup(name.p, name.n);
	bool ok;

	if (!new)
		return fail(e, FAULT_TEMP, "out of memory");
	b->keywords[at] = NULL;
	ok = (!was || flag_log_sync(b->shelf->flag_log, e)) && keyword_write(b, at, name, e);
	b->keywords[at] = ok ? new : was;
	free(ok ? was : new);
	return ok;
}

SUSPENDS bool box_keyword_give(struct box *b, struct str name, unsigned *ret, struct err *e)
{
	int at = box_keyword_find(b, name);

	if (at < 0) {
		if (!keyword_is_valid(name))
			return fail_sys(e, FAULT_PERM, EINVAL, "not a keyword");
		at = free_place(b);
		if (at < 0)
			return fail_sys(e, FAULT_PERM, ENOSPC, "the folder has 26 keywords already");
		if (!keyword_put(b, at, name, e))
			return false;
		box_log(b, &(struct change){ .kind = CHANGE_KEYWORDS });
	}
	*ret = (unsigned)at;
	return true;
}

SUSPENDS bool box_keyword_make(struct box *b, struct str name, unsigned *ret, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	int at = box_keyword_find(b, name);

	if (at >= 0) {
		*ret = (unsigned)at;
		return true;
	}
	if (b->is_gone)
		return fail_sys(e, FAULT_TEMP, ENOENT, "the folder is gone");
	return shelf_hold(&held, b->shelf, e) && box_keyword_give(b, name, ret, e);
}
