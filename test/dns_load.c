/* dns_load.c — many questions at once to a role `dns` of its own.
 *
 *	dns_load BINARY CONFIGURATION NAME TYPE QUESTIONS AT-ONCE CHANNELS [REPEAT]
 *
 * Starts `BINARY role dns` as the parent does, with the files that the configuration names, and asks over
 * CHANNELS channels as smtpd would.  A "#" in NAME becomes the number of the question; with REPEAT the numbers
 * begin again after so many.  Prints one line of JSON: seconds, CPU of both sides, how the questions ended,
 * how many were outstanding at most.  A test program: it is not installed. */
#include "base/fd.h"
#include "base/log.h"
#include "conf/conf.h"
#include "wire/dns_outcome.h"
#include "ipc/say.h"
#include "wire/dns_record.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHANNEL_FD = 3, CHANNELS_MAX = 64, CONF_MAX = 1 << 20, NAME_MAX_HERE = 300 };

static struct {
	const char *binary, *conf, *name;
	uint16_t type;
	uint64_t questions, at_once, channels, repeat;
} job;

static struct nursery fibers;
static struct link *links[CHANNELS_MAX];
static struct wait ready;
static bool is_ready;
static uint64_t next_question, outcomes[DNS_OUTCOME_COUNT], cached, faults, outstanding, most_outstanding;
static int64_t longest;
static pid_t child;

NORETURN static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "dns_load: %s: %s\n", what, e ? e->text : "");
	exit(1);
}

static struct link *link_of(enum role me, int fd)
{
	struct err e = { 0 };
	struct link *l = link_open(fd, me, ROLE_DNS, 0, S(""), &fibers, &e);

	if (!l)
		die("a channel", &e);
	return l;
}

static struct link *start_role(void)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		die("socketpair", NULL);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (sv[1] == CHANNEL_FD)
			fcntl(CHANNEL_FD, F_SETFD, 0);
		else if (dup2(sv[1], CHANNEL_FD) < 0)
			_exit(71);
		execl(job.binary, "waxwing", "role", "dns", "0", (char *)NULL);
		_exit(71);
	}
	close(sv[1]);
	return link_of(ROLE_PARENT, sv[0]);
}

static void read_conf(struct arena *a, struct conf *c)
{
	AUTO(fd_end) int fd = open(job.conf, O_RDONLY | O_CLOEXEC);
	struct arena na = { 0 };
	struct conf_notes notes = { .arena = &na };
	struct conf_world w = { .file = str_from_z(job.conf) };
	struct err e = { 0 };
	char *p;
	size_t n;

	if (fd < 0 || !fd_slurp(fd, CONF_MAX, &p, &n, &e) || !conf_read(str_of(p, n), &w, a, &notes, c)) {
		for (size_t i = 0; i < notes.n; i++)
			fprintf(stderr, STR_FMT "\n", STR_ARG(notes.note[i].text));
		die("the configuration", &e);
	}
}

static void hand_file(struct link *parent, const char *what, struct str path, struct arena *a)
{
	AUTO(fd_end) int fd = path.n ? open(str_z(a, path), O_RDONLY | O_CLOEXEC) : -1;

	if (path.n)
		role_file(parent, &(struct role_file){ .what = str_from_z(what), .path = path, .file = fd });
}

