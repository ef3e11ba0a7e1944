/* imap_thread.c — THREAD (RFC 5256 §3: ORDEREDSUBJECT, REFERENCES; draft-ietf-morg-inthread §4: REFS).
 *
 * A node per message id, and a parent for each node; lists of children are made once, at the end.
 * All letters are sorted by date first, so that each list, filled in that order, is sorted: this is
 * what the RFC's steps 4 and 6 ask for.  Nothing recurses: a thread may be as deep as the
 * folder is long.
 *
 * Steps 2 and 3 of REFERENCES say, put together: a letter's parent is the nearest letter above it;
 * where there is none, the topmost missing one, if at least two letters meet there. */
#include "wire/imap_sort.h"

#include "base/map.h"
#include "base/rnd.h"

#include <stdlib.h>

#define NONE THREAD_NO_NODE

struct slot {
	uint64_t id;             /* 0: free */
	uint32_t node;
};

struct thread {
	const struct sort_letter *const *letters;
	size_t n;
	uint32_t *by_date;       /* places */
	struct thread_node *nodes;
	uint32_t n_nodes;
	uint32_t *kids;          /* per node: how many children */
	uint32_t *node_of;       /* per place */
	struct slot *slots;
	size_t cap;              /* a power of two */
	unsigned shift;
	uint64_t factor;
};

static uint32_t node_add(struct thread *t, uint32_t place)
{
	t->nodes[t->n_nodes] = (struct thread_node){ NONE, NONE, NONE, place };
	return t->n_nodes++;
}

/* Ids are hashes that strangers can choose; where they lie in the table they cannot. */
static uint32_t node_for(struct thread *t, uint64_t id)
{
	size_t i = (size_t)(id * t->factor >> t->shift);

	while (t->slots[i].id && t->slots[i].id != id)
		i = (i + 1) & (t->cap - 1);
	if (!t->slots[i].id)
		t->slots[i] = (struct slot){ id, node_add(t, NONE) };
	return t->slots[i].node;
}

static bool makes_loop(const struct thread *t, uint32_t parent, uint32_t child)
{
	if (parent == child)
		return true;
	if (!t->kids[child])
		return false;
	for (uint32_t u = parent; u != NONE; u = t->nodes[u].parent)
		if (u == child)
			return true;
	return false;
}

static void set_parent(struct thread *t, uint32_t child, uint32_t parent)
{
	if (t->nodes[child].parent != NONE)
		t->kids[t->nodes[child].parent]--;
	t->nodes[child].parent = parent;
	if (parent != NONE)
		t->kids[parent]++;
}

/* Step 1 for one letter. */
static void letter_link(struct thread *t, uint32_t place)
{
	const struct sort_letter *l = t->letters[place];
	uint32_t above = NONE, own;

	for (uint32_t i = 0; i < l->n_references; i++) {
		uint32_t node;

		if (!l->references[i])
			continue;
		node = node_for(t, l->references[i]);
		if (above != NONE && t->nodes[node].parent == NONE && !makes_loop(t, above, node))
			set_parent(t, node, above);
		above = node;
	}
	own = l->id ? node_for(t, l->id) : node_add(t, NONE);
	if (t->nodes[own].place != NONE)
		own = node_add(t, NONE);         /* a second letter of that id: it counts as another */
	t->nodes[own].place = place;
	t->node_of[place] = own;
	set_parent(t, own, NONE);
	if (above != NONE && !makes_loop(t, above, own))
		set_parent(t, own, above);
}

/* Steps 2 and 3: parents become letters, or roots; kids[] of a root without a letter counts those that
 * are left to it.  What was walked over is shortened, so that no way is walked twice. */
static uint32_t nearest(struct thread *t, uint32_t node)
{
	uint32_t top = t->nodes[node].parent;

	if (top == NONE)
		return NONE;
	while (t->nodes[top].place == NONE && t->nodes[top].parent != NONE)
		top = t->nodes[top].parent;
	for (uint32_t u = node, up; (up = t->nodes[u].parent) != top; u = up)
		t->nodes[u].parent = top;
	return top;
}

static void prune(struct thread *t)
{
	for (size_t i = 0; i < t->n; i++)
		nearest(t, t->node_of[i]);
	memset(t->kids, 0, t->n_nodes * sizeof(*t->kids));
	for (size_t i = 0; i < t->n; i++) {
		uint32_t up = t->nodes[t->node_of[i]].parent;

		if (up != NONE)
			t->kids[up]++;
	}
	for (size_t i = 0; i < t->n; i++) {
		struct thread_node *node = &t->nodes[t->node_of[i]];

		if (node->parent != NONE && t->nodes[node->parent].place == NONE && t->kids[node->parent] == 1)
			node->parent = NONE;
	}
}

/* ---- step 5: roots with the same subject ---- */

