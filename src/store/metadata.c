/* metadata.c — annotations in plain files; see metadata.h.
 *
 * States of a change:  M0 the old file   M1 the new one under the temporary name, synced
 *   M2 renamed, the directory synced: true is returned.  A crash before M2 leaves the old one. */
#include "store/metadata.h"

#include "base/fd.h"
#include "store/box_file.h"
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>

#define OF_FOLDER "waxwing-metadata"
#define OF_ACCOUNT "metadata"

/* ---- lines ---- */

static const struct {
	char octet, letter;
} escapes[] = { { '\\', '\\' }, { '\n', 'n' }, { '\r', 'r' }, { '\t', 't' }, { '\0', '0' } };

static bool name_is_valid(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (str_at(s, i) < ' ' || str_at(s, i) > 0x7e)
			return false;
	return s.n > 1 && s.n <= METADATA_NAME_MAX && str_at(s, 0) == '/';
}

static bool unescape(struct str in, struct arena *a, struct str *ret)
{
	char *to = arena_alloc(a, 1, in.n + 1);
	size_t n = 0;

	for (size_t i = 0; to && i < in.n; i++) {
		size_t k = 0;

		if (in.p[i] != '\\') {
			to[n++] = in.p[i];
			continue;
		}
		i++;
		while (k < ARRAY_LEN(escapes) && escapes[k].letter != str_at(in, i))
			k++;
		if (k == ARRAY_LEN(escapes))
			return false;
		to[n++] = escapes[k].octet;
	}
	*ret = str_of(to, n);
	return to && n <= METADATA_VALUE_MAX;
}

bool metadata_line_parse(struct str *in, struct arena *a, struct str *ret_line, struct metadata_entry *ret,
			 bool *ret_is_entry)
{
	struct str line = *in, value;
	size_t end = str_find(*in, '\n');

	if (!in->n)
		return false;
	*ret_line = str_head(*in, end < in->n ? end + 1 : end);
	*in = str_from(*in, ret_line->n);
	line = str_head(*ret_line, end);
	*ret = (struct metadata_entry){ .name = str_cut(line, '\t', &value) };
	*ret_is_entry = ret->name.n < line.n && name_is_valid(ret->name) && unescape(value, a, &ret->value);
	return true;
}

void metadata_line_print(struct buf *b, const struct metadata_entry *m)
{
	buf_add(b, m->name);
	buf_add_char(b, '\t');
	for (size_t i = 0; i < m->value.n; i++) {
		size_t k = 0;

		while (k < ARRAY_LEN(escapes) && escapes[k].octet != m->value.p[i])
			k++;
		if (k < ARRAY_LEN(escapes))
			buf_add_char(b, '\\');
		buf_add_char(b, k < ARRAY_LEN(escapes) ? escapes[k].letter : m->value.p[i]);
	}
	buf_add_char(b, '\n');
}

/* ---- files, in a thread ---- */

struct metadata_job {
	struct shelf *s;
	struct metadata_place at;
	struct arena *a;
	struct metadata_entry *entries;  /* read, or the changes */
	size_t n;
	struct err e;
	bool ok;
};

/* The directory it lies in, and its name there. */
static bool place_open(struct shelf *s, const struct metadata_place *at, int *ret_dir, const char **ret_name,
		       struct err *e)
{
	AUTO(folder_end) struct folder f = FOLDER_NONE;
	int ours;

