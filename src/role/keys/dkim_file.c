/* dkim_file.c — keys that were there before us: files that lines `dkim keys` name.
 *
 * The parent opens each when it is first needed, and again when it was replaced.  A file that cannot be read leaves the
 * key of before in force; without one, letters that must be signed with it wait. */
#include "role/keys/dkim.h"

#include "base/fd.h"
#include "base/log.h"
#include "fiber/private_key.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILES_MAX = 4096, PEM_MAX = 32 << 10 };
#define COMES_WITHIN (3 * SECOND)

/* One line for one domain. */
struct wanted {
	uint32_t line;                   /* conf_dkim_at() */
	struct str domain;               /* "%d", and d=; owned */
	bool has_come;
};

static struct wanted wanted[FILES_MAX];
static size_t n_wanted;
static struct wait come;

void dkim_files_forget(void)
{
	while (n_wanted)
		free((char *)(uintptr_t)wanted[--n_wanted].domain.p);
}

static struct wanted *find(uint32_t line, struct str domain)
{
	for (size_t i = 0; i < n_wanted; i++)
		if (wanted[i].line == line && str_eq(wanted[i].domain, domain))
			return &wanted[i];
	return NULL;
}

static void row_fails(struct dkim_row *row, struct str path, const char *why)
{
	struct buf b = buf_over(row->trouble, sizeof(row->trouble) - 1);

	buf_addf(&b, STR_FMT ": %.100s%s", STR_ARG(str_head(path, 100)), why,
		 row->private.key ? "; the key of before stays in use" : "");
	row->trouble[b.n] = '\0';
	log_error("dkim", "domain=" STR_FMT " selector=" STR_FMT " why=%s", STR_ARG(row->domain), STR_ARG(row->selector),
		  LOGQ(str_from_z(row->trouble)));
}

static bool load(int fd, struct dkim_private *ret, struct err *e)
{
	char *pem = NULL;
	size_t n = 0;
	bool ok;

	if (fd <= 0)
		return fail(e, FAULT_TEMP, "the file is not there, or cannot be opened");
	ok = fd_slurp(fd, PEM_MAX, &pem, &n, e) && dkim_private_load(str_of(pem, n), ret, e);
	if (pem)
		private_bytes_wipe(pem, n);
	free(pem);
	return ok;
}

void dkim_file_take(struct role_file *f)
{
	const struct conf_dkim *line = conf_dkim_at(conf_now(), f->index);
	struct wanted *w = find(f->index, f->domain);
	struct dkim_private key = { 0 };
	struct dkim_row *row;
	struct err e = { 0 };

	if (!line || !w)
		return;
	w->has_come = true;
	wait_wake_all(&come);
	row = dkim_row_taken(f->domain, line->selector);
	if (!row)
		return;
	if (!load(f->file, &key, &e)) {
		row_fails(row, f->path, e.text);
		dkim_changed();
		return;
	}
	dkim_row_takes_over(row, key.algorithm);
	dkim_private_close(&row->private);
	row->private = key;
	row->trouble[0] = '\0';
	log_info("dkim", "domain=" STR_FMT " selector=" STR_FMT " bits=%u why=\"taken up\"%s", STR_ARG(row->domain),
		 STR_ARG(row->selector), key.bits,
		 key.algorithm == DKIM_RSA_SHA256 && key.bits < DKIM_PRIVATE_BITS_WEAK ? " next=\"a longer key is believed by more: waxwing dns rotate-dkim\"" : "");
	dkim_changed();
}

/* Asks the parent, if nobody has. */
static struct wanted *want(uint32_t line, struct str domain)
{
	struct wanted *w = find(line, domain);

	if (w || n_wanted == FILES_MAX)
		return w;
	w = &wanted[n_wanted];
	*w = (struct wanted){ .line = line, .domain = dkim_copy(domain) };
	n_wanted++;
	parent_dkim_file(self.parent, &(struct parent_dkim_file){ .index = line, .domain = domain });
	return w;
}

SUSPENDS struct dkim_row *dkim_file_row(uint32_t number, struct str author, struct err *e)
{
	const struct conf_dkim *line = conf_dkim_at(conf_now(), number);
	AUTO(arena_end) struct arena a = { .limit = 4096 };
	struct str domain, selector;
	struct wanted *w;
	bool ok = true;

	if (!line)
		return NULL;
	domain = arena_str(&a, line->domain.n ? line->domain : author);
	selector = arena_str(&a, line->selector);
	w = want(number, domain);
	if (!w) {
		fail(e, FAULT_TEMP, "more than %d files of keys", FILES_MAX);
		return NULL;
	}
	WITHIN(COMES_WITHIN)
		while (ok && (w = find(number, domain)) && !w->has_come)
			ok = wait_on(&come, "a file of a key", e);
	return dkim_find(domain, selector);
}
