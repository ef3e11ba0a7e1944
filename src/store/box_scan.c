/* box_scan.c — new/ and cur/ as they are, compared with a box.
 *
 * A directory is read while others rename in it, so one reading may miss a letter or see it twice.
 * new/ is read first, for letters move from new/ to cur/ only; a letter that was missed is
 * looked for once more; the first of two files with one name counts. */
#include "store/box_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

enum { NAMES_BYTES_MAX = 1 << 30 };

struct str sight_name(const struct scan *c, const struct sight *s)
{
	return str_of(c->names.p + s->name, s->name_n);
}

static bool is_as_known(const struct box *b, const struct letter *l, struct str name, bool in_new)
{
	char known[STORE_NAME_MAX + 1];

	if (!!(l->state & STATE_IN_NEW) != in_new || l->state & STATE_ABSENT)
		return false;
	(void)letter_file(b, l, known);
	return str_eq(str_from_z(known), name);
}

static bool sight_add(struct scan *c, uint32_t uid, struct str name)
{
	uint64_t arrived = 0;
	struct str rest;

	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct sight *more = reallocarray(c->sights, cap, sizeof(*more));

		if (!more)
			return fail(&c->err, FAULT_TEMP, "out of memory");
		c->sights = more;
		c->cap = cap;
	}
	(void)str_u64(str_cut(name, '.', &rest), &arrived);
	c->sights[c->n++] = (struct sight){ uid, (uint32_t)c->names.n, arrived, (uint16_t)name.n, c->in_new };
	buf_add(&c->names, name);
	return !c->names.full || fail(&c->err, FAULT_TEMP, "too many letters in a folder");
}

static bool scan_each(struct dir_visit *v, struct str name)
{
	struct scan *c = (struct scan *)v;
	struct str stem = str_head(name, str_find(name, ':'));
	const struct letter *l;
	size_t place;

	if ((v->type != DT_REG && v->type != DT_UNKNOWN) || name.n > STORE_NAME_MAX || !stem.n ||
	    str_has(name, '\n'))
		return true;
	l = box_by_stem(c->b, stem);
	if (!l)
		return c->is_second || sight_add(c, 0, name);
	place = (size_t)(l - c->b->letters);
	if (c->seen[place]) {
		c->doubles += !c->is_second;
		return true;
	}
	c->seen[place] = 1;
	if (!c->b->is_loaded)
		return letter_set_file(c->b, &c->b->letters[place], name, c->in_new, &c->err);
	return is_as_known(c->b, l, name, c->in_new) || sight_add(c, l->uid, name);
}

static bool scan_dir(struct scan *c, bool in_new, struct err *e)
{
	int dir = in_new ? c->b->dir.new : c->b->dir.cur;
	struct stamp at = stamp_of(dir);

	*(in_new ? &c->at_new : &c->at_cur) = at;
	c->in_new = in_new;
	if (!dir_visit(dir, false, &c->v, e))
		return false;
	if (!c->err.fault)
		return true;
	*e = c->err;
	return false;
}

/* Is a letter missing that should lie in what was read? */
static bool is_missing(const struct scan *c, bool new, bool cur)
{
	for (size_t i = 0; i < c->b->n; i++)
		if (!c->seen[i] && (c->b->letters[i].state & STATE_IN_NEW ? new : cur))
			return true;
	return false;
}

bool scan_run(struct scan *c, struct box *b, bool new, bool cur, struct err *e)
{
	bool is_first_load = !b->is_loaded;

	*c = (struct scan){ .v = { .each = scan_each }, .b = b, .names = buf_on_heap(NAMES_BYTES_MAX),
			    .began = time_now() };
	c->seen = calloc(b->n + 1, 1);
	if (!c->seen)
		return fail(e, FAULT_TEMP, "out of memory");
	if (!b->index_cap && !box_index_make(b, e))
		return false;
	if ((new && !scan_dir(c, true, e)) || (cur && !scan_dir(c, false, e)))
		return false;
	/* the uidlist names many letters that are long gone */
	if (!is_first_load && is_missing(c, new, cur)) {
		c->is_second = true;
		if (!scan_dir(c, true, e) || !scan_dir(c, false, e))
			return false;
		c->is_second = false;
	}
	c->cost = time_now() - c->began;
	return true;
}

void scan_end(struct scan *c)
{
	buf_end(&c->names);
	free(c->seen);
	free(c->sights);
	*c = (struct scan){ 0 };
}