/* One root, and the letter whose subject and date stand for it. */
struct root {
	uint32_t node;
	uint32_t place;
};

static bool is_missing(const struct thread *t, uint32_t node)
{
	return t->nodes[node].place == NONE;
}

static bool node_is_reply(const struct thread *t, uint32_t node)
{
	return !is_missing(t, node) && t->letters[t->nodes[node].place]->is_reply;
}

/* In order of date; kids[] of a missing root becomes 0 once it stands there. */
static size_t roots_list(struct thread *t, struct root *roots)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		uint32_t place = t->by_date[i], node = t->node_of[place], up = t->nodes[node].parent;

		if (up == NONE) {
			roots[n++] = (struct root){ node, place };
		} else if (is_missing(t, up) && t->kids[up]) {
			t->kids[up] = 0;
			roots[n++] = (struct root){ up, place };
		}
	}
	return n;
}

/* map.h has pointers: a node is kept as the address of its row. */
static uint32_t table_get(const struct thread *t, const struct map *m, struct str subject)
{
	const struct thread_node *row = map_get(m, subject);

	return row ? (uint32_t)(row - t->nodes) : NONE;
}

static void table_fill(struct thread *t, struct map *table, const struct root *roots, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str subject = t->letters[roots[i].place]->texts[SORT_TEXT_SUBJECT];
		uint32_t node = roots[i].node, old = table_get(t, table, subject);

		if (!subject.n)
			continue;
		if (old == NONE || (!is_missing(t, old) &&
				    (is_missing(t, node) ||
				     (node_is_reply(t, old) && !node_is_reply(t, node)))))
			map_put(table, subject, &t->nodes[node]);
	}
}

static void roots_merge(struct thread *t, struct map *table, const struct root *roots, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str subject = t->letters[roots[i].place]->texts[SORT_TEXT_SUBJECT];
		uint32_t node = roots[i].node, other, both;

		if (!subject.n)
			continue;
		other = table_get(t, table, subject);
		if (other == node)
			continue;
		/* a missing one that gets a parent is no more: its children go there (forest_make) */
		if (is_missing(t, other) || (node_is_reply(t, node) && !node_is_reply(t, other))) {
			t->nodes[node].parent = other;
			continue;
		}
		both = node_add(t, NONE);
		t->nodes[node].parent = both;
		t->nodes[other].parent = both;
		map_put(table, subject, &t->nodes[both]);
	}
}

/* ---- the result ---- */

/* Children in order of date; a missing root stands where its first child would. */
static void forest_make(struct thread *t, uint32_t *last, struct thread_forest *ret)
{
	uint32_t end = NONE;

	*ret = (struct thread_forest){ .nodes = t->nodes, .first = NONE };
	for (size_t i = 0; i < t->n_nodes; i++)
		last[i] = NONE;
	for (size_t i = 0; i < t->n; i++) {
		uint32_t node = t->node_of[t->by_date[i]], up = t->nodes[node].parent, root = node;

		if (up != NONE && is_missing(t, up) && t->nodes[up].parent != NONE)
			up = t->nodes[node].parent = t->nodes[up].parent;
		if (up != NONE) {
			if (last[up] == NONE)
				t->nodes[up].child = node;
			else
				t->nodes[last[up]].next = node;
			root = last[up] == NONE && is_missing(t, up) ? up : NONE;
			last[up] = node;
		}
		if (root == NONE)
			continue;
		if (end == NONE)
			ret->first = root;
		else
			t->nodes[end].next = root;
		end = root;
	}
}

static bool table_begin(struct thread *t, size_t ids, struct arena *a)
{
	unsigned bits = 4;

	while (((size_t)1 << bits) < ids * 2)
		bits++;
	t->cap = (size_t)1 << bits;
	t->shift = 64 - bits;
	rnd_bytes(&t->factor, sizeof(t->factor));
	t->factor |= 1;
	t->slots = ARENA_ARRAY(a, struct slot, t->cap);
	return t->slots;
}

static bool by_references(struct thread *t, size_t ids, bool merges_subjects, struct arena *a)
{
	AUTO(map_end) struct map table = { 0 };
	struct root *roots = ARENA_ARRAY(a, struct root, t->n + 1);
	size_t n;

	if (!roots || !table_begin(t, ids, a))
		return false;
	for (size_t i = 0; i < t->n; i++)
		letter_link(t, (uint32_t)i);
	prune(t);
	if (!merges_subjects)
		return true;
	n = roots_list(t, roots);
	table_fill(t, &table, roots, n);
	roots_merge(t, &table, roots, n);
	return true;
}

