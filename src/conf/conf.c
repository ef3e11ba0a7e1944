/* conf.c — from the tree of directives to struct conf.
 *
 * The rows say which directive may stand where and what its words are; what
 * several of them must agree on is asked in check.c, of a file only: a role's
 * image has parts left out. */
#include "conf/check.h"
#include "conf/types.h"

struct reader {
	struct arena *arena;
	struct conf_notes *notes;
	struct str dir;
	bool is_image;
};

static bool read_section(struct reader *r, enum conf_section section, const struct directive *d,
			 void *base);

static void *field_of(void *base, const struct conf_row *row)
{
	return (char *)base + row->offset;
}

/* Room for one more value; arrays grow at powers of two. */
static void *list_add(struct reader *r, struct conf_list *list, size_t size)
{
	if ((list->n & (list->n - 1)) == 0) {
		void *p = arena_alloc(r->arena, list->n ? list->n * 2 : 1, size);

		if (!p)
			return NULL;
		if (list->n)
			memcpy(p, list->p, list->n * size);
		list->p = p;
	}
	return (char *)list->p + list->n++ * size;
}

/* The default of a row, as if it stood in the file. */
static void read_default(struct reader *r, const struct conf_row *row, void *base)
{
	struct conf_word word[16] = { { .text = str_from_z(row->name) } };
	struct conf_args args = { r->arena, r->notes, r->dir, row, word, 1, 1 };
	struct str rest = str_from_z(row->deflt);
	void *to = field_of(base, row);

	for (struct str w = str_word(&rest); w.n; w = str_word(&rest))
		word[args.n++].text = w;
	if (row->kind == KIND_MANY)
		to = list_add(r, to, row->size);
	must(!to || row->type->read(&args, to) || r->arena->full,
	     "the default of a row can be read");
}

static void read_defaults(struct reader *r, enum conf_section section, void *base)
{
	for (size_t i = 0; i < conf_sections[section].n; i++) {
		const struct conf_row *row = &conf_sections[section].row[i];

		if (row->deflt)
			read_default(r, row, base);
		else if (row->kind == KIND_ONE && row->type->section != SECTION_NONE)
			read_defaults(r, row->type->section, field_of(base, row));
	}
}

/* The words of one value, then nothing more (a list of words: all of them). */
static bool read_values(struct reader *r, const struct conf_row *row, const struct directive *d,
			void *field, void **ret)
{
	struct conf_args args = { r->arena, r->notes, r->dir, row, d->word, d->n, 1 };
	bool is_list = row->kind == KIND_MANY;

	*ret = field;
	do {
		void *to = is_list ? list_add(r, field, row->size) : field;
		size_t at = args.i;

		if (!to)
			return false;
		if (row->type->read && !row->type->read(&args, to)) {
			if (is_list)
				((struct conf_list *)field)->n--;
			return false;
		}
		if (is_list && row->type->is_word && row->size == sizeof(struct conf_name))
			((struct conf_name *)to)->pos = d->word[at].pos;
		*ret = to;
	} while (is_list && row->type->is_word && args.i < args.n);
	if (args.i < args.n)
		return conf_error(r->notes, args.word[args.i].pos,
				  "\"" STR_FMT "\" has no place here: %s%s%s",
				  STR_ARG(str_head(args.word[args.i].text, 128)), row->name,
				  row->type->syntax[0] ? " " : "", row->type->syntax);
	return true;
}

static bool read_row(struct reader *r, enum conf_section section, const struct conf_row *row,
		     const struct directive *d, void *base)
{
	uint64_t *set = base, bit = conf_row_bit(section, row);
	void *field = field_of(base, row), *value;
	enum conf_section inside = row->type->section;

	if (row->kind == KIND_ONE && *set & bit)
		return conf_error(r->notes, d->word[0].pos, "\"%s\" stands here a second time",
				  row->name);
	if (d->has_block && inside == SECTION_NONE)
		return conf_error(r->notes, d->word[0].pos, "\"%s\" has no block", row->name);
	if (!d->has_block && inside != SECTION_NONE && row->kind == KIND_ONE)
		return conf_error(r->notes, d->word[0].pos, "behind \"%s\" belongs a block: %s {",
				  row->name, row->name);
	if (row->kind == KIND_MANY && !(*set & bit))
		*(struct conf_list *)field = (struct conf_list){ 0 };
	*set |= bit;
	if (!read_values(r, row, d, field, &value))
		return false;
	if (inside == SECTION_NONE)
		return true;
	if (row->kind == KIND_MANY)
		read_defaults(r, inside, value);
	return read_section(r, inside, d->block, value);
}

