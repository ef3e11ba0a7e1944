/* standing.h — what blocks and exceptions say of a letter (dialogues 180 to 184). */
#pragma once

enum standing {
	STANDING_UNKNOWN,        /* not asked yet */
	STANDING_NONE,           /* no entry matches */
	STANDING_EXEMPT,         /* no check refuses it */
	STANDING_BLOCKED,
};

/* What kinds of entries there are: what nobody matches on need not be found out. */
enum entries_flags {
	ENTRIES_ANY = 1 << 0,
	ENTRIES_HOST = 1 << 1,   /* the name of a host may match */
	ENTRIES_LETTER = 1 << 2, /* an address in From, Sender or Reply-To may, or the domain of a signature */
};
