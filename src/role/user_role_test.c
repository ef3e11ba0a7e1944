/* user_role_test.c — the roles `user` and `pam` as processes; this one plays the parent, a front,
 * the queue and the tool. */
#include "base/buf.h"
#include "base/fd.h"
#include "base/map.h"
#include "conf/conf.h"
#include "role/runtime.h"
#include "user/linux_account.h"
#include "user/rcpt_answer.h"

#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/user-role-XXXXXX";
static pid_t user_pid, pam_pid;
static struct link *to_user, *front, *queue, *tool;
static struct nursery fibers;
static struct wait heard;
static unsigned n_ready;
static char account_told[300];
static unsigned n_told;

static pid_t start(const struct role_def *def, int *ret)
{
	int sv[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(sv[1], 3);
		close_range(4, ~0U, 0);
		role_main(def);
	}
	close(sv[1]);
	*ret = sv[0];
	return pid;
}

static void hear_nothing(struct link *l, void *tell)
{
	(void)l, (void)tell;
}

static void hear_ready(struct link *l, void *tell)
{
	(void)l, (void)tell;
	n_ready++;
	wait_wake_all(&heard);
}

static void hear_account(struct link *l, void *tell)
{
	struct parent_account *t = tell;

	(void)l;
	n_told++;
	snprintf(account_told, sizeof(account_told), STR_FMT " " STR_FMT, STR_ARG(t->account), STR_ARG(t->home));
	wait_wake_all(&heard);
}

SUSPENDS static struct link *open_role(int fd, enum role r, const char *conf)
{
	struct err e = { 0 };
	struct link *l = link_open(fd, ROLE_PARENT, r, 0, S(""), &fibers, &e);
	AUTO(fd_end) int image = -1, folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_non_null(l);
	assert_true(fd_sealed("conf", str_from_z(conf), &image, &e));
	assert_true(role_setup(l, &(struct role_setup){ .dialect = ipc_dialect(), .copies = 1, .generation = 1, .log_level = 3, .config = image,
							.directory_fd = folder }));
	return l;
}

/* A channel between us, playing `as`, and the role at l. */
static struct link *introduce(struct link *l, enum role as)
{
	struct err e = { 0 };
	struct link *ret;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	assert_true(role_channel(l, &(struct role_channel){ .role = (uint8_t)as, .channel = sv[1] }));
	close(sv[1]);
	ret = link_open(sv[0], as, l->peer, 0, S(""), &fibers, &e);
	assert_non_null(ret);
	return ret;
}

static void send_file(const char *what, const char *path, const char *text)
{
	struct err e = { 0 };
	AUTO(fd_end) int fd = -1;

	assert_true(fd_sealed("file", str_from_z(text), &fd, &e));
	lseek(fd, 0, SEEK_SET);
	assert_true(role_file(to_user, &(struct role_file){ .what = str_from_z(what), .path = str_from_z(path),
							    .file = fd }));
}

SUSPENDS static uint8_t rcpt(const char *local, const char *domain)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct user_rcpt_answer r = { 0 };
	struct err e = { 0 };

	if (!user_rcpt(front, &(struct user_rcpt){ .local = str_from_z(local), .domain = str_from_z(domain),
						   .peer = S("192.0.2.1") }, &r, &a, &e)) {
		print_message("# %s\n", e.text);
		return 99;
	}
	return r.kind;
}

static const struct {
	const char *local, *domain;
	uint8_t kind;
} rcpts[] = {
	{ "conf", "example.org", RCPT_OK }, { "CONF", "Example.ORG", RCPT_OK }, { "conf+tag", "example.org", RCPT_OK },
	{ "conf", "alias.example", RCPT_OK }, { "nobody-here", "example.org", RCPT_REFUSED },
	{ "conf", "example.net", RCPT_NOT_OURS }, { "postmaster", "", RCPT_OK },
	{ "sales", "more.example", RCPT_OK }, { "sales", "sub.wild.example", RCPT_OK },
	{ "second", "more.example", RCPT_OK }, { "loop", "example.org", RCPT_LOOP },
	{ "broken", "example.org", RCPT_LATER }, { "refused", "example.org", RCPT_REFUSED },
	{ "root", "localhost", RCPT_OK }, { "daemon", "example.org", RCPT_REFUSED },
	{ "no-such-linux-user", "example.org", RCPT_REFUSED },
};

