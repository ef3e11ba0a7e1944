/* dkim_entry.c — see dkim_entry.h. */
#include "trust/dkim_entry.h"

#include "base/crc32c.h"
#include "wire/dkim_signature.h"
#include "wire/text.h"

#include <stdio.h>

static const char *const words[] = {
	[DKIM_EVENT_MADE] = "made", [DKIM_EVENT_TAKEN] = "taken", [DKIM_EVENT_USED] = "used",
	[DKIM_EVENT_SEEN] = "seen", [DKIM_EVENT_RETIRED] = "retired", [DKIM_EVENT_GONE] = "gone",
};

const char *dkim_event_word(enum dkim_event e)
{
	return (size_t)e < ARRAY_LEN(words) ? words[e] : "unknown";
}

static bool event_parse(struct str word, enum dkim_event *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(word, str_from_z(words[i]))) {
			*ret = (enum dkim_event)i;
			return true;
		}
	return false;
}

/* The one form in which a name is compared. */
static bool name_is_good(struct str name, struct arena *a)
{
	struct str folded;

	return dkim_domain_fold(name, a, &folded) && str_eq(folded, name);
}

static bool word_parse(struct str in, struct arena *a, struct str *ret)
{
	if (str_eq(in, S("="))) {
		*ret = S("");
		return true;
	}
	return in.n && xtext_decode(in, true, a, ret) && ret->n <= DKIM_ENTRY_WORD_MAX;
}

static bool key_parse(struct str in, struct arena *a, struct str *ret)
{
	if (str_eq(in, S("="))) {
		*ret = S("");
		return true;
	}
	return base64_decode(in, a, ret) && ret->n;
}

bool dkim_entry_parse(struct str line, struct arena *a, struct dkim_entry *ret, struct err *e)
{
	struct str rest = line, crc = str_from(line, str_rfind(line, ' ') + 1), field[8];
	struct dkim_entry x;
	uint64_t time;
	char sum[16];

	snprintf(sum, sizeof(sum), "%08x", crc32c(0, str_head(line, line.n - crc.n)));
	if (line.n > DKIM_ENTRY_MAX || crc.n == line.n || !str_eq(crc, str_from_z(sum)))
		return fail(e, FAULT_PEER, "the line was torn");
	for (size_t i = 0; i < ARRAY_LEN(field); i++)
		field[i] = str_cut(rest, ' ', &rest);
	if (!str_u64(field[0], &x.id) || !x.id || !str_u64(field[1], &time) || time > INT64_MAX ||
	    !event_parse(field[2], &x.event) || !name_is_good(field[3], a) || !name_is_good(field[4], a) ||
	    !word_parse(field[5], a, &x.by) || !word_parse(field[6], a, &x.reason) || !key_parse(field[7], a, &x.key) ||
	    !str_eq(rest, crc) || (x.event == DKIM_EVENT_MADE) != (x.key.n > 0))
		return fail(e, FAULT_PEER, "it is no entry about a key");
	x.time = (int64_t)time;
	x.domain = field[3];
	x.selector = field[4];
	*ret = x;
	return true;
}

static void word_add(struct buf *b, struct str word)
{
	if (word.n)
		xtext_add(b, word);
	else
		buf_add_char(b, '=');
	buf_add_char(b, ' ');
}

/* xtext_decode() takes no control characters, and UTF-8 only if it is such. */
static bool word_is_good(struct str word, struct arena *a)
{
	AUTO(buf_end) struct buf b = buf_on_heap(4 * DKIM_ENTRY_WORD_MAX);
	struct str again;

	xtext_add(&b, word);
	return !word.n || (!b.full && word_parse(buf_str(&b), a, &again));
}

bool dkim_entry_print(const struct dkim_entry *x, struct buf *b, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	size_t from = b->n;

	if (!name_is_good(x->domain, &a) || !name_is_good(x->selector, &a) || !word_is_good(x->by, &a) ||
	    !word_is_good(x->reason, &a) || (x->event == DKIM_EVENT_MADE) != (x->key.n > 0))
		return fail(e, FAULT_PERM, "this cannot be written down about a key");
	buf_addf(b, "%llu %lld %s " STR_FMT " " STR_FMT " ", (unsigned long long)x->id, (long long)x->time,
		 dkim_event_word(x->event), STR_ARG(x->domain), STR_ARG(x->selector));
	word_add(b, x->by);
	word_add(b, x->reason);
	if (x->key.n)
		base64_add(b, x->key);
	else
		buf_add_char(b, '=');
	buf_add_char(b, ' ');
	if (!b->full)
		buf_addf(b, "%08x\n", crc32c(0, str_from(buf_str(b), from)));
	return !b->full || fail(e, FAULT_TEMP, "no memory for an entry about a key");
}
