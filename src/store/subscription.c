/* subscription.c — the file `subscriptions`; see subscription.h. */
#include "store/subscription.h"

#include "base/buf.h"
#include "base/fd.h"
#include "store/store.h"
#include "store/uidfile.h"

#include <errno.h>
#include <fcntl.h>

enum { BYTES_MAX = 4 << 20 };

#define FILE_NAME "subscriptions"

bool subscriptions_read(int root, char **ret, size_t *ret_n, struct err *e)
{
	AUTO(fd_end) int fd = openat(root, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*ret = NULL;
	*ret_n = 0;
	if (fd < 0)              /* a link counts as none */
		return errno == ENOENT || errno == ELOOP || fail_sys(e, FAULT_TEMP, errno, "open " FILE_NAME);
	return fd_slurp(fd, BYTES_MAX, ret, ret_n, e) || fail_in(e, FILE_NAME);
}

static void print_name(unsigned version, struct str name, struct buf *to)
{
	if (!name.n)
		name = S("INBOX");
	for (size_t i = 0; i < name.n; i++)
		buf_add_char(to, version == 2 && name.p[i] == '.' ? '\t' : name.p[i]);
	buf_add_char(to, '\n');
}

bool subscriptions_change(int root, struct str name, bool on, struct err *e)
{
	AUTO(buf_end) struct buf text = buf_on_heap(BYTES_MAX);
	AUTO(text_end) char *old = NULL;
	char room[STORE_FOLDER_MAX + 1];
	struct buf each = buf_over(room, sizeof(room));
	struct str in = { 0 }, own = name.n ? name : S("INBOX");
	unsigned version = 0, wrote;
	bool was = false;

	if (!subscriptions_read(root, &old, &in.n, e))
		return false;
	in.p = old;
	wrote = !in.n || str_starts(in, S("V\t2\n")) ? 2 : 1;
	buf_add(&text, wrote == 2 ? S("V\t2\n\n") : S(""));
	while (subscription_parse(&in, &version, &each)) {
		bool is_it = name.n ? str_eq(buf_str(&each), own) : str_eq_nocase(buf_str(&each), own);

		was |= is_it;
		if (!is_it || on)
			print_name(wrote, buf_str(&each), &text);
	}
	if (was == on)
		return true;
	if (on)
		print_name(wrote, name, &text);
	return text.full ? fail(e, FAULT_TEMP, "too many subscriptions") :
	       file_replace(root, FILE_NAME, buf_str(&text), e);
}