SUSPENDS static void check_rcpts(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rcpts); i++) {
		uint8_t kind = rcpt(rcpts[i].local, rcpts[i].domain);

		if (kind != rcpts[i].kind)
			print_message("# %s@%s: %u\n", rcpts[i].local, rcpts[i].domain, kind);
		assert_int_equal(kind, rcpts[i].kind);
	}
}

/* A person of this machine, if it has one, gets mail at the first domain and the parent hears of her. */
SUSPENDS static void check_person(void)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct user_route_answer r = { 0 };
	struct linux_account l = { 0 };
	const struct passwd *pw;
	struct err e = { 0 };

	setpwent();
	while ((pw = getpwent())) {
		l = (struct linux_account){ str_from_z(pw->pw_name), pw->pw_uid, pw->pw_gid, str_from_z(pw->pw_dir),
					    str_from_z(pw->pw_shell) };
		if (linux_account_check(&l, l.name, &e))
			break;
	}
	if (pw) {
		struct ipc_rcpt one = { .local = l.name, .domain = S("example.org") };

		assert_true(user_route(queue, &(struct user_route){ .rcpts = { &one, 1 } }, &r, &a, &e));
		assert_int_equal(r.targets.n, 1);
		assert_int_equal(r.targets.p[0].kind, TARGET_ACCOUNT);
		assert_true(str_eq(r.targets.p[0].account, l.name));
	}
	endpwent();
}

SUSPENDS static bool add(const char *address, const char *password, struct err *e)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct user_add_answer r;

	return user_add(tool, &(struct user_add){ .address = str_from_z(address), .by = S("root"),
						  .password = str_from_z(password) }, &r, &a, e);
}

SUSPENDS static void check_accounts(void)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct user_passwd_answer p;
	struct user_remove_answer gone;
	struct user_disable_answer d;
	struct user_list_answer list = { 0 };
	struct err e = { 0 };

	assert_int_equal(rcpt("alice", "example.org"), RCPT_REFUSED);
	assert_true(add("Alice@Example.org", "a secret", &e));
	assert_int_equal(rcpt("alice", "example.org"), RCPT_OK);
	assert_false(add("alice@example.org", "another", &e));
	assert_string_equal(e.text, "alice@example.org exists already; waxwing user passwd changes its password");
	assert_false(add("bob@example.net", "x", &e));
	assert_non_null(strstr(e.text, "example.net is not a domain of this server"));
	assert_false(add("bob@alias.example", "x", &e));
	assert_false(add("bob", "x", &e));
	assert_false(add("bob@example.org", "", &e));
	assert_int_equal(rcpt("bob", "example.org"), RCPT_REFUSED);
	assert_true(user_passwd(tool, &(struct user_passwd){ .address = S("conf@example.org"), .password = S("x") },
				&p, &a, &e));
	assert_false(user_passwd(tool, &(struct user_passwd){ .address = S("bob@example.org"), .password = S("x") },
				 &p, &a, &e));
	assert_true(user_disable(tool, &(struct user_disable){ .address = S("alice@example.org"), .disabled = 1 },
				 &d, &a, &e));
	assert_true(user_list(tool, &(struct user_list){ .after = S("") }, &list, &a, &e));
	assert_int_equal(list.accounts.n, 2);
	assert_int_equal(list.more, 0);
	assert_true(str_eq(list.accounts.p[0].address, S("alice@example.org")));
	assert_int_equal(list.accounts.p[0].disabled, 1);
	assert_int_equal(list.accounts.p[1].has_password, 1);
	assert_true(user_list(tool, &(struct user_list){ .after = S("alice@example.org") }, &list, &a, &e));
	assert_int_equal(list.accounts.n, 1);
	assert_int_equal(rcpt("alice", "example.org"), RCPT_OK);         /* no login, but mail */
	assert_false(user_remove(tool, &(struct user_remove){ .address = S("conf@example.org") }, &gone, &a, &e));
	assert_true(user_remove(tool, &(struct user_remove){ .address = S("alice@example.org") }, &gone, &a, &e));
	assert_int_equal(rcpt("alice", "example.org"), RCPT_REFUSED);
}

