/* doctor_machine.c — the machine: clock, disk, permissions.  The parent has looked (role/parent/machine.c). */
#include "role/control/doctor.h"

#include "base/time.h"
#include "ipc/relay_say.h"

#define WEB_WITHIN (8 * SECOND)
#define CLOCK_WARN (30 * SECOND)
#define CLOCK_FAIL (2 * MINUTE)

/* -- clock ---------------------------------------------------------------------- */

/* They publish an MTA-STS policy, and a web server says what time it is (RFC 9110 §6.6.1). */
static const struct str who_knows[] = { S("gmail.com"), S("outlook.com") };

SUSPENDS static bool ask_time(struct patient *p, struct str domain, int64_t *ret_wrong_by, bool *ret, struct err *e)
{
	struct relay_policy_answer r = { 0 };
	int64_t asked = time_now(), now;
	bool ok = false;

	WITHIN(WEB_WITHIN)
		ok = relay_policy(link_to_instance(ROLE_RELAY, RELAY_WEB), &(struct relay_policy){ .domain = domain }, &r, p->a, e);
	now = time_now();
	*ret = ok && r.date;
	/* it may have been said at any moment in between, and in whole seconds */
	if (*ret)
		*ret_wrong_by = r.date < asked - SECOND ? asked - SECOND - r.date : r.date > now ? now - r.date : 0;
	return ok || e->fault != FAULT_CANCEL;
}

static void judge_clock(struct patient *p, struct str who, int64_t wrong_by)
{
	int64_t size = wrong_by < 0 ? -wrong_by : wrong_by;
	enum grade g = size > CLOCK_FAIL ? GRADE_FAIL : size > CLOCK_WARN ? GRADE_WARN : GRADE_OK;

	if (g == GRADE_OK)
		note(p, g, "it agrees with that of mta-sts." STR_FMT, STR_ARG(who));
	else
		note(p, g, "it is %lld s %s that of mta-sts." STR_FMT, (long long)(size / SECOND), wrong_by < 0 ? "behind" : "ahead of",
		     STR_ARG(who));
	remedy(p, "Set it, and have it kept: apt-get install chrony (or timedatectl set-ntp true). In a container or virtual machine the "
		  "host has to do it.");
}

SUSPENDS bool doctor_clock(struct patient *p, struct err *e)
{
	bool is_known = false;
	int64_t wrong_by = 0;

	for (size_t i = 0; i < ARRAY_LEN(who_knows) && !is_known; i++) {
		if (!ask_time(p, who_knows[i], &wrong_by, &is_known, e))
			return false;
		if (is_known)
			judge_clock(p, who_knows[i], wrong_by);
	}
	if (p->has_facts && p->facts.is_clock_kept) {
		note(p, GRADE_OK, "the kernel says that it is kept right");
	} else if (is_known) {
		note(p, GRADE_OK, "the kernel does not know of anything that keeps it right");
	} else if (p->has_facts) {
		note(p, GRADE_WARN, "nobody could be asked what time it is, and the kernel does not know of anything that keeps the clock right");
		remedy(p, "Have it kept: apt-get install chrony (or timedatectl set-ntp true).");
	}
	return true;
}

/* -- disk ----------------------------------------------------------------------- */

enum { PERCENT_WARN = 10, PERCENT_FAIL = 3 };
#define ROOM_ENOUGH (UINT64_C(20) << 30)         /* then a small part is still much */
#define ROOM_LEAST (UINT64_C(64) << 20)

static unsigned percent(uint64_t part, uint64_t of)
{
	return of ? (unsigned)((double)part * 100 / (double)of) : 100;
}

static enum grade room_grade(uint64_t left, uint64_t of, bool is_much)
{
	unsigned n = percent(left, of);

	if (is_much)
		return GRADE_OK;
	return n < PERCENT_FAIL ? GRADE_FAIL : n < PERCENT_WARN ? GRADE_WARN : GRADE_OK;
}

static void judge_disk(struct patient *p, const struct ipc_disk *d)
{
	enum grade g = room_grade(d->room, d->size, d->room >= ROOM_ENOUGH);

	if (d->room < ROOM_LEAST)
		g = GRADE_FAIL;
	note(p, g, STR_FMT ": %llu MiB of %llu free (%u %%)", STR_ARG(d->path), (unsigned long long)(d->room >> 20),
	     (unsigned long long)(d->size >> 20), percent(d->room, d->size));
	remedy(p, "Make room on the file system of " STR_FMT ", or give it more: du -xh --max-depth=2 " STR_FMT " | sort -h | tail shows "
		  "what is large. Letters are refused for the time being (452) before the disk is full.",
	       STR_ARG(d->path), STR_ARG(d->path));
	g = room_grade(d->files_left, d->files, !d->files);
	if (g == GRADE_OK)
		return;
	note(p, g, STR_FMT ": room for %llu more files of %llu (%u %%)", STR_ARG(d->path), (unsigned long long)d->files_left,
	     (unsigned long long)d->files, percent(d->files_left, d->files));
	remedy(p, "Each letter is a file: make a file system with more inodes (mkfs.ext4 -i 8192), or XFS, for " STR_FMT ".",
	       STR_ARG(d->path));
}

SUSPENDS bool doctor_disk(struct patient *p, struct err *e)
{
	(void)e;
	for (size_t i = 0; p->has_facts && i < p->facts.disks.n; i++)
		judge_disk(p, &p->facts.disks.p[i]);
	if (!p->f->n)
		note(p, GRADE_SKIPPED, "the parent does not say");
	return true;
}

/* -- permissions ------------------------------------------------------------------ */

enum { BITS_OTHERS = 07, BITS_GROUP_WRITE = 020, BITS_GROUP = 070 };

/* A group may read a TLS key, as Debian's ssl-cert does; nobody but the owner has anything to do with our own. */
static bool is_too_open(const struct ipc_file_mode *f)
{
	if (f->mode & (BITS_OTHERS | BITS_GROUP_WRITE))
		return true;
	return !str_eq(f->what, S("key")) && (f->mode & BITS_GROUP);
}

SUSPENDS bool doctor_permissions(struct patient *p, struct err *e)
{
	size_t n = p->has_facts ? p->facts.modes.n : 0, bad = 0;

	(void)e;
	for (size_t i = 0; i < n; i++) {
		const struct ipc_file_mode *f = &p->facts.modes.p[i];
		bool is_folder = str_eq(f->what, S("folder"));

		if (!is_too_open(f))
			continue;
		bad++;
		note(p, GRADE_FAIL, STR_FMT " (%s) has the mode %04o: others may %s it", STR_ARG(f->path), is_folder ? "folder" : "secret",
		     f->mode, f->mode & 022 ? "change" : "read");
		remedy(p, "chmod %s " STR_FMT "%s", is_folder ? "700" : str_eq(f->what, S("key")) ? "640" : "600", STR_ARG(f->path),
		       is_folder ? "" : "  — and if others could read it, make a new secret: who knows who has it.");
	}
	if (!n)
		note(p, GRADE_SKIPPED, "the parent does not say");
	else if (!bad)
		note(p, GRADE_OK, "%zu files and folders with secrets are their owners' alone", n);
	return true;
}
