/* dns_name_test.c — names as text and on the wire (RFC 1035 §3.1, §4.1.4, §5.1). */
#include "wire/dns_name.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define L10 "aaaaaaaaaa"
#define L63 L10 L10 L10 L10 L10 L10 "aaa"
/* three labels of 63 and one of 61: 255 octets on the wire */
#define LONGEST L63 "." L63 "." L63 "." L10 L10 L10 L10 L10 L10 "a"

/* A copy that ends where its memory ends. */
static struct str exact(struct str s)
{
	char *p = malloc(s.n ? s.n : 1);

	memcpy(p, s.p, s.n);
	return str_of(p, s.n);
}

static void test_text(void **state)
{
	static const struct {
		struct str text, wire, printed;  /* no wire: refused */
	} rows[] = {
		{ S("example.org"), S("\7example\3org\0"), S("example.org") },
		{ S("Example.ORG."), S("\7Example\3ORG\0"), S("example.org") },
		{ S("."), S("\0"), S(".") },
		{ S("_25._tcp.mx"), S("\3_25\4_tcp\2mx\0"), S("_25._tcp.mx") },
		{ S("a\\.b.c"), S("\3a.b\1c\0"), S("a\\046b.c") },
		{ S("a\\032b.c"), S("\3a b\1c\0"), S("a\\032b.c") },
		{ S("a\\000b"), S("\3a\0b\0"), S("a\\000b") },
		{ S("a\\\\b"), S("\3a\\b\0"), S("a\\092b") },
		{ S(""), S(""), S("") }, { S(".."), S(""), S("") }, { S(".a"), S(""), S("") }, { S("a..b"), S(""), S("") },
		{ S("a\\"), S(""), S("") }, { S("a\\1"), S(""), S("") }, { S("a\\25x"), S(""), S("") }, { S("a\\256"), S(""), S("") },
		{ S("a b"), S(""), S("") }, { S("a\r\nb"), S(""), S("") }, { S("b\xc3\xbc" "cher"), S(""), S("") }, { S("a\0b"), S(""), S("") },
		{ S(L63 ".x"), S("\77" L63 "\1x\0"), S(L63 ".x") }, { S(L63 "a.x"), S(""), S("") },
		{ S(LONGEST "a"), S(""), S("") }, { S(LONGEST ".a"), S(""), S("") },
	};
	struct dns_name name;
	char mem[DNS_NAME_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str text = exact(rows[i].text);
		struct buf b = buf_over(mem, sizeof(mem));
		bool ok = dns_name_read(text, &name);

		assert_int_equal(ok, rows[i].wire.n > 0);
		if (ok) {
			assert_true(str_eq(str_of(name.bytes, name.n), rows[i].wire));
			dns_name_print(&name, &b);
			assert_true(str_eq(buf_str(&b), rows[i].printed));
		}
		free((void *)(uintptr_t)text.p);
	}
	assert_true(dns_name_read(S(LONGEST), &name) && name.n == DNS_NAME_MAX);
	assert_true(dns_name_read(S(LONGEST "."), &name) && name.n == DNS_NAME_MAX);
}

/* L5: names in packets, the name asked for begins at byte `at`. */
static void test_packet(void **state)
{
	static const struct {
		struct str packet;
		size_t at, end;                  /* end 0: refused */
		struct str printed;
	} rows[] = {
		{ S("\3org\0"), 0, 5, S("org") },
		{ S("\3org\0\4mail\xc0\0x"), 5, 12, S("mail.org") },
		{ S("\3org\0\xc0\0\xc0\5"), 7, 9, S("org") },         /* a pointer to a pointer */
		{ S("\0"), 0, 1, S(".") },
		{ S("\xc0\0"), 0, 0, S("") },                         /* to itself */
		{ S("\xc0\2\xc0\0"), 2, 0, S("") },                   /* forwards, then round */
		{ S("\1a\xc0\0"), 0, 0, S("") },                      /* a loop with a label in it */
		{ S("x\xc0\3\1a\0"), 1, 0, S("") },                   /* forwards */
		{ S("\3or"), 0, 0, S("") }, { S("\3org"), 0, 0, S("") }, { S("\xc0"), 0, 0, S("") }, { S(""), 0, 0, S("") },
		{ S("\100" L63 "a\0"), 0, 0, S("") },                 /* a label of 64 octets: 0x40 */
		{ S("\200a\0"), 0, 0, S("") },
		{ S("\77" L63 "\77" L63 "\77" L63 "\76" L63), 0, 0, S("") },
		{ S("\77" L63 "\77" L63 "\77" L63 "\77" L63 "\0"), 0, 0, S("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str packet = exact(rows[i].packet);
		char mem[DNS_NAME_TEXT_MAX];
		struct buf b = buf_over(mem, sizeof(mem));
		struct dns_name name = { .n = 77 };
		size_t at = rows[i].at;

		assert_int_equal(dns_name_take(packet, &at, &name), rows[i].end > 0);
		assert_int_equal(at, rows[i].end ? rows[i].end : rows[i].at);
		if (rows[i].end) {
			dns_name_print(&name, &b);
			assert_true(str_eq(buf_str(&b), rows[i].printed));
		} else {
			assert_int_equal(name.n, 77);
		}
		free((void *)(uintptr_t)packet.p);
	}
}

static void test_host(void **state)
{
	static const struct {
		struct str text;
		bool is_host;
	} rows[] = {
		{ S("mx.example.org"), true }, { S("mx_1.example.org"), true }, { S("1.2.3.4a"), true }, { S("localhost"), true },
		{ S("."), false }, { S("192.0.2.1"), false }, { S("a*b.org"), false }, { S("a\\032b.org"), false },
		{ S("a\\013\\010b.org"), false }, { S("<script>.org"), false },
	};
	struct dns_name name;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(dns_name_read(rows[i].text, &name));
		assert_int_equal(dns_name_is_host(&name), rows[i].is_host);
	}
}

static void test_address(void **state)
{
	static const struct {
		struct str text, name;           /* no name: no address */
	} rows[] = {
		{ S("192.0.2.1"), S("1.2.0.192.in-addr.arpa") },
		{ S("::ffff:192.0.2.1"), S("1.2.0.192.in-addr.arpa") },
		/* RFC 3596 §2.5 */
		{ S("4321:0:1:2:3:4:567:89ab"), S("b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa") },
		{ S(""), S("") }, { S("192.0.2"), S("") }, { S("192.0.2.1x"), S("") }, { S("192.0.2.1\0"), S("") },
		{ S("0x7f.1"), S("") }, { S("[::1]"), S("") }, { S("::1%lo"), S("") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char mem[DNS_NAME_TEXT_MAX];
		struct buf b = buf_over(mem, sizeof(mem));
		struct dns_name name;
		uint8_t addr[16];

		assert_int_equal(dns_address_read(rows[i].text, addr), rows[i].name.n > 0);
		if (rows[i].name.n == 0)
			continue;
		dns_name_of_address(addr, &name);
		dns_name_print(&name, &b);
		assert_true(str_eq(buf_str(&b), rows[i].name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text), cmocka_unit_test(test_packet),
		cmocka_unit_test(test_host), cmocka_unit_test(test_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
