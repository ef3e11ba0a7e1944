/* trust_answers.c — what SPF and DMARC say over records that are given, for comparison with others.
 *
 * Standard input: lines of a zone (trust/trust_dns_table.h), and questions, each about the records since ZONE:
 *
 *	ZONE
 *	CHECK <TAB> IP <TAB> HELO <TAB> LOCAL <TAB> DOMAIN           LOCAL and DOMAIN empty: the null path
 *	LETTER <TAB> IP <TAB> HELO <TAB> LOCAL <TAB> DOMAIN <TAB> NOW <TAB> FILE     IP may be empty
 *
 * A CHECK gives a line: result, explanation, questions asked of the DNS, problem, with tabs between them; a LETTER those of
 * DMARC: result, disposition, domain in From, reason.
 *
 * A test program: it is not installed. */
#include "base/fd.h"
#include "trust/auth.h"
#include "trust/psl.h"
#include "trust/trust_dns_table.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ZONE_MAX = 64 << 20, FILE_MAX = 64 << 20, NO_PCT = 0 };

static bool client_read(struct str *fields, struct auth_client *ret, struct err *e)
{
	struct str ip = str_cut(*fields, '\t', fields);

	*ret = (struct auth_client){ .is_known = ip.n };
	ret->helo = str_cut(*fields, '\t', fields);
	ret->local = str_cut(*fields, '\t', fields);
	ret->domain = str_cut(*fields, '\t', fields);
	return !ip.n || dns_address_read(ip, ret->ip) || fail(e, FAULT_PERM, "not an address: " STR_FMT, STR_ARG(ip));
}

static bool check(struct str fields, struct trust_dns_table *table, struct arena *a, struct err *e)
{
	struct trust_dns dns = trust_dns_of_table(table);
	struct spf_question q = { .receiver = S("receiver.example") };
	struct auth_client c;
	struct spf_answer r;

	if (!client_read(&fields, &c, e))
		return false;
	memcpy(q.ip, c.ip, sizeof(q.ip));
	q.helo = c.helo;
	q.local = c.local;
	q.domain = c.domain;
	if (!spf_check_mail_from(&q, &dns, a, &r, e))
		return false;
	printf("%s\t" STR_FMT "\t%zu\t" STR_FMT "\n", spf_result_name(r.result), STR_ARG(r.explanation), table->asked,
	       STR_ARG(r.problem));
	return true;
}

static void letter_print(const struct auth *x)
{
	if (x->from_is != DMARC_FROM_ONE)
		printf("permerror\tnone\t\t%s\n", dmarc_from_why(x->from_is));
	else
		printf("%s\t%s\t" STR_FMT "\t" STR_FMT "\n", dmarc_result_name(x->dmarc.result),
		       dmarc_policy_name(x->dmarc.disposition), STR_ARG(x->from), STR_ARG(x->dmarc.problem));
}

static bool letter_read(struct str path, struct arena *a, struct buf *b, struct err *e)
{
	char *z = str_z(a, path), *p = NULL;
	AUTO(fd_end) int fd = z ? open(z, O_RDONLY | O_CLOEXEC) : -1;
	size_t n;

	if (fd < 0 || !fd_slurp(fd, FILE_MAX, &p, &n, e))
		return fail(e, FAULT_PERM, "cannot read " STR_FMT, STR_ARG(path));
	/* as it was on the wire, also where its lines end in both ways */
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n' && (i == 0 || p[i - 1] != '\r'))
			buf_add_char(b, '\r');
		buf_add_char(b, p[i]);
	}
	free(p);
	return true;
}

static bool letter(struct str fields, struct trust_dns_table *table, const struct psl_ctx_st *list, struct arena *a,
		   struct err *e)
{
	AUTO(buf_end) struct buf b = buf_on_heap(2 * FILE_MAX);
	struct trust_dns dns = trust_dns_of_table(table);
	struct auth_means m = { .dns = &dns, .suffixes = list, .receiver = S("receiver.example"), .dice = NO_PCT };
	struct auth *x = ARENA_NEW(a, struct auth);
	struct auth_client c;
	struct letter_src src;
	uint64_t now;
	bool ok;

	if (!x || !client_read(&fields, &c, e) || !str_u64(str_cut(fields, '\t', &fields), &now) ||
	    !letter_read(fields, a, &b, e))
		return false;
	m.now = (int64_t)now * SECOND;
	src = letter_in_memory(buf_str(&b));
	ok = auth_check(&m, &c, buf_str(&b), &src, a, x, e);
	if (ok)
		letter_print(x);
	auth_end(x);
	return ok;
}

static bool answer(struct str line, struct str zone, const struct psl_ctx_st *list, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = ZONE_MAX };
	struct str fields, word = str_cut(line, '\t', &fields);
	struct trust_dns_table table;

	if (!trust_dns_table_read(zone, &a, &table, e))
		return false;
	return str_eq(word, S("CHECK")) ? check(fields, &table, &a, e) : letter(fields, &table, list, &a, e);
}

int main(void)
{
	AUTO(buf_end) struct buf zone = buf_on_heap(ZONE_MAX);
	const struct psl_ctx_st *list = psl_list_open();
	struct err e = { 0 };
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	bool ok = true;

	while (ok && (n = getline(&line, &room, stdin)) > 0) {
		struct str s = str_of(line, (size_t)n - (line[n - 1] == '\n'));

		if (str_eq(s, S("ZONE"))) {
			buf_clear(&zone);
		} else if (str_starts(s, S("CHECK\t")) || str_starts(s, S("LETTER\t"))) {
			ok = answer(s, buf_str(&zone), list, &e);
		} else {
			buf_add(&zone, s);
			buf_add_char(&zone, '\n');
		}
	}
	free(line);
	psl_list_close(list);
	if (!ok)
		fprintf(stderr, "trust_answers: %s\n", e.text);
	return ok ? 0 : 1;
}
