/* deaths.c — letters on which `scan` died, known again by the SHA-256 of their bytes.
 *
 * A sender who hears 451 brings the same letter again; one that ends each process
 * which reads it must not come back for days.  What is counted is forgotten when
 * the list is full or the role ends. */
#include "role/queue/queue_role.h"

#include "base/fd.h"
#include "base/map.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { DEATHS_MAX = 1000, HASH_BLOCK = 64 * 1024 };

struct hash_job {
	struct str bytes;
	int fd;                  /* of the letter if it is not in bytes; or negative */
	uint64_t size;
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned sum_n;
	bool ok;
};

static struct map deaths;                /* SHA-256 → how often, as a pointer */

static bool hash_file(EVP_MD_CTX *sha, int fd, uint64_t size)
{
	char *block = malloc(HASH_BLOCK);
	bool ok = block;
	struct err e;

	for (uint64_t at = 0; ok && at < size; at += HASH_BLOCK) {
		size_t n = size - at < HASH_BLOCK ? (size_t)(size - at) : HASH_BLOCK;

		ok = fd_pread_all(fd, block, n, (int64_t)at, &e) && EVP_DigestUpdate(sha, block, n);
	}
	free(block);
	return ok;
}

static void do_hash(void *arg)
{
	struct hash_job *j = arg;
	EVP_MD_CTX *sha = EVP_MD_CTX_new();

	j->ok = sha && EVP_DigestInit_ex(sha, EVP_sha256(), NULL) &&
		(j->fd >= 0 ? hash_file(sha, j->fd, j->size) : EVP_DigestUpdate(sha, j->bytes.p, j->bytes.n)) &&
		EVP_DigestFinal_ex(sha, j->sum, &j->sum_n);
	EVP_MD_CTX_free(sha);
}

void deaths_prepare(void)
{
	struct hash_job j = { .fd = -1 };

	do_hash(&j);
}

unsigned deaths_note(struct str bytes, int fd, uint64_t size)
{
	struct hash_job j = { .bytes = bytes, .fd = fd, .size = size };
	struct str key;
	uintptr_t n;

	off_loop(do_hash, &j);
	if (!j.ok)
		return 0;
	if (deaths.n >= DEATHS_MAX)
		map_end(&deaths);
	key = str_of(j.sum, j.sum_n);
	n = (uintptr_t)map_get(&deaths, key) + 1;
	map_put(&deaths, key, (void *)n);
	return (unsigned)n;
}
