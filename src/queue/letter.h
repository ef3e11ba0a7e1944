/* letter.h — one letter that is not yet safe, in memory.
 *
 * A letter is one block: what the schedule needs, its steps, and behind them its *face*, the encoding
 * of its record without what only a delivery needs.  All that its record says, and its bytes, are a
 * block of their own: with that the letter is *thick*, without it *slim*.  A hundred thousand letters
 * that wait are slim; what is to be carried out is made thick from the disk, see letter_thicken(). */
#pragma once

#include "base/heap.h"
#include "queue/journal.h"
#include "queue/letter_record.h"

enum step_state { STEP_WAITING, STEP_CLAIMED, STEP_DONE, STEP_SAFE };

struct lane;
struct letter;

struct step {
	struct heap_node due;            /* key: when to try, or the lease's end */
	struct letter *letter;
	struct lane *lane;               /* in whose heap it stands; NULL: the common one, or none */
	uint32_t index;
	uint32_t tries;
	uint8_t state;                   /* enum step_state */
	uint8_t mode;                    /* enum step_mode */
	uint8_t task;                    /* enum queue_task */
	uint8_t kind;                    /* enum step_kind */
	bool is_warned;
	int64_t retry_at;                /* after a warning */
	char *text;                      /* the last error, or NULL; behind its NUL the host's name */
};

struct thick {
	struct letter_record r;
	struct arena arena;              /* into which r points */
	char *body;                      /* inline bytes, or NULL: they are read again */
	uint32_t readers;                /* of body */
	bool is_listed;
	size_t bytes;                    /* as they were counted when it was listed */
	struct letter *letter;
	struct thick *prev, *next;       /* in table.oldest … table.newest */
};

struct letter {
	uint64_t id;
	int64_t accepted, not_before;    /* of its record */
	int64_t since;                   /* when it came into this table */
	struct thick *thick;             /* NULL: it is slim */
	struct letter *prev, *next;      /* in order of arrival */
	uint64_t order;                  /* counts up along that */
	struct journal_at at;            /* the record with its bytes; sequence 0: none */
	uint32_t skip;                   /* where in that record it begins */
	uint32_t face_n;                 /* bytes of its face */
	uint32_t n_steps;
	uint32_t open;                   /* steps that are not SAFE */
	uint32_t todo;                   /* steps that are WAITING or CLAIMED */
	uint32_t deaths;                 /* processes that ended while they carried it out */
	uint32_t holds;
	bool has_sender;
	bool has_file;                   /* its record names one of its own: not moved/ID */
	bool is_finished;                /* nothing open; goes when nobody holds it */
	bool is_held, is_spooled, is_moving;
	bool is_dirty;                   /* its row is behind (only while a start reads) */
	bool is_suspect;                 /* the last process that carried it out died */
	struct step steps[];             /* n_steps of them, then the face */
};

/* A slim letter of this record; not yet in a table. */
bool letter_new(const struct letter_record *r, struct letter **ret, struct err *e);
void letter_free(struct letter *l);
/* All that `head`, its encoding, says, and the inline bytes: copies. */
bool letter_fatten(struct letter *l, struct str head, struct str body, struct err *e);
/* What it had besides its face goes.  Nobody has anything of it in hand: letter_is_idle(). */
void letter_slim(struct letter *l);
bool letter_is_idle(const struct letter *l);
void letter_body_free(struct thick *k);

/* What is known of a letter without waiting: all, or what its face says (of its strings the sender, and for
 * each recipient address, target and base name).  Holds until the next look at another one. */
struct look {
	const struct letter *at;
	struct letter_record r;
	struct arena a;
};
const struct letter_record *letter_look(struct look *k, const struct letter *l);
/* The file with its bytes, below spool/; empty: they stand in the journal. */
struct str letter_file_name(const struct letter *l, struct look *k, char mem[LETTER_NAME_MAX + 1]);

/* Payload of a LETTER, or the end of another record's: head length u32, head, inline bytes. */
bool letter_payload_split(struct str payload, struct str *ret_head, struct str *ret_body, struct err *e);
/* The letter's id alone; 0: cut off. */
uint64_t letter_payload_id(struct str payload);
/* The record in it; slices point into payload, arrays live in the arena. */
bool letter_payload_parse(struct str payload, struct arena *a, struct letter_record *ret, struct err *e);
enum { LETTER_ARENA = 16 * 1024 * 1024 };
