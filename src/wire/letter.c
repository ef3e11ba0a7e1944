/* letter.c — what one recipient gets of a letter; see letter.h. */
#include "wire/letter.h"

#include "base/fd.h"

struct letter_src letter_in_memory(struct str bytes)
{
	return (struct letter_src){ .bytes = bytes, .fd = -1, .size = bytes.n };
}

struct letter_src letter_in_file(int fd, int64_t at, uint64_t size)
{
	return (struct letter_src){ .fd = fd, .at = at, .size = size };
}

bool view_is_valid(const struct view *v, uint64_t size)
{
	uint64_t at = 0;

	if (v->n_cuts > LETTER_CUTS_MAX)
		return false;
	for (size_t i = 0; i < v->n_cuts; i++) {
		const struct cut *c = &v->cuts[i];

		if (c->at < at || c->n == 0 || c->at > size || c->n > size - c->at)
			return false;
		at = c->at + c->n;
	}
	return true;
}

uint64_t view_size(const struct view *v, uint64_t size)
{
	uint64_t n = v->prefix.n + size;

	for (size_t i = 0; i < v->n_cuts; i++)
		n -= v->cuts[i].n;
	return n;
}

bool letter_reader_init(struct letter_reader *r, const struct letter_src *src, const struct view *v, char *block,
			struct err *e)
{
	if (v && !view_is_valid(v, src->size))
		return fail(e, FAULT_PERM, "the cuts do not fit a letter of %llu octets", (unsigned long long)src->size);
	*r = (struct letter_reader){ .src = *src, .view = v, .block = block };
	return true;
}

/* Where the next cut begins, or the end; cuts that begin here are stepped over. */
static uint64_t next_stop(struct letter_reader *r)
{
	while (r->view && r->cut < r->view->n_cuts) {
		const struct cut *c = &r->view->cuts[r->cut];

		if (c->at > r->at)
			return c->at;
		r->at = c->at + c->n;
		r->cut++;
	}
	return r->src.size;
}

bool letter_reader_next(struct letter_reader *r, struct str *ret, struct err *e)
{
	uint64_t stop, n;

	if (!r->prefix_done) {
		r->prefix_done = true;
		if (r->view && r->view->prefix.n) {
			*ret = r->view->prefix;
			return true;
		}
	}
	stop = next_stop(r);
	n = stop - r->at;
	if (r->src.fd < 0) {
		*ret = str_sub(r->src.bytes, (size_t)r->at, (size_t)n);
		r->at = stop;
		return true;
	}
	if (n > LETTER_BLOCK)
		n = LETTER_BLOCK;
	if (n && !fd_pread_all(r->src.fd, r->block, (size_t)n, r->src.at + (int64_t)r->at, e))
		return fail_in(e, "reading the letter");
	*ret = str_of(r->block, (size_t)n);
	r->at += n;
	return true;
}
