/* srs.c — the sender of a letter that is passed on. */
#include "trust/srs.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { DAYS_MODULO = 1024 };

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

struct hash {
	char p[SRS_HASH];
};

static int digit_of(int c)
{
	c = ascii_lower(c);
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/* A gateway on the way back may have changed the letter case. */
static struct hash hash_of(const uint8_t secret[SRS_SECRET], struct str what)
{
	unsigned char lower[SRS_LOCAL_MAX], mac[EVP_MAX_MD_SIZE] = { 0 };
	unsigned n = 0;
	struct hash h;

	what = str_head(what, sizeof lower);
	for (size_t i = 0; i < what.n; i++)
		lower[i] = (unsigned char)ascii_lower(str_at(what, i));
	must(HMAC(EVP_sha256(), secret, SRS_SECRET, lower, what.n, mac, &n), "HMAC works");
	for (size_t i = 0; i < SRS_HASH; i++) {
		unsigned bit = (unsigned)(5 * i);
		unsigned pair = (unsigned)mac[bit / 8] << 8 | mac[bit / 8 + 1];

		h.p[i] = base32[pair >> (11 - bit % 8) & 31];
	}
	return h;
}

static bool hash_is_right(const uint8_t secret[SRS_SECRET], struct str given, struct str what)
{
	struct hash right = hash_of(secret, what);
	char upper[SRS_HASH];

	if (given.n != SRS_HASH || what.n > SRS_LOCAL_MAX)
		return false;
	for (size_t i = 0; i < SRS_HASH; i++) {
		int d = digit_of(str_at(given, i));

		upper[i] = d < 0 ? '?' : base32[d];
	}
	return CRYPTO_memcmp(upper, right.p, SRS_HASH) == 0;
}

/* "SRS0" and a separator, which some write as "-" or "+". */
static bool is_tagged(struct str local, char number)
{
	int c = str_at(local, 4);

	return str_starts_nocase(local, S("SRS")) && str_at(local, 3) == number && (c == '=' || c == '-' || c == '+');
}

static struct str with_hash(const uint8_t secret[SRS_SECRET], char number, struct str what, struct arena *a)
{
	struct hash h = hash_of(secret, what);

	if (what.n == 0 || what.n > SRS_LOCAL_MAX - SRS_HASH - 6)
		return (struct str){ 0 };
	return arena_printf(a, "SRS%c=%.*s=" STR_FMT, number, SRS_HASH, h.p, STR_ARG(what));
}

struct str srs_make(const uint8_t secret[SRS_SECRET], struct str local, struct str domain, int64_t now,
		    struct arena *a)
{
	int64_t day = now / DAY % DAYS_MODULO;
	struct str rest, behind;

	if (is_tagged(local, '0'))
		return with_hash(secret, '1', arena_printf(a, STR_FMT "=" STR_FMT, STR_ARG(domain),
							   STR_ARG(str_from(local, 4))), a);
	if (is_tagged(local, '1')) {
		(void)str_cut(str_from(local, 5), '=', &rest);
		/* one that leads nowhere is a name like others */
		if (str_cut(rest, '=', &behind).n && behind.n)
			return with_hash(secret, '1', rest, a);
	}
	return with_hash(secret, '0', arena_printf(a, "%c%c=" STR_FMT "=" STR_FMT, base32[day / 32], base32[day % 32],
						   STR_ARG(domain), STR_ARG(local)), a);
}

static bool is_fresh(struct str stamp, int64_t now)
{
	int64_t today = now / DAY % DAYS_MODULO;
	int high = digit_of(str_at(stamp, 0)), low = digit_of(str_at(stamp, 1));
	int64_t age;

	if (stamp.n != 2 || high < 0 || low < 0)
		return false;
	age = (today - (32 * high + low) + DAYS_MODULO) % DAYS_MODULO;
	return age <= SRS_DAYS || age == DAYS_MODULO - 1;        /* made just before midnight, by a clock set back */
}

enum srs_result srs_resolve(const uint8_t secret[SRS_SECRET], struct str local, int64_t now, struct arena *a,
			    struct str *ret_local, struct str *ret_domain)
{
	struct str rest, hash, stamp, domain;

	if (!is_tagged(local, '0') && !is_tagged(local, '1'))
		return SRS_NOT;
	hash = str_cut(str_from(local, 5), '=', &rest);
	if (!hash_is_right(secret, hash, rest))
		return SRS_FORGED;
	if (is_tagged(local, '1')) {
		domain = str_cut(rest, '=', &rest);
		*ret_local = arena_printf(a, "SRS0" STR_FMT, STR_ARG(rest));
	} else {
		stamp = str_cut(rest, '=', &rest);
		if (!is_fresh(stamp, now))
			return SRS_OLD;
		domain = str_cut(rest, '=', &rest);
		*ret_local = arena_str(a, rest);
	}
	*ret_domain = arena_str(a, domain);
	return rest.n && domain.n && !a->full ? SRS_OK : SRS_FORGED;
}