SUSPENDS static void check_route(void)
{
	AUTO(arena_end) struct arena a = { .limit = 8 << 20 };
	struct ipc_rcpt list[] = { { .local = S("sales"), .domain = S("more.example") },
				   { .local = S("hole"), .domain = S("example.org") },
				   { .local = S("nobody-here"), .domain = S("example.org") } };
	struct user_route_answer r = { 0 };
	struct user_explain_answer x = { 0 };
	static struct ipc_rcpt many[1000];
	struct err e = { 0 };

	for (int twice = 0; twice < 2; twice++) {
		assert_true(user_route(queue, &(struct user_route){ .rcpts = { list, ARRAY_LEN(list) } }, &r, &a, &e));
		assert_int_equal(r.targets.n, 3);
	}
	assert_int_equal(r.targets.p[0].kind, TARGET_ACCOUNT);
	assert_true(str_eq(r.targets.p[0].account, S("conf@example.org")));
	assert_int_equal(r.targets.p[1].kind, TARGET_NOTHING);
	assert_int_equal(r.targets.p[1].rcpt, 1);
	assert_int_equal(r.targets.p[2].kind, TARGET_REFUSED);
	while (!n_told && wait_on(&heard, "an account", &e))
		continue;
	assert_string_equal(account_told, "conf@example.org /storage/mail/example.org/conf");
	assert_int_equal(n_told, 1);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = list[0];
	assert_true(user_route(queue, &(struct user_route){ .rcpts = { many, ARRAY_LEN(many) } }, &r, &a, &e));
	assert_int_equal(r.targets.n, ARRAY_LEN(many));
	assert_int_equal(r.targets.p[999].rcpt, 999);
	assert_int_equal(r.targets.p[999].kind, TARGET_ACCOUNT);
	assert_true(user_explain(tool, &(struct user_explain){ .address = S("sales@more.example") }, &x, &a, &e));
	assert_int_equal(x.found, 1);
	assert_true(str_find_str(x.text, S("users file /u1 line 1")) < x.text.n);
}

/* A new snapshot holds as a whole; it is read in a thread, so it may take a moment. */
SUSPENDS static void check_new_file(void)
{
	struct err e = { 0 };
	int tries = 200;

	send_file("users", "/u2", "third@more.example: conf@example.org\n");
	while (rcpt("third", "more.example") != RCPT_OK && tries-- && fiber_sleep(10 * MILLISECOND, &e))
		continue;
	assert_true(tries > 0);
	assert_int_equal(rcpt("second", "more.example"), RCPT_REFUSED);
	assert_int_equal(rcpt("sales", "more.example"), RCPT_OK);
}

SUSPENDS static bool connects(struct link *l, const char *peer)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct user_connect_answer r = { 0 };
	struct err e = { 0 };

	assert_true(user_connect(l, &(struct user_connect){ .peer = str_from_z(peer) }, &r, &a, &e));
	return r.allow;
}

SUSPENDS static void check_clients(void)
{
	struct link *other = introduce(to_user, ROLE_SMTPD);
	struct err e = { 0 };
	int tries = 200;

	assert_true(connects(other, "192.0.2.7"));
	assert_true(connects(front, "192.0.2.7"));
	assert_false(connects(front, "192.0.2.7"));
	assert_true(connects(front, "192.0.2.8"));
	for (int i = 0; i < 5; i++)
		assert_true(connects(front, "198.51.100.1"));            /* a friend */
	user_disconnect(front, &(struct user_disconnect){ .peer = S("192.0.2.7") });
	assert_true(connects(front, "192.0.2.7"));
	link_close(other);                       /* that copy died: its connection is given back */
	while (!connects(front, "192.0.2.7") && tries-- && fiber_sleep(10 * MILLISECOND, &e))
		continue;
	assert_true(tries > 0);
	assert_false(connects(front, "192.0.2.7"));
}

