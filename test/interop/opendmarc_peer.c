/* opendmarc_peer.c — SPF and DMARC by libopendmarc without an MTA, for test/bench/trust, which compiles it.
 *
 *	opendmarc_peer TABLE SUFFIXES IP HELO ADDRESS DOMAIN SELECTOR N
 *
 * TABLE: lines NAME TAB TXT.  What opendmarc asks about one letter with a DKIM signature of DOMAIN that passes, whose
 * author is of DOMAIN too; libspf2 checks SPF for it.  Answered: "pass" or what came out, and the microseconds of CPU
 * of one of N.  res_nquery() is answered here, at once: a DNS that is warm. */
#define _GNU_SOURCE
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include <opendmarc/dmarc.h>

static char table[1 << 16];

static unsigned char *put16(unsigned char *p, size_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
	return p + 2;
}

/* Strings of at most 255 octets. */
static unsigned char *put_txt(unsigned char *p, const char *text, size_t n)
{
	while (n) {
		size_t part = n < 255 ? n : 255;

		*p++ = (unsigned char)part;
		memcpy(p, text, part);
		p += part;
		text += part;
		n -= part;
	}
	return p;
}

/* In the place of libresolv's. */
int res_nquery(res_state state, const char *name, int class, int type, unsigned char *answer, int size)
{
	char key[300];
	const char *line;
	unsigned char *p = answer, *size_at;
	int n;

	(void)state;
	snprintf(key, sizeof(key), "\n%.*s\t", (int)(strlen(name) - (name[strlen(name) - 1] == '.')), name);
	line = type == ns_t_txt ? strcasestr(table, key) : NULL;
	h_errno = HOST_NOT_FOUND;
	if (!line || size < 2048)
		return -1;
	line += strlen(key);
	memset(answer, 0, 12);
	p = put16(p + 2, 0x8180);
	put16(put16(p, 1), 1);
	p = answer + 12;
	n = ns_name_compress(name, p, 512, NULL, NULL);
	if (n < 0)
		return -1;
	p = put16(put16(p + n, (size_t)type), (size_t)class);
	p = put16(put16(put16(p, 0xc00c), (size_t)type), (size_t)class);
	p = put16(put16(p, 0), 3600);
	size_at = p;
	p = put_txt(p + 2, line, strcspn(line, "\n"));
	put16(size_at, (size_t)(p - size_at - 2));
	h_errno = 0;
	return (int)(p - answer);
}

static int judge(char **args, int *spf)
{
	unsigned char *domain = (unsigned char *)args[3];
	char why[256] = "";
	int used, policy;
	DMARC_POLICY_T *c = opendmarc_policy_connect_init((unsigned char *)args[0], DMARC_POLICY_IP_TYPE_IPV4);

	if (!c)
		return -1;
	*spf = opendmarc_spf2_test(args[0], args[2], args[1], NULL, 0, why, sizeof(why), &used);
	opendmarc_policy_store_spf(c, (unsigned char *)strchr(args[2], '@') + 1, *spf, DMARC_POLICY_SPF_ORIGIN_MAILFROM,
				   (unsigned char *)why);
	opendmarc_policy_store_from_domain(c, domain);
	opendmarc_policy_store_dkim(c, domain, (unsigned char *)args[4], DMARC_POLICY_DKIM_OUTCOME_PASS, (unsigned char *)"");
	opendmarc_policy_query_dmarc(c, domain);
	policy = opendmarc_get_policy_to_enforce(c);
	opendmarc_policy_connect_shutdown(c);
	return policy;
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
	OPENDMARC_LIB_T lib = { .tld_type = OPENDMARC_TLD_TYPE_MOZILLA };
	FILE *f = argc == 9 ? fopen(argv[1], "r") : NULL;
	long times = f ? strtol(argv[8], NULL, 10) : 0;
	int spf, policy;
	double begin;

	if (times <= 0)
		return 2;
	table[fread(table, 1, sizeof(table) - 1, f)] = '\0';
	fclose(f);
	snprintf((char *)lib.tld_source_file, sizeof(lib.tld_source_file), "%s", argv[2]);
	if (opendmarc_policy_library_init(&lib) != DMARC_PARSE_OKAY)
		return 1;
	policy = judge(argv + 3, &spf);
	if (policy == DMARC_POLICY_PASS && spf == DMARC_POLICY_SPF_OUTCOME_PASS)
		puts("pass");
	else
		printf("%s, spf %d\n", opendmarc_policy_status_to_str(policy), spf);
	begin = cpu();
	for (long i = 0; i < times; i++)
		judge(argv + 3, &spf);
	printf("%.2f\n", (cpu() - begin) / (double)times);
	return 0;
}
