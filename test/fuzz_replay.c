/* fuzz_replay.c — runs a fuzz target over its kept corpus, without libFuzzer.
 *
 * Each file is copied to a block of exactly its size, so that a sanitizer sees
 * one byte too far.  Arguments: directories or files. */
#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static unsigned long runs;

static void run_file(int dirfd, const char *name)
{
	AUTO(fd_end) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };
	char *p = NULL, *exact;
	size_t n = 0;

	if (fd < 0 || !fd_slurp(fd, 64 << 20, &p, &n, &e)) {
		fprintf(stderr, "%s: %s\n", name, e.text);
		exit(1);
	}
	exact = malloc(n ? n : 1);
	if (!exact)
		exit(1);
	if (n)
		memcpy(exact, p, n);
	free(p);
	LLVMFuzzerTestOneInput((const uint8_t *)exact, n);
	free(exact);
	runs++;
}

int main(int argc, char **argv)
{
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *de;

		if (!d) {
			run_file(AT_FDCWD, argv[i]);
			continue;
		}
		while ((de = readdir(d)))
			if (de->d_name[0] != '.')
				run_file(dirfd(d), de->d_name);
		closedir(d);
	}
	printf("%lu inputs\n", runs);
	return 0;
}