static void hand_over(struct link *parent)
{
	struct arena a = { .limit = 64 << 20 };
	AUTO(buf_end) struct buf image = buf_on_heap(CONF_MAX);
	AUTO(fd_end) int fd = -1;
	struct conf c;
	struct err e;

	read_conf(&a, &c);
	if (!conf_print_for_role(&c, S("dns"), &image) || !fd_sealed("configuration", buf_str(&image), &fd, &e))
		die("the image", &e);
	role_setup(parent, &(struct role_setup){ .dialect = ipc_dialect(), .copies = 1, .log_level = LOG_WARN, .config = fd,
						 .directory_fd = -1 });
	for (uint64_t i = 0; i < job.channels; i++) {
		int sv[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
			die("socketpair", NULL);
		role_channel(parent, &(struct role_channel){ .role = ROLE_SMTPD, .instance = (uint32_t)i, .channel = sv[1] });
		close(sv[1]);
		links[i] = link_of(ROLE_SMTPD, sv[0]);
	}
	hand_file(parent, "trust-anchor", c.dns.trust_anchor.text, &a);
	hand_file(parent, "root-hints", c.dns.root_hints.text, &a);
	role_go(parent, &(struct role_go){ 0 });
	arena_end(&a);
}

static struct str name_of(uint64_t i, char *mem, size_t n)
{
	struct str rest, first = str_cut(str_from_z(job.name), '#', &rest);
	struct buf b = buf_over(mem, n);

	buf_add(&b, first);
	if (first.n < strlen(job.name))
		buf_add_u64(&b, job.repeat ? i % job.repeat : i);
	buf_add(&b, rest);
	return buf_str(&b);
}

SUSPENDS static void ask_one(uint64_t i)
{
	AUTO(arena_end) struct arena a = { 0 };
	char mem[NAME_MAX_HERE];
	struct dns_question q = { .type = job.type, .name = name_of(i, mem, sizeof(mem)) };
	struct dns_question_answer r;
	int64_t began = time_mono();
	struct err e = { 0 };

	if (++outstanding > most_outstanding)
		most_outstanding = outstanding;
	if (!dns_question(links[i % job.channels], &q, &r, &a, &e))
		faults++;
	else if (r.outcome < DNS_OUTCOME_COUNT)
		outcomes[r.outcome]++, cached += r.is_cached;
	outstanding--;
	if (time_mono() - began > longest)
		longest = time_mono() - began;
}

SUSPENDS static void ask_all(void *unused)
{
	(void)unused;
	while (next_question < job.questions)
		ask_one(next_question++);
}

static double cpu_of(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static unsigned pss_of(pid_t pid)
{
	char path[64], line[256];
	unsigned pss = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %u", &pss) == 1)
			break;
	if (f)
		fclose(f);
	return pss;
}

static void hear_ready(struct link *l, void *tell)
{
	(void)l, (void)tell;
	is_ready = true;
	wait_wake_all(&ready);
}

static void hear_lost(struct link *l, void *tell)
{
	(void)l, (void)tell;
}

static void report(double seconds, unsigned idle, unsigned full)
{
	printf("{\"seconds\": %.6f, \"asker_cpu\": %.6f, \"role_cpu\": %.6f, \"faults\": %llu, \"cached\": %llu, "
	       "\"most_outstanding\": %llu, \"longest\": %.6f, \"pss_idle\": %u, \"pss\": %u",
	       seconds, cpu_of(RUSAGE_SELF), cpu_of(RUSAGE_CHILDREN), (unsigned long long)faults,
	       (unsigned long long)cached, (unsigned long long)most_outstanding, (double)longest / 1e6, idle, full);
	for (int o = 0; o < DNS_OUTCOME_COUNT; o++)
		printf(", \"%s\": %llu", dns_outcome_name((enum dns_outcome)o), (unsigned long long)outcomes[o]);
	printf("}\n");
}

SUSPENDS static void run(void *unused)
{
	struct nursery askers = { 0 };
	struct link *parent = start_role();
	unsigned idle;
	int64_t began;
	struct err e;

	(void)unused;
	ipc_hear(IPC_parent_ready, hear_ready);
	ipc_hear(IPC_parent_lost, hear_lost);
	hand_over(parent);
	while (!is_ready)
		if (!wait_on(&ready, "the role", &e))
			die("the role", &e);
	idle = pss_of(child);
	began = time_mono();
	for (uint64_t i = 0; i < job.at_once; i++)
		if (!fiber_start(&askers, "asker", ask_all, NULL))
			die("no memory for a fiber", NULL);
	nursery_join(&askers, &e);
	double seconds = (double)(time_mono() - began) / 1e6;
	unsigned full = pss_of(child);

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	report(seconds, idle, full);
	fflush(stdout);
	_exit(0);
}

static uint64_t number(const char *z)
{
	uint64_t n;

	if (!str_u64(str_from_z(z), &n))
		die(z, NULL);
	return n;
}

int main(int argc, char **argv)
{
	if (argc < 8 || argc > 9) {
		fprintf(stderr, "usage: dns_load BINARY CONFIGURATION NAME TYPE QUESTIONS AT-ONCE CHANNELS [REPEAT]\n");
		return 2;
	}
	job.binary = argv[1];
	job.conf = argv[2];
	job.name = argv[3];
	job.type = dns_type_read(str_from_z(argv[4]));
	job.questions = number(argv[5]);
	job.at_once = number(argv[6]);
	job.channels = number(argv[7]);
	job.repeat = argc > 8 ? number(argv[8]) : 0;
	if (job.type == 0 || job.channels == 0 || job.channels > CHANNELS_MAX)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	loop_run(run, NULL);
	return 1;
}
