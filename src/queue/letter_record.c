/* letter_record.c — a letter's record to bytes and back.
 *
 * Both directions check the same limits, so that what we write can be read
 * again, and what we read is no bigger than what we would have written. */
#include "queue/letter_record.h"

#include "base/id.h"
#include "base/time.h"
#include "queue/bytes.h"

enum { RECORD_VERSION = 2, RCPT_BYTES = 9, STEP_BYTES = 32, CUT_BYTES = 16 };

static bool spans_are_sorted(const struct letter_span *cuts, size_t n, uint64_t size)
{
	uint64_t end = 0;

	for (size_t i = 0; i < n; i++) {
		if (cuts[i].offset < end || cuts[i].offset > size ||
		    cuts[i].length > size - cuts[i].offset)
			return false;
		end = cuts[i].offset + cuts[i].length;
	}
	return true;
}

static bool file_name_is_plain(struct str s)
{
	if (s.n > LETTER_NAME_MAX || str_at(s, 0) == '/' || str_find_str(s, S("..")) < s.n)
		return false;
	return !str_has(s, '\0');
}

static bool step_is_sound(const struct letter_record *r, const struct letter_step *s)
{
	return s->rcpt < r->n_rcpts && (s->kind == STEP_LOCAL || s->kind == STEP_REMOTE) &&
	       (s->kind == STEP_REMOTE || s->target.n == 0 || s->base.n > 0) &&      /* it is found again by that */
	       s->target.n <= LETTER_ADDRESS_MAX && s->folder.n <= LETTER_NAME_MAX &&
	       s->flags.n <= LETTER_NAME_MAX && s->base.n <= LETTER_NAME_MAX &&
	       s->prefix.n <= LETTER_PREFIX_MAX &&
	       s->sender.n <= LETTER_ADDRESS_MAX && s->n_cuts <= LETTER_CUT_MAX &&
	       spans_are_sorted(s->cuts, s->n_cuts, r->body_size);
}

static bool record_is_sound(const struct letter_record *r)
{
	if (r->from.n > LETTER_ADDRESS_MAX || r->account.n > LETTER_ADDRESS_MAX ||
	    r->envid.n > LETTER_ENVID_MAX || r->facts.n > LETTER_FACTS_MAX ||
	    r->why.n > LETTER_WHY_MAX || r->ret > LETTER_RET_HDRS ||
	    r->n_rcpts > LETTER_RCPT_MAX || r->n_steps > LETTER_STEP_MAX ||
	    !file_name_is_plain(r->file) || r->body_size > INT64_MAX ||
	    (r->file.n == 0 && r->body_size > LETTER_INLINE_MAX))
		return false;
	for (size_t i = 0; i < r->n_rcpts; i++)
		if (r->rcpts[i].address.n > LETTER_ADDRESS_MAX ||
		    r->rcpts[i].orcpt.n > LETTER_ORCPT_MAX)
			return false;
	for (size_t i = 0; i < r->n_steps; i++)
		if (!step_is_sound(r, &r->steps[i]))
			return false;
	return true;
}

static void step_print(const struct letter_step *s, struct buf *b)
{
	put_u32(b, s->rcpt);
	put_u16(b, s->number);
	put_u8(b, s->kind);
	put_str(b, s->target);
	put_str(b, s->folder);
	put_str(b, s->flags);
	put_str(b, s->base);
	put_str(b, s->prefix);
	put_u32(b, s->n_cuts);
	for (size_t i = 0; i < s->n_cuts; i++) {
		put_u64(b, s->cuts[i].offset);
		put_u64(b, s->cuts[i].length);
	}
	put_str(b, s->sender);
}

bool letter_record_print(const struct letter_record *r, struct buf *ret, struct err *e)
{
	size_t start = ret->n;

	if (!record_is_sound(r))
		return fail(e, FAULT_PERM, "the letter's envelope is past a limit");
	put_u8(ret, RECORD_VERSION);
	put_u8(ret, r->flags);
	put_u8(ret, r->ret);
	put_u64(ret, r->id);
	put_u64(ret, (uint64_t)r->accepted);
	put_u64(ret, (uint64_t)r->not_before);
	put_u64(ret, (uint64_t)r->cancellable_until);
	put_u64(ret, r->parent);
	put_str(ret, r->from);
	put_str(ret, r->account);
	put_str(ret, r->envid);
	put_str(ret, r->facts);
	put_str(ret, r->why);
	put_u32(ret, r->n_rcpts);
	for (size_t i = 0; i < r->n_rcpts; i++) {
		put_str(ret, r->rcpts[i].address);
		put_str(ret, r->rcpts[i].orcpt);
		put_u8(ret, r->rcpts[i].notify);
	}
	put_u32(ret, r->n_steps);
	for (size_t i = 0; i < r->n_steps; i++)
		step_print(&r->steps[i], ret);
	put_u64(ret, r->body_size);
	put_str(ret, r->file);
	if (ret->full || ret->n - start > LETTER_HEAD_MAX)
		return fail(e, FAULT_PERM, "the letter's envelope is too long to write down");
	return true;
}