	*ret_name = at->is_account ? OF_ACCOUNT : OF_FOLDER;
	if (at->is_account) {
		if (!shelf_ours(s, &ours, e))
			return false;
		*ret_dir = openat(ours, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		if (!folder_open(s->m->home, s->m->root, at->folder, !at->folder.n, &f, e))
			return false;
		*ret_dir = openat(f.cur, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return *ret_dir >= 0 || fail_sys(e, FAULT_TEMP, errno, "open the folder");
}

/* An empty text if there is no file. */
static bool file_read(int dir, const char *name, char **ret, struct str *ret_text, struct err *e)
{
	AUTO(fd_end) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	size_t n = 0;

	*ret_text = (struct str){ 0 };
	if (fd < 0)
		return errno == ENOENT || fail_sys(e, FAULT_TEMP, errno, "open %s", name);
	if (!fd_slurp(fd, 2 * METADATA_FILE_MAX, ret, &n, e))
		return false;
	*ret_text = str_of(*ret, n);
	return true;
}

static void read_run(void *arg)
{
	struct metadata_job *j = arg;
	AUTO(fd_end) int dir = -1;
	AUTO(text_end) char *old = NULL;
	const char *name;
	struct str in, line;
	struct metadata_entry m;
	bool is_entry;

	if (!place_open(j->s, &j->at, &dir, &name, &j->e) || !file_read(dir, name, &old, &in, &j->e))
		return;
	while (j->n < METADATA_ENTRIES_MAX && metadata_line_parse(&in, j->a, &line, &m, &is_entry))
		if (is_entry) {
			m.name = arena_str(j->a, m.name);
			j->entries[j->n++] = m;
		}
	j->ok = !j->a->full || fail(&j->e, FAULT_TEMP, "out of memory");
}

SUSPENDS bool metadata_read(struct store *s, const struct metadata_place *at, struct arena *a,
			    struct metadata_entry **ret, size_t *ret_n, struct err *e)
{
	struct metadata_job j = { .s = shelf_of(s, e), .at = *at, .a = a };

	if (!j.s)
		return false;
	j.entries = ARENA_ARRAY(a, struct metadata_entry, METADATA_ENTRIES_MAX);
	if (!j.entries)
		return fail(e, FAULT_TEMP, "out of memory");
	off_loop(read_run, &j);
	*ret = j.entries;
	*ret_n = j.n;
	if (!j.ok)
		*e = j.e;
	return j.ok;
}

/* The change of that name that counts: the last. */
static const struct metadata_entry *change_of(const struct metadata_job *j, struct str name)
{
	for (size_t i = j->n; i-- > 0;)
		if (str_eq_nocase(j->entries[i].name, name))
			return &j->entries[i];
	return NULL;
}

/* What stays, then what is new. */
static bool text_make(const struct metadata_job *j, struct str in, struct buf *to, struct arena *a, struct err *e)
{
	struct arena_mark mark = arena_mark(a);
	struct metadata_entry m;
	struct str line;
	size_t n = 0;
	bool is_entry;

	for (; metadata_line_parse(&in, a, &line, &m, &is_entry); arena_rewind(a, mark)) {
		if (is_entry && change_of(j, m.name))
			continue;
		buf_add(to, line);
		buf_add(to, str_ends(line, S("\n")) ? S("") : S("\n"));
		n += is_entry;
	}
	for (size_t i = 0; i < j->n; i++) {
		if (j->entries[i].is_none || change_of(j, j->entries[i].name) != &j->entries[i])
			continue;
		metadata_line_print(to, &j->entries[i]);
		n++;
	}
	if (to->full || n > METADATA_ENTRIES_MAX)
		return fail_sys(e, FAULT_PERM, EMLINK, "too many annotations");
	return true;
}

static void change_run(void *arg)
{
	struct metadata_job *j = arg;
	AUTO(arena_end) struct arena a = { .limit = 4 * METADATA_VALUE_MAX };
	AUTO(buf_end) struct buf to = buf_on_heap(METADATA_FILE_MAX);
	AUTO(fd_end) int dir = -1;
	AUTO(text_end) char *old = NULL;
	const char *name;
	struct str in;

	j->ok = place_open(j->s, &j->at, &dir, &name, &j->e) && file_read(dir, name, &old, &in, &j->e) &&
		text_make(j, in, &to, &a, &j->e) &&
		(str_eq(in, buf_str(&to)) || file_replace(dir, name, buf_str(&to), &j->e));
}

SUSPENDS bool metadata_change(struct store *s, const struct metadata_place *at, const struct metadata_entry *changes,
			      size_t n, struct err *e)
{
	AUTO(shelf_let_go) struct shelf_held held = { 0 };
	struct metadata_job j = { .s = shelf_of(s, e), .at = *at, .n = n,
				  .entries = (struct metadata_entry *)(uintptr_t)changes };

	if (!j.s)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!name_is_valid(changes[i].name))
			return fail_sys(e, FAULT_PERM, EINVAL, "not a name for an annotation");
		if (!changes[i].is_none && changes[i].value.n > METADATA_VALUE_MAX)
			return fail_sys(e, FAULT_PERM, EMSGSIZE, "the annotation is too long");
	}
	if (!shelf_hold(&held, j.s, e))
		return false;
	off_loop(change_run, &j);
	if (!j.ok)
		*e = j.e;
	return j.ok;
}

bool metadata_copy_inbox(struct shelf *s, struct str to, struct err *e)
{
	const struct metadata_place inbox = { 0 }, other = { .folder = to };
	AUTO(fd_end) int from = -1, dir = -1;
	AUTO(text_end) char *text = NULL;
	const char *name;
	struct str in;

	return place_open(s, &inbox, &from, &name, e) && file_read(from, name, &text, &in, e) &&
	       (!in.n || (place_open(s, &other, &dir, &name, e) && file_replace(dir, name, in, e)));
}
