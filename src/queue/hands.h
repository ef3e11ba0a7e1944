/* hands.h — what a process has in its hands, known to the next one if it dies.
 *
 * The file db/queue/in-hand is mapped: to take a letter up is a store in memory, and
 * the page cache outlives a process.  Nothing is synced, and what another boot of
 * the machine left in hand is not believed: when the machine dies, no letter is to blame.
 *
 *   what stands there      means                      at the next start
 *   letters[i] = 0         nothing                    -
 *   letters[i] = an id     it is being carried out    left[] has the id: one death more of that
 *                                                     letter (a note in the journal); then clear
 *   reading = kind, what   a start reads this record  the entry in `deaths` counts one more; from
 *                          or this row                HANDS_DEATHS_MAX on it is left out
 *   deaths[i]              readings that ended so     kept, also after another boot
 *   no file, another       -                          made anew
 *     magic or version
 *   cannot be written      -                          kept in memory: nothing survives
 *
 * Guarantee: hands_close() leaves what is in hand, as a kill does; hands_clear()
 * puts it down. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { HANDS_PLACES = 4096, HANDS_READINGS = 32, HANDS_DEATHS_MAX = 3, HANDS_BOOT = 40 };

enum hands_kind { HANDS_RECORD = 1, HANDS_ROW };

struct hands_reading {
	uint64_t what;                   /* a record's sequence, a row's id */
	uint32_t kind;                   /* 0: none */
	uint32_t deaths;
};

/* As it lies in the file, in the machine's own byte order. */
struct hands_file {
	char magic[8];
	uint32_t version, zero;
	char boot[HANDS_BOOT];
	struct hands_reading reading;
	struct hands_reading deaths[HANDS_READINGS];
	uint64_t letters[HANDS_PLACES];
};

struct hands {
	struct hands_file *f;
	bool is_mapped;
	unsigned next;                   /* where to look for an empty place */
	uint64_t *left;                  /* what the process before had in hand; each id once */
	size_t n_left;
};

/* False: they are kept in memory, and *e says why. */
bool hands_open(struct hands *h, int dir, const char *name, struct err *e);
void hands_open_memory(struct hands *h);
void hands_close(struct hands *h);
void hands_clear(struct hands *h);

/* A place, or 0: all are taken, and nothing is noted. */
unsigned hands_take(struct hands *h, uint64_t id);
void hands_drop(struct hands *h, unsigned place);

/* False: reading it ended too many processes, leave it out. */
bool hands_reading(struct hands *h, enum hands_kind kind, uint64_t what);
void hands_read(struct hands *h);
