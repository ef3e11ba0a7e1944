/* submitted.h — a letter as our own people and programs hand it in (RFC 6409 §8).
 *
 * What they leave out stands in front of it when it leaves, and what must not leave is cut; no other
 * byte of it is changed. */
#pragma once

#include "base/buf.h"
#include "wire/header.h"
#include "wire/letter.h"

enum { SUBMITTED_AUTHORS_MAX = 100, SUBMITTED_CUTS_MAX = 200 };

struct submitted {
	bool has_from, has_date, has_message_id, has_to;
	bool has_no_header;      /* its first line is text already */
	bool is_too_big;         /* more authors or cuts than we look at */
	struct str name;         /* a From that is a name alone, "root (Cron Daemon)": the name to complete … */
	struct str display;      /* … and what else stands there; both may be empty */
	struct str *authors;     /* in From: local@domain, or a name alone */
	size_t n_authors;
	struct cut *cuts;        /* fields that are replaced, or empty */
	size_t n_cuts;
	struct cut *blind;       /* Bcc and Resent-Bcc */
	size_t n_blind;
};

/* False if the arena is full. */
bool submitted_read(struct str letter, struct arena *a, struct submitted *ret);

struct submitted_facts {
	struct str from;         /* of the envelope; may be empty */
	struct str id;           /* of the letter */
	struct str hostname;
	int64_t when;            /* microseconds UTC */
};
/* The fields that it lacks, and the empty line if it has no header. */
void submitted_add(struct buf *b, const struct submitted *s, const struct submitted_facts *f);
