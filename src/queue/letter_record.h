/* letter_record.h — all that is known of an accepted letter, as it is written down.
 *
 * A record has the envelope as the client gave it, the facts of its session,
 * and a plan: numbered steps, each for one recipient.  The letter's bytes stand
 * behind the record (inline) or in a spool file that the record names.
 *
 * On disk, little endian, every string counted:
 *   version u8, flags u8, ret u8, id u64, accepted i64, not-before i64,
 *   cancellable-until i64, parent u64, from, account, envid, facts, why,
 *   rcpts u32 × { address, orcpt, notify u8 },
 *   steps u32 × { rcpt u32, number u16, kind u8, target, folder, flags,
 *                 base, prefix, cuts u32 × { offset u64, length u64 }, sender },
 *   size u64, file
 * and nothing behind it.  Version 1 has no sender. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct buf;

enum {
	LETTER_RCPT_MAX = 4096,
	LETTER_STEP_MAX = 8192,
	LETTER_CUT_MAX = 1024,           /* of one step */
	LETTER_ADDRESS_MAX = 1024,
	LETTER_ORCPT_MAX = 1024,
	LETTER_ENVID_MAX = 128,          /* RFC 3461 §4.4: 100, as xtext */
	LETTER_NAME_MAX = 255,           /* account, folder, base name, spool file */
	LETTER_PREFIX_MAX = 64 * 1024,
	LETTER_FACTS_MAX = 64 * 1024,
	LETTER_WHY_MAX = 256 * 1024,
	LETTER_HEAD_MAX = 4 * 1024 * 1024,
	LETTER_ID_AT = 3,                /* where in an encoding its id begins */
	LETTER_INLINE_MAX = 256 * 1024,  /* longer letters stand in the spool */
};

enum letter_flags {
	LETTER_8BIT = 1 << 0,            /* BODY=8BITMIME */
	LETTER_UTF8 = 1 << 1,            /* SMTPUTF8 */
	LETTER_HELD = 1 << 2,            /* accepted, but waits for a person */
	LETTER_UNSIGNED = 1 << 3,        /* waits for its signature; facts: the domains in whose names, each followed by a blank */
};

enum letter_ret {
	LETTER_RET_NONE,
	LETTER_RET_FULL,
	LETTER_RET_HDRS,
};

enum letter_notify {                     /* RFC 3461 §4.1; 0: not said; as wire's enum dsn_notify */
	LETTER_NOTIFY_SUCCESS = 1 << 0,
	LETTER_NOTIFY_FAILURE = 1 << 1,
	LETTER_NOTIFY_DELAY = 1 << 2,
	LETTER_NOTIFY_NEVER = 1 << 3,
};

struct letter_rcpt {
	struct str address;              /* exactly as given in RCPT */
	struct str orcpt;                /* "rfc822;…", or empty */
	uint8_t notify;
};

struct letter_span {
	uint64_t offset, length;         /* cut from the letter's bytes */
};

enum step_kind {
	STEP_LOCAL = 1,                  /* target: account */
	STEP_REMOTE,                     /* target: address */
};

struct letter_step {
	uint32_t rcpt;                   /* index in rcpts */
	uint16_t number;                 /* of this recipient's plan, from 0 */
	uint8_t kind;                    /* enum step_kind */
	struct str target;
	struct str folder, flags;        /* STEP_LOCAL: empty folder is INBOX */
	struct str base;                 /* STEP_LOCAL with an account: SECONDS.ID-RCPT-STEP.host, never empty */
	struct str prefix;               /* in front of the letter's bytes */
	struct str sender;               /* STEP_REMOTE: MAIL FROM if it is not the letter's; or empty */
	const struct letter_span *cuts;  /* sorted, apart */
	uint32_t n_cuts;
};

struct letter_record {
	uint64_t id;
	uint64_t parent;                 /* the letter this one reports about, or 0 */
	int64_t accepted;                /* microseconds UTC */
	int64_t not_before;              /* 0: at once */
	int64_t cancellable_until;       /* 0: not */
	uint8_t flags;                   /* enum letter_flags */
	uint8_t ret;                     /* enum letter_ret */
	struct str from;                 /* empty: the null sender */
	struct str account;              /* who sent it with AUTH, or empty */
	struct str envid;
	struct str facts;                /* opaque here */
	struct str why;                  /* why-records, opaque here */
	const struct letter_rcpt *rcpts;
	uint32_t n_rcpts;
	const struct letter_step *steps;
	uint32_t n_steps;
	struct str file;                 /* below spool/, or empty: inline */
	struct str body;                 /* inline bytes; not part of the encoding */
	uint64_t body_size;
};

/* The record without its inline bytes.  false: something is past its limit. */
bool letter_record_print(const struct letter_record *r, struct buf *ret, struct err *e);
/* Exactly one record; slices point into `in`, arrays live in the arena. */
bool letter_record_parse(struct str in, struct arena *a, struct letter_record *ret, struct err *e);

/* "SECONDS.ID-RCPT-STEP.host"   (decisions: a step's name in a Maildir follows from its record) */
void letter_base_name(struct buf *b, uint64_t id, uint32_t rcpt, uint16_t number, struct str host);
