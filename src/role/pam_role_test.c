/* pam_role_test.c — the role `pam` before a real PAM: who is let in, and what a module that
 * hangs does to the others.  This process plays the parent and `user`.
 *
 * The accounts and services exist in a mount namespace of our own only, so it needs root. */
#include "base/buf.h"
#include "base/fd.h"
#include "role/runtime.h"

#include <crypt.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char conf_text[] =
	"generation 1\nhostname mx.example.org\nstorage /storage\ncontact root@example.org\n"
	"domain example.org {\n accounts linux\n }\n"
	"auth {\n backend pam waxwing\n backend pam slow\n backend pam broken\n }\n";

static char dir[] = "/tmp/pam-role-XXXXXX";
static struct link *to_pam, *as_user;
static struct nursery fibers, hanging;
static struct wait heard;
static bool is_ready;

/* -- a system of our own --------------------------------------------------- */

/* %s: the hash of "Right pass 1"; then days of the last change, …, of the end (shadow(5)). */
static const char shadow[] =
	"root:*:19000:0:99999:7:::\n"
	"paul:%1$s:19000:0:99999:7:::\n"
	"locked:!%1$s:19000:0:99999:7:::\n"
	"ended:%1$s:19000:0:99999:7::1:\n"
	"mustchange:%1$s:0:0:99999:7:::\n"
	"nopassword::19000:0:99999:7:::\n";

static const struct {
	const char *over, *text;
} files[] = {
	{ "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\npaul:x:64001:64001::/home/paul:/bin/sh\n"
			 "locked:x:64002:64002::/home/locked:/bin/sh\nended:x:64003:64003::/home/ended:/bin/sh\n"
			 "mustchange:x:64004:64004::/home/m:/bin/sh\nnopassword:x:64005:64005::/home/n:/bin/sh\n" },
	{ "/etc/shadow", shadow },
	{ "pam.d/waxwing", "auth required pam_unix.so nodelay\naccount required pam_unix.so\n" },
	{ "pam.d/slow", "auth required pam_exec.so quiet /bin/sleep 14\naccount required pam_permit.so\n" },
	{ "pam.d/broken", "auth required pam_not_there.so\naccount required pam_permit.so\n" },
};

static void write_file(const char *path, const char *text)
{
	char *salt = crypt_gensalt_ra("$6$", 5000, NULL, 0);
	static struct crypt_data data;
	FILE *f = fopen(path, "w");

	assert_true(f && salt);
	if (text == shadow)
		fprintf(f, shadow, crypt_r("Right pass 1", salt, &data));
	else
		fputs(text, f);
	assert_int_equal(fclose(f), 0);
	free(salt);
}

static void path_of(size_t i, char *to, size_t size)
{
	snprintf(to, size, "%s/%s", dir, files[i].over + (files[i].over[0] == '/' ? strlen("/etc/") : 0));
}

/* false: we may not. */
static bool enter_system(void)
{
	char path[128];

	if (geteuid() != 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/pam.d", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		path_of(i, path, sizeof(path));
		write_file(path, files[i].text);
		if (files[i].over[0] == '/' && mount(path, files[i].over, NULL, MS_BIND, NULL))
			return false;
	}
	snprintf(path, sizeof(path), "%s/pam.d", dir);
	return mount(path, "/etc/pam.d", NULL, MS_BIND, NULL) == 0;
}

/* -- the questions --------------------------------------------------------- */

enum outcome { WRONG, RIGHT, FAILS };

static const struct {
	const char *name, *password, *service;
	enum outcome want;
} rows[] = {
	{ "paul", "Right pass 1", "waxwing", RIGHT },
	{ "paul", "Right pass 2", "waxwing", WRONG },
	{ "paul", "right pass 1", "waxwing", WRONG },
	{ "paul", "Right pass 1 ", "waxwing", WRONG },
	{ "paul", "", "waxwing", WRONG },
	{ "Paul", "Right pass 1", "waxwing", WRONG },
	{ "ghost", "Right pass 1", "waxwing", WRONG },
	{ "../paul", "Right pass 1", "waxwing", WRONG },
	{ "locked", "Right pass 1", "waxwing", WRONG },
	{ "ended", "Right pass 1", "waxwing", WRONG },
	{ "mustchange", "Right pass 1", "waxwing", WRONG },
	{ "nopassword", "", "waxwing", WRONG },
	{ "nopassword", "x", "waxwing", WRONG },
	{ "root", "*", "waxwing", WRONG },
	{ "paul", "Right pass 1", "broken", FAILS },
	{ "paul", "Right pass 1", "other", FAILS },      /* a service that no backend names */
};