static bool unknown(struct reader *r, enum conf_section section, const struct conf_word *w)
{
	struct conf_guess g = conf_guess_of(w->text);

	for (unsigned s = 0; s < SECTION_COUNT; s++)
		if (s != section && conf_row_find(s, w->text) &&
		    conf_row_find(s, w->text)->reload != RELOAD_IMAGE)
			return conf_error(r->notes, w->pos,
					  conf_sections[s].name
						  ? "\"" STR_FMT "\" belongs into the block of %s"
						  : "\"" STR_FMT "\" belongs outside all blocks%s",
					  STR_ARG(w->text),
					  conf_sections[s].name ? conf_sections[s].name : "");
	for (size_t i = 0; i < conf_sections[section].n; i++)
		if (conf_sections[section].row[i].reload != RELOAD_IMAGE)
			conf_guess_offer(&g, str_from_z(conf_sections[section].row[i].name));
	return conf_error(r->notes, w->pos, "there is no directive \"" STR_FMT "\"%s",
			  STR_ARG(str_head(w->text, 128)), conf_guess_text(&g));
}

/* All errors are told, not only the first. */
static bool read_section(struct reader *r, enum conf_section section, const struct directive *d,
			 void *base)
{
	bool ok = true;

	for (; d && !conf_notes_full(r->notes) && !r->arena->full; d = d->next) {
		const struct conf_row *row = conf_row_find(section, d->word[0].text);

		if (!row || (row->reload == RELOAD_IMAGE && !r->is_image))
			ok = unknown(r, section, &d->word[0]);
		else if (row->kind == KIND_LATER)
			conf_warn(r->notes, d->word[0].pos, "\"%s\" is not yet served", row->name);
		else if (!read_row(r, section, row, d, base))
			ok = false;
	}
	return ok;
}

static bool read_text(struct reader *r, struct str name, struct str text,
		      const struct conf_includes *includes, struct conf *c)
{
	size_t errors = r->notes->errors;
	struct directive *tree;

	read_defaults(r, SECTION_TOP, c);
	conf_parse(name, text, includes, r->arena, r->notes, &tree);
	read_section(r, SECTION_TOP, tree, c);
	if (r->arena->full)
		conf_error(r->notes, (struct conf_pos){ .file = name }, "%s",
			   "the configuration needs more memory than it may have");
	return r->notes->errors == errors;
}

/* Where a protocol is taken that no `listen` names; the same protocol stands together. */
static const struct {
	enum conf_proto proto;
	uint16_t port;
	enum conf_listen_tls tls;
} default_listens[] = {
	{ CONF_SMTP, 25, CONF_TLS_OFFERED },
	{ CONF_SUBMISSION, 587, CONF_TLS_STARTTLS },
	{ CONF_SUBMISSION, 465, CONF_TLS_WRAPPED },
	{ CONF_IMAP, 143, CONF_TLS_STARTTLS },
	{ CONF_IMAP, 993, CONF_TLS_WRAPPED },
	{ CONF_POP3, 110, CONF_TLS_STARTTLS },
	{ CONF_POP3, 995, CONF_TLS_WRAPPED },
};

static bool resolve_listens(struct reader *r, struct conf *c)
{
	bool is_satellite = conf_is_satellite(c);
	unsigned named = 0;

	for (size_t i = 0; i < c->listens.n; i++)
		named |= 1U << c->listens.p[i].proto;
	for (size_t i = 0; i < ARRAY_LEN(default_listens); i++) {
		struct conf_listen *l;

		if (named & (1U << default_listens[i].proto) || (is_satellite && default_listens[i].proto != CONF_SMTP))
			continue;
		l = list_add(r, (struct conf_list *)(void *)&c->listens, sizeof(*l));
		if (!l)
			return false;
		*l = (struct conf_listen){ .proto = default_listens[i].proto, .addr = is_satellite ? S("127.0.0.1") : S("*"),
					   .port = default_listens[i].port, .tls = default_listens[i].tls };
	}
	return true;
}

