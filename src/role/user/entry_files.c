/* entry_files.c — the snapshots of text files with blocks and exceptions.
 *
 * The parent opens and watches; a new descriptor replaces the snapshot as a whole.  A file that is
 * missing is empty.  One that cannot be read at all keeps the snapshot that was there. */
#include "role/user/entries.h"

#include "base/fd.h"
#include "base/log.h"

#include <stdlib.h>

enum { FAULTS_TOLD = 20 };

struct slot {
	enum entry_file_kind kind;
	char *path;
	struct entry_file *snapshot;     /* NULL: never read */
	uint64_t asked;                  /* the number of the last descriptor that came */
};

static struct slot *slots;               /* in the order of the configuration */
static size_t n_slots;
static uint64_t n_asked;

static const char *const file_words[ENTRY_FILE_KINDS] = {
	[ENTRY_FILE_BLOCK] = "block", [ENTRY_FILE_ALLOW] = "allow", [ENTRY_FILE_EXIM_SENDERS] = "sender-exceptions",
	[ENTRY_FILE_EXIM_HOSTS] = "host-exceptions",
};

const struct entry_file *entry_files_next(size_t *i)
{
	while (*i < n_slots && !slots[*i].snapshot)
		++*i;
	return *i < n_slots ? slots[(*i)++].snapshot : NULL;
}

static struct slot *slot_of(enum entry_file_kind kind, struct str path)
{
	for (size_t i = 0; i < n_slots; i++)
		if (slots[i].path && slots[i].kind == kind && str_eq(str_from_z(slots[i].path), path))
			return &slots[i];
	return NULL;
}

/* -- which files there are -------------------------------------------------- */

/* The snapshot of a file that is still named stays. */
static void take_slots(const struct conf_names *names, enum entry_file_kind kind, struct slot *to, size_t *n)
{
	for (size_t i = 0; i < names->n; i++) {
		struct slot *old = slot_of(kind, names->p[i].text);
		struct slot fresh = { .kind = kind };

		if (old) {
			fresh = *old;
			old->path = NULL;
			old->snapshot = NULL;
		} else {
			fresh.path = strndup(names->p[i].text.p, names->p[i].text.n);
			must(fresh.path, "out of memory for a file of blocks");
		}
		to[(*n)++] = fresh;
	}
}

void entry_files_configured(void)
{
	const struct conf_inbound *in = &conf_now()->inbound;
	const struct conf_names *names[ENTRY_FILE_KINDS] = {
		[ENTRY_FILE_BLOCK] = &in->block_files, [ENTRY_FILE_ALLOW] = &in->allow_files,
		[ENTRY_FILE_EXIM_SENDERS] = &in->sender_exceptions, [ENTRY_FILE_EXIM_HOSTS] = &in->host_exceptions };
	size_t all = 0, n = 0;
	struct slot *fresh;

	for (int k = 0; k < ENTRY_FILE_KINDS; k++)
		all += names[k]->n;
	fresh = calloc(all + 1, sizeof(*fresh));
	must(fresh, "out of memory for the files of blocks");
	for (int k = 0; k < ENTRY_FILE_KINDS; k++)
		take_slots(names[k], (enum entry_file_kind)k, fresh, &n);
	for (size_t i = 0; i < n_slots; i++) {
		free(slots[i].path);
		entry_file_close(slots[i].snapshot);
	}
	free(slots);
	slots = fresh;
	n_slots = n;
	entries_changed();
}

/* -- reading --------------------------------------------------------------- */

struct reading {
	enum entry_file_kind kind;
	char *path;
	int fd;                          /* -1: there is no such file */
	uint64_t number;
	struct entry_file *ret;
	struct err err;
};

/* May run in a thread. */
static void read_file(void *arg)
{
	struct reading *r = arg;

	if (r->fd < 0)
		r->ret = entry_file_parse(r->kind, str_from_z(r->path), S(""), &r->err);
	else
		r->ret = entry_file_read(r->kind, str_from_z(r->path), r->fd, &r->err);
}

static void tell_faults(const struct entry_file *f)
{
	size_t n = f->n_faults < FAULTS_TOLD ? f->n_faults : FAULTS_TOLD;

	for (size_t i = 0; i < n; i++)
		log_warn("file", "path=%s line=%u why=%s", LOGQ(f->name), f->faults[i].line,
			 LOGQ(str_from_z(f->faults[i].text)));
	if (f->n_faults_all > n)
		log_warn("file", "path=%s why=\"%zu more lines have faults\"", LOGQ(f->name), f->n_faults_all - n);
}

static void put_in_force(struct reading *r)
{
	struct slot *s = slot_of(r->kind, str_from_z(r->path));

	if (!s || s->asked != r->number)
		return;
	if (!r->ret) {
		log_error("file", "path=%s why=%s next=\"what was read before stays in force\"",
			  LOGQ(str_from_z(r->path)), LOGQ(str_from_z(r->err.text)));
		return;
	}
	if (r->fd < 0)
		log_warn("file", "path=%s why=\"the file is missing, so it is taken for empty\"", LOGQ(str_from_z(r->path)));
	tell_faults(r->ret);
	log_info("file", "path=%s lines=%u entries=%zu", LOGQ(str_from_z(r->path)), r->ret->n_lines, r->ret->set.n);
	entry_file_close(s->snapshot);
	s->snapshot = r->ret;
	r->ret = NULL;
	entries_changed();
}

static void reading_close(struct reading *r)
{
	entry_file_close(r->ret);
	fd_end(&r->fd);
	free(r->path);
	free(r);
}

SUSPENDS static void read_in_thread(void *arg)
{
	struct reading *r = arg;

	off_loop(read_file, r);
	put_in_force(r);
	reading_close(r);
}

bool entry_files_take(struct role_file *f)
{
	struct reading *r;
	struct slot *s;
	int kind = 0;

	while (kind < ENTRY_FILE_KINDS && !str_eq(f->what, str_from_z(file_words[kind])))
		kind++;
	if (kind == ENTRY_FILE_KINDS)
		return false;
	if (!slots)              /* files come before anything else */
		entry_files_configured();
	s = slot_of((enum entry_file_kind)kind, f->path);
	r = s ? calloc(1, sizeof(*r)) : NULL;
	if (!r)
		return true;
	*r = (struct reading){ .kind = s->kind, .path = strdup(s->path), .fd = f->file > 0 ? fd_take(&f->file) : -1,
			       .number = s->asked = ++n_asked };
	must(r->path, "out of memory for a file of blocks");
	if (files_have_threads() && fiber_start(&self.fibers, "file", read_in_thread, r))
		return true;
	read_file(r);
	put_in_force(r);
	reading_close(r);
	return true;
}