/* Root exists for pam; whether mail may go there is for `user` to say. */
SUSPENDS static void check_pam(struct link *as_user)
{
	AUTO(arena_end) struct arena a = { 0 };
	struct pam_account_answer r = { 0 };
	struct pam_password_answer p = { .right = 7 };
	struct err e = { 0 };

	assert_true(pam_account(as_user, &(struct pam_account){ .name = S("root") }, &r, &a, &e));
	assert_int_equal(r.exists, 1);
	assert_int_equal(r.uid, 0);
	assert_true(r.home.n > 1);
	assert_true(pam_account(as_user, &(struct pam_account){ .name = S("../root") }, &r, &a, &e));
	assert_int_equal(r.exists, 0);
	assert_false(pam_password(as_user, &(struct pam_password){ .name = S("root"), .password = S("x"),
								   .service = S("../passwd") }, &p, &a, &e));
	if (pam_password(as_user, &(struct pam_password){ .name = S("root"), .password = S("surely not this"),
							  .service = S("waxwing-none") }, &p, &a, &e))
		assert_int_equal(p.right, 0);
	else
		assert_non_null(strstr(e.text, "could not check a password"));   /* no PAM here */
}

static const char conf_text[] =
	"generation 1\nhostname mx.example.org\nstorage /storage\ncontact conf@example.org\n"
	"domain example.org {\n alias-domains alias.example\n accounts linux\n }\n"
	"domains file /d1\nusers file /u1\nusers file /u2\nuser conf@example.org\n"
	"inbound {\n per-client 2 connections 1000 per 1m\n friends 198.51.100.0/24\n }\n"
	"auth {\n backend internal\n backend pam waxwing-none\n }\n";


SUSPENDS static void talk(void *arg)
{
	int *fds = arg, sv[2];
	struct link *to_pam, *as_user;
	struct err e = { 0 };

	to_pam = open_role(fds[1], ROLE_PAM, conf_text);
	to_user = open_role(fds[0], ROLE_USER, conf_text);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	assert_true(role_channel(to_user, &(struct role_channel){ .role = ROLE_PAM, .channel = sv[0] }));
	assert_true(role_channel(to_pam, &(struct role_channel){ .role = ROLE_USER, .channel = sv[1] }));
	close(sv[0]);
	close(sv[1]);
	as_user = introduce(to_pam, ROLE_USER);
	front = introduce(to_user, ROLE_SMTPD);
	queue = introduce(to_user, ROLE_QUEUE);
	tool = introduce(to_user, ROLE_CONTROL);
	send_file("domains", "/d1", "more.example\n*.wild.example\n");
	send_file("users", "/u1", "sales@more.example: conf@example.org\n*@sub.wild.example: conf@example.org\n"
		  "loop@example.org: loop2@example.org\nloop2@example.org: loop@example.org\n"
		  "broken@example.org: \"unfinished\nrefused@example.org: :fail: go away\n"
		  "hole@example.org: :blackhole:\n");
	send_file("users", "/u2", "second@more.example: conf@example.org\nsales@more.example: nobody@example.org\n");
	role_go(to_pam, &(struct role_go){ 0 });
	role_go(to_user, &(struct role_go){ 0 });
	WITHIN(30 * SECOND) {
		while (n_ready < 2 && wait_on(&heard, "ready", &e))
			continue;
		assert_int_equal(n_ready, 2);
		check_rcpts();
		check_accounts();
		check_route();
		check_new_file();
		check_clients();
		check_pam(as_user);
		check_person();
	}
	role_stop(to_user, &(struct role_stop){ 0 });
	role_stop(to_pam, &(struct role_stop){ 0 });
	fiber_sleep(100 * MILLISECOND, &e);
	nursery_end(&fibers);
}

static void test_roles(void **state)
{
	int fds[2];
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/db", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/db/user", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	user_pid = start(&role_user, &fds[0]);
	pam_pid = start(&role_pam, &fds[1]);
	ipc_hear(IPC_parent_lost, hear_nothing);
	ipc_hear(IPC_login_offers, hear_nothing);
	ipc_hear(IPC_smtpd_entries, hear_nothing);
	ipc_hear(IPC_parent_ready, hear_ready);
	ipc_hear(IPC_parent_account, hear_account);
	loop_run(talk, fds);
	waitpid(user_pid, NULL, 0);
	waitpid(pam_pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_roles) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