/* Is a domain that asks for it protected against forgers, and can nobody hide whom a letter is from?  Unless a line
 * says otherwise. */
static bool resolve_checks(struct reader *r, struct conf *c)
{
	static const struct conf_check lines[] = {
		{ .kind = CONF_CHECK_FROM, .found = { .is_set = true, .action = CONF_REJECT } },
		{ .kind = CONF_CHECK_DMARC, .found = { .is_set = true, .action = CONF_OBEY },
		  .temporary = { .is_set = true, .action = CONF_DEFER } },
	};
	struct conf_checks *list = &c->inbound.checks;
	unsigned named = c->dns.resolver.kind == CONF_RESOLVER_OFF ? 1U << CONF_CHECK_DMARC : 0;

	for (size_t i = 0; i < list->n; i++)
		named |= 1U << list->p[i].kind;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct conf_check *v;

		if (named & 1U << lines[i].kind)
			continue;
		v = list_add(r, (struct conf_list *)(void *)list, sizeof(*v));
		if (!v)
			return false;
		*v = lines[i];
	}
	return true;
}

/* What depends on the machine or on other directives when nobody chose it. */
static bool resolve(struct reader *r, const struct conf_world *world, struct conf *c)
{
	if (!resolve_listens(r, c) || !resolve_checks(r, c))
		return false;
	if (c->aliases.n == 0 && world->has_etc_aliases) {
		struct conf_aliases *f =
			list_add(r, (struct conf_list *)(void *)&c->aliases, sizeof(*f));

		if (!f)
			return false;
		*f = (struct conf_aliases){ .path = S("/etc/aliases") };
	} else if (c->aliases.n == 1 && c->aliases.p[0].path.n == 0) {
		c->aliases.n = 0;
	}
	if (c->run.n == 0)
		c->run = world->is_root
				 ? S("/run/waxwing")
				 : arena_printf(r->arena, STR_FMT "/run", STR_ARG(c->storage));
	if (c->contact.n == 0)
		c->contact =
			arena_printf(r->arena, "postmaster@" STR_FMT,
				     STR_ARG(c->domains.n ? c->domains.p[0].name : c->hostname));
	return !r->arena->full;
}

bool conf_read(struct str text, const struct conf_world *world, struct arena *a,
	       struct conf_notes *notes, struct conf *ret)
{
	struct reader r = { .arena = a, .notes = notes };
	struct conf *c = ARENA_NEW(a, struct conf);

	notes->arena = a;
	r.dir = arena_str(a, str_head(world->file, str_rfind(world->file, '/')));
	if (world->file.n == r.dir.n)
		r.dir = S(".");          /* a name without a folder */
	if (!c)
		return conf_error(notes, (struct conf_pos){ .file = world->file }, "no memory");
	if (!read_text(&r, arena_str(a, world->file), text, &world->includes, c) ||
	    !conf_check(c, world->file, notes) || !resolve(&r, world, c))
		return false;
	c->directory = r.dir;
	*ret = *c;
	return true;
}

bool conf_read_image(struct str image, struct arena *a, struct conf *ret, struct err *e)
{
	AUTO(arena_end) struct arena own = { 0 };        /* goes with the notes */
	struct conf_notes *notes = ARENA_NEW(&own, struct conf_notes);
	struct conf *c = ARENA_NEW(&own, struct conf);
	struct reader r = { .arena = a, .notes = notes, .is_image = true };

	if (!c || !notes)
		return fail(e, FAULT_TEMP, "no memory for the configuration");
	notes->arena = &own;
	if (!read_text(&r, S("image"), image, NULL, c)) {
		for (size_t i = 0; i < notes->n; i++)
			if (notes->note[i].is_error)
				return fail(e, FAULT_PERM, "configuration " STR_FMT,
					    STR_ARG(notes->note[i].text));
	}
	*ret = *c;
	return true;
}
