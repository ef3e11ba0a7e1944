/* imap_command_fuzz.c — bytes in pieces give the same commands as bytes at once; what parses is printed
 * and parses to the same.
 *
 * Byte 0: bit 0 UTF-8, bit 1 no letters, bit 2 LITERAL-; byte 1: the size of the pieces. */
#include "wire/imap_command_fixture.h"
#include "wire/imap_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct printer printer;

static void round_trip(const struct imap_command *c, unsigned flags)
{
	AUTO(buf_end) struct buf first = buf_on_heap(1 << 22);
	AUTO(buf_end) struct buf second = buf_on_heap(1 << 22);
	AUTO(arena_end) struct arena a = { .limit = 1 << 24 };
	struct imap_command back;
	struct imap_fault why;
	struct imap_text text;

	printer.b = &first;
	printer.utf8 = flags & IMAP_COMMAND_UTF8;
	print_command(&printer, c);
	text = (struct imap_text){ .bytes = buf_str(&first), .streams = printer.streams, .n_streams = printer.n_streams };
	if (!imap_command_parse(&text, flags, &a, &back, &why)) {
		must(why.reply == IMAP_REPLY_TOO_COMPLEX, "what is printed parses");
		return;
	}
	printer.b = &second;
	print_command(&printer, &back);
	must(!first.full && !second.full && str_eq(buf_str(&first), buf_str(&second)), "and means the same");
}

/* URLs of CATENATE: what parses names a letter. */
static void urls(const struct imap_command *c)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 20 };
	struct imap_url u;

	if (c->verb != IMAP_APPEND && c->verb != IMAP_REPLACE)
		return;
	for (size_t i = 0; i < c->append.n_letters; i++)
		for (size_t k = 0; k < c->append.letters[i].n_parts; k++)
			if (c->append.letters[i].parts[k].is_url &&
			    imap_url_parse(c->append.letters[i].parts[k].url, &a, &u))
				must(u.uid && (!u.has_partial || u.length), "a letter, and something of it");
}

static void one_command(struct imap_frame *f, unsigned flags, struct buf *log)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 22 };
	struct imap_text text = imap_frame_text(f);
	struct imap_command c;
	struct imap_fault why;

	if (imap_command_parse(&text, flags, &a, &c, &why)) {
		must(c.verb > IMAP_FOREIGN && c.verb < IMAP_VERB_COUNT, "a command we know");
		must(!str_has(c.tag, '\r') && !str_has(c.tag, '\n'), "no line end in a tag");
		buf_addf(log, "%s ", imap_verb_name(c.verb));
		round_trip(&c, flags);
		urls(&c);
		return;
	}
	must(why.reply != IMAP_REPLY_NONE && why.at <= text.bytes.n, "a fault has a place");
	imap_reply_add(log, c.tag, &(struct imap_reply){ .id = why.reply, .text = imap_fault_text(&why, &text, &a) });
}

/* What was parsed before need not be parsed again. */
static void from_mark(const struct imap_text *whole, unsigned flags, const struct imap_command *c,
		      struct append_mark *mark)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 22 };
	struct imap_text text = *whole;
	struct imap_command again;
	struct imap_fault why;

	text.mark = *mark;
	must(imap_append_begin(&text, flags, &a, &again, &why) &&
	     again.append.first + again.append.n_letters == c->append.n_letters &&
	     str_eq(again.append.mailbox, c->append.mailbox), "the mark leads to the same letters");
	*mark = again.append.mark;
}

/* False: the conversation is over. */
static bool one_event(struct imap_frame *f, enum imap_event event, struct str *in, unsigned flags, struct buf *log,
		      struct append_mark *mark)
{
	AUTO(arena_end) struct arena a = { .limit = 1 << 22 };
	struct imap_text text = imap_frame_text(f);
	struct imap_command c;
	struct imap_fault why;

	buf_addf(log, "%u ", (unsigned)event);
	switch (event) {
	case IMAP_STREAM:
		if (!imap_append_begin(&text, flags, &a, &c, &why)) {
			imap_frame_refuse(f);
			*mark = (struct append_mark){ 0 };
			return true;
		}
		from_mark(&text, flags, &c, mark);
		must(c.verb == IMAP_APPEND || c.verb == IMAP_REPLACE, "only they have letters");
		f->is_sync = false;
		imap_frame_body(f, in);
		return true;
	case IMAP_COMMAND:
		one_command(f, flags, log);
		imap_frame_next(f);
		*mark = (struct append_mark){ 0 };
		return true;
	case IMAP_REFUSED:
		imap_reply_add(log, str_from_z(f->tag), &(struct imap_reply){ .id = f->why });
		imap_frame_next(f);
		*mark = (struct append_mark){ 0 };
		return true;
	default:
		return event != IMAP_FATAL;
	}
}

static void converse(struct str in, size_t piece, unsigned mode, struct buf *log)
{
	AUTO(imap_frame_end) struct imap_frame f = { .line_max = 4096, .literal_max = 2048,
						     .stream_max = mode & 2 ? 0 : 10000, .nonsync_max = mode & 4 ? 64 : 0 };

	struct append_mark mark = { 0 };

	while (in.n) {
		struct str part = str_head(in, piece);
		enum imap_event event;

		in = str_from(in, part.n);
		while (part.n || f.left) {
			if (f.state == FRAME_BODY && f.left) {
				imap_frame_body(&f, &part);
				if (f.left)
					break;
			}
			event = imap_frame_feed(&f, &part);
			if (event == IMAP_MORE)
				break;
			if (!one_event(&f, event, &part, mode & 1, log, &mark))
				return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(buf_end) struct buf whole = buf_on_heap(1 << 24);
	AUTO(buf_end) struct buf pieces = buf_on_heap(1 << 24);
	struct str all = str_of(p, n);

	if (n < 2)
		return 0;
	converse(str_from(all, 2), n, p[0], &whole);
	converse(str_from(all, 2), 1 + p[1] % 32, p[0], &pieces);
	must(str_eq(buf_str(&whole), buf_str(&pieces)), "pieces change nothing");
	return 0;
}
