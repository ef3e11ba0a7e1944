/* letter_facts.h — what scan wants to know of a header, and what is cut from it. */
#pragma once

#include "wire/header.h"
#include "wire/letter.h"

enum { FACTS_DELIVERED_MAX = 100 };      /* Delivered-To fields that are kept */

struct letter_facts {
	size_t fields;
	size_t hops;             /* Received fields */
	size_t from;             /* From fields; one is right (RFC 5322 §3.6) */
	size_t date;
	bool is_malformed;       /* some line of the header is no field */
	bool is_cut;             /* a limit of header.h ended it */
	uint64_t header_size;    /* octets up to the empty line */
	struct str message_id;   /* with its <>, unfolded; empty if there is none */
	struct str *delivered;   /* values of Delivered-To, unfolded */
	size_t n_delivered;

	/* Return-Path and Authentication-Results that claim to be ours (RFC 8601 §5), sorted. */
	struct cut *cuts;
	size_t n_cuts;
};

/* Read the header at the beginning of `letter` (CRLF or LF).  `authserv_id` is our name in
 * Authentication-Results.  Lists lie in the arena; false if it is full. */
bool letter_facts_read(struct str letter, struct str authserv_id, struct arena *a, struct letter_facts *ret);
