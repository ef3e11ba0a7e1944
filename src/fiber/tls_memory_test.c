/* tls_memory_test.c — what an idle encrypted connection costs: the clients are another process. */
#include "base/time.h"
#include "fiber/certificate.h"
#include "fiber/conn.h"
#include "fiber/fiber.h"
#include "fiber/line.h"
#include "fiber/private_key.h"
#include "fiber/tls.h"
#include "fiber/tls_key_provider.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WARM = 20, IDLE = 500, ALL = WARM + IDLE, KIB_MAX = 22 };

static int ours[ALL], theirs[ALL];
static struct tls_server *server;
static EVP_PKEY *key;
static size_t talking;
static struct wait talks;

/* All clients shake hands one after the other, say one line each, and stay. */
static void clients(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char got[16];

	for (size_t i = 0; i < ALL; i++) {
		SSL *ssl = SSL_new(ctx);

		SSL_set_fd(ssl, theirs[i]);
		if (SSL_connect(ssl) != 1 || SSL_write(ssl, "EHLO x\r\n", 8) != 8 ||
		    SSL_read(ssl, got, sizeof(got)) != 8)
			_exit(1);
	}
	pause();
	_exit(0);
}

static bool sign(void *ctx, uint32_t key_id, uint32_t scheme, struct str digest, struct buf *to,
	struct err *e)
{
	(void)ctx, (void)key_id;
	return private_key_sign(key, scheme, digest, to, e);
}

/* As a session of SMTP would: waits for its next command. */
SUSPENDS static void serve(void *arg)
{
	AUTO(conn_end) struct conn c;
	struct line line;
	struct err e;

	conn_init(&c, *(int *)arg);
	if (!conn_start_tls(&c, server, &e))
		return;
	while (line_read(&c, 2048, &line, &e)) {
		if (!conn_put(&c, S("250 ok\r\n"), &e))
			return;
		talking++;
		wait_wake_all(&talks);
	}
}

static long pss_kib(void)
{
	char text[4000] = "";
	const char *at;
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	assert_true(n > 0);
	at = strstr(text, "\nPss:");
	assert_non_null(at);
	return strtol(at + 5, NULL, 10);
}

SUSPENDS static void start(struct nursery *n, size_t from, size_t to)
{
	struct err e;

	for (size_t i = from; i < to; i++)
		assert_true(fiber_start(n, "session", serve, &ours[i]));
	while (talking < to)
		assert_true(wait_on(&talks, "all talk", &e));
	/* until the stacks have been trimmed */
	assert_true(fiber_sleep(4500 * MILLISECOND, &e));
}

SUSPENDS static void measure(void *arg)
{
	AUTO(nursery_end) struct nursery n = { 0 };
	long before, per;

	start(&n, 0, WARM);
	before = pss_kib();
	start(&n, WARM, ALL);
	per = (pss_kib() - before) * 1024 / IDLE;
	printf("# %d idle TLS connections: %ld bytes each (Pss)\n", IDLE, per);
	*(long *)arg = per;
}

static void test_idle_memory(void **state)
{
	AUTO(buf_end) struct buf cert = buf_on_heap(1 << 16), key_pem = buf_on_heap(1 << 16);
	AUTO(certificate_end) struct certificate c = { 0 };
	static const struct tls_signer signer = { sign, NULL };
	struct err e;
	long per = 0;
	pid_t child;

	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
		ours[i] = sv[0];
		theirs[i] = sv[1];
	}
	child = fork();
	if (child == 0)
		clients();
	server = tls_server_open(&signer);
	assert_true(certificate_make(S("x.example"), time_now(), &cert, &key_pem, &e));
	assert_true(private_key_load(buf_str(&key_pem), &key, &e));
	assert_true(certificate_load(buf_str(&cert), key, &c, &e));
	assert_true(tls_server_set(server, &(struct tls_identity){ &c, 0 }, 1, &e));
	for (size_t i = 0; i < ALL; i++)
		close(theirs[i]);
	loop_run(measure, &per);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	tls_server_close(server);
	private_key_end(&key);
#ifndef WAXWING_ASAN
	assert_true(per < KIB_MAX * 1024);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_idle_memory) };
	struct rlimit r;

	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
