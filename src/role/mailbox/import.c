/* import.c — see import.h. */
#include "role/mailbox/import.h"

#include "base/fd.h"
#include "role/runtime.h"
#include "store/folder.h"
#include "store/maildir_name.h"
#include "store/quota.h"
#include "store/uidlist.h"
#include "wire/lf.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_DIGEST = IMPORTED_KEY / 2 };
#define LETTER_MOST UINT32_MAX           /* octets with CRLF: RFC822.SIZE is a number of 32 bits */
#define TOO_LARGE "a letter of over 4 GiB"

/* ---- life ---- */

struct import *import_open(struct store *s, struct str who, const bool *stop, struct err *e)
{
	struct import *im = calloc(1, sizeof(*im));

	if (!im) {
		fail(e, FAULT_TEMP, "out of memory");
		return NULL;
	}
	*im = (struct import){ .store = s, .by.who = { strndup(who.p, who.n), who.n }, .stop = stop,
			       .hash = EVP_MD_CTX_new(), .out = malloc(LF_ROOM(FILE_WINDOW)) };
	if (im->by.who.p && im->hash && im->out)
		return im;
	import_close(im);
	fail(e, FAULT_TEMP, "out of memory");
	return NULL;
}

static void folder_forget(struct import *im)
{
	append_close(im->append);
	im->append = NULL;
	if (im->box)
		box_close(im->box);
	im->box = NULL;
	free(im->twins);
	im->twins = NULL;
	im->n_twins = 0;
	for (size_t i = 0; i < KEYWORDS_MAX; i++) {
		free(im->keywords[i]);
		im->keywords[i] = NULL;
	}
}

void import_close(struct import *im)
{
	if (!im)
		return;
	folder_forget(im);
	imported_end(&im->known);
	map_end(&im->counts);
	EVP_MD_CTX_free(im->hash);
	free(im->out);
	free((char *)(uintptr_t)im->by.who.p);
	free(im);
}

/* ---- the folder ---- */

static void keywords_read(struct import *im, int fd)
{
	char *text = NULL;
	struct err ignored;
	struct stat st;
	struct str in, name;
	unsigned i;
	bool bad;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || !fd_slurp(fd, KEYWORDS_BYTES_MAX, &text, &in.n, &ignored))
		return;
	in.p = text;
	while (keywords_line_parse(&in, &i, &name, &bad))
		if (!bad && !im->keywords[i])
			im->keywords[i] = strndup(name.p, name.n);
	free(text);
}

SUSPENDS static bool folder_ready(struct import *im, struct str folder, struct err *e)
{
	bool is_there;

	if (!folder_exists(im->store, folder, &is_there, e))
		return false;
	if (!is_there && folder.n &&
	    (!folder_create(im->store, folder, FOLDER_PLAIN, e) || !folder_subscribe(im->store, folder, true, e)))
		return false;
	return box_open(im->store, folder, &im->box, e) && box_sync(im->box, false, NULL, e);
}

SUSPENDS bool import_begin(struct import *im, struct str folder, int keywords, struct err *e)
{
	if (im->is_broken)
		return fail(e, FAULT_TEMP, "the import was broken off");
	if (!import_commit(im, e))
		return false;
	folder_forget(im);
	if (folder.n > STORE_FOLDER_MAX)
		return fail(e, FAULT_PERM, "the folder's name is too long");
	if (folder.n)
		memcpy(im->folder, folder.p, folder.n);
	im->folder[folder.n] = '\0';
	if (!folder_ready(im, str_from_z(im->folder), e))
		return false;
	keywords_read(im, keywords);
	if (!im->is_loaded && !imported_load(im->store, &im->known, e))
		return false;
	im->is_loaded = true;
	return import_twins_load(im, e);
}

/* ---- which letter is it ---- */

