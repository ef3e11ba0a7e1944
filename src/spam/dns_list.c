/* dns_list.c — see dns_list.h. */
#include "spam/dns_list.h"

static bool is_v4(const uint8_t addr[16])
{
	return memcmp(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

static void add_reversed(struct buf *b, struct str zone, const uint8_t addr[16], bool as_v4)
{
	for (int i = 15; i >= (as_v4 ? 12 : 0); i--) {
		if (as_v4)
			buf_addf(b, "%u.", addr[i]);
		else
			buf_addf(b, "%x.%x.", addr[i] & 15U, addr[i] >> 4);
	}
	buf_add(b, zone);
}

void dns_list_name(struct buf *b, struct str zone, const uint8_t addr[16])
{
	add_reversed(b, zone, addr, is_v4(addr));
}

struct dns_list_answer dns_list_judge(enum dns_outcome outcome, const uint32_t *addresses, size_t n)
{
	struct dns_list_answer r = { .word = DNS_LIST_LISTED };

	if (outcome == DNS_NO_NAME || outcome == DNS_NONE)
		r.word = DNS_LIST_CLEAN;
	else if (outcome != DNS_FOUND || n == 0)
		r.word = DNS_LIST_NO_ANSWER;
	if (r.word != DNS_LIST_LISTED)
		return r;
	for (size_t i = 0; i < n; i++) {
		bool is_refusal = addresses[i] >> 8 == 0x7FFFFF; /* 127.255.255.x */

		if (is_refusal || addresses[i] >> 24 != 127)
			return (struct dns_list_answer){
				is_refusal ? DNS_LIST_REFUSED : DNS_LIST_ABSURD, { addresses[i] }, 1
			};
		if (r.n < DNS_LIST_CODES_MAX)
			r.code[r.n++] = addresses[i];
	}
	return r;
}

bool dns_list_counts(const struct dns_list_answer *r, const struct conf_check *c)
{
	if (r->word != DNS_LIST_LISTED)
		return false;
	for (size_t i = 0; i < r->n; i++)
		for (size_t k = 0; k < c->n_answers; k++) {
			const struct conf_answer *v = &c->answers[k];

			if ((r->code[i] & v->mask) >= v->low && (r->code[i] & v->mask) <= v->high)
				return true;
		}
	return c->n_answers == 0;
}

void dns_list_add_codes(struct buf *b, const struct dns_list_answer *r)
{
	for (size_t i = 0; i < r->n; i++)
		buf_addf(b, "%s%u.%u.%u.%u", i ? " " : "", r->code[i] >> 24, r->code[i] >> 16 & 255,
			 r->code[i] >> 8 & 255, r->code[i] & 255);
}

/* RFC 5782 §5: for IPv6 the mapped addresses in 32 labels. */
void dns_list_point_name(struct buf *b, struct str zone, enum dns_list_point p)
{
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff, [12] = 127 };

	addr[15] = p == POINT_LISTED || p == POINT_LISTED6 ? 2 : 1;
	add_reversed(b, zone, addr, p == POINT_LISTED || p == POINT_CLEAN);
}

struct dns_list_health dns_list_test(const struct dns_list_answer at[POINT_COUNT])
{
	for (int p = 0; p < POINT_COUNT; p++) {
		if (at[p].word == DNS_LIST_REFUSED)
			return (struct dns_list_health){
				.why = "it refuses to answer us: it wants to be asked by a "
				       "resolver of our own, or by those who have an account"
			};
		if (at[p].word == DNS_LIST_ABSURD)
			return (struct dns_list_health){
				.why = "it answers with an address that no list answers with: the "
				       "domain may have a new owner"
			};
	}
	if (at[POINT_LISTED].word == DNS_LIST_NO_ANSWER ||
	    at[POINT_CLEAN].word == DNS_LIST_NO_ANSWER)
		return (struct dns_list_health){ .why = "it does not answer" };
	if (at[POINT_CLEAN].word == DNS_LIST_LISTED || at[POINT_CLEAN6].word == DNS_LIST_LISTED)
		return (struct dns_list_health){
			.why = "it lists everything: even 127.0.0.1 is listed"
		};
	if (at[POINT_LISTED].word != DNS_LIST_LISTED)
		return (struct dns_list_health){
			.why = "it lists nothing: not even its test point 127.0.0.2"
		};
	return (struct dns_list_health){ .is_good = true,
					 .has_v6 = at[POINT_LISTED6].word == DNS_LIST_LISTED &&
						   at[POINT_CLEAN6].word == DNS_LIST_CLEAN };
}
