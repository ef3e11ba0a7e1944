/* letter.c — a letter in memory, slim or thick. */
#include "queue/letter.h"

#include "base/id.h"
#include "queue/bytes.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- its face ---- */

static bool face_print(const struct letter_record *full, struct buf *ret, struct err *e)
{
	AUTO(arena_end) struct arena a = { .limit = LETTER_ARENA };
	struct letter_step *steps = ARENA_ARRAY(&a, struct letter_step, full->n_steps + 1);
	struct letter_rcpt *rcpts = ARENA_ARRAY(&a, struct letter_rcpt, full->n_rcpts + 1);
	struct letter_record r = *full;

	if (!steps || !rcpts)
		return fail(e, FAULT_TEMP, "no memory");
	for (uint32_t i = 0; i < r.n_steps; i++)
		steps[i] = (struct letter_step){ .rcpt = r.steps[i].rcpt, .number = r.steps[i].number,
						 .kind = r.steps[i].kind, .target = r.steps[i].target,
						 .base = r.steps[i].base };
	for (uint32_t i = 0; i < r.n_rcpts; i++)
		rcpts[i] = (struct letter_rcpt){ .address = r.rcpts[i].address, .notify = r.rcpts[i].notify };
	r.steps = steps;
	r.rcpts = rcpts;
	r.account = r.envid = r.facts = r.why = S("");
	if (str_starts(r.file, S("moved/")))     /* and its id */
		r.file = S("");
	return letter_record_print(&r, ret, e);
}

static struct str face_of(const struct letter *l)
{
	return str_of((const char *)&l->steps[l->n_steps], l->face_n);
}

const struct letter_record *letter_look(struct look *k, const struct letter *l)
{
	struct err e;

	if (l->thick)
		return &l->thick->r;
	if (k->at == l)
		return &k->r;
	arena_end(&k->a);
	k->a = (struct arena){ .limit = LETTER_ARENA };
	k->at = l;
	must(letter_record_parse(face_of(l), &k->a, &k->r, &e), "a letter's face is read as it was written");
	return &k->r;
}

struct str letter_file_name(const struct letter *l, struct look *k, char mem[LETTER_NAME_MAX + 1])
{
	if (l->has_file)
		return letter_look(k, l)->file;
	if (!l->is_spooled)
		return S("");
	return str_of(mem, (size_t)snprintf(mem, LETTER_NAME_MAX + 1, "moved/%s", ID_Z(l->id)));
}

/* ---- its life ---- */

bool letter_new(const struct letter_record *r, struct letter **ret, struct err *e)
{
	AUTO(buf_end) struct buf face = buf_on_heap(LETTER_HEAD_MAX);
	struct letter *l;

	if (!face_print(r, &face, e))
		return false;
	l = calloc(1, sizeof *l + r->n_steps * sizeof l->steps[0] + face.n);
	if (!l)
		return fail(e, FAULT_TEMP, "no memory");
	l->id = r->id;
	l->accepted = r->accepted;
	l->not_before = r->not_before;
	l->n_steps = r->n_steps;
	l->has_sender = r->from.n > 0;
	l->has_file = r->file.n > 0 && !str_starts(r->file, S("moved/"));
	l->is_held = r->flags & LETTER_HELD;
	for (uint32_t i = 0; i < l->n_steps; i++) {
		l->steps[i].letter = l;
		l->steps[i].index = i;
		l->steps[i].kind = r->steps[i].kind;
	}
	l->face_n = (uint32_t)face.n;
	memcpy(&l->steps[l->n_steps], buf_str(&face).p, face.n);
	*ret = l;
	return true;
}

void letter_body_free(struct thick *k)
{
	free(k->body);
	k->body = NULL;
	k->r.body = S("");
}

static void thick_free(struct thick *k)
{
	if (!k)
		return;
	letter_body_free(k);
	arena_end(&k->arena);
	free(k);
}

/* Its own copy of the encoding, and what is parsed of it, in one block that is as large as it must be. */
static bool head_read(struct str head, struct arena *a, struct letter_record *ret, struct err *e)
{
	AUTO(arena_end) struct arena scratch = { .limit = LETTER_ARENA };
	struct str own;

	if (!letter_record_parse(head, &scratch, ret, e))
		return false;
	a->limit = LETTER_ARENA;
	a->block = (uint32_t)(scratch.used + (head.n + 15) / 16 * 16);   /* as the arena counts */
	own = arena_str(a, head);
	if (a->full)
		return fail(e, FAULT_TEMP, "no memory");
	return letter_record_parse(own, a, ret, e);
}

static bool body_copy(struct thick *k, struct str body, struct err *e)
{
	if (k->r.file.n > 0 || body.n != k->r.body_size)
		return k->r.file.n > 0 || fail(e, FAULT_PERM, "a letter's bytes are not as many as its record says");
	k->body = malloc(body.n ? body.n : 1);
	if (!k->body)
		return fail(e, FAULT_TEMP, "no memory");
	if (body.n)
		memcpy(k->body, body.p, body.n);
	k->r.body = str_of(k->body, body.n);
	return true;
}

bool letter_fatten(struct letter *l, struct str head, struct str body, struct err *e)
{
	struct thick *k = calloc(1, sizeof *k);

	if (!k)
		return fail(e, FAULT_TEMP, "no memory");
	if (!head_read(head, &k->arena, &k->r, e) || !body_copy(k, body, e)) {
		thick_free(k);
		return false;
	}
	if (k->r.id != l->id || k->r.n_steps != l->n_steps) {
		thick_free(k);
		return fail(e, FAULT_PERM, "its record is another one");
	}
	k->letter = l;
	l->thick = k;
	return true;
}

bool letter_is_idle(const struct letter *l)
{
	if (l->is_moving || l->holds > 0 || (l->thick && l->thick->readers > 0))
		return false;
	for (uint32_t i = 0; i < l->n_steps; i++)
		if (l->steps[i].state != STEP_WAITING && l->steps[i].state != STEP_SAFE)
			return false;
	return true;
}

void letter_slim(struct letter *l)
{
	thick_free(l->thick);
	l->thick = NULL;
}

void letter_free(struct letter *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < l->n_steps; i++)
		free(l->steps[i].text);
	letter_slim(l);
	free(l);
}

/* ---- as it stands in the journal ---- */

bool letter_payload_split(struct str payload, struct str *ret_head, struct str *ret_body, struct err *e)
{
	struct cursor c = { .in = payload };

	*ret_head = take_str(&c, LETTER_HEAD_MAX);
	*ret_body = c.in;
	return !c.bad || fail(e, FAULT_PERM, "a letter's record is cut off");
}

uint64_t letter_payload_id(struct str payload)
{
	struct cursor c = { .in = payload };

	(void)take(&c, 4 + LETTER_ID_AT);
	return take_u64(&c);
}

bool letter_payload_parse(struct str payload, struct arena *a, struct letter_record *ret, struct err *e)
{
	struct str head, body;

	if (!letter_payload_split(payload, &head, &body, e) || !letter_record_parse(head, a, ret, e))
		return false;
	if (ret->file.n ? body.n != 0 : body.n != ret->body_size)
		return fail(e, FAULT_PERM, "a letter's bytes are not as many as its record says");
	ret->body = body;
	return true;
}
