/* sendmail_drop.c — without a server the letter is left for it, in storage/drop (wire/drop_file.h).
 *
 * Everybody may put a file there and nobody read another's (mode 1733).  It is whole once it has its
 * name, and on stable storage when we say that it is sent. */
#include "ctl/sendmail.h"

#include "base/fd.h"
#include "base/rnd.h"
#include "wire/drop_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_MAX_HERE = 80 };

static void print_script(const struct sendmail *s, struct buf *b)
{
	buf_add(b, S(DROP_MAGIC));
	sendmail_mail_line(s, b);
	for (size_t i = 0; i < s->n_rcpts; i++)
		sendmail_rcpt_line(s, s->rcpts[i], b);
	buf_add(b, S("DATA\r\n"));
	sendmail_dotted(s, b);
}

static bool write_whole(int dir, const char *name, const char *whole, struct str script, struct err *e)
{
	AUTO(fd_end) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_sys(e, FAULT_TEMP, errno, "leave the letter in drop");
	if (!fd_write_all(fd, script, e) || fsync(fd) || renameat(dir, name, dir, whole) || syncfs(fd)) {
		int sys = errno;

		unlinkat(dir, name, 0);
		return fail_sys(e, FAULT_TEMP, sys, "leave the letter in drop");
	}
	return true;
}

bool sendmail_drop(const struct sendmail *s, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	AUTO(buf_end) struct buf script = buf_on_heap(SIZE_MAX / 2);
	char *path = str_z(&a, arena_printf(&a, STR_FMT "/drop", STR_ARG(s->storage)));
	AUTO(fd_end) int dir = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	char name[NAME_MAX_HERE], whole[NAME_MAX_HERE];
	long long now = (long long)time(NULL);
	unsigned long long word = rnd_u64();

	if (dir < 0)
		return fail_sys(e, FAULT_TEMP, errno, "%s", path ? path : "drop");
	snprintf(name, sizeof(name), DROP_BEING_WRITTEN "%lld.%d.%llx", now, (int)getpid(), word);
	snprintf(whole, sizeof(whole), DROP_WHOLE "%lld.%d.%llx", now, (int)getpid(), word);
	print_script(s, &script);
	return write_whole(dir, name, whole, buf_str(&script), e);
}
