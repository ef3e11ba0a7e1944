/* doctor_dkim.c — dkim: is each key that `keys` signs with published, and is it that key? */
#include "role/control/doctor.h"

#include "ipc/dkim_say.h"
#include "wire/dkim_key.h"

enum { PAGES_MAX = 20, STRING_MAX = 255 };

static bool is_same_key(struct patient *p, struct str published, struct str ours)
{
	struct dkim_key is, wish;
	struct err e;

	return dkim_key_parse(published, p->a, &is, &e) && dkim_key_parse(ours, p->a, &wish, &e) && is.kind == wish.kind &&
	       is.has_sha256 && is.is_for_mail && str_eq(is.key, wish.key);
}

/* In strings of at most 255 octets, as a zone file has it (RFC 1035 §3.3.14). */
static void ask_to_publish(struct patient *p, struct str name, struct str record)
{
	AUTO(buf_end) struct buf b = buf_on_heap(DKIM_RECORD_MAX + 256);

	while (record.n) {
		buf_addf(&b, " \"" STR_FMT "\"", STR_ARG(str_head(record, STRING_MAX)));
		record = str_from(record, STRING_MAX);
	}
	remedy(p, "Publish  " STR_FMT ". TXT" STR_FMT, STR_ARG(name), STR_ARG(buf_str(&b)));
}

static void judge_quality(struct patient *p, const struct ipc_dkim_key *k)
{
	if (k->flags & DKIM_IS_UNREADABLE) {
		note(p, GRADE_FAIL, "the key " STR_FMT " cannot sign: " STR_FMT, STR_ARG(k->selector), STR_ARG(k->trouble));
		remedy(p, "Correct the file that `dkim keys` names, or have a new pair made: waxwing dns rotate-dkim " STR_FMT ".",
		       STR_ARG(p->domain));
	}
	if (k->flags & DKIM_IS_WEAK) {
		note(p, GRADE_WARN, "the key " STR_FMT " has %u bits: some do not believe fewer than 2048", STR_ARG(k->selector), k->bits);
		remedy(p, "Have a new pair made: waxwing dns rotate-dkim " STR_FMT ".", STR_ARG(p->domain));
	}
	if (k->flags & DKIM_IS_TESTING) {
		note(p, GRADE_WARN, "the key " STR_FMT " is marked as a test (t=y): others may treat its signatures as none", STR_ARG(k->selector));
		remedy(p, "When all is well take t=y out of the `dkim` line and of the record.");
	}
}

/* Must the record be there? */
static bool is_needed(const struct ipc_dkim_key *k)
{
	return k->state == DKIM_IN_USE || k->state == DKIM_RETIRED;
}

SUSPENDS static bool judge_key(struct patient *p, const struct ipc_dkim_key *k, struct err *e)
{
	struct str name = arena_printf(p->a, STR_FMT "._domainkey." STR_FMT, STR_ARG(k->selector), STR_ARG(p->domain));
	struct trust_texts found;
	bool is_there;

	if (!trust_ask_txt(&p->dns, name, p->a, &found, e))
		return false;
	if (found.outcome == DNS_TEMP || found.outcome == DNS_BOGUS)
		return note_unclear(p, name, "TXT", found.outcome);
	is_there = found.n > 0;
	if (k->state == DKIM_REMOVABLE && is_there) {
		note(p, GRADE_WARN, "the key " STR_FMT " is no longer used, and its record is still there", STR_ARG(k->selector));
		remedy(p, "Remove the TXT record of " STR_FMT ".", STR_ARG(name));
	} else if (k->state == DKIM_NEW && !is_there) {
		note(p, GRADE_WARN, "the new key " STR_FMT " waits until its record is published", STR_ARG(k->selector));
		ask_to_publish(p, name, k->record);
	} else if (is_needed(k) && !is_there) {
		note(p, GRADE_FAIL, "we sign with the key " STR_FMT ", and there is no record at " STR_FMT, STR_ARG(k->selector), STR_ARG(name));
		ask_to_publish(p, name, k->record);
	} else if (is_there && found.n > 1) {
		note(p, GRADE_FAIL, "there are %zu TXT records at " STR_FMT ": which one counts is anybody's guess", found.n, STR_ARG(name));
		ask_to_publish(p, name, k->record);
	} else if (is_there && !is_same_key(p, found.p[0], k->record)) {
		note(p, GRADE_FAIL, "the record at " STR_FMT " is not that of our key: signatures with it fail", STR_ARG(name));
		ask_to_publish(p, name, k->record);
	} else if (is_there) {
		note(p, GRADE_OK, STR_FMT " (" STR_FMT ", %u bits, %s) is published", STR_ARG(k->selector), STR_ARG(k->algorithm), k->bits,
		     dkim_state_word(k->state));
	}
	return true;
}

SUSPENDS bool doctor_dkim(struct patient *p, struct err *e)
{
	struct keys_dkim q = { .domain = p->domain };
	struct keys_dkim_answer r = { .more = 1 };
	size_t n = 0;

	for (size_t page = 0; r.more && page < PAGES_MAX; page++) {
		if (!keys_dkim(link_to(ROLE_KEYS), &q, &r, p->a, e)) {
			note(p, GRADE_WARN, "keys does not answer: %s", e->text);
			return e->fault != FAULT_CANCEL;
		}
		for (size_t i = 0; i < r.keys.n; i++) {
			if (r.keys.p[i].state >= DKIM_GONE)
				continue;
			n++;
			judge_quality(p, &r.keys.p[i]);
			if (!judge_key(p, &r.keys.p[i], e))
				return false;
		}
		q.from += (uint32_t)r.keys.n;
	}
	if (!n)
		note(p, GRADE_SKIPPED, "no letters of " STR_FMT " are signed here", STR_ARG(p->domain));
	return true;
}
