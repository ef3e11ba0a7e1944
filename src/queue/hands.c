/* hands.c — see hands.h. */
#include "queue/hands.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HANDS_VERSION = 1 };

static const char hands_magic[8] = "WXHAND\r\n";

/* Empty if the system does not say: then every boot is the same. */
static void boot_of(char to[HANDS_BOOT])
{
	AUTO(fd_end) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(to, 0, HANDS_BOOT);
	if (fd < 0 || read(fd, to, HANDS_BOOT - 1) < 0)
		memset(to, 0, HANDS_BOOT);
}

static void count_reading(struct hands_file *f, const struct hands_reading *r)
{
	struct hands_reading *least = &f->deaths[0];

	for (size_t i = 0; i < HANDS_READINGS; i++) {
		struct hands_reading *d = &f->deaths[i];

		if (d->kind == r->kind && d->what == r->what) {
			d->deaths++;
			return;
		}
		if (d->deaths < least->deaths)
			least = d;
	}
	*least = (struct hands_reading){ r->what, r->kind, 1 };
}

static bool is_left(const struct hands *h, uint64_t id)
{
	for (size_t i = 0; i < h->n_left; i++)
		if (h->left[i] == id)
			return true;
	return false;
}

/* What the process before left, into h and the new contents. */
static void inherit(struct hands *h, const struct hands_file *was, struct hands_file *now)
{
	if (memcmp(was->magic, hands_magic, sizeof(hands_magic)) != 0 || was->version != HANDS_VERSION)
		return;
	memcpy(now->deaths, was->deaths, sizeof(now->deaths));
	if (memcmp(was->boot, now->boot, HANDS_BOOT) != 0)
		return;
	if (was->reading.kind)
		count_reading(now, &was->reading);
	h->left = calloc(HANDS_PLACES, sizeof(*h->left));
	for (size_t i = 0; h->left && i < HANDS_PLACES; i++)
		if (was->letters[i] && !is_left(h, was->letters[i]))
			h->left[h->n_left++] = was->letters[i];
	memcpy(now->letters, was->letters, sizeof(now->letters));        /* until the caller has noted them */
}

void hands_open_memory(struct hands *h)
{
	*h = (struct hands){ .f = calloc(1, sizeof(*h->f)) };
	must(h->f, "no memory for what is in hand");
}

static bool map_file(struct hands *h, int fd, struct err *e)
{
	struct str image = { (const char *)h->f, sizeof(*h->f) };
	void *p;

	/* written, not cut to length: a hole could not be filled when the disk is full */
	if (!fd_pwrite_all(fd, image, 0, e) || !fd_sync(fd, e))
		return false;
	p = mmap(NULL, sizeof(*h->f), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return fail_sys(e, FAULT_TEMP, errno, "mmap");
	free(h->f);
	h->f = p;
	h->is_mapped = true;
	return true;
}

bool hands_open(struct hands *h, int dir, const char *name, struct err *e)
{
	AUTO(fd_end) int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct hands_file *was = calloc(1, sizeof(*was));
	bool ok = fd >= 0 || fail_sys(e, FAULT_TEMP, errno, "%s", name);
	struct err none;

	must(was, "no memory for what is in hand");
	hands_open_memory(h);
	memcpy(h->f->magic, hands_magic, sizeof(hands_magic));
	h->f->version = HANDS_VERSION;
	boot_of(h->f->boot);
	if (ok && fd_pread_all(fd, was, sizeof(*was), 0, &none))
		inherit(h, was, h->f);
	free(was);
	return ok && map_file(h, fd, e);
}

void hands_close(struct hands *h)
{
	if (h->is_mapped)
		munmap(h->f, sizeof(*h->f));
	else
		free(h->f);
	free(h->left);
	*h = (struct hands){ 0 };
}

void hands_clear(struct hands *h)
{
	memset(h->f->letters, 0, sizeof(h->f->letters));
	h->f->reading = (struct hands_reading){ 0 };
}

unsigned hands_take(struct hands *h, uint64_t id)
{
	for (unsigned i = 0; i < HANDS_PLACES; i++) {
		unsigned at = (h->next + i) % HANDS_PLACES;

		if (h->f->letters[at])
			continue;
		h->f->letters[at] = id;
		atomic_signal_fence(memory_order_seq_cst);       /* it stands there before the work begins */
		h->next = at + 1;
		return at + 1;
	}
	return 0;
}

void hands_drop(struct hands *h, unsigned place)
{
	atomic_signal_fence(memory_order_seq_cst);
	if (place)
		h->f->letters[place - 1] = 0;
}

bool hands_reading(struct hands *h, enum hands_kind kind, uint64_t what)
{
	for (size_t i = 0; i < HANDS_READINGS; i++) {
		const struct hands_reading *d = &h->f->deaths[i];

		if (d->kind == kind && d->what == what && d->deaths >= HANDS_DEATHS_MAX)
			return false;
	}
	h->f->reading = (struct hands_reading){ .what = what, .kind = kind };
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

void hands_read(struct hands *h)
{
	atomic_signal_fence(memory_order_seq_cst);
	h->f->reading.kind = 0;
}
