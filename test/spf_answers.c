/* spf_answers.c — what SPF says about clients and senders, over records that are given, for comparison with others.
 *
 * Standard input: lines of a zone (trust/trust_dns_table.h), and questions, each about the records since ZONE:
 *
 *	ZONE
 *	CHECK <TAB> IP <TAB> HELO <TAB> LOCAL <TAB> DOMAIN      LOCAL and DOMAIN empty: the null path
 *
 * Each question gives a line: result, explanation, questions asked of the DNS, problem, with tabs between them.
 *
 * A test program: it is not installed. */
#include "trust/spf.h"
#include "trust/trust_dns_table.h"

#include <stdio.h>
#include <stdlib.h>

enum { ZONE_MAX = 64 << 20 };

static bool answer(struct str fields, struct str zone, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = ZONE_MAX };
	struct trust_dns_table table;
	struct trust_dns dns = trust_dns_of_table(&table);
	struct spf_question q = { .receiver = S("receiver.example"), .now = 0 };
	struct str ip = str_cut(fields, '\t', &fields);
	struct spf_answer r;

	q.helo = str_cut(fields, '\t', &fields);
	q.local = str_cut(fields, '\t', &q.domain);
	if (!dns_address_read(ip, q.ip))
		return fail(e, FAULT_PERM, "not an address: " STR_FMT, STR_ARG(ip));
	if (!trust_dns_table_read(zone, &a, &table, e) || !spf_check_mail_from(&q, &dns, &a, &r, e))
		return false;
	printf("%s\t" STR_FMT "\t%zu\t" STR_FMT "\n", spf_result_name(r.result), STR_ARG(r.explanation), table.asked,
	       STR_ARG(r.problem));
	return true;
}

int main(void)
{
	AUTO(buf_end) struct buf zone = buf_on_heap(ZONE_MAX);
	struct err e = { 0 };
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	bool ok = true;

	while (ok && (n = getline(&line, &room, stdin)) > 0) {
		struct str s = str_of(line, (size_t)n - (line[n - 1] == '\n'));

		if (str_eq(s, S("ZONE"))) {
			buf_clear(&zone);
		} else if (str_starts(s, S("CHECK\t"))) {
			ok = answer(str_from(s, 6), buf_str(&zone), &e);
		} else {
			buf_add(&zone, s);
			buf_add_char(&zone, '\n');
		}
	}
	free(line);
	if (!ok)
		fprintf(stderr, "spf_answers: %s\n", e.text);
	return ok ? 0 : 1;
}
