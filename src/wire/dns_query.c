/* dns_query.c — see dns_query.h. */
#include "wire/dns_query.h"

enum { HEADER = 12, CLASS_IN = 1, TYPE_OPT = 41, QUESTION_TAIL = 4, OPT_RECORD = 11, FLAGS_AT = 2, RESPONSE = 0x80 };

static void add_be16(struct buf *b, uint16_t v)
{
	buf_add_char(b, (char)(v >> 8));
	buf_add_char(b, (char)(v & 0xFF));
}

/* A letter's case is its bit of the dice; lengths of labels are no letters (RFC 1035 §3.1: 63 at most). */
static void add_name(struct buf *b, const struct dns_name *name, uint64_t dice)
{
	for (size_t i = 0; i < name->n; i++) {
		int c = name->bytes[i];

		buf_add_char(b, (char)(dice >> i % 64 & 1 ? ascii_upper(c) : ascii_lower(c)));
	}
}

void dns_query_print(const struct dns_name *name, uint16_t type, uint16_t id, uint64_t dice, struct buf *b)
{
	add_be16(b, id);
	add_be16(b, 0);                          /* a query; nothing is desired */
	add_be16(b, 1);
	add_be16(b, 0);
	add_be16(b, 0);
	add_be16(b, 1);
	add_name(b, name, dice);
	add_be16(b, type);
	add_be16(b, CLASS_IN);
	buf_add_char(b, 0);                      /* OPT: root, type, how much fits, no flags, no options */
	add_be16(b, TYPE_OPT);
	add_be16(b, DNS_UDP_MAX);
	add_be16(b, 0);
	add_be16(b, 0);
	add_be16(b, 0);
}

bool dns_query_is_answered(struct str query, struct str packet)
{
	size_t question = query.n - HEADER - OPT_RECORD;

	if (query.n < HEADER + 1 + QUESTION_TAIL + OPT_RECORD || packet.n < HEADER + question)
		return false;
	return str_eq(str_head(query, 2), str_head(packet, 2)) && (str_at(packet, FLAGS_AT) & RESPONSE) &&
	       str_eq(str_sub(query, 4, 2), str_sub(packet, 4, 2)) &&
	       str_eq(str_sub(query, HEADER, question), str_sub(packet, HEADER, question));
}