SUSPENDS bool import_digest(struct import *im, struct import_source *from, struct import_digest *ret, struct err *e)
{
	struct lf lf = { .prev = -1 };
	struct str piece;
	bool ok;

	if (!from->rewind(from, e))
		return false;
	ok = EVP_DigestInit_ex(im->hash, EVP_sha256(), NULL);
	for (;;) {
		if (!from->next(from, &piece, e))
			return false;
		if (!piece.n)
			break;
		for (struct str in = piece; in.n; in = str_from(in, FILE_WINDOW))
			ok = ok && EVP_DigestUpdate(im->hash, im->out, lf_feed(&lf, str_head(in, FILE_WINDOW), im->out));
	}
	ok = ok && EVP_DigestUpdate(im->hash, im->out, lf_finish(&lf, im->out)) &&
	     EVP_DigestFinal_ex(im->hash, ret->sha256, NULL);
	ret->size = lf.size;
	ret->vsize = lf.vsize;
	return ok || fail(e, FAULT_TEMP, "SHA-256 failed");
}

/* Which of several alike it is becomes part of the key. */
static bool key_print(struct import *im, const struct import_digest *d, struct buf *to, struct err *e)
{
	char room[STORE_FOLDER_MAX + 64];
	struct buf same = buf_over(room, sizeof(room));
	unsigned char key[32];
	uintptr_t count;
	bool ok;

	buf_add(&same, str_from_z(im->folder));
	buf_add_char(&same, '\0');
	buf_add(&same, str_of(d->sha256, sizeof(d->sha256)));
	count = (uintptr_t)map_get(&im->counts, buf_str(&same)) + 1;
	map_put(&im->counts, buf_str(&same), (void *)count);
	buf_add(&same, str_of(&count, sizeof(count)));
	ok = EVP_DigestInit_ex(im->hash, EVP_sha256(), NULL) && EVP_DigestUpdate(im->hash, same.p, same.n) &&
	     EVP_DigestFinal_ex(im->hash, key, NULL);
	buf_add_hex(to, str_of(key, KEY_DIGEST));
	return (ok && !to->full) || fail(e, FAULT_TEMP, "SHA-256 failed");
}

/* ---- a letter comes ---- */

/* A keyword for which the folder has no room, or which cannot be one, is left out. */
SUSPENDS static bool keywords_make(struct import *im, struct import_facts *f, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_keywords; i++) {
		unsigned bit;

		if (box_keyword_make(im->box, f->keywords[i], &bit, e))
			f->keywords[n++] = f->keywords[i];
		else if (e->fault == FAULT_PERM)
			im->totals.keywords_left++;
		else
			return false;
	}
	f->n_keywords = n;
	return true;
}

SUSPENDS static bool bytes_take(struct import *im, struct import_source *from, struct err *e)
{
	struct str piece = { .n = 1 };

	if (!from->rewind(from, e))
		return false;
	while (piece.n)
		if (!from->next(from, &piece, e) || !append_bytes(im->append, piece, e))
			return false;
	return true;
}

SUSPENDS static bool letter_take(struct import *im, struct import_source *from, struct import_facts *f, struct str key,
				 const struct import_digest *d, struct err *e)
{
	char room[STORE_BASE_MAX];
	struct buf base = buf_over(room, sizeof(room));
	struct append_facts facts = { .flags = (uint8_t)f->flags, .date = f->date };

	if (!quota_check(im->store, im->batch_bytes + d->size, im->batch_n + 1, e) || !keywords_make(im, f, e) ||
	    !imported_name(im->store, key, f->date, &base, e))
		return false;
	for (; facts.n_keywords < f->n_keywords; facts.n_keywords++)
		facts.keywords[facts.n_keywords] = f->keywords[facts.n_keywords];
	facts.base = buf_str(&base);
	im->is_broken = true;            /* half a letter must not be committed */
	if ((!im->append && !append_open(im->store, str_from_z(im->folder), &im->by, &im->append, e)) ||
	    !append_letter(im->append, &facts, e) || !bytes_take(im, from, e))
		return false;
	im->is_broken = false;
	im->batch_n++;
	im->batch_bytes += d->size;
	imported_add(&im->known, key);
	return (im->batch_n < IMPORT_BATCH_LETTERS && im->batch_bytes < IMPORT_BATCH_BYTES) || import_commit(im, e);
}

SUSPENDS static bool letter_decide(struct import *im, struct str key, const struct import_digest *d,
				   enum import_outcome *ret, struct err *e)
{
	enum imported_where where = imported_find(&im->known, key);
	bool is_twin = false;