/* ---- UIDs for what is new ---- */

static __thread const struct scan *sorted;       /* while qsort runs */

/* By the seconds in front of the name, then by name: the order in which they came. */
static int arrival_order(const void *x, const void *y)
{
	const struct sight *a = x, *b = y;
	struct str an, bn;
	int by_name;

	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	if (a->arrived != b->arrived)
		return a->arrived < b->arrived ? -1 : 1;
	an = sight_name(sorted, a);
	bn = sight_name(sorted, b);
	by_name = str_cmp(str_head(an, str_find(an, ':')), str_head(bn, str_find(bn, ':')));
	return by_name ? by_name : (int)a->in_new - (int)b->in_new;
}

static void sights_sort(struct scan *c)
{
	sorted = c;
	if (c->n)
		qsort(c->sights, c->n, sizeof(*c->sights), arrival_order);
}

static struct str sight_stem(const struct scan *c, const struct sight *s)
{
	struct str name = sight_name(c, s);

	return str_head(name, str_find(name, ':'));
}

/* A letter that moved while we read was seen in both directories: cur/ counts. */
static void sights_single(struct scan *c)
{
	size_t to = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (to && !c->sights[i].uid && !c->sights[to - 1].uid &&
		    str_eq(sight_stem(c, &c->sights[to - 1]), sight_stem(c, &c->sights[i])))
			c->doubles++;
		else
			c->sights[to++] = c->sights[i];
	}
	c->n = to;
}

/* Another program may have given UIDs to some of them meanwhile. */
static bool take_foreign_uids(struct scan *c, struct box *b, struct err *e)
{
	AUTO(text_end) char *text = NULL;
	struct uidlist_header h;
	struct uidlist_line l;
	struct str in;
	size_t n = 0;
	bool bad;

	if (!uidfile_read(b->top, &text, &n, &b->at_uidlist, e))
		return false;
	in = str_of(text, n);
	if (!n)
		return uids_rewrite(b, S(""), e);
	if (!uidlist_header_parse(&in, &h) || h.validity != b->validity)
		return fail_sys(e, FAULT_TEMP, ESTALE, "the folder has another UIDVALIDITY");
	while (uidlist_line_parse(&in, &h, &l, &bad)) {
		if (bad || l.uid < b->next)
			continue;
		b->next = l.uid + 1;
		for (size_t i = 0; c && i < c->n; i++)
			if (!c->sights[i].uid && str_eq(sight_stem(c, &c->sights[i]), l.name))
				c->sights[i].uid = l.uid;
	}
	if (h.next > b->next)
		b->next = h.next;
	/* what is added to a line that was cut off would be lost with it */
	return text[n - 1] == '\n' || uids_rewrite(b, S(""), e);
}

static bool give_next(struct scan *c, struct box *b, struct err *e)
{
	AUTO(buf_end) struct buf lines = buf_on_heap(NAMES_BYTES_MAX);
	uint32_t next = b->next;

	for (size_t i = 0; i < c->n; i++) {
		struct sight *s = &c->sights[i];

		if (s->uid)
			continue;
		if (next == UINT32_MAX)
			return fail(e, FAULT_TEMP, "the folder has no UIDs left");
		s->uid = next++;
		uidlist_line_print(&(struct uidlist_line){ s->uid, { 0 }, sight_stem(c, s) }, &lines);
	}
	if (lines.full)
		return fail(e, FAULT_TEMP, "too many letters in a folder");
	if (lines.n && !uids_append(b, buf_str(&lines), false, e))
		return false;
	b->next = next;
	return true;
}

bool uids_begin(struct box *b, struct uidlist_lock *l, struct scan *c, struct err *e)
{
	struct stamp now;

	if (!uidlist_lock(b->top, l, e))
		return false;
	now = stamp_at(b->top, "dovecot-uidlist");
	return stamp_eq(&now, &b->at_uidlist) || take_foreign_uids(c, b, e);
}

bool scan_give_uids(struct scan *c, struct box *b, struct err *e)
{
	AUTO(uidlist_unlock) struct uidlist_lock lock = UIDLIST_UNLOCKED;

	sights_sort(c);
	sights_single(c);
	if (!c->n || c->sights[0].uid)
		return true;
	if (!uids_begin(b, &lock, c, e) || !give_next(c, b, e))
		return false;
	sights_sort(c);
	return true;
}