SUSPENDS static enum outcome ask(const char *name, const char *password, const char *service)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct pam_password_answer r = { .right = 7 };
	struct err e = { 0 };

	if (!pam_password(as_user, &(struct pam_password){ .name = str_from_z(name), .password = str_from_z(password),
							   .service = str_from_z(service) }, &r, &a, &e))
		return FAILS;
	return r.right ? RIGHT : WRONG;
}

SUSPENDS static void ask_slow(void *arg)
{
	enum outcome *ret = arg;

	*ret = ask("paul", "Right pass 1", "slow");
}

SUSPENDS static void ask_all(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum outcome got = ask(rows[i].name, rows[i].password, rows[i].service);

		if (got != rows[i].want)
			fail_msg("row %zu, %s at %s: %d", i, rows[i].name, rows[i].service, got);
	}
}

/* While a module hangs the others are asked; it gets 10 s, and then its place is free again. */
SUSPENDS static void check(void)
{
	enum outcome slow[3] = { RIGHT, RIGHT, RIGHT };
	int64_t start = time_mono();
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(slow); i++)
		assert_true(fiber_start(&hanging, "slow", ask_slow, &slow[i]));
	ask_all();
	assert_true(time_mono() - start < 9 * SECOND);
	assert_true(nursery_join(&hanging, &e));
	for (size_t i = 0; i < ARRAY_LEN(slow); i++)
		assert_int_equal(slow[i], FAILS);
	assert_in_range(time_mono() - start, 9 * SECOND, 14 * SECOND);
	assert_int_equal(ask("paul", "Right pass 1", "waxwing"), RIGHT);
}

/* -- the role -------------------------------------------------------------- */

static void hear_ready(struct link *l, void *tell)
{
	(void)l, (void)tell;
	is_ready = true;
	wait_wake_all(&heard);
}

static void hear_nothing(struct link *l, void *tell)
{
	(void)l, (void)tell;
}

static pid_t start(int *ret)
{
	char path[64];
	int sv[2], log;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	snprintf(path, sizeof(path), "%s/log", dir);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(log, STDERR_FILENO);
		dup2(sv[1], 3);
		close_range(4, ~0U, 0);
		role_main(&role_pam);
	}
	close(sv[1]);
	*ret = sv[0];
	return pid;
}

SUSPENDS static void talk(void *arg)
{
	AUTO(fd_end) int image = -1, folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err e = { 0 };
	int sv[2];

	to_pam = link_open(*(int *)arg, ROLE_PARENT, ROLE_PAM, 0, S(""), &fibers, &e);
	assert_non_null(to_pam);
	assert_true(fd_sealed("conf", str_from_z(conf_text), &image, &e));
	assert_true(role_setup(to_pam, &(struct role_setup){ .dialect = ipc_dialect(), .copies = 1, .generation = 1,
							     .log_level = 3, .config = image, .directory_fd = folder }));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	assert_true(role_channel(to_pam, &(struct role_channel){ .role = ROLE_USER, .channel = sv[1] }));
	close(sv[1]);
	as_user = link_open(sv[0], ROLE_USER, ROLE_PAM, 0, S(""), &fibers, &e);
	assert_non_null(as_user);
	role_go(to_pam, &(struct role_go){ 0 });
	WITHIN(60 * SECOND) {
		while (!is_ready && wait_on(&heard, "ready", &e))
			continue;
		assert_true(is_ready);
		check();
	}
	role_stop(to_pam, &(struct role_stop){ 0 });
	fiber_sleep(100 * MILLISECOND, &e);
	nursery_end(&fibers);
}

/* Names and outcomes are logged, passwords are not. */
static void check_log(void)
{
	static char text[65536];
	char path[64];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", dir);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	assert_non_null(strstr(text, "name=\"paul\" what=right"));
	assert_null(strstr(text, "ight pass"));
	unlink(path);
}

static void leave_system(void)
{
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		path_of(i, path, sizeof(path));
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/pam.d", dir);
	rmdir(path);
	rmdir(dir);
}

static void test_passwords(void **state)
{
	pid_t pid;
	int fd;

	(void)state;
	if (!enter_system()) {
		print_message("# needs root and a mount namespace of its own\n");
		skip();
	}
	pid = start(&fd);
	ipc_hear(IPC_parent_ready, hear_ready);
	ipc_hear(IPC_parent_lost, hear_nothing);
	loop_run(talk, &fd);
	waitpid(pid, NULL, 0);
	check_log();
	leave_system();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_passwords) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