	*ret = where == IMPORTED_HERE ? IMPORT_ALREADY : where == IMPORTED_GONE ? IMPORT_GONE : IMPORT_TAKEN;
	if (*ret != IMPORT_TAKEN)
		return true;
	if (!import_twin_take(im, d->size, d->sha256, &is_twin, e))
		return false;
	if (is_twin)
		*ret = IMPORT_ALREADY;
	return true;
}

SUSPENDS bool import_one(struct import *im, struct import_source *from, import_facts_fn *facts,
			    enum import_outcome *ret, struct err *e)
{
	char room[IMPORTED_KEY];
	struct buf key = buf_over(room, sizeof(room));
	struct import_facts f = { 0 };
	struct import_digest d;

	if (!im->box || im->is_broken)
		return fail(e, FAULT_TEMP, "the import was broken off");
	if (self.is_stopping)
		return fail(e, FAULT_TEMP, "the server is stopping; the same command goes on later");
	if (*im->stop)
		return fail(e, FAULT_CANCEL, "nobody waits for it");
	if (!import_digest(im, from, &d, e))
		return false;
	if (!d.size || d.vsize > LETTER_MOST)
		return fail(e, FAULT_PERM, d.size ? TOO_LARGE : "the letter is empty");
	if (!key_print(im, &d, &key, e) || !letter_decide(im, buf_str(&key), &d, ret, e))
		return false;
	if (*ret == IMPORT_TAKEN) {
		facts(from, &f);
		return letter_take(im, from, &f, buf_str(&key), &d, e);
	}
	im->totals.already += *ret == IMPORT_ALREADY;
	im->totals.gone += *ret == IMPORT_GONE;
	return true;
}

SUSPENDS bool import_commit(struct import *im, struct err *e)
{
	uint32_t validity, first;
	bool ok;

	if (!im->append)
		return true;
	if (im->is_broken)
		return fail(e, FAULT_TEMP, "the import was broken off");
	ok = append_commit(im->append, &validity, &first, e);
	append_close(im->append);
	im->append = NULL;
	im->is_broken = !ok;
	if (ok) {
		im->totals.taken += im->batch_n;
		im->totals.octets += im->batch_bytes;
	}
	im->batch_n = 0;
	im->batch_bytes = 0;
	return ok;
}

/* ---- a file of a Maildir ---- */

SUSPENDS static bool plain_rewind(struct import_source *s, struct err *e)
{
	(void)e;
	file_window_seek(&((struct import_plain *)s)->w, 0);
	return true;
}

SUSPENDS static bool plain_next(struct import_source *s, struct str *ret, struct err *e)
{
	struct file_window *w = &((struct import_plain *)s)->w;

	if (!w->in.n && !w->is_last && !file_window_more(w, e))
		return false;
	*ret = w->in;
	w->in = str_from(w->in, w->in.n);
	return true;
}

bool import_plain_init(struct import_plain *p, int fd, struct err *e)
{
	uint64_t size;

	p->from = (struct import_source){ plain_rewind, plain_next };
	return file_window_init(&p->w, fd, &size, e) && (size <= LETTER_MOST || fail(e, FAULT_PERM, TOO_LARGE));
}

void import_plain_end(struct import_plain *p)
{
	file_window_end(&p->w);
}

struct maildir_file {
	struct import_plain plain;
	struct import *im;
	struct str name;
	bool is_new;
};

static void file_facts(struct import_source *s, struct import_facts *ret)
{
	struct maildir_file *f = (struct maildir_file *)s;
	struct file_name name = file_name_parse(f->name);
	struct stat st;

	ret->date = fstat(f->plain.w.fd, &st) ? 0 : st.st_mtim.tv_sec;
	if (f->is_new)
		return;
	ret->flags = name.flags;
	for (unsigned i = 0; i < KEYWORDS_MAX; i++)
		if (name.keywords >> i & 1 && f->im->keywords[i])
			ret->keywords[ret->n_keywords++] = str_from_z(f->im->keywords[i]);
}

SUSPENDS bool import_file(struct import *im, struct str name, bool is_new, int fd, enum import_outcome *ret,
			  struct err *e)
{
	struct maildir_file f = { .im = im, .name = name, .is_new = is_new };
	bool ok = import_plain_init(&f.plain, fd, e) && import_one(im, &f.plain.from, file_facts, ret, e);

	import_plain_end(&f.plain);
	return ok;
}
