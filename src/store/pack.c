/* pack.c — letters' bytes side by side; see pack.h. */
#include "store/pack.h"

#include "base/err.h"

struct head {
	uint64_t sum;
	uint32_t n, unused;
};

struct entry {
	uint32_t uid, n;
};

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 29;
}

/* Against accidents, not against people: who may write here may write anything.  A pack that stands in
 * another's place is no good either. */
static uint64_t sum_of(const struct pack *p, struct str rest)
{
	uint64_t sum = mix(mix(rest.n, p->seal), p->number), word = 0;

	for (; rest.n >= sizeof(word); rest = str_from(rest, sizeof(word))) {
		memcpy(&word, rest.p, sizeof(word));
		sum = mix(sum, word);
	}
	word = 0;
	if (rest.n)
		memcpy(&word, rest.p, rest.n);
	return mix(sum, word);
}

static struct entry entry_at(struct str in, size_t i)
{
	struct entry e;

	memcpy(&e, in.p + sizeof(struct head) + i * sizeof(e), sizeof(e));
	return e;
}

/* Lengths sum up, UIDs ascend and are this pack's. */
static bool entries_read(struct str in, struct pack *p, size_t n)
{
	size_t at = sizeof(struct head) + n * sizeof(struct entry);
	uint64_t next = (uint64_t)p->number * PACK_LETTERS;

	if (n > PACK_LETTERS || in.n < at)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct entry e = entry_at(in, i);

		if (e.uid < next || pack_of(e.uid) != p->number || !e.n || e.n > in.n - at)
			return false;
		p->uids[i] = e.uid;
		p->bytes[i] = str_sub(in, at, e.n);
		next = (uint64_t)e.uid + 1;
		at += e.n;
	}
	p->n = n;
	return at == in.n;
}

uint64_t pack_sum(struct str in, uint64_t seal, uint32_t number)
{
	return sum_of(&(struct pack){ .seal = seal, .number = number }, str_from(in, sizeof(uint64_t)));
}

bool pack_parse(struct str in, uint64_t seal, uint32_t number, struct pack *ret)
{
	struct head h;

	ret->seal = seal;
	ret->number = number;
	ret->n = 0;
	if (in.n < sizeof(h))
		return false;
	memcpy(&h, in.p, sizeof(h));
	if (h.sum == sum_of(ret, str_from(in, sizeof(h.sum))) && entries_read(in, ret, h.n))
		return true;
	ret->n = 0;
	return false;
}

void pack_print(const struct pack *p, struct buf *b)
{
	struct head h = { .n = (uint32_t)p->n };
	size_t start = b->n;

	if (!p->n)
		return;
	buf_add(b, str_of(&h, sizeof(h)));
	for (size_t i = 0; i < p->n; i++)
		buf_add(b, str_of(&(struct entry){ p->uids[i], (uint32_t)p->bytes[i].n }, sizeof(struct entry)));
	for (size_t i = 0; i < p->n; i++)
		buf_add(b, p->bytes[i]);
	if (b->full)
		return;
	h.sum = sum_of(p, str_from(buf_str(b), start + sizeof(h.sum)));
	memcpy(b->p + start, &h.sum, sizeof(h.sum));
}

static size_t place_of(const struct pack *p, uint32_t uid)
{
	size_t i = 0;

	while (i < p->n && p->uids[i] < uid)
		i++;
	return i;
}

static void shift(struct pack *p, size_t to, size_t from)
{
	size_t n = p->n - from;

	memmove(p->uids + to, p->uids + from, n * sizeof(*p->uids));
	memmove(p->bytes + to, p->bytes + from, n * sizeof(*p->bytes));
	p->n = to + n;
}

void pack_put(struct pack *p, uint32_t uid, struct str bytes)
{
	size_t i = place_of(p, uid);
	bool is_here = i < p->n && p->uids[i] == uid;

	must(pack_of(uid) == p->number, "a letter is put into its own pack");
	if (!bytes.n) {
		if (is_here)
			shift(p, i, i + 1);
		return;
	}
	if (!is_here)
		shift(p, i + 1, i);
	p->uids[i] = uid;
	p->bytes[i] = bytes;
}

struct str pack_find(const struct pack *p, uint32_t uid)
{
	size_t i = place_of(p, uid);

	return i < p->n && p->uids[i] == uid ? p->bytes[i] : (struct str){ 0 };
}