/* Room for n things of which each takes at least `least` bytes of what is left. */
static void *take_array(struct cursor *c, struct arena *a, uint32_t n, size_t max, size_t least,
			size_t size)
{
	void *p;

	if (c->bad || n > max || n > c->in.n / least) {
		c->bad = true;
		return NULL;
	}
	if (n == 0)
		return NULL;
	p = arena_alloc(a, n, size);
	if (!p)
		c->bad = true;
	return p;
}

static void step_parse(struct cursor *c, uint8_t version, struct arena *a, struct letter_step *ret)
{
	struct letter_span *cuts;

	ret->rcpt = take_u32(c);
	ret->number = take_u16(c);
	ret->kind = take_u8(c);
	ret->target = take_str(c, LETTER_ADDRESS_MAX);
	ret->folder = take_str(c, LETTER_NAME_MAX);
	ret->flags = take_str(c, LETTER_NAME_MAX);
	ret->base = take_str(c, LETTER_NAME_MAX);
	ret->prefix = take_str(c, LETTER_PREFIX_MAX);
	ret->n_cuts = take_u32(c);
	cuts = take_array(c, a, ret->n_cuts, LETTER_CUT_MAX, CUT_BYTES, sizeof *cuts);
	for (size_t i = 0; !c->bad && i < ret->n_cuts; i++) {
		cuts[i].offset = take_u64(c);
		cuts[i].length = take_u64(c);
	}
	ret->cuts = cuts;
	if (version > 1)
		ret->sender = take_str(c, LETTER_ADDRESS_MAX);
}

static void lists_parse(struct cursor *c, uint8_t version, struct arena *a, struct letter_record *r)
{
	struct letter_rcpt *rcpts;
	struct letter_step *steps;

	r->n_rcpts = take_u32(c);
	rcpts = take_array(c, a, r->n_rcpts, LETTER_RCPT_MAX, RCPT_BYTES, sizeof *rcpts);
	for (size_t i = 0; !c->bad && i < r->n_rcpts; i++) {
		rcpts[i].address = take_str(c, LETTER_ADDRESS_MAX);
		rcpts[i].orcpt = take_str(c, LETTER_ORCPT_MAX);
		rcpts[i].notify = take_u8(c);
	}
	r->rcpts = rcpts;
	r->n_steps = take_u32(c);
	steps = take_array(c, a, r->n_steps, LETTER_STEP_MAX, STEP_BYTES - 1, sizeof *steps);
	for (size_t i = 0; !c->bad && i < r->n_steps; i++)
		step_parse(c, version, a, &steps[i]);
	r->steps = steps;
}

bool letter_record_parse(struct str in, struct arena *a, struct letter_record *ret, struct err *e)
{
	struct cursor c = { .in = in };
	struct letter_record r = { 0 };
	uint8_t version;

	if (in.n > LETTER_HEAD_MAX)
		return fail(e, FAULT_PERM, "a letter's record is too long");
	version = take_u8(&c);
	if (version == 0 || version > RECORD_VERSION)
		return fail(e, FAULT_PERM, "a letter's record has a version we do not know");
	r.flags = take_u8(&c);
	r.ret = take_u8(&c);
	r.id = take_u64(&c);
	r.accepted = (int64_t)take_u64(&c);
	r.not_before = (int64_t)take_u64(&c);
	r.cancellable_until = (int64_t)take_u64(&c);
	r.parent = take_u64(&c);
	r.from = take_str(&c, LETTER_ADDRESS_MAX);
	r.account = take_str(&c, LETTER_ADDRESS_MAX);
	r.envid = take_str(&c, LETTER_ENVID_MAX);
	r.facts = take_str(&c, LETTER_FACTS_MAX);
	r.why = take_str(&c, LETTER_WHY_MAX);
	lists_parse(&c, version, a, &r);
	r.body_size = take_u64(&c);
	r.file = take_str(&c, LETTER_NAME_MAX);
	if (c.bad || c.in.n > 0 || !record_is_sound(&r))
		return fail(e, FAULT_PERM, "a letter's record is damaged");
	*ret = r;
	return true;
}

void letter_base_name(struct buf *b, uint64_t id, uint32_t rcpt, uint16_t number, struct str host)
{
	buf_addf(b, "%lld.%s-%u-%u." STR_FMT, (long long)(id_time(id) / SECOND), ID_Z(id), rcpt,
		 (unsigned)number, STR_ARG(host));
}
