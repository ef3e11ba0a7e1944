/* disk.h — what disk.c and disk_open.c share; nobody else includes it. */
#pragma once

#include "queue/engine.h"
#include "queue/spool.h"

struct job;

struct disk {
	struct journal *journal;
	struct spool *spool;
	int dir, journal_dir;            /* spool/, journal/ */
	bool is_spooling;
	struct wait spooled;
	struct job *rows, *last_rows;    /* that wait for a commit */
};

extern const struct engine disk_engine;
void disk_end(struct disk *d);