/* Letters of one subject: the first is the parent of all others. */
static bool by_subject(struct thread *t, struct arena *a)
{
	static const struct sort_key keys[] = { { .by = SORT_SUBJECT }, { .by = SORT_DATE } };
	uint32_t *places = ARENA_ARRAY(a, uint32_t, t->n + 1);
	uint32_t first = NONE;

	if (!places || !imap_sort(t->letters, t->n, keys, 2, a, places))
		return false;
	for (size_t i = 0; i < t->n; i++) {
		uint32_t node = t->node_of[places[i]] = node_add(t, places[i]);

		if (i && str_eq(t->letters[places[i]]->texts[SORT_TEXT_SUBJECT],
				t->letters[places[i - 1]]->texts[SORT_TEXT_SUBJECT]))
			t->nodes[node].parent = first;
		else
			first = node;
	}
	return true;
}

/* ---- REFS: threads in order of their latest arrival ---- */

struct arrived {
	int64_t latest;
	uint32_t root;
	uint32_t order;          /* as it was */
};

static int arrived_order(const void *left, const void *right)
{
	const struct arrived *x = left, *y = right;

	if (x->latest != y->latest)
		return x->latest < y->latest ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int64_t latest_of(const struct thread *t, uint32_t root)
{
	const struct thread_node *nodes = t->nodes;
	int64_t latest = INT64_MIN;

	for (uint32_t u = root;;) {
		if (nodes[u].place != NONE && t->letters[nodes[u].place]->arrival > latest)
			latest = t->letters[nodes[u].place]->arrival;
		if (nodes[u].child != NONE) {
			u = nodes[u].child;
			continue;
		}
		while (u != root && nodes[u].next == NONE)
			u = nodes[u].parent;
		if (u == root)
			return latest;
		u = nodes[u].next;
	}
}

static bool forest_order(const struct thread *t, struct thread_forest *f, struct arena *a)
{
	struct arrived *all = ARENA_ARRAY(a, struct arrived, t->n + 1);
	size_t n = 0;

	if (!all)
		return false;
	for (uint32_t root = f->first; root != NONE; root = f->nodes[root].next, n++)
		all[n] = (struct arrived){ latest_of(t, root), root, (uint32_t)n };
	qsort(all, n, sizeof(*all), arrived_order);
	f->first = n ? all[0].root : NONE;
	for (size_t i = 0; i < n; i++)
		f->nodes[all[i].root].next = i + 1 < n ? all[i + 1].root : NONE;
	return true;
}

bool imap_thread(enum thread_by by, const struct sort_letter *const *letters, size_t n,
		 struct arena *a, struct thread_forest *ret)
{
	static const struct sort_key date = { .by = SORT_DATE };
	struct thread t = { .letters = letters, .n = n };
	size_t ids = n, most;
	uint32_t *last;

	for (size_t i = 0; by != THREAD_ORDEREDSUBJECT && i < n; i++)
		ids += letters[i]->n_references;
	most = ids + 2 * n + 1;          /* letters without an id of their own; parents made in step 5 */
	if (n >= UINT32_MAX / 8 || ids >= UINT32_MAX / 8)
		return false;
	t.by_date = ARENA_ARRAY(a, uint32_t, n + 1);
	t.node_of = ARENA_ARRAY(a, uint32_t, n + 1);
	t.nodes = ARENA_ARRAY(a, struct thread_node, most);
	t.kids = ARENA_ARRAY(a, uint32_t, most);
	last = ARENA_ARRAY(a, uint32_t, most);
	if (!t.by_date || !t.node_of || !t.nodes || !t.kids || !last ||
	    !imap_sort(letters, n, &date, 1, a, t.by_date))
		return false;
	if (!(by != THREAD_ORDEREDSUBJECT ? by_references(&t, ids, by == THREAD_REFERENCES, a) : by_subject(&t, a)))
		return false;
	forest_make(&t, last, ret);
	return by != THREAD_REFS || forest_order(&t, ret, a);
}

static void root_add(struct buf *b, const struct thread_node *nodes, uint32_t root, const uint32_t *numbers)
{
	uint32_t u = root;

	buf_add_char(b, '(');
	for (;;) {
		uint32_t child = nodes[u].child;

		if (nodes[u].place != NONE)
			buf_add_u64(b, numbers[nodes[u].place]);
		if (child != NONE) {
			if (nodes[u].place != NONE)
				buf_add_char(b, ' ');
			if (nodes[child].next != NONE)
				buf_add_char(b, '(');
			u = child;
			continue;
		}
		for (; u != root && nodes[u].next == NONE; u = nodes[u].parent)
			if (nodes[nodes[u].parent].child != u)
				buf_add_char(b, ')');
		if (u == root)
			break;
		buf_add(b, S(")("));
		u = nodes[u].next;
	}
	buf_add_char(b, ')');
}

void imap_thread_add(struct buf *b, const struct thread_forest *t, const uint32_t *numbers)
{
	for (uint32_t root = t->first; root != NONE; root = t->nodes[root].next)
		root_add(b, t->nodes, root, numbers);
}
